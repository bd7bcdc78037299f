// SPDX-License-Identifier: Apache-2.0
// Any text as a board; what has to hold is said in support/board_input.h.

#include "support/board_input.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome = vtd::test::load_board_input({reinterpret_cast<const char*>(data), size});
  if (outcome.violation.empty()) return 0;
  std::fprintf(stderr, "%s\n", outcome.violation.c_str());
  __builtin_trap();
}
