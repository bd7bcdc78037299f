// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the driver throws. Every message is one line: the place, the value found, what was expected.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vtd::driver {

/// A request the driver refuses, or a machine it cannot run: unaligned range, unknown function, no page left.
class driver_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// The ACPI DMAR table (or the way to it) is broken.
class dmar_error : public driver_error {
public:
  using driver_error::driver_error;
};

/// The step of a remapping unit that went wrong.
enum class unit_step : std::uint8_t {
  probe,                   ///< VER, CAP or ECAP make no sense, or nothing answers
  translation_off,         ///< GSTS.TES did not fall
  interrupt_remapping_off, ///< GSTS.IRES did not fall
  queue_off,               ///< GSTS.QIES did not fall
  write_buffer_flush,      ///< GSTS.WBFS did not fall
  root_table_pointer,      ///< GSTS.RTPS did not rise
  queue_on,                ///< GSTS.QIES did not rise
  queued_invalidation,     ///< the status of a wait was not written, or the unit refused a descriptor
  context_invalidation,    ///< CCMD.ICC did not fall, or CAIG reports less than was asked
  iotlb_invalidation,      ///< IOTLB.IVT did not fall, or IAIG reports less than was asked
  fault_interrupt,         ///< no interrupt vector
  fault_log,               ///< GSTS.FLS or AFLS did not follow
  translation_on,          ///< GSTS.TES did not rise
  protected_memory_off,    ///< PMEN.PRS did not fall
};

/// The step's name as it appears in messages: "translation on".
[[nodiscard]] std::string_view step_name(unit_step step);

/// A remapping unit did not do what it was told, or cannot be used.
class unit_error : public driver_error {
public:
  unit_error(unit_step step, const std::string& message) : driver_error(message), step_(step) {}
  [[nodiscard]] unit_step step() const { return step_; }

private:
  unit_step step_;
};

} // namespace vtd::driver
