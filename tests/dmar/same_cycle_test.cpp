// SPDX-License-Identifier: Apache-2.0
// Who wins when two things happen in one cycle: docs/microarchitecture.md, section 4, row by row.

#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtd::test {
namespace {

using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint64_t first_page = 0x40000000;
constexpr std::uint64_t first_frame = 0x7000000;
constexpr std::uint16_t domain = 3;

constexpr std::uint64_t page(std::uint64_t n) { return first_page + n * spec::page_size; }
constexpr std::uint64_t frame(std::uint64_t n) { return first_frame + n * spec::page_size; }

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config) : unit_world(config) {
    for (const spec::source_id device : {nic, disk}) {
      tables.attach(device, device == nic ? domain : domain + 1);
      for (std::uint64_t n = 0; n < 64; ++n)
        tables.map(device, page(n), frame(n));
    }
    enable();
  }
  scene() : scene(config_of(plain_part())) {}

  void request_at(engine::cycle arrival, std::uint64_t id, std::uint64_t address,
                  spec::source_id device = nic, unsigned port = 0) {
    run_to(arrival);
    ASSERT_TRUE(offer(id, device, access_kind::read, address, 64, port));
  }
  [[nodiscard]] engine::cycle left(std::uint64_t id) const { return find(forwards, id).at; }
  [[nodiscard]] std::uint64_t target(std::uint64_t id) const { return find(forwards, id).address; }
  [[nodiscard]] engine::cycle ended(std::uint64_t id) const { return find(responses, id).at; }
};

// Timing of config_of(): look-ups 3 cycles, structure look-up 1, a table read 20 (seen after 21),
// page-selective invalidation 16. A request that arrives at t is admitted at t + 1 and looked up at t + 4;
// with its upper tables cached its walk ends at t + 4 + 1 + 21 = t + 26.
constexpr engine::cycle looked_up = 4;
constexpr engine::cycle walked = 26;
constexpr engine::cycle invalidated = 1 + 16;

TEST(same_cycle, a_look_up_in_the_cycle_of_the_fill_misses) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.request_at(t + walked - looked_up, 2, page(1));
  s.settle();
  EXPECT_EQ(s.left(1), t + walked);
  EXPECT_EQ(s.unit.statistics().merged, 1U) << "it joined the walk that was just ending";
  EXPECT_EQ(s.left(2), t + walked + 3) << "and looked up again at once";

  scene later;
  later.read(nic, page(0));
  const engine::cycle u = later.wheel.now();
  later.request_at(u, 1, page(1));
  later.request_at(u + walked - looked_up + 1, 2, page(1));
  later.settle();
  EXPECT_EQ(later.unit.statistics().merged, 0U);
  EXPECT_EQ(later.left(2), u + walked + 1) << "one cycle later it hits";
}

TEST(same_cycle, a_look_up_in_the_cycle_of_the_invalidation_still_hits) {
  scene s;
  s.read(nic, page(0));
  s.tables.map(nic, page(0), frame(40));
  const engine::cycle t = s.wheel.now();
  s.invalidate_iotlb_page(domain, page(0), 0, true);
  s.request_at(t + invalidated - looked_up, 1, page(0));
  s.run_to(t + invalidated - looked_up + 1);
  ASSERT_TRUE(s.offer(2, nic, access_kind::read, page(0)));
  s.settle();
  EXPECT_EQ(s.target(1), frame(0)) << "stale, in the cycle of the removal";
  EXPECT_EQ(s.target(2), frame(40)) << "new, one cycle later";
}

TEST(same_cycle, an_invalidation_removes_what_is_filled_in_its_cycle) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  // The walk ends at t + 26; the invalidation that removes at t + 26 is ordered at t + 9.
  s.request_at(t, 1, page(1));
  s.run_to(t + walked - invalidated);
  s.invalidate_iotlb_page(domain, page(1), 0, true);
  s.settle();
  EXPECT_EQ(s.left(1), t + walked) << "the walk ended first: it is not poisoned";
  EXPECT_EQ(s.unit.statistics().poisoned, 0U);
  EXPECT_EQ(s.unit.translator().caches().peek_page(domain, page(1)), nullptr);
}

TEST(same_cycle, an_invalidation_poisons_the_walk_in_flight) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  // The leaf is read at t + 5, and changed after that.
  s.run_to(t + 6);
  s.tables.map(nic, page(1), frame(41));
  s.run_to(t + walked - invalidated - 1);
  s.invalidate_iotlb_page(domain, page(1), 0, true);
  s.settle();
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_EQ(s.target(1), frame(41)) << "it replayed and walked with new data";
  EXPECT_GT(s.left(1), t + walked);
}

TEST(same_cycle, a_context_invalidation_poisons_the_walk_of_its_source_only) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(0));
  s.request_at(t + 1, 2, page(0), disk);
  s.run_to(t + 10);
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) |
                              reg::ccmd::sid::of(disk.value()));
  s.settle();
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
}

TEST(same_cycle, a_domain_selective_context_invalidation_poisons_the_walks_of_its_domain_only) {
  for (const bool own : {true, false}) {
    scene s;
    s.read(nic, page(0));
    const engine::cycle t = s.wheel.now();
    // With its context cached, so that it knows its domain; the leaf is read at t + 5.
    s.request_at(t, 1, page(1));
    s.run_to(t + 6);
    spec::context_entry moved = s.tables.context(nic);
    moved.set_domain_id(domain + 5);
    s.tables.set_context(nic, moved);
    s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(2) |
                                reg::ccmd::did::of(own ? domain : domain + 1));
    s.settle();
    EXPECT_EQ(s.unit.statistics().poisoned, own ? 1U : 0U);
    const auto& caches = s.unit.translator().caches();
    EXPECT_EQ(caches.peek_page(domain, page(1)) != nullptr, !own) << "nothing of it is kept";
    EXPECT_EQ(caches.peek_page(domain + 5, page(1)) != nullptr, own) << "it walked with the new context";
  }
}

TEST(same_cycle, a_walk_that_does_not_know_its_domain_yet_counts_as_of_every_domain) {
  for (const bool knows : {false, true}) {
    scene s;
    if (knows) s.read(nic, page(0));
    const engine::cycle t = s.wheel.now();
    s.request_at(t, 1, page(1));
    // The context entry is there at t + 4 + 42; the removal is at t + 6 + 17.
    s.run_to(t + 6);
    s.invalidate_iotlb_page(domain + 1, page(1), 0, true);
    s.settle();
    EXPECT_EQ(s.unit.statistics().poisoned, knows ? 0U : 1U);
  }
}

TEST(same_cycle, a_new_root_table_poisons_walks_where_it_flushes_the_caches) {
  for (const bool flushes : {false, true}) {
    auto config = config_of(plain_part());
    config.caps.cap.set_esrtps(flushes);
    scene s(config);
    const engine::cycle t = s.wheel.now();
    s.request_at(t, 1, page(0));
    s.run_to(t + 10);
    s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::srtp::of(1));
    s.settle();
    EXPECT_EQ(s.unit.statistics().poisoned, flushes ? 1U : 0U);
  }
}

TEST(same_cycle, an_invalidation_of_another_domain_leaves_a_walk_alone) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.run_to(t + 6);
  s.invalidate_iotlb_page(domain + 1, page(1), 0, true);
  s.settle();
  EXPECT_EQ(s.unit.statistics().poisoned, 0U);
}

TEST(same_cycle, a_miss_in_the_last_cycle_of_a_walk_joins_it) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.request_at(t + walked - looked_up, 2, page(1) + 0x800);
  s.settle();
  EXPECT_EQ(s.unit.statistics().walks, 2U) << "of the first page and of this one";
  EXPECT_EQ(s.target(2), frame(1) + 0x800);
}

TEST(same_cycle, misses_to_one_page_share_a_walk_even_while_it_waits_for_a_walker) {
  auto config = config_of(plain_part());
  config.timing.walkers = 1;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.request_at(t + 1, 2, page(2));
  s.request_at(t + 2, 3, page(2));
  s.request_at(t + 3, 4, page(2));
  s.settle();
  EXPECT_EQ(s.unit.statistics().walks, 3U);
  EXPECT_EQ(s.unit.statistics().merged, 2U);
  for (const std::uint64_t id : {2U, 3U, 4U})
    EXPECT_EQ(s.target(id), frame(2));
}

TEST(same_cycle, two_fills_to_one_set_go_in_walker_order) {
  auto config = config_of(plain_part());
  config.caches.iotlb = {1, 1, remap::replacement::lru, 1};
  config.timing.memory_interval = 1;
  scene s(config);
  s.read(nic, page(0));
  s.read(disk, page(0));
  // Two walks that end in the same cycle: the second read is issued one cycle later and answered one cycle
  // sooner.
  s.memory.set_delay(20 * scene::period);
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.request_at(t + 1, 2, page(1), disk);
  s.run_to(t + 5);
  s.memory.set_delay(19 * scene::period);
  s.settle();
  EXPECT_EQ(s.unit.translator().caches().peek_page(domain, page(1)), nullptr);
  EXPECT_NE(s.unit.translator().caches().peek_page(domain + 1, page(1)), nullptr) << "walker 1 filled last";
}

TEST(same_cycle, a_slot_freed_in_a_cycle_is_used_in_the_next) {
  auto config = config_of(plain_part());
  config.timing.requests = 1;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(0));
  s.request_at(t + 1, 2, page(0));
  s.settle();
  EXPECT_EQ(unit_world::find(s.admissions, 2).at, s.ended(1) + 1);
}

TEST(same_cycle, ports_take_turns) {
  auto config = config_of(plain_part());
  config.ports = 3;
  scene s(config);
  const engine::cycle t = s.wheel.now();
  for (unsigned port = 0; port < 3; ++port)
    ASSERT_TRUE(s.offer(10 + port, nic, access_kind::read, page(0), 64, port));
  s.run_to(t + 1);
  // Port 0 has been served and offers again: it is last now.
  ASSERT_TRUE(s.offer(20, nic, access_kind::read, page(0), 64, 0));
  s.settle();
  std::vector<std::uint64_t> order;
  for (const auto& each : s.admissions)
    order.push_back(each.id);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{10, 11, 12, 20}));
  // After port 0 it is the turn of port 1, also when nobody asked for a while.
  s.admissions.clear();
  for (unsigned port = 0; port < 3; ++port)
    ASSERT_TRUE(s.offer(30 + port, nic, access_kind::read, page(0), 64, port));
  s.settle();
  EXPECT_EQ(s.admissions.front().id, 31U);
}

TEST(same_cycle, a_replay_goes_before_a_new_request) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(1));
  s.request_at(t + 2, 2, page(1));
  // The walk ends at t + 26 and request 2 replays then: a new request that could be admitted in that cycle
  // waits.
  s.request_at(t + walked - 1, 3, page(0));
  s.settle();
  EXPECT_EQ(unit_world::find(s.admissions, 3).at, t + walked + 1);
  EXPECT_EQ(s.left(2), t + walked + 3);
}

TEST(same_cycle, walkers_are_granted_in_order_of_misses) {
  auto config = config_of(plain_part());
  config.timing.walkers = 1;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  for (std::uint64_t n = 1; n <= 3; ++n)
    s.request_at(t + n, n, page(n));
  s.settle();
  EXPECT_EQ(s.left(1), t + 1 + walked);
  EXPECT_EQ(s.left(2), s.left(1) + 22) << "granted in the cycle in which the first ends";
  EXPECT_EQ(s.left(3), s.left(2) + 22);
}

TEST(same_cycle, a_table_read_goes_before_a_request) {
  scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.table_reads.clear();
  // Looked up at t + 4, its table read wants the port at t + 5. A hit that is looked up at t + 5 wants it,
  // too.
  s.request_at(t, 1, page(1));
  s.request_at(t + 1, 2, page(0));
  s.settle();
  ASSERT_EQ(s.table_reads.size(), 1U);
  EXPECT_EQ(s.table_reads[0].at, t + 5);
  EXPECT_EQ(s.left(2), t + 6);
}

TEST(same_cycle, walkers_take_turns_at_the_memory_port) {
  auto config = config_of(plain_part());
  config.timing.walkers = 3;
  config.timing.memory_interval = 10;
  scene s(config);
  // Answers come well before the port is free again, so all three always want it.
  s.memory.set_delay(2 * scene::period);
  const engine::cycle t = s.wheel.now();
  for (std::uint64_t n = 0; n < 3; ++n)
    s.request_at(t + n, 1 + n, page(n));
  s.settle();
  std::vector<std::uint64_t> order;
  for (const auto& each : s.table_reads)
    order.push_back(each.id);
  order.resize(9);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(same_cycle, the_memory_port_keeps_its_interval) {
  auto config = config_of(plain_part());
  config.timing.memory_interval = 4;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(0));
  s.request_at(t + 1, 2, page(0));
  s.settle();
  EXPECT_EQ(s.left(2), s.left(1) + 4);
}

TEST(same_cycle, the_order_of_calls_within_one_time_changes_nothing) {
  const auto run = [](bool swapped) {
    auto config = config_of(plain_part());
    config.ports = 2;
    scene s(config);
    s.read(nic, page(0));
    s.hold_answers = true;
    s.offer(swapped ? 2 : 1, swapped ? disk : nic, access_kind::read, page(0), 64, swapped ? 1 : 0);
    s.offer(swapped ? 1 : 2, swapped ? nic : disk, access_kind::read, page(0), 64, swapped ? 0 : 1);
    s.settle();
    std::vector<unsigned> slots = s.held;
    if (swapped) std::reverse(slots.begin(), slots.end());
    for (const unsigned slot : slots)
      s.unit.answered(slot, true, s.now_ps());
    s.settle();
    auto diary = s.admissions;
    diary.insert(diary.end(), s.forwards.begin(), s.forwards.end());
    diary.insert(diary.end(), s.responses.begin(), s.responses.end());
    return diary;
  };
  EXPECT_EQ(run(false), run(true));
}

TEST(same_cycle, the_second_of_two_faults_in_a_cycle_overflows) {
  auto config = config_of(plain_part());
  config.timing.walkers = 2;
  scene s(config);
  s.read(nic, page(0));
  s.read(disk, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(70));
  s.request_at(t + 1, 2, page(71), disk);
  s.run_to(t + 5);
  s.memory.set_delay(19 * scene::period);
  s.settle();
  ASSERT_EQ(s.faults.size(), 2U);
  EXPECT_EQ(s.faults[0].when, s.faults[1].when);
  EXPECT_EQ(s.faults[0].access.source, nic);
  EXPECT_TRUE(s.faults[0].recorded);
  EXPECT_FALSE(s.faults[1].recorded);
  EXPECT_EQ(reg::frcd_hi::sid::get(s.read_register<reg::frcd_hi>()), nic.value());
  EXPECT_EQ(reg::fsts::pfo::get(s.read_register<reg::fsts>()), 1U);
}

TEST(same_cycle, a_fault_in_the_cycle_of_its_clearing_is_not_lost) {
  scene s;
  s.read(nic, page(70));
  ASSERT_EQ(s.faults.size(), 1U);
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(70));
  // Recorded at: walk ends t + 26, one cycle more. Cleared just before that edge.
  s.run_to(t + walked);
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
  EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 0U);
  s.run_to(t + walked + 1);
  EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 1U);
  EXPECT_EQ(reg::fsts::ppf::get(s.read_register<reg::fsts>()), 1U);
}

TEST(same_cycle, commands_of_one_cycle_go_in_order) {
  // A context and an IOTLB invalidation with equal latencies, and TE off: all at one edge, and each done.
  auto config = config_of(plain_part());
  config.timing.context_invalidation = 8;
  config.timing.iotlb_invalidation_global = 8;
  config.timing.command = 8;
  scene s(config);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::gcmd>(0);
  s.invalidate_contexts_global();
  s.invalidate_iotlb_global();
  s.run_to(t + 8);
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 1U);
  s.run_to(t + 9);
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 0U);
  EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 0U);
  EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 0U);
}

// --- The invalidation queue

struct queue_scene : scene {
  explicit queue_scene(const dmar::unit_config& config) : scene(config), queue(*this) { queue.enable(); }
  queue_scene() : queue_scene(with_queue(config_of(plain_part()))) {}
  static dmar::unit_config with_queue(dmar::unit_config config) {
    config.caps.ecap.set_qi(true);
    return config;
  }
  queue_driver queue;
};

// From the tail's write: seen after 1, the read leaves after 2 more, its data is seen after 21, decoded after
// 1.
constexpr engine::cycle queue_begun = 1 + 2 + 21 + 1;
constexpr std::uint64_t status_word = 0x800000;

TEST(same_cycle, a_look_up_in_the_cycle_of_a_queued_invalidation_still_hits) {
  queue_scene s;
  s.read(nic, page(0));
  s.tables.map(nic, page(0), frame(40));
  const engine::cycle t = s.wheel.now();
  s.queue.submit(page_of(domain, page(0), 0, true));
  s.request_at(t + queue_begun + 16 - looked_up, 1, page(0));
  s.run_to(t + queue_begun + 16 - looked_up + 1);
  ASSERT_TRUE(s.offer(2, nic, access_kind::read, page(0)));
  s.settle();
  EXPECT_EQ(s.target(1), frame(0)) << "stale, in the cycle of the removal";
  EXPECT_EQ(s.target(2), frame(40)) << "new, one cycle later";
}

TEST(same_cycle, a_queued_invalidation_removes_what_is_filled_in_its_cycle) {
  queue_scene s;
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.queue.submit(page_of(domain, page(1), 0, true));
  s.request_at(t + queue_begun + 16 - walked, 1, page(1));
  s.settle();
  EXPECT_EQ(s.left(1), t + queue_begun + 16) << "the walk ended first: it is not poisoned";
  EXPECT_EQ(s.unit.statistics().poisoned, 0U);
  EXPECT_EQ(s.unit.translator().caches().peek_page(domain, page(1)), nullptr);
}

TEST(same_cycle, a_table_read_goes_before_the_queue_and_that_before_a_request) {
  queue_scene s;
  s.read(nic, page(0));
  s.table_reads.clear();
  const engine::cycle t = s.wheel.now();
  // All want the way to memory at t + 5: a table read, the queue's read, a hit.
  s.request_at(t, 1, page(1));
  s.request_at(t + 1, 2, page(0));
  s.run_to(t + 2);
  s.queue.submit(all_pages());
  s.settle();
  EXPECT_EQ(s.table_reads[0].at, t + 5);
  EXPECT_EQ(s.descriptor_reads[0].at, t + 6);
  EXPECT_EQ(s.left(2), t + 7);
}

TEST(same_cycle, the_status_of_a_wait_goes_before_the_read_of_a_descriptor) {
  auto config = queue_scene::with_queue(config_of(plain_part()));
  config.timing.queue_prefetch = 0;
  queue_scene s(config);
  const engine::cycle t = s.wheel.now();
  // The wait leaves the execution at once: its status and the read of its successor are due together.
  s.queue.submit(status_wait(status_word, 1), all_pages());
  s.settle();
  EXPECT_EQ(s.status_writes[0].at, t + queue_begun + 2);
  EXPECT_EQ(s.descriptor_reads[1].at, t + queue_begun + 3);
}

TEST(same_cycle, a_register_command_goes_before_the_queue) {
  // Protected memory comes on in the cycle in which the queue removes: it is told first.
  struct teller : dmar::unit_observer {
    void on_command(const dmar::command_event& event) override {
      if (event.step == dmar::command_step::effective) order.push_back(event.what);
    }
    std::vector<dmar::unit_command> order;
  };
  teller told;
  queue_scene s;
  s.unit.set_observer(&told);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(all_pages());
  s.run_to(t + queue_begun + 32 - 1);
  s.write_register<reg::pmen>(reg::pmen::epm::mask);
  s.settle();
  EXPECT_EQ(told.order,
            (std::vector{dmar::unit_command::protected_memory, dmar::unit_command::queued_invalidation}));
}

TEST(same_cycle, a_wait_that_is_over_in_the_cycle_of_the_clearing_of_iwc_is_not_lost) {
  queue_scene s;
  s.queue.run(interrupt_wait());
  ASSERT_EQ(s.read_register<reg::ics>(), 1U);
  const engine::cycle t = s.wheel.now();
  s.queue.submit(interrupt_wait());
  s.run_to(t + queue_begun - 1);
  s.write_register<reg::ics>(reg::ics::iwc::mask);
  EXPECT_EQ(s.read_register<reg::ics>(), 0U);
  s.run_to(t + queue_begun);
  EXPECT_EQ(s.read_register<reg::ics>(), 1U);
}

TEST(same_cycle, an_error_in_the_cycle_of_the_clearing_of_the_last_is_not_lost) {
  queue_scene s;
  s.queue.run(spec::invalidation_descriptor{});
  ASSERT_TRUE(s.queue.failed());
  const engine::cycle t = s.wheel.now();
  s.queue.clear_error();
  EXPECT_FALSE(s.queue.failed());
  s.run_to(t + queue_begun - 1);
  s.queue.clear_error();
  s.run_to(t + queue_begun);
  EXPECT_TRUE(s.queue.failed());
}

TEST(same_cycle, a_tail_written_in_the_cycle_of_a_fetch_is_looked_at_again) {
  // The queue is found empty at the edge at which a new tail is written: seen at the next.
  queue_scene s;
  const engine::cycle t = s.wheel.now();
  s.queue.submit(spec::wait_descriptor{});
  s.run_to(t + queue_begun);
  s.queue.submit(spec::wait_descriptor{});
  s.settle();
  ASSERT_EQ(s.descriptor_reads.size(), 2U);
  EXPECT_EQ(s.descriptor_reads[1].at, t + queue_begun + 1 + 2);
}

TEST(same_cycle, an_error_and_a_fault_of_one_cycle_raise_one_event) {
  // One cycle more to decode, so that the two reads do not want the port in one cycle.
  auto config = queue_scene::with_queue(config_of(plain_part()));
  config.timing.descriptor_decode = 2;
  queue_scene s(config);
  s.write_register<reg::fectl>(0);
  s.read(nic, page(0));
  const engine::cycle t = s.wheel.now();
  s.request_at(t, 1, page(70));
  s.run_to(t + walked + 1 - (queue_begun + 1));
  s.queue.submit(spec::invalidation_descriptor{});
  s.run_to(t + walked);
  EXPECT_FALSE(s.queue.failed());
  s.run_to(t + walked + 1);
  EXPECT_TRUE(s.queue.failed());
  s.settle();
  ASSERT_EQ(s.faults.size(), 1U);
  EXPECT_EQ(s.faults[0].when, t + walked + 1);
  EXPECT_EQ(s.messages.size(), 1U);
}

} // namespace
} // namespace vtd::test
