// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/dma_extension.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/target_socket.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace vtd::platform {

/// The chipset's choice of remapping unit: every DMA request goes to the unit of its source-id (device scope,
/// VT-d 8.3). Takes no time and keeps nothing of a request. Each upstream port has a port of its own at every
/// unit; should two units answer one port at once, the second response waits for the end of the first.
class dma_router final : public sc_core::sc_module {
public:
  using upstream_socket = target_socket<dma_router>;
  using unit_socket = tlm_utils::simple_initiator_socket_tagged<dma_router>;

  /// One per root port or integrated device.
  sc_core::sc_vector<upstream_socket> upstream;
  /// To port `p` of unit `u`: `to_unit(u, p)`.
  sc_core::sc_vector<unit_socket> downstream;

  /// Throws std::invalid_argument: no port, no unit, or more than 256 units.
  dma_router(const sc_core::sc_module_name& name, unsigned port_count, unsigned unit_count);

  [[nodiscard]] unit_socket& to_unit(unsigned unit, unsigned port) {
    return downstream[std::size_t{unit} * ports_ + port];
  }
  /// Which unit serves this requester; all requesters begin with unit 0. A unit that is not there throws
  /// std::invalid_argument.
  void assign(spec::source_id source, unsigned unit) { unit_of_[source.value()] = checked(unit); }
  void assign_all(unsigned unit) { unit_of_.assign(unit_of_.size(), checked(unit)); }
  [[nodiscard]] unsigned unit_of(spec::source_id source) const { return unit_of_[source.value()]; }
  /// The source-id of requests that carry none.
  void set_default_source(unsigned port, spec::source_id source) { default_source_[port] = source; }

private:
  friend class target_socket<dma_router>;
  static constexpr unsigned nobody = ~0U;
  struct response {
    tlm::tlm_generic_payload* trans;
    unsigned unit;
    engine::picoseconds not_before;
  };
  void before_end_of_elaboration() override;
  [[nodiscard]] std::uint8_t checked(unsigned unit) const;

  [[nodiscard]] spec::source_id source_of(unsigned port, const tlm::tlm_generic_payload& trans) const {
    const dma_extension* const carried = trans.get_extension<dma_extension>();
    return carried != nullptr ? carried->source : default_source_[port];
  }
  [[nodiscard]] unit_socket& route(int port, tlm::tlm_generic_payload& trans);
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  tlm::tlm_sync_enum backward_phase(int tag, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);
  unsigned debug(int port, tlm::tlm_generic_payload& trans);
  bool direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi);
  void withdraw(int tag, sc_dt::uint64 first, sc_dt::uint64 last);
  void end_response(unsigned port, engine::picoseconds when);

  unsigned ports_;
  std::vector<std::uint8_t> unit_of_;
  std::vector<spec::source_id> default_source_;
  // The unit whose response a port is taking, and those that wait.
  std::vector<unsigned> responding_;
  std::vector<std::deque<response>> waiting_;
};

} // namespace vtd::platform
