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

} // namespace
} // namespace vtd::spec::ats
