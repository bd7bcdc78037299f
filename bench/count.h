// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench_case.h"

#include <string>
#include <vector>

namespace vtd::bench {

/// Counts instructions per item of each named case under callgrind, one child process a case, and prints a
/// line each. Returns the exit status: 0, or 2 with a message for an unknown case or where valgrind is
/// missing.
int count_instructions(const char* program, const std::vector<std::string>& names, const case_list& cases);

/// What the child does: prepares the case, then runs it with counting switched on.
int run_counted(bench_case& which);

} // namespace vtd::bench
