// SPDX-License-Identifier: Apache-2.0
#pragma once

// DRAM types as data (models/drams/*.json): every time and size with source and confidence.

#include "vtd/host/dram_channel.h"
#include "vtd/models/known.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// One channel of a DRAM type. Times in nanoseconds; names as in `host::dram_timing`.
struct dram_preset {
  std::string name;
  std::string title;
  std::vector<std::string> notes;

  known<double> rcd, rp, cl, cwl, ras, rtp, wr, wtr, rrd, faw, burst, turnaround;
  known<double> refi; ///< 0: no refresh
  known<double> rfc, controller;
  known<unsigned> banks;
  known<unsigned> row;  ///< bytes
  known<unsigned> line; ///< bytes
  known<unsigned> bank_queue;
  known<unsigned> hit_limit;

  /// Each time rounded up to whole cycles of the wheel's clock; tREFI, a limit from above, rounded down.
  [[nodiscard]] host::dram_config config(engine::picoseconds clock_period, unsigned ports) const;
};

/// Loads by name or path. Throws board_error: file, JSON path, value, expectation.
[[nodiscard]] dram_preset load_dram_preset(std::string_view name_or_path,
                                           const std::vector<std::filesystem::path>& directories);
/// Reads one from JSON text; `file` names it in errors.
[[nodiscard]] dram_preset parse_dram_preset(std::string_view json, const std::string& file);

} // namespace vtd::models
