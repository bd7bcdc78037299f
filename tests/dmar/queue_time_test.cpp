// SPDX-License-Identifier: Apache-2.0
// The time of queued invalidation: docs/microarchitecture.md, section 6.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using remap::access_kind;
namespace reg = spec::reg;

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

TEST(queue_time, the_read_leaves_so_long_after_the_tail_was_seen) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + 1 + 3 - 1);
  EXPECT_TRUE(s.descriptor_reads.empty());
  s.run_to(t + 1 + 3);
  ASSERT_EQ(s.descriptor_reads.size(), 1U);
  EXPECT_EQ(s.descriptor_reads[0].address, s.queue.base());
}

TEST(queue_time, the_head_moves_when_the_descriptor_was_decoded) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + begun - 1);
  EXPECT_EQ(s.queue.head(), 0U);
  s.run_to(t + begun);
  EXPECT_EQ(s.queue.head(), 16U);
}

TEST(queue_time, a_removal_takes_as_long_as_that_of_the_registers) {
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

TEST(queue_time, the_write_buffer_takes_its_time_first) {
  auto config = timed();
  config.caps.cap.set_rwbf(true);
  config.queue_flushes_write_buffer = true;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + begun + 19 + 10 - 1);
  EXPECT_EQ(s.caches().iotlb().occupancy(), 1U);
  s.run_to(t + begun + 19 + 10);
  EXPECT_EQ(s.caches().iotlb().occupancy(), 0U);
}

TEST(queue_time, a_drain_takes_its_time_at_the_end_of_what_drains) {
  auto config = timed();
  config.timing.drain = 23;
  // Long enough that the wait stands ready behind it.
  config.timing.iotlb_invalidation_global = 61;
  for (const bool drains : {false, true}) {
    scene s(config);
    const engine::cycle t = s.wheel.now();
    s.queue.submit(all_pages().set_drain_writes(drains), status_wait(status_word, 1));
    const engine::cycle end = t + begun + 61 + (drains ? 23 : 0);
    s.run_to(end + 7 - 1);
    EXPECT_TRUE(s.status_writes.empty());
    s.run_to(end + 7);
    EXPECT_EQ(s.status_writes.size(), 1U);
  }
}

TEST(queue_time, the_status_leaves_so_long_after_the_wait_began) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(status_wait(status_word, 1));
  s.run_to(t + begun + 7 - 1);
  EXPECT_TRUE(s.status_writes.empty());
  s.run_to(t + begun + 7);
  EXPECT_EQ(s.status_writes.size(), 1U);
}

TEST(queue_time, a_wait_is_over_when_memory_has_answered_and_its_message_follows) {
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

TEST(queue_time, a_wait_without_a_status_is_over_when_it_begins) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(interrupt_wait());
  s.run_to(t + begun - 1);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.run_to(t + begun);
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
}

TEST(queue_time, what_was_fetched_ahead_begins_when_its_predecessor_ends) {
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

TEST(queue_time, without_prefetch_the_next_is_fetched_when_its_predecessor_has_ended) {
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

TEST(queue_time, a_drain_ends_one_cycle_after_the_last_request_left) {
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

TEST(queue_time, the_queue_is_on_so_long_after_the_command) {
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

TEST(queue_time, the_queue_is_off_so_long_after_the_command) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.disable();
  s.run_to(t + 1 + 9 - 1);
  EXPECT_TRUE(s.queue.on());
  s.run_to(t + 1 + 9);
  EXPECT_FALSE(s.queue.on());
}

TEST(queue_time, an_error_shows_when_the_descriptor_was_decoded) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.submit(spec::invalidation_descriptor{});
  s.run_to(t + begun - 1);
  EXPECT_FALSE(s.queue.failed());
  s.run_to(t + begun);
  EXPECT_TRUE(s.queue.failed());
}

TEST(queue_time, costs_of_nothing_are_allowed) {
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

TEST(queue_time, equal_programs_take_equal_cycles) {
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

TEST(queue_time, a_tail_that_is_written_ahead_is_seen_at_its_time) {
  scene s(timed());
  const engine::cycle t = s.wheel.now();
  s.queue.push(all_pages());
  s.unit.write_register(reg::iqt::offset, 8, s.queue.tail(), s.now_ps(), 50 * scene::period);
  s.settle();
  ASSERT_EQ(s.descriptor_reads.size(), 1U);
  EXPECT_EQ(s.descriptor_reads[0].at, t + 50 + 1 + 3);
}

TEST(queue_time, a_status_that_costs_nothing_leaves_in_the_cycle_of_its_wait) {
  auto config = timed();
  config.timing.status_write = 0;
  scene s(config);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(status_wait(status_word, 1));
  s.settle();
  ASSERT_EQ(s.status_writes.size(), 1U);
  EXPECT_EQ(s.status_writes[0].at, t + begun);
}

TEST(queue_time, a_pending_event_goes_out_so_long_after_it_was_unmasked) {
  scene s(timed());
  s.queue.run(interrupt_wait());
  ASSERT_TRUE(s.messages.empty());
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::iectl>(0);
  s.run_to(t + 1 + 6 - 1);
  EXPECT_TRUE(s.messages.empty());
  s.run_to(t + 1 + 6);
  EXPECT_EQ(s.messages.size(), 1U);
}

} // namespace
} // namespace vtd::test
