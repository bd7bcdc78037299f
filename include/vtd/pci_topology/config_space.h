// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace vtd::pci_topology {

/// The 4096 bytes of a function's configuration space: values, and which bits software can change.
/// Little-endian; accesses of 1, 2 or 4 bytes inside one dword. Everything that was never defined reads 0 and
/// ignores writes.
class config_space {
public:
  static constexpr unsigned size = 4096;
  static constexpr unsigned conventional_size = 256;

  /// Declares a register of 1, 2 or 4 bytes: its reset value, its writable bits, and those that a 1 clears.
  void define(unsigned offset, unsigned bytes, std::uint32_t reset, std::uint32_t writable = 0,
              std::uint32_t write_one_to_clear = 0);

  [[nodiscard]] std::uint32_t read(unsigned offset, unsigned bytes) const;
  void write(unsigned offset, unsigned bytes, std::uint32_t value);
  /// As hardware: changes what stands there, whatever software may do.
  void store(unsigned offset, unsigned bytes, std::uint32_t value);
  /// All registers back to their reset values.
  void reset() { value_ = reset_; }

private:
  std::array<std::uint8_t, size> value_{};
  std::array<std::uint8_t, size> reset_{};
  std::array<std::uint8_t, size> writable_{};
  std::array<std::uint8_t, size> clears_{};
};

} // namespace vtd::pci_topology
