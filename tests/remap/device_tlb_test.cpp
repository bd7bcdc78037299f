// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/device_tlb.h"

#include <gtest/gtest.h>

namespace vtd::remap {
namespace {

using spec::ats::translation;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;

translation grant(std::uint64_t host, unsigned mask = 0) {
  return translation{}.set_read(true).set_write(true).set_pages(host, mask);
}

TEST(device_tlb, keeps_what_was_granted_with_its_rights) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  EXPECT_EQ(tlb.lookup(iova), nullptr);
  tlb.fill(iova + 0x123, translation{}.set_read(true).set_pages(frame, 0));
  const device_page* const found = tlb.lookup(iova + 0xfff);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->page, frame);
  EXPECT_TRUE(found->read);
  EXPECT_FALSE(found->write);
  EXPECT_EQ(tlb.lookup(iova + 0x1000), nullptr);
  EXPECT_EQ(tlb.statistics().hits, 1U);
  EXPECT_EQ(tlb.statistics().misses, 2U);
}

TEST(device_tlb, never_keeps_what_was_not_granted) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  tlb.fill(iova, translation{});
  EXPECT_EQ(tlb.pages().occupancy(), 0U);
}

TEST(device_tlb, keeps_a_large_page_as_one_entry) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  tlb.fill(iova + 0x5000, grant(spec::level_size(2) * 9, 9));
  const device_page* const found = tlb.lookup(iova + spec::level_size(2) - 1);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->level, 2U);
  EXPECT_EQ(found->page, spec::level_size(2) * 9);
  EXPECT_EQ(tlb.pages().occupancy(), 1U);
}

TEST(device_tlb, keeps_the_page_round_the_address_of_a_range_of_another_size) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  // 16 KB granted, and asked for the third page of it.
  tlb.fill(iova + 0x2000, grant(0x8000'0000, 2));
  const device_page* const found = tlb.lookup(iova + 0x2abc);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->page, 0x8000'2000U);
  EXPECT_EQ(tlb.lookup(iova + 0x1000), nullptr);
}

TEST(device_tlb, forgets_the_range_it_is_told_and_nothing_else) {
  device_tlb tlb({16, 0, replacement::lru, 1});
  for (std::uint64_t n = 0; n < 8; ++n)
    tlb.fill(iova + n * spec::page_size, grant(frame + n * spec::page_size));
  const auto asked = spec::ats::invalidation::of(iova + 2 * spec::page_size, 1);
  EXPECT_EQ(tlb.invalidate(asked.first(), asked.last()), 2U);
  for (std::uint64_t n = 0; n < 8; ++n)
    EXPECT_EQ(tlb.lookup(iova + n * spec::page_size) != nullptr, n != 2 && n != 3) << n;
}

TEST(device_tlb, forgets_a_large_page_of_which_one_page_is_named) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  tlb.fill(iova, grant(spec::level_size(2), 9));
  const auto asked = spec::ats::invalidation::of(iova + 7 * spec::page_size, 0);
  EXPECT_EQ(tlb.invalidate(asked.first(), asked.last()), 1U);
}

TEST(device_tlb, forgets_all_when_the_whole_space_is_named) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  tlb.fill(iova, grant(spec::level_size(2), 9));
  tlb.fill(0x1000, grant(frame));
  const auto all = spec::ats::invalidation::of(0, spec::ats::whole_space);
  EXPECT_EQ(tlb.invalidate(all.first(), all.last()), 2U);
}

TEST(device_tlb, forgets_all_when_it_is_reset) {
  device_tlb tlb({8, 0, replacement::lru, 1});
  tlb.fill(iova, grant(spec::level_size(2), 9));
  tlb.fill(0x1000, grant(frame));
  EXPECT_EQ(tlb.invalidate_all(), 2U);
  EXPECT_EQ(tlb.lookup(iova), nullptr);
  EXPECT_EQ(tlb.lookup(0x1000), nullptr);
}

TEST(device_tlb, has_sets_ways_and_a_policy_like_any_cache) {
  device_tlb tlb({2, 1, replacement::lru, 1});
  tlb.fill(0x0000, grant(frame));
  tlb.fill(0x1000, grant(frame));
  tlb.fill(0x2000, grant(frame));
  EXPECT_EQ(tlb.lookup(0x0000), nullptr) << "it was in the set of 2000h";
  EXPECT_NE(tlb.lookup(0x1000), nullptr);
  EXPECT_EQ(tlb.statistics().evictions, 1U);
  device_tlb none(cache_shape{});
  none.fill(0x1000, grant(frame));
  EXPECT_EQ(none.lookup(0x1000), nullptr);
}

} // namespace
} // namespace vtd::remap
