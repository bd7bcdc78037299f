// SPDX-License-Identifier: Apache-2.0
// The two ways to configuration space.

#include "vtd/pci_topology/config_access.h"

#include "support/pci_machine.h"
#include "vtd/pci_topology/registers.h"

#include <gtest/gtest.h>

namespace vtd::pci_topology {
namespace {

using test::bdf;
using scene = test::pci_machine;

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

TEST(port_mechanism, answers_at_its_eight_ports_only) {
  EXPECT_FALSE(port_mechanism::claims(0xcf7));
  EXPECT_TRUE(port_mechanism::claims(0xcf8));
  EXPECT_TRUE(port_mechanism::claims(0xcff));
  EXPECT_FALSE(port_mechanism::claims(0xd00));
}

TEST(port_mechanism, the_latch_takes_dwords_only_and_keeps_the_bits_it_has) {
  scene s;
  port_mechanism ports(s);
  ports.write(port_mechanism::address_port, 4, ~0U);
  EXPECT_EQ(ports.read(port_mechanism::address_port, 4), 0x80fffffcU);
  ports.write(port_mechanism::address_port, 1, 0);
  ports.write(port_mechanism::address_port, 2, 0);
  EXPECT_EQ(ports.read(port_mechanism::address_port, 4), 0x80fffffcU);
  EXPECT_EQ(ports.read(port_mechanism::address_port, 2), 0xffffU);
}

TEST(port_mechanism, writes_what_the_latch_selects_and_nothing_while_it_is_off) {
  scene s;
  port_mechanism ports(s);
  const std::uint32_t at = std::uint32_t{bdf(1, 0, 0).value()} << 8 | reg::cache_line_size;
  ports.write(port_mechanism::address_port, 4, at);
  ports.write(port_mechanism::data_port, 1, 0x10);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::cache_line_size, 1), 0U);
  ports.write(port_mechanism::address_port, 4, at | 0x80000000U);
  ports.write(port_mechanism::data_port, 1, 0x10);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::cache_line_size, 1), 0x10U);
  ports.write(port_mechanism::data_port + 3, 2, 0x1111);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::cache_line_size, 4) >> 24, 0U) << "crosses the dword";
}

TEST(memory_mechanism, reaches_extended_registers_that_the_ports_cannot) {
  topology_description d = test::machine();
  d.functions[0].children[0].capabilities.push_back(
      {.kind = capability_kind::advanced_error_reporting, .offset = 0x100});
  topology s(d);
  s.set_up_as_firmware();
  memory_mechanism ecam(s, 0xe0000000, 255);
  EXPECT_EQ(ecam.read(0xe0000000 + (std::uint64_t{bdf(1, 0, 0).value()} << 12) + 0x100, 4), 0x00010001U);
}

TEST(memory_mechanism, ends_with_its_last_bus_and_drops_what_crosses_a_dword) {
  scene s;
  memory_mechanism ecam(s, 0xe0000000, 1);
  EXPECT_TRUE(ecam.claims(0xe01fffff));
  EXPECT_FALSE(ecam.claims(0xe0200000));
  const std::uint64_t nic = 0xe0000000 + (std::uint64_t{bdf(1, 0, 0).value()} << 12);
  ecam.write(nic + reg::cache_line_size + 3, 2, 0xffff);
  ecam.write(nic + reg::cache_line_size, 3, 0xffffff);
  EXPECT_EQ(ecam.read(nic + reg::cache_line_size, 1), 0U);
  EXPECT_EQ(ecam.read(0xe0200000, 4), 0xffffffffU) << "not claimed";
}

TEST(memory_mechanism, claims_nothing_where_there_is_none) {
  scene s;
  EXPECT_FALSE(memory_mechanism(s, 0, 255).claims(0));
}

} // namespace
} // namespace vtd::pci_topology
