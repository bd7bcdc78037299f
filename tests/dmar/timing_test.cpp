// SPDX-License-Identifier: Apache-2.0
// In which cycle what happens: docs/microarchitecture.md, section 3.

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using remap::access_kind;

class timing : public testing::Test {
protected:
  timing() : world(small_part()) {
    world.tables.attach(nic, 3);
    for (std::uint64_t page = 0; page < 64; ++page) {
      world.tables.map(nic, first_page + page * spec::page_size, first_frame + page * spec::page_size);
    }
    world.enable();
  }
  static constexpr std::uint64_t first_page = 0x40000000;
  static constexpr std::uint64_t first_frame = 0x7000000;
  unit_world world;
};

TEST_F(timing, a_hit_leaves_after_both_look_ups_and_not_a_cycle_earlier) {
  world.read(nic, first_page);
  const engine::cycle t = world.wheel.now();
  world.offer(1, nic, access_kind::read, first_page + 0x80);
  // Arrives at t, admitted at t + 1, look-ups take 1 + 2 cycles.
  world.run_to(t + 3);
  EXPECT_EQ(unit_world::find(world.admissions, 1).at, t + 1);
  EXPECT_EQ(unit_world::find(world.forwards, 1).at, 0U);
  world.run_to(t + 4);
  EXPECT_EQ(unit_world::find(world.forwards, 1).at, t + 4);
  EXPECT_EQ(unit_world::find(world.forwards, 1).address, first_frame + 0x80);
  // Memory answers 50 cycles later, exactly at an edge: seen at the next.
  world.run_to(t + 4 + 50);
  EXPECT_EQ(unit_world::find(world.responses, 1).at, 0U);
  world.run_to(t + 4 + 51);
  EXPECT_EQ(unit_world::find(world.responses, 1).at, t + 55);
}

TEST_F(timing, a_context_miss_reads_root_context_and_three_levels_one_after_the_other) {
  const engine::cycle t = world.wheel.now();
  world.offer(1, nic, access_kind::read, first_page);
  world.settle();
  ASSERT_EQ(world.table_reads.size(), 5U);
  // The miss is known at t + 4 and the walk begins in the same cycle. Every read takes 20 cycles and is seen
  // one later; between context and paging entries the structure look-up takes one.
  EXPECT_EQ(world.table_reads[0].at, t + 4);
  EXPECT_EQ(world.table_reads[1].at, t + 4 + 21);
  EXPECT_EQ(world.table_reads[2].at, t + 4 + 42 + 1);
  EXPECT_EQ(world.table_reads[3].at, t + 4 + 63 + 1);
  EXPECT_EQ(world.table_reads[4].at, t + 4 + 84 + 1);
  EXPECT_EQ(unit_world::find(world.forwards, 1).at, t + 4 + 105 + 1);
  EXPECT_EQ(world.table_reads[0].address, world.tables.root_entry_of(nic));
  EXPECT_EQ(world.table_reads[1].address, world.tables.context_entry_of(nic));
}

TEST_F(timing, a_miss_next_to_a_cached_page_reads_the_leaf_only) {
  world.read(nic, first_page);
  world.table_reads.clear();
  const engine::cycle t = world.wheel.now();
  world.offer(1, nic, access_kind::read, first_page + spec::page_size);
  world.settle();
  ASSERT_EQ(world.table_reads.size(), 1U);
  EXPECT_EQ(world.table_reads[0].at, t + 4 + 1);
  EXPECT_EQ(unit_world::find(world.forwards, 1).at, t + 4 + 1 + 21);
}

TEST_F(timing, with_translation_off_a_request_leaves_when_it_is_admitted) {
  world.write_register<spec::reg::gcmd>(0);
  world.settle();
  const engine::cycle t = world.wheel.now();
  world.offer(1, nic, access_kind::read, 0x12340);
  world.settle();
  EXPECT_EQ(unit_world::find(world.forwards, 1), (unit_world::event{t + 1, 1, 0x12340, {}}));
}

TEST_F(timing, one_request_is_admitted_per_cycle_and_port) {
  auto config = config_of(small_part());
  config.ports = 2;
  unit_world two(config);
  const engine::cycle t = two.wheel.now();
  EXPECT_TRUE(two.offer(1, nic, access_kind::read, 0x1000, 64, 0));
  EXPECT_FALSE(two.offer(9, nic, access_kind::read, 0x1000, 64, 0)) << "the port holds one request";
  EXPECT_TRUE(two.offer(2, disk, access_kind::read, 0x2000, 64, 1));
  two.settle();
  EXPECT_EQ(unit_world::find(two.admissions, 1).at, t + 1);
  EXPECT_EQ(unit_world::find(two.admissions, 2).at, t + 2);
}

TEST_F(timing, the_loosely_timed_path_annotates_what_an_idle_unit_needs) {
  for (const std::uint64_t address : {first_page, first_page, first_page + spec::page_size}) {
    unit_world other(small_part());
    // The same tables at the same place, so that only the way differs.
    other.tables.attach(nic, 3);
    for (std::uint64_t page = 0; page < 64; ++page) {
      other.tables.map(nic, first_page + page * spec::page_size, first_frame + page * spec::page_size);
    }
    other.enable();
    if (world.unit.translator().caches().contexts().occupancy() != 0) other.read(nic, first_page);

    const engine::picoseconds begin = other.now_ps();
    dmar::request piece;
    piece.access = {nic, access_kind::read, remap::address_type::untranslated, address};
    piece.length = 64;
    const auto way = other.unit.pass(piece, other.memory, begin);
    const engine::cycle t = world.wheel.now();
    world.forwards.clear();
    world.offer(1, nic, access_kind::read, address);
    world.settle();
    EXPECT_EQ(way.leaves - begin, (unit_world::find(world.forwards, 1).at - t) * unit_world::period);
    EXPECT_EQ(way.address, unit_world::find(world.forwards, 1).address);
  }
}

TEST_F(timing, a_global_command_shows_its_effect_after_its_latency) {
  namespace reg = spec::reg;
  const engine::cycle t = world.wheel.now();
  world.write_register<reg::gcmd>(0);
  // Seen at t + 1, eight cycles.
  world.run_to(t + 8);
  EXPECT_EQ(reg::gsts::tes::get(world.read_register<reg::gsts>()), 1U);
  world.run_to(t + 9);
  EXPECT_EQ(reg::gsts::tes::get(world.read_register<reg::gsts>()), 0U);
}

TEST_F(timing, an_invalidation_is_done_after_its_latency_and_the_write_buffer) {
  namespace reg = spec::reg;
  const engine::cycle t = world.wheel.now();
  world.invalidate_iotlb_domain(3);
  // Seen at t + 1; 32 cycles, and 10 before that for the write buffer, as CAP.RWBF asks for.
  world.run_to(t + 42);
  EXPECT_EQ(reg::iotlb::ivt::get(world.read_register<reg::iotlb>()), 1U);
  world.run_to(t + 43);
  const auto done = world.read_register<reg::iotlb>();
  EXPECT_EQ(reg::iotlb::ivt::get(done), 0U);
  EXPECT_EQ(reg::iotlb::iaig::get(done), 2U);
}

} // namespace
} // namespace vtd::test
