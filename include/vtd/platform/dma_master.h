// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/dma_extension.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/payload_pool.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>

namespace vtd::platform {

/// The link between a device and the chipset. Times in picoseconds; bandwidth each way.
struct link_timing {
  /// From the device to the chipset and back, without serialisation.
  engine::picoseconds request = 0;
  engine::picoseconds completion = 0;
  /// Picoseconds per byte; 0: infinitely fast.
  engine::picoseconds per_byte = 0;
  /// Header and framing of a packet in bytes.
  unsigned overhead = 24;
};

/// A device's way out: sends requests one by one over its link by nb_transport, as many at a time as it is
/// given, and reports each when its completion has arrived at the device. It is the engine below endpoint
/// models and the source of measured traffic.
class dma_master final : public sc_core::sc_module {
public:
  tlm_utils::simple_initiator_socket<dma_master> socket;

  static constexpr std::size_t max_bytes = 4096;

  /// What came back. `data` points to the bytes read; it is valid during the call.
  struct result {
    std::uint64_t tag = 0;
    bool ok = false;
    tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
    std::span<const std::byte> data{};
    /// From the send at the device to the arrival of the completion there.
    engine::picoseconds latency = 0;
  };
  using on_done = std::function<void(const result&)>;

  dma_master(const sc_core::sc_module_name& name, spec::source_id source, const link_timing& link);

  [[nodiscard]] spec::source_id source() const { return source_; }
  void set_done(on_done done) { done_ = std::move(done); }
  /// Queues a read or a write of 1 to `max_bytes` bytes; any other length throws std::invalid_argument.
  void read(std::uint64_t tag, std::uint64_t address, unsigned bytes);
  void write(std::uint64_t tag, std::uint64_t address, std::span<const std::byte> data);
  /// Requests queued or on their way.
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

private:
  struct transfer final : tlm::tlm_generic_payload {
    transfer() { set_extension(&attributes); }
    ~transfer() override { clear_extension(&attributes); }
    transfer(const transfer&) = delete;
    transfer& operator=(const transfer&) = delete;
    dma_extension attributes;
    std::uint64_t tag = 0;
    engine::picoseconds sent = 0;
    engine::picoseconds arrives = 0;
    std::array<std::byte, max_bytes> data;
  };

  void before_end_of_elaboration() override;
  transfer& make(tlm::tlm_command command, std::uint64_t tag, std::uint64_t address, unsigned bytes);
  void send_next();
  void request_next();
  tlm::tlm_sync_enum backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);
  void end_request(const tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay);
  void response(transfer& what, engine::picoseconds when);
  void deliver();

  spec::source_id source_;
  link_timing link_;
  on_done done_;
  payload_pool<transfer> pool_;
  std::deque<transfer*> queue_;
  std::deque<transfer*> on_link_;
  std::deque<transfer*> arriving_;
  sc_core::sc_event arrival_;
  sc_core::sc_event send_;
  engine::picoseconds out_free_ = 0;
  engine::picoseconds in_free_ = 0;
  std::size_t outstanding_ = 0;
  // The request that the chipset has not taken yet, and when the next may begin.
  const tlm::tlm_generic_payload* open_request_ = nullptr;
  engine::picoseconds next_request_ = 0;
};

} // namespace vtd::platform
