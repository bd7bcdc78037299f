// SPDX-License-Identifier: Apache-2.0
// The cache against naive models of each policy, over random programs: what hits, what leaves, what is
// counted.

#include "vtd/remap/cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace vtd::remap {
namespace {

struct number {
  std::uint64_t value = 0;
  [[nodiscard]] std::uint64_t packed() const { return value + 1; }
  [[nodiscard]] std::uint64_t index() const { return value; }
};
using int_cache = cache<number, int>;

/// One set of a cache, as one would write it without a thought of speed.
class naive_set {
public:
  naive_set(unsigned ways, replacement policy) : policy_(policy), lines_(ways), tree_(2 * ways) {}

  [[nodiscard]] int* find(std::uint64_t tag) {
    for (line& l : lines_) {
      if (l.valid && l.tag == tag) return &l.value;
    }
    return nullptr;
  }
  void use(std::uint64_t tag, std::uint64_t now) {
    for (std::size_t way = 0; way < lines_.size(); ++way) {
      if (lines_[way].valid && lines_[way].tag == tag) touch(way, now);
    }
  }
  /// The tag that left, + 1, or 0.
  std::uint64_t fill(std::uint64_t tag, int value, std::uint64_t now, std::uint64_t& random) {
    if (int* const there = find(tag)) {
      *there = value;
      if (policy_ != replacement::fifo) use(tag, now);
      return 0;
    }
    std::size_t way = 0;
    while (way < lines_.size() && lines_[way].valid)
      ++way;
    std::uint64_t left = 0;
    if (way == lines_.size()) {
      way = victim(random);
      left = lines_[way].tag + 1;
    }
    lines_[way] = {true, tag, value, now, now};
    touch_tree(way);
    return left;
  }
  template <class Doomed>
  unsigned invalidate(Doomed&& doomed) {
    unsigned removed = 0;
    for (line& l : lines_) {
      if (!l.valid || !doomed(l.tag)) continue;
      l.valid = false;
      ++removed;
    }
    return removed;
  }
  struct line {
    bool valid = false;
    std::uint64_t tag = 0;
    int value = 0;
    std::uint64_t used = 0;
    std::uint64_t filled = 0;
  };
  [[nodiscard]] const std::vector<line>& lines() const { return lines_; }

private:
  void touch(std::size_t way, std::uint64_t now) {
    lines_[way].used = now;
    touch_tree(way);
  }
  // Node n has the children 2n and 2n + 1; true: the right half was used less recently.
  void touch_tree(std::size_t way) {
    for (std::size_t node = way + lines_.size(); node > 1; node /= 2)
      tree_[node / 2] = node % 2 == 0;
  }
  [[nodiscard]] std::size_t victim(std::uint64_t& random) const {
    const auto oldest = [&](auto member) {
      return static_cast<std::size_t>(
          std::min_element(lines_.begin(), lines_.end(),
                           [&](const line& a, const line& b) { return a.*member < b.*member; }) -
          lines_.begin());
    };
    switch (policy_) {
    case replacement::lru:
      return oldest(&line::used);
    case replacement::fifo:
      return oldest(&line::filled);
    case replacement::pseudo_lru: {
      std::size_t node = 1;
      while (node < lines_.size())
        node = 2 * node + (tree_[node] ? 1 : 0);
      return node - lines_.size();
    }
    case replacement::random:
      // Marsaglia's xorshift with 13, 7 and 17: victims are the same in every build.
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      return random % lines_.size();
    }
    return 0;
  }

  replacement policy_;
  std::vector<line> lines_;
  std::vector<bool> tree_;
};

struct shape_case {
  replacement policy;
  unsigned sets;
  unsigned ways;
};

class cache_models : public testing::TestWithParam<shape_case> {};

TEST_P(cache_models, agree_over_random_programs) {
  const auto [policy, sets, ways] = GetParam();
  constexpr std::uint64_t seed = 5;
  int_cache c("test", {sets * ways, ways, policy, seed});
  std::vector<naive_set> model(sets, naive_set(ways, policy));
  cache_statistics counted;
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  std::mt19937_64 random(sets * 100 + ways);
  const std::uint64_t tags = 2 * std::uint64_t{sets} * ways + 3;
  for (std::uint64_t step = 1; step < 6000; ++step) {
    const std::uint64_t tag = random() % tags;
    naive_set& set = model[tag % sets];
    const auto what = random() % 100;
    if (what == 0) {
      const std::uint64_t residue = random() % 7;
      unsigned removed = 0;
      for (naive_set& each : model)
        removed += each.invalidate([&](std::uint64_t t) { return t % 7 == residue; });
      ASSERT_EQ(c.invalidate_if([&](std::uint64_t packed, int) { return (packed - 1) % 7 == residue; }),
                removed);
      counted.invalidated += removed;
    } else if (what < 40) {
      const bool there = set.find(tag) != nullptr;
      const std::uint64_t left = set.fill(tag, static_cast<int>(step), step, state);
      ASSERT_EQ(c.fill({tag}, static_cast<int>(step), !there && step % 2 == 0), left) << "step " << step;
      ++counted.fills;
      counted.evictions += left != 0 ? 1 : 0;
    } else if (what < 60) {
      const int* const value = c.peek({tag});
      ASSERT_EQ(value != nullptr, set.find(tag) != nullptr);
      if (value != nullptr) {
        ASSERT_EQ(*value, *set.find(tag));
      }
    } else {
      const bool quick = what < 80;
      const int* value = quick ? c.find_recent({tag}) : nullptr;
      if (value != nullptr) c.count_hit();
      if (value == nullptr) value = c.lookup({tag});
      ASSERT_EQ(value != nullptr, set.find(tag) != nullptr) << "step " << step;
      ++(value != nullptr ? counted.hits : counted.misses);
      if (value == nullptr) continue;
      ASSERT_EQ(*value, *set.find(tag)) << "step " << step;
      if (policy != replacement::fifo) set.use(tag, step);
    }
  }
  const cache_statistics got = c.statistics();
  EXPECT_EQ(got.hits, counted.hits);
  EXPECT_EQ(got.misses, counted.misses);
  EXPECT_EQ(got.fills, counted.fills);
  EXPECT_EQ(got.evictions, counted.evictions);
  EXPECT_EQ(got.invalidated, counted.invalidated);
  // All valid lines, in the order of sets and ways.
  std::vector<std::pair<std::uint64_t, int>> lines;
  for (const naive_set& each : model) {
    for (const auto& line : each.lines()) {
      if (line.valid) lines.emplace_back(line.tag + 1, line.value);
    }
  }
  std::vector<std::pair<std::uint64_t, int>> visited;
  c.for_each([&](std::uint64_t packed, int value) { visited.emplace_back(packed, value); });
  EXPECT_EQ(visited, lines);
  EXPECT_EQ(c.occupancy(), lines.size());
  c.clear_statistics();
  const cache_statistics none = c.statistics();
  EXPECT_EQ(none.hits + none.misses + none.fills + none.evictions + none.invalidated, 0U);
  EXPECT_EQ(c.fills(), counted.fills) << "of these nothing is forgotten";
}

INSTANTIATE_TEST_SUITE_P(
    of, cache_models,
    testing::Values(shape_case{replacement::lru, 4, 4}, shape_case{replacement::lru, 1, 20},
                    shape_case{replacement::lru, 2, 9}, shape_case{replacement::fifo, 2, 8},
                    shape_case{replacement::fifo, 1, 17}, shape_case{replacement::pseudo_lru, 4, 2},
                    shape_case{replacement::pseudo_lru, 2, 4}, shape_case{replacement::pseudo_lru, 2, 16},
                    shape_case{replacement::pseudo_lru, 1, 64}, shape_case{replacement::random, 2, 4},
                    shape_case{replacement::random, 1, 12}, shape_case{replacement::lru, 8, 1}),
    [](const auto& part) {
      return std::string(to_string(part.param.policy)) + '_' + std::to_string(part.param.sets) + "_sets_of_" +
             std::to_string(part.param.ways);
    });

TEST(cache_without_entries, misses_whatever_the_tag_is) {
  for (const auto policy :
       {replacement::lru, replacement::pseudo_lru, replacement::fifo, replacement::random}) {
    int_cache c("none", {0, 0, policy, 1});
    for (std::uint64_t tag = 0; tag < 300; ++tag) {
      EXPECT_EQ(c.fill({tag}, 1), 0U);
      EXPECT_EQ(c.find_recent({tag}), nullptr);
      EXPECT_EQ(c.lookup({tag}), nullptr);
      EXPECT_EQ(c.peek({tag}), nullptr);
    }
    EXPECT_EQ(c.occupancy(), 0U);
    EXPECT_EQ(c.statistics().misses, 300U);
  }
}

TEST(cache_policies, have_names_that_are_read_back) {
  for (const auto policy :
       {replacement::lru, replacement::pseudo_lru, replacement::fifo, replacement::random})
    EXPECT_EQ(parse_replacement(to_string(policy)), policy);
  EXPECT_EQ(to_string(replacement::lru), "lru");
  EXPECT_EQ(to_string(replacement::pseudo_lru), "pseudo_lru");
  EXPECT_EQ(to_string(replacement::fifo), "fifo");
  EXPECT_EQ(to_string(replacement::random), "random");
  EXPECT_FALSE(parse_replacement("mru").has_value());
  EXPECT_FALSE(parse_replacement("").has_value());
}

} // namespace
} // namespace vtd::remap
