// SPDX-License-Identifier: Apache-2.0
// Queued invalidation: what descriptors do, waits and drains (VT-d 6.5.2, 10.4.24 to 10.4.28).
// Each test of an invalidation first proves the stale hit.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using remap::access_kind;
namespace reg = spec::reg;

// --- What descriptors do

TEST(invalidation_queue, a_page_descriptor_removes_its_pages_only) {
  scene s;
  for (const std::uint64_t n : {3U, 4U, 5U, 6U})
    s.make_stale(n);
  s.make_stale(4, disk);
  s.queue.run(page_of(domain, page(4), 1));
  EXPECT_TRUE(s.is_stale(3));
  EXPECT_FALSE(s.is_stale(4));
  EXPECT_FALSE(s.is_stale(5));
  EXPECT_TRUE(s.is_stale(6));
  EXPECT_TRUE(s.is_stale(4, disk)) << "another domain";
  EXPECT_EQ(s.queue.head(), s.queue.tail());
  EXPECT_EQ(s.unit.statistics().interrupt_entry_invalidations, 0U);
}

TEST(invalidation_queue, a_domain_descriptor_removes_all_pages_of_its_domain) {
  scene s;
  s.make_stale(0);
  s.make_stale(40);
  s.make_stale(0, disk);
  s.queue.run(pages_of(domain));
  EXPECT_FALSE(s.is_stale(0));
  EXPECT_FALSE(s.is_stale(40));
  EXPECT_TRUE(s.is_stale(0, disk));
}

TEST(invalidation_queue, a_global_descriptor_removes_all_pages) {
  scene s;
  s.make_stale(0);
  s.make_stale(0, disk);
  s.queue.run(all_pages());
  EXPECT_FALSE(s.is_stale(0));
  EXPECT_FALSE(s.is_stale(0, disk));
}

TEST(invalidation_queue, the_hint_keeps_the_paging_structure_caches) {
  for (const bool hint : {false, true}) {
    scene s;
    s.make_stale(0);
    const std::size_t tables = s.caches().tables(2).occupancy();
    ASSERT_NE(tables, 0U);
    s.queue.run(page_of(domain, page(0), 0, hint));
    EXPECT_EQ(s.caches().tables(2).occupancy(), hint ? tables : 0U);
    EXPECT_FALSE(s.is_stale(0));
  }
}

TEST(invalidation_queue, context_descriptors_remove_what_they_name) {
  const auto left = [](const spec::context_cache_descriptor& what) {
    scene s;
    s.read(nic, page(0));
    s.read(disk, page(0));
    EXPECT_EQ(s.caches().contexts().occupancy(), 2U);
    s.queue.run(what);
    return std::pair(s.caches().contexts().peek(remap::context_tag{nic}) != nullptr,
                     s.caches().contexts().peek(remap::context_tag{disk}) != nullptr);
  };
  EXPECT_EQ(left(all_contexts()), std::pair(false, false));
  EXPECT_EQ(left(contexts_of(domain)), std::pair(false, true));
  EXPECT_EQ(left(context_of(disk, domain + 1)), std::pair(true, false));
  // FM = 3 does not compare the function's bits.
  auto any_function = context_of(spec::source_id(static_cast<std::uint16_t>(disk.value() ^ 5)), domain + 1);
  EXPECT_EQ(left(any_function), std::pair(true, true));
  EXPECT_EQ(left(any_function.set_function_mask(3)), std::pair(true, false));
}

TEST(invalidation_queue, a_changed_context_entry_is_seen_after_its_invalidation) {
  scene s;
  ASSERT_EQ(s.read(nic, page(0)).address, frame(0));
  s.tables.set_context(nic, spec::context_entry{});
  ASSERT_EQ(s.read(nic, page(0)).address, frame(0)) << "the context cache holds it";
  s.queue.run(context_of(nic, domain), pages_of(domain), status_wait(status_word, 1));
  EXPECT_EQ(s.read(nic, page(0)).how, dmar::completion::blocked);
  EXPECT_EQ(s.status(), 1U);
}

TEST(invalidation_queue, counts_what_it_did) {
  scene s;
  s.queue.run(all_contexts(), all_pages(), status_wait(status_word, 1));
  const auto counts = s.unit.statistics();
  EXPECT_EQ(counts.descriptors, 3U);
  EXPECT_EQ(counts.waits, 1U);
  EXPECT_EQ(counts.invalidations, 2U);
  EXPECT_EQ(counts.queue_errors, 0U);
  s.unit.clear_statistics();
  EXPECT_EQ(s.unit.statistics().descriptors, 0U);
}

TEST(invalidation_queue, a_descriptor_for_the_interrupt_entry_cache_is_counted_where_there_is_one) {
  auto caps = queue_part();
  caps.ecap.set_ir(true).set_mhmv(2);
  scene s(caps);
  s.queue.run(spec::interrupt_entry_cache_descriptor{},
              spec::interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(2),
              status_wait(status_word, 1));
  EXPECT_EQ(s.unit.statistics().interrupt_entry_invalidations, 2U);
  EXPECT_EQ(s.unit.statistics().invalidations, 0U);
  EXPECT_EQ(s.status(), 1U);
}

// --- Waits

TEST(invalidation_queue, a_wait_writes_its_dword_and_no_other) {
  scene s;
  s.memory.store(status_word, 0x1111111122222222);
  s.queue.run(status_wait(status_word + 4, 0xabcd1234));
  EXPECT_EQ(s.memory.load(status_word), 0xabcd123422222222U);
}

TEST(invalidation_queue, a_wait_with_an_interrupt_sets_iwc_and_sends_the_message) {
  scene s;
  s.write_register<reg::iedata>(0x42);
  s.write_register<reg::ieaddr>(0xfee01000);
  s.write_register<reg::iectl>(0);
  s.queue.run(interrupt_wait());
  EXPECT_EQ(reg::ics::iwc::get(s.read_register<reg::ics>()), 1U);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(s.messages[0].second, (spec::msi_message{0xfee01000, 0x42}));
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 0U);
  EXPECT_TRUE(s.status_writes.empty());
}

TEST(invalidation_queue, a_wait_without_an_interrupt_leaves_iwc_alone) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.queue.run(status_wait(status_word, 1), spec::wait_descriptor{});
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  EXPECT_TRUE(s.messages.empty());
  EXPECT_EQ(s.unit.statistics().waits, 2U) << "one that wants neither is valid";
  EXPECT_FALSE(s.queue.failed());
}

TEST(invalidation_queue, no_further_event_comes_while_iwc_is_set) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.queue.run(interrupt_wait());
  s.queue.run(interrupt_wait());
  EXPECT_EQ(s.messages.size(), 1U);
  s.write_register<reg::ics>(reg::ics::iwc::mask);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.queue.run(interrupt_wait());
  EXPECT_EQ(s.messages.size(), 2U);
}

TEST(invalidation_queue, a_masked_event_waits_as_pending_and_goes_when_it_is_unmasked) {
  scene s;
  ASSERT_EQ(reg::iectl::im::get(s.read_register<reg::iectl>()), 1U);
  s.queue.run(interrupt_wait());
  EXPECT_TRUE(s.messages.empty());
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 1U);
  s.write_register<reg::iectl>(0);
  s.settle();
  EXPECT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 0U);
}

TEST(invalidation_queue, a_pending_event_goes_with_its_cause) {
  scene s;
  s.queue.run(interrupt_wait());
  ASSERT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 1U);
  s.write_register<reg::ics>(0);
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 1U) << "IWC is still set";
  s.write_register<reg::ics>(reg::ics::iwc::mask);
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 0U);
  s.write_register<reg::iectl>(0);
  s.settle();
  EXPECT_TRUE(s.messages.empty());
}

TEST(invalidation_queue, masking_holds_a_message_back_that_has_not_gone_yet) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.queue.submit(interrupt_wait());
  while (s.read_register<reg::ics>() == 0)
    s.run_to(s.wheel.now() + 1);
  s.write_register<reg::iectl>(reg::iectl::im::mask);
  s.settle();
  EXPECT_TRUE(s.messages.empty());
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 1U);
}

TEST(invalidation_queue, a_message_masked_after_its_cause_was_cleared_is_given_up) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.queue.submit(interrupt_wait());
  while (s.read_register<reg::ics>() == 0)
    s.run_to(s.wheel.now() + 1);
  s.write_register<reg::ics>(reg::ics::iwc::mask);
  s.write_register<reg::iectl>(reg::iectl::im::mask);
  s.settle();
  EXPECT_EQ(reg::iectl::ip::get(s.read_register<reg::iectl>()), 0U) << "nothing is pending";
  s.write_register<reg::iectl>(0);
  s.settle();
  EXPECT_TRUE(s.messages.empty());
}

TEST(invalidation_queue, the_fault_event_and_the_invalidation_event_have_registers_of_their_own) {
  scene s;
  s.write_register<reg::fectl>(0);
  s.queue.run(interrupt_wait());
  EXPECT_TRUE(s.messages.empty()) << "IECTL masks it, not FECTL";
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 1U);
}

TEST(invalidation_queue, the_interrupt_of_a_wait_comes_after_its_status) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.queue.run(status_wait(status_word, 7).set_interrupt(true));
  ASSERT_EQ(s.status_writes.size(), 1U);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_GE(s.messages[0].first, s.status_writes[0].at + s.data_delay / scene::period);
}

TEST(invalidation_queue, behind_a_fence_nothing_begins_before_the_wait_is_over) {
  for (const bool fence : {false, true}) {
    scene s;
    s.read(nic, page(0));
    s.data_delay = 500 * scene::period;
    const engine::cycle t = s.wheel.now();
    s.queue.submit(status_wait(status_word, 1).set_fence(fence), all_pages());
    s.run_to(t + 500);
    EXPECT_EQ(s.caches().iotlb().occupancy(), fence ? 1U : 0U);
    s.settle();
    EXPECT_EQ(s.caches().iotlb().occupancy(), 0U);
  }
}

TEST(invalidation_queue, waits_are_over_in_their_order) {
  scene s;
  s.queue.run(status_wait(status_word, 1), status_wait(status_word, 2), status_wait(status_word, 3));
  ASSERT_EQ(s.status_writes.size(), 3U);
  for (unsigned n = 0; n < 3; ++n)
    EXPECT_EQ(s.status_writes[n].id, n + 1);
  EXPECT_GT(s.status_writes[1].at, s.status_writes[0].at + s.data_delay / scene::period);
}

// --- Drains and walks in flight

TEST(invalidation_queue, a_drain_waits_for_requests_from_before_the_removal) {
  for (const bool drain : {false, true}) {
    scene s;
    s.read(nic, page(0));
    s.hold_answers = true;
    s.offer(1, nic, access_kind::read, page(0));
    s.settle();
    ASSERT_EQ(s.held.size(), 1U);
    s.hold_answers = false;
    s.queue.run(all_pages().set_drain_reads(drain).set_drain_writes(drain), status_wait(status_word, 1));
    EXPECT_EQ(s.caches().iotlb().occupancy(), 0U) << "removed in any case";
    EXPECT_EQ(s.status(), drain ? 0U : 1U);
    s.unit.answered(s.held[0], true, s.now_ps());
    s.settle();
    EXPECT_EQ(s.status(), 1U);
  }
}

TEST(invalidation_queue, a_drain_of_reads_does_not_wait_for_writes_and_the_other_way_round) {
  for (const access_kind kind : {access_kind::read, access_kind::write}) {
    for (const bool reads : {false, true}) {
      scene s;
      s.read(nic, page(0));
      s.hold_answers = true;
      s.offer(1, nic, kind, page(0));
      s.settle();
      s.hold_answers = false;
      s.queue.run(all_pages().set_drain_reads(reads).set_drain_writes(!reads), status_wait(status_word, 1));
      EXPECT_EQ(s.status(), (kind == access_kind::read) == reads ? 0U : 1U);
    }
  }
}

TEST(invalidation_queue, a_drain_waits_for_a_request_that_passed_at_once_and_is_suspended) {
  scene s;
  const auto sequence = s.unit.enter(true);
  s.queue.run(all_pages().set_drain_writes(true), status_wait(status_word, 1));
  EXPECT_EQ(s.status(), 0U);
  s.unit.leave(sequence, s.now_ps());
  s.settle();
  EXPECT_EQ(s.status(), 1U);
}

TEST(invalidation_queue, an_invalidation_poisons_the_walk_in_flight) {
  scene s;
  s.read(nic, page(0));
  s.memory.set_delay(300 * scene::period);
  s.offer(1, nic, access_kind::read, page(1));
  s.run_to(s.wheel.now() + 10);
  // The leaf is being read; its data is from before the change.
  s.tables.map(nic, page(1), frame(101));
  s.memory.set_delay(0);
  s.queue.submit(page_of(domain, page(1)));
  s.settle();
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_EQ(unit_world::find(s.forwards, 1).address, frame(101));
}

TEST(invalidation_queue, direct_pointers_of_the_range_are_withdrawn) {
  scene s;
  s.withdrawn.clear();
  s.queue.run(page_of(domain, page(4), 2));
  ASSERT_EQ(s.withdrawn.size(), 1U);
  EXPECT_EQ(s.withdrawn[0], std::pair(page(4), page(8) - 1));
}

TEST(invalidation_queue, drains_the_write_buffer_only_of_a_part_that_is_said_to) {
  for (const bool flushes : {false, true}) {
    auto config = config_of(queue_part());
    config.caps.cap.set_rwbf(true);
    config.queue_flushes_write_buffer = flushes;
    scene s(config);
    s.drains.clear();
    s.queue.run(all_pages());
    EXPECT_EQ(s.drains.size(), flushes ? 1U : 0U);
    s.queue.run(all_contexts());
    EXPECT_EQ(s.drains.size(), flushes ? 2U : 0U);
  }
}

TEST(invalidation_queue, ignores_bits_of_the_address_above_mgaw) {
  scene s;
  s.make_stale(0);
  s.queue.run(page_of(domain, std::uint64_t{1} << 40 | page(0)));
  EXPECT_FALSE(s.queue.failed());
  EXPECT_FALSE(s.is_stale(0));
}

} // namespace
} // namespace vtd::test
