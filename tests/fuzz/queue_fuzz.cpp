// SPDX-License-Identifier: Apache-2.0
// Random descriptors, registers of the invalidation queue, table changes and requests on one unit; what has
// to hold is said in support/queue_program.h.

#include "support/queue_program.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string violation = vtd::test::queue_program({data, size}).run();
  if (violation.empty()) return 0;
  std::fprintf(stderr, "%s\n", violation.c_str());
  __builtin_trap();
}
