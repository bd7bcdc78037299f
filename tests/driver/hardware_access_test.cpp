// SPDX-License-Identifier: Apache-2.0
// The struct of C functions: all of them or none.

#include "vtd/driver/hardware_access.h"

#include "fake_machine.h"

#include "vtd/driver/error.h"
#include "vtd/driver/hardware.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace vtd::test {
namespace {

TEST(hardware_access, a_struct_with_all_functions_is_complete) {
  fake_hardware hw;
  const auto access = hw.access();
  EXPECT_EQ(vtd_hardware_access_complete(&access), 1);
  EXPECT_EQ(vtd_hardware_access_complete(nullptr), 0);
}

TEST(hardware_access, one_function_less_and_the_driver_refuses_the_machine) {
  using access_struct = vtd_hardware_access;
  const std::vector<std::function<void(access_struct&)>> holes = {
      [](access_struct& a) { a.read32 = nullptr; },
      [](access_struct& a) { a.read64 = nullptr; },
      [](access_struct& a) { a.write32 = nullptr; },
      [](access_struct& a) { a.write64 = nullptr; },
      [](access_struct& a) { a.load64 = nullptr; },
      [](access_struct& a) { a.store64 = nullptr; },
      [](access_struct& a) { a.load_bytes = nullptr; },
      [](access_struct& a) { a.store_bytes = nullptr; },
      [](access_struct& a) { a.flush_lines = nullptr; },
      [](access_struct& a) { a.now_ns = nullptr; },
      [](access_struct& a) { a.delay_ns = nullptr; },
      [](access_struct& a) { a.relax = nullptr; },
      [](access_struct& a) { a.allocate_pages = nullptr; },
      [](access_struct& a) { a.free_pages = nullptr; },
      [](access_struct& a) { a.register_interrupt = nullptr; },
      [](access_struct& a) { a.unregister_interrupt = nullptr; },
      [](access_struct& a) { a.log = nullptr; },
  };
  // Every pointer of the struct but the context has its row.
  static_assert(sizeof(access_struct) % sizeof(void*) == 0);
  ASSERT_EQ(holes.size(), sizeof(access_struct) / sizeof(void*) - 1);
  fake_hardware hw;
  for (const auto& make_hole : holes) {
    auto access = hw.access();
    make_hole(access);
    EXPECT_EQ(vtd_hardware_access_complete(&access), 0);
    EXPECT_EQ(message_of<driver::driver_error>([&] { driver::hardware machine(access); }),
              "hardware access: a function pointer is null, expected all of them");
  }
}

} // namespace
} // namespace vtd::test
