// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dram.h"

#include "vtd/platform/binding.h"

#include <string>

namespace vtd::platform {

dram::dram(const sc_core::sc_module_name& name, kernel_wheel& wheel, const host::dram_config& config)
    : sc_module(name), ports("port", config.shape.ports), memory("memory"), wheel_(wheel),
      ports_(config.shape.ports), channel_(wheel.wheel(), config, *this) {
  for (unsigned port = 0; port < config.shape.ports; ++port) {
    const int tag = static_cast<int>(port);
    ports[port].register_b_transport(this, &dram::transport, tag);
    ports[port].register_nb_transport_fw(this, &dram::forward_phase, tag);
    ports[port].register_transport_dbg(this, &dram::debug, tag);
  }
}

void dram::before_end_of_elaboration() {
  binding_check check(*this);
  check.need_all(ports, "ports", "an initiator");
  check.need(memory, "memory", "a port of the memory");
  check.report();
}

host::dram_request dram::request_of(tlm::tlm_generic_payload& trans) {
  return {trans.get_address(), trans.get_data_length(), trans.is_write(), &trans};
}

void dram::transport(int /*port*/, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  wheel_.catch_up();
  sc_core::sc_time ignored = sc_core::SC_ZERO_TIME;
  memory->b_transport(trans, ignored);
  trans.set_dmi_allowed(false);
  const engine::picoseconds now = now_ps();
  const engine::clock& timebase = wheel_.timebase();
  const engine::cycle takes = channel_.pass(request_of(trans), now);
  const engine::cycle seen = timebase.first_edge_after(now + to_ps(delay));
  delay = to_sc_time(timebase.time_of(seen + takes) - now);
}

tlm::tlm_sync_enum dram::forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) {
  const auto index = static_cast<unsigned>(port);
  if (phase == tlm::BEGIN_REQ) {
    if (trans.get_data_length() == 0) {
      trans.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
      return tlm::TLM_COMPLETED;
    }
    if (!channel_.offer(index, request_of(trans), now_ps() + to_ps(delay))) {
      SC_REPORT_ERROR(
          "/vtd/dram",
          (std::string(ports[index].name()) + ": BEGIN_REQ before the END_REQ of the last request").c_str());
      return tlm::TLM_COMPLETED;
    }
    if (trans.has_mm()) trans.acquire();
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::END_RESP) return tlm::TLM_ACCEPTED;
  port_state& p = ports_[index];
  if (!p.responding) {
    SC_REPORT_ERROR("/vtd/dram",
                    (std::string(ports[index].name()) + ": END_RESP without a BEGIN_RESP").c_str());
    return tlm::TLM_COMPLETED;
  }
  p.responding = false;
  if (trans.has_mm()) trans.release();
  if (!p.waiting.empty()) {
    tlm::tlm_generic_payload& next = *p.waiting.front();
    p.waiting.erase(p.waiting.begin());
    respond(index, next);
  }
  return tlm::TLM_COMPLETED;
}

unsigned dram::debug(int /*port*/, tlm::tlm_generic_payload& trans) { return memory->transport_dbg(trans); }

void dram::accepted(unsigned port, void* cookie) {
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  ports[port]->nb_transport_bw(*static_cast<tlm::tlm_generic_payload*>(cookie), phase, delay);
}

void dram::transfer(void* cookie) {
  sc_core::sc_time ignored = sc_core::SC_ZERO_TIME;
  auto& trans = *static_cast<tlm::tlm_generic_payload*>(cookie);
  memory->b_transport(trans, ignored);
  trans.set_dmi_allowed(false);
}

void dram::answered(unsigned port, void* cookie) {
  auto& trans = *static_cast<tlm::tlm_generic_payload*>(cookie);
  port_state& p = ports_[port];
  if (p.responding) {
    p.waiting.push_back(&trans);
  } else {
    respond(port, trans);
  }
}

// The next response may begin when this one has ended (TLM-2.0, exclusion rule).
void dram::respond(unsigned port, tlm::tlm_generic_payload& trans) {
  port_state& p = ports_[port];
  for (tlm::tlm_generic_payload* now = &trans; now != nullptr;) {
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    p.responding = true;
    const auto status = ports[port]->nb_transport_bw(*now, phase, delay);
    if (status != tlm::TLM_COMPLETED && phase != tlm::END_RESP) return;
    p.responding = false;
    if (now->has_mm()) now->release();
    now = nullptr;
    if (!p.waiting.empty()) {
      now = p.waiting.front();
      p.waiting.erase(p.waiting.begin());
    }
  }
}

} // namespace vtd::platform
