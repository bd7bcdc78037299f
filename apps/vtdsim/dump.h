// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace vtdsim {

struct dump_options {
  std::string board = "dq35jo";
  /// "BB:DD.F": only its unit and its tables; empty: everything.
  std::string device;
  std::filesystem::path data_directory;
  /// As of `run_options`.
  std::vector<std::pair<std::string, std::string>> settings;
};

/// Registers, root, context and page tables, and caches after the driver's bring-up and assignment, as text.
/// Throws for input that cannot be used: a function that the machine does not have, for one.
[[nodiscard]] std::string dump_machine(const dump_options& options);

} // namespace vtdsim
