// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/fault_recorder.h"

#include "vtd/dmar/observer.h"

#include <algorithm>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;

namespace {

// What can have raised the fault event: a further cause raises none while one of them is set (VT-d 7.4).
bool any_cause(std::uint32_t status) {
  using reg::fsts;
  constexpr std::uint32_t causes = fsts::pfo::mask | fsts::ppf::mask | fsts::afo::mask | fsts::apf::mask |
                                   fsts::iqe::mask | fsts::ice::mask | fsts::ite::mask;
  return (status & causes) != 0;
}

// AT of a record: parts without device-TLBs have no such field, it reads 0 (VT-d 10.4.14).
unsigned address_type_of(const unit_config& config, const remap::dma_access& access) {
  return config.caps.ecap.dt() ? static_cast<unsigned>(access.type) : 0;
}

} // namespace

void fault_recorder::log(const remap::dma_access& access, const remap::translation& result, cycle now) {
  entry fault{access, result.condition, result.suppressed, now + config_.timing.fault_recording};
  // The loosely-timed path logs ahead of the clock; records are written in the order of time all the same.
  auto after = std::upper_bound(waiting_.begin(), waiting_.end(), fault.due,
                                [](cycle due, const entry& other) { return due < other.due; });
  waiting_.insert(after, fault);
}

void fault_recorder::step(cycle now) {
  finish_log(now);
  while (log_.idle() && !waiting_.empty() && waiting_.front().due <= now) {
    const entry fault = waiting_.front();
    waiting_.pop_front();
    const bool logs = log_.enabled() && !fault.suppressed;
    if (logs && begin_log(fault)) break;
    const bool recorded = !logs && !fault.suppressed && record(fault);
    ended(fault, recorded, now);
    // VT-d 7.4: an event only when no fault was pending before. record() leaves that to the first one.
    if (recorded && event_due_) {
      event_due_ = false;
      event_.raise(now);
    }
  }
  event_.step(now);
}

// What became of a fault.
void fault_recorder::ended(const entry& fault, bool recorded, cycle now) {
  if (recorded) {
    ++recorded_;
  } else if (!fault.suppressed) {
    ++lost_;
  }
  const fault_report report{fault.access, fault.condition, now, recorded, fault.suppressed};
  if (observer_ != nullptr) observer_->on_fault(report);
  if (unit_observer_ != nullptr) unit_observer_->on_fault_recorded(report);
}

// --- Advanced fault logging (VT-d 7.3.2)

bool fault_recorder::begin_log(const entry& fault) {
  // *Assumed:* as with PFO, nothing is recorded until software has cleared the
  // overflow.
  if (reg::fsts::afo::get(registers_.read<reg::fsts>()) != 0) return false;
  logging_ = fault;
  spec::fault_log_record what;
  what.set_address(fault.access.address & spec::low_bits(config_.caps.cap.mgaw()));
  what.set_source(fault.access.source).set_reason(spec::condition_info(fault.condition).reason);
  what.set_address_type(address_type_of(config_, fault.access));
  what.set_read(fault.access.kind != remap::access_kind::write);
  log_.begin(what);
  return true;
}

// The record stands in memory before APF and its event tell of it
// (VT-d 7.3.2, 7.4).
void fault_recorder::finish_log(cycle now) {
  switch (log_.take_outcome(now)) {
  case fault_log::outcome::none:
    return;
  case fault_log::outcome::written:
    ended(logging_, true, now);
    return raise_status(reg::fsts::apf::mask, now);
  case fault_log::outcome::full:
    ended(logging_, false, now);
    return raise_status(reg::fsts::afo::mask, now);
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
  high = reg::frcd_hi::at::set(high, address_type_of(config_, fault.access));
  high = reg::frcd_hi::t1::set(high, is_write ? 0U : 1U);
  registers_.store<reg::frcd_hi>(reg::frcd_hi::f::set(high, 1), index);
  next_record_ = (index + 1) % config_.caps.cap.fault_records();
  if (reg::fsts::ppf::get(status) == 0) {
    event_due_ = !any_cause(status);
    status = reg::fsts::fri::set(status, index);
    registers_.store<reg::fsts>(reg::fsts::ppf::set(status, 1));
  }
  return true;
}

void fault_recorder::raise_status(std::uint32_t causes, cycle now) {
  const auto status = registers_.read<reg::fsts>();
  registers_.store<reg::fsts>(status | causes);
  if (!any_cause(status)) event_.raise(now);
  event_.step(now);
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
  if (!any_cause(status)) event_.cause_cleared();
}

void fault_recorder::reset() {
  waiting_.clear();
  event_.reset();
  log_.reset();
  next_record_ = 0;
}

} // namespace vtd::dmar
