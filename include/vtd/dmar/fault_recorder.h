// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/event_message.h"
#include "vtd/dmar/fault_log.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/register_file.h"
#include "vtd/remap/access.h"

#include <algorithm>
#include <cstdint>
#include <deque>

namespace vtd::dmar {

/// A fault as people want to see it: finer than what the registers tell the guest.
struct fault_report {
  remap::dma_access access{};
  spec::fault_condition condition = spec::fault_condition::none;
  /// The edge at which the fault record was (or would have been) written.
  engine::cycle when = 0;
  /// It went into a record. If not, FPD suppressed it or no record was free.
  bool recorded = false;
  bool suppressed = false;
};

/// Who wants to see every fault of a unit.
struct fault_observer {
  fault_observer() = default;
  fault_observer(const fault_observer&) = delete;
  fault_observer& operator=(const fault_observer&) = delete;
  virtual ~fault_observer() = default;
  virtual void on_fault(const fault_report& report) = 0;
};

/// Primary fault logging (VT-d 7.3.1): FRCD records, FSTS, and the fault event
/// (VT-d 7.4); or, where software has enabled it, advanced fault logging
/// (VT-d 7.3.2): one fault after the other goes to the log in memory.
class fault_recorder {
public:
  fault_recorder(const unit_config& config, register_file& registers, pipeline& requests, unit_ports& ports)
      : config_(config), registers_(registers), event_(config, registers, ports),
        log_(registers, requests, ports) {}

  /// A request was blocked in cycle `now`.
  void log(const remap::dma_access& access, const remap::translation& result, engine::cycle now);
  /// Writes the records that are due and sends the messages that are due.
  void step(engine::cycle now);
  [[nodiscard]] engine::cycle next_work() const {
    // Behind a record on its way to the log the others wait.
    const engine::cycle next = log_.idle() ? next_due() : log_.next_work();
    return next < event_.next_work() ? next : event_.next_work();
  }

  /// The invalidation queue met an error: FSTS.IQE, and the fault event (VT-d 6.5.2.10, 7.4).
  void queue_failed(engine::cycle now) { raise_status(spec::reg::fsts::iqe::mask, now); }
  /// A device did not complete an invalidation in time, or completed one that nobody waits for: its bit of
  /// FSTS, the fault event, and in IQERCD the first device since the bit was clear (VT-d 10.4.9, 10.4.29).
  template <class Status, class Device>
  void invalidation_failed(spec::source_id device, engine::cycle now) {
    if (Status::get(registers_.read<spec::reg::fsts>()) == 0 && registers_.has<spec::reg::iqercd>()) {
      registers_.store<spec::reg::iqercd>(Device::set(registers_.read<spec::reg::iqercd>(), device.value()));
    }
    raise_status(Status::mask, now);
  }

  /// Software wrote FSTS or a record: PPF and IP follow what is left.
  void status_written();
  /// Software wrote FECTL; as `event_message::control_written`.
  void control_written(engine::cycle seen) { event_.control_written(seen); }

  /// Neither DMA nor interrupts are remapped any more: the next fault goes into record 0 (VT-d 7.3.1).
  void remapping_is_off() { next_record_ = 0; }

  [[nodiscard]] fault_log& log() { return log_; }
  [[nodiscard]] const fault_log& log() const { return log_; }
  /// Nothing is to be recorded, written or sent.
  [[nodiscard]] bool quiet() const {
    return waiting_.empty() && log_.idle() && event_.next_work() == engine::never;
  }

  void set_observer(fault_observer* observer) { observer_ = observer; }
  void set_unit_observer(unit_observer* observer) {
    unit_observer_ = observer;
    event_.set_observer(observer);
  }
  [[nodiscard]] std::uint64_t recorded() const { return recorded_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  void reset();
  /// Of a recorder that has nothing to do.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(next_record_, event_due_, recorded_, lost_, log_);
  }

private:
  struct entry {
    remap::dma_access access{};
    spec::fault_condition condition = spec::fault_condition::none;
    bool suppressed = false;
    engine::cycle due = 0;
  };
  [[nodiscard]] engine::cycle next_due() const {
    return waiting_.empty() ? engine::never : waiting_.front().due;
  }
  bool record(const entry& fault);
  // To the log: false if it is lost.
  bool begin_log(const entry& fault);
  void finish_log(engine::cycle now);
  void ended(const entry& fault, bool recorded, engine::cycle now);
  // Sets bits of FSTS that are causes of the fault event.
  void raise_status(std::uint32_t causes, engine::cycle now);
  [[nodiscard]] bool any_record_pending() const;
  /// Does a record that software has not freed hold a fault of this requester?
  [[nodiscard]] bool is_recorded(spec::source_id source) const;

  const unit_config& config_;
  register_file& registers_;
  fault_event event_;
  fault_log log_;
  // What is on its way to the log.
  entry logging_{};
  fault_observer* observer_ = nullptr;
  unit_observer* unit_observer_ = nullptr;
  std::deque<entry> waiting_;
  unsigned next_record_ = 0;
  bool event_due_ = false;
  std::uint64_t recorded_ = 0;
  std::uint64_t lost_ = 0;
};

} // namespace vtd::dmar
