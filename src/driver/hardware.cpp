// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/hardware.h"

#include <algorithm>
#include <exception>

#include "vtd/driver/error.h"
#include "vtd/driver/text.h"

namespace vtd::driver {

hardware::hardware(const vtd_hardware_access& access) : access_(access) {
  if (!vtd_hardware_access_complete(&access_)) {
    throw driver_error("hardware access: a function pointer is null, expected all of them");
  }
}

bool hardware::load(std::uint64_t address, std::span<std::byte> to) {
  return to.empty() || access_.load_bytes(access_.context, address, to.data(), to.size()) == 0;
}

bool hardware::store(std::uint64_t address, std::span<const std::byte> from) {
  return from.empty() || access_.store_bytes(access_.context, address, from.data(), from.size()) == 0;
}

bool hardware::wait_until(const std::function<bool()>& done, std::uint64_t timeout_ns) {
  // Most hand-shakes take well under a microsecond; one that does not is not worth a poll per PAUSE.
  constexpr unsigned quick_turns = 1000;
  constexpr std::uint64_t first_pause_ns = 100;
  constexpr std::uint64_t longest_pause_ns = 1'000'000;
  const std::uint64_t start = now_ns();
  std::uint64_t pause = first_pause_ns;
  for (unsigned turn = 0;; ++turn) {
    if (done()) return true;
    if (now_ns() - start >= timeout_ns)
      return done(); // the last pause may have been longer than what was left
    if (turn < quick_turns) {
      relax();
    } else {
      delay_ns(std::min(pause, timeout_ns));
      pause = std::min(2 * pause, longest_pause_ns);
    }
  }
}

std::uint64_t hardware::allocate_pages(std::size_t count) {
  const std::uint64_t address = access_.allocate_pages(access_.context, count);
  if (address == 0)
    throw driver_error(printed("page allocation: no memory left for %zu pages of tables", count));
  return address;
}

interrupt_vector::interrupt_vector(hardware& machine, std::function<void()> handler)
    : machine_(machine), handler_(std::move(handler)) {
  const auto& access = machine_.access();
  if (access.register_interrupt(access.context, &interrupt_vector::called, this, &message_) != 0) {
    throw driver_error("interrupt registration: no vector left");
  }
}

interrupt_vector::~interrupt_vector() {
  const auto& access = machine_.access();
  access.unregister_interrupt(access.context, &message_);
}

void interrupt_vector::called(void* self) noexcept {
  auto* const vector = static_cast<interrupt_vector*>(self);
  try {
    vector->handler_();
  } catch (const std::exception& problem) {
    // A C caller cannot take an exception, and a handler has nobody else to tell.
    vector->machine_.access().log(vector->machine_.access().context, problem.what());
  }
}

} // namespace vtd::driver
