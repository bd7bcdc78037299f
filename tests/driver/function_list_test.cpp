// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/function_list.h"

#include <gtest/gtest.h>

namespace vtd::driver {
namespace {

TEST(function_list, an_address_shows_its_segment_only_outside_segment_0) {
  const auto id = spec::source_id::from_bdf(0, 0x1d, 7);
  EXPECT_EQ(to_string(function_address{0, id}), "00:1d.7");
  EXPECT_EQ(to_string(function_address{1, id}), "0001:00:1d.7");
  EXPECT_EQ(to_string(function_address{0xffff, spec::source_id::from_bdf(255, 31, 7)}), "ffff:ff:1f.7");
}

TEST(function_list, functions_of_two_segments_are_two) {
  const auto id = spec::source_id::from_bdf(0, 2, 0);
  EXPECT_EQ((function_address{0, id}), (function_address{0, id}));
  EXPECT_NE((function_address{0, id}), (function_address{1, id}));
}

} // namespace
} // namespace vtd::driver
