// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/machine.h"
#include "vtdsim/differential/variant.h"

#include "vtd/dmar/unit.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vtdsim::differential {

/// What the specification leaves to a part, and may change nothing that a correct program sees.
struct model_choice {
  /// Requests go through the unit cycle by cycle; otherwise each at once.
  bool by_cycles = false;
  bool context_cache = true;
  bool iotlb = true;
  bool structure_caches = true;
  /// Caches of so few entries that they evict all the time.
  bool tiny = false;
  [[nodiscard]] std::string text() const;
};

/// Our unit with the same memory and devices as `qemu_machine`.
class model_machine final : public machine,
                            private vtd::dmar::unit_ports,
                            private vtd::dmar::fault_observer,
                            private vtd::remap::memory_port {
public:
  model_machine(const variant& how, const model_choice& choice);
  ~model_machine() override;

  void restart() override { restart(choice_); }
  void restart(const model_choice& choice);
  void reset() override;
  void store(std::uint64_t address, std::uint64_t value) override { memory_.store(address, value); }
  void write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value) override;
  void read_register(std::uint32_t offset, unsigned bytes, std::uint64_t* out) override;
  void dma(const transfer& what) override;
  void sync() override {}
  [[nodiscard]] std::span<const std::byte> buffer(unsigned device) override { return buffers_[device]; }
  [[nodiscard]] const guest_memory& memory() const override { return memory_; }

  // What comparing wants to know beyond what software sees.

  /// Faults since `forget`, recorded or not.
  [[nodiscard]] const std::vector<vtd::dmar::fault_report>& faults() const { return faults_; }
  void forget() { faults_.clear(); }
  /// Where a DMA of this device would go, with no effect; nothing: it would be blocked.
  [[nodiscard]] std::optional<std::uint64_t> destination(unsigned device, bool to_memory,
                                                         std::uint64_t address);
  [[nodiscard]] const vtd::dmar::unit& unit() const { return world_->unit; }
  [[nodiscard]] const variant& how() const { return how_; }

private:
  struct world {
    world(const vtd::dmar::unit_config& config, vtd::dmar::unit_ports& ports)
        : wheel(vtd::engine::clock{1000}), unit(wheel, config, ports) {}
    vtd::engine::wheel wheel;
    vtd::dmar::unit unit;
  };

  [[nodiscard]] vtd::engine::picoseconds now() const;
  void settle();
  void access_memory(std::uint64_t address, std::span<std::byte> inside);

  // vtd::dmar::unit_ports
  void accepted(unsigned /*port*/, void* /*cookie*/) override {}
  bool forward(const vtd::dmar::forwarded& piece) override;
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override;
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) override;
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override;
  void invalidate_device(const vtd::spec::ats::invalidation_request& what) override;
  bool complete(unsigned /*port*/, void* /*cookie*/, vtd::dmar::completion how) override;
  void send_message(const vtd::spec::msi_message& /*message*/) override {}
  vtd::engine::picoseconds write_buffer_drain_time() override { return 0; }
  void drain_write_buffer() override {}
  void withdraw(std::uint64_t /*first*/, std::uint64_t /*last*/) override {}

  bool read_table(std::uint64_t address, unsigned bytes, vtd::remap::table_words& out,
                  vtd::engine::picoseconds& delay) override;
  void on_fault(const vtd::dmar::fault_report& report) override { faults_.push_back(report); }

  const variant& how_;
  model_choice choice_;
  guest_memory memory_;
  std::optional<world> world_;
  std::array<std::array<std::byte, device_buffer>, device_count> buffers_{};
  std::array<bool, device_count> changed_{};
  std::vector<vtd::dmar::fault_report> faults_;
  // The transfer under way, a page's worth at a time.
  transfer current_{};
  bool blocked_ = false;
};

} // namespace vtdsim::differential
