// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/recency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace {

using vtd::remap::recency;

/// The same order, kept as a list.
class listed {
public:
  explicit listed(std::size_t ways) {
    for (std::size_t way = 0; way < ways; ++way)
      touch(way);
  }
  void touch(std::size_t way) {
    std::erase(order_, way);
    order_.push_back(way);
  }
  [[nodiscard]] std::size_t last() const { return order_.front(); }

private:
  std::vector<std::size_t> order_;
};

// 16 ways are the last that fit one word; 17 are kept by stamps.
class recency_of : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(ways, recency_of, testing::Values(1, 2, 3, 4, 7, 8, 15, 16, 17, 64));

TEST_P(recency_of, gives_up_the_ways_in_their_order_when_none_was_touched) {
  recency order(2, GetParam());
  for (std::size_t way = 0; way < GetParam(); ++way)
    EXPECT_EQ(order.take_last(1), way);
  EXPECT_EQ(order.last(0), 0U);
}

TEST_P(recency_of, agrees_with_a_list_over_random_touches) {
  constexpr std::size_t sets = 4;
  const std::size_t ways = GetParam();
  recency order(sets, ways);
  std::vector<listed> expected(sets, listed(ways));
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const std::size_t set = random() % sets;
    if (random() % 4 == 0) {
      const std::size_t last = expected[set].last();
      ASSERT_EQ(order.take_last(set), last);
      expected[set].touch(last);
    } else {
      const std::size_t way = random() % ways;
      order.touch(set, way);
      expected[set].touch(way);
    }
    ASSERT_EQ(order.last(set), expected[set].last()) << "after " << i << " steps";
  }
}

} // namespace
