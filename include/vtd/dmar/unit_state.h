// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/protected_memory.h"
#include "vtd/engine/clock.h"
#include "vtd/remap/access.h"

#include <cstdint>

namespace vtd::dmar {

/// What the way of a request needs to know of the registers. `commands` sets it when an order takes effect,
/// `pipeline` reads it.
struct unit_state {
  explicit unit_state(const protected_memory& memory, bool protect_translated)
      : protection(memory), checks_translated(protect_translated) {}

  /// GSTS.TES as seen by requests that are admitted now (VT-d 10.4.5).
  bool translation_enabled = false;
  /// The root table in use, latched by SRTP.
  std::uint64_t root_table = 0;
  /// TTM, latched with it (VT-d 10.4.6); 0: legacy mode.
  std::uint8_t table_mode = 0;
  const protected_memory& protection;
  /// `unit_config::checks_translated`.
  bool checks_translated;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(translation_enabled, root_table, table_mode);
  }

  /// Does a protected region forbid these host physical addresses? `translated`: they came out of page
  /// tables.
  [[nodiscard]] bool forbids(std::uint64_t address, std::uint64_t length, bool translated) const {
    return (checks_translated || !translated) && protection.touches(address, length);
  }
};

/// Who records a request that a fault condition blocks.
struct fault_sink {
  fault_sink() = default;
  fault_sink(const fault_sink&) = delete;
  fault_sink& operator=(const fault_sink&) = delete;
  virtual ~fault_sink() = default;
  /// Decided at `now`.
  virtual void on_fault(const remap::dma_access& access, const remap::translation& result,
                        engine::cycle now) = 0;
};

} // namespace vtd::dmar
