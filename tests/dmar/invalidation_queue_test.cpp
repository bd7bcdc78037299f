// SPDX-License-Identifier: Apache-2.0
// Queued invalidation: what descriptors do, when, and what the unit makes of those that are wrong
// (VT-d 6.5.2, 10.4.21 to 10.4.29). Each test of an invalidation first proves the stale hit.

#include "support/queue_driver.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t first_page = 0x40000000;
constexpr std::uint64_t first_frame = 0x7000000;
constexpr std::uint64_t status_word = 0x800000;

constexpr std::uint64_t page(std::uint64_t n) { return first_page + n * spec::page_size; }
constexpr std::uint64_t frame(std::uint64_t n) { return first_frame + n * spec::page_size; }

// A part with a queue and no write buffer, so that invalidations take exactly their own cycles.
remap::capabilities queue_part() {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  caps.ecap.set_qi(true);
  return caps;
}
// One of revision 3, whose queue may have descriptors of 256 bits and tells what was wrong.
remap::capabilities later_part() {
  remap::capabilities caps = queue_part();
  caps.version = 0x30;
  caps.ecap.set_smts(true);
  return caps;
}

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config, unsigned qs = 0, bool wide = false)
      : unit_world(config), queue(*this, qs, wide) {
    for (const spec::source_id device : {nic, disk}) {
      tables.attach(device, device == nic ? domain : domain + 1);
      for (std::uint64_t n = 0; n < 64; ++n)
        tables.map(device, page(n), frame(n));
    }
    unit_world::enable();
    queue.enable();
  }
  explicit scene(const remap::capabilities& caps) : scene(config_of(caps)) {}
  scene() : scene(queue_part()) {}

  /// The page is cached, and its entry changed: the old frame is seen until somebody invalidates.
  void make_stale(std::uint64_t n, spec::source_id device = nic) {
    ASSERT_EQ(read(device, page(n)).address, frame(n));
    tables.map(device, page(n), frame(n + 100));
    ASSERT_TRUE(is_stale(n, device)) << "the cache holds it";
  }
  [[nodiscard]] bool is_stale(std::uint64_t n, spec::source_id device = nic) {
    return read(device, page(n)).address == frame(n);
  }
  [[nodiscard]] std::uint32_t status() const { return static_cast<std::uint32_t>(memory.load(status_word)); }
  [[nodiscard]] const remap::translation_caches& caches() const { return unit.translator().caches(); }

  queue_driver queue;
};

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
  const std::uint64_t sequence = s.unit.enter(true);
  s.queue.run(all_pages().set_drain_writes(true), status_wait(status_word, 1));
  EXPECT_EQ(s.status(), 0U);
  s.unit.leave(sequence);
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

TEST(invalidation_queue, the_write_buffer_is_drained_first_where_that_is_needed) {
  auto caps = queue_part();
  caps.cap.set_rwbf(true);
  scene s(caps);
  s.drains.clear();
  s.queue.run(all_pages());
  EXPECT_EQ(s.drains.size(), 1U);
}

// --- The queue itself

TEST(invalidation_queue, is_off_after_reset_and_then_looks_at_nothing) {
  unit_world s(config_of(queue_part()));
  queue_driver queue(s);
  EXPECT_FALSE(queue.on());
  queue.set_address();
  queue.run(all_pages());
  EXPECT_TRUE(s.descriptor_reads.empty());
}

TEST(invalidation_queue, begins_with_what_stood_before_the_tail_when_it_is_enabled) {
  unit_world s(config_of(queue_part()));
  queue_driver queue(s);
  queue.set_address();
  queue.run(status_wait(status_word, 1), status_wait(status_word, 2));
  s.write_register<reg::gcmd>(reg::gcmd::qie::mask);
  s.settle();
  EXPECT_TRUE(queue.on());
  EXPECT_EQ(s.memory.load(status_word), 2U);
  EXPECT_EQ(queue.head(), queue.tail());
}

TEST(invalidation_queue, is_not_there_without_the_capability) {
  auto caps = queue_part();
  caps.ecap.set_qi(false);
  unit_world s(caps);
  queue_driver queue(s);
  queue.enable();
  EXPECT_FALSE(queue.on());
  queue.run(all_pages());
  EXPECT_EQ(s.read_register<reg::iqa>(), 0U);
  EXPECT_EQ(s.read_register<reg::iqt>(), 0U);
  EXPECT_TRUE(s.descriptor_reads.empty());
}

TEST(invalidation_queue, a_new_address_sets_head_and_tail_to_zero_where_the_part_does_so) {
  for (const bool clears : {true, false}) {
    auto config = config_of(queue_part());
    config.queue_address_clears_pointers = clears;
    unit_world s(config);
    s.write_register<reg::iqt>(0x40);
    s.write_register<reg::iqa>(reg::iqa::address::of(0x900));
    EXPECT_EQ(s.read_register<reg::iqt>(), clears ? 0U : 0x40U);
  }
}

TEST(invalidation_queue, the_address_cannot_be_changed_while_the_queue_is_on) {
  scene s;
  const auto address = s.read_register<reg::iqa>();
  s.queue.run(status_wait(status_word, 1));
  s.write_register<reg::iqa>(0x5000);
  EXPECT_EQ(s.read_register<reg::iqa>(), address);
  EXPECT_EQ(s.queue.head(), s.queue.tail()) << "the pointers stay";
  EXPECT_EQ(s.unit.statistics().ignored_orders, 1U);
}

TEST(invalidation_queue, wraps_at_the_end_of_every_size) {
  for (const unsigned qs : {0U, 1U, 7U}) {
    auto config = config_of(queue_part());
    scene s(config, qs);
    const std::size_t places = spec::queue_descriptors(qs);
    for (std::size_t n = 0; n < places - 1; ++n)
      s.queue.push(spec::wait_descriptor{});
    s.queue.ring();
    s.wheel.run(s.wheel.now() + 100 * places);
    ASSERT_EQ(s.queue.head(), spec::queue_bytes(qs) - 16);
    s.queue.run(status_wait(status_word, 5), status_wait(status_word, 6));
    EXPECT_EQ(s.status(), 6U);
    EXPECT_EQ(s.queue.head(), 16U) << "the last place, then the first";
    EXPECT_EQ(s.unit.statistics().descriptors, places + 1);
  }
}

TEST(invalidation_queue, holds_as_many_descriptors_as_it_has_places_but_one) {
  scene s;
  for (std::size_t n = 0; n < 255; ++n)
    s.queue.push(spec::wait_descriptor{});
  s.queue.ring();
  s.settle();
  EXPECT_EQ(s.unit.statistics().descriptors, 255U);
  // As many as there are places: equal pointers, an empty queue.
  s.queue.ring();
  s.settle();
  EXPECT_EQ(s.unit.statistics().descriptors, 255U);
}

TEST(invalidation_queue, the_head_goes_past_a_descriptor_when_it_was_found_valid) {
  auto config = config_of(queue_part());
  config.timing.queue_prefetch = 2;
  scene s(config);
  s.hold_answers = true;
  s.queue.run(status_wait(status_word, 1), all_pages(), all_pages());
  ASSERT_EQ(s.held_descriptors.size(), 1U);
  EXPECT_EQ(s.queue.head(), 0U) << "not while it is being read";
  s.unit.descriptor_answered(s.held_descriptors[0].first, true, s.held_descriptors[0].second, s.now_ps());
  s.settle();
  EXPECT_EQ(s.queue.head(), 16U);
}

TEST(invalidation_queue, so_many_descriptors_are_fetched_ahead) {
  for (const unsigned prefetch : {0U, 1U, 3U}) {
    auto config = config_of(queue_part());
    config.timing.queue_prefetch = prefetch;
    scene s(config);
    // The fence is never over: what stands behind it cannot begin.
    s.data_delay = engine::picoseconds{1} << 40;
    s.queue.run(status_wait(status_word, 1).set_fence(true), all_pages(), all_pages(), all_pages(),
                all_pages(), all_pages());
    EXPECT_EQ(s.descriptor_reads.size(), 1U + prefetch);
    EXPECT_EQ(s.unit.statistics().descriptors, 1U);
  }
}

TEST(invalidation_queue, switched_off_it_stands_still_with_its_head_at_zero) {
  scene s;
  s.queue.run(all_pages(), status_wait(status_word, 1));
  ASSERT_NE(s.queue.head(), 0U);
  s.queue.disable();
  s.settle();
  EXPECT_FALSE(s.queue.on());
  EXPECT_EQ(s.queue.head(), 0U);
  s.descriptor_reads.clear();
  s.queue.run(all_pages());
  EXPECT_TRUE(s.descriptor_reads.empty());
}

TEST(invalidation_queue, switched_off_it_finishes_what_is_in_execution_and_forgets_the_rest) {
  auto config = config_of(queue_part());
  config.timing.queue_prefetch = 3;
  scene s(config);
  s.read(nic, page(0));
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, page(0));
  s.settle();
  s.hold_answers = false;
  s.queue.run(all_pages().set_drain_reads(true), status_wait(status_word, 1));
  s.queue.disable();
  s.settle();
  EXPECT_TRUE(s.queue.on()) << "QIES waits for the drain";
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_FALSE(s.queue.on());
  EXPECT_EQ(s.queue.head(), 0U);
  EXPECT_EQ(s.status(), 0U) << "the wait was not begun";
}

TEST(invalidation_queue, an_answer_from_before_the_queue_was_switched_off_is_dropped) {
  scene s;
  s.hold_answers = true;
  s.queue.run(status_wait(status_word, 1));
  ASSERT_EQ(s.held_descriptors.size(), 1U);
  s.queue.disable();
  s.settle();
  s.queue.enable();
  s.queue.run(status_wait(status_word, 2));
  ASSERT_EQ(s.held_descriptors.size(), 2U);
  s.unit.descriptor_answered(s.held_descriptors[0].first, true, s.held_descriptors[0].second, s.now_ps());
  s.settle();
  EXPECT_EQ(s.queue.head(), 0U);
  EXPECT_TRUE(s.status_writes.empty());
  s.unit.descriptor_answered(s.held_descriptors[1].first, true, s.held_descriptors[1].second, s.now_ps());
  s.settle();
  ASSERT_EQ(s.status_writes.size(), 1U);
  EXPECT_EQ(s.status_writes[0].id, 2U);
}

TEST(invalidation_queue, a_reset_forgets_it) {
  scene s;
  s.write_register<reg::iectl>(0);
  s.hold_answers = true;
  s.queue.run(status_wait(status_word, 1));
  s.unit.reset(false);
  EXPECT_FALSE(s.queue.on());
  EXPECT_EQ(s.read_register<reg::iqa>(), 0U);
  EXPECT_EQ(s.read_register<reg::iqt>(), 0U);
  EXPECT_EQ(s.queue.head(), 0U);
  for (const auto& [tag, words] : s.held_descriptors)
    s.unit.descriptor_answered(tag, true, words, s.now_ps());
  s.settle();
  EXPECT_TRUE(s.status_writes.empty());
}

TEST(invalidation_queue, a_warm_reset_keeps_its_errors_and_iwc) {
  for (const bool power_on : {false, true}) {
    scene s(later_part());
    s.queue.run(interrupt_wait(), spec::invalidation_descriptor{0xf, 0});
    ASSERT_TRUE(s.queue.failed());
    s.unit.reset(power_on);
    EXPECT_EQ(s.queue.failed(), !power_on);
    EXPECT_EQ(s.read_register<reg::ics>(), power_on ? 0U : 1U);
    EXPECT_EQ(s.queue.error(), power_on ? spec::queue_error::unknown : spec::queue_error::invalid_type);
  }
}

TEST(invalidation_queue, the_register_interface_does_nothing_while_it_is_on) {
  scene s;
  s.make_stale(0);
  s.write_register<reg::ccmd>(reg::ccmd::caig::of(1));
  s.invalidate_iotlb_global();
  s.invalidate_contexts_global();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U) << "it ends at once";
  EXPECT_EQ(reg::iotlb::iaig::get(s.read_register<reg::iotlb>()), 0U) << "and says that nothing was done";
  EXPECT_EQ(reg::ccmd::icc::get(s.read_register<reg::ccmd>()), 0U);
  EXPECT_EQ(reg::ccmd::caig::get(s.read_register<reg::ccmd>()), 0U);
  s.settle();
  EXPECT_TRUE(s.is_stale(0));
  EXPECT_EQ(s.unit.statistics().ignored_orders, 2U);
  s.queue.disable();
  s.settle();
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(reg::iotlb::iaig::get(s.read_register<reg::iotlb>()), 1U);
  EXPECT_FALSE(s.is_stale(0));
}

TEST(invalidation_queue, switching_it_on_and_off_leaves_translation_on) {
  scene s;
  EXPECT_TRUE(s.unit.translation_enabled());
  s.queue.disable();
  s.settle();
  EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 1U);
}

// --- 256-bit descriptors

TEST(invalidation_queue, descriptors_of_256_bits_may_be_of_legacy_types) {
  scene s(config_of(later_part()), 0, true);
  s.make_stale(0);
  s.queue.run(page_of(domain, page(0)), status_wait(status_word, 9));
  EXPECT_FALSE(s.is_stale(0));
  EXPECT_EQ(s.status(), 9U);
  EXPECT_EQ(s.queue.head(), 64U);
}

TEST(invalidation_queue, has_128_places_a_page_with_256_bits) {
  scene s(config_of(later_part()), 0, true);
  for (unsigned n = 0; n < 127; ++n)
    s.queue.push(spec::wait_descriptor{});
  s.queue.ring();
  s.settle();
  ASSERT_EQ(s.queue.head(), 127U * 32);
  s.queue.run(status_wait(status_word, 3));
  EXPECT_EQ(s.status(), 3U);
  EXPECT_EQ(s.queue.head(), 0U);
}

TEST(invalidation_queue, has_no_wide_descriptors_without_the_modes_that_need_them) {
  for (const bool smts : {false, true}) {
    for (const bool adms : {false, true}) {
      auto caps = queue_part();
      caps.ecap.set_smts(smts).set_adms(adms);
      unit_world s(caps);
      s.write_register<reg::iqa>(reg::iqa::dw::mask);
      EXPECT_EQ(s.read_register<reg::iqa>() != 0, smts || adms);
    }
  }
}

// --- What is wrong

struct wrong_case {
  std::string name;
  spec::invalidation_descriptor what;
  spec::queue_error why;
};

TEST(invalidation_queue, stops_at_a_wrong_descriptor_and_says_why) {
  using spec::invalidation_descriptor;
  using spec::queue_error;
  const auto with = [](invalidation_descriptor d, std::uint64_t lo, std::uint64_t hi = 0) {
    d.lo |= lo;
    d.hi |= hi;
    return d;
  };
  const auto bit = [](unsigned n) { return std::uint64_t{1} << n; };
  std::vector<wrong_case> cases{
      {"type 0", {0, 0}, queue_error::invalid_type},
      {"device-TLB without DT", spec::device_tlb_descriptor{}.set_source(nic), queue_error::invalid_type},
      {"interrupt entries without IR", spec::interrupt_entry_cache_descriptor{}, queue_error::invalid_type},
      {"PASID-based", {6, 0}, queue_error::invalid_type},
      {"type beyond 15", with(all_pages(), bit(9)), queue_error::invalid_type},
      {"context without granularity", spec::context_cache_descriptor{}, queue_error::reserved_field},
      {"pages without granularity", spec::iotlb_descriptor{}, queue_error::reserved_field},
      {"mask above MAMV", page_of(domain, 0, 10), queue_error::reserved_field},
      {"page drain", spec::wait_descriptor{}.set_page_request_drain(true), queue_error::reserved_field},
      {"status beyond memory", status_wait(bit(36), 1), queue_error::reserved_field},
  };
  for (const unsigned n : {6U, 8U, 12U, 15U, 50U, 63U})
    cases.push_back(
        {"context bit " + std::to_string(n), with(all_contexts(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {0U, 63U})
    cases.push_back({"context bit 64+" + std::to_string(n), with(all_contexts(), 0, bit(n)),
                     queue_error::reserved_field});
  for (const unsigned n : {8U, 12U, 15U, 32U, 63U})
    cases.push_back(
        {"IOTLB bit " + std::to_string(n), with(all_pages(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {7U, 11U})
    cases.push_back(
        {"IOTLB bit 64+" + std::to_string(n), with(all_pages(), 0, bit(n)), queue_error::reserved_field});
  for (const unsigned n : {8U, 12U, 31U})
    cases.push_back(
        {"wait bit " + std::to_string(n), with(interrupt_wait(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {0U, 1U})
    cases.push_back(
        {"wait bit 64+" + std::to_string(n), with(interrupt_wait(), 0, bit(n)), queue_error::reserved_field});
  for (const wrong_case& each : cases) {
    auto caps = queue_part();
    caps.version = 0x30;
    scene s(caps);
    s.make_stale(0);
    s.queue.run(status_wait(status_word, 1), each.what, all_pages(), status_wait(status_word, 2));
    EXPECT_TRUE(s.queue.failed()) << each.name;
    EXPECT_EQ(s.queue.error(), each.why) << each.name;
    EXPECT_EQ(s.queue.head(), 16U) << each.name << ": IQH stays at it";
    EXPECT_EQ(s.status(), 1U) << each.name << ": what stood before it was done";
    EXPECT_TRUE(s.is_stale(0)) << each.name << ": what stands behind it was not";
    EXPECT_EQ(s.unit.statistics().queue_errors, 1U) << each.name;
    // What software can do about it: another descriptor in its place.
    s.queue.put(16, all_pages());
    s.queue.clear_error();
    s.settle();
    EXPECT_FALSE(s.queue.failed()) << each.name;
    EXPECT_FALSE(s.is_stale(0)) << each.name;
    EXPECT_EQ(s.status(), 2U) << each.name;
  }
}

TEST(invalidation_queue, fields_that_capabilities_allow_are_no_error) {
  auto caps = queue_part();
  caps.ecap.set_ir(true).set_mhmv(3).set_pds(true);
  scene s(caps);
  s.queue.run(spec::interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(3),
              spec::wait_descriptor{}.set_page_request_drain(true), page_of(domain, 0, 9));
  EXPECT_FALSE(s.queue.failed());
  s.queue.run(spec::interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(4));
  EXPECT_TRUE(s.queue.failed()) << "IM above MHMV";
}

TEST(invalidation_queue, a_page_descriptor_is_wrong_without_page_selective_invalidation) {
  auto caps = queue_part();
  caps.cap.set_psi(false);
  scene s(caps);
  s.queue.run(page_of(domain, page(0)));
  EXPECT_TRUE(s.queue.failed());
}

TEST(invalidation_queue, the_upper_half_of_a_wide_descriptor_is_reserved) {
  for (const unsigned word : {2U, 3U}) {
    scene s(config_of(later_part()), 0, true);
    s.queue.push(all_pages());
    s.memory.store(s.queue.base() + 8 * word, std::uint64_t{1} << 63);
    s.queue.ring();
    s.settle();
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.error(), spec::queue_error::reserved_field);
    EXPECT_EQ(s.queue.head(), 0U);
  }
}

TEST(invalidation_queue, a_descriptor_that_cannot_be_read_stops_it) {
  auto caps = queue_part();
  caps.version = 0x30;
  scene s(caps);
  s.memory.fail(s.queue.base() + 16);
  s.queue.run(status_wait(status_word, 1), status_wait(status_word, 2));
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::fetch_failed);
  EXPECT_EQ(s.queue.head(), 16U);
  s.memory.heal();
  s.queue.clear_error();
  s.settle();
  EXPECT_EQ(s.status(), 2U);
}

TEST(invalidation_queue, a_tail_beyond_its_end_stops_it_and_a_good_one_goes_on) {
  auto caps = queue_part();
  caps.version = 0x30;
  scene s(caps);
  s.queue.push(status_wait(status_word, 1));
  s.write_register<reg::iqt>(spec::queue_bytes(0));
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::tail_out_of_range);
  EXPECT_TRUE(s.descriptor_reads.empty());
  s.queue.ring();
  s.settle();
  EXPECT_TRUE(s.descriptor_reads.empty()) << "a valid tail does nothing while IQE is set";
  s.queue.clear_error();
  s.settle();
  EXPECT_EQ(s.status(), 1U);
}

TEST(invalidation_queue, a_tail_in_the_middle_of_a_wide_descriptor_stops_it) {
  scene s(config_of(later_part()), 0, true);
  s.write_register<reg::iqt>(16);
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::tail_misaligned);
}

TEST(invalidation_queue, a_root_table_of_another_mode_stops_it) {
  scene s(later_part());
  s.write_register<reg::rtaddr>(s.tables.root() | reg::rtaddr::ttm::of(1));
  s.queue.run(status_wait(status_word, 1));
  EXPECT_EQ(s.status(), 1U) << "not latched yet";
  s.write_register<reg::gcmd>(reg::gcmd::qie::mask | reg::gcmd::te::mask | reg::gcmd::srtp::mask);
  s.settle();
  s.queue.run(status_wait(status_word, 2));
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::invalid_translation_mode);
}

TEST(invalidation_queue, an_error_that_is_still_there_is_an_error_again) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  s.queue.clear_error();
  EXPECT_FALSE(s.queue.failed());
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.unit.statistics().queue_errors, 2U);
}

TEST(invalidation_queue, the_status_of_a_wait_that_cannot_be_written_is_an_error_and_the_wait_is_not_over) {
  for (const bool fence : {false, true}) {
    scene s;
    s.write_register<reg::iectl>(0);
    s.memory.fail(status_word);
    s.queue.run(status_wait(status_word, 1).set_interrupt(true).set_fence(fence));
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.read_register<reg::ics>(), 0U);
    EXPECT_TRUE(s.messages.empty());
    s.memory.heal();
    s.queue.run(status_wait(status_word, 2));
    EXPECT_EQ(s.status(), 0U) << "stopped";
    s.queue.clear_error();
    s.settle();
    EXPECT_EQ(s.status(), 2U);
  }
}

TEST(invalidation_queue, the_cause_of_an_error_is_told_by_parts_of_revision_3_only) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.read_register<reg::iqercd>(), 0U);
  EXPECT_FALSE(s.unit.registers().has<reg::iqercd>());
  scene later(later_part());
  EXPECT_TRUE(later.unit.registers().has<reg::iqercd>());
}

TEST(invalidation_queue, an_error_raises_the_fault_event) {
  scene s;
  s.write_register<reg::fectl>(0);
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_EQ(s.messages.size(), 1U);
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 1U) << "one cause of the event is pending";
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 1U) << "IQE still is";
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
  s.queue.put(0, spec::wait_descriptor{});
  s.queue.clear_error();
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 2U);
}

TEST(invalidation_queue, an_error_while_a_fault_is_pending_raises_no_second_event) {
  scene s;
  s.write_register<reg::fectl>(0);
  s.read(nic, page(70));
  ASSERT_EQ(s.messages.size(), 1U);
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.messages.size(), 1U);
}

TEST(invalidation_queue, a_pending_fault_event_goes_with_the_error_that_raised_it) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 1U);
  s.queue.put(0, spec::wait_descriptor{});
  s.queue.clear_error();
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

// --- Time: not done at n - 1, done at n

// Each cost another number, so that none can stand for another.
dmar::unit_config timed() {
  auto config = config_of(queue_part());
  auto& t = config.timing;
  t.descriptor_fetch = 3;
  t.descriptor_decode = 5;
  t.status_write = 7;
  t.context_invalidation = 11;
  t.iotlb_invalidation_page = 13;
  t.iotlb_invalidation_domain = 17;
  t.iotlb_invalidation_global = 19;
  t.event_message = 6;
  t.command = 9;
  return config;
}
// Memory answers a descriptor's read 20 cycles later, which is seen one edge after that.
constexpr engine::cycle read_seen = 21;
// From the tail's write to the begin of the first descriptor.
constexpr engine::cycle begun = 1 + 3 + read_seen + 5;

TEST(invalidation_queue_time, the_read_leaves_so_long_after_the_tail_was_seen) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + 1 + 3 - 1);
  EXPECT_TRUE(s.descriptor_reads.empty());
  s.run_to(t + 1 + 3);
  ASSERT_EQ(s.descriptor_reads.size(), 1U);
  EXPECT_EQ(s.descriptor_reads[0].address, s.queue.base());
}

TEST(invalidation_queue_time, the_head_moves_when_the_descriptor_was_decoded) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + begun - 1);
  EXPECT_EQ(s.queue.head(), 0U);
  s.run_to(t + begun);
  EXPECT_EQ(s.queue.head(), 16U);
}

TEST(invalidation_queue_time, a_removal_takes_as_long_as_that_of_the_registers) {
  struct kind {
    spec::invalidation_descriptor what;
    engine::cycle cycles;
    bool contexts;
  };
  for (const kind& each : {kind{all_contexts(), 11, true}, kind{page_of(domain, page(0)), 13, false},
                           kind{pages_of(domain), 17, false}, kind{all_pages(), 19, false}}) {
    scene s(timed());
    s.read(nic, page(0));
    const auto left = [&] {
      return each.contexts ? s.caches().contexts().occupancy() : s.caches().iotlb().occupancy();
    };
    const engine::cycle t = s.wheel.now();
    s.queue.submit(each.what);
    s.run_to(t + begun + each.cycles - 1);
    EXPECT_EQ(left(), 1U);
    s.run_to(t + begun + each.cycles);
    EXPECT_EQ(left(), 0U);
  }
}

TEST(invalidation_queue_time, the_write_buffer_takes_its_time_first) {
  auto config = timed();
  config.caps.cap.set_rwbf(true);
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + begun + 19 + 10 - 1);
  EXPECT_EQ(s.caches().iotlb().occupancy(), 1U);
  s.run_to(t + begun + 19 + 10);
  EXPECT_EQ(s.caches().iotlb().occupancy(), 0U);
}

TEST(invalidation_queue_time, the_status_leaves_so_long_after_the_wait_began) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(status_wait(status_word, 1));
  s.run_to(t + begun + 7 - 1);
  EXPECT_TRUE(s.status_writes.empty());
  s.run_to(t + begun + 7);
  EXPECT_EQ(s.status_writes.size(), 1U);
}

TEST(invalidation_queue_time, a_wait_is_over_when_memory_has_answered_and_its_message_follows) {
  scene s(timed());
  s.write_register<reg::iectl>(0);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(status_wait(status_word, 1).set_interrupt(true));
  const engine::cycle over = t + begun + 7 + s.data_delay / scene::period + 1;
  s.run_to(over - 1);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.run_to(over);
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
  s.run_to(over + 6 - 1);
  EXPECT_TRUE(s.messages.empty());
  s.run_to(over + 6);
  EXPECT_EQ(s.messages.size(), 1U);
}

TEST(invalidation_queue_time, a_wait_without_a_status_is_over_when_it_begins) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(interrupt_wait());
  s.run_to(t + begun - 1);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.run_to(t + begun);
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
}

TEST(invalidation_queue_time, what_was_fetched_ahead_begins_when_its_predecessor_ends) {
  auto config = timed();
  config.timing.iotlb_invalidation_global = 100;
  scene s(config);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages(), status_wait(status_word, 1));
  s.settle();
  ASSERT_EQ(s.descriptor_reads.size(), 2U);
  EXPECT_EQ(s.descriptor_reads[1].at, t + begun + 3) << "fetched behind the first";
  EXPECT_EQ(s.status_writes[0].at, t + begun + 100 + 7);
}

TEST(invalidation_queue_time, without_prefetch_the_next_is_fetched_when_its_predecessor_has_ended) {
  auto config = timed();
  config.timing.queue_prefetch = 0;
  scene s(config);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages(), status_wait(status_word, 1));
  s.settle();
  ASSERT_EQ(s.descriptor_reads.size(), 2U);
  EXPECT_EQ(s.descriptor_reads[1].at, t + begun + 19 + 3);
  EXPECT_EQ(s.status_writes[0].at, t + 2 * begun - 1 + 19 + 7);
}

TEST(invalidation_queue_time, a_drain_ends_one_cycle_after_the_last_request_left) {
  scene s(timed());
  s.read(nic, page(0));
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, page(0));
  s.settle();
  s.hold_answers = false;
  s.queue.run(all_pages().set_drain_reads(true), status_wait(status_word, 1));
  const engine::cycle t = s.wheel.now();
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_EQ(unit_world::find(s.responses, 1).at, t + 1);
  EXPECT_EQ(s.status_writes[0].at, t + 2 + 7);
}

TEST(invalidation_queue_time, the_queue_is_on_so_long_after_the_command) {
  unit_world s(timed());
  queue_driver queue(s);
  queue.set_address();
  queue.submit(status_wait(status_word, 1));
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::gcmd>(reg::gcmd::qie::mask);
  s.run_to(t + 1 + 9 - 1);
  EXPECT_FALSE(queue.on());
  s.run_to(t + 1 + 9);
  EXPECT_TRUE(queue.on());
  s.settle();
  EXPECT_EQ(s.descriptor_reads[0].at, t + 1 + 9 + 3) << "what stands before the tail is found at once";
}

TEST(invalidation_queue_time, the_queue_is_off_so_long_after_the_command) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.disable();
  s.run_to(t + 1 + 9 - 1);
  EXPECT_TRUE(s.queue.on());
  s.run_to(t + 1 + 9);
  EXPECT_FALSE(s.queue.on());
}

TEST(invalidation_queue_time, an_error_shows_when_the_descriptor_was_decoded) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(spec::invalidation_descriptor{});
  s.run_to(t + begun - 1);
  EXPECT_FALSE(s.queue.failed());
  s.run_to(t + begun);
  EXPECT_TRUE(s.queue.failed());
}

TEST(invalidation_queue_time, costs_of_nothing_are_allowed) {
  auto config = timed();
  auto& t = config.timing;
  t.descriptor_fetch = t.descriptor_decode = t.status_write = t.iotlb_invalidation_global = 0;
  t.context_invalidation = t.event_message = t.command = 0;
  scene s(config);
  s.write_register<reg::iectl>(0);
  s.memory.set_delay(0);
  s.read(nic, page(0));
  const engine::cycle now = s.wheel.now();
  s.queue.submit(all_contexts(), all_pages(), status_wait(status_word, 1).set_interrupt(true).set_fence(true),
                 interrupt_wait(), spec::invalidation_descriptor{});
  s.run_to(now + 1);
  EXPECT_EQ(s.descriptor_reads.size(), 1U) << "the read leaves in the cycle that sees the tail";
  s.run_to(now + 2);
  EXPECT_EQ(s.caches().contexts().occupancy(), 0U);
  s.settle();
  EXPECT_EQ(s.status(), 1U);
  EXPECT_EQ(s.messages.size(), 1U);
  EXPECT_TRUE(s.queue.failed());
}

TEST(invalidation_queue_time, equal_programs_take_equal_cycles) {
  const auto run = [] {
    scene s(timed());
    for (std::uint64_t n = 0; n < 8; ++n) {
      s.offer(n, nic, access_kind::read, page(n));
      s.queue.submit(page_of(domain, page(n)), status_wait(status_word, static_cast<std::uint32_t>(n)));
      s.run_to(s.wheel.now() + 17);
    }
    s.settle();
    auto diary = s.descriptor_reads;
    diary.insert(diary.end(), s.status_writes.begin(), s.status_writes.end());
    diary.insert(diary.end(), s.forwards.begin(), s.forwards.end());
    return diary;
  };
  EXPECT_EQ(run(), run());
}

// --- A register write that lies ahead (loosely timed)

TEST(invalidation_queue_time, a_tail_that_is_written_ahead_is_seen_at_its_time) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.push(all_pages());
  s.unit.write_register(reg::iqt::offset, 8, s.queue.tail(), s.now_ps(), 50 * scene::period);
  s.settle();
  ASSERT_EQ(s.descriptor_reads.size(), 1U);
  EXPECT_EQ(s.descriptor_reads[0].at, t + 50 + 1 + 3);
}

} // namespace
} // namespace vtd::test
