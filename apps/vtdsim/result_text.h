// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <string>

namespace vtdsim {

/// The run for a terminal: units, faults, findings, the sweep, and the answer to what a miss costs.
[[nodiscard]] std::string to_text(const run_result& result);

} // namespace vtdsim
