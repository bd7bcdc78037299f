// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <filesystem>
#include <string>

namespace vtdsim {

/// The run as one self-contained HTML page: no scripts, no fonts, no network.
[[nodiscard]] std::string to_html(const run_result& result);

/// Makes the directory and opens both files, so that a place where nothing can be written is told before a
/// run. Throws as `write_report`.
void check_report(const std::filesystem::path& directory);

/// Writes index.html and run.json into a directory, made if need be. Throws std::runtime_error when that
/// fails.
void write_report(const std::filesystem::path& directory, const run_result& result);

} // namespace vtdsim
