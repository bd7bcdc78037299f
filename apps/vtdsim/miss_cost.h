// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"

#include <optional>

namespace vtdsim {

/// What the sweep says about the price of a miss. Hits are those of the smallest window in which any read
/// hit, misses those of the largest in which any missed; a window may have both, and need not.
struct miss_cost {
  std::optional<double> hit_ns;
  std::uint64_t hit_window = 0;
  std::optional<double> miss_ns;
  std::uint64_t miss_window = 0;
  /// Table reads of one miss, the mean in `miss_window`.
  double reads = 0;
  /// Translation off, in the smallest window.
  std::optional<double> off_ns;

  [[nodiscard]] bool known() const { return hit_ns && miss_ns; }
  /// What a miss takes more than a hit; only when `known`.
  [[nodiscard]] double difference() const { return *miss_ns - *hit_ns; }
};
[[nodiscard]] miss_cost miss_cost_of(const run_result& result);

/// Why there is no price, as a sentence; only when not `known`.
[[nodiscard]] std::string why_unknown(const run_result& result, const miss_cost& cost);

} // namespace vtdsim
