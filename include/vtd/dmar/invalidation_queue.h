// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/device_invalidations.h"
#include "vtd/dmar/event_message.h"
#include "vtd/dmar/fault_recorder.h"
#include "vtd/dmar/invalidator.h"
#include "vtd/dmar/observer.h"
#include "vtd/dmar/pipeline.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/register_file.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>
#include <optional>

namespace vtd::dmar {

/// Queued invalidation (VT-d 6.5.2): fetches descriptors between IQH and IQT, judges them, and does what they
/// say, one after the other in their order. docs/microarchitecture.md, section 6.
///
/// A wait also waits for the completions of all invalidation requests to devices that stand before it; one
/// that does not come in time drops the waits that were fetched, and stops fetching until software clears
/// FSTS.ITE.
///
/// The interrupt entry cache is not built: where ECAP.IR says that it is there, its descriptors are judged,
/// counted, and remove nothing.
class invalidation_queue final : private memory_client {
public:
  invalidation_queue(const unit_config& config, register_file& registers, const unit_state& state,
                     invalidator& removal, pipeline& requests, fault_recorder& faults, unit_ports& ports);

  // For GCMD.QIE (VT-d 10.4.4).

  /// Takes over IQA; fetching begins, from IQH = 0.
  void start(engine::cycle now);
  /// No descriptor is begun any more; what was fetched and not begun is forgotten.
  void stop();
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// Nothing is in execution.
  [[nodiscard]] bool at_rest() const {
    return !running_.busy && writer_.state == write_state::idle && !devices_.any_pending();
  }
  void reset_head() { registers_.store<spec::reg::iqh>(0); }

  // Software wrote a register (it is stored already).

  /// IQT or FSTS: there may be something to fetch. `seen`: the first edge after the write.
  void look_again(engine::cycle seen) {
    quiet_ = false;
    look_at_ = seen;
  }
  /// IQA while the queue is off.
  void address_written();
  /// ICS.
  void completion_status_written();
  /// IECTL; `seen`: the first edge after the write.
  void control_written(engine::cycle seen);

  // Answers of memory; those with an old tag are dropped.

  void fetched(unsigned tag, bool ok, const descriptor_words& words, engine::cycle seen);
  void status_answered(unsigned tag, bool ok, engine::cycle seen);
  /// A device completed invalidation requests.
  void device_completed(const spec::ats::invalidation_completion& what, engine::cycle seen) {
    devices_.completed(what, seen);
    quiet_ = false;
  }

  void step(engine::cycle now);
  /// `step` would do nothing.
  [[nodiscard]] bool quiet() const { return quiet_; }
  [[nodiscard]] engine::cycle next_work(engine::cycle now) const;
  /// Is a descriptor waiting for requests to leave?
  [[nodiscard]] bool drains() const { return running_.draining; }

  /// Descriptors executed, waits among them, interrupt-entry descriptors among them, errors.
  struct counts {
    std::uint64_t descriptors = 0;
    std::uint64_t waits = 0;
    std::uint64_t interrupt_entries = 0;
    std::uint64_t errors = 0;
  };
  [[nodiscard]] const counts& statistics() const { return counts_; }
  [[nodiscard]] const device_invalidations& devices() const { return devices_; }
  void clear_statistics() {
    counts_ = {};
    devices_.clear_statistics();
  }
  void set_observer(unit_observer* observer) {
    observer_ = observer;
    event_.set_observer(observer);
    devices_.set_observer(observer);
  }
  void reset();
  /// Of a queue that is quiet.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(base_, size_, wide_, enabled_, next_tag_);
    engine::serialize_counters(archive, counts_);
    archive(devices_);
  }

private:
  enum class fetch_state : std::uint8_t { idle, delayed, wants_port, reading, decoding };
  enum class write_state : std::uint8_t { idle, delayed, wants_port, writing, answered };
  // A descriptor, where it stands in the queue, as IQH says it, and how many were fetched before it.
  struct queued {
    spec::invalidation_descriptor what{};
    std::uint64_t place = 0;
    std::uint64_t number = 0;
  };
  [[nodiscard]] context_order order_of(const spec::context_cache_descriptor& d) const;
  [[nodiscard]] page_order order_of(const spec::iotlb_descriptor& d) const;
  static constexpr unsigned no_tag = 0;

  // What is wrong with a descriptor; nothing: it is valid (VT-d 6.5.2, 6.5.2.10).
  [[nodiscard]] std::optional<spec::queue_error> judge(const descriptor_words& words) const;
  [[nodiscard]] bool has_reserved_bits(const spec::invalidation_descriptor& raw) const;
  [[nodiscard]] std::optional<spec::queue_error> judge_tail(std::uint64_t tail) const;
  [[nodiscard]] bool failed() const;
  [[nodiscard]] unsigned descriptor_bytes() const { return wide_ ? 32 : 16; }
  [[nodiscard]] bool has_room() const;
  void fail(spec::queue_error why, engine::cycle now);
  void finish_write(engine::cycle now);
  void take_fetched(engine::cycle now);
  void run(engine::cycle now);
  void begin(engine::cycle now);
  bool finish(engine::cycle now);
  void drop_waits();
  void drop_incoming();
  void lose_status(engine::cycle now);
  void begin_wait(const queued& item, engine::cycle now);
  void finish_wait(engine::cycle now);
  void end_fence();
  void fetch(engine::cycle now);
  bool take_port(engine::cycle now) override;
  void tell(const spec::invalidation_descriptor& what, command_step step, engine::cycle at,
            spec::context_granularity context_done = spec::context_granularity::none,
            spec::iotlb_granularity iotlb_done = spec::iotlb_granularity::none) const;

  const unit_config& config_;
  register_file& registers_;
  const unit_state& state_;
  invalidator& removal_;
  pipeline& requests_;
  fault_recorder& faults_;
  unit_ports& ports_;
  invalidation_event event_;
  device_invalidations devices_;
  unit_observer* observer_ = nullptr;

  // IQA as it was when the queue was enabled.
  std::uint64_t base_ = 0;
  std::uint64_t size_ = 0;
  bool wide_ = false;
  bool enabled_ = false;
  bool quiet_ = true;
  engine::cycle look_at_ = engine::never;

  // The descriptor that is being fetched: that at IQH.
  struct {
    fetch_state state = fetch_state::idle;
    engine::cycle due = engine::never;
    unsigned tag = no_tag;
    bool ok = false;
    descriptor_words words{};
  } incoming_;
  // Fetched, valid, and not begun.
  engine::ring<queued> ready_;

  struct execution {
    bool busy = false;
    // The removal is due then; `never` once it is done.
    engine::cycle due = engine::never;
    bool draining = false;
    // A device-TLB invalidation: until the device may have one more.
    bool throttled = false;
    // A fence: until the wait is over.
    bool waiting = false;
    spec::invalidation_descriptor what{};
    std::uint64_t mark = 0;
    // Of what was drained: when it ends.
    engine::cycle end = 0;
  } running_;

  // The wait whose status is on its way.
  struct {
    write_state state = write_state::idle;
    engine::cycle due = engine::never;
    unsigned tag = no_tag;
    bool ok = false;
    spec::invalidation_descriptor what{};
    std::uint64_t place = 0;
    std::uint64_t number = 0;
  } writer_;

  // Of descriptors, for comparison only.
  std::uint64_t fetched_ = 0;
  unsigned next_tag_ = 1;
  counts counts_{};
};

} // namespace vtd::dmar
