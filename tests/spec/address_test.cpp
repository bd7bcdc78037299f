// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/address.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace vtd::spec {
namespace {

TEST(page_arithmetic, splits_an_address_into_page_and_offset) {
  EXPECT_EQ(page_size, 4096U);
  EXPECT_EQ(page_base(0x12345fff), 0x12345000U);
  EXPECT_EQ(page_base(0x12346000), 0x12346000U);
  EXPECT_EQ(page_number(0x12345fff), 0x12345U);
  EXPECT_EQ(page_base(~std::uint64_t{0}), 0xffff'ffff'ffff'f000U);
}

TEST(page_arithmetic, gives_every_level_nine_more_bits) {
  const std::vector<unsigned> shifts{12, 21, 30, 39, 48, 57};
  for (unsigned level = 1; level <= shifts.size(); ++level) {
    EXPECT_EQ(level_shift(level), shifts[level - 1]) << "level " << level;
    EXPECT_EQ(level_size(level), std::uint64_t{1} << shifts[level - 1]) << "level " << level;
  }
  EXPECT_EQ(level_size(2), 2U * 1024 * 1024);
  EXPECT_EQ(level_size(3), 1024U * 1024 * 1024);
}

TEST(page_arithmetic, takes_the_index_of_each_level_from_its_own_nine_bits) {
  // Indices 1, 2, 3, 4, 5 from level 1 up, and a full offset that must not leak into level 1.
  const std::uint64_t address = 5ULL << 48 | 4ULL << 39 | 3ULL << 30 | 2ULL << 21 | 1ULL << 12 | 0xfff;
  for (unsigned level = 1; level <= 5; ++level)
    EXPECT_EQ(level_index(address, level), level);
  for (unsigned level = 1; level <= 5; ++level)
    EXPECT_EQ(level_index(~std::uint64_t{0}, level), entries_per_table - 1);
  // Six levels of nine bits are more than 64 bits hold: the top index has seven.
  EXPECT_EQ(level_index(~std::uint64_t{0}, 6), 0x7fU);
}

TEST(page_arithmetic, rebuilds_an_address_from_its_indices) {
  const std::uint64_t address = 0x0012'3456'789a'bcde;
  std::uint64_t rebuilt = address % page_size;
  for (unsigned level = 1; level <= 5; ++level)
    rebuilt += level_index(address, level) * level_size(level);
  EXPECT_EQ(rebuilt, address);
}

TEST(address_width, follows_from_aw) {
  const std::vector<unsigned> widths{30, 39, 48, 57, 64};
  for (unsigned aw = 0; aw < widths.size(); ++aw) {
    EXPECT_EQ(width_of_agaw(aw), widths[aw]);
    EXPECT_EQ(levels_of_agaw(aw), aw + 2);
    EXPECT_EQ(agaw_of_levels(levels_of_agaw(aw)), aw);
    // The top level covers the width, and one level less would not.
    EXPECT_LE(width_of_agaw(aw), level_shift(levels_of_agaw(aw)) + 9);
    EXPECT_GT(width_of_agaw(aw), level_shift(levels_of_agaw(aw)));
  }
}

TEST(interrupt_range, is_the_mebibyte_at_fee00000_and_nothing_else) {
  EXPECT_FALSE(in_interrupt_range(0xfedf'ffff));
  EXPECT_TRUE(in_interrupt_range(0xfee0'0000));
  EXPECT_TRUE(in_interrupt_range(0xfeef'ffff));
  EXPECT_FALSE(in_interrupt_range(0xfef0'0000));
  EXPECT_FALSE(in_interrupt_range(0x1'fee0'0000));
  EXPECT_EQ(interrupt_range_last - interrupt_range_first + 1, 1024U * 1024);
}

TEST(source_id, splits_into_bus_device_and_function) {
  constexpr source_id sata{0x00fa};
  static_assert(sata.bus() == 0 && sata.device() == 0x1f && sata.function() == 2 && sata.devfn() == 0xfa);
  constexpr source_id far{0x83c7};
  static_assert(far.bus() == 0x83 && far.device() == 0x18 && far.function() == 7);
  static_assert(source_id{}.value() == 0);
}

TEST(source_id, survives_every_way_of_writing_it) {
  for (unsigned value = 0; value <= 0xffff; ++value) {
    const source_id id{static_cast<std::uint16_t>(value)};
    ASSERT_EQ(id.value(), value);
    ASSERT_EQ(source_id::from_bdf(id.bus(), id.device(), id.function()), id);
    ASSERT_EQ(id.bus() * 256U + id.devfn(), value);
    const std::string text = to_string(id);
    ASSERT_EQ(text.size(), 7U);
    ASSERT_EQ(source_id::parse(text), id) << text;
  }
}

TEST(source_id, drops_bits_that_do_not_fit) {
  EXPECT_EQ(source_id::from_bdf(0x100, 0, 0), source_id::from_bdf(0, 0, 0));
  EXPECT_EQ(source_id::from_bdf(0, 0x21, 0), source_id::from_bdf(0, 1, 0));
  EXPECT_EQ(source_id::from_bdf(0, 0, 9), source_id::from_bdf(0, 0, 1));
}

TEST(source_id, is_written_in_lower_case_with_two_digits) {
  EXPECT_EQ(to_string(source_id::from_bdf(0, 0x1f, 2)), "00:1f.2");
  EXPECT_EQ(to_string(source_id::from_bdf(0xab, 0x0c, 7)), "ab:0c.7");
  EXPECT_EQ(to_string(source_id::from_bdf(7, 2, 0)), "07:02.0");
}

TEST(source_id, is_read_with_or_without_segment_and_leading_zeros) {
  static_assert(source_id::parse("00:1b.0") == source_id::from_bdf(0, 0x1b, 0));
  EXPECT_EQ(source_id::parse("0000:00:1F.2"), source_id::from_bdf(0, 0x1f, 2));
  EXPECT_EQ(source_id::parse("0000:af:0a.0"), source_id::from_bdf(0xaf, 0xa, 0));
  EXPECT_EQ(source_id::parse("0:2.1"), source_id::from_bdf(0, 2, 1));
  EXPECT_EQ(source_id::parse("FF:1f.07"), source_id::from_bdf(0xff, 0x1f, 7));
  EXPECT_EQ(parse_source_id("06:00.0"), source_id::from_bdf(6, 0, 0));
}

TEST(source_id, is_not_read_from_anything_else) {
  for (const char* text :
       {"",         "00",           "00:1f",     "1f.2",    "00:20.0", "00:1f.8", "100:00.0", "00:1f.2 ",
        " 00:1f.2", "00:1g.2",      "00:1G.2",   "00:1/.2", "g0:1f.2", ":1f.2",   "00:.2",    "00:1f.",
        "00.1f:2",  "0001:00:1f.2", "00:1f.2.0", "-1:00.0", "+1:00.0", "0x1:0.0", "00:1f.002"}) {
    EXPECT_EQ(source_id::parse(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(source_id, is_ordered_by_bus_then_device_then_function) {
  std::vector<source_id> ids{source_id::from_bdf(1, 0, 0), source_id::from_bdf(0, 0x1f, 7),
                             source_id::from_bdf(0, 2, 1), source_id::from_bdf(0, 2, 0)};
  std::sort(ids.begin(), ids.end());
  std::string text;
  for (const source_id id : ids)
    text += to_string(id) + " ";
  EXPECT_EQ(text, "00:02.0 00:02.1 00:1f.7 01:00.0 ");
}

TEST(source_ids, are_read_within_their_bounds_only) {
  EXPECT_EQ(parse_source_id("ff:1f.7"), source_id::from_bdf(0xff, 0x1f, 7));
  EXPECT_EQ(parse_source_id("0000:01:00.0"), source_id::from_bdf(1, 0, 0));
  EXPECT_EQ(parse_source_id("AF:0a.0"), source_id::from_bdf(0xaf, 0xa, 0));
  EXPECT_EQ(parse_source_id("fA:0F.0"), source_id::from_bdf(0xfa, 0xf, 0));
  for (const char* wrong : {"100:00.0", "00:20.0", "00:00.8", "0:0", "0.0", "1.0:0", "1.2", ":", ".", ":.",
                            "", "00:00.", "00:.0", ":00.0", "g0:00.0", "0001:00:00.0"})
    EXPECT_FALSE(parse_source_id(wrong).has_value()) << wrong;
}

TEST(interrupt_range, is_touched_by_whatever_has_a_byte_in_it) {
  EXPECT_TRUE(touches_interrupt_range(interrupt_range_last, 1));
  EXPECT_TRUE(touches_interrupt_range(interrupt_range_first, 1));
  EXPECT_TRUE(touches_interrupt_range(interrupt_range_first - 1, 2));
  EXPECT_TRUE(touches_interrupt_range(0, std::uint64_t{1} << 40));
  EXPECT_FALSE(touches_interrupt_range(interrupt_range_first - 1, 1));
  EXPECT_FALSE(touches_interrupt_range(interrupt_range_last + 1, 4096));
}

} // namespace
} // namespace vtd::spec
