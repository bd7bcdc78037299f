// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/fault_recorder.h"
#include "vtd/dmar/observer.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/register_file.h"
#include "vtd/engine/archive.h"
#include "vtd/spec/ats.h"
#include "vtd/spec/invalidation.h"

#include <array>
#include <cstdint>
#include <vector>

namespace vtd::dmar {

/// Invalidation requests to devices (VT-d 6.5.2.5, PCIe ATS): gives them their ITags, waits for the
/// completions, and says what went wrong: none in time (FSTS.ITE), or one that nobody waits for (FSTS.ICE).
///
/// A device has no more of them than its descriptor's MIP at once, or its physical function has no more,
/// where ECAP.DIT = 1.
class device_invalidations {
public:
  device_invalidations(const unit_config& config, fault_recorder& faults, unit_ports& ports)
      : config_(config), faults_(faults), ports_(ports) {}

  /// Is an ITag free, and may the device have one more?
  [[nodiscard]] bool may_send(const spec::device_tlb_descriptor& what) const;
  /// The request leaves; only where it `may_send`.
  void send(const spec::device_tlb_descriptor& what, engine::cycle now);
  /// A completion arrived; seen at edge `seen`.
  void completed(const spec::ats::invalidation_completion& what, engine::cycle seen);

  /// Takes the completions that are due, then those that did not come in time. True: one did not.
  bool step(engine::cycle now);
  [[nodiscard]] engine::cycle next_work() const;
  /// Is any request not completed?
  [[nodiscard]] bool any_pending() const { return pending_ != 0; }
  /// Nothing will happen unless somebody asks for it.
  [[nodiscard]] bool at_rest() const { return pending_ == 0 && arrived_.empty(); }

  /// Requests sent, those that timed out, and completions that nobody waited for.
  struct counts {
    std::uint64_t requests = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t unexpected = 0;
  };
  [[nodiscard]] const counts& statistics() const { return counts_; }
  void clear_statistics() { counts_ = {}; }
  void set_observer(unit_observer* observer) { observer_ = observer; }
  void reset();
  /// Of one that waits for nothing.
  template <class Archive>
  void serialize(Archive& archive) {
    engine::serialize_counters(archive, counts_);
  }

private:
  struct request {
    spec::ats::invalidation_request sent{};
    // Whose requests it is counted with.
    spec::source_id owner{};
    // Messages that are still owed; 0: no message came yet, and so their number is not known.
    unsigned owed = 0;
    engine::cycle until = engine::never;
  };
  struct arrival {
    engine::cycle at = 0;
    spec::ats::invalidation_completion what{};
  };
  static constexpr std::uint32_t bit(unsigned tag) { return std::uint32_t{1} << tag; }
  [[nodiscard]] spec::source_id owner_of(const spec::device_tlb_descriptor& what) const {
    return config_.caps.ecap.dit() ? what.physical_source() : what.source();
  }
  void take(const spec::ats::invalidation_completion& what, engine::cycle now);
  void end(unsigned tag) { pending_ &= ~bit(tag); }
  void tell(device_step step, const spec::ats::invalidation_request& what, engine::cycle at) const {
    if (observer_ != nullptr) observer_->on_device_invalidation({step, at, what});
  }

  const unit_config& config_;
  fault_recorder& faults_;
  unit_ports& ports_;
  unit_observer* observer_ = nullptr;
  std::array<request, spec::ats::tags> requests_{};
  // A bit for each ITag in use.
  std::uint32_t pending_ = 0;
  std::vector<arrival> arrived_;
  counts counts_{};
};

} // namespace vtd::dmar
