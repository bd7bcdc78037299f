// SPDX-License-Identifier: Apache-2.0
// The example of docs/pci_topology.md, compiled and run.

#include "vtd/pci_topology/config_access.h"
#include "vtd/pci_topology/registers.h"
#include "vtd/pci_topology/topology.h"

#include <gtest/gtest.h>

namespace vtd::pci_topology {
namespace {

TEST(page_example, of_a_topology_has_a_card_behind_the_conventional_bridge) {
  using spec::source_id;
  function_description card; // 05:03.0
  card.device = 3;
  card.vendor_id = 0x11c1;
  card.device_id = 0x5811;
  card.bars.resize(1);
  card.bars[0].size = 4096;
  function_description bridge; // 00:1e.0
  bridge.device = 0x1e;
  bridge.kind = function_kind::pci_bridge;
  bridge.class_code = 0x060401;
  bridge.buses = bus_range{5, 5};
  bridge.children = {card};
  topology_description machine;
  machine.memory_window_base = 0xd0000000;
  machine.memory_window_limit = 0xdfffffff;
  machine.functions = {bridge};
  topology tree(machine);
  tree.set_up_as_firmware(); // bus numbers, BARs, windows, decoding

  function* const there = tree.find(source_id::from_bdf(5, 3, 0));
  const source_id seen = topology::requester_id(*there); // 00:1e.0, the bridge's
  const auto group = tree.isolation_group(*there);       // the card and its bridge
  memory_mechanism ecam(tree, 0xf0000000, 255);
  const auto id = ecam.read(0xf0000000 + (0x0518U << 12), 4);   // vendor and device
  const auto owner = tree.claim(*there->bar_address(0) + 0x10); // who answers there, and at which offset

  EXPECT_EQ(seen, source_id::from_bdf(0, 0x1e, 0));
  EXPECT_EQ(group.size(), 2U);
  EXPECT_EQ(id, 0x581111c1U);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->owner, there);
  EXPECT_EQ(owner->offset, 0x10U);
}

} // namespace
} // namespace vtd::pci_topology
