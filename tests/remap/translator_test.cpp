// SPDX-License-Identifier: Apache-2.0
// The translation decision: every condition of legacy mode, and what the caches keep (VT-d 3.7, 6.2, 7.1.3).

#include "vtd/remap/translator.h"

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtd::remap {
namespace {

using spec::fault_condition;
using spec::fault_reason;
using test::nic;
using test::read_only;
using test::write_only;

constexpr std::uint64_t iova = 0x12345000;
constexpr std::uint64_t frame = 0x7abcd000;
constexpr std::uint16_t domain = 3;

/// One device in one domain with one page, and a translator to ask.
struct bench {
  explicit bench(const capabilities& part, unsigned level_count = 3)
      : caps(part), tables(memory), hardware("unit", part, test::small_caches()), levels(level_count) {
    tables.attach(nic, domain, levels);
    tables.map(nic, iova, frame);
  }
  translation ask(const dma_access& access) {
    cost = {};
    return hardware.translate(access, {tables.root(), memory, timebase, 0}, cost);
  }
  translation read(std::uint64_t address = iova) {
    return ask({nic, access_kind::read, address_type::untranslated, address});
  }
  translation write(std::uint64_t address = iova) {
    return ask({nic, access_kind::write, address_type::untranslated, address});
  }
  void change_context(const auto& change) {
    spec::context_entry entry = tables.context(nic);
    change(entry);
    tables.set_context(nic, entry);
  }

  capabilities caps;
  test::fake_memory memory;
  test::table_builder tables;
  translator hardware;
  translation_cost cost{};
  unsigned levels;
  engine::clock timebase{1000};
};

/// The condition, and that nothing was kept of what is faulty.
void expect_fault(bench& b, const translation& got, fault_condition condition, fault_reason reason) {
  EXPECT_EQ(spec::condition_info(got.condition).name, spec::condition_info(condition).name);
  EXPECT_EQ(spec::condition_info(got.condition).reason, reason);
  EXPECT_FALSE(got.allowed());
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 0U);
}

TEST(translator, a_mapped_address_goes_to_its_frame_with_its_offset) {
  bench b(test::small_part());
  const translation got = b.read(iova + 0x678);
  ASSERT_TRUE(got.allowed());
  EXPECT_EQ(got.address, frame + 0x678);
  EXPECT_EQ(b.cost.table_reads, 5U);
  EXPECT_FALSE(b.cost.context_hit);
}

TEST(translator, the_second_request_to_a_page_reads_no_table) {
  bench b(test::small_part());
  b.read();
  b.memory.reads.clear();
  EXPECT_EQ(b.read(iova + 8).address, frame + 8);
  EXPECT_TRUE(b.cost.iotlb_hit);
  EXPECT_TRUE(b.memory.reads.empty());
}

TEST(translator, a_stale_entry_is_used_until_it_is_invalidated) {
  bench b(test::small_part());
  b.read();
  b.tables.map(nic, iova, frame + 0x100000);
  EXPECT_EQ(b.read().address, frame) << "the IOTLB answers";
  b.hardware.caches().invalidate_pages(domain, {iova >> 12, iova >> 12}, true, false);
  EXPECT_EQ(b.read().address, frame + 0x100000);
}

TEST(translator, four_levels_take_four_reads_and_a_large_page_fewer) {
  bench b(test::wide_part(), 4);
  b.read();
  EXPECT_EQ(b.cost.table_reads, 6U);
  constexpr std::uint64_t large = std::uint64_t{5} << 39;
  b.tables.map(nic, large, 0x40000000, test::read_write, 2);
  EXPECT_EQ(b.read(large + 0x123456).address, 0x40123456U);
  EXPECT_EQ(b.cost.table_reads, 3U);
  constexpr std::uint64_t huge = std::uint64_t{6} << 39;
  b.tables.map(nic, huge, std::uint64_t{1} << 32, test::read_write, 3);
  EXPECT_EQ(b.read(huge + 0x3fffffff).address, (std::uint64_t{1} << 32) + 0x3fffffff);
  EXPECT_EQ(b.cost.table_reads, 2U);
}

TEST(translator, a_large_page_hits_everywhere_inside_it) {
  bench b(test::wide_part(), 4);
  constexpr std::uint64_t large = std::uint64_t{5} << 39;
  b.tables.map(nic, large, 0x40000000, test::read_write, 2);
  b.read(large);
  EXPECT_EQ(b.read(large + 0x1ff000).address, 0x401ff000U);
  EXPECT_TRUE(b.cost.iotlb_hit);
  b.read(large + 0x200000);
  EXPECT_FALSE(b.cost.iotlb_hit);
}

TEST(translator, non_leaf_entries_shorten_the_next_walk) {
  bench b(test::wide_part(), 4);
  constexpr std::uint64_t same_pde = iova + 0x1000;
  constexpr std::uint64_t same_pdpe = iova + (std::uint64_t{1} << 21);
  constexpr std::uint64_t same_pml4 = iova + (std::uint64_t{1} << 30);
  for (const std::uint64_t address : {same_pde, same_pdpe, same_pml4})
    b.tables.map(nic, address, frame);
  b.read();
  b.read(same_pde);
  EXPECT_EQ(b.cost.table_reads, 1U);
  b.read(same_pdpe);
  EXPECT_EQ(b.cost.table_reads, 2U);
  b.read(same_pml4);
  EXPECT_EQ(b.cost.table_reads, 3U);
}

TEST(translator, a_freed_table_is_used_until_the_non_leaf_entries_go_too) {
  bench b(test::wide_part(), 4);
  b.tables.map(nic, iova + 0x1000, frame);
  b.read();
  // A new last-level table for the region; the old one still says what it said.
  const std::uint64_t pde = b.tables.entry_of(nic, iova, 2, false);
  b.memory.store(pde, 0);
  b.tables.map(nic, iova + 0x1000, frame + 0x5000);
  EXPECT_EQ(b.read(iova + 0x1000).address, frame) << "by way of the old table";
  const page_range all{iova >> 12, (iova >> 12) + 1};
  b.hardware.caches().invalidate_pages(domain, all, true, false);
  EXPECT_EQ(b.read(iova + 0x1000).address, frame) << "IH = 1 keeps non-leaf entries";
  b.hardware.caches().invalidate_pages(domain, all, false, false);
  EXPECT_EQ(b.read(iova + 0x1000).address, frame + 0x5000);
}

TEST(translator, two_devices_of_one_domain_share_the_iotlb) {
  bench b(test::small_part());
  b.tables.attach(test::disk, domain, 3, spec::translation_type::untranslated_only,
                  b.tables.context(nic).second_level_table());
  b.read();
  const translation got = b.ask({test::disk, access_kind::read, address_type::untranslated, iova});
  EXPECT_EQ(got.address, frame);
  EXPECT_EQ(b.cost.table_reads, 2U) << "root and context entry only";
}

TEST(translator, rights_are_the_and_of_all_levels) {
  bench b(test::small_part());
  const std::uint64_t pde = b.tables.entry_of(nic, iova, 2, false);
  b.memory.store(pde, spec::second_level_entry{b.memory.load(pde)}.set_write(false).value);
  expect_fault(b, b.write(), fault_condition::lgn_2, fault_reason::no_write_permission);
  EXPECT_TRUE(b.read().allowed());
  b.read();
  EXPECT_TRUE(b.cost.iotlb_hit);
  EXPECT_EQ(b.write().condition, fault_condition::lgn_2) << "and the cached entry knows it";
}

// --- Conditions of the root and context entry

TEST(translator, lrt_1_the_root_entry_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.root_entry_of(nic));
  expect_fault(b, b.read(), fault_condition::lrt_1, fault_reason::root_table_access);
}
TEST(translator, lrt_2_the_root_entry_is_not_present) {
  bench b(test::small_part());
  b.memory.store(b.tables.root_entry_of(nic), 0xfff0); // everything but P: ignored
  expect_fault(b, b.read(), fault_condition::lrt_2, fault_reason::root_entry_not_present);
}
TEST(translator, lrt_3_a_reserved_bit_is_set_in_the_root_entry) {
  for (const unsigned bit : {1U, 11U, 36U, 63U}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.root_entry_of(nic);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << bit);
    expect_fault(b, b.read(), fault_condition::lrt_3, fault_reason::root_entry_reserved);
  }
  bench b(test::small_part());
  b.memory.store(b.tables.root_entry_of(nic) + 8, 1);
  expect_fault(b, b.read(), fault_condition::lrt_3, fault_reason::root_entry_reserved);
}
TEST(translator, lct_1_the_context_entry_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.context_entry_of(nic));
  expect_fault(b, b.read(), fault_condition::lct_1, fault_reason::context_table_access);
}
TEST(translator, lct_2_the_context_entry_is_not_present) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_present(false); });
  expect_fault(b, b.read(), fault_condition::lct_2, fault_reason::context_entry_not_present);
  EXPECT_EQ(b.hardware.caches().contexts().occupancy(), 0U) << "CM = 0 caches nothing that is not present";
}
TEST(translator, lct_3_a_reserved_bit_is_set_in_the_context_entry) {
  struct bit {
    bool high;
    unsigned number;
  };
  // EH without caching hints; above HAW; bit 71; a domain-id beyond ND; the last bit.
  for (const bit each : {bit{false, 4}, bit{false, 36}, bit{true, 7}, bit{true, 8 + 4}, bit{true, 63}}) {
    bench b(test::small_part());
    b.change_context(
        [&](spec::context_entry& e) { (each.high ? e.hi : e.lo) |= std::uint64_t{1} << each.number; });
    expect_fault(b, b.read(), fault_condition::lct_3, fault_reason::context_entry_reserved);
  }
}
TEST(translator, lct_4_1_a_width_that_sagaw_does_not_name) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_address_width(2); });
  expect_fault(b, b.read(), fault_condition::lct_4_1, fault_reason::context_entry_invalid);
}
TEST(translator, lct_4_2_a_translation_type_that_the_part_does_not_have) {
  for (const auto type : {spec::translation_type::with_device_tlb, spec::translation_type::pass_through,
                          spec::translation_type::reserved}) {
    bench b(test::small_part());
    b.change_context([type](spec::context_entry& e) { e.set_translation_type(type); });
    expect_fault(b, b.read(), fault_condition::lct_4_2, fault_reason::context_entry_invalid);
  }
}
TEST(translator, lct_4_3_the_top_table_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.entry_of(nic, iova, 3, false));
  expect_fault(b, b.read(), fault_condition::lct_4_3, fault_reason::context_entry_invalid);
}
TEST(translator, lct_5_translation_and_translated_requests_need_a_context_with_a_device_tlb) {
  for (const auto at : {address_type::translation_request, address_type::translated}) {
    bench b(test::small_part());
    expect_fault(b, b.ask({nic, access_kind::read, at, iova}), fault_condition::lct_5,
                 fault_reason::request_type_blocked);
    b.read();
    EXPECT_EQ(b.ask({nic, access_kind::read, at, iova}).condition, fault_condition::lct_5)
        << "from the cache, too";
  }
}

TEST(translator, the_kind_of_request_is_judged_before_the_width_of_the_context) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_address_width(2); });
  expect_fault(b, b.ask({nic, access_kind::read, address_type::translated, iova}), fault_condition::lct_5,
               fault_reason::request_type_blocked);
}
TEST(translator, a_device_that_asks_for_a_translation_is_told_no_rights_where_others_fault) {
  capabilities caps = test::wide_part();
  caps.ecap.set_dt(true);
  bench b(caps, 3);
  b.change_context(
      [](spec::context_entry& e) { e.set_translation_type(spec::translation_type::with_device_tlb); });
  const std::uint64_t range = iova + 0x1000;
  b.tables.map(nic, range, spec::interrupt_range_first);
  for (const std::uint64_t address : {iova + 0x2000, range, std::uint64_t{1} << 39}) {
    for (int cached = 0; cached < 2; ++cached) {
      const translation got = b.ask({nic, access_kind::read, address_type::translation_request, address});
      EXPECT_TRUE(got.allowed()) << address;
      EXPECT_FALSE(got.read || got.write);
    }
  }
  const translation got = b.ask({nic, access_kind::read, address_type::translation_request, iova});
  EXPECT_TRUE(got.allowed() && got.read && got.write);
}

// --- Conditions of the address

TEST(translator, lgn_1_1_an_address_beyond_the_width_of_the_domain) {
  bench b(test::wide_part(), 3);
  expect_fault(b, b.read(std::uint64_t{1} << 39), fault_condition::lgn_1_1,
               fault_reason::address_beyond_mgaw);
  EXPECT_NE(b.read((std::uint64_t{1} << 39) - 1).condition, fault_condition::lgn_1_1);
}
TEST(translator, lgn_1_2_bits_36_to_38_fault_where_mgaw_is_36) {
  for (const unsigned bit : {36U, 37U, 38U}) {
    bench b(test::small_part());
    expect_fault(b, b.read(std::uint64_t{1} << bit), fault_condition::lgn_1_2,
                 fault_reason::address_beyond_mgaw);
    b.read();
    EXPECT_EQ(b.read(iova | std::uint64_t{1} << bit).condition, fault_condition::lgn_1_2)
        << "with a cached context";
  }
}
TEST(translator, lgn_1_3_pass_through_is_limited_by_the_host_address_width) {
  bench b(test::wide_part(), 4);
  b.change_context(
      [](spec::context_entry& e) { e.set_translation_type(spec::translation_type::pass_through); });
  const translation got = b.read(0x123456789);
  ASSERT_TRUE(got.allowed());
  EXPECT_EQ(got.address, 0x123456789U);
  EXPECT_TRUE(got.identity);
  expect_fault(b, b.read(std::uint64_t{1} << 46), fault_condition::lgn_1_3,
               fault_reason::address_beyond_mgaw);
}
TEST(translator, lgn_2_a_write_to_a_page_without_write_permission) {
  bench b(test::small_part());
  b.tables.map(nic, iova, frame, read_only);
  expect_fault(b, b.write(), fault_condition::lgn_2, fault_reason::no_write_permission);
}
TEST(translator, lgn_2_np_a_write_to_what_is_not_mapped) {
  bench b(test::small_part());
  expect_fault(b, b.write(iova + 0x1000), fault_condition::lgn_2_np, fault_reason::no_write_permission);
  expect_fault(b, b.write(std::uint64_t{1} << 35), fault_condition::lgn_2_np,
               fault_reason::no_write_permission);
}
TEST(translator, lgn_3_a_read_of_a_page_without_read_permission) {
  bench b(test::small_part());
  b.tables.map(nic, iova, frame, write_only);
  expect_fault(b, b.read(), fault_condition::lgn_3, fault_reason::no_read_permission);
}
TEST(translator, lgn_3_np_a_read_of_what_is_not_mapped_whatever_else_the_entry_says) {
  bench b(test::small_part());
  const std::uint64_t leaf = b.tables.entry_of(nic, iova, 1, false);
  b.memory.store(leaf, b.memory.load(leaf) & ~std::uint64_t{3});
  expect_fault(b, b.read(), fault_condition::lgn_3_np, fault_reason::no_read_permission);
}
TEST(translator, lgn_3_zlr_a_zero_length_read_of_a_write_only_page_needs_cap_zlr) {
  const dma_access probe{nic, access_kind::zero_length_read, address_type::untranslated, iova};
  bench without(test::small_part());
  without.tables.map(nic, iova, frame, write_only);
  expect_fault(without, without.ask(probe), fault_condition::lgn_3_zlr, fault_reason::no_read_permission);
  bench with(test::wide_part());
  with.tables.map(nic, iova, frame, write_only);
  EXPECT_TRUE(with.ask(probe).allowed());
}
TEST(translator, lgn_4_a_translation_into_the_interrupt_range) {
  for (const std::uint64_t target :
       {spec::interrupt_range_first, spec::page_base(spec::interrupt_range_last)}) {
    bench b(test::small_part());
    b.tables.map(nic, iova, target);
    expect_fault(b, b.write(), fault_condition::lgn_4, fault_reason::output_in_interrupt_range);
  }
  bench b(test::small_part());
  b.tables.map(nic, iova, spec::interrupt_range_first - spec::page_size);
  EXPECT_TRUE(b.write().allowed());
}

// --- Conditions of the paging entries

TEST(translator, lsl_1_a_lower_table_cannot_be_read) {
  for (const unsigned level : {1U, 2U}) {
    bench b(test::small_part());
    b.memory.fail(b.tables.entry_of(nic, iova, level, false));
    expect_fault(b, b.read(), fault_condition::lsl_1, fault_reason::paging_entry_access);
  }
}
TEST(translator, lsl_2_a_reserved_bit_is_set_in_a_paging_entry) {
  struct bit {
    unsigned level;
    unsigned number;
  };
  // SNP without snoop control, above HAW, TM without device-TLB; large pages this part does not have;
  // non-leaf SNP.
  for (const bit each :
       {bit{1, 11}, bit{1, 36}, bit{1, 51}, bit{1, 62}, bit{2, 7}, bit{3, 7}, bit{2, 11}, bit{3, 62}}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.entry_of(nic, iova, each.level, false);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << each.number);
    expect_fault(b, b.read(), fault_condition::lsl_2, fault_reason::paging_entry_reserved);
  }
}
TEST(translator, lsl_2_a_large_page_that_is_not_aligned) {
  bench b(test::wide_part(), 4);
  constexpr std::uint64_t large = std::uint64_t{5} << 39;
  b.tables.map(nic, large, 0x40001000, test::read_write, 2);
  expect_fault(b, b.read(large), fault_condition::lsl_2, fault_reason::paging_entry_reserved);
}
TEST(translator, ignored_bits_of_a_paging_entry_do_no_harm) {
  for (const unsigned bit : {2U, 3U, 6U, 8U, 10U, 52U, 61U, 63U}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.entry_of(nic, iova, 1, false);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << bit);
    EXPECT_TRUE(b.read().allowed()) << "bit " << bit;
  }
}

// --- FPD, debug accesses, observers

TEST(translator, fpd_suppresses_qualified_conditions_only) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_fault_processing_disable(true); });
  EXPECT_TRUE(b.read(iova + 0x1000).suppressed);
  EXPECT_TRUE(b.read(iova + 0x1000).suppressed) << "with the context cached";
  b.hardware.caches().invalidate_all_contexts();
  b.change_context([](spec::context_entry& e) { e.set_present(false); });
  EXPECT_TRUE(b.read().suppressed) << "the FPD of the entry that is not present counts";
  b.memory.fail(b.tables.context_entry_of(nic));
  EXPECT_FALSE(b.read().suppressed) << "LCT.1 is not qualified";
}

TEST(translator, a_probe_gives_the_same_answer_and_changes_nothing) {
  bench b(test::small_part());
  const dma_access access{nic, access_kind::read, address_type::untranslated, iova + 4};
  EXPECT_EQ(b.hardware.probe(access, b.tables.root(), b.memory).address, frame + 4);
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 0U);
  EXPECT_EQ(b.hardware.caches().contexts().occupancy(), 0U);
  EXPECT_EQ(b.hardware.caches().contexts().statistics().misses, 0U);
  b.read();
  b.tables.map(nic, iova, frame + 0x100000);
  EXPECT_EQ(b.hardware.probe(access, b.tables.root(), b.memory).address, frame + 4) << "as DMA would: stale";
}

TEST(translator, an_observer_sees_every_table_read_with_what_it_fetched) {
  struct recorder final : walk_observer {
    void on_table_read(const table_read& read) override { reads.push_back(read); }
    std::vector<table_read> reads;
  } seen;
  bench b(test::small_part());
  b.hardware.set_observer(&seen);
  b.read();
  ASSERT_EQ(seen.reads.size(), 5U);
  EXPECT_EQ(seen.reads[0].kind, table_kind::root);
  EXPECT_EQ(seen.reads[1].kind, table_kind::context);
  EXPECT_EQ(seen.reads[1].address, b.tables.context_entry_of(nic));
  EXPECT_EQ(seen.reads[1].seen.hi(), b.tables.context(nic).hi);
  EXPECT_EQ(seen.reads[4].level, 1U);
  EXPECT_EQ(seen.reads[4].input_address, iova);
  EXPECT_EQ(seen.reads[4].unit, "unit");
}

TEST(translator, an_observer_is_told_who_read_when_and_what_failed) {
  struct recorder final : walk_observer {
    void on_table_read(const table_read& read) override { reads.push_back(read); }
    std::vector<table_read> reads;
  } seen;
  bench b(test::small_part());
  b.hardware.set_observer(&seen);
  b.memory.set_delay(2500);
  const std::uint64_t leaf = b.tables.entry_of(nic, iova, 1, false);
  b.memory.fail(leaf);
  EXPECT_EQ(b.hardware
                .translate({nic, access_kind::read, address_type::untranslated, iova},
                           {b.tables.root(), b.memory, b.timebase, 100}, b.cost)
                .condition,
            fault_condition::lsl_1);
  ASSERT_EQ(seen.reads.size(), 5U);
  for (unsigned n = 0; n < 5; ++n) {
    const table_read& read = seen.reads[n];
    EXPECT_EQ(read.source, nic);
    EXPECT_EQ(read.level, n < 2 ? 0U : 5 - n);
    EXPECT_EQ(read.bytes, n < 2 ? 16U : 8U);
    EXPECT_EQ(read.failed, n == 4);
    EXPECT_EQ(read.when, 100 + 3 * (n + 1)) << "2.5 cycles, to the next edge";
  }
  EXPECT_EQ(seen.reads[0].address, b.tables.root_entry_of(nic));
  EXPECT_EQ(seen.reads[4].address, leaf);
}

TEST(translator, a_large_page_that_ends_in_the_interrupt_range_is_refused_there_only) {
  bench b(test::wide_part());
  constexpr std::uint64_t large = 0x40000000;
  b.tables.map(nic, large, spec::interrupt_range_first, test::read_write, 2);
  const std::uint64_t behind = spec::interrupt_range_last + 1 - spec::interrupt_range_first;
  EXPECT_TRUE(b.write(large + behind).allowed());
  for (int again = 0; again < 2; ++again) {
    const translation got = b.write(large + behind - 4);
    EXPECT_EQ(got.condition, fault_condition::lgn_4) << "by the page in the IOTLB";
    EXPECT_TRUE(b.cost.iotlb_hit);
    EXPECT_EQ(b.write(large + behind + 8).address, spec::interrupt_range_last + 1 + 8);
  }
}

TEST(translator, a_cached_context_and_a_missing_page_fill_the_paging_structure_caches) {
  bench b(test::small_part());
  b.read();
  b.hardware.caches().invalidate_all_pages();
  b.tables.map(nic, iova + spec::page_size, frame + spec::page_size);
  EXPECT_EQ(b.read().address, frame);
  EXPECT_TRUE(b.cost.context_hit);
  EXPECT_EQ(b.cost.table_reads, 3U);
  EXPECT_EQ(b.read(iova + spec::page_size).address, frame + spec::page_size);
  EXPECT_EQ(b.cost.table_reads, 1U) << "the PDE is cached";
}

TEST(translator, a_context_is_kept_although_there_are_no_paging_structure_caches) {
  test::fake_memory memory;
  test::table_builder tables(memory);
  cache_shapes shapes;
  shapes.context = {4, 0, replacement::lru, 1};
  shapes.iotlb = {4, 0, replacement::lru, 1};
  translator hardware("unit", test::small_part(), shapes);
  tables.attach(nic, domain);
  tables.map(nic, iova, frame);
  const engine::clock timebase{1000};
  for (unsigned n = 0; n < 3; ++n) {
    if (n == 2) hardware.caches().invalidate_all_pages();
    translation_cost cost;
    EXPECT_EQ(hardware
                  .translate({nic, access_kind::read, address_type::untranslated, iova},
                             {tables.root(), memory, timebase, 0}, cost)
                  .address,
              frame);
    EXPECT_EQ(cost.context_hit, n > 0);
    EXPECT_EQ(cost.iotlb_hit, n == 1);
    EXPECT_EQ(cost.table_reads, n == 0 ? 5U : n == 1 ? 0U : 3U);
  }
}

TEST(translator, hits_and_misses_of_both_caches_add_up) {
  bench b(test::small_part());
  const test::rights both = test::read_write;
  for (std::uint64_t n = 1; n < 4; ++n)
    b.tables.map(nic, iova + n * spec::page_size, frame + n * spec::page_size, both);
  b.tables.attach(test::disk, domain, 3, spec::translation_type::untranslated_only,
                  b.tables.context(nic).second_level_table());
  std::uint64_t contexts = 0;
  std::uint64_t pages = 0;
  for (unsigned step = 0; step < 200; ++step) {
    if (step % 50 == 49) b.hardware.caches().invalidate_all_contexts();
    const spec::source_id who = step % 3 == 0 ? test::disk : nic;
    const dma_access access{who, access_kind::read, address_type::untranslated,
                            iova + step * step % 5 % 4 * spec::page_size};
    translation out;
    if (step % 4 == 0 && b.hardware.lookup(access, out) == translator::outcome::translated) {
      ++contexts;
      ++pages;
      continue;
    }
    b.hardware.caches().clear_statistics();
    contexts = pages = 0;
    ASSERT_TRUE(b.ask(access).allowed());
    contexts += b.cost.context_hit ? 1 : 0;
    pages += b.cost.iotlb_hit ? 1 : 0;
    const auto& caches = b.hardware.caches();
    EXPECT_EQ(caches.contexts().statistics().hits, contexts) << step;
    EXPECT_EQ(caches.contexts().statistics().misses, b.cost.context_hit ? 0U : 1U) << step;
    if (b.cost.context_hit) {
      EXPECT_EQ(caches.iotlb().statistics().hits, pages) << step;
    }
  }
  b.hardware.caches().clear_statistics();
  EXPECT_EQ(b.hardware.caches().iotlb().statistics().hits, 0U);
  EXPECT_EQ(b.hardware.caches().iotlb().statistics().fills, 0U);
  EXPECT_EQ(b.hardware.caches().tables(2).statistics().fills, 0U);
}

// A device with a device-TLB asks for a translation of a page that is in the IOTLB (VT-d 4.2).
TEST(translator, a_translation_request_is_answered_from_the_iotlb) {
  capabilities caps = test::small_part();
  caps.ecap.set_dt(true);
  bench b(caps);
  b.change_context([](spec::context_entry& entry) {
    entry.set_translation_type(spec::translation_type::with_device_tlb);
  });
  b.read();
  b.memory.reads.clear();
  const dma_access access{nic, access_kind::read, address_type::translation_request, iova};
  translation out;
  EXPECT_EQ(b.hardware.lookup(access, out), translator::outcome::translated);
  EXPECT_EQ(out.address, frame);
  EXPECT_TRUE(out.read && out.write);
  EXPECT_EQ(b.ask(access).address, frame);
  EXPECT_TRUE(b.memory.reads.empty());
}

} // namespace
} // namespace vtd::remap
