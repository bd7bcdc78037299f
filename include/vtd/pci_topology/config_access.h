// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/topology.h"

#include <cstdint>
#include <optional>

namespace vtd::pci_topology {

/// Configuration mechanism 1 (PCI 3.0, 3.2.2.3.2): an address latch at I/O port CF8h, the data at CFCh.
class port_mechanism {
public:
  static constexpr std::uint16_t address_port = 0xcf8;
  static constexpr std::uint16_t data_port = 0xcfc;

  explicit port_mechanism(topology& tree) : tree_(tree) {}

  /// Does it answer at this I/O port?
  [[nodiscard]] static bool claims(std::uint16_t port) {
    return port >= address_port && port < data_port + 4;
  }
  /// Accesses of 1, 2 or 4 bytes. The latch takes dword writes only; without its enable bit the data port
  /// reads all ones and writes nothing. What crosses a dword reads all ones.
  [[nodiscard]] std::uint32_t read(std::uint16_t port, unsigned bytes) const;
  void write(std::uint16_t port, unsigned bytes, std::uint32_t value);

private:
  [[nodiscard]] spec::source_id selected() const {
    return spec::source_id{static_cast<std::uint16_t>(latch_ >> 8)};
  }
  [[nodiscard]] bool selects(std::uint16_t port, unsigned bytes) const;

  topology& tree_;
  std::uint32_t latch_ = 0;
};

/// Memory-mapped configuration space (PCIe 2.0, 7.2.2): 4 KB for every function, 1 MB for every bus.
class memory_mechanism {
public:
  /// `base` 0: there is none, and nothing is claimed.
  memory_mechanism(topology& tree, std::uint64_t base, std::uint8_t last_bus)
      : tree_(tree), base_(base), last_bus_(last_bus) {}

  [[nodiscard]] bool claims(std::uint64_t address) const {
    return base_ != 0 && address >= base_ && address - base_ < (std::uint64_t{last_bus_} + 1) << 20;
  }
  /// Accesses of 1, 2 or 4 bytes inside one dword; any other reads all ones and writes nothing.
  [[nodiscard]] std::uint32_t read(std::uint64_t address, unsigned bytes) const;
  void write(std::uint64_t address, unsigned bytes, std::uint32_t value);

private:
  topology& tree_;
  std::uint64_t base_;
  std::uint8_t last_bus_;
};

} // namespace vtd::pci_topology
