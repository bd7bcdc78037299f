// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vtdsim::differential {

/// What `vtdsim differential` is asked to do.
struct options {
  std::string against = "qemu";
  /// QEMU's program: a name that is looked up in PATH, or a path.
  std::string qemu = "qemu-system-x86_64";
  std::uint64_t programs = 1000;
  std::uint64_t seed = 1;
  /// Programs of the series before this one are left out.
  std::uint64_t first = 0;
  /// Programs that run at the same time; 0: as many as there are processors.
  unsigned jobs = 0;
  /// A file with one program, instead of the series.
  std::string replay;
  /// Only write program `first` of the series.
  bool print = false;
  /// Only write the table of known deviations.
  bool deviations = false;
};

/// A finished run.
struct report {
  /// Exit status: 1 when there is an unexplained difference, or the run was stopped before its end.
  int status = 0;
  std::string json;
  std::string text;
};

/// The known deviations as a table in Markdown.
[[nodiscard]] std::string deviations_table();
/// Runs it. Throws std::exception with one line for arguments that cannot be used.
[[nodiscard]] report run(const options& what);

} // namespace vtdsim::differential
