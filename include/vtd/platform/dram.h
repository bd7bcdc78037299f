// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/dram_channel.h"
#include "vtd/platform/kernel_wheel.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <vector>

namespace vtd::platform {

/// A DRAM channel with its controller, to be put before any memory: `host::dram_channel` gives the time, the
/// memory behind `memory` the data. That memory should take no time of its own; what it annotates is ignored.
///
/// nb_transport: base protocol, four phases. A request is accepted (END_REQ) when there is room in the queue
/// of its bank, so a full queue holds back its port. b_transport annotates what an idle channel would take,
/// with the rows as they are. Debug transport passes; direct pointers are not given, because they would have
/// no time.
class dram final : public sc_core::sc_module, private host::dram_client {
public:
  using port_socket = tlm_utils::simple_target_socket_tagged<dram>;
  sc_core::sc_vector<port_socket> ports;
  /// Must answer b_transport without waiting.
  tlm_utils::simple_initiator_socket<dram> memory;

  /// As many ports as the configuration says. Throws std::invalid_argument for a shape that cannot be built.
  dram(const sc_core::sc_module_name& name, kernel_wheel& wheel, const host::dram_config& config);

  [[nodiscard]] const host::dram_channel& channel() const { return channel_; }

private:
  struct port_state {
    // The one whose END_RESP is awaited, and those behind it.
    bool responding = false;
    std::vector<tlm::tlm_generic_payload*> waiting;
  };

  void before_end_of_elaboration() override;
  [[nodiscard]] static host::dram_request request_of(tlm::tlm_generic_payload& trans);
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  unsigned debug(int port, tlm::tlm_generic_payload& trans);
  void respond(unsigned port, tlm::tlm_generic_payload& trans);

  // host::dram_client
  void accepted(unsigned port, void* cookie) override;
  void transfer(void* cookie) override;
  void answered(unsigned port, void* cookie) override;

  kernel_wheel& wheel_;
  std::vector<port_state> ports_;
  host::dram_channel channel_;
};

} // namespace vtd::platform
