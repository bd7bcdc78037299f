// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dma_router.h"

#include "vtd/platform/binding.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vtd::platform {

namespace {
constexpr unsigned most_units = 256;

unsigned sockets_of(unsigned port_count, unsigned unit_count) {
  if (port_count == 0 || unit_count == 0 || unit_count > most_units) {
    throw std::invalid_argument("dma_router of " + std::to_string(port_count) + " ports and " +
                                std::to_string(unit_count) + " units, expected a port and 1 to 256 units");
  }
  return port_count * unit_count;
}
} // namespace

dma_router::dma_router(const sc_core::sc_module_name& name, unsigned port_count, unsigned unit_count)
    : sc_module(name), upstream("upstream", port_count),
      downstream("downstream", sockets_of(port_count, unit_count)), ports_(port_count),
      unit_of_(std::size_t{1} << 16), default_source_(port_count), responding_(port_count, nobody),
      waiting_(port_count) {
  for (unsigned port = 0; port < port_count; ++port) {
    upstream[port].serve(*this, static_cast<int>(port));
  }
  for (unsigned index = 0; index < port_count * unit_count; ++index) {
    const int tag = static_cast<int>(index);
    downstream[index].register_nb_transport_bw(this, &dma_router::backward_phase, tag);
    downstream[index].register_invalidate_direct_mem_ptr(this, &dma_router::withdraw, tag);
  }
}

void dma_router::before_end_of_elaboration() {
  binding_check check(*this);
  check.need_all(upstream, "upstream", "an initiator of DMA");
  for (unsigned index = 0; index < downstream.size(); ++index) {
    const unsigned unit = index / ports_;
    const unsigned port = index % ports_;
    check.need(to_unit(unit, port), "to_unit(" + std::to_string(unit) + ", " + std::to_string(port) + ')',
               "upstream[" + std::to_string(port) + "] of unit " + std::to_string(unit));
  }
  check.report();
}

std::uint8_t dma_router::checked(unsigned unit) const {
  if (unit >= downstream.size() / ports_) {
    throw std::invalid_argument(std::string(name()) + ": unit " + std::to_string(unit) +
                                ", expected one of " + std::to_string(downstream.size() / ports_));
  }
  return static_cast<std::uint8_t>(unit);
}

dma_router::unit_socket& dma_router::route(int port, tlm::tlm_generic_payload& trans) {
  const auto index = static_cast<unsigned>(port);
  return to_unit(unit_of(source_of(index, trans)), index);
}

void dma_router::transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  route(port, trans)->b_transport(trans, delay);
}

tlm::tlm_sync_enum dma_router::forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  const auto index = static_cast<unsigned>(port);
  if (phase == tlm::END_RESP) {
    if (responding_[index] == nobody) {
      SC_REPORT_ERROR("/vtd/dma_router",
                      (std::string(upstream[index].name()) + ": END_RESP without a BEGIN_RESP").c_str());
      return tlm::TLM_COMPLETED;
    }
    const engine::picoseconds when = now_ps() + to_ps(delay);
    const auto status = to_unit(responding_[index], index)->nb_transport_fw(trans, phase, delay);
    end_response(index, when);
    return status;
  }
  unit_socket& socket = route(port, trans);
  const auto status = socket->nb_transport_fw(trans, phase, delay);
  // A unit may also begin its response on the return path: it takes its turn like any other.
  if (status == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP) {
    const unsigned unit = unit_of(source_of(index, trans));
    if (responding_[index] == nobody) {
      responding_[index] = unit;
    } else {
      waiting_[index].push_back({&trans, unit, now_ps() + to_ps(delay)});
      phase = tlm::END_REQ;
    }
  }
  return status;
}

tlm::tlm_sync_enum dma_router::backward_phase(int tag, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay) {
  const unsigned unit = static_cast<unsigned>(tag) / ports_;
  const unsigned port = static_cast<unsigned>(tag) % ports_;
  if (phase != tlm::BEGIN_RESP) return upstream[port]->nb_transport_bw(trans, phase, delay);
  if (responding_[port] != nobody) {
    waiting_[port].push_back({&trans, unit, now_ps() + to_ps(delay)});
    return tlm::TLM_ACCEPTED;
  }
  responding_[port] = unit;
  const auto status = upstream[port]->nb_transport_bw(trans, phase, delay);
  if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP))
    end_response(port, now_ps() + to_ps(delay));
  return status;
}

// The port is free from `when` on: the next response begins, if one waits.
void dma_router::end_response(unsigned port, engine::picoseconds when) {
  responding_[port] = nobody;
  while (!waiting_[port].empty()) {
    const response next = waiting_[port].front();
    waiting_[port].pop_front();
    responding_[port] = next.unit;
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = to_sc_time(std::max(when, next.not_before) - now_ps());
    const auto status = upstream[port]->nb_transport_bw(*next.trans, phase, delay);
    if (status == tlm::TLM_ACCEPTED) return;
    // Ended at once: the unit, which was told to wait, learns it now.
    when = now_ps() + to_ps(delay);
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
