// SPDX-License-Identifier: Apache-2.0
// A fuzz target is entered by libFuzzer. The SystemC library only needs the symbol to be there.
#include <systemc>

int sc_main(int /*argc*/, char* /*argv*/[]) { return 0; }
