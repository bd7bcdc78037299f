// SPDX-License-Identifier: Apache-2.0
// Edges of the pipeline: what a piece says of itself, who waits for whom, and when the two sides of a port
// may go on.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::completion;
using remap::access_kind;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint16_t domain = 3;

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config = config_of(small_part())) : unit_world(config) {
    tables.attach(nic, domain);
    for (std::uint64_t n = 0; n < 8; ++n)
      tables.map(nic, iova + n * spec::page_size, frame + n * spec::page_size);
    enable();
  }
  bool forward(const dmar::forwarded& piece) override {
    pieces.push_back(piece);
    const bool free = unit_world::forward(piece);
    if (free_again_at_once) unit.memory_port_free(now_ps());
    return free && !memory_is_busy;
  }
  bool complete(unsigned port, void* cookie, completion how) override {
    return unit_world::complete(port, cookie, how) && !requester_is_slow;
  }
  void want(std::uint64_t id, std::uint64_t page, unsigned port = 0) {
    EXPECT_TRUE(offer(id, nic, access_kind::read, iova + page * spec::page_size, 64, port));
    // The port takes the next one when it was admitted.
    run_to(wheel.now() + 6);
  }
  [[nodiscard]] engine::cycle left(std::uint64_t id) const { return find(forwards, id).at; }
  [[nodiscard]] bool draining() { return reg::iotlb::ivt::get(read_register<reg::iotlb>()) != 0; }
  void drain() {
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) | reg::iotlb::dr::of(1) |
                               reg::iotlb::dw::of(1));
  }

  std::vector<dmar::forwarded> pieces;
  bool memory_is_busy = false;
  bool free_again_at_once = false;
  bool requester_is_slow = false;
};

TEST(pipeline_edges, a_piece_says_where_it_lies_and_whether_it_is_all) {
  scene s;
  s.read(nic, iova + 0x40);
  ASSERT_EQ(s.pieces.size(), 1U);
  EXPECT_EQ(s.pieces[0].offset, 0U);
  EXPECT_EQ(s.pieces[0].length, 64U);
  EXPECT_EQ(s.pieces[0].address, frame + 0x40);
  EXPECT_EQ(s.pieces[0].source, nic);
  EXPECT_TRUE(s.pieces[0].whole);
  EXPECT_FALSE(s.pieces[0].interrupt);
  s.pieces.clear();
  s.dma(nic, access_kind::write, iova + 0xf00, 0x1300);
  ASSERT_EQ(s.pieces.size(), 3U);
  const std::uint32_t lengths[] = {0x100, 0x1000, 0x200};
  std::uint32_t offset = 0;
  for (std::size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(s.pieces[n].offset, offset);
    EXPECT_EQ(s.pieces[n].length, lengths[n]);
    EXPECT_EQ(s.pieces[n].address, frame + 0xf00 + offset);
    EXPECT_FALSE(s.pieces[n].whole) << n;
    offset += lengths[n];
  }
  s.pieces.clear();
  s.dma(nic, access_kind::zero_length_read, iova, 4);
  ASSERT_EQ(s.pieces.size(), 1U);
  EXPECT_FALSE(s.pieces[0].whole) << "none of its bytes is meant";
}

TEST(pipeline_edges, the_way_to_memory_rests_for_its_interval_even_if_it_is_free_at_once) {
  for (const bool told_within_the_call : {false, true}) {
    auto config = config_of(small_part());
    config.timing.memory_interval = 10;
    scene s(config);
    s.read(nic, iova);
    s.memory_is_busy = s.free_again_at_once = told_within_the_call;
    s.want(1, 0);
    s.want(2, 0);
    s.settle();
    EXPECT_EQ(s.left(2) - s.left(1), 10U);
  }
}

TEST(pipeline_edges, a_busy_memory_holds_the_next_piece_back_until_it_says_so) {
  scene s;
  s.read(nic, iova);
  s.memory_is_busy = true;
  s.want(1, 0);
  s.want(2, 0);
  s.settle();
  EXPECT_NE(s.left(1), 0U);
  EXPECT_EQ(s.left(2), 0U);
  s.run_to(s.wheel.now() + 500);
  const engine::cycle told = s.wheel.now();
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  EXPECT_EQ(s.left(2), told + 1);
}

TEST(pipeline_edges, a_slow_requester_holds_its_next_response_back_until_it_says_so) {
  scene s;
  s.read(nic, iova);
  s.responses.clear();
  s.requester_is_slow = true;
  s.want(1, 0);
  s.want(2, 0);
  s.settle();
  ASSERT_EQ(s.responses.size(), 1U);
  s.run_to(s.wheel.now() + 500);
  const engine::cycle told = s.wheel.now();
  EXPECT_TRUE(s.unit.response_taken(0, s.now_ps()));
  s.settle();
  ASSERT_EQ(s.responses.size(), 2U);
  EXPECT_EQ(s.responses[1].at, told + 1);
}

TEST(pipeline_edges, a_slow_requester_holds_back_no_other_port) {
  auto config = config_of(small_part());
  config.ports = 2;
  scene s(config);
  s.read(nic, iova);
  s.unit.response_taken(0, s.now_ps());
  s.responses.clear();
  s.requester_is_slow = true;
  s.want(1, 0, 0);
  s.settle();
  s.want(2, 0, 0);
  s.want(3, 0, 1);
  s.settle();
  ASSERT_EQ(s.responses.size(), 2U);
  EXPECT_EQ(s.responses[1].id, 3U);
}

TEST(pipeline_edges, a_drain_waits_for_what_came_before_it_and_for_nothing_later) {
  for (const bool at_once : {false, true}) {
    scene s;
    s.read(nic, iova);
    s.drain();
    s.settle();
    ASSERT_FALSE(s.draining());
    s.hold_answers = true;
    s.drain();
    // The removal is over in this very cycle, the drain has begun: now somebody comes.
    while (s.draining())
      s.run_to(s.wheel.now() + 1);
    dmar::pipeline::admission older;
    if (at_once) {
      older = s.unit.enter(false);
    } else {
      s.want(1, 1);
      s.settle();
      ASSERT_EQ(s.held.size(), 1U);
    }
    s.drain();
    s.run_to(s.wheel.now() + s.unit.config().timing.iotlb_invalidation_global + 200);
    EXPECT_TRUE(s.draining()) << "one is older";
    const auto newer = s.unit.enter(false);
    if (at_once) {
      s.unit.leave(older, s.now_ps());
    } else {
      s.unit.answered(s.held[0], true, s.now_ps());
    }
    s.settle();
    EXPECT_FALSE(s.draining()) << "the other one is newer";
    s.unit.leave(newer, s.now_ps());
  }
}

TEST(pipeline_edges, requests_at_once_leave_in_any_order) {
  scene s;
  for (const bool first_first : {false, true}) {
    const auto one = s.unit.enter(false);
    const auto other = s.unit.enter(true);
    EXPECT_TRUE(s.unit.has_work_in_flight());
    s.drain();
    s.settle();
    EXPECT_TRUE(s.draining());
    s.unit.leave(first_first ? one : other, s.now_ps());
    s.settle();
    EXPECT_TRUE(s.draining()) << "the other is still inside";
    s.unit.leave({0x7fffffff}, s.now_ps());
    s.unit.leave(first_first ? other : one, s.now_ps());
    s.settle();
    EXPECT_FALSE(s.draining());
    EXPECT_FALSE(s.unit.has_work_in_flight());
  }
}

TEST(pipeline_edges, requests_join_any_walk_that_waits_and_all_of_them_end) {
  auto config = config_of(small_part());
  config.timing.walkers = 1;
  config.timing.requests = 12;
  config.ports = 4;
  scene s(config);
  s.memory.set_delay(300 * unit_world::period);
  s.want(1, 0, 0);
  // Three walks wait for the one walker, and each gets company, the last one first.
  s.want(2, 1, 1);
  s.want(3, 2, 2);
  s.want(4, 3, 3);
  s.want(14, 3, 0);
  s.want(13, 2, 1);
  s.want(12, 1, 2);
  s.want(24, 3, 3);
  EXPECT_EQ(s.unit.statistics().merged, 4U);
  // The second one's turn has come: somebody joins while it walks.
  while (s.unit.statistics().walks < 2)
    s.run_to(s.wheel.now() + 1);
  s.want(22, 1, 0);
  EXPECT_EQ(s.unit.statistics().merged, 5U);
  s.settle();
  EXPECT_EQ(s.unit.statistics().walks, 4U);
  EXPECT_EQ(s.responses.size(), 9U);
  for (const std::uint64_t id : {1U, 2U, 3U, 4U, 12U, 13U, 14U, 22U, 24U})
    EXPECT_EQ(unit_world::find(s.forwards, id).address, frame + (id % 10 - 1) * spec::page_size) << id;
  EXPECT_FALSE(s.unit.has_work_in_flight());
  // And again, with everything in the slots and walkers that was there before.
  s.unit.reset(true);
  s.enable();
  s.forwards.clear();
  s.want(5, 4, 0);
  s.want(6, 5, 1);
  s.want(16, 5, 2);
  s.settle();
  EXPECT_EQ(s.forwards.size(), 3U);
}

TEST(pipeline_edges, a_write_of_a_register_lets_time_catch_up_first) {
  scene s;
  s.read(nic, iova);
  const std::uint64_t done_before = s.responses.size();
  s.offer(1, nic, access_kind::read, iova);
  // Nobody drives the wheel; the access itself comes much later.
  s.unit.write_register(reg::fectl::offset, 4, 0, s.now_ps() + 500 * unit_world::period);
  EXPECT_EQ(s.responses.size(), done_before + 1) << "what was due before the write is done";
}

TEST(pipeline_edges, answers_are_taken_in_the_order_of_time_and_of_one_time_in_the_order_of_slots) {
  for (const bool later_slot_first : {false, true}) {
    for (const engine::cycle apart : {0U, 5U}) {
      scene s;
      s.read(nic, iova);
      s.hold_answers = true;
      s.want(1, 0);
      s.want(2, 0);
      s.settle();
      ASSERT_EQ(s.held.size(), 2U);
      ASSERT_LT(s.held[0], s.held[1]);
      s.responses.clear();
      const auto answer = [&](unsigned which, engine::cycle later) {
        s.unit.answered(s.held[which], true, s.now_ps() + later * unit_world::period);
      };
      const engine::cycle t = s.wheel.now();
      // Called in both orders; the first slot's data comes `apart` cycles after the other's.
      if (later_slot_first) answer(1, 10);
      answer(0, 10 + apart);
      if (!later_slot_first) answer(1, 10);
      s.settle();
      ASSERT_EQ(s.responses.size(), 2U);
      EXPECT_EQ(s.responses[0].id, apart == 0 ? 1U : 2U);
      EXPECT_EQ(s.responses[0].at, t + 11);
      EXPECT_EQ(s.responses[1].at, apart == 0 ? t + 12 : t + 11 + apart);
    }
  }
}

TEST(pipeline_edges, as_many_walkers_as_there_can_be_are_all_used_and_no_more) {
  auto config = config_of(small_part());
  config.timing.walkers = dmar::most_walkers;
  config.timing.requests = dmar::most_walkers + 6;
  scene s(config);
  s.hold_tables = true;
  for (std::uint64_t id = 0; id < config.timing.requests; ++id)
    s.want(1 + id, id);
  s.settle();
  EXPECT_EQ(s.unit.statistics().walks, dmar::most_walkers);
  EXPECT_EQ(s.held_tables.size(), dmar::most_walkers);
  s.hold_tables = false;
  for (const auto& [walker, words] : s.held_tables)
    s.unit.table_answered(walker, true, words, s.now_ps());
  s.settle();
  EXPECT_EQ(s.unit.statistics().walks, config.timing.requests);
  EXPECT_EQ(s.responses.size(), config.timing.requests);
}

TEST(pipeline_edges, a_drain_does_not_wait_for_the_first_request_admitted_after_it) {
  scene s;
  s.read(nic, iova);
  s.drain();
  s.settle();
  s.read(nic, iova);
  s.hold_answers = true;
  s.want(1, 0);
  s.settle();
  s.drain();
  // The removal is over, and only the request of before is still inside.
  s.run_to(s.wheel.now() + s.unit.config().timing.iotlb_invalidation_global + 100);
  ASSERT_TRUE(s.draining());
  s.want(2, 0);
  s.settle();
  ASSERT_EQ(s.held.size(), 2U);
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_FALSE(s.draining()) << "the other came later";
}

TEST(pipeline_edges, whoever_finds_the_way_to_memory_busy_it_stays_busy_until_it_is_told_free) {
  struct slow_memory : scene {
    bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
      scene::read_table(walker, address, bytes);
      return !memory_is_busy;
    }
  };
  slow_memory s;
  s.read(nic, iova);
  s.memory_is_busy = true;
  const std::size_t reads = s.table_reads.size();
  s.want(1, 1);
  s.settle();
  EXPECT_EQ(s.table_reads.size(), reads + 1);
  s.want(2, 0);
  s.settle();
  EXPECT_EQ(s.left(2), 0U);
  const engine::cycle told = s.wheel.now();
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  EXPECT_EQ(s.left(1) != 0 ? s.left(1) : s.left(2), told + 1);
}

} // namespace
} // namespace vtd::test
