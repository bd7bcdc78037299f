// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/wheel.h"

#include <systemc>

namespace vtd::platform {

/// A time of the SystemC kernel in picoseconds. The kernel's resolution is 1 ps (its default), which
/// `kernel_wheel` checks once.
[[nodiscard]] inline engine::picoseconds to_ps(const sc_core::sc_time& time) { return time.value(); }
[[nodiscard]] inline sc_core::sc_time to_sc_time(engine::picoseconds span) {
  return sc_core::sc_time::from_value(span);
}
[[nodiscard]] inline engine::picoseconds now_ps() { return to_ps(sc_core::sc_time_stamp()); }

/// A span in the kernel's form, remembered: the same few spans come again and again, and the kernel's
/// conversion takes longer than the comparison.
class repeated_span {
public:
  [[nodiscard]] const sc_core::sc_time& of(engine::picoseconds span) {
    if (span != span_) [[unlikely]] {
      span_ = span;
      time_ = to_sc_time(span);
    }
    return time_;
  }

private:
  engine::picoseconds span_ = 0;
  sc_core::sc_time time_;
};

/// The one event wheel of a simulation and the one kernel event that drives it: however many modules share
/// it, the kernel wakes up once per distinct time.
class kernel_wheel final : public sc_core::sc_module, private engine::wheel_driver {
public:
  /// Reports an error (SystemC) when the kernel's time resolution is not 1 ps.
  kernel_wheel(const sc_core::sc_module_name& name, engine::clock clock);

  [[nodiscard]] engine::wheel& wheel() { return wheel_; }
  [[nodiscard]] const engine::clock& timebase() const { return wheel_.timebase(); }
  /// Does all work up to the last edge at or before the present time.
  void catch_up() { catch_up(now_ps()); }
  /// The same for who knows the present time.
  void catch_up(engine::picoseconds now) { wheel_.advance_to(timebase().last_edge_until(now)); }
  /// How often the kernel woke the wheel.
  [[nodiscard]] std::uint64_t wake_ups() const { return wake_ups_; }

private:
  void next_moved_to(engine::cycle at) override;
  void wake_up(engine::cycle at, engine::picoseconds now);
  void run();

  engine::wheel wheel_;
  repeated_span ahead_;
  sc_core::sc_event wake_;
  std::uint64_t wake_ups_ = 0;
};

} // namespace vtd::platform
