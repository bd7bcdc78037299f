// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dma_router.h"

namespace vtd::platform {

dma_router::dma_router(const sc_core::sc_module_name& name, unsigned port_count, unsigned unit_count)
    : sc_module(name), upstream("upstream", port_count), downstream("downstream", port_count * unit_count),
      ports_(port_count), unit_of_(std::size_t{1} << 16), default_source_(port_count),
      responding_(port_count, nobody), waiting_(port_count) {
  for (unsigned port = 0; port < port_count; ++port) {
    const int tag = static_cast<int>(port);
    upstream[port].register_b_transport(this, &dma_router::transport, tag);
    upstream[port].register_nb_transport_fw(this, &dma_router::forward_phase, tag);
    upstream[port].register_transport_dbg(this, &dma_router::debug, tag);
    upstream[port].register_get_direct_mem_ptr(this, &dma_router::direct, tag);
  }
  for (unsigned index = 0; index < port_count * unit_count; ++index) {
    const int tag = static_cast<int>(index);
    downstream[index].register_nb_transport_bw(this, &dma_router::backward_phase, tag);
    downstream[index].register_invalidate_direct_mem_ptr(this, &dma_router::withdraw, tag);
  }
}

dma_router::unit_socket& dma_router::route(int port, tlm::tlm_generic_payload& trans) {
  const auto index = static_cast<unsigned>(port);
  const dma_extension* const carried = trans.get_extension<dma_extension>();
  return to_unit(unit_of(carried != nullptr ? carried->source : default_source_[index]), index);
}

void dma_router::transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  route(port, trans)->b_transport(trans, delay);
}

tlm::tlm_sync_enum dma_router::forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  if (phase != tlm::END_RESP) return route(port, trans)->nb_transport_fw(trans, phase, delay);
  const auto index = static_cast<unsigned>(port);
  const auto status = to_unit(responding_[index], index)->nb_transport_fw(trans, phase, delay);
  end_response(index);
  return status;
}

tlm::tlm_sync_enum dma_router::backward_phase(int tag, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay) {
  const unsigned unit = static_cast<unsigned>(tag) / ports_;
  const unsigned port = static_cast<unsigned>(tag) % ports_;
  if (phase != tlm::BEGIN_RESP) return upstream[port]->nb_transport_bw(trans, phase, delay);
  if (responding_[port] != nobody) {
    waiting_[port].push_back({&trans, unit});
    return tlm::TLM_ACCEPTED;
  }
  responding_[port] = unit;
  const auto status = upstream[port]->nb_transport_bw(trans, phase, delay);
  if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP))
    end_response(port);
  return status;
}

// The port is free: the next response begins, if one waits.
void dma_router::end_response(unsigned port) {
  responding_[port] = nobody;
  while (!waiting_[port].empty()) {
    const response next = waiting_[port].front();
    waiting_[port].pop_front();
    responding_[port] = next.unit;
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto status = upstream[port]->nb_transport_bw(*next.trans, phase, delay);
    if (status == tlm::TLM_ACCEPTED) return;
    // Ended at once: the unit, which was told to wait, learns it now.
    phase = tlm::END_RESP;
    to_unit(next.unit, port)->nb_transport_fw(*next.trans, phase, delay);
    responding_[port] = nobody;
  }
}

unsigned dma_router::debug(int port, tlm::tlm_generic_payload& trans) {
  return route(port, trans)->transport_dbg(trans);
}

bool dma_router::direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi) {
  return route(port, trans)->get_direct_mem_ptr(trans, dmi);
}

void dma_router::withdraw(int tag, sc_dt::uint64 first, sc_dt::uint64 last) {
  upstream[static_cast<unsigned>(tag) % ports_]->invalidate_direct_mem_ptr(first, last);
}

} // namespace vtd::platform
