// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/fault_recorder.h"

#include "vtd/dmar/observer.h"

#include <algorithm>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;

void fault_recorder::log(const remap::dma_access& access, const remap::translation& result, cycle now) {
  entry fault{access, result.condition, result.suppressed, now + config_.timing.fault_recording};
  // The loosely-timed path logs ahead of the clock; records are written in the order of time all the same.
  auto after = std::upper_bound(waiting_.begin(), waiting_.end(), fault.due,
                                [](cycle due, const entry& other) { return due < other.due; });
  waiting_.insert(after, fault);
}

void fault_recorder::step(cycle now) {
  while (!waiting_.empty() && waiting_.front().due <= now) {
    const entry fault = waiting_.front();
    waiting_.pop_front();
    const bool recorded = !fault.suppressed && record(fault);
    if (recorded) {
      ++recorded_;
    } else if (!fault.suppressed) {
      ++lost_;
    }
    const fault_report report{fault.access, fault.condition, now, recorded, fault.suppressed};
    if (observer_ != nullptr) observer_->on_fault(report);
    if (unit_observer_ != nullptr) unit_observer_->on_fault_recorded(report);
    // VT-d 7.4: an event only when no fault was pending before. record() leaves that to the first one.
    if (recorded && event_due_) {
      event_due_ = false;
      raise_event(now);
    }
  }
  if (message_at_ <= now) {
    message_at_ = never;
    const auto upper = std::uint64_t{registers_.read<reg::feuaddr>()} << 32;
    const spec::msi_message message{upper | registers_.read<reg::feaddr>(), registers_.read<reg::fedata>()};
    if (unit_observer_ != nullptr) unit_observer_->on_message(message, now);
    ports_.send_message(message);
  }
}

// Primary fault logging (VT-d 7.3.1): false if the fault is lost.
bool fault_recorder::record(const entry& fault) {
  auto status = registers_.read<reg::fsts>();
  if (reg::fsts::pfo::get(status) != 0) return false;
  if (config_.compress_faults && is_recorded(fault.access.source)) return false;
  const unsigned index = next_record_;
  if (reg::frcd_hi::f::get(registers_.read<reg::frcd_hi>(index)) != 0) {
    registers_.store<reg::fsts>(reg::fsts::pfo::set(status, 1));
    return false;
  }
  // FI is the page of the request, as far as MGAW reaches; the bits above read 0 (VT-d 10.4.14).
  const std::uint64_t reachable = spec::low_bits(config_.caps.cap.mgaw());
  registers_.store<reg::frcd_lo>(spec::page_base(fault.access.address) & reachable, index);
  const bool is_write = fault.access.kind == remap::access_kind::write;
  std::uint64_t high = 0;
  high = reg::frcd_hi::sid::set(high, fault.access.source.value());
  high =
      reg::frcd_hi::fr::set(high, static_cast<std::uint64_t>(spec::condition_info(fault.condition).reason));
  high = reg::frcd_hi::at::set(high, static_cast<std::uint64_t>(fault.access.type));
  high = reg::frcd_hi::t1::set(high, is_write ? 0U : 1U);
  registers_.store<reg::frcd_hi>(reg::frcd_hi::f::set(high, 1), index);
  next_record_ = (index + 1) % config_.caps.cap.fault_records();
  if (reg::fsts::ppf::get(status) == 0) {
    // Sources of the same event that are pending already have raised it (VT-d 7.4).
    event_due_ = true;
    status = reg::fsts::fri::set(status, index);
    registers_.store<reg::fsts>(reg::fsts::ppf::set(status, 1));
  }
  return true;
}

void fault_recorder::raise_event(cycle now) {
  const auto control = registers_.read<reg::fectl>();
  if (reg::fectl::im::get(control) != 0) {
    registers_.store<reg::fectl>(reg::fectl::ip::set(control, 1));
  } else {
    message_at_ = std::min(message_at_, now + config_.timing.event_message);
  }
}

bool fault_recorder::any_record_pending() const {
  for (unsigned index = 0; index < config_.caps.cap.fault_records(); ++index) {
    if (reg::frcd_hi::f::get(registers_.read<reg::frcd_hi>(index)) != 0) return true;
  }
  return false;
}

bool fault_recorder::is_recorded(spec::source_id source) const {
  for (unsigned index = config_.caps.cap.nfr();; --index) {
    const auto high = registers_.read<reg::frcd_hi>(index);
    if (reg::frcd_hi::f::get(high) != 0 && reg::frcd_hi::sid::get(high) == source.value()) return true;
    if (index == 0) return false;
  }
}

void fault_recorder::status_written() {
  auto status = registers_.read<reg::fsts>();
  status = reg::fsts::ppf::set(status, any_record_pending() ? 1U : 0U);
  registers_.store<reg::fsts>(status);
  // VT-d 10.4.10: software that clears every cause also clears the pending event.
  if (reg::fsts::ppf::get(status) == 0 && reg::fsts::pfo::get(status) == 0) {
    registers_.store<reg::fectl>(reg::fectl::ip::set(registers_.read<reg::fectl>(), 0));
  }
}

void fault_recorder::control_written(cycle seen) {
  const auto control = registers_.read<reg::fectl>();
  if (reg::fectl::im::get(control) != 0) {
    // What has not gone out yet waits (VT-d 7.4).
    if (message_at_ == never) return;
    message_at_ = never;
    registers_.store<reg::fectl>(reg::fectl::ip::set(control, 1));
  } else if (reg::fectl::ip::get(control) != 0) {
    registers_.store<reg::fectl>(reg::fectl::ip::set(control, 0));
    message_at_ = std::min(message_at_, seen + config_.timing.event_message);
  }
}

cycle fault_recorder::next_work() const {
  return waiting_.empty() ? message_at_ : std::min(message_at_, waiting_.front().due);
}

void fault_recorder::reset() {
  waiting_.clear();
  message_at_ = never;
  next_record_ = 0;
}

} // namespace vtd::dmar
