// SPDX-License-Identifier: Apache-2.0
// The entry of SystemC tests. libsystemc brings main(), so GoogleTest is run from sc_main().
#include <gmock/gmock.h>
#include <systemc>

int sc_main(int argc, char* argv[]) {
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
