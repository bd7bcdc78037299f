// SPDX-License-Identifier: Apache-2.0
#pragma once

// Deliberate mistakes: steps that the driver leaves out when told so, to show what the hardware makes of it
// and that a checker catches it. Each one is a mistake that real drivers have made.

#include <cstdint>
#include <span>
#include <string_view>

namespace vtd::driver {

/// One flag per step; true means the driver forgets it, every time. All false: a correct driver.
struct omit {
  // Cache-line flushes where ECAP.C = 0.
  bool root_entry_flush = false;
  bool context_entry_flush = false;
  bool leaf_entry_flush = false;
  bool table_entry_flush = false;
  bool new_table_flush = false;
  // Write-buffer flush where CAP.RWBF = 1 or the chipset is known to need it.
  bool write_buffer_flush = false;
  // Invalidations.
  bool context_invalidation_at_start = false;
  bool iotlb_invalidation_at_start = false;
  bool context_invalidation_on_detach = false;
  bool iotlb_invalidation_on_detach = false;
  bool iotlb_invalidation_on_unmap = false;
  bool invalidation_on_map = false;
  bool invalidation_of_other_units = false;
  bool invalidation_of_tables = false;
  bool invalidation_alignment = false;
  bool invalidation_before_free = false;
  bool drain = false;
  bool device_tlb_invalidation = false;
  // Entries and order of programming.
  bool present_cleared_first = false;
  bool aliases = false;
  bool reserved_regions = false;
  bool root_table_pointer = false;
  bool translation_off_first = false;
  bool command_mask = false;
  bool status_in_command = false;
  // Faults.
  bool fault_interrupt = false;
  bool fault_clear = false;
  bool overflow_clear = false;
};

/// When the driver comes to a step.
enum class occasion : std::uint8_t {
  /// Start, attach, map, or a fault.
  use,
  unmap,
  detach,
  /// An entry that is present is replaced: by `root_table::replace` only. The driver itself moves functions
  /// through "not present".
  replacement
};

/// One flag of `omit`, for people and command lines.
struct omission {
  std::string_view name; ///< the member's name with dashes: "context-entry-flush"
  std::string_view text; ///< what is left out and what follows, one line
  bool omit::*flag;      ///< the member
  occasion when = occasion::use;
};

/// All omissions, in the order of the struct.
[[nodiscard]] std::span<const omission> omissions();

/// The omission of that name ("-" and "_" are the same), or null.
[[nodiscard]] const omission* find_omission(std::string_view name);

} // namespace vtd::driver
