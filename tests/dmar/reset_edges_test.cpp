// SPDX-License-Identifier: Apache-2.0
// A reset in the midst of what waits for a turn: nothing of it happens afterwards.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using dmar::completion;
using remap::access_kind;
namespace reg = spec::reg;

struct reset_scene : scene {
  explicit reset_scene(const remap::capabilities& caps = queue_part()) : scene(caps) {}
  bool forward(const dmar::forwarded& piece) override { return unit_world::forward(piece) && !port_is_slow; }
  void want(std::uint64_t id, std::uint64_t n) {
    ASSERT_TRUE(offer(id, nic, access_kind::read, page(n)));
    run_to(wheel.now() + 6);
  }
  bool port_is_slow = false;
};

TEST(reset_edges, requests_that_wait_for_the_way_to_memory_never_take_it) {
  reset_scene s;
  s.read(nic, page(0));
  s.port_is_slow = true;
  for (std::uint64_t id = 1; id <= 3; ++id)
    s.want(id, 0);
  s.settle();
  const std::size_t before = s.forwards.size();
  s.unit.reset(false);
  s.port_is_slow = false;
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  EXPECT_EQ(s.forwards.size(), before) << "the first alone had left";
  for (std::uint64_t id = 1; id <= 3; ++id)
    EXPECT_EQ(unit_world::find(s.responses, id).how, id == 1 ? completion::done : completion::failed) << id;
}

TEST(reset_edges, requests_that_are_about_to_look_up_again_never_do) {
  for (engine::cycle after = 0; after < 8; ++after) {
    reset_scene s;
    s.read(nic, page(0));
    s.hold_tables = true;
    for (std::uint64_t id = 1; id <= 4; ++id)
      s.want(id, 1);
    s.settle();
    ASSERT_EQ(s.unit.statistics().merged, 3U);
    ASSERT_EQ(s.held_tables.size(), 1U);
    s.responses.clear();
    s.unit.table_answered(s.held_tables[0].first, true, s.held_tables[0].second, s.now_ps());
    s.run_to(s.wheel.now() + after);
    const std::size_t gone = s.forwards.size();
    const std::size_t read = s.table_reads.size();
    s.unit.reset(true);
    s.settle();
    EXPECT_EQ(s.table_reads.size(), read) << after;
    EXPECT_EQ(s.forwards.size(), gone) << after;
    EXPECT_EQ(s.responses.size(), 4U) << after;
    EXPECT_FALSE(s.unit.has_work_in_flight());
    // And the slots are as good as new.
    s.hold_tables = false;
    s.unit_world::enable();
    s.responses.clear();
    for (std::uint64_t id = 5; id <= 8; ++id)
      s.want(id, 2);
    s.settle();
    EXPECT_EQ(s.responses.size(), 4U) << after;
    for (std::uint64_t id = 5; id <= 8; ++id)
      EXPECT_EQ(unit_world::find(s.forwards, id).address, frame(2)) << after;
  }
}

TEST(reset_edges, an_order_of_a_register_from_before_it_removes_nothing_afterwards) {
  reset_scene s(small_part());
  s.invalidate_iotlb_global();
  s.invalidate_contexts_global();
  s.run_to(s.wheel.now() + 2);
  const std::uint64_t before = s.unit.statistics().invalidations;
  s.unit.reset(true);
  s.settle();
  EXPECT_EQ(s.unit.statistics().invalidations, before);
  EXPECT_EQ(s.wheel.next(), engine::never);
}

TEST(reset_edges, protected_memory_is_off_at_once) {
  reset_scene s;
  s.write_register<reg::gcmd>(0);
  s.write_register<reg::plmbase>(0);
  s.write_register<reg::plmlimit>(0);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(s.read(nic, 0x1000).how, completion::blocked);
  s.unit.reset(true);
  EXPECT_EQ(s.read(nic, 0x1000).how, completion::done);
}

TEST(reset_edges, the_answer_to_a_status_write_from_before_it_completes_no_wait) {
  reset_scene s;
  s.hold_answers = true;
  s.queue.submit(status_wait(status_word, 1).set_interrupt(true));
  s.settle();
  ASSERT_EQ(s.held_descriptors.size(), 1U);
  s.unit.descriptor_answered(s.held_descriptors[0].first, true, s.held_descriptors[0].second, s.now_ps());
  s.settle();
  ASSERT_EQ(s.held_status.size(), 1U);
  const unsigned old = s.held_status[0];
  s.unit.reset(true);
  s.queue.enable();
  for (const bool ok : {true, false}) {
    s.unit.status_answered(old, ok, s.now_ps());
    s.settle();
    EXPECT_EQ(s.read_register<reg::ics>(), 0U);
    EXPECT_FALSE(s.queue.failed());
  }
  // Nor one that is under way.
  s.queue.submit(status_wait(status_word, 2).set_interrupt(true));
  s.settle();
  s.unit.descriptor_answered(s.held_descriptors[1].first, true, s.held_descriptors[1].second, s.now_ps());
  s.settle();
  ASSERT_EQ(s.held_status.size(), 2U);
  s.unit.status_answered(old, false, s.now_ps());
  s.settle();
  EXPECT_FALSE(s.queue.failed());
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.unit.status_answered(s.held_status[1], true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
}

TEST(reset_edges, the_way_to_memory_rests_no_longer_and_is_still_busy_if_it_was) {
  for (const bool busy : {false, true}) {
    auto config = config_of(queue_part());
    config.timing.memory_interval = 1000;
    struct slow final : scene {
      using scene::scene;
      bool forward(const dmar::forwarded& piece) override {
        return unit_world::forward(piece) && !port_is_slow;
      }
      bool port_is_slow = false;
    } w(config);
    w.read(nic, page(0));
    w.run_to(w.wheel.now() + 2000);
    w.port_is_slow = busy;
    ASSERT_TRUE(w.offer(1, nic, access_kind::read, page(0)));
    w.run_to(w.wheel.now() + 10);
    ASSERT_NE(unit_world::find(w.forwards, 1).at, 0U);
    w.unit.reset(false);
    ASSERT_TRUE(w.offer(2, nic, access_kind::read, page(0)));
    w.run_to(w.wheel.now() + 500);
    EXPECT_EQ(unit_world::find(w.forwards, 2).at != 0, !busy);
    if (!busy) continue;
    w.unit.memory_port_free(w.now_ps());
    w.run_to(w.wheel.now() + 10);
    EXPECT_NE(unit_world::find(w.forwards, 2).at, 0U) << "long before the interval of the first is over";
  }
}

TEST(reset_edges, a_fault_from_before_it_that_is_not_yet_recorded_never_is) {
  auto config = config_of(small_part());
  config.timing.fault_recording = 8;
  scene s(config);
  s.offer(1, nic, access_kind::read, page(99));
  while (s.responses.empty())
    s.run_to(s.wheel.now() + 1);
  ASSERT_EQ(s.responses[0].how, completion::blocked);
  ASSERT_EQ(s.read_register<reg::fsts>(), 0U) << "not yet recorded";
  s.unit.reset(true);
  s.settle();
  EXPECT_EQ(s.read_register<reg::fsts>(), 0U);
  EXPECT_FALSE(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()));
  EXPECT_TRUE(s.faults.empty());
}

TEST(reset_edges, an_order_of_the_fault_log_from_before_it_is_none) {
  remap::capabilities caps = queue_part();
  caps.cap.set_afl(true);
  for (const std::uint32_t order : {reg::gcmd::sfl::mask, reg::gcmd::eafl::mask}) {
    reset_scene s(caps);
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask | order);
    s.run_to(s.wheel.now() + 3);
    s.unit.reset(true);
    s.settle();
    EXPECT_EQ(s.read_register<reg::gsts>(), 0U);
    EXPECT_EQ(s.wheel.next(), engine::never);
  }
}

TEST(reset_edges, requests_at_once_that_wait_downstream_are_inside_no_more) {
  reset_scene s(small_part());
  const auto one = s.unit.enter(false);
  s.unit.leave({one.sequence + 1000}, s.now_ps());
  EXPECT_TRUE(s.unit.has_work_in_flight()) << "that was somebody else";
  s.unit.reset(false);
  EXPECT_FALSE(s.unit.has_work_in_flight());
  s.invalidate_iotlb_page(domain, page(0));
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U) << "no drain waits for it";
  s.unit.leave(one, s.now_ps());
  EXPECT_FALSE(s.unit.has_work_in_flight());
}

// --- What was about to end

struct listener final : dmar::unit_observer {
  void on_command(const dmar::command_event& e) override { commands.push_back(e); }
  std::vector<dmar::command_event> commands;
};

TEST(reset_edges, a_global_command_from_before_it_is_none) {
  remap::capabilities caps = queue_part();
  caps.cap.set_rwbf(true);
  constexpr std::uint32_t on = reg::gcmd::te::mask | reg::gcmd::qie::mask;
  const std::uint32_t orders[] = {on | reg::gcmd::srtp::mask, on | reg::gcmd::wbf::mask, reg::gcmd::te::mask,
                                  reg::gcmd::qie::mask};
  for (const std::uint32_t order : orders) {
    // Not seen yet, and begun.
    for (const engine::cycle after : {0U, 3U}) {
      reset_scene s(caps);
      listener heard;
      s.write_register<reg::gcmd>(order);
      s.run_to(s.wheel.now() + after);
      s.unit.set_observer(&heard);
      s.unit.reset(true);
      s.settle();
      EXPECT_EQ(s.read_register<reg::gsts>(), 0U) << order << ", " << after;
      EXPECT_TRUE(heard.commands.empty()) << order << ", " << after;
      EXPECT_TRUE(s.drains.empty());
      EXPECT_EQ(s.wheel.next(), engine::never);
      s.write_register<reg::gcmd>(reg::gcmd::te::mask);
      EXPECT_EQ(s.unit.statistics().ignored_orders, 0U);
    }
  }
}

TEST(reset_edges, an_event_of_the_queue_from_before_it_sends_no_message_afterwards) {
  auto config = config_of(queue_part());
  config.timing.event_message = 40;
  scene s(config);
  s.write_register<reg::iectl>(0);
  s.queue.submit(interrupt_wait());
  while (s.read_register<reg::ics>() == 0)
    s.run_to(s.wheel.now() + 1);
  ASSERT_TRUE(s.messages.empty()) << "on its way";
  s.unit.reset(true);
  s.queue.enable();
  s.queue.run(all_pages());
  EXPECT_TRUE(s.messages.empty());
}

TEST(reset_edges, an_iotlb_order_from_before_it_that_waits_for_requests_never_ends) {
  reset_scene s(plain_part());
  listener heard;
  s.read(nic, page(0));
  s.hold_answers = true;
  s.want(1, 0);
  ASSERT_EQ(s.held.size(), 1U);
  s.invalidate_iotlb_page(domain, page(0));
  s.run_to(s.wheel.now() + 30);
  ASSERT_EQ(s.unit.statistics().invalidations, 1U);
  ASSERT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U) << "the read is still in memory";
  s.unit.set_observer(&heard);
  s.unit.reset(true);
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.read_register<reg::iotlb>(), 0U);
  EXPECT_TRUE(heard.commands.empty());
}

TEST(reset_edges, a_drain_from_before_it_that_takes_its_time_never_ends) {
  auto config = config_of(plain_part());
  config.timing.drain = 50;
  scene s(config);
  listener heard;
  s.invalidate_iotlb_page(domain, page(0));
  s.run_to(s.wheel.now() + 30);
  ASSERT_EQ(s.unit.statistics().invalidations, 1U);
  ASSERT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U) << "removed, and not at its end";
  s.unit.set_observer(&heard);
  s.unit.reset(true);
  s.settle();
  EXPECT_EQ(s.read_register<reg::iotlb>(), 0U);
  EXPECT_TRUE(heard.commands.empty());
  // And the register is free at once.
  s.unit.reset(true);
  s.invalidate_iotlb_global();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 0U);
}

TEST(reset_edges, protected_memory_from_before_it_that_waits_for_requests_is_never_told_as_on) {
  reset_scene s;
  listener heard;
  s.read(nic, page(0));
  s.hold_answers = true;
  s.want(1, 0);
  ASSERT_EQ(s.held.size(), 1U);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.run_to(s.wheel.now() + 10);
  s.unit.set_observer(&heard);
  s.unit.reset(true);
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_TRUE(heard.commands.empty());
  EXPECT_TRUE(s.unit.quiescent(s.now_ps()));
}

TEST(reset_edges, a_mode_of_the_tables_from_before_it_is_forgotten) {
  reset_scene s(later_part());
  s.queue.disable();
  s.settle();
  s.write_register<reg::rtaddr>(s.tables.root() | reg::rtaddr::ttm::of(1));
  s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::srtp::mask);
  s.settle();
  const auto done = [&] {
    s.invalidate_iotlb_global();
    s.settle();
    return reg::iotlb::iaig::get(s.read_register<reg::iotlb>());
  };
  EXPECT_EQ(done(), 0U) << "such tables take no orders by registers";
  s.unit.reset(true);
  EXPECT_EQ(done(), 1U);
}

// --- Where each request is when the reset comes

struct stalled_scene : reset_scene {
  using reset_scene::reset_scene;
  bool complete(unsigned port, void* cookie, completion how) override {
    return unit_world::complete(port, cookie, how) && !stalled;
  }
  [[nodiscard]] unsigned answers_to(std::uint64_t id) const {
    unsigned count = 0;
    for (const event& each : responses)
      count += each.id == id ? 1U : 0U;
    return count;
  }
  bool stalled = false;
};

TEST(reset_edges, a_response_that_waits_for_its_port_is_given_once) {
  stalled_scene s;
  s.read(nic, page(0));
  s.stalled = true;
  for (std::uint64_t id = 1; id <= 2; ++id)
    s.want(id, 0);
  s.settle();
  ASSERT_EQ(s.answers_to(1) + s.answers_to(2), 1U) << "the port takes one";
  s.unit.reset(false);
  s.stalled = false;
  s.unit.response_taken(0, s.now_ps());
  s.settle();
  EXPECT_EQ(s.answers_to(1), 1U);
  EXPECT_EQ(s.answers_to(2), 1U);
  EXPECT_FALSE(s.unit.has_work_in_flight());
}

TEST(reset_edges, a_request_that_is_not_translated_and_waits_for_the_way_to_memory_fails) {
  stalled_scene s;
  s.unit.reset(true);
  s.settle();
  s.port_is_slow = true;
  s.want(1, 0);
  s.want(2, 0);
  s.settle();
  s.unit.reset(false);
  s.port_is_slow = false;
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  ASSERT_EQ(s.answers_to(2), 1U);
  EXPECT_EQ(unit_world::find(s.responses, 2).how, completion::failed);
  EXPECT_FALSE(s.unit.has_work_in_flight());
}

TEST(reset_edges, a_request_between_two_of_its_pages_fails_whenever_it_comes) {
  for (engine::cycle after = 0; after < 80; ++after) {
    stalled_scene s;
    s.read(nic, page(0));
    s.read(nic, page(1));
    s.offer(1, nic, access_kind::read, page(1) - 32, 64);
    s.run_to(s.wheel.now() + after);
    const bool over = s.answers_to(1) == 1;
    s.unit.reset(false);
    s.settle();
    ASSERT_EQ(s.answers_to(1), 1U) << after;
    if (!over) {
      EXPECT_NE(unit_world::find(s.responses, 1).how, completion::blocked) << after;
    }
    EXPECT_FALSE(s.unit.has_work_in_flight()) << after;
  }
}

TEST(reset_edges, walkers_take_their_turns_from_the_first_again) {
  reset_scene s;
  // The turn is with the second walker.
  s.read(nic, page(0));
  s.unit.reset(true);
  s.port_is_slow = true;
  s.want(1, 0);
  ASSERT_FALSE(s.forwards.empty()) << "not translated, it keeps the way to memory busy";
  s.unit_world::enable();
  s.want(2, 1);
  ASSERT_TRUE(s.offer(3, disk, access_kind::read, page(2)));
  s.run_to(s.wheel.now() + 10);
  s.table_reads.clear();
  s.port_is_slow = false;
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  ASSERT_GE(s.table_reads.size(), 2U);
  EXPECT_EQ(s.table_reads[0].id, 0U);
  EXPECT_EQ(s.table_reads[1].id, 1U);
}

} // namespace
} // namespace vtd::test
