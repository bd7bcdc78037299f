// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace vtd::engine {

/// A number of clock cycles since time zero, or a span of them.
using cycle = std::uint64_t;
/// A time or span in picoseconds.
using picoseconds = std::uint64_t;

/// "No cycle": later than every cycle that can be reached.
inline constexpr cycle never = std::numeric_limits<cycle>::max();

/// The clock of a simulation: turns picoseconds into cycles by the two rules of docs/microarchitecture.md.
/// The period is an integer number of picoseconds, so that no rounding ever accumulates.
class clock {
public:
  /// `period_ps` must not be zero; throws std::invalid_argument.
  explicit clock(picoseconds period_ps) : period_ps_(period_ps) {
    if (period_ps == 0) throw std::invalid_argument("clock: period is 0 ps, expected at least 1 ps");
  }

  [[nodiscard]] picoseconds period_ps() const { return period_ps_; }
  /// The time of an edge.
  [[nodiscard]] picoseconds time_of(cycle edge) const { return edge * period_ps_; }
  /// An arrival at time `t` is first seen at the first edge strictly after `t`.
  [[nodiscard]] cycle first_edge_after(picoseconds t) const { return t / period_ps_ + 1; }
  /// The last edge at or before `t`: the state that somebody who looks at time `t` sees.
  [[nodiscard]] cycle last_edge_until(picoseconds t) const { return t / period_ps_; }
  /// A latency in picoseconds, rounded up to whole cycles.
  [[nodiscard]] cycle cycles_for(picoseconds span) const { return (span + period_ps_ - 1) / period_ps_; }

private:
  picoseconds period_ps_;
};

} // namespace vtd::engine
