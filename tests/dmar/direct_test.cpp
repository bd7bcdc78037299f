// SPDX-License-Identifier: Apache-2.0
// What may be reached by direct pointers, and what ends a grant (docs/platform.md, DMI).

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace vtd::test {
namespace {

using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t large_size = spec::level_size(2);
constexpr std::uint64_t huge_size = spec::level_size(4);
constexpr std::pair<std::uint64_t, std::uint64_t> everything{0, ~std::uint64_t{0}};

/// Four levels, pages up to 512 GB, protected regions that count for translated requests.
dmar::unit_config config() {
  auto out = config_of(wide_part());
  out.caps.cap.set_sps(7).set_phmr(true).set_esrtps(false);
  out.protect_translated = true;
  return out;
}

struct scene : unit_world {
  explicit scene(const dmar::unit_config& what = config()) : unit_world(what) {
    tables.attach(nic, 3, 4);
    tables.map(nic, iova, frame);
    enable();
  }
  void map(std::uint64_t from, std::uint64_t host, unsigned level) {
    tables.map(nic, from, host, read_write, level);
  }
  [[nodiscard]] std::optional<dmar::unit::direct_page> direct(std::uint64_t address) {
    return unit.direct({nic, access_kind::read, remap::address_type::untranslated, address});
  }
  void protect(std::uint64_t base, std::uint64_t limit) {
    write_register<reg::phmbase>(base);
    write_register<reg::phmlimit>(limit);
    write_register<reg::pmen>(reg::pmen::epm::of(1));
    settle();
  }
  void expect_4_kb(std::uint64_t address, std::uint64_t host) {
    const auto got = direct(address);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->first, spec::page_base(address));
    EXPECT_EQ(got->last, got->first + spec::page_size - 1);
    EXPECT_EQ(got->host, spec::page_base(host));
  }
};

TEST(direct, a_cached_page_is_granted_whole) {
  scene s;
  s.map(iova + large_size, 0x10000000, 2);
  EXPECT_FALSE(s.direct(iova + large_size)) << "not cached yet";
  s.read(nic, iova + large_size);
  const auto got = s.direct(iova + large_size + 0x12345);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->first, iova + large_size);
  EXPECT_EQ(got->last, iova + 2 * large_size - 1);
  EXPECT_EQ(got->host, 0x10000000U);
  EXPECT_TRUE(got->read && got->write);
}

TEST(direct, of_a_page_that_is_partly_interrupt_range_the_rest_is_granted_by_4_kb) {
  scene s;
  const std::uint64_t page = spec::interrupt_range_first;
  const std::uint64_t behind = spec::interrupt_range_last + 1;
  s.map(page, 0x10000000, 2);
  s.read(nic, behind);
  s.expect_4_kb(behind + 0x5678, 0x10000000 + (behind - page) + 0x5678);
  EXPECT_FALSE(s.direct(page)) << "a write there is a message";
  EXPECT_FALSE(s.direct(spec::interrupt_range_last));
}

TEST(direct, of_a_page_that_leads_partly_into_the_interrupt_range_the_rest_is_granted_by_4_kb) {
  scene s;
  // Its first host address is harmless.
  constexpr std::uint64_t host = 0xc0000000;
  s.map(iova + spec::level_size(3), host, 3);
  const std::uint64_t page = iova + spec::level_size(3);
  s.read(nic, page);
  s.expect_4_kb(page + 0x1234, host + 0x1234);
  for (const std::uint64_t target : {spec::interrupt_range_first, spec::interrupt_range_last})
    EXPECT_FALSE(s.direct(page + (target - host)));
  s.expect_4_kb(page + (spec::interrupt_range_last + 1 - host), spec::interrupt_range_last + 1);

  auto unchecked = config();
  unchecked.caps.output_range_check = false;
  scene old(unchecked);
  old.map(page, host, 3);
  old.read(nic, page);
  ASSERT_TRUE(old.direct(page));
  EXPECT_EQ(old.direct(page)->last - old.direct(page)->first, spec::level_size(3) - 1);
}

TEST(direct, of_a_page_with_a_protected_region_the_rest_is_granted_by_4_kb) {
  scene s;
  // 512 GB; the region lies far behind the first 4 GB.
  const std::uint64_t page = huge_size;
  const std::uint64_t host = 2 * huge_size;
  const std::uint64_t region = std::uint64_t{100} << 30;
  s.map(page, host, 4);
  s.read(nic, page);
  ASSERT_TRUE(s.direct(page));
  EXPECT_EQ(s.direct(page)->last, page + huge_size - 1);
  s.protect(host + region, host + region);
  s.expect_4_kb(page + 0x1000, host + 0x1000);
  EXPECT_FALSE(s.direct(page + region));
  EXPECT_FALSE(s.direct(page + region + large_size - 1));
  s.expect_4_kb(page + region + large_size, host + region + large_size);
}

TEST(direct, protected_regions_do_not_matter_where_translated_requests_are_not_checked) {
  auto unchecked = config();
  unchecked.protect_translated = false;
  scene s(unchecked);
  s.protect(0, 0);
  s.map(iova + large_size, 0, 2);
  s.read(nic, iova + large_size);
  EXPECT_TRUE(s.direct(iova + large_size));
}

TEST(direct, with_translation_off_all_is_granted_but_interrupts_and_protected_regions) {
  scene s;
  s.protect(large_size, large_size);
  s.write_register<reg::gcmd>(0);
  s.settle();
  s.expect_4_kb(0x1234, 0x1234);
  EXPECT_FALSE(s.direct(large_size));
  EXPECT_FALSE(s.direct(spec::interrupt_range_first));
  EXPECT_FALSE(s.unit.direct({nic, access_kind::read, remap::address_type::translated, 0x1234}));
}

TEST(direct, every_change_of_the_translation_ends_all_grants) {
  const auto expect_withdrawn = [](const char* what, const auto& change) {
    scene s;
    s.read(nic, iova);
    ASSERT_TRUE(s.direct(iova));
    s.withdrawn.clear();
    change(s);
    s.settle();
    ASSERT_FALSE(s.withdrawn.empty()) << what;
    EXPECT_EQ(s.withdrawn.front(), everything) << what;
  };
  expect_withdrawn(
      "SRTP", [](scene& s) { s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::srtp::of(1)); });
  expect_withdrawn("TE", [](scene& s) { s.write_register<reg::gcmd>(0); });
  expect_withdrawn("PMEN", [](scene& s) { s.write_register<reg::pmen>(reg::pmen::epm::of(1)); });
  expect_withdrawn("CCMD", [](scene& s) { s.invalidate_contexts_global(); });
  expect_withdrawn("IOTLB", [](scene& s) { s.invalidate_iotlb_global(); });
  expect_withdrawn("IOTLB domain", [](scene& s) { s.invalidate_iotlb_domain(3); });
  expect_withdrawn("reset", [](scene& s) { s.unit.reset(false); });
}

TEST(direct, a_page_selective_invalidation_ends_the_grants_of_its_range) {
  scene s;
  s.read(nic, iova);
  ASSERT_TRUE(s.direct(iova));
  s.withdrawn.clear();
  s.invalidate_iotlb_page(3, iova, 1);
  s.settle();
  ASSERT_EQ(s.withdrawn.size(), 1U);
  EXPECT_EQ(s.withdrawn[0], (std::pair{iova, iova + 2 * spec::page_size - 1}));
}

TEST(direct, an_eviction_in_the_cycle_path_ends_the_grant_of_the_page_that_left) {
  auto one_entry = config();
  one_entry.caches.iotlb = {1, 0, remap::replacement::lru, 1};
  for (const unsigned level : {1U, 2U}) {
    for (const bool given : {false, true}) {
      scene s(one_entry);
      const std::uint64_t page = iova + large_size;
      s.map(page, 0x10000000, level);
      s.read(nic, page);
      if (given) {
        ASSERT_TRUE(s.direct(page));
      }
      s.withdrawn.clear();
      s.read(nic, iova);
      if (given) {
        ASSERT_EQ(s.withdrawn.size(), 1U);
        EXPECT_EQ(s.withdrawn[0], (std::pair{page, page + spec::level_size(level) - 1}));
      } else {
        EXPECT_TRUE(s.withdrawn.empty()) << "nobody holds a pointer";
      }
    }
  }
}

TEST(direct, what_a_request_at_once_evicts_is_withdrawn) {
  auto small = config();
  small.caches.iotlb = {1, 0, remap::replacement::lru, 1};
  scene s(small);
  s.map(iova + spec::page_size, frame + spec::page_size, 1);
  s.read(nic, iova);
  ASSERT_TRUE(s.direct(iova));
  s.withdrawn.clear();
  dmar::request piece;
  piece.access = {nic, access_kind::read, remap::address_type::untranslated, iova + spec::page_size};
  piece.length = 64;
  (void)s.unit.pass(piece, s.memory, s.now_ps());
  EXPECT_EQ(s.withdrawn, (std::vector{std::pair{iova, iova + spec::page_size - 1}}));
}

TEST(direct, of_another_requesters_page_in_the_same_domain_is_given_only_to_whom_it_would_be_translated) {
  scene s;
  const std::uint64_t beyond_39_bits = std::uint64_t{1} << 40;
  s.map(beyond_39_bits, frame, 1);
  s.read(nic, iova);
  s.read(nic, beyond_39_bits);
  const auto ask = [&](spec::source_id who, std::uint64_t address) {
    return s.unit.direct({who, access_kind::read, remap::address_type::untranslated, address}).has_value();
  };
  EXPECT_TRUE(ask(nic, iova) && ask(nic, beyond_39_bits));
  // The domain is the same, the width is three levels: what lies beyond is none of it.
  const std::uint64_t top = s.tables.context(nic).second_level_table();
  s.tables.attach(disk, 3, 3, spec::translation_type::untranslated_only, top);
  s.read(disk, 0x1000);
  EXPECT_FALSE(ask(disk, beyond_39_bits));
  // Passed through, it goes where it says.
  constexpr auto third = spec::source_id::from_bdf(2, 0, 0);
  s.tables.attach(third, 3, 4, spec::translation_type::pass_through, top);
  EXPECT_EQ(s.read(third, iova).address, iova);
  EXPECT_FALSE(ask(third, iova));
}

TEST(direct, with_translation_off_a_page_is_given_with_both_rights) {
  scene s;
  s.write_register<reg::gcmd>(0);
  s.settle();
  const auto got = s.direct(0x12345);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->read && got->write);
  EXPECT_EQ(got->first, 0x12000U);
  EXPECT_EQ(got->last, 0x12fffU);
  EXPECT_EQ(got->host, 0x12000U);
}

} // namespace
} // namespace vtd::test
