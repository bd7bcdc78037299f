// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <string>

namespace vtdsim {

/// The run as JSON (schema "vtd.run/1"). Equal results give equal bytes.
[[nodiscard]] std::string to_json(const run_result& result);

} // namespace vtdsim
