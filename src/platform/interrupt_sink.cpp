// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/interrupt_sink.h"

#include "vtd/platform/binding.h"

#include <cstring>

namespace vtd::platform {

interrupt_sink::interrupt_sink(const sc_core::sc_module_name& name, unsigned port_count)
    : sc_module(name), ports("ports", port_count) {
  for (unsigned port = 0; port < port_count; ++port) {
    ports[port].register_b_transport(this, &interrupt_sink::transport, static_cast<int>(port));
    ports[port].register_nb_transport_fw(this, &interrupt_sink::forward_phase, static_cast<int>(port));
  }
}

void interrupt_sink::before_end_of_elaboration() {
  binding_check check(*this);
  check.need_all(ports, "ports", "an initiator of messages");
  check.report();
}

void interrupt_sink::take(tlm::tlm_generic_payload& trans, engine::picoseconds when) {
  spec::msi_message message;
  message.address = trans.get_address();
  if (!trans.is_write() || trans.get_data_length() != 4 || !spec::in_interrupt_range(message.address)) {
    ++rejected_;
    trans.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  std::memcpy(&message.data, trans.get_data_ptr(), 4);
  trans.set_response_status(tlm::TLM_OK_RESPONSE);
  messages_.push_back({when, message});
  if (const handler& call = handlers_[message.vector()]) call(message);
}

void interrupt_sink::transport(int /*port*/, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  take(trans, now_ps() + to_ps(delay));
}

tlm::tlm_sync_enum interrupt_sink::forward_phase(int /*port*/, tlm::tlm_generic_payload& trans,
                                                 tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  if (phase == tlm::BEGIN_REQ) take(trans, now_ps() + to_ps(delay));
  return tlm::TLM_COMPLETED;
}

} // namespace vtd::platform
