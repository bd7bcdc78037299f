// SPDX-License-Identifier: Apache-2.0
// Edges of device-TLB invalidation: completions that come apart, tags that are used again, counts, and what
// an observer is told.

#include "support/queue_scene.h"
#include "vtd/dmar/observer.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test::queue_tests {
namespace {

namespace reg = spec::reg;
using dmar::device_step;

constexpr engine::cycle time_out = 5000;

dmar::unit_config configuration() {
  dmar::unit_config config = config_of(later_part());
  config.caps.ecap.set_dt(true);
  config.timing.device_timeout = time_out;
  return config;
}

spec::device_tlb_descriptor device_page(spec::source_id device, std::uint64_t address) {
  return spec::device_tlb_descriptor{}.set_source(device).set_range(address, 0);
}

struct edge_scene : scene {
  edge_scene() : scene(configuration()) { devices_answer = false; }
  /// A completion that arrives so many cycles from now.
  void device_answers(spec::source_id device, std::uint32_t tags, engine::cycle later = 0,
                      unsigned count = 1) {
    unit.device_completed({device, tags, count}, now_ps() + later * period);
  }
  void pass(engine::cycle cycles) { run_to(wheel.now() + cycles); }
  [[nodiscard]] std::uint32_t tag_of(std::size_t n) const { return 1U << invalidations.at(n).second.tag; }
  [[nodiscard]] std::uint32_t errors() { return read_register<reg::fsts>(); }
};

TEST(device_invalidation_edges, completions_are_taken_each_at_its_time_in_whatever_order_they_are_announced) {
  for (const bool later_first : {false, true}) {
    edge_scene s;
    s.queue.submit(device_page(nic, page(0)), device_page(disk, page(0)));
    s.pass(500);
    ASSERT_EQ(s.invalidations.size(), 2U);
    s.queue.submit(status_wait(status_word, 5));
    s.pass(100);
    const auto first = [&] { s.device_answers(nic, s.tag_of(0), 10); };
    const auto second = [&] { s.device_answers(disk, s.tag_of(1), 50); };
    if (later_first) second();
    first();
    if (!later_first) second();
    s.pass(40);
    EXPECT_EQ(s.status(), 0U) << "one is still to come";
    s.settle();
    EXPECT_EQ(s.status(), 5U);
    EXPECT_EQ(s.errors(), 0U);
  }
}

TEST(device_invalidation_edges, unexpected_completions_are_noticed_at_their_time_and_counted) {
  for (const bool later_first : {false, true}) {
    edge_scene s;
    const engine::cycle t = s.wheel.now();
    s.device_answers(nic, 1, later_first ? 50 : 10);
    s.device_answers(disk, 1, later_first ? 10 : 50);
    s.run_to(t + 10);
    EXPECT_EQ(s.errors(), 0U);
    s.run_to(t + 11);
    EXPECT_EQ(s.errors(), reg::fsts::ice::mask);
    EXPECT_EQ(s.unit.statistics().unexpected_completions, 1U);
    EXPECT_EQ(reg::iqercd::icesid::get(s.read_register<reg::iqercd>()),
              later_first ? disk.value() : nic.value());
    s.settle();
    EXPECT_EQ(s.unit.statistics().unexpected_completions, 2U);
    s.queue.submit(device_page(nic, page(0)));
    s.pass(100);
    s.device_answers(nic, s.tag_of(0));
    s.settle();
    EXPECT_EQ(s.unit.statistics().unexpected_completions, 2U) << "this one was asked for";
    EXPECT_EQ(s.wheel.next(), engine::never);
  }
}

TEST(device_invalidation_edges, a_tag_that_is_used_again_owes_all_its_completions) {
  edge_scene s;
  s.queue.submit(device_page(nic, page(0)));
  s.pass(500);
  s.device_answers(nic, s.tag_of(0), 0, 3);
  s.pass(2 * time_out);
  ASSERT_EQ(s.errors(), reg::fsts::ite::mask) << "two more never came";
  s.write_register<reg::fsts>(reg::fsts::ite::mask);
  s.queue.submit(device_page(nic, page(1)));
  s.pass(500);
  ASSERT_EQ(s.tag_of(1), s.tag_of(0));
  s.queue.submit(status_wait(status_word, 5));
  s.device_answers(nic, s.tag_of(1), 0, 1);
  s.pass(500);
  EXPECT_EQ(s.status(), 5U) << "one message is all of it this time";
}

TEST(device_invalidation_edges, a_completion_on_its_way_is_forgotten_by_a_reset) {
  edge_scene s;
  s.device_answers(nic, 1, 50);
  s.unit.reset(true);
  s.settle();
  EXPECT_EQ(s.errors(), 0U);
  s.queue.enable();
  s.queue.run(all_pages());
  EXPECT_EQ(s.errors(), 0U) << "nor is it noticed later";
}

TEST(device_invalidation_edges, an_observer_is_told_of_requests_completions_time_outs_and_what_nobody_asked) {
  struct listener final : dmar::unit_observer {
    void on_device_invalidation(const dmar::device_invalidation_event& e) override { events.push_back(e); }
    std::vector<dmar::device_invalidation_event> events;
  } heard;
  edge_scene s;
  s.unit.set_observer(&heard);
  s.queue.submit(device_page(nic, page(3)), device_page(disk, page(4)));
  s.pass(500);
  const engine::cycle t = s.wheel.now();
  s.device_answers(nic, s.tag_of(0));
  s.pass(time_out);
  s.device_answers(nic, 1U << 7);
  s.pass(10);
  ASSERT_EQ(heard.events.size(), 5U);
  const device_step steps[] = {device_step::requested, device_step::requested, device_step::completed,
                               device_step::timed_out, device_step::unexpected};
  const std::size_t of[] = {0, 1, 0, 1};
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_EQ(heard.events[n].step, steps[n]) << n;
    if (n == 4) break;
    const auto& [when, asked] = s.invalidations.at(of[n]);
    EXPECT_EQ(heard.events[n].what.device, asked.device);
    EXPECT_EQ(heard.events[n].what.tag, asked.tag);
    EXPECT_EQ(heard.events[n].what.what, asked.what);
    if (n < 2) {
      EXPECT_EQ(heard.events[n].at, when);
    }
  }
  EXPECT_EQ(heard.events[2].at, t + 1);
  EXPECT_EQ(heard.events[3].at, s.invalidations[1].first + time_out);
  EXPECT_EQ(heard.events[4].what.device, nic);
  EXPECT_EQ(heard.events[4].what.tag, 0U) << "it may have named several";
}

TEST(device_invalidation_edges,
     an_observer_is_told_that_the_descriptor_takes_effect_when_its_request_leaves) {
  struct listener final : dmar::unit_observer {
    void on_command(const dmar::command_event& e) override { events.push_back(e); }
    std::vector<dmar::command_event> events;
  } heard;
  edge_scene s;
  s.unit.set_observer(&heard);
  s.queue.submit(device_page(nic, page(3)));
  s.pass(500);
  ASSERT_EQ(s.invalidations.size(), 1U);
  ASSERT_EQ(heard.events.size(), 3U);
  const dmar::command_step steps[] = {dmar::command_step::begun, dmar::command_step::effective,
                                      dmar::command_step::ended};
  for (std::size_t n = 0; n < 3; ++n)
    EXPECT_EQ(heard.events[n].step, steps[n]);
  EXPECT_EQ(heard.events[1].at, s.invalidations[0].first);
}

TEST(device_invalidation_edges, a_snapshot_takes_its_counts_along) {
  edge_scene first;
  first.queue.submit(device_page(nic, page(0)));
  first.pass(500);
  first.device_answers(nic, first.tag_of(0));
  first.device_answers(disk, 1U << 9);
  first.settle();
  const auto saved = first.unit.save(first.now_ps());
  edge_scene second;
  second.unit.restore(saved, second.now_ps());
  EXPECT_EQ(second.unit.statistics().device_invalidations, 1U);
  EXPECT_EQ(second.unit.statistics().unexpected_completions, 1U);
}

TEST(device_invalidation_edges, its_counts_begin_anew_with_all_others) {
  edge_scene s;
  s.queue.submit(device_page(nic, page(0)));
  s.pass(500);
  s.device_answers(nic, s.tag_of(0));
  s.device_answers(nic, 1U << 9);
  s.read(nic, page(0));
  s.read(nic, page(70));
  s.unit.clear_statistics();
  const dmar::unit_statistics all = s.unit.statistics();
  EXPECT_EQ(all.device_invalidations, 0U);
  EXPECT_EQ(all.unexpected_completions, 0U);
  EXPECT_EQ(all.requests + all.walks + all.faults + all.descriptors, 0U);
}

// Late, it takes with it what was fetched or is about to be, and that is fetched again later.
TEST(device_invalidation_edges,
     a_descriptor_on_its_way_at_a_time_out_is_fetched_again_when_the_error_is_cleared) {
  for (const bool wants_port : {false, true}) {
    struct slow final : edge_scene {
      bool forward(const dmar::forwarded& piece) override {
        return unit_world::forward(piece) && !port_is_slow;
      }
      bool port_is_slow = false;
    } s;
    s.queue.submit(device_page(nic, page(0)));
    s.pass(500);
    ASSERT_EQ(s.invalidations.size(), 1U);
    s.hold_answers = true;
    if (wants_port) {
      s.port_is_slow = true;
      ASSERT_TRUE(s.offer(1, nic, remap::access_kind::read, page(0)));
      s.pass(500);
    }
    const std::size_t reads = s.descriptor_reads.size();
    s.queue.submit(interrupt_wait());
    s.pass(100);
    ASSERT_EQ(s.descriptor_reads.size(), wants_port ? reads : reads + 1);
    const std::uint64_t head = s.queue.head();
    s.pass(time_out);
    ASSERT_EQ(s.errors(), reg::fsts::ite::mask);
    if (wants_port) {
      s.unit.memory_port_free(s.now_ps());
      s.pass(100);
      EXPECT_EQ(s.descriptor_reads.size(), reads) << "it does not want it any more";
    } else {
      const auto& [tag, words] = s.held_descriptors.back();
      s.unit.descriptor_answered(tag, true, words, s.now_ps());
      s.pass(100);
    }
    EXPECT_EQ(s.queue.head(), head) << "nothing was taken";
    EXPECT_EQ(s.read_register<reg::ics>(), 0U);
    s.hold_answers = false;
    s.write_register<reg::fsts>(reg::fsts::ite::mask);
    s.pass(500);
    EXPECT_EQ(s.queue.head(), s.queue.tail());
    EXPECT_EQ(s.read_register<reg::ics>(), 1U) << "and now it is done";
  }
}

TEST(device_invalidation_edges, a_wait_that_has_begun_still_writes_its_status_after_a_time_out) {
  auto config = configuration();
  config.timing.queue_prefetch = 8;
  config.timing.status_write = 200;
  struct slow final : scene {
    explicit slow(const dmar::unit_config& what) : scene(what) { devices_answer = false; }
    bool forward(const dmar::forwarded& piece) override {
      return unit_world::forward(piece) && !port_is_slow;
    }
    bool port_is_slow = false;
  } s(config);
  s.read(nic, page(0));
  s.queue.submit(status_wait(status_word, 5), device_page(nic, page(0)));
  while (s.invalidations.empty())
    s.run_to(s.wheel.now() + 1);
  // Now the way to memory is busy, and both the status and the next descriptor wait for it.
  s.port_is_slow = true;
  ASSERT_TRUE(s.offer(1, nic, remap::access_kind::read, page(0)));
  s.run_to(s.wheel.now() + 20);
  const std::size_t reads = s.descriptor_reads.size();
  s.queue.submit(page_of(domain, page(0)));
  s.run_to(s.wheel.now() + time_out + 100);
  ASSERT_EQ(s.read_register<reg::fsts>(), reg::fsts::ite::mask);
  EXPECT_EQ(s.status(), 0U);
  s.port_is_slow = false;
  s.unit.memory_port_free(s.now_ps());
  s.run_to(s.wheel.now() + 200);
  EXPECT_EQ(s.status(), 5U);
  EXPECT_EQ(s.descriptor_reads.size(), reads) << "nothing is fetched while the error stands";
}

} // namespace
} // namespace vtd::test::queue_tests
