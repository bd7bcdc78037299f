// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/register_file.h"

#include <cstdint>

namespace vtd::dmar {

/// Protected memory regions (VT-d 10.4.16 to 10.4.20): host physical ranges that DMA may not touch while
/// PMEN.EPM is on. The registers are read once, when protection is switched; software may not change them
/// while it is on.
class protected_memory {
public:
  explicit protected_memory(const register_file& registers) : registers_(registers) {}

  /// Takes the regions as the registers hold them now, or none.
  void latch(bool enabled);
  [[nodiscard]] bool active() const { return active_; }

  /// Does any byte of [address, address + length) lie in a region?
  [[nodiscard]] bool touches(std::uint64_t address, std::uint64_t length) const {
    return active_ && (low_.touches(address, length) || high_.touches(address, length));
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(active_, low_.base, low_.limit, high_.base, high_.limit);
  }

private:
  struct region {
    // Inclusive; empty while base > limit.
    std::uint64_t base = 1;
    std::uint64_t limit = 0;
    [[nodiscard]] bool touches(std::uint64_t address, std::uint64_t length) const {
      return base <= limit && address <= limit && address + (length == 0 ? 0 : length - 1) >= base;
    }
  };

  const register_file& registers_;
  region low_{};
  region high_{};
  bool active_ = false;
};

} // namespace vtd::dmar
