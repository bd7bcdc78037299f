// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/dma_engine.h"
#include "vtd/pci_topology/topology.h"
#include "vtd/platform/device_translation.h"
#include "vtd/platform/dma_master.h"

#include <systemc>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <deque>

namespace vtd::platform {

/// A PCI function with a `dma_engine` behind its registers: the engine's requests go out through `port` with
/// the id that the root complex sees, its interrupts as messages where its MSI capability points. A reset of
/// the function resets the engine. Without bus mastering it sends nothing, messages neither (PCI 3.0 6.2.2);
/// it goes on when bus mastering comes back. An interrupt that is raised while MSI is off is lost.
///
/// With an ATS capability that software has enabled it translates what it asks for itself, and keeps the
/// translations in its device-TLB (`device_translation`).
class endpoint final : public sc_core::sc_module {
public:
  /// Its way to the chipset; `port.socket` is bound by the platform.
  dma_master port;
  /// Messages to the device: invalidation requests, by nb_transport. May stay unbound.
  tlm_utils::simple_target_socket_optional<endpoint> messages;

  /// `function` must outlive the module, which listens to its configuration writes.
  endpoint(const sc_core::sc_module_name& name, pci_topology::function& function, const link_timing& link,
           const device_tlb_config& tlb = {});
  ~endpoint() override;

  [[nodiscard]] pci_topology::function& function() { return function_; }
  /// Register accesses of the CPU: 4 bytes, offsets in the BAR of the engine.
  [[nodiscard]] std::uint32_t read(std::uint64_t offset) const;
  void write(std::uint64_t offset, std::uint32_t value);
  [[nodiscard]] const pci_topology::dma_engine& engine() const { return engine_; }
  [[nodiscard]] const device_translation& translation() const { return translation_; }

private:
  static constexpr std::uint64_t message_tag = ~std::uint64_t{0};
  void pump();
  void done(const dma_master::result& result);
  void configuration_written();
  void follow_resets();
  void follow_ats();
  tlm::tlm_sync_enum message(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void invalidate();

  pci_topology::function& function_;
  link_timing link_;
  pci_topology::dma_engine engine_;
  device_translation translation_;
  // Invalidation requests on their way, and when each takes effect.
  struct arriving_invalidation {
    engine::picoseconds at = 0;
    spec::ats::invalidation_request what{};
  };
  std::deque<arriving_invalidation> arriving_;
  sc_core::sc_event arrival_;
  unsigned resets_seen_ = 0;
};

} // namespace vtd::platform
