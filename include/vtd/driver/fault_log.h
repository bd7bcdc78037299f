// SPDX-License-Identifier: Apache-2.0
#pragma once

// Software's side of advanced fault logging: a page of records in memory. VT-d 7.3.2

#include "vtd/driver/fault_records.h"
#include "vtd/driver/hardware.h"

#include <cstdint>

namespace vtd::driver {

/// The fault log of one unit. It does not switch logging on or off: `unit` does.
class fault_log {
public:
  /// Takes a page. `machine` must outlive this. Throws driver_error when there is none left.
  explicit fault_log(hardware& machine);
  ~fault_log();
  fault_log(const fault_log&) = delete;
  fault_log& operator=(const fault_log&) = delete;

  /// What AFLOG has to hold: one page.
  [[nodiscard]] std::uint64_t address() const { return base_; }
  /// Reads what hardware has written since, oldest first, gives the places back, and adds it to the batch.
  /// APF is cleared before, so that a record that comes meanwhile raises an event of its own; AFO after.
  void take(const register_block& registers, fault_batch& batch);

private:
  hardware& machine_;
  std::uint64_t base_;
  std::uint64_t next_ = 0;
};

} // namespace vtd::driver
