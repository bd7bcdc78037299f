// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/dma_extension.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <map>

namespace vtd::platform {

/// The chipset's way of messages to devices: each goes to the port of its device's id, and takes no time. One
/// for an id that nobody has is lost, as on a link that leads nowhere: its sender waits in vain.
class message_router final : public sc_core::sc_module {
public:
  using from_socket = tlm_utils::simple_target_socket_optional<message_router>;
  using to_socket = tlm_utils::simple_initiator_socket_optional<message_router>;

  /// From the `devices` sockets of units.
  sc_core::sc_vector<from_socket> from_units;
  /// To the `messages` sockets of endpoints.
  sc_core::sc_vector<to_socket> to_devices;

  message_router(const sc_core::sc_module_name& name, unsigned unit_count, unsigned device_count);

  /// Messages for this id go to that port. A port that is not there throws std::invalid_argument.
  void assign(spec::source_id device, unsigned port);

private:
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase, sc_core::sc_time& delay);

  std::map<std::uint16_t, unsigned> port_of_;
};

} // namespace vtd::platform
