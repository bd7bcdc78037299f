// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/program.h"

#include <functional>

namespace vtdsim::differential {

/// The program without the steps that the difference does not need: `still_differs` says whether a shorter
/// one shows it, too. At most `most_runs` tries.
[[nodiscard]] program minimise(program what, const std::function<bool(const program&)>& still_differs,
                               unsigned most_runs = 600);

} // namespace vtdsim::differential
