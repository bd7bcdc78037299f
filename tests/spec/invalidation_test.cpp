// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/invalidation.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace vtd::spec {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

/// The bits of a 64-bit word from msb down to lsb, as VT-d lists reserved fields.
constexpr std::uint64_t bits(unsigned msb, unsigned lsb) { return low_bits(msb - lsb + 1) << lsb; }

TEST(covers, takes_the_aligned_block_of_pages_round_the_address) {
  EXPECT_EQ(covers(0x12345678, 0), (address_range{0x12345000, 0x12345fff}));
  EXPECT_EQ(covers(0x12345678, 1), (address_range{0x12344000, 0x12345fff}));
  EXPECT_EQ(covers(0x12345678, 9), (address_range{0x12200000, 0x123fffff}));
  EXPECT_EQ(covers(0x12345678, 18), (address_range{0, 0x3fffffff}));
}

TEST(covers, takes_everything_from_mask_52_on) {
  EXPECT_EQ(covers(all_ones, 51), (address_range{std::uint64_t{1} << 63, all_ones}));
  for (const unsigned mask : {52U, 63U, 64U, ~0U})
    EXPECT_EQ(covers(0x1000, mask), (address_range{0, all_ones}));
}

TEST(address_range, contains_both_of_its_ends) {
  const auto range = covers(0x3000, 0);
  EXPECT_TRUE(range.contains(0x3000));
  EXPECT_TRUE(range.contains(0x3fff));
  EXPECT_FALSE(range.contains(0x2fff));
  EXPECT_FALSE(range.contains(0x4000));
}

TEST(address_mask_for, is_the_smallest_that_holds_the_pages) {
  EXPECT_EQ(address_mask_for(0, 0), 0U);
  EXPECT_EQ(address_mask_for(7, 1), 0U);
  EXPECT_EQ(address_mask_for(6, 2), 1U);
  EXPECT_EQ(address_mask_for(7, 2), 4U) << "pages 7 and 8 share no smaller block";
  EXPECT_EQ(address_mask_for(0, 512), 9U);
  EXPECT_EQ(address_mask_for(1, 512), 10U);
  EXPECT_EQ(address_mask_for(0, std::uint64_t{1} << 52), 52U);
  for (std::uint64_t first = 0; first < 40; ++first) {
    for (std::uint64_t pages = 1; pages < 40; ++pages) {
      const unsigned mask = address_mask_for(first, pages);
      const auto holds = [&](unsigned m) {
        const auto range = covers(first << page_shift, m);
        return range.contains((first + pages - 1) << page_shift);
      };
      EXPECT_TRUE(holds(mask)) << first << '+' << pages;
      EXPECT_FALSE(mask > 0 && holds(mask - 1)) << first << '+' << pages;
    }
  }
}

TEST(function_mask_bits, leaves_out_function_bits_from_the_top) {
  EXPECT_EQ(function_mask_bits(0), 0);
  EXPECT_EQ(function_mask_bits(1), 1 << 2);
  EXPECT_EQ(function_mask_bits(2), 3 << 1);
  EXPECT_EQ(function_mask_bits(3), 7);
}

TEST(granularity, has_the_values_of_the_registers) {
  EXPECT_EQ(static_cast<int>(context_granularity::none), 0);
  EXPECT_EQ(static_cast<int>(context_granularity::global), 1);
  EXPECT_EQ(static_cast<int>(context_granularity::domain), 2);
  EXPECT_EQ(static_cast<int>(context_granularity::device), 3);
  EXPECT_EQ(static_cast<int>(iotlb_granularity::none), 0);
  EXPECT_EQ(static_cast<int>(iotlb_granularity::global), 1);
  EXPECT_EQ(static_cast<int>(iotlb_granularity::domain), 2);
  EXPECT_EQ(static_cast<int>(iotlb_granularity::page), 3);
}

TEST(invalidation_queue, holds_256_descriptors_a_page) {
  EXPECT_EQ(queue_bytes(0), 4096U);
  EXPECT_EQ(queue_descriptors(0), 256U);
  EXPECT_EQ(queue_bytes(7), 128U * 4096U);
  EXPECT_EQ(queue_descriptors(7), 32768U);
}

TEST(queue_error, has_the_values_of_iqei) {
  EXPECT_EQ(static_cast<int>(queue_error::unknown), 0);
  EXPECT_EQ(static_cast<int>(queue_error::tail_out_of_range), 1);
  EXPECT_EQ(static_cast<int>(queue_error::fetch_failed), 2);
  EXPECT_EQ(static_cast<int>(queue_error::invalid_type), 3);
  EXPECT_EQ(static_cast<int>(queue_error::reserved_field), 4);
  EXPECT_EQ(static_cast<int>(queue_error::invalid_width), 5);
  EXPECT_EQ(static_cast<int>(queue_error::tail_misaligned), 6);
  EXPECT_EQ(static_cast<int>(queue_error::invalid_translation_mode), 7);
}

TEST(invalidation_descriptor, has_its_type_in_two_parts) {
  EXPECT_EQ((invalidation_descriptor{5, 0}).type(), 5U);
  EXPECT_EQ((invalidation_descriptor{0xf, 0}).type(), 15U);
  EXPECT_EQ((invalidation_descriptor{bits(9, 9) | 1, 0}).type(), 17U);
  EXPECT_EQ((invalidation_descriptor{bits(11, 9), 0}).type(), 112U);
  EXPECT_EQ((invalidation_descriptor{~(bits(3, 0) | bits(11, 9)), all_ones}).type(), 0U);
  EXPECT_FALSE((invalidation_descriptor{bits(9, 9) | 1, 0}).is(descriptor_type::context_cache));
}

TEST(invalidation_descriptor, and_ranges_begin_as_zeros) {
  EXPECT_EQ(invalidation_descriptor{}, (invalidation_descriptor{0, 0}));
  EXPECT_EQ(address_range{}, (address_range{0, 0}));
}

TEST(invalidation_descriptor, touches_a_mask_by_a_bit_of_either_word) {
  const invalidation_descriptor mask{4, 8};
  EXPECT_FALSE((invalidation_descriptor{~mask.lo, ~mask.hi}).touches(mask));
  EXPECT_TRUE((invalidation_descriptor{4, 0}).touches(mask));
  EXPECT_TRUE((invalidation_descriptor{0, 8}).touches(mask));
}

TEST(invalidation_descriptor, is_new_with_its_type_and_nothing_else) {
  EXPECT_EQ(context_cache_descriptor{}, (invalidation_descriptor{1, 0}));
  EXPECT_EQ(iotlb_descriptor{}, (invalidation_descriptor{2, 0}));
  EXPECT_EQ(device_tlb_descriptor{}, (invalidation_descriptor{3, 0}));
  EXPECT_EQ(interrupt_entry_cache_descriptor{}, (invalidation_descriptor{4, 0}));
  EXPECT_EQ(wait_descriptor{}, (invalidation_descriptor{5, 0}));
  EXPECT_TRUE(wait_descriptor{}.is(descriptor_type::wait));
}

// VT-d 6.5.2, in the words of the tables there: what is neither type nor field.
TEST(invalidation_descriptor, reserves_the_bits_that_no_field_has) {
  EXPECT_EQ(context_cache_descriptor::reserved(),
            (invalidation_descriptor{bits(8, 6) | bits(15, 12) | bits(63, 50), all_ones}));
  EXPECT_EQ(iotlb_descriptor::reserved(),
            (invalidation_descriptor{bits(8, 8) | bits(15, 12) | bits(63, 32), bits(11, 7)}));
  EXPECT_EQ(device_tlb_descriptor::reserved(true),
            (invalidation_descriptor{bits(8, 4) | bits(31, 21) | bits(51, 48), bits(11, 1)}));
  EXPECT_EQ(device_tlb_descriptor::reserved(false),
            (invalidation_descriptor{bits(8, 4) | bits(15, 12) | bits(31, 21) | bits(63, 48), bits(11, 1)}));
  EXPECT_EQ(interrupt_entry_cache_descriptor::reserved(),
            (invalidation_descriptor{bits(8, 5) | bits(26, 12) | bits(63, 48), all_ones}));
  EXPECT_EQ(wait_descriptor::reserved(true),
            (invalidation_descriptor{bits(8, 8) | bits(31, 12), bits(1, 0)}));
  EXPECT_EQ(wait_descriptor::reserved(false),
            (invalidation_descriptor{bits(8, 7) | bits(31, 12), bits(1, 0)}));
}

TEST(context_cache_descriptor, writes_each_field_to_its_bits_and_reads_it_back) {
  const auto d = context_cache_descriptor{}
                     .set_granularity(context_granularity::device)
                     .set_domain_id(0xfeed)
                     .set_source(source_id::from_bdf(0xab, 0x1c, 3))
                     .set_function_mask(2);
  EXPECT_EQ(d.lo, 1U | 3U << 4 | std::uint64_t{0xfeed} << 16 | std::uint64_t{0xabe3} << 32 |
                      std::uint64_t{2} << 48);
  EXPECT_EQ(d.hi, 0U);
  const context_cache_descriptor read{invalidation_descriptor{d.lo, d.hi}};
  EXPECT_EQ(read.granularity(), context_granularity::device);
  EXPECT_EQ(read.domain_id(), 0xfeed);
  EXPECT_EQ(read.source(), source_id::from_bdf(0xab, 0x1c, 3));
  EXPECT_EQ(read.function_mask(), 2U);
}

TEST(iotlb_descriptor, writes_each_field_to_its_bits_and_reads_it_back) {
  EXPECT_EQ(iotlb_descriptor{}.set_drain_writes(true).lo, 2U | bits(6, 6));
  EXPECT_EQ(iotlb_descriptor{}.set_drain_reads(true).lo, 2U | bits(7, 7));
  EXPECT_EQ(iotlb_descriptor{}.set_hint(true).hi, bits(6, 6));
  const auto d = iotlb_descriptor{}
                     .set_granularity(iotlb_granularity::page)
                     .set_domain_id(0xbeef)
                     .set_address(0xfffffffffffff123)
                     .set_address_mask(0x3f);
  EXPECT_EQ(d.lo, 2U | 3U << 4 | std::uint64_t{0xbeef} << 16);
  EXPECT_EQ(d.hi, bits(63, 12) | bits(5, 0));
  const iotlb_descriptor read{invalidation_descriptor{d.lo | bits(7, 7), 0x40005 | bits(6, 6)}};
  EXPECT_EQ(read.granularity(), iotlb_granularity::page);
  EXPECT_EQ(read.domain_id(), 0xbeef);
  EXPECT_FALSE(read.drain_writes());
  EXPECT_TRUE(read.drain_reads());
  EXPECT_TRUE(read.hint());
  EXPECT_EQ(read.address_mask(), 5U);
  EXPECT_EQ(read.address(), 0x40000U);
  EXPECT_EQ(read.range(), (address_range{0x40000, 0x5ffff}));
}

TEST(device_tlb_descriptor, writes_each_field_to_its_bits_and_reads_it_back) {
  const auto pf = source_id::from_bdf(0x12, 0x06, 4);
  const auto d = device_tlb_descriptor{}
                     .set_max_pending(17)
                     .set_source(source_id::from_bdf(3, 0, 1))
                     .set_physical_source(pf);
  EXPECT_EQ(pf.value(), 0x1234);
  EXPECT_EQ(d.lo, 3U | 4U << 12 | 17U << 16 | std::uint64_t{0x301} << 32 | std::uint64_t{0x123} << 52);
  EXPECT_EQ(d.max_pending(), 17U);
  EXPECT_EQ(d.source(), source_id::from_bdf(3, 0, 1));
  EXPECT_EQ(d.physical_source(), pf);
  EXPECT_FALSE(d.touches(device_tlb_descriptor::reserved(true)));
  EXPECT_TRUE(d.touches(device_tlb_descriptor::reserved(false))) << "there is no PFSID without DIT";
}

TEST(device_tlb_descriptor, holds_32_pending_invalidations_as_0) {
  EXPECT_EQ(device_tlb_descriptor{}.max_pending(), 32U);
  EXPECT_EQ(device_tlb_descriptor{}.set_max_pending(32), device_tlb_descriptor{});
  EXPECT_EQ(device_tlb_descriptor{}.set_max_pending(31).max_pending(), 31U);
}

TEST(device_tlb_descriptor, codes_the_size_in_the_address) {
  EXPECT_EQ(device_tlb_descriptor{}.set_range(0x5432, 0).hi, 0x5000U);
  EXPECT_EQ(device_tlb_descriptor{}.set_range(0x5432, 1).hi, 0x4001U) << "S and no ones are 8 KB";
  EXPECT_EQ(device_tlb_descriptor{}.set_range(0x5432, 2).hi, 0x5001U);
  EXPECT_EQ(device_tlb_descriptor{}.set_range(0x40000000, 9).hi, 0x400ff001U);
  EXPECT_EQ(device_tlb_descriptor{}.set_range(0x1000, device_tlb_descriptor::whole_space).hi,
            0x7ffffffffffff001U);
}

TEST(device_tlb_descriptor, reads_the_range_that_was_set) {
  for (unsigned mask = 0; mask <= device_tlb_descriptor::whole_space; ++mask) {
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0xa5a5a5a5a5a5a000}, all_ones}) {
      const auto d = device_tlb_descriptor{}.set_range(all_ones, 3).set_range(address, mask);
      EXPECT_EQ(d.address_mask(), mask);
      EXPECT_EQ(d.range(), covers(address, mask)) << mask;
      EXPECT_FALSE(d.touches(device_tlb_descriptor::reserved(false)));
    }
  }
}

TEST(device_tlb_descriptor, takes_ones_up_to_the_top_for_the_whole_space) {
  const device_tlb_descriptor d{invalidation_descriptor{3, bits(63, 12) | 1}};
  EXPECT_EQ(d.address_mask(), device_tlb_descriptor::whole_space);
  EXPECT_EQ(d.range(), (address_range{0, all_ones}));
}

TEST(interrupt_entry_cache_descriptor, writes_each_field_to_its_bits_and_reads_it_back) {
  const auto d =
      interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(21).set_index(0xcafe);
  EXPECT_EQ(d.lo, 4U | 1U << 4 | std::uint64_t{21} << 27 | std::uint64_t{0xcafe} << 32);
  EXPECT_EQ(d.hi, 0U);
  EXPECT_TRUE(d.index_selective());
  EXPECT_EQ(d.index_mask(), 21U);
  EXPECT_EQ(d.index(), 0xcafe);
  EXPECT_FALSE(interrupt_entry_cache_descriptor{}.index_selective()) << "0 is global";
}

TEST(wait_descriptor, writes_each_field_to_its_bits_and_reads_it_back) {
  EXPECT_EQ(wait_descriptor{}.set_interrupt(true).lo, 5U | bits(4, 4));
  EXPECT_EQ(wait_descriptor{}.set_status_write(true).lo, 5U | bits(5, 5));
  EXPECT_EQ(wait_descriptor{}.set_fence(true).lo, 5U | bits(6, 6));
  EXPECT_EQ(wait_descriptor{}.set_page_request_drain(true).lo, 5U | bits(7, 7));
  const auto d =
      wait_descriptor{}.set_status_write(true).set_status_data(0x89abcdef).set_status_address(0x123456789abf);
  EXPECT_EQ(d.lo, 5U | bits(5, 5) | std::uint64_t{0x89abcdef} << 32);
  EXPECT_EQ(d.hi, 0x123456789abcU);
  EXPECT_FALSE(d.interrupt());
  EXPECT_TRUE(d.status_write());
  EXPECT_FALSE(d.fence());
  EXPECT_FALSE(d.page_request_drain());
  EXPECT_EQ(d.status_data(), 0x89abcdefU);
  EXPECT_EQ(d.status_address(), 0x123456789abcU);
  EXPECT_EQ((wait_descriptor{invalidation_descriptor{5, 0x1003}}).status_address(), 0x1000U);
}

// A field that is a bit too wide or too narrow shows here.
TEST(invalidation_descriptor, of_all_ones_reads_the_largest_value_of_every_field) {
  constexpr invalidation_descriptor ones{all_ones, all_ones};
  const context_cache_descriptor context{ones};
  EXPECT_EQ(context.granularity(), context_granularity::device);
  EXPECT_EQ(context_cache_descriptor::domain_id_field::get(context.lo), 0xffffU);
  EXPECT_EQ(context_cache_descriptor::source_id_field::get(context.lo), 0xffffU);
  EXPECT_EQ(context.function_mask(), 3U);
  const iotlb_descriptor iotlb{ones};
  EXPECT_EQ(iotlb.granularity(), iotlb_granularity::page);
  EXPECT_EQ(iotlb_descriptor::domain_id_field::get(iotlb.lo), 0xffffU);
  EXPECT_EQ(iotlb.address_mask(), 63U);
  EXPECT_EQ(iotlb.address(), bits(63, 12));
  const device_tlb_descriptor device{ones};
  EXPECT_EQ(device.max_pending(), 31U);
  EXPECT_EQ(device.physical_source().value(), 0xffff);
  EXPECT_EQ(device_tlb_descriptor::source_id_field::get(device.lo), 0xffffU);
  const interrupt_entry_cache_descriptor entries{ones};
  EXPECT_EQ(entries.index_mask(), 31U);
  EXPECT_EQ(interrupt_entry_cache_descriptor::index_field::get(entries.lo), 0xffffU);
  const wait_descriptor wait{ones};
  EXPECT_EQ(wait_descriptor::status_data_field::get(wait.lo), 0xffffffffU);
  EXPECT_EQ(wait.status_address(), bits(63, 2));
}

TEST(invalidation_descriptor, can_clear_what_was_set) {
  const auto cleared_wait = wait_descriptor{invalidation_descriptor{all_ones, all_ones}}
                                .set_interrupt(false)
                                .set_status_write(false)
                                .set_fence(false)
                                .set_page_request_drain(false)
                                .set_status_data(0)
                                .set_status_address(0);
  EXPECT_EQ(cleared_wait.lo, ~(bits(7, 4) | bits(63, 32)));
  EXPECT_EQ(cleared_wait.hi, bits(1, 0));
  const auto cleared_iotlb = iotlb_descriptor{invalidation_descriptor{all_ones, all_ones}}
                                 .set_granularity(iotlb_granularity::none)
                                 .set_drain_writes(false)
                                 .set_drain_reads(false)
                                 .set_domain_id(0)
                                 .set_address(0)
                                 .set_address_mask(0)
                                 .set_hint(false);
  EXPECT_EQ(cleared_iotlb.lo, ~(bits(7, 4) | bits(31, 16)));
  EXPECT_EQ(cleared_iotlb.hi, bits(11, 7));
  const auto cleared_entries = interrupt_entry_cache_descriptor{invalidation_descriptor{all_ones, all_ones}}
                                   .set_index_selective(false)
                                   .set_index_mask(0)
                                   .set_index(0);
  EXPECT_EQ(cleared_entries.lo, ~(bits(4, 4) | bits(31, 27) | bits(47, 32)));
  const auto cleared_context = context_cache_descriptor{invalidation_descriptor{all_ones, all_ones}}
                                   .set_granularity(context_granularity::none)
                                   .set_domain_id(0)
                                   .set_source(source_id{})
                                   .set_function_mask(0);
  EXPECT_EQ(cleared_context.lo, ~(bits(5, 4) | bits(31, 16) | bits(49, 32)));
  const auto cleared_device = device_tlb_descriptor{invalidation_descriptor{all_ones, all_ones}}
                                  .set_max_pending(32)
                                  .set_source(source_id{})
                                  .set_physical_source(source_id{})
                                  .set_range(0, 0);
  EXPECT_EQ(cleared_device.lo, ~(bits(20, 12) | bits(47, 32) | bits(63, 52)));
  EXPECT_EQ(cleared_device.hi, bits(11, 1));
}

} // namespace
} // namespace vtd::spec
