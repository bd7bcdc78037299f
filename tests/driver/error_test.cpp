// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/error.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace vtd::driver {
namespace {

TEST(error, every_step_has_a_name_of_its_own) {
  std::set<std::string> names;
  constexpr auto last = static_cast<unsigned>(unit_step::protected_memory_off);
  for (unsigned i = 0; i <= last; ++i) {
    const std::string name(step_name(static_cast<unit_step>(i)));
    EXPECT_NE(name, "unknown step");
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(step_name(static_cast<unit_step>(last + 1)), "unknown step");
  EXPECT_EQ(step_name(unit_step::translation_on), "translation on");
}

TEST(error, who_catches_driver_errors_catches_them_all) {
  EXPECT_THROW(throw unit_error(unit_step::probe, "text"), driver_error);
  EXPECT_THROW(throw dmar_error("text"), driver_error);
  EXPECT_EQ(unit_error(unit_step::probe, "text").step(), unit_step::probe);
}

} // namespace
} // namespace vtd::driver
