// SPDX-License-Identifier: Apache-2.0
// A random program of register writes, table words and requests on one unit: it never crashes, every request
// that was admitted ends, and nothing reaches memory that no mapping, present or stale and not yet
// invalidated, allowed (support/reach_oracle.h).

#include "support/unit_program.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto result = vtd::test::run_unit_program({data, size});
  if (result.violation.empty()) return 0;
  std::fprintf(stderr, "%s\n", result.violation.c_str());
  __builtin_trap();
}
