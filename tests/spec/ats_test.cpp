// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/ats.h"

#include "vtd/spec/invalidation.h"

#include <gtest/gtest.h>

namespace vtd::spec::ats {
namespace {

TEST(ats, a_translation_has_its_fields_where_pcie_puts_them) {
  EXPECT_EQ(translation{}.set_read(true).value, 1U << 0);
  EXPECT_EQ(translation{}.set_write(true).value, 1U << 1);
  EXPECT_EQ(translation{}.set_untranslated_only(true).value, 1U << 2);
  EXPECT_EQ(translation{}.set_non_snooped(true).value, 1U << 10);
  EXPECT_EQ(translation{}.set_pages(0x12345678, 0).value, 0x12345000U);
}

TEST(ats, a_question_is_an_address_with_no_write_in_bit_0) {
  EXPECT_EQ(question{0x12345000}.set_no_write(true).value, 0x12345001U);
  EXPECT_TRUE(question{1}.no_write());
  EXPECT_FALSE(question{0x12345ffe}.no_write());
  EXPECT_EQ(question{0x12345fff}.address(), 0x12345000U);
}

TEST(ats, the_size_of_a_range_stands_in_the_low_end_of_its_address) {
  // 8 KB: S with bit 12 clear; 16 KB: bit 12 set, 13 clear; 2 MB: bits 12 to 19 set, 20 clear.
  EXPECT_EQ(translation{}.set_pages(0x8000'0000, 1).value, 0x8000'0800U);
  EXPECT_EQ(translation{}.set_pages(0x8000'0000, 2).value, 0x8000'1800U);
  EXPECT_EQ(translation{}.set_pages(0x8012'3456, 9).value, 0x800f'f800U);
  EXPECT_EQ(invalidation::of(0x1234'5678, whole_space).value, 0x7fff'ffff'ffff'f800U);
}

TEST(ats, every_size_is_read_back) {
  for (unsigned mask = 0; mask <= whole_space; ++mask) {
    const std::uint64_t bytes = low_bits(mask < whole_space ? mask + page_shift : 64);
    const std::uint64_t address = 0xabcd'ef01'2345'6000;
    EXPECT_EQ(translation{}.set_pages(address, mask).page_mask(), mask);
    EXPECT_EQ(translation{}.set_pages(address, mask).address(), address & ~bytes);
    const invalidation asked = invalidation::of(address, mask);
    EXPECT_EQ(asked.page_mask(), mask);
    EXPECT_EQ(asked.first(), address & ~bytes);
    EXPECT_EQ(asked.last(), address | bytes);
  }
}

TEST(ats, a_descriptor_of_the_queue_says_sizes_in_the_same_way) {
  for (unsigned mask = 0; mask <= whole_space; ++mask) {
    device_tlb_descriptor d;
    d.set_range(0x4567'8000, mask);
    EXPECT_EQ(d.hi & ~std::uint64_t{1}, sized_address(0x4567'8000, mask));
    EXPECT_EQ(d.address_mask(), mask);
  }
}

TEST(ats, what_was_set_is_read_back_and_can_be_taken_back) {
  const translation both = translation{}.set_read(true).set_write(true);
  EXPECT_TRUE(both.read() && both.write() && both.granted());
  EXPECT_TRUE(translation{both}.set_read(false).granted()) << "it may still write";
  EXPECT_TRUE(translation{both}.set_write(false).granted()) << "it may still read";
  EXPECT_EQ(translation{both}.set_read(false).set_write(false), translation{});
  EXPECT_FALSE(translation{}.granted());
  const translation marks = translation{}.set_untranslated_only(true).set_non_snooped(true);
  EXPECT_TRUE(marks.untranslated_only() && marks.non_snooped() && !marks.granted());
  EXPECT_EQ(translation{marks}.set_untranslated_only(false).set_non_snooped(false), translation{});
  EXPECT_EQ(translation{both}.set_pages(0x8000'0000, 9).set_pages(0x1000, 0),
            translation{both}.set_pages(0x1000, 0))
      << "nothing of the larger range is left";
  EXPECT_EQ(translation{both}.set_pages(0x1000, 0).value, 0x1003U);
}

TEST(ats, a_function_tells_how_many_invalidations_it_takes_in_five_bits_and_zero_means_all) {
  EXPECT_EQ(function_registers::queue_depth(0), tags);
  EXPECT_EQ(function_registers::queue_depth(1), 1U);
  EXPECT_EQ(function_registers::queue_depth(31), 31U);
  EXPECT_EQ(function_registers::queue_depth(0xffff'ffe0), tags) << "the other bits are not its own";
  EXPECT_EQ(tags, 32U);
  EXPECT_EQ(function_registers::offset, 4U);
  EXPECT_EQ(function_registers::page_aligned_field::mask, 1U << 5);
  EXPECT_EQ(function_registers::smallest_unit_field::mask, 0x1fU << 16);
  EXPECT_EQ(function_registers::enable_field::mask, 1U << 31);
}

TEST(ats, an_invalidation_of_one_page_is_its_address_and_nothing_else) {
  const invalidation one = invalidation::of(0x1234'5678, 0);
  EXPECT_EQ(one.value, 0x1234'5000U);
  EXPECT_EQ(one.first(), 0x1234'5000U);
  EXPECT_EQ(one.last(), 0x1234'5fffU);
  EXPECT_EQ(invalidation::of(0, whole_space).first(), 0U);
  EXPECT_EQ(invalidation::of(0, whole_space).last(), ~std::uint64_t{0});
}

} // namespace
} // namespace vtd::spec::ats
