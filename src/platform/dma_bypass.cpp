// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dma_bypass.h"

#include "vtd/platform/binding.h"
#include "vtd/spec/address.h"

namespace vtd::platform {

dma_bypass::dma_bypass(const sc_core::sc_module_name& name, unsigned port_count)
    : sc_module(name), upstream("upstream", port_count), memory("memory", port_count),
      interrupts("interrupts", port_count) {
  for (unsigned port = 0; port < port_count; ++port) {
    const int tag = static_cast<int>(port);
    upstream[port].register_b_transport(this, &dma_bypass::transport, tag);
    upstream[port].register_nb_transport_fw(this, &dma_bypass::forward_phase, tag);
    upstream[port].register_transport_dbg(this, &dma_bypass::debug, tag);
    upstream[port].register_get_direct_mem_ptr(this, &dma_bypass::direct, tag);
    for (downstream_socket* const each : {&memory[port], &interrupts[port]}) {
      each->register_nb_transport_bw(this, &dma_bypass::backward_phase, tag);
      each->register_invalidate_direct_mem_ptr(this, &dma_bypass::withdraw, tag);
    }
  }
}

void dma_bypass::before_end_of_elaboration() {
  binding_check check(*this);
  check.need_all(upstream, "upstream", "an initiator of DMA");
  check.need_all(memory, "memory", "the chipset's memory");
  check.need_all(interrupts, "interrupts", "a target for interrupt messages");
  check.report();
}

dma_bypass::downstream_socket& dma_bypass::target(int port, const tlm::tlm_generic_payload& trans) {
  const auto index = static_cast<unsigned>(port);
  return trans.is_write() && spec::in_interrupt_range(trans.get_address()) ? interrupts[index]
                                                                           : memory[index];
}

void dma_bypass::transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  target(port, trans)->b_transport(trans, delay);
}

tlm::tlm_sync_enum dma_bypass::forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  return target(port, trans)->nb_transport_fw(trans, phase, delay);
}

tlm::tlm_sync_enum dma_bypass::backward_phase(int port, tlm::tlm_generic_payload& trans,
                                              tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  return upstream[static_cast<unsigned>(port)]->nb_transport_bw(trans, phase, delay);
}

unsigned dma_bypass::debug(int port, tlm::tlm_generic_payload& trans) {
  return memory[static_cast<unsigned>(port)]->transport_dbg(trans);
}

bool dma_bypass::direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi) {
  return memory[static_cast<unsigned>(port)]->get_direct_mem_ptr(trans, dmi);
}

void dma_bypass::withdraw(int port, sc_dt::uint64 first, sc_dt::uint64 last) {
  upstream[static_cast<unsigned>(port)]->invalidate_direct_mem_ptr(first, last);
}

} // namespace vtd::platform
