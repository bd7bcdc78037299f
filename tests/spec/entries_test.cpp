// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/entries.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>
#include <vector>

namespace vtd::spec {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};
constexpr std::array host_widths{36U, 39U, 46U, 52U};

constexpr bool bit_of(std::uint64_t word, unsigned bit) { return (word >> bit & 1) != 0; }
constexpr bool within(unsigned bit, unsigned msb, unsigned lsb) { return bit <= msb && bit >= lsb; }

/// Masks must not share a bit.
void expect_disjoint(const std::vector<std::uint64_t>& masks) {
  std::uint64_t seen = 0;
  for (const std::uint64_t mask : masks) {
    EXPECT_EQ(seen & mask, 0U);
    seen |= mask;
  }
}

/// Every bit of a field, alone, goes in by the setter into the place that `Field` names, comes out by the
/// getter, and no other bit changes: neither in an empty entry nor in one full of ones.
template <class Field, class Entry, class Value>
void expect_round_trips(std::uint64_t Entry::*word, Entry& (Entry::*set)(Value), Value (Entry::*get)() const,
                        unsigned shift_of_value = 0) {
  for (const std::uint64_t background : {std::uint64_t{0}, all_ones}) {
    std::vector<std::uint64_t> samples{0, Field::max};
    for (unsigned bit = 0; bit < Field::width; ++bit)
      samples.push_back(std::uint64_t{1} << bit);
    for (const std::uint64_t sample : samples) {
      Entry entry;
      std::memset(static_cast<void*>(&entry), background == 0 ? 0 : 0xff, sizeof entry);
      Entry expected = entry;
      expected.*word = (background & ~Field::mask) | sample << Field::lsb;
      const auto value = static_cast<Value>(sample << shift_of_value);
      Entry& returned = (entry.*set)(value);
      EXPECT_EQ(&returned, &entry);
      EXPECT_EQ(entry, expected) << "field " << Field::msb << ":" << Field::lsb << " value " << sample;
      EXPECT_EQ((entry.*get)(), value) << "field " << Field::msb << ":" << Field::lsb << " value " << sample;
    }
  }
}

TEST(root_entry, round_trips_every_field) {
  using entry = root_entry;
  expect_round_trips<entry::present_field>(&entry::lo, &entry::set_present, &entry::present);
  expect_round_trips<entry::context_table_field>(&entry::lo, &entry::set_context_table, &entry::context_table,
                                                 page_shift);
  expect_disjoint({entry::present_field::mask, entry::context_table_field::mask});
}

TEST(root_entry, is_laid_out_as_in_memory) {
  const auto entry = root_entry{}.set_present(true).set_context_table(0x1'2345'6000);
  EXPECT_EQ(entry.lo, 0x1'2345'6001U);
  EXPECT_EQ(entry.hi, 0U);
  // An address is a page: its low bits cannot spill into the other fields.
  EXPECT_EQ(root_entry{}.set_context_table(0x1'2345'6fff).lo, 0x1'2345'6000U);
}

TEST(root_entry, reserves_what_lies_outside_the_host_address_width) {
  for (const unsigned width : host_widths) {
    const root_entry reserved = root_entry::reserved(width);
    EXPECT_EQ(reserved.hi, all_ones);
    for (unsigned bit = 0; bit < 64; ++bit) {
      EXPECT_EQ(bit_of(reserved.lo, bit), within(bit, 11, 1) || bit >= width)
          << "bit " << bit << " haw " << width;
    }
  }
  EXPECT_EQ(root_entry::reserved(36).lo, 0xffff'fff0'0000'0ffeU);
}

TEST(context_entry, round_trips_every_field) {
  using entry = context_entry;
  expect_round_trips<entry::present_field>(&entry::lo, &entry::set_present, &entry::present);
  expect_round_trips<entry::fault_processing_disable_field>(&entry::lo, &entry::set_fault_processing_disable,
                                                            &entry::fault_processing_disable);
  expect_round_trips<entry::translation_type_field>(&entry::lo, &entry::set_translation_type,
                                                    &entry::translation_type);
  expect_round_trips<entry::eviction_hint_field>(&entry::lo, &entry::set_eviction_hint,
                                                 &entry::eviction_hint);
  expect_round_trips<entry::address_locality_hint_field>(&entry::lo, &entry::set_address_locality_hint,
                                                         &entry::address_locality_hint);
  expect_round_trips<entry::second_level_table_field>(&entry::lo, &entry::set_second_level_table,
                                                      &entry::second_level_table, page_shift);
  expect_round_trips<entry::address_width_field>(&entry::hi, &entry::set_address_width,
                                                 &entry::address_width);
  expect_round_trips<entry::available_field>(&entry::hi, &entry::set_available, &entry::available);
  expect_round_trips<entry::domain_id_field>(&entry::hi, &entry::set_domain_id, &entry::domain_id);
}

TEST(context_entry, has_fields_that_do_not_overlap_and_leave_out_only_reserved_bits) {
  using entry = context_entry;
  const std::vector<std::uint64_t> low{entry::present_field::mask,
                                       entry::fault_processing_disable_field::mask,
                                       entry::translation_type_field::mask,
                                       entry::eviction_hint_field::mask,
                                       entry::address_locality_hint_field::mask,
                                       entry::second_level_table_field::mask};
  const std::vector<std::uint64_t> high{entry::address_width_field::mask, entry::available_field::mask,
                                        entry::domain_id_field::mask};
  expect_disjoint(low);
  expect_disjoint(high);
  std::uint64_t low_bits_used = 0;
  std::uint64_t high_bits_used = 0;
  for (const std::uint64_t mask : low)
    low_bits_used |= mask;
  for (const std::uint64_t mask : high)
    high_bits_used |= mask;
  const context_entry reserved = context_entry::reserved(64, 16, true);
  EXPECT_EQ(reserved.lo, ~low_bits_used);
  EXPECT_EQ(reserved.hi, ~high_bits_used);
}

TEST(context_entry, is_laid_out_as_in_memory) {
  const auto entry = context_entry{}
                         .set_present(true)
                         .set_fault_processing_disable(true)
                         .set_translation_type(translation_type::pass_through)
                         .set_second_level_table(0x7'6543'2000)
                         .set_address_width(2)
                         .set_available(0xf)
                         .set_domain_id(0xabc);
  EXPECT_EQ(entry.lo, 0x7'6543'200bU);
  EXPECT_EQ(entry.hi, 0xa'bc7aU);
  EXPECT_EQ(context_entry{}.set_second_level_table(0x7'6543'2fff).lo, 0x7'6543'2000U);
}

TEST(context_entry, reserves_by_host_width_domain_ids_and_caching_hints) {
  for (const unsigned width : host_widths) {
    for (unsigned domain_bits = 4; domain_bits <= 16; domain_bits += 2) {
      for (const bool hints : {false, true}) {
        const context_entry reserved = context_entry::reserved(width, domain_bits, hints);
        for (unsigned bit = 0; bit < 64; ++bit) {
          const bool low = within(bit, 11, 6) || (within(bit, 5, 4) && !hints) || bit >= width;
          EXPECT_EQ(bit_of(reserved.lo, bit), low) << "bit " << bit << " haw " << width << " hints " << hints;
          // Bits 127:64 of the entry: AW 66:64, AVAIL 70:67, 71 reserved, DID from 72 on.
          const unsigned place = bit + 64;
          const bool high = place == 71 || place >= 72 + domain_bits;
          EXPECT_EQ(bit_of(reserved.hi, bit), high) << "bit " << place << " domain-id bits " << domain_bits;
        }
      }
    }
  }
  EXPECT_EQ(context_entry::reserved(36, 4, false).lo, 0xffff'fff0'0000'0ff0U);
  EXPECT_EQ(context_entry::reserved(36, 4, false).hi, 0xffff'ffff'ffff'f080U);
}

TEST(context_entry, never_reserves_domain_id_bits_beyond_the_field) {
  EXPECT_EQ(context_entry::reserved(36, 18, false), context_entry::reserved(36, 16, false));
}

TEST(second_level_entry, round_trips_every_field) {
  using entry = second_level_entry;
  expect_round_trips<entry::read_field>(&entry::value, &entry::set_read, &entry::read);
  expect_round_trips<entry::write_field>(&entry::value, &entry::set_write, &entry::write);
  expect_round_trips<entry::page_size_field>(&entry::value, &entry::set_page_size, &entry::page_size);
  expect_round_trips<entry::snoop_field>(&entry::value, &entry::set_snoop, &entry::snoop);
  expect_round_trips<entry::transient_mapping_field>(&entry::value, &entry::set_transient_mapping,
                                                     &entry::transient_mapping);
  expect_round_trips<entry::address_field>(&entry::value, &entry::set_address, &entry::address, page_shift);
  expect_disjoint({entry::read_field::mask, entry::write_field::mask, entry::page_size_field::mask,
                   entry::snoop_field::mask, entry::address_field::mask,
                   entry::transient_mapping_field::mask});
}

TEST(second_level_entry, is_laid_out_as_in_memory) {
  const auto page =
      second_level_entry{}.set_read(true).set_write(true).set_snoop(true).set_address(0x8'0020'0000);
  EXPECT_EQ(page.value, 0x8'0020'0803U);
  const auto large = second_level_entry{}.set_write(true).set_page_size(true).set_transient_mapping(true);
  EXPECT_EQ(large.value, 0x4000'0000'0000'0082U);
  // What software keeps in the ignored high bits is no part of the address.
  EXPECT_EQ(second_level_entry{0xbff0'0000'0000'1003}.address(), 0x1000U);
}

TEST(second_level_entry, is_present_with_either_right) {
  EXPECT_FALSE(second_level_entry{}.present());
  EXPECT_TRUE(second_level_entry{}.set_read(true).present());
  EXPECT_TRUE(second_level_entry{}.set_write(true).present());
  // Neither an execute bit nor any other makes it present.
  EXPECT_FALSE((second_level_entry{all_ones}.set_read(false).set_write(false).present()));
}

/// The rules of VT-d 9.8 bit by bit, written as the tables of the specification list them.
bool is_reserved(unsigned bit, unsigned level, bool leaf, const second_level_entry::features& has) {
  const bool size_supported = level >= 2 && level <= 5 && bit_of(has.page_sizes, level - 2);
  if (within(bit, 51, has.host_address_width)) return true;
  switch (bit) {
  case 7:
    return leaf && level != 1 && !size_supported;
  case 11:
    return !leaf || !has.snoop_control;
  case 62:
    return !leaf || !has.transient_mapping;
  default:
    break;
  }
  if (!leaf || bit < 12) return false;
  switch (level) {
  case 2:
    return within(bit, 20, 12);
  case 3:
    return within(bit, 29, 12);
  case 4:
    return within(bit, 38, 12);
  case 5:
    return within(bit, 47, 12);
  default:
    return false;
  }
}

TEST(second_level_entry, reserves_bits_by_level_and_capabilities) {
  for (const unsigned width : host_widths) {
    for (const unsigned sizes : {0b0000U, 0b0001U, 0b0011U, 0b1111U}) {
      for (unsigned flags = 0; flags < 4; ++flags) {
        const second_level_entry::features has{width, sizes, bit_of(flags, 0), bit_of(flags, 1)};
        for (unsigned level = 1; level <= 5; ++level) {
          for (const bool leaf : {false, true}) {
            if (level == 1 && !leaf) continue;
            const std::uint64_t reserved = second_level_entry::reserved(level, leaf, has);
            for (unsigned bit = 0; bit < 64; ++bit) {
              EXPECT_EQ(bit_of(reserved, bit), is_reserved(bit, level, leaf, has))
                  << "bit " << bit << " level " << level << " leaf " << leaf << " haw " << width << " sps "
                  << sizes << " sc " << has.snoop_control << " dt " << has.transient_mapping;
            }
          }
        }
      }
    }
  }
}

TEST(second_level_entry, reserves_in_a_part_with_nothing_optional) {
  // ECAP without SC and DT, no large pages, 36 bits: as all units of the Q35.
  const second_level_entry::features plain{};
  EXPECT_EQ(second_level_entry::reserved(1, true, plain), 0x400f'fff0'0000'0800U);
  EXPECT_EQ(second_level_entry::reserved(3, false, plain), 0x400f'fff0'0000'0800U);
  // PS at level 2 without support is a fault whatever the address.
  EXPECT_NE(second_level_entry::reserved(2, true, plain) & second_level_entry::page_size_field::mask, 0U);
}

TEST(second_level_entry, has_no_leaf_at_level_six) {
  second_level_entry::features everything;
  everything.page_sizes = 0xff;
  EXPECT_NE(second_level_entry::reserved(6, true, everything) & second_level_entry::page_size_field::mask,
            0U);
}

TEST(table_entries, can_be_copied_as_memory_words) {
  static_assert(std::is_trivially_copyable_v<root_entry> && std::is_standard_layout_v<root_entry>);
  static_assert(std::is_trivially_copyable_v<context_entry> && std::is_standard_layout_v<context_entry>);
  static_assert(std::is_trivially_copyable_v<second_level_entry>);
  static_assert(sizeof(root_entry) * 256 == page_size && sizeof(context_entry) * 256 == page_size &&
                sizeof(second_level_entry) * entries_per_table == page_size);
}

TEST(table_entries, are_built_at_compile_time) {
  static_assert(second_level_entry{}.set_read(true).set_address(0x5000).value == 0x5001);
  static_assert(context_entry{}.set_domain_id(3).hi == 0x300);
  static_assert(host_page_mask(36) == 0xf'ffff'f000);
}

} // namespace
} // namespace vtd::spec
