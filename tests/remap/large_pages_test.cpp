// SPDX-License-Identifier: Apache-2.0
// Where pages larger than 4 KB are kept: with all others, in an array of their own, or as pieces of 4 KB.

#include "vtd/remap/translation_caches.h"

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "vtd/remap/translator.h"

#include <gtest/gtest.h>

namespace vtd::remap {
namespace {

using test::nic;

constexpr std::uint64_t small = 0x12345000;
constexpr std::uint64_t small_frame = 0x7abcd000;
constexpr std::uint64_t large = std::uint64_t{5} << 39;
constexpr std::uint64_t large_frame = 0x40000000;
constexpr std::uint16_t domain = 3;

/// One device with a page of 4 KB and one of 2 MB.
struct bench {
  explicit bench(const cache_shapes& shapes) : tables(memory), hardware("unit", test::wide_part(), shapes) {
    tables.attach(nic, domain, 4);
    tables.map(nic, small, small_frame);
    tables.map(nic, large, large_frame, test::read_write, 2);
  }
  translation read(std::uint64_t address) {
    cost = {};
    return hardware.translate({nic, access_kind::read, address_type::untranslated, address},
                              {tables.root(), memory, timebase, 0}, cost);
  }
  test::fake_memory memory;
  test::table_builder tables;
  translator hardware;
  translation_cost cost{};
  engine::clock timebase{1000};
};

cache_shapes separate(unsigned entries = 2) {
  cache_shapes out = test::small_caches();
  out.large_iotlb = {entries, 0, replacement::lru, 1};
  return out;
}
cache_shapes pieces() {
  cache_shapes out = separate();
  out.large_pages_in_pieces = true;
  return out;
}

TEST(large_pages, they_share_the_array_where_there_is_no_other) {
  bench b(test::small_caches());
  b.read(large + 0x123456);
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 1U);
  EXPECT_EQ(b.hardware.caches().large_iotlb().occupancy(), 0U);
  EXPECT_EQ(b.read(large + 0x1ff008).address, large_frame + 0x1ff008);
  EXPECT_TRUE(b.cost.iotlb_hit);
}

TEST(large_pages, an_array_of_their_own_holds_them_and_nothing_else) {
  bench b(separate());
  b.read(large + 0x123456);
  b.read(small);
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 1U);
  EXPECT_EQ(b.hardware.caches().large_iotlb().occupancy(), 1U);
  EXPECT_EQ(b.read(large + 0x1ff008).address, large_frame + 0x1ff008);
  EXPECT_TRUE(b.cost.iotlb_hit);
  EXPECT_EQ(b.read(small + 8).address, small_frame + 8);
  EXPECT_TRUE(b.cost.iotlb_hit);
  EXPECT_EQ(b.hardware.caches().large_iotlb().statistics().hits, 1U);
  b.hardware.caches().clear_statistics();
  EXPECT_EQ(b.hardware.caches().large_iotlb().statistics().hits, 0U);
  EXPECT_EQ(b.hardware.caches().large_iotlb().occupancy(), 1U);
}

TEST(large_pages, a_look_up_of_all_sizes_counts_one_hit_or_one_miss) {
  for (const bool own_array : {false, true}) {
    bench b(own_array ? separate() : test::small_caches());
    b.read(large);
    const auto before = b.hardware.caches().iotlb().statistics().misses;
    b.tables.map(nic, small + spec::page_size, small_frame + spec::page_size);
    b.read(small + spec::page_size);
    EXPECT_FALSE(b.cost.iotlb_hit);
    EXPECT_EQ(b.hardware.caches().iotlb().statistics().misses, before + 1) << own_array;
    b.read(large + 8);
    EXPECT_TRUE(b.cost.iotlb_hit);
    EXPECT_EQ(b.hardware.caches().iotlb().statistics().misses, before + 1) << own_array;
  }
}

TEST(large_pages, small_pages_do_not_push_them_out_of_their_own_array) {
  bench b(separate());
  b.read(large);
  for (std::uint64_t n = 0; n < 64; ++n) {
    b.tables.map(nic, small + n * spec::page_size, small_frame + n * spec::page_size);
    b.read(small + n * spec::page_size);
  }
  b.read(large);
  EXPECT_TRUE(b.cost.iotlb_hit);
  bench shared(test::small_caches());
  shared.read(large);
  for (std::uint64_t n = 0; n < 64; ++n) {
    shared.tables.map(nic, small + n * spec::page_size, small_frame + n * spec::page_size);
    shared.read(small + n * spec::page_size);
  }
  shared.read(large);
  EXPECT_FALSE(shared.cost.iotlb_hit);
}

TEST(large_pages, an_evicted_one_is_found_no_more) {
  bench b(separate(1));
  constexpr std::uint64_t other = large + (std::uint64_t{1} << 30);
  b.tables.map(nic, other, large_frame + (std::uint64_t{1} << 30), test::read_write, 2);
  b.read(large);
  b.read(other);
  EXPECT_NE(b.cost.evicted, 0U);
  EXPECT_EQ(page_tag::level_of(b.cost.evicted), 2U);
  b.read(large);
  EXPECT_FALSE(b.cost.iotlb_hit);
}

TEST(large_pages, every_invalidation_reaches_their_own_array) {
  const auto stale_after = [](const auto& invalidate) {
    bench b(separate());
    b.read(large + 0x5000);
    b.tables.map(nic, large, large_frame + 0x40000000, test::read_write, 2);
    EXPECT_EQ(b.read(large + 0x5000).address, large_frame + 0x5000) << "stale";
    invalidate(b.hardware.caches());
    return b.read(large + 0x5000).address == large_frame + 0x5000;
  };
  EXPECT_FALSE(stale_after([](translation_caches& c) { c.invalidate_all_pages(); }));
  EXPECT_FALSE(stale_after([](translation_caches& c) { c.invalidate_pages_of_domain(domain); }));
  EXPECT_FALSE(stale_after([](translation_caches& c) {
    c.invalidate_pages(domain, {large >> 12, large >> 12}, true, false);
  })) << "one page of it is enough";
  EXPECT_TRUE(stale_after([](translation_caches& c) { c.invalidate_pages_of_domain(domain + 1); }));
  EXPECT_TRUE(stale_after([](translation_caches& c) {
    c.invalidate_pages(domain, {(large >> 12) + 512, (large >> 12) + 600}, true, false);
  }));
}

TEST(large_pages, in_pieces_only_the_4_kb_that_were_asked_for_hit) {
  bench b(pieces());
  EXPECT_EQ(b.read(large + 0x123456).address, large_frame + 0x123456);
  EXPECT_EQ(b.read(large + 0x123008).address, large_frame + 0x123008);
  EXPECT_TRUE(b.cost.iotlb_hit);
  EXPECT_EQ(b.read(large + 0x124000).address, large_frame + 0x124000);
  EXPECT_FALSE(b.cost.iotlb_hit);
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 2U);
  EXPECT_EQ(b.hardware.caches().large_iotlb().shape().entries, 0U) << "of no use then";
}

TEST(large_pages, in_pieces_an_invalidation_drops_the_pieces_in_its_range) {
  bench b(pieces());
  b.read(large);
  b.read(large + 0x1000);
  b.tables.map(nic, large, large_frame + 0x40000000, test::read_write, 2);
  b.hardware.caches().invalidate_pages(domain, {large >> 12, large >> 12}, true, false);
  EXPECT_EQ(b.read(large).address, large_frame + 0x40000000);
  EXPECT_EQ(b.read(large + 0x1000).address, large_frame + 0x1000) << "software has to name all of the page";
}

// Only where there are larger pages is every size looked up: the count of them has to hold.
TEST(large_pages, none_is_forgotten_when_small_ones_come_and_go_around_it) {
  auto shapes = test::small_caches();
  shapes.iotlb = {2, 0, replacement::lru, 1};
  translation_caches caches(shapes);
  const auto page = [](unsigned level) {
    return page_value{{static_cast<std::uint8_t>(level), true, true, false}, spec::fault_condition::none, 0};
  };
  const auto large_page = [](std::uint64_t n) { return large + n * spec::level_size(2); };
  caches.fill_page(domain, large_page(0), page(2));
  caches.fill_page(domain, small, page(1));
  caches.fill_page(domain, large_page(1), page(2)); // the first large one leaves,
  caches.fill_page(domain, large_page(2), page(2)); // the small one leaves,
  caches.fill_page(domain, small, page(1));         // and a large one for it
  EXPECT_EQ(caches.lookup_page(domain, large_page(0)), nullptr);
  EXPECT_EQ(caches.lookup_page(domain, large_page(1)), nullptr);
  EXPECT_NE(caches.lookup_page(domain, large_page(2)), nullptr);
  EXPECT_NE(caches.lookup_page(domain, small), nullptr);
  // Filled again it is one, not two.
  caches.fill_page(domain, large_page(2), page(2));
  caches.fill_page(domain, small + spec::page_size, page(1));
  EXPECT_NE(caches.lookup_page(domain, large_page(2)), nullptr);
}

TEST(large_pages, one_is_found_in_an_array_that_holds_no_more) {
  auto shapes = test::small_caches();
  shapes.iotlb = {1, 0, replacement::lru, 1};
  bench b(shapes);
  b.read(large);
  b.read(large + 8);
  EXPECT_TRUE(b.cost.iotlb_hit);
}

TEST(large_pages, a_small_page_is_seen_beside_an_array_for_large_ones) {
  bench b(separate());
  b.read(small);
  EXPECT_NE(b.hardware.caches().peek_page(domain, small), nullptr);
  EXPECT_EQ(b.hardware.caches().large_iotlb().occupancy(), 0U);
}

TEST(large_pages, an_invalidation_tells_how_many_of_both_arrays_went) {
  bench b(separate());
  b.read(small);
  b.read(large);
  auto& caches = b.hardware.caches();
  const std::size_t tables =
      caches.tables(2).occupancy() + caches.tables(3).occupancy() + caches.tables(4).occupancy();
  EXPECT_EQ(caches.invalidate_pages_of_domain(domain), 2 + tables);
  b.read(small);
  b.read(large);
  EXPECT_EQ(caches.invalidate_pages(domain, {0, spec::page_number(large + spec::level_size(2))}, true, false),
            2U);
}

TEST(large_pages, one_that_is_larger_than_any_leaf_is_not_kept_and_nobody_leaves_for_it) {
  translation_caches caches(test::small_caches());
  page_value value{};
  value.level = translation_caches::max_leaf_level + 1;
  value.read = true;
  EXPECT_EQ(caches.fill_page(domain, 0, value), 0U);
  EXPECT_EQ(caches.iotlb().occupancy(), 0U);
}

TEST(paging_structure_caches, there_are_some_if_one_of_them_has_entries) {
  cache_shapes shapes;
  shapes.iotlb = {4, 0, replacement::lru, 1};
  EXPECT_FALSE(translation_caches(shapes).has_tables());
  for (cache_shape* each : {&shapes.pde, &shapes.pdpe, &shapes.pml4, &shapes.pml5}) {
    *each = {1, 0, replacement::lru, 1};
    EXPECT_TRUE(translation_caches(shapes).has_tables());
    *each = {};
  }
  for (cache_shape* each : {&shapes.pde, &shapes.pdpe, &shapes.pml4, &shapes.pml5})
    *each = {1, 0, replacement::lru, 1};
  EXPECT_TRUE(translation_caches(shapes).has_tables());
}

} // namespace
} // namespace vtd::remap
