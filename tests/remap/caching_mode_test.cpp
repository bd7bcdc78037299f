// SPDX-License-Identifier: Apache-2.0
// Caching mode (CAP.CM, VT-d 6.1): entries that are not present or faulty are cached, contexts that are not
// present under domain 0, until software invalidates. Without it they never are.

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "vtd/remap/translator.h"

#include <gtest/gtest.h>

namespace vtd::remap {
namespace {

using spec::fault_condition;
using test::disk;
using test::nic;

constexpr std::uint64_t iova = 0x12345000;
constexpr std::uint64_t frame = 0x7abcd000;
constexpr std::uint16_t domain = 3;

capabilities part(bool caching_mode) {
  capabilities caps = test::wide_part();
  caps.cap.set_cm(caching_mode);
  return caps;
}

struct bench {
  explicit bench(const capabilities& caps) : tables(memory), hardware("unit", caps, test::small_caches()) {
    tables.attach(nic, domain);
  }
  translation ask(access_kind kind, std::uint64_t address = iova, spec::source_id who = nic) {
    const dma_access access{who, kind, address_type::untranslated, address};
    translation_cost cost;
    const translation got = hardware.translate(access, {tables.root(), memory, timebase, 0}, cost);
    cached = cost.table_reads == 0;
    translation looked;
    if (cached) {
      // The look-up of the cycle path says the same.
      const auto outcome = hardware.lookup(access, looked);
      EXPECT_EQ(outcome, got.allowed() ? translator::outcome::translated : translator::outcome::blocked);
      EXPECT_EQ(looked.condition, got.condition);
      EXPECT_EQ(looked.suppressed, got.suppressed);
      EXPECT_EQ(hardware.probe(access, tables.root(), memory).condition, got.condition);
    }
    return got;
  }
  fault_condition read(std::uint64_t address = iova, spec::source_id who = nic) {
    return ask(access_kind::read, address, who).condition;
  }
  void invalidate_page(std::uint64_t address, std::uint16_t of = domain) {
    const std::uint64_t page = spec::page_number(address);
    hardware.caches().invalidate_pages(of, {page, page}, true, false);
  }

  test::fake_memory memory;
  test::table_builder tables;
  translator hardware;
  engine::clock timebase{1000};
  bool cached = false;
};

TEST(caching_mode, a_page_that_was_not_present_faults_until_it_is_invalidated) {
  for (const bool on : {false, true}) {
    bench b(part(on));
    EXPECT_EQ(b.read(), fault_condition::lgn_3_np);
    EXPECT_FALSE(b.cached);
    EXPECT_EQ(b.ask(access_kind::write).condition, fault_condition::lgn_2_np);
    EXPECT_EQ(b.cached, on);
    EXPECT_EQ(b.ask(access_kind::zero_length_read).condition, fault_condition::lgn_3_np);
    b.tables.map(nic, iova, frame);
    EXPECT_EQ(b.read(), on ? fault_condition::lgn_3_np : fault_condition::none);
    b.invalidate_page(iova, domain + 1);
    b.invalidate_page(iova + (std::uint64_t{1} << 30));
    EXPECT_EQ(b.read(), on ? fault_condition::lgn_3_np : fault_condition::none) << "it is neither of these";
    b.invalidate_page(iova);
    EXPECT_EQ(b.read(), fault_condition::none);
  }
}

TEST(caching_mode, an_entry_that_is_not_present_stands_for_all_that_it_would_have_led_to) {
  bench b(part(true));
  // Nothing at all is mapped: the top entry, 1 GB.
  EXPECT_EQ(b.read(), fault_condition::lgn_3_np);
  b.tables.map(nic, iova, frame);
  const std::uint64_t far = iova ^ (std::uint64_t{1} << 29);
  EXPECT_EQ(b.read(far), fault_condition::lgn_3_np);
  EXPECT_TRUE(b.cached);
  b.invalidate_page(far);
  EXPECT_EQ(b.read(), fault_condition::none) << "the one entry is gone";
  // Now a table is there: one page of it, 4 KB.
  EXPECT_EQ(b.read(iova + spec::page_size), fault_condition::lgn_3_np);
  EXPECT_EQ(b.read(iova + 2 * spec::page_size), fault_condition::lgn_3_np);
  EXPECT_FALSE(b.cached);
}

TEST(caching_mode, a_reserved_bit_is_remembered_with_its_condition) {
  for (const bool on : {false, true}) {
    bench b(part(on));
    b.tables.map(nic, iova, frame);
    const std::uint64_t leaf = b.tables.entry_of(nic, iova, 1, false);
    const std::uint64_t good = b.memory.load(leaf);
    b.memory.store(leaf, good | std::uint64_t{1} << 50);
    EXPECT_EQ(b.read(), fault_condition::lsl_2);
    b.memory.store(leaf, good);
    EXPECT_EQ(b.read(), on ? fault_condition::lsl_2 : fault_condition::none);
    b.invalidate_page(iova);
    EXPECT_EQ(b.read(), fault_condition::none);
  }
}

TEST(caching_mode, a_table_that_cannot_be_read_is_never_remembered) {
  bench b(part(true));
  b.tables.map(nic, iova, frame);
  for (const std::uint64_t address : {b.tables.entry_of(nic, iova, 1, false), b.tables.context_entry_of(nic),
                                      b.tables.root_entry_of(nic)}) {
    b.hardware.caches().invalidate_all_contexts();
    b.hardware.caches().invalidate_all_pages();
    b.memory.fail(address);
    EXPECT_NE(b.read(), fault_condition::none);
    b.memory.heal();
    EXPECT_EQ(b.read(), fault_condition::none);
  }
}

TEST(caching_mode, a_context_that_is_not_present_is_kept_under_domain_0) {
  for (const bool on : {false, true}) {
    for (const bool other_bus : {false, true}) {
      bench b(part(on));
      // The disk is on bus 0, which has no context table yet; the other device is on the nic's bus.
      const spec::source_id who = other_bus ? disk : spec::source_id::from_bdf(1, 7, 0);
      const fault_condition condition = other_bus ? fault_condition::lrt_2 : fault_condition::lct_2;
      EXPECT_EQ(b.read(iova, who), condition);
      EXPECT_EQ(b.read(iova, who), condition);
      EXPECT_EQ(b.cached, on);
      b.tables.attach(who, domain + 1);
      b.tables.map(who, iova, frame);
      EXPECT_EQ(b.read(iova, who), on ? condition : fault_condition::none);
      b.hardware.caches().invalidate_contexts_of_source(who, 0, std::uint16_t{domain + 1});
      EXPECT_EQ(b.read(iova, who), on ? condition : fault_condition::none) << "not its domain";
      b.hardware.caches().invalidate_contexts_of_source(who, 0, std::uint16_t{0});
      EXPECT_EQ(b.read(iova, who), fault_condition::none);
    }
  }
}

TEST(caching_mode, a_faulty_context_is_kept_under_domain_0_too) {
  for (const fault_condition condition :
       {fault_condition::lct_3, fault_condition::lct_4_1, fault_condition::lct_4_2}) {
    bench b(part(true));
    b.tables.map(nic, iova, frame);
    const spec::context_entry good = b.tables.context(nic);
    spec::context_entry bad = good;
    if (condition == fault_condition::lct_3) bad.hi |= std::uint64_t{1} << 60;
    if (condition == fault_condition::lct_4_1) bad.set_address_width(0);
    if (condition == fault_condition::lct_4_2) bad.set_translation_type(spec::translation_type::reserved);
    b.tables.set_context(nic, bad);
    EXPECT_EQ(b.read(), condition);
    b.tables.set_context(nic, good);
    EXPECT_EQ(b.read(), condition);
    EXPECT_TRUE(b.cached);
    b.hardware.caches().invalidate_contexts_of_domain(domain);
    EXPECT_EQ(b.read(), condition);
    b.hardware.caches().invalidate_contexts_of_domain(0);
    EXPECT_EQ(b.read(), fault_condition::none);
  }
}

TEST(caching_mode, fpd_counts_in_what_is_cached) {
  bench b(part(true));
  spec::context_entry absent;
  absent.set_fault_processing_disable(true);
  const auto who = spec::source_id::from_bdf(1, 7, 0);
  b.tables.set_context(who, absent);
  for (int again = 0; again < 2; ++again) {
    const translation got = b.ask(access_kind::read, iova, who);
    EXPECT_EQ(got.condition, fault_condition::lct_2);
    EXPECT_EQ(got.suppressed, spec::condition_info(fault_condition::lct_2).qualified);
  }
  EXPECT_TRUE(b.cached);
  spec::context_entry quiet = b.tables.context(nic);
  quiet.set_fault_processing_disable(true);
  b.tables.set_context(nic, quiet);
  for (int again = 0; again < 2; ++again)
    EXPECT_TRUE(b.ask(access_kind::read).suppressed);
  EXPECT_TRUE(b.cached);
}

TEST(caching_mode, a_device_that_asks_is_told_no_rights_and_nothing_is_kept) {
  capabilities caps = part(true);
  caps.ecap.set_dt(true);
  bench b(caps);
  spec::context_entry entry = b.tables.context(nic);
  entry.set_translation_type(spec::translation_type::with_device_tlb);
  b.tables.set_context(nic, entry);
  const dma_access question{nic, access_kind::read, address_type::translation_request, iova};
  for (int again = 0; again < 3; ++again) {
    translation_cost cost;
    const translation got = b.hardware.translate(question, {b.tables.root(), b.memory, b.timebase, 0}, cost);
    EXPECT_TRUE(got.allowed());
    EXPECT_FALSE(got.read || got.write);
    // The second time it is kept, by a request that was not a question.
    EXPECT_EQ(cost.table_reads == 0, again == 2);
    if (again == 1) {
      EXPECT_EQ(b.read(), fault_condition::lgn_3_np);
    }
  }
}

TEST(caching_mode, a_part_need_not_cache_what_it_may) {
  capabilities caps = part(true);
  caps.caches_absent = false;
  bench b(caps);
  EXPECT_EQ(b.read(), fault_condition::lgn_3_np);
  b.tables.map(nic, iova, frame);
  EXPECT_EQ(b.read(), fault_condition::none);
}

// It is kept under domain-id 0 and has no width: what that domain maps, at address 0 too, is not for it.
TEST(caching_mode, an_absent_context_reaches_nothing_of_domain_0) {
  bench b(part(true));
  b.tables.attach(disk, 0);
  for (const std::uint64_t address : {std::uint64_t{0}, iova}) {
    b.tables.map(disk, address, frame);
    EXPECT_EQ(b.read(address, disk), fault_condition::none);
  }
  constexpr auto nobody = spec::source_id::from_bdf(7, 0, 0);
  for (unsigned again = 0; again < 3; ++again) {
    for (const std::uint64_t address : {std::uint64_t{0}, iova})
      EXPECT_EQ(b.read(address, nobody), fault_condition::lrt_2) << again;
  }
}

} // namespace
} // namespace vtd::remap
