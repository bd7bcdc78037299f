// SPDX-License-Identifier: Apache-2.0
// Snapshots of a unit in a SystemC platform.

#include "support/platform_world.h"
#include "support/tlm_probe.h"
#include "vtd/dmar/snapshot.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t pages = 12;
constexpr std::uint64_t unmapped = 30;
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;
constexpr spec::source_id stranger = spec::source_id::from_bdf(5, 0, 0);

enum class timing { loose, cycle_by_cycle };

/// Two devices with pages of their own, the third of which may only be read, and an IOTLB that holds a few.
struct scene : platform_world {
  explicit scene(const sc_core::sc_module_name& name) : platform_world(config(), name) {
    for (const spec::source_id who : {nic, disk}) {
      tables.attach(who, who == nic ? 3 : 4);
      for (std::uint64_t n = 0; n < pages; ++n) {
        tables.map(who, iova + n * spec::page_size, frame + (2 * n + (who == nic ? 1 : 0)) * spec::page_size,
                   n == 2 ? read_only : read_write);
      }
    }
  }
  static dmar::unit_config config() {
    auto out = config_of(wide_part());
    out.caches.iotlb = {4, 0, remap::replacement::lru, 1};
    out.caches.context = {1, 0, remap::replacement::lru, 1};
    return out;
  }

  struct request {
    spec::source_id who{};
    tlm::tlm_command command = read;
    std::uint64_t page = 0;
    std::uint64_t offset = 0;
    std::size_t length = 64;
  };
  outcome send(timing how, const request& what) {
    unit.set_default_source(0, what.who);
    const std::uint64_t address = iova + what.page * spec::page_size + what.offset;
    const bytes data = what.command == write ? pattern(what.length) : bytes(what.length);
    return how == timing::loose ? loosely(what.command, address, data)
                                : accurately(what.command, address, data);
  }
  void pass_time() { wait(sc_core::sc_time(1, sc_core::SC_US)); }
};

constexpr scene::request before[] = {{nic, write, 0},  {nic, read, 1},        {disk, read, 0},
                                     {disk, write, 2}, {nic, read, 4},        {disk, write, 1},
                                     {nic, read, 5},   {nic, read, unmapped}, {stranger, read, 0},
                                     {disk, write, 3}, {nic, write, 6},       {disk, read, 7}};
constexpr scene::request after[] = {{disk, read, 7},
                                    {disk, write, 3},
                                    {nic, read, 0},
                                    {nic, read, 6},
                                    {nic, read, 0},
                                    {nic, write, 2},
                                    {nic, read, 2},
                                    {stranger, read, 1},
                                    {stranger, write, 1},
                                    {disk, read, 1},
                                    {nic, write, 6},
                                    {nic, read, 6},
                                    {nic, read, 5, 0xfe0},
                                    {nic, write, 8, 0xff0},
                                    {disk, read, unmapped},
                                    {disk, write, unmapped},
                                    {disk, read, 10},
                                    {disk, read, 10, 0x800, 4},
                                    {disk, write, 9, 0x40, 8},
                                    {nic, read, 11, 0xfc0, 64},
                                    {nic, read, 11, 0xfc0, 128},
                                    {disk, read, 0},
                                    {nic, read, 8, 0xff0},
                                    {nic, read, 1},
                                    {nic, read, 4}};

void goes_on(timing how) {
  scene first("first");
  scene second("second");
  scene cold("cold");
  first.run([&] {
    first.enable();
    second.write_tables();
    cold.enable();
    for (const scene::request& each : before) {
      for (scene* world : {&first, &cold})
        world->send(how, each);
    }
    // What stands in memory is no part of a snapshot.
    for (std::uint64_t n = 0; n < 2 * pages; ++n) {
      std::array<std::byte, spec::page_size> page;
      first.path.debug_read(frame + n * spec::page_size, page);
      page[0] = static_cast<std::byte>(n + 1);
      for (scene* world : {&first, &second, &cold})
        world->path.debug_write(frame + n * spec::page_size, page);
    }
    cold.unit.hardware().reset(true);
    cold.enable();
    first.unit.drain();
    second.unit.restore(first.unit.save());
    for (scene* world : {&first, &second, &cold})
      world->faults.clear();

    std::set<engine::picoseconds> latencies;
    std::set<tlm::tlm_response_status> ends;
    bool cold_is_slower = false;
    for (const scene::request& each : after) {
      const auto there = first.send(how, each);
      const auto here = second.send(how, each);
      const auto number = &each - after;
      EXPECT_EQ(here.status, there.status) << number;
      EXPECT_EQ(here.latency, there.latency) << number;
      if (each.command == read) {
        EXPECT_EQ(here.data, there.data) << number;
      }
      latencies.insert(there.latency);
      ends.insert(there.status);
      cold_is_slower |= cold.send(how, each).latency > there.latency;
    }
    EXPECT_GE(latencies.size(), 4U) << "hits, and misses of several depths";
    EXPECT_EQ(ends.size(), 2U) << "passed and blocked";
    EXPECT_TRUE(cold_is_slower) << "one that remembers nothing";

    first.pass_time();
    ASSERT_EQ(first.faults.size(), second.faults.size());
    EXPECT_FALSE(first.faults.empty());
    for (std::size_t n = 0; n < first.faults.size(); ++n) {
      EXPECT_EQ(first.faults[n].condition, second.faults[n].condition) << n;
      EXPECT_EQ(first.faults[n].access.source, second.faults[n].access.source) << n;
      EXPECT_EQ(first.faults[n].access.address, second.faults[n].access.address) << n;
      EXPECT_EQ(first.faults[n].recorded, second.faults[n].recorded) << n;
    }
    const auto there = first.unit.hardware().statistics();
    const auto here = second.unit.hardware().statistics();
    EXPECT_EQ(here.requests, there.requests);
    EXPECT_EQ(here.iotlb_hits, there.iotlb_hits);
    EXPECT_EQ(here.walk_reads, there.walk_reads);
    first.unit.drain();
    second.unit.drain();
    EXPECT_EQ(first.unit.save(), second.unit.save()) << "and they are one again";
  });
}

TEST(platform_snapshot, a_second_unit_goes_on_cycle_by_cycle_where_the_first_one_was) {
  goes_on(timing::cycle_by_cycle);
}

TEST(platform_snapshot, a_second_unit_goes_on_loosely_timed_where_the_first_one_was) {
  goes_on(timing::loose);
}

TEST(platform_snapshot, waits_for_what_is_under_way) {
  scene world("world");
  world.run([&] {
    world.enable();
    world.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
    EXPECT_THROW((void)world.unit.save(), dmar::snapshot_error);
    world.unit.drain();
    EXPECT_FALSE(world.unit.save().empty());
  });
}

} // namespace
} // namespace vtd::test
