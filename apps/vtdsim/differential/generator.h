// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/program.h"

#include <cstdint>

namespace vtdsim::differential {

/// Programs come in runs of so many of one variant.
inline constexpr std::uint64_t programs_per_variant = 50;

/// The variant of a program of a series.
[[nodiscard]] const variant& variant_of(std::uint64_t index);
/// Program `index` of the series with this seed: always the same one.
[[nodiscard]] program generate(std::uint64_t seed, std::uint64_t index);

} // namespace vtdsim::differential
