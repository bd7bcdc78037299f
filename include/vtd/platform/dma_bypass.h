// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

namespace vtd::platform {

/// The chipset's way for requesters that no remapping unit covers (VT-d 8.3: a unit remaps what its scope
/// names, and only an include-all unit takes the rest): addresses are host physical addresses, nothing is
/// looked up, no time is added. Dwords into the interrupt range are messages, everything else is memory.
class dma_bypass final : public sc_core::sc_module {
public:
  using upstream_socket = tlm_utils::simple_target_socket_tagged<dma_bypass>;
  using downstream_socket = tlm_utils::simple_initiator_socket_tagged<dma_bypass>;

  sc_core::sc_vector<upstream_socket> upstream;
  /// One each per upstream port.
  sc_core::sc_vector<downstream_socket> memory;
  sc_core::sc_vector<downstream_socket> interrupts;

  dma_bypass(const sc_core::sc_module_name& name, unsigned port_count);

private:
  void before_end_of_elaboration() override;
  [[nodiscard]] downstream_socket& target(int port, const tlm::tlm_generic_payload& trans);
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  tlm::tlm_sync_enum backward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);
  unsigned debug(int port, tlm::tlm_generic_payload& trans);
  bool direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi);
  void withdraw(int port, sc_dt::uint64 first, sc_dt::uint64 last);
};

} // namespace vtd::platform
