// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of the HTML report; each gives a piece of markup.

#include "vtdsim/run_result.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vtdsim::report {

/// Text with the characters that mean something to HTML replaced.
[[nodiscard]] std::string escaped(std::string_view text);

/// One line of a plot. Missing values leave a gap.
struct series {
  std::string name;
  /// CSS class that gives the colour: "s0" to "s3".
  std::string style;
  std::function<std::optional<double>(const sweep_point&)> value;
};

/// A line plot over the working set (logarithmic), lines labelled at their ends.
[[nodiscard]] std::string plot(const std::vector<sweep_point>& points, const std::string& title,
                               const std::string& unit, const std::vector<series>& lines);
/// Units and the functions that each serves.
[[nodiscard]] std::string topology(const run_result& result);
[[nodiscard]] std::string unit_tables(const run_result& result);
[[nodiscard]] std::string fault_log(const run_result& result);
[[nodiscard]] std::string findings(const run_result& result);
[[nodiscard]] std::string parameters(const run_result& result);
/// The style sheet.
[[nodiscard]] std::string_view style();

} // namespace vtdsim::report
