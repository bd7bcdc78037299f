// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/sparse_memory.h"
#include "vtd/host/store_path.h"
#include "vtd/models/board.h"
#include "vtd/models/timing_preset.h"
#include "vtd/pci_topology/config_access.h"
#include "vtd/pci_topology/topology.h"
#include "vtd/platform/cpu.h"
#include "vtd/platform/dma_bypass.h"
#include "vtd/platform/dma_router.h"
#include "vtd/platform/endpoint.h"
#include "vtd/platform/fault_injector.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/message_router.h"
#include "vtd/platform/remapping_unit.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vtd::models {

/// The configuration of one unit of a board under a timing preset.
[[nodiscard]] dmar::unit_config unit_configuration(const board& from, const unit_description& unit,
                                                   const timing_preset& timing, unsigned ports,
                                                   std::uint64_t seed);

/// A scope that names nothing in the machine, by unit or region.
struct unresolved_scope {
  std::string where;
  scope_description scope;
};

/// A whole machine of the Q35 kind: CPU port, memory with the chipset's write buffer, PCI hierarchy with both
/// configuration mechanisms, remapping units chosen by device scope, endpoints. A board without units, or
/// with VT-d off in its BIOS, is a machine whose DMA is not translated. Everything is built from the board's
/// data; nothing here knows a particular board.
class root_complex final : public sc_core::sc_module {
public:
  /// `extra_ports`: upstream sockets beyond those of the board's own endpoints, for models of the user's;
  /// bind `extra(n)`. `injectors`: faults can be injected at `memory_faults` and `register_faults`. Throws
  /// board_error or std::invalid_argument for data that cannot be built.
  root_complex(const sc_core::sc_module_name& name, const board& from, const timing_preset& timing,
               std::uint64_t seed = 1, unsigned extra_ports = 0, bool injectors = false);

  [[nodiscard]] const board& description() const { return board_; }
  [[nodiscard]] const timing_preset& timing() const { return timing_; }
  [[nodiscard]] platform::kernel_wheel& wheel() { return wheel_; }
  [[nodiscard]] platform::cpu& cpu() { return cpu_; }
  [[nodiscard]] host::store_path& stores() { return stores_; }
  [[nodiscard]] platform::memory& memory() { return memory_; }
  [[nodiscard]] platform::interrupt_sink& interrupts() { return interrupts_; }
  [[nodiscard]] pci_topology::topology& pci() { return pci_; }
  [[nodiscard]] std::size_t unit_count() const { return units_.size(); }
  [[nodiscard]] platform::remapping_unit& unit(std::size_t index) { return *units_[index]; }
  [[nodiscard]] const unit_description& unit_data(std::size_t index) const { return board_.units[index]; }
  /// Index of the unit that serves this requester; `unit_count()`: no unit covers it, and its requests go to
  /// memory untranslated.
  [[nodiscard]] unsigned unit_of(spec::source_id source) const { return router_.unit_of(source); }
  [[nodiscard]] bool is_covered(spec::source_id source) const { return unit_of(source) < units_.size(); }
  /// Endpoints with a behaviour; null when the board has none there.
  [[nodiscard]] platform::endpoint* endpoint_at(spec::source_id id);
  [[nodiscard]] const std::vector<std::unique_ptr<platform::endpoint>>& endpoints() const {
    return endpoints_;
  }
  /// Upstream sockets beyond the board's own.
  [[nodiscard]] platform::dma_router::upstream_socket& extra(unsigned index) {
    return router_.upstream[static_cast<std::size_t>(endpoints_.size()) + index];
  }
  /// Between a unit and memory (what the unit's tables and devices meet; the CPU's own accesses do not pass
  /// it), and between the CPU and a unit's registers. Only for a machine that was built with injectors.
  [[nodiscard]] platform::fault_injector& memory_faults(std::size_t unit) { return *memory_faults_.at(unit); }
  [[nodiscard]] platform::fault_injector& register_faults(std::size_t unit) {
    return *register_faults_.at(unit);
  }
  /// Scopes of the board's table that name no function.
  [[nodiscard]] const std::vector<unresolved_scope>& unresolved() const { return unresolved_; }
  /// Time of the link between an endpoint and the chipset.
  [[nodiscard]] platform::link_timing link() const;

private:
  void bus_transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  [[nodiscard]] bool access_ecam(tlm::tlm_generic_payload& trans);
  [[nodiscard]] bool access_bar(tlm::tlm_generic_payload& trans);
  [[nodiscard]] bool access_port(tlm::tlm_generic_payload& trans);
  void route_scopes();
  void route_scope(const scope_description& scope, unsigned unit);
  void build_bypass(unsigned upstream_ports);
  void build_units(std::uint64_t seed, unsigned upstream_ports, bool injectors);
  [[nodiscard]] static std::uint64_t memory_size(const board& from);

  board board_;
  timing_preset timing_;
  platform::kernel_wheel wheel_;
  host::sparse_memory store_;
  host::store_path stores_;
  pci_topology::topology pci_;
  pci_topology::port_mechanism ports_mechanism_;
  pci_topology::memory_mechanism ecam_;
  unsigned upstream_ports_;
  platform::memory memory_;
  platform::interrupt_sink interrupts_;
  platform::cpu cpu_;
  /// Its last target, after the units, is the bypass.
  platform::dma_router router_;
  platform::dma_bypass bypass_;
  platform::message_router messages_;
  tlm_utils::simple_target_socket<root_complex> bus_;
  sc_core::sc_vector<tlm_utils::simple_initiator_socket<root_complex>> to_registers_;
  std::unique_ptr<tlm_utils::simple_initiator_socket<root_complex>> unused_;
  std::vector<std::unique_ptr<platform::remapping_unit>> units_;
  std::vector<std::unique_ptr<platform::fault_injector>> memory_faults_;
  std::vector<std::unique_ptr<platform::fault_injector>> register_faults_;
  std::vector<std::unique_ptr<platform::endpoint>> endpoints_;
  std::vector<unresolved_scope> unresolved_;
};

} // namespace vtd::models
