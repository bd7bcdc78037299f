// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/dma_extension.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/payload_pool.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {

using bytes = std::vector<unsigned char>;

/// `first`, `first` + 1 and so on.
[[nodiscard]] inline bytes pattern(std::size_t count, unsigned char first = 1) {
  bytes out(count);
  std::iota(out.begin(), out.end(), first);
  return out;
}

/// Runs `body` as a SystemC thread, then ends the simulation. Once a process.
inline void in_thread(std::function<void()> body) {
  sc_core::sc_spawn([body = std::move(body)] {
    body();
    sc_core::sc_stop();
  });
  sc_core::sc_start();
}
/// What elaboration complains of; empty: nothing.
[[nodiscard]] inline std::string elaboration_error() {
  try {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}
inline void wait_ps(engine::picoseconds span) { sc_core::wait(platform::to_sc_time(span)); }

/// A payload with data and extensions of its own, as tests need them.
struct probe_payload final : tlm::tlm_generic_payload {
  bytes data;
  platform::dma_extension attributes;
  platform::table_read_extension table;

  probe_payload() = default;
  ~probe_payload() override {
    clear_extension(&attributes);
    clear_extension(&table);
  }
  probe_payload(const probe_payload&) = delete;
  probe_payload& operator=(const probe_payload&) = delete;

  probe_payload& set(tlm::tlm_command command, std::uint64_t address, bytes content) {
    data = std::move(content);
    set_command(command);
    set_address(address);
    set_data_ptr(data.data());
    set_data_length(static_cast<unsigned>(data.size()));
    set_streaming_width(static_cast<unsigned>(data.size()));
    set_byte_enable_ptr(nullptr);
    set_byte_enable_length(0);
    set_dmi_allowed(false);
    set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    return *this;
  }
  probe_payload& of(spec::source_id source) {
    attributes.source = source;
    set_extension(&attributes);
    return *this;
  }
  /// Makes it a table read.
  probe_payload& as_table_read(bool coherent) {
    table.coherent = coherent;
    set_extension(&table);
    return *this;
  }
};

/// An initiator that keeps what comes back.
class probe_initiator final : public sc_core::sc_module {
public:
  tlm_utils::simple_initiator_socket<probe_initiator> socket{"socket"};

  explicit probe_initiator(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_nb_transport_bw(this, &probe_initiator::backward);
    socket.register_invalidate_direct_mem_ptr(this, &probe_initiator::withdraw);
  }

  struct seen_phase {
    std::string phase;
    engine::picoseconds when = 0;
    const tlm::tlm_generic_payload* trans = nullptr;
  };
  std::vector<seen_phase> phases;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> withdrawn;
  /// Ends responses at once, on the return path.
  bool ends_at_once = false;

  /// By b_transport; returns the delay that was annotated, and waits for nothing.
  engine::picoseconds loosely(tlm::tlm_generic_payload& trans, engine::picoseconds ahead = 0) {
    sc_core::sc_time delay = platform::to_sc_time(ahead);
    socket->b_transport(trans, delay);
    return platform::to_ps(delay);
  }
  struct answer {
    tlm::tlm_sync_enum status;
    std::string phase;
    engine::picoseconds delay;
  };
  answer send(tlm::tlm_generic_payload& trans, tlm::tlm_phase phase = tlm::BEGIN_REQ,
              engine::picoseconds ahead = 0) {
    sc_core::sc_time delay = platform::to_sc_time(ahead);
    const auto status = socket->nb_transport_fw(trans, phase, delay);
    return {status, phase.get_name(), platform::to_ps(delay)};
  }

private:
  tlm::tlm_sync_enum backward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                              sc_core::sc_time& delay) {
    phases.push_back({phase.get_name(), platform::now_ps() + platform::to_ps(delay), &trans});
    if (phase != tlm::BEGIN_RESP || !ends_at_once) return tlm::TLM_ACCEPTED;
    phase = tlm::END_RESP;
    return tlm::TLM_COMPLETED;
  }
  void withdraw(sc_dt::uint64 first, sc_dt::uint64 last) { withdrawn.emplace_back(first, last); }
};

/// A target that keeps what it gets and answers as it is told.
class probe_target final : public sc_core::sc_module {
public:
  tlm_utils::simple_target_socket<probe_target> socket{"socket"};

  explicit probe_target(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_b_transport(this, &probe_target::transport);
    socket.register_nb_transport_fw(this, &probe_target::forward);
    socket.register_transport_dbg(this, &probe_target::debug);
    socket.register_get_direct_mem_ptr(this, &probe_target::direct);
  }

  struct seen_phase {
    std::string phase;
    engine::picoseconds when = 0;
    tlm::tlm_generic_payload* trans = nullptr;
  };
  std::vector<seen_phase> phases;
  std::vector<tlm::tlm_generic_payload*> loosely;
  /// Which addresses came by debug transport, and by requests for direct access.
  std::vector<std::uint64_t> debugged;
  std::vector<std::uint64_t> asked;
  /// What a request is answered with.
  tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;
  engine::picoseconds takes = 0;
  /// nb_transport: complete at once; else only BEGIN_RESP or END_REQ on the return path, if that; else as
  /// `respond` says.
  bool completes = false;
  bool begins_response_at_once = false;
  bool ends_request_at_once = false;
  bool gives_direct = true;
  std::function<void(tlm::tlm_generic_payload&)> on_request;

  tlm::tlm_sync_enum respond(tlm::tlm_generic_payload& trans, tlm::tlm_phase phase = tlm::BEGIN_RESP,
                             engine::picoseconds ahead = 0) {
    sc_core::sc_time delay = platform::to_sc_time(ahead);
    return socket->nb_transport_bw(trans, phase, delay);
  }

private:
  void take(tlm::tlm_generic_payload& trans) {
    if (on_request) on_request(trans);
    trans.set_response_status(status);
  }
  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
    loosely.push_back(&trans);
    take(trans);
    delay += platform::to_sc_time(takes);
  }
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                             sc_core::sc_time& delay) {
    phases.push_back({phase.get_name(), platform::now_ps() + platform::to_ps(delay), &trans});
    if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
    take(trans);
    delay += platform::to_sc_time(takes);
    if (completes) return tlm::TLM_COMPLETED;
    if (!begins_response_at_once && !ends_request_at_once) return tlm::TLM_ACCEPTED;
    phase = begins_response_at_once ? tlm::BEGIN_RESP : tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }
  unsigned debug(tlm::tlm_generic_payload& trans) {
    debugged.push_back(trans.get_address());
    return trans.get_data_length();
  }
  bool direct(tlm::tlm_generic_payload& trans, tlm::tlm_dmi& /*dmi*/) {
    asked.push_back(trans.get_address());
    return gives_direct;
  }
};

} // namespace vtd::test
