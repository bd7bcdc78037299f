// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/config_access.h"

namespace vtd::pci_topology {

namespace {
constexpr std::uint32_t latch_enable = 1U << 31;
constexpr std::uint32_t latch_implemented = 0x80fffffc;

bool is_inside_a_dword(std::uint64_t offset, unsigned bytes) {
  return (bytes == 1 || bytes == 2 || bytes == 4) && offset % 4 + bytes <= 4;
}
std::uint32_t all_ones(unsigned bytes) { return static_cast<std::uint32_t>(spec::low_bits(8 * bytes)); }
} // namespace

bool port_mechanism::selects(std::uint16_t port, unsigned bytes) const {
  return port >= data_port && is_inside_a_dword(port, bytes) && (latch_ & latch_enable) != 0;
}

std::uint32_t port_mechanism::read(std::uint16_t port, unsigned bytes) const {
  if (port == address_port && bytes == 4) return latch_;
  if (!selects(port, bytes)) return all_ones(bytes);
  return tree_.read(selected(), (latch_ & 0xfc) + (port & 3U), bytes);
}

void port_mechanism::write(std::uint16_t port, unsigned bytes, std::uint32_t value) {
  if (port == address_port && bytes == 4) {
    latch_ = value & latch_implemented;
  } else if (selects(port, bytes)) {
    tree_.write(selected(), (latch_ & 0xfc) + (port & 3U), bytes, value);
  }
}

std::uint32_t memory_mechanism::read(std::uint64_t address, unsigned bytes) const {
  if (!claims(address) || !is_inside_a_dword(address, bytes)) return all_ones(bytes);
  const std::uint64_t at = address - base_;
  return tree_.read(spec::source_id{static_cast<std::uint16_t>(at >> 12)}, static_cast<unsigned>(at & 0xfff),
                    bytes);
}

void memory_mechanism::write(std::uint64_t address, unsigned bytes, std::uint32_t value) {
  if (!claims(address) || !is_inside_a_dword(address, bytes)) return;
  const std::uint64_t at = address - base_;
  tree_.write(spec::source_id{static_cast<std::uint16_t>(at >> 12)}, static_cast<unsigned>(at & 0xfff), bytes,
              value);
}

} // namespace vtd::pci_topology
