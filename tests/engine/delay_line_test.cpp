// SPDX-License-Identifier: Apache-2.0
#include "vtd/engine/delay_line.h"

#include <gtest/gtest.h>

namespace {

using namespace vtd::engine;

TEST(delay_line, gives_an_item_out_after_its_latency_and_not_one_cycle_before) {
  delay_line<int> line{4, 3};
  line.push(7, 10);
  EXPECT_FALSE(line.ready(12));
  EXPECT_TRUE(line.ready(13));
  EXPECT_EQ(line.due(), 13U);
  EXPECT_EQ(line.pop(), 7);
  EXPECT_EQ(line.due(), never);
}

TEST(delay_line, keeps_the_order_and_the_bound) {
  delay_line<int> line{3, 1};
  for (int i = 0; i < 3; ++i)
    line.push(i, static_cast<cycle>(i));
  EXPECT_TRUE(line.full());
  EXPECT_EQ(line.pop(), 0);
  EXPECT_FALSE(line.full());
  line.push(3, 3);
  EXPECT_EQ(line.pop(), 1);
  EXPECT_EQ(line.pop(), 2);
  EXPECT_EQ(line.pop(), 3);
  EXPECT_TRUE(line.empty());
}

TEST(ring, stays_sorted_across_its_end) {
  ring<int> r(4);
  for (int i = 0; i < 3; ++i) {
    r.push(0);
    r.pop();
  }
  for (const int value : {5, 3, 9, 4})
    r.push_sorted(value, [value](int other) { return other > value; });
  for (const int expected : {3, 4, 5, 9})
    EXPECT_EQ(r.pop(), expected);
  EXPECT_TRUE(r.empty());
}

} // namespace
