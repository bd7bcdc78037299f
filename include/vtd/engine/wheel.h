// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

#include <array>
#include <cstdint>

namespace vtd::engine {

class wheel;

/// Something with state that changes at clock edges. A component has one wake-up pending at most: the
/// earliest edge at which it has work. In `step(n)` it does all its work of cycle n, reading what was
/// committed up to cycle n-1, and asks for its next wake-up. What it sends to other components in `step(n)`
/// they see at n+1 or later, so the order of components within a cycle cannot matter; it is nevertheless
/// fixed (by construction).
class component {
public:
  explicit component(wheel& w);
  component(const component&) = delete;
  component& operator=(const component&) = delete;
  virtual ~component();

  /// Does the work of cycle `now`. May call `wake_at(n)` with n > now only.
  virtual void step(cycle now) = 0;

  /// The pending wake-up, or `never`.
  [[nodiscard]] cycle due() const { return due_; }

protected:
  /// Asks for a wake-up at `at`; an earlier pending one stays, a later one is replaced. In the past or
  /// present: the next edge.
  void wake_at(cycle at);
  [[nodiscard]] wheel& owning_wheel() const { return wheel_; }

private:
  friend class wheel;
  wheel& wheel_;
  component* previous_ = nullptr;
  component* next_ = nullptr;
  cycle due_ = never;
  std::uint32_t order_ = 0;
};

/// Who drives a wheel and wants to know of earlier wake-ups (in SystemC: the module with the one kernel
/// event).
class wheel_driver {
public:
  wheel_driver() = default;
  wheel_driver(const wheel_driver&) = delete;
  wheel_driver& operator=(const wheel_driver&) = delete;
  virtual ~wheel_driver() = default;
  /// The next cycle with work moved forward to `at`. Not called while cycles are being run.
  virtual void next_moved_to(cycle at) = 0;
};

/// The event wheel of one simulation: visits only cycles in which some component has work.
/// 4096 slots with a bitmap (none while only one component has work); a component due more than 4095 cycles
/// ahead waits in its slot for its lap.
class wheel {
public:
  explicit wheel(engine::clock c) : clock_(c) {}
  wheel(const wheel&) = delete;
  wheel& operator=(const wheel&) = delete;
  ~wheel() = default;

  [[nodiscard]] const engine::clock& timebase() const { return clock_; }
  /// The last cycle that was reached; all its work is done unless it is being run now.
  [[nodiscard]] cycle now() const { return now_; }
  /// The next cycle in which a component has work, or `never`.
  [[nodiscard]] cycle next() const { return next_; }
  /// True while components are being stepped.
  [[nodiscard]] bool running() const { return running_; }
  /// Runs all work up to and including cycle `until`, which then is `now()`. Nested calls return at once:
  /// a component that reaches back here from `step` looks at its own cycle anyway.
  void advance_to(cycle until) {
    if (until < next_ && !running_) [[likely]] {
      if (until > now_) now_ = until;
      return;
    }
    run_until(until);
  }
  /// Runs until no work is left or `limit` is reached; returns `now()`.
  cycle run(cycle limit = never - 1);
  void set_driver(wheel_driver* driver) { driver_ = driver; }

private:
  friend class component;
  static constexpr std::uint64_t slot_count = 4096;
  static constexpr std::uint64_t slot_mask = slot_count - 1;

  void wake(component& who, cycle at);
  void schedule(component& who);
  void link(component& who);
  void unlink(component& who);
  void take_out(component& who);
  void forget(component& who);
  void run_until(cycle until);
  void run_cycle(cycle at);
  void run_slot(cycle at);
  [[nodiscard]] cycle find_next(cycle after) const;
  [[nodiscard]] cycle earliest_in_slot(std::uint64_t slot) const;

  engine::clock clock_;
  cycle now_ = 0;
  cycle next_ = never;
  bool running_ = false;
  std::uint32_t components_ = 0;
  // Wake-ups in slots. While there is only one in all, it needs no slot.
  std::uint32_t linked_ = 0;
  component* only_ = nullptr;
  wheel_driver* driver_ = nullptr;
  std::array<component*, slot_count> slots_{};
  std::array<std::uint64_t, slot_count / 64> occupied_{};
};

inline component::component(wheel& w) : wheel_(w), order_(w.components_++) {}
inline component::~component() {
  if (due_ != never) wheel_.forget(*this);
}
inline void component::wake_at(cycle at) {
  if (at < due_) wheel_.wake(*this, at);
}

} // namespace vtd::engine
