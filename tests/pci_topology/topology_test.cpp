// SPDX-License-Identifier: Apache-2.0
// Functions, buses, the source-id rule, resets, and the ways to configuration space.

#include "vtd/pci_topology/topology.h"

#include "vtd/pci_topology/config_access.h"
#include "vtd/pci_topology/registers.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtd::pci_topology {
namespace {

using spec::source_id;

constexpr source_id bdf(unsigned bus, unsigned device, unsigned function) {
  return source_id::from_bdf(bus, device, function);
}

function_description leaf(unsigned device, unsigned number = 0) {
  function_description f;
  f.device = static_cast<std::uint8_t>(device);
  f.function = static_cast<std::uint8_t>(number);
  f.vendor_id = 0x8086;
  f.device_id = static_cast<std::uint16_t>(0x1000 + device);
  f.class_code = 0x020000;
  f.bars = {{0, 0x10000, false, true, false, std::nullopt}};
  f.capabilities = {
      {.kind = capability_kind::power_management, .offset = 0x50, .version = 3},
      {.kind = capability_kind::msi, .offset = 0x60, .address_64 = true},
      {.kind = capability_kind::pci_express, .offset = 0x70, .version = 2, .function_level_reset = true}};
  return f;
}

function_description bridge(unsigned device, function_kind kind, unsigned secondary, unsigned subordinate,
                            std::vector<function_description> below) {
  function_description f;
  f.device = static_cast<std::uint8_t>(device);
  f.kind = kind;
  f.vendor_id = 0x8086;
  f.device_id = 0x2000;
  f.class_code = 0x060400;
  f.buses = bus_range{static_cast<std::uint8_t>(secondary), static_cast<std::uint8_t>(subordinate)};
  f.children = std::move(below);
  return f;
}

// 00:01.0 root port -> 01:00.0; 00:1e.0 conventional -> 05:03.0; 00:03.0 root port -> 03:00.0 to PCI ->
// 04:02.0.
topology_description machine() {
  topology_description out;
  out.ecam_base = 0xe0000000;
  out.memory_window_base = 0xd0000000;
  out.memory_window_limit = 0xdfffffff;
  out.functions = {bridge(1, function_kind::root_port, 1, 1, {leaf(0)}),
                   bridge(3, function_kind::root_port, 3, 4,
                          {bridge(0, function_kind::pcie_to_pci_bridge, 4, 4, {leaf(2)})}),
                   leaf(0x1b), bridge(0x1e, function_kind::pci_bridge, 5, 5, {leaf(3), leaf(4)})};
  return out;
}

struct scene : topology {
  scene() : topology(machine()) { set_up_as_firmware(); }
};

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

TEST(function, a_bar_tells_its_size_when_ones_are_written) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  nic->write(reg::bar0, 4, ~0U);
  nic->write(reg::bar0 + 4, 4, ~0U);
  EXPECT_EQ(nic->read(reg::bar0, 4), 0xffff0004U);
  EXPECT_EQ(nic->read(reg::bar0 + 4, 4), 0xffffffffU);
}

TEST(function, the_capability_chain_can_be_walked) {
  scene s;
  std::vector<std::uint32_t> ids;
  for (unsigned at = s.read(bdf(1, 0, 0), reg::capability_pointer, 1); at != 0;
       at = s.read(bdf(1, 0, 0), at + 1, 1)) {
    ids.push_back(s.read(bdf(1, 0, 0), at, 1));
    ASSERT_LT(ids.size(), 10U);
  }
  EXPECT_EQ(ids, (std::vector<std::uint32_t>{0x01, 0x05, 0x10}));
}

TEST(function, ids_and_class_cannot_be_written) {
  scene s;
  const std::uint32_t before = s.read(bdf(1, 0, 0), 0, 4);
  s.write(bdf(1, 0, 0), 0, 4, 0);
  s.write(bdf(1, 0, 0), reg::class_code, 1, 0x55);
  EXPECT_EQ(s.read(bdf(1, 0, 0), 0, 4), before);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::class_code, 1), 0U);
}

TEST(function, its_message_is_what_software_wrote_once_msi_is_on) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  const auto wanted = spec::msi_message::to_cpu(1, 0x44);
  nic->write(0x64, 4, static_cast<std::uint32_t>(wanted.address));
  nic->write(0x6c, 2, wanted.data);
  EXPECT_FALSE(nic->message());
  nic->write(0x62, 2, reg::msi_enable);
  EXPECT_EQ(nic->message(), wanted);
}

TEST(function, a_secondary_bus_reset_resets_what_is_below_and_nothing_else) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  function* const audio = s.find(bdf(0, 0x1b, 0));
  s.write(bdf(0, 1, 0), reg::bridge_control, 2, reg::bridge_secondary_reset);
  EXPECT_EQ(nic->resets(), 1U);
  EXPECT_FALSE(nic->memory_enabled());
  EXPECT_EQ(audio->resets(), 0U);
  s.write(bdf(0, 1, 0), reg::bridge_control, 2, reg::bridge_secondary_reset);
  EXPECT_EQ(nic->resets(), 1U) << "held, not pulsed again";
}

TEST(function, a_function_level_reset_resets_it_alone) {
  scene s;
  s.write(bdf(1, 0, 0), 0x70 + reg::express_device_control, 2, reg::express_initiate_reset);
  EXPECT_EQ(s.find(bdf(1, 0, 0))->resets(), 1U);
  EXPECT_FALSE(s.find(bdf(1, 0, 0))->bus_master());
  EXPECT_EQ(s.find(bdf(0, 1, 0))->resets(), 0U);
}

TEST(port_mechanism, reaches_a_register_through_the_latch_and_only_when_it_is_enabled) {
  scene s;
  port_mechanism ports(s);
  ports.write(port_mechanism::address_port, 4, 0x80000000U | std::uint32_t{bdf(1, 0, 0).value()} << 8);
  EXPECT_EQ(ports.read(port_mechanism::data_port, 2), 0x8086U);
  EXPECT_EQ(ports.read(port_mechanism::data_port + 2, 2), 0x1000U);
  EXPECT_EQ(ports.read(port_mechanism::data_port + 3, 2), 0xffffU) << "crosses the dword";
  ports.write(port_mechanism::address_port, 4, std::uint32_t{bdf(1, 0, 0).value()} << 8);
  EXPECT_EQ(ports.read(port_mechanism::data_port, 4), 0xffffffffU);
}

TEST(memory_mechanism, gives_every_function_four_kilobytes) {
  scene s;
  memory_mechanism ecam(s, 0xe0000000, 255);
  const std::uint64_t nic = 0xe0000000 + (std::uint64_t{bdf(1, 0, 0).value()} << 12);
  EXPECT_TRUE(ecam.claims(nic));
  EXPECT_FALSE(ecam.claims(0xdfffffff));
  EXPECT_FALSE(ecam.claims(0xf0000000));
  EXPECT_EQ(ecam.read(nic, 4), 0x10008086U);
  ecam.write(nic + reg::cache_line_size, 1, 0x10);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::cache_line_size, 1), 0x10U);
  EXPECT_EQ(ecam.read(nic + 3, 2), 0xffffU);
}

} // namespace
} // namespace vtd::pci_topology
