// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtdsim {

struct session;

/// What the main job is to do.
struct run_options {
  std::string board = "dq35jo";
  /// A DMAR dump that replaces the board's table; empty: none.
  std::string acpi_file;
  /// Empty: the board's own.
  std::string preset;
  /// Parameters of the preset to change.
  std::vector<std::pair<std::string, std::string>> settings;
  std::uint64_t seed = 1;
  std::filesystem::path data_directory;
  /// Steps the driver shall forget, by name (see `vtd::driver::omissions`).
  std::vector<std::string> forget;
  /// The largest window of the sweep in pages.
  std::uint64_t largest_window = 16384;
  /// False: no traffic and no sweep, only bring-up and assignment.
  bool measure = true;
  /// File for a trace of what the units do (Chrome's JSON format).
  std::optional<std::filesystem::path> trace;
  /// Called at the end, while the machine still stands.
  std::function<void(session&)> inspect;
};

/// One line of progress or log.
using line_sink = std::function<void(const std::string&)>;

/// Powers the board on, lets the driver take it, assigns a device to a guest, moves data, provokes a fault
/// and measures what a miss costs. Throws an exception with a one-line message for input that cannot be used.
/// May be called once per process.
[[nodiscard]] run_result run(const run_options& options, const line_sink& say);

} // namespace vtdsim
