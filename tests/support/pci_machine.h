// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/topology.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

[[nodiscard]] constexpr spec::source_id bdf(unsigned bus, unsigned device, unsigned function) {
  return spec::source_id::from_bdf(bus, device, function);
}

[[nodiscard]] inline pci_topology::function_description leaf(unsigned device, unsigned number = 0) {
  pci_topology::function_description f;
  f.device = static_cast<std::uint8_t>(device);
  f.function = static_cast<std::uint8_t>(number);
  f.vendor_id = 0x8086;
  f.device_id = static_cast<std::uint16_t>(0x1000 + device);
  f.class_code = 0x020000;
  f.bars = {{0, 0x10000, false, true, false, std::nullopt}};
  f.capabilities = {{.kind = pci_topology::capability_kind::power_management, .offset = 0x50, .version = 3},
                    {.kind = pci_topology::capability_kind::msi, .offset = 0x60, .address_64 = true},
                    {.kind = pci_topology::capability_kind::pci_express,
                     .offset = 0x70,
                     .version = 2,
                     .function_level_reset = true}};
  return f;
}

[[nodiscard]] inline pci_topology::function_description
bridge(unsigned device, pci_topology::function_kind kind, unsigned secondary, unsigned subordinate,
       std::vector<pci_topology::function_description> below) {
  pci_topology::function_description f;
  f.device = static_cast<std::uint8_t>(device);
  f.kind = kind;
  f.vendor_id = 0x8086;
  f.device_id = 0x2000;
  f.class_code = 0x060400;
  f.buses =
      pci_topology::bus_range{static_cast<std::uint8_t>(secondary), static_cast<std::uint8_t>(subordinate)};
  f.children = std::move(below);
  return f;
}

/// 00:01.0 root port -> 01:00.0; 00:1e.0 conventional -> 05:03.0; 00:03.0 root port -> 03:00.0 to PCI ->
/// 04:02.0.
[[nodiscard]] inline pci_topology::topology_description machine() {
  pci_topology::topology_description out;
  out.ecam_base = 0xe0000000;
  out.memory_window_base = 0xd0000000;
  out.memory_window_limit = 0xdfffffff;
  out.functions = {bridge(1, pci_topology::function_kind::root_port, 1, 1, {leaf(0)}),
                   bridge(3, pci_topology::function_kind::root_port, 3, 4,
                          {bridge(0, pci_topology::function_kind::pcie_to_pci_bridge, 4, 4, {leaf(2)})}),
                   leaf(0x1b),
                   bridge(0x1e, pci_topology::function_kind::pci_bridge, 5, 5, {leaf(3), leaf(4)})};
  return out;
}

/// That machine after its firmware.
struct pci_machine : pci_topology::topology {
  pci_machine() : topology(machine()) { set_up_as_firmware(); }
};

} // namespace vtd::test
