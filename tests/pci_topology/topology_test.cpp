// SPDX-License-Identifier: Apache-2.0
// Functions, buses, the source-id rule.

#include "vtd/pci_topology/topology.h"

#include "support/pci_machine.h"
#include "vtd/pci_topology/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace vtd::pci_topology {
namespace {

using spec::source_id;
using test::bdf;
using test::leaf;
using test::machine;
using scene = test::pci_machine;

TEST(topology, finds_functions_by_the_bus_numbers_that_bridges_hold) {
  scene s;
  ASSERT_NE(s.find(bdf(1, 0, 0)), nullptr);
  ASSERT_NE(s.find(bdf(4, 2, 0)), nullptr);
  s.write(bdf(0, 1, 0), reg::secondary_bus, 1, 7);
  s.write(bdf(0, 1, 0), reg::subordinate_bus, 1, 7);
  EXPECT_EQ(s.find(bdf(1, 0, 0)), nullptr);
  ASSERT_NE(s.find(bdf(7, 0, 0)), nullptr);
  EXPECT_EQ(s.find(bdf(7, 0, 0))->id(), bdf(7, 0, 0));
}

TEST(topology, nobody_there_reads_all_ones_and_drops_writes) {
  scene s;
  EXPECT_EQ(s.read(bdf(0, 9, 0), reg::vendor_id, 2), 0xffffU);
  EXPECT_EQ(s.read(bdf(200, 0, 0), 0, 4), 0xffffffffU);
  s.write(bdf(0, 9, 0), reg::command, 2, 7);
  EXPECT_EQ(s.read(bdf(0, 9, 0), reg::command, 2), 0xffffU);
}

TEST(topology, numbers_buses_depth_first_where_the_board_does_not_say) {
  topology_description d = machine();
  for (auto& f : d.functions) {
    f.buses.reset();
    for (auto& child : f.children)
      child.buses.reset();
  }
  topology s(d);
  s.set_up_as_firmware();
  EXPECT_NE(s.find(bdf(1, 0, 0)), nullptr);
  EXPECT_NE(s.find(bdf(3, 2, 0)), nullptr) << "bus 2 is behind 00:03.0, bus 3 behind the bridge on it";
  EXPECT_NE(s.find(bdf(4, 3, 0)), nullptr);
  EXPECT_EQ(s.find(bdf(0, 3, 0))->buses().subordinate, 3);
}

TEST(topology, a_request_below_a_root_port_carries_its_own_id) {
  scene s;
  EXPECT_EQ(topology::requester_id(*s.find(bdf(1, 0, 0))), bdf(1, 0, 0));
  EXPECT_EQ(topology::requester_id(*s.find(bdf(0, 0x1b, 0))), bdf(0, 0x1b, 0));
}

TEST(topology, a_request_behind_the_conventional_bridge_of_the_root_bus_carries_the_bridge_s_id) {
  scene s;
  EXPECT_EQ(topology::requester_id(*s.find(bdf(5, 3, 0))), bdf(0, 0x1e, 0));
  const auto ids = topology::aliases(*s.find(bdf(5, 3, 0)));
  EXPECT_EQ(ids, (std::vector<source_id>{bdf(0, 0x1e, 0), bdf(5, 3, 0)}));
}

TEST(topology, a_request_behind_a_pci_express_to_pci_bridge_carries_its_secondary_bus) {
  scene s;
  EXPECT_EQ(topology::requester_id(*s.find(bdf(4, 2, 0))), bdf(4, 0, 0));
  const auto ids = topology::aliases(*s.find(bdf(4, 2, 0)));
  EXPECT_NE(std::find(ids.begin(), ids.end(), bdf(3, 0, 0)), ids.end());
}

TEST(topology, functions_behind_one_conventional_bridge_are_one_group) {
  scene s;
  const auto group = s.isolation_group(*s.find(bdf(5, 3, 0)));
  EXPECT_NE(std::find(group.begin(), group.end(), s.find(bdf(5, 4, 0))), group.end());
  EXPECT_EQ(std::find(group.begin(), group.end(), s.find(bdf(1, 0, 0))), group.end());
  EXPECT_EQ(s.isolation_group(*s.find(bdf(0, 0x1b, 0))).size(), 1U);
}

TEST(topology, two_functions_at_one_place_are_refused) {
  topology_description d = machine();
  d.functions.push_back(leaf(0x1b));
  EXPECT_THROW(topology{d}, std::invalid_argument);
}

TEST(topology, an_address_belongs_to_the_bar_that_decodes_it_below_open_windows) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  const auto base = nic->bar_address(0);
  ASSERT_TRUE(base);
  const auto hit = s.claim(*base + 0x123);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->owner, nic);
  EXPECT_EQ(hit->offset, 0x123U);
  nic->write(reg::command, 2, 0);
  EXPECT_FALSE(s.claim(*base + 0x123)) << "memory decoding is off";
  nic->write(reg::command, 2, reg::command_memory);
  s.find(bdf(0, 1, 0))->write(reg::command, 2, 0);
  EXPECT_FALSE(s.claim(*base + 0x123)) << "the port above does not pass it";
}

TEST(topology, firmware_gives_every_bar_a_place_of_its_own_beside_those_that_have_one) {
  topology_description d = machine();
  // In the way of the first one: 64 KB that begin inside its place.
  d.functions[2].bars[0].address = d.memory_window_base + 0x8000;
  d.functions[2].bars[0].size = 0x8000;
  topology s(d);
  s.set_up_as_firmware();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  s.for_each([&](const function& who) {
    for (const bar_description& bar : who.description().bars) {
      const auto at = who.bar_address(bar.index);
      ASSERT_TRUE(at);
      EXPECT_EQ(*at % bar.size, 0U) << to_string(who.id());
      EXPECT_GE(*at, d.memory_window_base);
      ranges.emplace_back(*at, *at + bar.size);
    }
  });
  std::sort(ranges.begin(), ranges.end());
  ASSERT_EQ(ranges.size(), 5U);
  for (std::size_t i = 1; i < ranges.size(); ++i)
    EXPECT_LE(ranges[i - 1].second, ranges[i].first);
  EXPECT_EQ(ranges[0].first, d.memory_window_base + 0x8000) << "what has an address keeps it";
}

} // namespace
} // namespace vtd::pci_topology
