// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ends of the platform cases, and what the floors have in the unit's place.

#include "streams.h"

#include "vtd/engine/delay_line.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/payload_pool.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace vtd::bench {

inline constexpr engine::picoseconds period = 1000;
inline constexpr unsigned request_bytes = 64;
/// Pages of the working set that misses on every request.
inline constexpr std::uint64_t thrash = 4096;

/// How long a request that finds everything free stays in the unit, and in the hop of the floors.
inline constexpr engine::cycle context_lookup = 1;
inline constexpr engine::cycle iotlb_lookup = 2;

enum class stream_kind : std::uint8_t { same_page, working_set };

[[nodiscard]] inline std::uint64_t address_of(stream_kind kind, std::uint64_t i) {
  return kind == stream_kind::same_page ? same_page(i) : working_set(i, thrash);
}

/// Elaborates and lets every process come to its first wait, unless a case that ran before did.
inline void begin_simulation() {
  if (sc_core::sc_get_status() == sc_core::SC_ELABORATION) sc_core::sc_start(sc_core::SC_ZERO_TIME);
}

/// The first byte of the line at a device's address.
[[nodiscard]] inline unsigned char byte_at(std::uint64_t address) {
  return static_cast<unsigned char>((address >> 6) * 37 + (address >> 12) * 11 + 1);
}

/// Reads of 64 bytes by b_transport, one payload for all.
struct blocking_initiator : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<blocking_initiator> socket{"socket"};
  explicit blocking_initiator(const sc_core::sc_module_name& name);
  /// Returns what depends on all data and answers.
  std::uint64_t run(stream_kind kind, std::uint64_t first, std::uint64_t items);
  /// Of all requests, as annotated.
  [[nodiscard]] engine::picoseconds simulated() const { return simulated_; }

  tlm::tlm_generic_payload trans;
  /// Told when direct pointers to [first, last] end.
  std::function<void(std::uint64_t first, std::uint64_t last)> on_withdraw;

private:
  void withdraw(sc_dt::uint64 first, sc_dt::uint64 last) {
    if (on_withdraw) on_withdraw(first, last);
  }
  std::array<unsigned char, request_bytes> data_{};
  engine::picoseconds simulated_ = 0;
};

/// Reads of 64 bytes in four phases, 32 outstanding.
struct phased_initiator : sc_core::sc_module {
  static constexpr std::size_t outstanding = 32;
  tlm_utils::simple_initiator_socket<phased_initiator> socket{"socket"};
  explicit phased_initiator(const sc_core::sc_module_name& name);
  std::uint64_t run(stream_kind which, std::uint64_t first, std::uint64_t items);
  [[nodiscard]] engine::picoseconds simulated() const { return simulated_; }

private:
  struct request final : tlm::tlm_generic_payload {
    std::array<unsigned char, request_bytes> data{};
  };
  void issue();
  tlm::tlm_sync_enum backward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                              sc_core::sc_time& delay);

  sc_core::sc_event kick_{"kick"};
  platform::payload_pool<request> pool_;
  stream_kind kind_ = stream_kind::same_page;
  std::uint64_t next_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t goal_ = 0;
  std::uint64_t sum_ = 0;
  // The pool cannot tell: who answers may hold its reference a little longer.
  std::size_t in_flight_ = 0;
  engine::picoseconds simulated_ = 0;
  bool busy_ = false;
};

/// The floors' place of the unit: the same sockets, phases and latencies as a request that hits, and nothing
/// else. One kernel event, notified once per distinct time.
class plain_hop : public sc_core::sc_module {
public:
  tlm_utils::simple_target_socket<plain_hop> in{"in"};
  tlm_utils::simple_initiator_socket<plain_hop> out{"out"};
  explicit plain_hop(const sc_core::sc_module_name& name);
  [[nodiscard]] std::uint64_t wake_ups() const { return wake_ups_; }

private:
  // The first edge after the arrival, then the look-ups; the first edge after memory's answer.
  static constexpr engine::picoseconds accept_after = period;
  static constexpr engine::picoseconds forward_after = (1 + context_lookup + iotlb_lookup) * period;
  static constexpr engine::picoseconds respond_after = period;
  static constexpr engine::picoseconds never = ~engine::picoseconds{0};
  struct item {
    engine::picoseconds due = 0;
    tlm::tlm_generic_payload* trans = nullptr;
  };
  using queue = engine::ring<item>;

  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void work();
  void wake_at(engine::picoseconds due, engine::picoseconds now);

  sc_core::sc_event wake_{"wake"};
  queue accepts_{64};
  queue forwards_{64};
  queue responses_{64};
  engine::picoseconds next_wake_ = never;
  std::uint64_t wake_ups_ = 0;
  bool working_ = false;
};

} // namespace vtd::bench
