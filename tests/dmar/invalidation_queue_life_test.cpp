// SPDX-License-Identifier: Apache-2.0
// The invalidation queue itself: on and off, its pointers, its sizes (VT-d 6.5.2, 10.4.21 to 10.4.23).

#include "support/queue_scene.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using remap::access_kind;
namespace reg = spec::reg;

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
  for (const bool wide : {false, true}) {
    for (unsigned qs = 0; qs <= 7; ++qs) {
      SCOPED_TRACE((wide ? "256 bits, QS " : "128 bits, QS ") + std::to_string(qs));
      scene s(config_of(later_part()), qs, wide);
      // 2^QS pages (VT-d 10.4.23).
      const std::size_t bytes = std::size_t{4096} << qs;
      const std::size_t size = wide ? 32 : 16;
      const std::size_t places = bytes / size;
      for (std::size_t n = 0; n < places - 1; ++n)
        s.queue.push(spec::wait_descriptor{});
      s.queue.ring();
      s.wheel.run(s.wheel.now() + 100 * places);
      ASSERT_EQ(s.queue.head(), bytes - size);
      s.queue.run(status_wait(status_word, 5), status_wait(status_word, 6));
      EXPECT_EQ(s.status(), 6U);
      EXPECT_EQ(s.queue.head(), size) << "the last place, then the first";
      EXPECT_EQ(s.unit.statistics().descriptors, places + 1);
    }
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

// The way to memory is taken for long: what the queue wants to send waits.
dmar::unit_config crowded() {
  auto config = config_of(queue_part());
  config.timing.memory_interval = 500;
  return config;
}

TEST(invalidation_queue, switched_off_or_reset_while_it_waits_for_the_way_to_memory_it_sends_nothing) {
  for (const bool reset : {false, true}) {
    scene s(crowded());
    s.read(nic, page(0));
    s.run_to(s.wheel.now() + 1000);
    s.offer(1, nic, access_kind::read, page(0));
    s.run_to(s.wheel.now() + 10);
    ASSERT_EQ(unit_world::find(s.forwards, 1).id, 1U) << "it took the way to memory";
    s.queue.submit(status_wait(status_word, 1));
    s.run_to(s.wheel.now() + 100);
    ASSERT_TRUE(s.descriptor_reads.empty());
    if (reset) {
      s.run_to(s.wheel.now() + 100); // the request has ended: a reset owes nobody an answer
      s.unit.reset(true);
    } else {
      s.queue.disable();
    }
    s.settle();
    EXPECT_TRUE(s.descriptor_reads.empty());
    EXPECT_TRUE(s.status_writes.empty());
  }
}

TEST(invalidation_queue, switched_off_it_still_writes_the_status_of_the_wait_in_execution) {
  scene s(crowded());
  s.queue.submit(status_wait(status_word, 1));
  s.run_to(s.wheel.now() + 100);
  ASSERT_EQ(s.queue.head(), 16U) << "the wait has begun, and its read holds the way to memory";
  ASSERT_TRUE(s.status_writes.empty());
  s.queue.disable();
  s.settle();
  EXPECT_EQ(s.status(), 1U);
  EXPECT_FALSE(s.queue.on());
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

TEST(invalidation_queue, the_answer_to_a_status_from_before_a_reset_is_dropped) {
  scene s;
  s.data_delay = 2000 * scene::period;
  s.queue.submit(status_wait(status_word, 1));
  s.run_to(s.wheel.now() + 100);
  ASSERT_EQ(s.status_writes.size(), 1U);
  s.unit.reset(true);
  s.data_delay = 10000 * scene::period;
  s.write_register<reg::iqa>(s.queue.base());
  s.write_register<reg::gcmd>(reg::gcmd::qie::mask);
  s.queue.put(0, status_wait(status_word, 2).set_interrupt(true));
  s.write_register<reg::iqt>(16);
  s.run_to(s.wheel.now() + 5000);
  ASSERT_EQ(s.status_writes.size(), 2U);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U) << "that answer was to the first";
  s.settle();
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
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

} // namespace
} // namespace vtd::test
