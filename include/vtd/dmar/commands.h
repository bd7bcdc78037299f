// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/fault_recorder.h"
#include "vtd/dmar/invalidation_queue.h"
#include "vtd/dmar/invalidator.h"
#include "vtd/dmar/observer.h"
#include "vtd/dmar/pipeline.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/protected_memory.h"
#include "vtd/dmar/register_file.h"
#include "vtd/remap/translator.h"

#include <cstdint>

namespace vtd::dmar {

/// What software orders through registers and hardware does in its own time: GCMD (VT-d 10.4.4),
/// context-cache and IOTLB invalidation (VT-d 6.5.1), protected memory (VT-d 10.4.16).
/// docs/microarchitecture.md, section 5.
class commands {
public:
  commands(const unit_config& config, const engine::clock& timebase, register_file& registers,
           remap::translator& translator, unit_state& state, pipeline& requests, protected_memory& protection,
           fault_recorder& faults, invalidator& removal, invalidation_queue& queue, unit_ports& ports);

  // Software wrote the register (it is stored already); `seen` is the first edge after the write.
  void global_command(std::uint32_t value, engine::cycle seen);
  void context_command(engine::cycle seen);
  void iotlb_command(engine::cycle seen);
  void protection_command(engine::cycle seen);

  void step(engine::cycle now);
  /// Nothing is under way, and nothing ordered: `step` would do nothing.
  [[nodiscard]] bool quiet() const { return quiet_; }
  [[nodiscard]] engine::cycle next_work(engine::cycle now) const;

  /// While the queue is in use the registers of the other interface do nothing: an order ends at once, with
  /// CAIG or IAIG = 0. *Assumed:* software may not give it (VT-d 6.5.1), and what hardware makes of it no
  /// source tells.
  void refuse_context_command();
  void refuse_iotlb_command();
  /// Is a context-cache (IOTLB) invalidation under way? Software may not touch the register then.
  [[nodiscard]] bool context_busy() const { return context_at_ != engine::never; }
  [[nodiscard]] bool iotlb_busy() const {
    return iotlb_at_ != engine::never || iotlb_draining_ || iotlb_end_ != engine::never;
  }
  /// Is a command waiting for requests to leave, or for the queue to come to rest?
  [[nodiscard]] bool drains() const {
    return iotlb_draining_ || protect_draining_ || enable_at_ != engine::never || queue_at_ != engine::never;
  }
  /// A write to the register of a command that is under way was dropped.
  void count_ignored() { ++ignored_; }
  /// `unit_statistics::ignored_orders`.
  [[nodiscard]] std::uint64_t ignored() const { return ignored_; }
  void clear_statistics() { ignored_ = 0; }
  void set_observer(unit_observer* observer) { observer_ = observer; }
  void reset();
  /// Of one that is quiet.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(command_value_, iotlb_granularity_, ignored_);
  }

private:
  static constexpr unsigned first_version_without_register_invalidation = 6;
  [[nodiscard]] bool take_invalidations() const;
  [[nodiscard]] context_order ordered_contexts() const;
  [[nodiscard]] page_order ordered_pages() const;
  void start_global_command(engine::cycle now);
  void finish_global_command(engine::cycle now);
  void invalidate_contexts();
  void invalidate_iotlb();
  [[nodiscard]] bool iotlb_drained() const;
  void finish_iotlb();
  template <class Field>
  void set_status(bool on);
  void tell(unit_command what, command_step step, engine::cycle at) const;

  const unit_config& config_;
  const engine::clock& timebase_;
  register_file& registers_;
  remap::translator& translator_;
  unit_state& state_;
  pipeline& requests_;
  protected_memory& protection_;
  fault_recorder& faults_;
  invalidator& removal_;
  invalidation_queue& queue_;
  unit_ports& ports_;

  // GCMD: the value to act on, and what of it is still to be finished.
  std::uint32_t command_value_ = 0;
  engine::cycle command_at_ = engine::never;
  engine::cycle root_at_ = engine::never;
  engine::cycle write_buffer_at_ = engine::never;
  engine::cycle enable_at_ = engine::never;
  engine::cycle queue_at_ = engine::never;
  // SFL and EAFL.
  engine::cycle log_at_ = engine::never;
  engine::cycle log_enable_at_ = engine::never;
  std::uint64_t enable_mark_ = 0;

  engine::cycle context_at_ = engine::never;
  engine::cycle iotlb_at_ = engine::never;
  bool quiet_ = true;
  bool iotlb_draining_ = false;
  engine::cycle iotlb_end_ = engine::never;
  std::uint64_t iotlb_mark_ = 0;
  std::uint64_t iotlb_granularity_ = 0;

  engine::cycle protect_at_ = engine::never;
  bool protect_draining_ = false;
  std::uint64_t protect_mark_ = 0;

  unit_observer* observer_ = nullptr;
  std::uint64_t ignored_ = 0;
};

} // namespace vtd::dmar
