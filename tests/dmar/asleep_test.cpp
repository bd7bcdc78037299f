// SPDX-License-Identifier: Apache-2.0
// A unit works in the cycles in which something is due and in no other (docs/microarchitecture.md, section
// 1): while it waits for somebody else nothing is due at all, and the answer from outside wakes it.

#include "support/queue_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using dmar::completion;
using remap::access_kind;
using testing::ElementsAre;
namespace reg = spec::reg;

remap::capabilities part() {
  remap::capabilities caps = later_part();
  caps.cap.set_afl(true);
  caps.ecap.set_dt(true);
  return caps;
}

/// Everybody round the unit can be made to wait until the test says so.
struct slow_scene : scene {
  explicit slow_scene(const dmar::unit_config& config = config_of(part())) : scene(config) {
    devices_answer = false;
  }
  bool forward(const dmar::forwarded& piece) override {
    const bool free = unit_world::forward(piece);
    return free && !port_is_slow;
  }
  bool complete(unsigned port, void* cookie, completion how) override {
    return unit_world::complete(port, cookie, how) && !requester_is_slow;
  }
  bool read_log(unsigned tag, std::uint64_t address) override {
    log_reads.push_back({wheel.now(), tag, address, {}});
    return true;
  }
  bool write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& /*what*/) override {
    log_writes.push_back({wheel.now(), tag, address, {}});
    return true;
  }
  /// The cycles, from now on, in which the unit worked, until nothing was due any more.
  std::vector<engine::cycle> worked() {
    const engine::cycle begin = wheel.now();
    std::vector<engine::cycle> out;
    while (wheel.next() != engine::never && out.size() < 1000) {
      wheel.advance_to(wheel.next());
      out.push_back(wheel.now() - begin);
    }
    return out;
  }
  /// All is done that can be done, and now nothing is due.
  void falls_asleep() {
    settle();
    EXPECT_EQ(wheel.next(), engine::never);
  }
  void want(std::uint64_t id, std::uint64_t n, access_kind kind = access_kind::read) {
    ASSERT_TRUE(offer(id, nic, kind, page(n)));
  }
  void order_drain() {
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) | reg::iotlb::dr::of(1) |
                               reg::iotlb::dw::of(1));
  }

  bool port_is_slow = false;
  bool requester_is_slow = false;
};

// --- In which cycles

TEST(working, for_a_hit_at_its_admission_its_look_up_and_its_answer) {
  slow_scene s;
  s.read(nic, page(0));
  s.want(1, 0);
  EXPECT_THAT(s.worked(), ElementsAre(1, 4, 55));
}

// Where nothing is said each step takes its least: docs/microarchitecture.md, section 2.
TEST(working, of_a_unit_of_which_nothing_is_said_takes_a_cycle_for_each_look_up) {
  dmar::unit_config config;
  config.caps = small_part();
  config.caches = small_caches();
  scene s(config);
  const engine::cycle t = s.wheel.now();
  s.read(nic, page(0));
  const engine::cycle context = s.unit.config().timing.lookup.context_lookup;
  EXPECT_EQ(context, 1U);
  ASSERT_EQ(s.table_reads.size(), 5U);
  EXPECT_EQ(s.table_reads[0].at, t + 1 + context + s.unit.config().timing.lookup.iotlb_lookup);
  // Two entries of 21 cycles each, then the structures.
  EXPECT_EQ(s.table_reads[2].at, s.table_reads[0].at + 2 * 21 + 1);
  EXPECT_FALSE(s.unit.config().checks_translated()) << "VER 1.0 leaves it open";
}

TEST(working, for_a_structure_look_up_takes_its_cycles) {
  dmar::unit_config config = config_of(part());
  config.timing.lookup.structure_lookup = 5;
  slow_scene s(config);
  s.read(nic, page(0));
  s.want(1, 1);
  EXPECT_THAT(s.worked(), ElementsAre(1, 4, 9, 30, 81));
}

TEST(working, for_a_walk_at_every_answer_of_memory) {
  slow_scene s;
  s.want(1, 0);
  // Root, context, structures, three levels, and the data.
  EXPECT_THAT(s.worked(), ElementsAre(1, 4, 25, 46, 47, 68, 89, 110, 161));
}

TEST(working, for_a_fault_at_its_record_and_its_message) {
  slow_scene s;
  s.read(nic, page(0));
  s.write_register<reg::fectl>(0);
  s.settle();
  s.want(1, 70);
  EXPECT_THAT(s.worked(), ElementsAre(1, 4, 5, 26, 27, 31));
}

TEST(working, for_an_order_at_its_edge_and_at_its_removal) {
  dmar::unit_config config = config_of(part());
  config.caps.ecap.set_qi(false);
  slow_scene s(config);
  s.order_drain();
  EXPECT_THAT(s.worked(), ElementsAre(1, 1 + 32));
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
  EXPECT_THAT(s.worked(), ElementsAre(1, 1 + 16));
  s.write_register<reg::gcmd>(0);
  EXPECT_THAT(s.worked(), ElementsAre(1, 1 + 8));
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  EXPECT_THAT(s.worked(), ElementsAre(1));
}

TEST(working, for_a_queued_order_at_its_read_its_head_its_removal_and_its_status) {
  slow_scene s;
  s.queue.submit(all_pages());
  // Seen, read, decoded, and the removal.
  EXPECT_THAT(s.worked(), ElementsAre(1, 3, 25, 25 + 32));
  s.queue.submit(status_wait(status_word, 1));
  EXPECT_THAT(s.worked(), ElementsAre(1, 3, 25, 27, 27 + 51));
}

TEST(working, for_a_queued_order_that_is_over_while_the_next_is_read_at_its_removal_alone) {
  slow_scene s;
  s.memory.set_delay(200 * unit_world::period);
  s.queue.submit(all_pages(), all_pages());
  // Each is read and decoded in 202 cycles; the removal of the first ends in the midst of the second's.
  EXPECT_THAT(s.worked(), ElementsAre(1, 3, 205, 207, 205 + 32, 409, 409 + 32));
}

TEST(working, for_a_device_that_is_overdue_at_that_edge) {
  dmar::unit_config config = config_of(part());
  config.timing.device_timeout = 500;
  slow_scene s(config);
  s.queue.submit(spec::device_tlb_descriptor{}.set_source(nic).set_range(page(0), 0));
  EXPECT_THAT(s.worked(), ElementsAre(1, 3, 25, 27, 527));
}

TEST(working, for_requests_that_wait_for_the_interval_of_the_way_to_memory_when_it_ends) {
  dmar::unit_config config = config_of(part());
  config.timing.memory_interval = 10;
  config.ports = 2;
  slow_scene s(config);
  s.read(nic, page(0));
  ASSERT_TRUE(s.offer(1, nic, access_kind::read, page(0), 64, 0));
  ASSERT_TRUE(s.offer(2, nic, access_kind::read, page(0), 64, 1));
  EXPECT_THAT(s.worked(), ElementsAre(1, 2, 4, 5, 14, 55, 65));
}

// --- Waiting for somebody, until that one answers

TEST(asleep, while_memory_owes_data) {
  slow_scene s;
  s.hold_answers = true;
  s.want(1, 0);
  s.falls_asleep();
  s.unit.answered(s.held.at(0), true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.responses.size(), 1U);
}

TEST(asleep, while_memory_owes_a_table_entry) {
  slow_scene s;
  s.hold_tables = true;
  s.want(1, 0);
  s.falls_asleep();
  ASSERT_EQ(s.held_tables.size(), 1U);
  s.unit.table_answered(s.held_tables[0].first, true, s.held_tables[0].second, s.now_ps());
  s.falls_asleep();
  EXPECT_EQ(s.held_tables.size(), 2U) << "the next entry is asked for";
}

TEST(asleep, while_memory_owes_a_descriptor_and_then_its_status_write) {
  for (const bool fence : {false, true}) {
    slow_scene s;
    s.hold_answers = true;
    s.queue.submit(status_wait(status_word, 5).set_interrupt(true).set_fence(fence));
    s.falls_asleep();
    ASSERT_EQ(s.held_descriptors.size(), 1U);
    s.unit.descriptor_answered(s.held_descriptors[0].first, true, s.held_descriptors[0].second, s.now_ps());
    s.falls_asleep();
    ASSERT_EQ(s.held_status.size(), 1U);
    EXPECT_EQ(s.read_register<reg::ics>(), 0U);
    s.unit.status_answered(s.held_status[0], true, s.now_ps());
    s.settle();
    EXPECT_EQ(s.read_register<reg::ics>(), 1U);
  }
}

TEST(asleep, while_memory_owes_the_fault_log_an_answer) {
  slow_scene s;
  s.write_register<reg::aflog>(0xa00000);
  constexpr std::uint32_t on = reg::gcmd::te::mask | reg::gcmd::qie::mask;
  s.write_register<reg::gcmd>(on | reg::gcmd::sfl::mask);
  s.settle();
  s.write_register<reg::gcmd>(on | reg::gcmd::eafl::mask);
  s.settle();
  s.read(nic, page(70));
  s.falls_asleep();
  ASSERT_EQ(s.log_reads.size(), 1U);
  s.unit.log_read_answered(static_cast<unsigned>(s.log_reads[0].id), true, {}, s.now_ps());
  s.falls_asleep();
  ASSERT_EQ(s.log_writes.size(), 1U);
  s.unit.log_write_answered(static_cast<unsigned>(s.log_writes[0].id), true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.read_register<reg::fsts>(), reg::fsts::apf::mask);
}

TEST(asleep, while_a_device_owes_a_completion) {
  slow_scene s;
  s.queue.submit(spec::device_tlb_descriptor{}.set_source(nic).set_range(page(0), 0),
                 status_wait(status_word, 5));
  s.run_to(s.wheel.now() + 500);
  EXPECT_EQ(s.wheel.next(), s.invalidations.at(0).first + s.unit.config().timing.device_timeout)
      << "only that it is overdue";
  s.unit.device_completed({nic, 1U << s.invalidations[0].second.tag, 1}, s.now_ps());
  s.falls_asleep();
  EXPECT_EQ(s.status(), 5U);
}

TEST(asleep, while_the_way_to_memory_is_busy_whoever_wants_it) {
  slow_scene s;
  s.read(nic, page(0));
  s.port_is_slow = true;
  s.want(1, 0);
  s.falls_asleep();
  const std::size_t tables = s.table_reads.size();
  // A hit, a miss and the queue stand before it now.
  s.want(2, 0);
  s.falls_asleep();
  s.want(3, 1);
  s.falls_asleep();
  s.queue.submit(all_pages());
  s.falls_asleep();
  EXPECT_EQ(s.table_reads.size(), tables);
  s.port_is_slow = false;
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  EXPECT_EQ(s.table_reads.size(), tables + 1);
  EXPECT_EQ(s.responses.size(), 4U);
  EXPECT_EQ(s.queue.head(), s.queue.tail());
}

TEST(asleep, while_a_requester_takes_its_response) {
  slow_scene s;
  s.read(nic, page(0));
  s.responses.clear();
  s.requester_is_slow = true;
  s.want(1, 0);
  s.falls_asleep();
  s.want(2, 0);
  s.falls_asleep();
  EXPECT_EQ(s.responses.size(), 1U);
  s.unit.response_taken(0, s.now_ps());
  s.settle();
  EXPECT_EQ(s.responses.size(), 2U);
}

TEST(asleep, although_a_requester_says_that_it_took_a_response_which_nobody_gave_it) {
  slow_scene s;
  s.read(nic, page(0));
  s.falls_asleep();
  EXPECT_FALSE(s.unit.response_taken(0, s.now_ps()));
  EXPECT_EQ(s.wheel.next(), engine::never);
}

TEST(asleep, while_all_slots_or_all_walkers_are_taken) {
  dmar::unit_config config = config_of(part());
  config.timing.walkers = 1;
  config.timing.requests = 2;
  slow_scene s(config);
  s.hold_tables = true;
  s.want(1, 0);
  s.falls_asleep();
  s.want(2, 1);
  s.falls_asleep();
  s.want(3, 2);
  s.falls_asleep();
  EXPECT_EQ(s.admissions.size(), 2U);
  EXPECT_FALSE(s.offer(4, nic, access_kind::read, page(3))) << "the port is taken";
  EXPECT_EQ(s.wheel.next(), engine::never) << "and nothing came of it";
}

TEST(asleep, while_a_command_waits_for_requests_to_leave) {
  enum class kind { iotlb, translation, protection, queued, queue_off };
  constexpr kind all[] = {kind::iotlb, kind::translation, kind::protection, kind::queued, kind::queue_off};
  for (unsigned n = 0; n < 2 * std::size(all); ++n) {
    const kind each = all[n / 2];
    dmar::unit_config config = config_of(part());
    config.caps.ecap.set_qi(each == kind::queued || each == kind::queue_off);
    slow_scene s(config);
    s.hold_answers = true;
    s.want(1, 0, n % 2 == 0 ? access_kind::read : access_kind::write);
    s.settle();
    const auto waits = [&] {
      const auto status = s.read_register<reg::gsts>();
      return each == kind::iotlb         ? reg::iotlb::ivt::get(s.read_register<reg::iotlb>()) != 0
             : each == kind::translation ? reg::gsts::tes::get(status) != 0
             : each == kind::protection  ? reg::pmen::prs::get(s.read_register<reg::pmen>()) == 0
             : each == kind::queue_off   ? reg::gsts::qies::get(status) != 0
                                         : s.status() == 0;
    };
    const auto drain = all_pages().set_drain_reads(true).set_drain_writes(true);
    if (each == kind::iotlb) s.order_drain();
    if (each == kind::translation) s.write_register<reg::gcmd>(0);
    if (each == kind::protection) s.write_register<reg::pmen>(reg::pmen::epm::of(1));
    if (each == kind::queued || each == kind::queue_off) {
      s.hold_answers = false;
      s.queue.submit(drain, status_wait(status_word, 5));
      s.falls_asleep();
    }
    if (each == kind::queue_off) s.queue.disable();
    s.falls_asleep();
    EXPECT_TRUE(waits()) << static_cast<int>(each);
    s.unit.answered(s.held.at(0), true, s.now_ps());
    s.falls_asleep();
    EXPECT_FALSE(waits()) << static_cast<int>(each);
  }
}

// What a command waits for may end in any cycle, before or after the command's own time: it is never missed.
TEST(asleep, no_end_of_a_wait_is_missed_whenever_it_comes) {
  for (engine::cycle after = 0; after < 80; ++after) {
    slow_scene s;
    s.read(nic, page(0));
    s.want(1, 0);
    s.queue.submit(all_pages());
    s.run_to(s.wheel.now() + after);
    s.write_register<reg::gcmd>(0);
    s.falls_asleep();
    EXPECT_EQ(s.read_register<reg::gsts>() & (reg::gsts::tes::mask | reg::gsts::qies::mask), 0U) << after;
  }
}

} // namespace
} // namespace vtd::test
