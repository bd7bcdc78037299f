// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <cstdint>
#include <string>

namespace vtdsim {

/// The run for a terminal: units, faults, findings, the sweep, and the answer to what a miss costs.
[[nodiscard]] std::string to_text(const run_result& result);
/// The size of a working set, as "4 KB" or "64 MB".
[[nodiscard]] std::string window_text(std::uint64_t bytes);

} // namespace vtdsim
