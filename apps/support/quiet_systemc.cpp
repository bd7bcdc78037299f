// SPDX-License-Identifier: Apache-2.0
// Compiled into every SystemC program of ours (link vtd_quiet_systemc). The kernel prints its banner when its
// main() starts the simulation, unless this variable is set; a constructor function runs before main().
#include <stdlib.h> // NOLINT(modernize-deprecated-headers): setenv is POSIX, not in <cstdlib>

namespace {

[[gnu::constructor]] void silence_the_banner() { setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1); }

} // namespace
