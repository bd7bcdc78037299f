// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/dma_engine.h"
#include "vtd/pci_topology/topology.h"
#include "vtd/platform/dma_master.h"

#include <systemc>

#include <cstdint>

namespace vtd::platform {

/// A PCI function with a `dma_engine` behind its registers: the engine's requests go out through `port` with
/// the id that the root complex sees, its interrupts as messages where its MSI capability points. A reset of
/// the function resets the engine. Without bus mastering it sends nothing, messages neither (PCI 3.0 6.2.2);
/// it goes on when bus mastering comes back. An interrupt that is raised while MSI is off is lost.
class endpoint final : public sc_core::sc_module {
public:
  /// Its way to the chipset; `port.socket` is bound by the platform.
  dma_master port;

  /// `function` must outlive the module, which listens to its configuration writes.
  endpoint(const sc_core::sc_module_name& name, pci_topology::function& function, const link_timing& link);
  ~endpoint() override;

  [[nodiscard]] pci_topology::function& function() { return function_; }
  /// Register accesses of the CPU: 4 bytes, offsets in the BAR of the engine.
  [[nodiscard]] std::uint32_t read(std::uint64_t offset) const;
  void write(std::uint64_t offset, std::uint32_t value);
  [[nodiscard]] const pci_topology::dma_engine& engine() const { return engine_; }

private:
  static constexpr std::uint64_t message_tag = ~std::uint64_t{0};
  void pump();
  void done(const dma_master::result& result);
  void configuration_written();
  void follow_resets();

  pci_topology::function& function_;
  pci_topology::dma_engine engine_;
  unsigned resets_seen_ = 0;
};

} // namespace vtd::platform
