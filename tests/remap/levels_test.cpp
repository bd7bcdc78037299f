// SPDX-License-Identifier: Apache-2.0
// Tables of two to six levels, and leaves of every size: the walk, what the caches keep, and what
// invalidations take away (VT-d 3.6, 9.3, 10.4.2: SAGAW and SPS).

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "vtd/remap/translator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vtd::remap {
namespace {

using test::nic;

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t frame = 0x7abcd000;

/// A part with tables of so many levels only, and pages of all sizes.
capabilities part_of(unsigned levels) {
  capabilities caps = test::wide_part();
  caps.cap.set_sagaw(1U << spec::agaw_of_levels(levels)).set_sps(0xf);
  caps.cap.set_mgaw(std::min(spec::width_of_agaw(spec::agaw_of_levels(levels)), page_tag::max_input_width));
  return caps;
}

struct bench {
  explicit bench(unsigned level_count)
      : levels(level_count), tables(memory), hardware("unit", part_of(level_count), shapes()) {
    tables.attach(nic, domain, levels);
    tables.map(nic, iova(), frame);
  }
  static cache_shapes shapes() {
    cache_shapes out = test::small_caches();
    out.pml5 = out.pml4;
    return out;
  }
  /// Index 1 in the table of every level; the sixth level has no bits left.
  [[nodiscard]] std::uint64_t iova() const {
    std::uint64_t address = 0;
    for (unsigned level = 1; level <= std::min(levels, 5U); ++level)
      address |= spec::level_size(level);
    return address;
  }
  translation read(std::uint64_t address, spec::source_id device = nic) {
    cost = {};
    return hardware.translate({device, access_kind::read, address_type::untranslated, address},
                              {tables.root(), memory, timebase, 0}, cost);
  }
  /// The pages of [address, address + bytes).
  static page_range range(std::uint64_t address, std::uint64_t bytes = spec::page_size) {
    return {spec::page_number(address), spec::page_number(address + bytes - 1)};
  }

  unsigned levels;
  test::fake_memory memory;
  test::table_builder tables;
  translator hardware;
  translation_cost cost{};
  engine::clock timebase{1000};
};

class levels : public testing::TestWithParam<unsigned> {};

TEST_P(levels, a_walk_reads_one_entry_of_each_and_the_second_request_none) {
  bench b(GetParam());
  const translation got = b.read(b.iova() + 0x678);
  ASSERT_TRUE(got.allowed()) << spec::condition_info(got.condition).name;
  EXPECT_EQ(got.address, frame + 0x678);
  EXPECT_EQ(b.cost.table_reads, 2 + b.levels);
  EXPECT_EQ(b.read(b.iova()).address, frame);
  EXPECT_TRUE(b.cost.iotlb_hit);
}

TEST_P(levels, every_cached_non_leaf_entry_shortens_the_walk_to_a_neighbour) {
  for (unsigned differs = 1; differs <= std::min(GetParam(), 5U); ++differs) {
    bench b(GetParam());
    const std::uint64_t neighbour = b.iova() ^ spec::level_size(differs);
    b.tables.map(nic, neighbour, frame + 0x5000);
    b.read(b.iova());
    EXPECT_EQ(b.read(neighbour).address, frame + 0x5000);
    // The entry one level above is shared; that of the sixth level is never cached.
    const bool shared = differs < b.levels && differs + 1 <= translation_caches::max_cached_level;
    EXPECT_EQ(b.cost.table_reads, shared ? differs : b.levels) << "index of level " << differs;
  }
}

// VT-d 6.2: tagged by domain-id, never by who asked.
TEST_P(levels, a_cached_non_leaf_entry_shortens_the_walk_of_every_device_of_its_domain_and_of_no_other) {
  for (unsigned differs = 1; differs <= std::min(GetParam(), 5U); ++differs) {
    for (const bool same_domain : {true, false}) {
      bench b(GetParam());
      const std::uint64_t neighbour = b.iova() ^ spec::level_size(differs);
      b.tables.map(nic, neighbour, frame + 0x5000);
      b.tables.attach(test::disk, same_domain ? domain : domain + 1, b.levels,
                      spec::translation_type::untranslated_only, b.tables.context(nic).second_level_table());
      b.read(b.iova());
      EXPECT_EQ(b.read(neighbour, test::disk).address, frame + 0x5000);
      const bool shared =
          same_domain && differs < b.levels && differs + 1 <= translation_caches::max_cached_level;
      EXPECT_EQ(b.cost.table_reads, 2 + (shared ? differs : b.levels))
          << "index of level " << differs << (same_domain ? "" : ", another domain");
    }
  }
}

TEST_P(levels, a_page_selective_invalidation_takes_the_leaf_or_all_entries_of_the_way) {
  for (const bool leaf_only : {true, false}) {
    bench b(GetParam());
    b.read(b.iova());
    b.tables.map(nic, b.iova(), frame + 0x100000);
    EXPECT_EQ(b.read(b.iova()).address, frame) << "the stale hit";
    b.hardware.caches().invalidate_pages(domain, bench::range(b.iova()), leaf_only, false);
    EXPECT_EQ(b.read(b.iova()).address, frame + 0x100000);
    EXPECT_EQ(b.cost.table_reads, leaf_only ? 1U : b.levels);
  }
}

TEST_P(levels, domain_and_global_invalidations_leave_nothing_of_any_level) {
  for (const bool global : {true, false}) {
    bench b(GetParam());
    b.read(b.iova());
    if (global) {
      b.hardware.caches().invalidate_all_pages();
    } else {
      b.hardware.caches().invalidate_pages_of_domain(domain);
    }
    b.read(b.iova());
    EXPECT_EQ(b.cost.table_reads, b.levels);
  }
}

TEST_P(levels, another_domain_s_invalidation_takes_nothing) {
  bench b(GetParam());
  b.read(b.iova());
  b.hardware.caches().invalidate_pages_of_domain(domain + 1);
  b.hardware.caches().invalidate_pages(domain + 1, bench::range(b.iova()), false, true);
  b.read(b.iova());
  EXPECT_TRUE(b.cost.iotlb_hit);
}

TEST_P(levels, a_probe_finds_its_way_with_and_without_cached_entries) {
  bench b(GetParam());
  const dma_access access{nic, access_kind::read, address_type::untranslated, b.iova() + 4};
  EXPECT_EQ(b.hardware.probe(access, b.tables.root(), b.memory).address, frame + 4);
  b.read(b.iova());
  b.hardware.caches().invalidate_pages(domain, bench::range(b.iova()), true, false);
  EXPECT_EQ(b.hardware.probe(access, b.tables.root(), b.memory).address, frame + 4);
}

TEST_P(levels, a_leaf_of_each_size_hits_in_all_of_it_and_nowhere_else) {
  for (unsigned size = 2; size <= std::min(GetParam(), translation_caches::max_leaf_level); ++size) {
    bench b(GetParam());
    // Beside the 4 KB page's way from this level on; memory has 46 bits.
    const std::uint64_t large = (b.iova() & ~(spec::level_size(size) - 1)) + spec::level_size(size);
    const std::uint64_t host = size < 5 ? spec::level_size(size) : 0;
    b.tables.map(nic, large, host, test::read_write, size);
    // The last 4 KB, and for the probing of the tag the page whose 4 KB number is the large page's own.
    const std::uint64_t last = std::min(spec::level_size(size), std::uint64_t{1} << 45) - spec::page_size;
    EXPECT_EQ(b.read(large + last).address, host + last);
    EXPECT_EQ(b.cost.table_reads, 2 + b.levels - (size - 1));
    EXPECT_EQ(b.read(large + 0x3008).address, host + 0x3008);
    EXPECT_TRUE(b.cost.iotlb_hit) << "level " << size;
    EXPECT_FALSE(b.read(large >> spec::level_shift(size) << spec::page_shift).allowed())
        << "a small page of the same number is another page";
    EXPECT_FALSE(b.cost.iotlb_hit);
  }
}

TEST_P(levels, an_invalidation_of_4_kb_drops_the_large_page_round_it) {
  for (unsigned size = 2; size <= std::min(GetParam(), translation_caches::max_leaf_level); ++size) {
    bench b(GetParam());
    const std::uint64_t large = (b.iova() & ~(spec::level_size(size) - 1)) + spec::level_size(size);
    b.tables.map(nic, large, 0, test::read_write, size);
    b.read(large);
    b.tables.unmap(nic, large, size);
    EXPECT_TRUE(b.read(large).allowed()) << "the stale hit";
    b.hardware.caches().invalidate_pages(domain, bench::range(large + spec::level_size(size)), true, false);
    EXPECT_TRUE(b.read(large).allowed()) << "the page behind it was named";
    b.hardware.caches().invalidate_pages(domain, bench::range(large + spec::level_size(size) / 2), true,
                                         false);
    EXPECT_FALSE(b.read(large).allowed()) << "level " << size;
  }
}

INSTANTIATE_TEST_SUITE_P(of, levels, testing::Values(2U, 3U, 4U, 5U, 6U),
                         [](const auto& given) { return std::to_string(given.param); });

TEST(caches_of_levels, tags_tell_domain_number_and_level_again) {
  for (unsigned level = 1; level <= translation_caches::max_cached_level; ++level) {
    const std::uint64_t highest = spec::low_bits(page_tag::max_input_width);
    for (const std::uint64_t address : {std::uint64_t{0}, spec::level_size(level), highest}) {
      const std::uint64_t packed = page_tag::of(0xffff, address, level).packed();
      EXPECT_EQ(page_tag::domain_of(packed), 0xffff);
      EXPECT_EQ(page_tag::number_of(packed), address >> spec::level_shift(level));
      EXPECT_EQ(page_tag::level_of(packed), level);
    }
  }
}

TEST(caches_of_levels, a_part_whose_addresses_do_not_fit_the_tags_is_refused) {
  capabilities caps = part_of(6);
  caps.cap.set_mgaw(page_tag::max_input_width + 1);
  try {
    const translator refused("wide", caps, test::small_caches());
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "wide: CAP.MGAW is 58 with six levels, expected at most 57: tags of the caches "
                 "hold no more");
  }
}

TEST(caches_of_levels, a_whole_domain_goes_where_the_part_does_not_look_at_the_range) {
  for (const bool whole_domain : {false, true}) {
    bench b(4);
    const std::uint64_t far = b.iova() ^ spec::level_size(4);
    b.tables.map(nic, far, frame);
    b.read(b.iova());
    b.read(far);
    b.hardware.caches().invalidate_pages(domain, bench::range(far), false, whole_domain);
    b.read(b.iova());
    EXPECT_TRUE(b.cost.iotlb_hit) << "the leaf is out of range";
    b.read(b.iova() ^ spec::page_size);
    EXPECT_EQ(b.cost.table_reads, whole_domain ? 4U : 1U);
  }
}

TEST(caches_of_levels, a_cache_that_is_not_there_counts_nothing) {
  bench b(3);
  b.read(b.iova());
  b.read(b.iova() ^ spec::page_size);
  const auto& caches = b.hardware.caches();
  EXPECT_GT(caches.tables(2).statistics().misses + caches.tables(2).statistics().hits, 0U);
  cache_shapes none = test::small_caches();
  none.pde.entries = 0;
  translation_caches without(none);
  EXPECT_EQ(without.lookup_tables(domain, b.iova(), 3).level, 0U);
  EXPECT_EQ(without.tables(2).statistics().misses, 0U);
  EXPECT_EQ(without.tables(3).statistics().misses, 1U);
}

TEST(caches_of_levels, small_pages_are_found_alone_again_when_the_last_large_page_went) {
  // While a large page is cached every size is asked for, and `find_recent_page` says nothing.
  const auto recent = [](bench& b) {
    return b.hardware.caches().find_recent_page(domain, b.iova()) != nullptr;
  };
  for (unsigned how = 0; how < 5; ++how) {
    bench b(4);
    const std::uint64_t large = b.iova() ^ spec::level_size(2);
    b.tables.map(nic, large & ~(spec::level_size(2) - 1), 0x40000000, test::read_write, 2);
    b.read(large);
    b.read(b.iova());
    EXPECT_FALSE(recent(b));
    translation_caches& caches = b.hardware.caches();
    if (how == 0) caches.invalidate_pages(domain, bench::range(large), true, false);
    if (how == 1) caches.invalidate_pages_of_domain(domain);
    if (how == 2) caches.invalidate_all_pages();
    if (how >= 3) {
      // Small pages push it out; filled twice, it still is one.
      if (how == 4) caches.fill_page(domain, large, *caches.peek_page(domain, large));
      for (std::uint64_t n = 0; n < 2 * caches.iotlb().shape().entries; ++n) {
        b.tables.map(nic, b.iova() + n * spec::page_size, frame);
        b.read(b.iova() + n * spec::page_size);
      }
      EXPECT_EQ(caches.peek_page(domain, large), nullptr);
      EXPECT_NE(caches.find_recent_page(domain, b.iova() + (2 * caches.iotlb().shape().entries - 1) *
                                                               spec::page_size),
                nullptr);
    }
    b.read(b.iova());
    EXPECT_TRUE(recent(b)) << how;
  }
}

TEST(caches_of_levels, a_hit_says_all_that_the_walk_said) {
  bench b(4);
  b.tables.map(nic, std::uint64_t{3} << 30, 0x40000000, test::read_only, 2);
  for (const std::uint64_t address : {b.iova(), std::uint64_t{3} << 30}) {
    const translation walked = b.read(address);
    for (int again = 0; again < 2; ++again) {
      translation out;
      out.identity = true;
      out.suppressed = true;
      out.level = 5;
      EXPECT_EQ(b.hardware.lookup({nic, access_kind::read, address_type::untranslated, address}, out),
                translator::outcome::translated);
      EXPECT_EQ(out.address, walked.address);
      EXPECT_EQ(out.level, walked.level);
      EXPECT_EQ(out.read, walked.read);
      EXPECT_EQ(out.write, walked.write);
      EXPECT_EQ(out.snoop, walked.snoop);
      EXPECT_FALSE(out.identity);
      EXPECT_FALSE(out.suppressed);
    }
  }
}

} // namespace
} // namespace vtd::remap
