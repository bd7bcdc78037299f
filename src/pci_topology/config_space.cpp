// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/config_space.h"

namespace vtd::pci_topology {

namespace {
std::uint8_t byte_of(std::uint32_t value, unsigned index) {
  return static_cast<std::uint8_t>(value >> (8 * index));
}
} // namespace

void config_space::define(unsigned offset, unsigned bytes, std::uint32_t reset, std::uint32_t writable,
                          std::uint32_t write_one_to_clear) {
  for (unsigned i = 0; i < bytes; ++i) {
    reset_[offset + i] = byte_of(reset, i);
    value_[offset + i] = byte_of(reset, i);
    writable_[offset + i] = byte_of(writable, i);
    clears_[offset + i] = byte_of(write_one_to_clear, i);
  }
}

std::uint32_t config_space::read(unsigned offset, unsigned bytes) const {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < bytes; ++i)
    value |= std::uint32_t{value_[offset + i]} << (8 * i);
  return value;
}

void config_space::write(unsigned offset, unsigned bytes, std::uint32_t value) {
  for (unsigned i = 0; i < bytes; ++i) {
    const std::uint8_t written = byte_of(value, i);
    const std::uint8_t mask = writable_[offset + i];
    std::uint8_t& at = value_[offset + i];
    at = static_cast<std::uint8_t>((at & ~mask) | (written & mask));
    at = static_cast<std::uint8_t>(at & ~(written & clears_[offset + i]));
  }
}

void config_space::store(unsigned offset, unsigned bytes, std::uint32_t value) {
  for (unsigned i = 0; i < bytes; ++i)
    value_[offset + i] = byte_of(value, i);
}

} // namespace vtd::pci_topology
