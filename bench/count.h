// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench_case.h"

#include <string>
#include <vector>

namespace vtd::bench {

/// Counts instructions per item of each named case under callgrind, one child process a case, and prints a
/// line each. Returns the exit status: 0, or 2 with a message for an unknown case (before anything is
/// counted) or where valgrind is missing.
int count_instructions(const std::vector<std::string>& names, const case_list& cases);

/// What the child does: builds and prepares the case, then runs it with counting switched on. Returns 1 when
/// the case did not do what it should.
int run_counted(const case_entry& entry);

} // namespace vtd::bench
