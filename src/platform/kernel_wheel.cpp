// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/kernel_wheel.h"

namespace vtd::platform {

kernel_wheel::kernel_wheel(const sc_core::sc_module_name& name, engine::clock clock)
    : sc_module(name), wheel_(clock), wake_("wake") {
  if (sc_core::sc_get_time_resolution() != sc_core::sc_time(1, sc_core::SC_PS)) {
    SC_REPORT_ERROR("/vtd/kernel_wheel", (std::string(this->name()) + ": time resolution is " +
                                          sc_core::sc_get_time_resolution().to_string() + ", expected 1 ps")
                                             .c_str());
  }
  wheel_.set_driver(this);
  SC_HAS_PROCESS(kernel_wheel);
  SC_METHOD(run);
  sensitive << wake_;
  dont_initialize();
}

[[gnu::always_inline]] inline void kernel_wheel::wake_up(engine::cycle at, engine::picoseconds now) {
  const engine::picoseconds due = timebase().time_of(at);
  // Earlier than what was notified before: the kernel replaces it.
  wake_.notify(ahead_.of(due > now ? due - now : 0));
}

void kernel_wheel::next_moved_to(engine::cycle at) { wake_up(at, now_ps()); }

void kernel_wheel::run() {
  ++wake_ups_;
  const engine::picoseconds now = now_ps();
  catch_up(now);
  if (const engine::cycle next = wheel_.next(); next != engine::never) wake_up(next, now);
}

} // namespace vtd::platform
