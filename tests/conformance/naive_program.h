// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a naive clock is told and what it tells.

#include "conformance/naive_caches.h"
#include "vtd/dmar/ports.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace vtd::test {

/// A request that comes to its port at `time`, or when its predecessor there was accepted.
struct naive_request {
  std::uint64_t id = 0;
  std::uint16_t source = 0;
  bool write = false;
  std::uint64_t address = 0;
  std::uint32_t length = 0;
  std::uint64_t time = 0;
  // A dword with all bytes enabled: in the interrupt range it is a message.
  bool is_dword = false;
};
/// A descriptor of the invalidation queue.
struct naive_descriptor {
  enum class what : std::uint8_t { removal, wait, device };
  what kind = what::removal;
  naive_order removes;
  // A wait.
  bool writes_status = false;
  bool interrupt = false;
  bool fence = false;
  std::uint32_t data = 0;
  // Device-TLB invalidation: MIP.
  std::uint16_t device = 0;
  unsigned max_pending = 1;
  // 2^this pages.
  unsigned address_mask = 0;
  // Of the status, or the page.
  std::uint64_t address = 0;
  // Its type is none, whatever it would be else.
  bool wrong = false;
};
/// What left the unit, and when; `number` is the request's id or the walker.
struct naive_moment {
  std::uint64_t at = 0;
  std::uint64_t number = 0;
  std::uint64_t address = 0;
  dmar::completion how = dmar::completion::done;
  friend bool operator==(const naive_moment&, const naive_moment&) = default;
};
/// Times of what is round the unit, in picoseconds; 0 of `hold` and `port_hold`: free at once.
struct naive_surroundings {
  std::uint64_t period = 1000;
  std::function<std::uint64_t(std::uint64_t address)> table_delay;
  std::function<std::uint64_t(std::uint64_t address)> data_delay;
  std::function<std::uint64_t(std::uint64_t address)> hold;
  std::function<std::uint64_t(std::uint64_t id)> port_hold;
  std::function<bool(std::uint64_t address)> data_fails;
  /// Reads of a descriptor, or writes of a status.
  std::function<bool(std::uint64_t address)> queue_fails;
  /// When a device's completions of the n-th request of all come; it should send one.
  std::function<std::vector<std::uint64_t>(std::size_t n)> completions;
  std::uint64_t write_buffer_drain = 0;
};
/// A write of GCMD that changes TE or EAFL, or orders SRTP (with RTADDR before), WBF or SFL; or one of PMEN.
struct naive_command {
  enum class what : std::uint8_t {
    translation,
    root_table,
    write_buffer,
    fault_log,
    fault_log_pointer,
    protection
  };
  what changes = what::translation;
  bool on = false;
  std::uint64_t root = 0;
  std::uint64_t time = 0;
};

} // namespace vtd::test
