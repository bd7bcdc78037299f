// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/text.h"

#include <gtest/gtest.h>

#include <string>

namespace vtd::driver {
namespace {

TEST(text, printed_is_printf_into_a_string) {
  EXPECT_EQ(printed("%s at 0x%x", "dmar0", 0xfed90000U), "dmar0 at 0xfed90000");
  EXPECT_EQ(printed("%s", ""), "");
}

TEST(text, long_lines_are_not_cut) {
  const std::string longer_than_any_buffer(10'000, 'x');
  EXPECT_EQ(printed("%s", longer_than_any_buffer.c_str()), longer_than_any_buffer);
}

} // namespace
} // namespace vtd::driver
