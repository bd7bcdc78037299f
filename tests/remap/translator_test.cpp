// SPDX-License-Identifier: Apache-2.0
// The translation decision: what it comes to, and what the caches keep (VT-d 3.7, 6.2).

#include "remap/translator_bench.h"

#include <vector>

namespace vtd::remap {
namespace {

using namespace translator_tests; // NOLINT(google-build-using-namespace)
using spec::fault_condition;
using spec::fault_reason;
using test::nic;
using test::read_only;

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

TEST(translator, a_look_up_counts_one_hit_of_each_cache_however_quick_it_is) {
  bench b(test::small_part());
  b.read();
  b.tables.map(nic, iova + spec::page_size, frame);
  b.read(iova + spec::page_size);
  for (const std::uint64_t address : {iova + spec::page_size, iova, iova, iova + spec::page_size}) {
    b.hardware.caches().clear_statistics();
    translation out;
    EXPECT_EQ(b.hardware.lookup({nic, access_kind::read, address_type::untranslated, address}, out),
              translator::outcome::translated);
    EXPECT_EQ(b.hardware.caches().contexts().statistics().hits, 1U);
    EXPECT_EQ(b.hardware.caches().iotlb().statistics().hits, 1U);
    EXPECT_EQ(b.hardware.caches().iotlb().statistics().misses, 0U);
  }
}

TEST(translator, fpd_counts_for_faults_that_the_caches_find) {
  for (const bool disabled : {false, true}) {
    bench b(test::small_part());
    b.change_context([&](spec::context_entry& entry) { entry.set_fault_processing_disable(disabled); });
    b.tables.map(nic, iova, frame, read_only);
    EXPECT_TRUE(b.read().allowed());
    const translation got = b.write();
    EXPECT_EQ(got.condition, fault_condition::lgn_2);
    EXPECT_TRUE(b.cost.iotlb_hit);
    EXPECT_EQ(got.suppressed, disabled);
    const translation beyond = b.read(std::uint64_t{1} << 45);
    EXPECT_TRUE(b.cost.context_hit);
    EXPECT_FALSE(beyond.allowed());
    EXPECT_EQ(beyond.suppressed, disabled && spec::condition_info(beyond.condition).qualified);
    EXPECT_FALSE(b.read().suppressed);
  }
}

TEST(translator, pass_through_grants_both_rights) {
  bench b(test::wide_part());
  b.change_context([](spec::context_entry& entry) {
    entry.set_translation_type(spec::translation_type::pass_through).set_address_width(2);
  });
  for (int again = 0; again < 2; ++again) {
    const translation got = b.read(0x1234);
    EXPECT_TRUE(got.allowed() && got.identity && got.read && got.write);
    EXPECT_EQ(got.address, 0x1234U);
  }
}

// Memory may wait, and somebody else may walk to the same page meanwhile: it is in the IOTLB once.
TEST(translator, two_walks_to_one_page_leave_one_entry) {
  struct slow_memory final : memory_port {
    bool read_table(std::uint64_t address, unsigned bytes, table_words& out,
                    engine::picoseconds& delay) override {
      const bool ok = b->memory.read_table(address, bytes, out, delay);
      if (address == b->tables.entry_of(nic, iova, 1, false)) b->read();
      return ok;
    }
    bench* b = nullptr;
  } slow;
  bench b(test::small_part());
  slow.b = &b;
  translation_cost cost;
  EXPECT_EQ(b.hardware
                .translate({nic, access_kind::read, address_type::untranslated, iova},
                           {b.tables.root(), slow, b.timebase, 0}, cost)
                .address,
            frame);
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 1U);
}

} // namespace
} // namespace vtd::remap
