// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/flat_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>

namespace vtd::host {
namespace {

TEST(flat_map, finds_what_was_inserted_and_nothing_else) {
  flat_map<int> map;
  map.insert(7, 70);
  ASSERT_NE(map.find(7), nullptr);
  EXPECT_EQ(*map.find(7), 70);
  EXPECT_EQ(map.find(8), nullptr);
  EXPECT_EQ(map.find(0), nullptr);
}

TEST(flat_map, replaces_the_value_of_a_key_without_growing) {
  flat_map<int> map;
  map.insert(7, 70);
  map.insert(7, 71);
  EXPECT_EQ(*map.find(7), 71);
  EXPECT_EQ(map.size(), 1U);
}

TEST(flat_map, agrees_with_a_standard_map_over_random_inserts_and_erases) {
  std::mt19937_64 random(20260101);
  flat_map<std::uint64_t> map;
  std::map<std::uint64_t, std::uint64_t> model;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t key = random() % 500; // few keys: long probe runs and many erases that hit
    if (random() % 3 == 0) {
      EXPECT_EQ(map.erase(key), model.erase(key) == 1);
    } else {
      map.insert(key, random());
      model[key] = *map.find(key);
    }
    ASSERT_EQ(map.size(), model.size());
  }
  for (std::uint64_t key = 0; key < 500; ++key) {
    const auto expected = model.find(key);
    ASSERT_EQ(map.find(key) != nullptr, expected != model.end()) << key;
    if (expected != model.end()) {
      EXPECT_EQ(*map.find(key), expected->second);
    }
  }
}

TEST(flat_map, is_empty_after_clear) {
  flat_map<int> map;
  map.insert(1, 1);
  map.clear();
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(map.find(1), nullptr);
}

} // namespace
} // namespace vtd::host
