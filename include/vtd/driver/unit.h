// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/dmar_info.h"
#include "vtd/driver/error.h"
#include "vtd/driver/fault_log.h"
#include "vtd/driver/fault_records.h"
#include "vtd/driver/hardware.h"
#include "vtd/driver/invalidation_queue.h"
#include "vtd/driver/omit.h"
#include "vtd/driver/root_table.h"
#include "vtd/spec/capability.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace vtd::driver {

/// How the driver treats one unit.
struct unit_options {
  std::uint64_t timeout_ns = 1'000'000'000; ///< for every hand-shake with the unit
  bool write_buffer_quirk = false;          ///< flush the write buffer although CAP.RWBF = 0
  bool use_queue = true;                    ///< invalidate by the queue where ECAP.QI = 1, else by registers
  bool use_fault_log = false;               ///< faults to a log in memory where CAP.AFL = 1 (VT-d 7.3.2)
};

/// One remapping unit: its registers, its root table, and the hand-shakes. VT-d 10.4
/// Invalidation by the queue once `enable_queue` has switched it on, else by registers. Everything throws
/// unit_error when the unit does not answer in time.
class unit {
public:
  /// Reads VER, CAP and ECAP. Throws unit_error (step probe) when nothing answers or the values make no
  /// sense. `machine` and `forget` must outlive this.
  unit(hardware& machine, unsigned index, const unit_info& info, unsigned host_address_width,
       const unit_options& options, const omit& forget);
  unit(const unit&) = delete;
  unit& operator=(const unit&) = delete;

  [[nodiscard]] unsigned index() const { return index_; }
  /// "dmar0"
  [[nodiscard]] std::string name() const;
  [[nodiscard]] const unit_info& info() const { return info_; }
  [[nodiscard]] const register_block& registers() const { return registers_; }
  [[nodiscard]] std::uint32_t version() const { return version_; }
  [[nodiscard]] spec::cap capability() const { return capability_; }
  [[nodiscard]] spec::ecap extended_capability() const { return extended_; }
  /// Table reads see the CPU's cache (ECAP.C).
  [[nodiscard]] bool coherent() const { return extended_.c(); }
  /// Table stores have to be pushed out of the chipset's write buffer.
  [[nodiscard]] bool needs_write_buffer_flush() const {
    return capability_.rwbf() || options_.write_buffer_quirk;
  }
  /// Bits of device addresses the unit can translate: the widest of SAGAW, at most MGAW.
  [[nodiscard]] unsigned input_width() const;
  /// Can it walk tables of so many levels (2 to 5)?
  [[nodiscard]] bool supports_levels(unsigned levels) const;
  [[nodiscard]] root_table& tables() { return tables_; }

  /// Switches off what firmware left on: translation, interrupt remapping, the invalidation queue, the
  /// advanced fault log; masks the fault event and clears old fault records.
  void quiesce();
  /// The invalidation queue on, where the unit has one and the options want it. The register interface may
  /// not be used from then on. VT-d 6.5.2
  void enable_queue();
  /// Null: invalidations go through registers.
  [[nodiscard]] const invalidation_queue* queue() const { return queue_.get(); }
  /// Write-buffer flush, the queue if it is not on yet, root table, global invalidations, fault event. After
  /// it, enable() may follow.
  /// `on_fault` is called from the interrupt handler; it should call handle_faults.
  void prepare(std::function<void()> on_fault);
  /// Translation on, then protected memory off.
  void enable();
  /// Translation off, then fault event, fault log and queue; also what was ordered on without an answer, so
  /// that it takes back any part of a bring-up.
  void disable();
  [[nodiscard]] bool enabled() const { return enabled_; }

  /// GCMD.WBF; does nothing on a unit that does not need it. VT-d 6.8
  void flush_write_buffer();
  void invalidate_context_global();
  void invalidate_context_device(std::uint16_t domain_id, spec::source_id id);
  void invalidate_iotlb_global();
  void invalidate_iotlb_domain(std::uint16_t domain_id);
  /// [begin, end) of the domain, pages: page-selective where PSI and MAMV allow one command, else the domain.
  /// `leaves_only`: no table was freed or replaced, paging-structure caches may stay (IH).
  void invalidate_iotlb_range(std::uint16_t domain_id, std::uint64_t begin, std::uint64_t end,
                              bool leaves_only);

  /// The device-TLB of a function forgets [begin, end), pages; after the IOTLB invalidation of the same
  /// pages, or it may learn them again (VT-d 6.5.2.5). Only where the queue is on and ECAP.DT = 1.
  /// `queue_depth`: invalidations that the function takes at once.
  void invalidate_device(spec::source_id id, unsigned queue_depth, std::uint64_t begin, std::uint64_t end);
  /// The same for all it holds.
  void invalidate_device(spec::source_id id, unsigned queue_depth);
  [[nodiscard]] bool has_device_tlbs() const { return queue_ != nullptr && extended_.dt(); }

  [[nodiscard]] bool logs_faults() const { return fault_log_ != nullptr; }
  /// Reads and clears all fault records, those of the log included.
  [[nodiscard]] fault_batch take_faults();

private:
  [[nodiscard]] unit_error failure(unit_step step, const std::string& text) const;
  void check_capabilities(unsigned host_address_width) const;
  /// Waits until Field of Register is `wanted`; `block` as in register_block::read.
  template <class Register, class Field>
  void await(unit_step step, register_word<Register> wanted, std::uint64_t block = 0);
  template <class Status>
  void command(unit_step step, std::uint32_t bit, bool on, bool status_on);
  template <class Status>
  void switch_off(unit_step step, std::uint32_t bit);
  void mask_fault_event(bool masked);
  void invalidate_context(const spec::context_cache_descriptor& what);
  void invalidate_context_by_register(const spec::context_cache_descriptor& what);
  void invalidate_iotlb(spec::iotlb_descriptor what);
  void invalidate_iotlb_by_register(const spec::iotlb_descriptor& what);
  void submit(const spec::invalidation_descriptor& what);
  void disable_queue();
  void enable_fault_log();
  void disable_fault_log();
  void set_up_fault_event(std::function<void()> on_fault);
  void protected_memory_off();

  hardware& machine_;
  unsigned index_;
  unit_info info_;
  unit_options options_;
  const omit& forget_;
  register_block registers_;
  std::uint32_t version_;
  spec::cap capability_;
  spec::ecap extended_;
  root_table tables_;
  std::unique_ptr<invalidation_queue> queue_;
  std::unique_ptr<fault_log> fault_log_;
  std::unique_ptr<interrupt_vector> fault_vector_;
  bool enabled_ = false;
  std::uint32_t unanswered_ = 0; // bits of GCMD that were ordered on and not seen to take effect
};

} // namespace vtd::driver
