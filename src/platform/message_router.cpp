// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/message_router.h"

#include <stdexcept>
#include <string>

namespace vtd::platform {

message_router::message_router(const sc_core::sc_module_name& name, unsigned unit_count,
                               unsigned device_count)
    : sc_module(name), from_units("from_units", unit_count), to_devices("to_devices", device_count) {
  for (from_socket& each : from_units)
    each.register_nb_transport_fw(this, &message_router::forward);
}

void message_router::assign(spec::source_id device, unsigned port) {
  if (port >= to_devices.size()) {
    throw std::invalid_argument(std::string(name()) + ": port " + std::to_string(port) +
                                ", expected one of " + std::to_string(to_devices.size()));
  }
  port_of_[device.value()] = port;
}

tlm::tlm_sync_enum message_router::forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                           sc_core::sc_time& delay) {
  const auto* const message = trans.get_extension<device_message_extension>();
  trans.set_response_status(tlm::TLM_OK_RESPONSE);
  if (message == nullptr) return tlm::TLM_COMPLETED;
  const auto port = port_of_.find(message->device.value());
  // Messages are posted: whoever takes one has done so when the call returns.
  if (port != port_of_.end() && to_devices[port->second].size() != 0)
    to_devices[port->second]->nb_transport_fw(trans, phase, delay);
  return tlm::TLM_COMPLETED;
}

} // namespace vtd::platform
