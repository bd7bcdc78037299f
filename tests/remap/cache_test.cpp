// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/cache.h"

#include "vtd/remap/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <random>
#include <stdexcept>
#include <vector>

namespace vtd::remap {
namespace {

struct number {
  std::uint64_t value = 0;
  [[nodiscard]] std::uint64_t packed() const { return value | std::uint64_t{1} << 63; }
  [[nodiscard]] std::uint64_t index() const { return value; }
};
using int_cache = cache<number, int>;

int_cache full_of(replacement policy, unsigned entries = 4, unsigned ways = 0) {
  int_cache c("test", {entries, ways, policy, 7});
  for (unsigned i = 0; i < entries; ++i)
    c.fill({i}, static_cast<int>(i));
  return c;
}
bool holds(const int_cache& c, std::uint64_t value) { return c.peek({value}) != nullptr; }

TEST(cache, hits_what_was_filled_and_misses_everything_else) {
  int_cache c("test", {4, 2, replacement::lru, 1});
  EXPECT_EQ(c.lookup({5}), nullptr);
  EXPECT_EQ(c.fill({5}, 55), 0U);
  ASSERT_NE(c.lookup({5}), nullptr);
  EXPECT_EQ(*c.lookup({5}), 55);
  EXPECT_EQ(c.lookup({7}), nullptr) << "same set, other tag";
  EXPECT_EQ(c.statistics().hits, 2U);
  EXPECT_EQ(c.statistics().misses, 2U);
  EXPECT_EQ(c.statistics().fills, 1U);
}

TEST(cache, filling_a_tag_again_replaces_its_value_and_evicts_nothing) {
  int_cache c = full_of(replacement::lru);
  EXPECT_EQ(c.fill({2}, 22), 0U);
  EXPECT_EQ(*c.lookup({2}), 22);
  EXPECT_EQ(c.occupancy(), 4U);
  EXPECT_EQ(c.statistics().evictions, 0U);
}

TEST(cache, finds_at_once_only_what_was_used_last_in_its_set) {
  int_cache c = full_of(replacement::lru, 4, 2);
  EXPECT_EQ(c.find_recent({0}), nullptr) << "2 came into its set after it";
  ASSERT_NE(c.find_recent({2}), nullptr);
  EXPECT_EQ(*c.find_recent({2}), 2);
  (void)c.lookup({0});
  EXPECT_NE(c.find_recent({0}), nullptr);
  EXPECT_EQ(c.find_recent({2}), nullptr);
  EXPECT_NE(c.find_recent({3}), nullptr) << "the other set is as it was";
  c.invalidate_if([](std::uint64_t packed, int) { return packed == number{0}.packed(); });
  EXPECT_EQ(c.find_recent({0}), nullptr);
  EXPECT_EQ(c.statistics().hits, 1U) << "it counts nothing";
}

TEST(cache, lru_replaces_the_line_that_was_used_longest_ago) {
  int_cache c = full_of(replacement::lru);
  (void)c.lookup({0});
  (void)c.lookup({1});
  (void)c.lookup({3});
  EXPECT_EQ(c.fill({9}, 9), number{2}.packed());
  EXPECT_FALSE(holds(c, 2));
  EXPECT_TRUE(holds(c, 0));
}

TEST(cache, fifo_replaces_the_line_that_was_filled_first_however_often_it_is_used) {
  int_cache c = full_of(replacement::fifo);
  for (int i = 0; i < 10; ++i)
    (void)c.lookup({0});
  c.fill({0}, 100);
  EXPECT_EQ(c.fill({9}, 9), number{0}.packed());
  EXPECT_EQ(c.fill({10}, 10), number{1}.packed());
}

TEST(cache, pseudo_lru_follows_its_tree) {
  int_cache c = full_of(replacement::pseudo_lru);
  // Filled in order 0, 1, 2, 3: the lower half was used less recently, and in it way 0.
  EXPECT_EQ(c.fill({10}, 10), number{0}.packed());
  // Now the upper half, and in it way 2.
  EXPECT_EQ(c.fill({11}, 11), number{2}.packed());
}

TEST(cache, equal_seeds_give_equal_victims) {
  const auto victims = [](std::uint64_t seed) {
    int_cache c("test", {8, 8, replacement::random, seed});
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < 200; ++i)
      out.push_back(c.fill({i}, 0));
    return out;
  };
  EXPECT_EQ(victims(3), victims(3));
  EXPECT_NE(victims(3), victims(4));
}

TEST(cache, random_replacement_uses_every_way) {
  int_cache c("test", {4, 4, replacement::random, 1});
  for (std::uint64_t i = 0; i < 4; ++i)
    c.fill({i}, 0);
  std::vector<bool> victim(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    // Fill until the line that holds `i` goes.
    for (std::uint64_t other = 100 + 100 * i; holds(c, i) && other < 200 + 100 * i; ++other)
      c.fill({other}, 0);
    victim[i] = !holds(c, i);
  }
  EXPECT_TRUE(std::all_of(victim.begin(), victim.end(), [](bool gone) { return gone; }));
}

TEST(cache, an_invalidated_line_is_filled_before_any_valid_one_is_replaced) {
  for (const auto policy :
       {replacement::lru, replacement::pseudo_lru, replacement::fifo, replacement::random}) {
    int_cache c = full_of(policy);
    ASSERT_TRUE(holds(c, 2));
    EXPECT_EQ(c.invalidate_if([](std::uint64_t packed, int) { return packed == number{2}.packed(); }), 1U);
    EXPECT_EQ(c.lookup({2}), nullptr) << to_string(policy);
    EXPECT_EQ(c.fill({9}, 9), 0U) << to_string(policy);
    for (const std::uint64_t kept : {0U, 1U, 3U})
      EXPECT_TRUE(holds(c, kept)) << to_string(policy);
  }
}

TEST(cache, sets_do_not_share_lines) {
  int_cache c("test", {8, 2, replacement::lru, 1});
  for (std::uint64_t i = 0; i < 3; ++i)
    c.fill({4 * i}, 0);
  EXPECT_FALSE(holds(c, 0)) << "three tags of one set of two ways";
  c.fill({1}, 0);
  EXPECT_TRUE(holds(c, 4));
  EXPECT_TRUE(holds(c, 8));
}

TEST(cache, a_cache_of_no_entries_never_hits_and_keeps_nothing) {
  int_cache c("test", {0, 0, replacement::lru, 1});
  EXPECT_EQ(c.fill({1}, 1), 0U);
  EXPECT_EQ(c.lookup({1}), nullptr);
  EXPECT_EQ(c.peek({1}), nullptr);
  EXPECT_EQ(c.occupancy(), 0U);
  EXPECT_EQ(c.invalidate_if([](std::uint64_t, int) { return true; }), 0U);
}

TEST(cache, peeking_has_no_effect) {
  int_cache c = full_of(replacement::lru);
  const auto before = c.statistics();
  ASSERT_NE(c.peek({0}), nullptr);
  EXPECT_EQ(c.peek({77}), nullptr);
  EXPECT_EQ(c.statistics().hits, before.hits);
  EXPECT_EQ(c.statistics().misses, before.misses);
  EXPECT_EQ(c.fill({9}, 9), number{0}.packed()) << "0 is still the oldest";
}

TEST(cache, shapes_that_cannot_be_built_are_refused_by_name) {
  const auto build = [](unsigned entries, unsigned ways, replacement policy) {
    return int_cache("iotlb", {entries, ways, policy, 1});
  };
  EXPECT_THROW(build(10, 4, replacement::lru), std::invalid_argument);
  EXPECT_THROW(build(12, 4, replacement::lru), std::invalid_argument) << "three sets";
  EXPECT_THROW(build(12, 12, replacement::pseudo_lru), std::invalid_argument);
  EXPECT_THROW(build(128, 128, replacement::pseudo_lru), std::invalid_argument);
  EXPECT_NO_THROW(build(118, 0, replacement::lru)) << "fully associative of any size";
  try {
    build(10, 4, replacement::lru);
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()), "iotlb: entries 10 are not a multiple of ways 4");
  }
}

TEST(cache, lru_agrees_with_a_list_over_random_programs) {
  constexpr unsigned ways = 4;
  constexpr unsigned sets = 4;
  int_cache c("test", {sets * ways, ways, replacement::lru, 1});
  std::vector<std::list<std::uint64_t>> model(sets);
  std::mt19937_64 random(1);
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t tag = random() % 48;
    std::list<std::uint64_t>& set = model[tag % sets];
    const auto found = std::find(set.begin(), set.end(), tag);
    switch (random() % 8) {
    case 0: {
      const std::uint64_t residue = random() % 5;
      c.invalidate_if([residue](std::uint64_t packed, int) { return (packed & 0xff) % 5 == residue; });
      for (auto& each : model)
        each.remove_if([residue](std::uint64_t t) { return t % 5 == residue; });
      break;
    }
    case 1:
    case 2:
    case 3:
      c.fill({tag}, step);
      if (found != set.end()) {
        set.erase(found);
      } else if (set.size() == ways) {
        set.pop_back();
      }
      set.push_front(tag);
      break;
    default:
      ASSERT_EQ(c.lookup({tag}) != nullptr, found != set.end()) << "step " << step;
      if (found != set.end()) set.splice(set.begin(), set, found);
      break;
    }
  }
}

// As it is without a paging-structure cache: any tag that a structure may have, the lowest and the highest.
TEST(cache, without_entries_misses_everything_and_keeps_nothing) {
  struct raw {
    std::uint64_t value = 0;
    [[nodiscard]] std::uint64_t packed() const { return value; }
    [[nodiscard]] std::uint64_t index() const { return value; }
  };
  cache<raw, int> none("none", {0, 0, replacement::lru, 1});
  for (const std::uint64_t tag : {std::uint64_t{1}, std::uint64_t{2}, ~std::uint64_t{0}}) {
    EXPECT_EQ(none.find_recent({tag}), nullptr);
    EXPECT_EQ(none.lookup_if_present({tag}), nullptr);
    EXPECT_EQ(none.lookup({tag}), nullptr);
    EXPECT_EQ(none.fill({tag}, 7), 0U);
    EXPECT_EQ(none.peek({tag}), nullptr);
  }
  EXPECT_EQ(none.occupancy(), 0U);
  EXPECT_EQ(none.statistics().fills, 0U);
  EXPECT_EQ(none.statistics().misses, 3U);
}

TEST(cache, of_several_sets_with_many_ways_holds_and_finds_all_of_them) {
  int_cache c("test", {256, 64, replacement::lru, 1});
  for (unsigned i = 0; i < 256; ++i)
    c.fill({i}, static_cast<int>(i));
  EXPECT_EQ(c.occupancy(), 256U);
  for (unsigned i = 0; i < 256; ++i) {
    ASSERT_NE(c.peek({i}), nullptr) << i;
    EXPECT_EQ(*c.peek({i}), static_cast<int>(i));
  }
  EXPECT_EQ(c.statistics().evictions, 0U);
}

TEST(cache_shape, is_no_cache_by_itself_and_draws_by_a_seed_of_1) {
  const cache_shape shape;
  EXPECT_EQ(shape.entries, 0U);
  EXPECT_EQ(shape.policy, replacement::lru);
  EXPECT_EQ(shape.seed, 1U);
}

TEST(translation_latencies, are_one_cycle_for_each_look_up_by_themselves) {
  const translation_latencies latencies;
  EXPECT_EQ(latencies.context_lookup, 1U);
  EXPECT_EQ(latencies.iotlb_lookup, 1U);
  EXPECT_EQ(latencies.structure_lookup, 1U);
}

} // namespace
} // namespace vtd::remap
