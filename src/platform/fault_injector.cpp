// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/fault_injector.h"

#include "vtd/platform/binding.h"
#include "vtd/platform/dma_extension.h"
#include "vtd/spec/address.h"

#include <algorithm>
#include <string>
#include <utility>

namespace vtd::platform {

using engine::picoseconds;
using host::access_class;

namespace {

constexpr host::access_classes direct_classes = access_class::read | access_class::write;

access_class class_of(const tlm::tlm_generic_payload& trans) {
  if (const auto* const table = trans.get_extension<table_read_extension>())
    return table->queue_fetch ? access_class::queue_fetch : access_class::table_read;
  if (trans.get_extension<status_write_extension>() != nullptr) return access_class::status_write;
  return trans.is_write() ? access_class::write : access_class::read;
}

// The target need not, or must not, see it.
bool answered_here(const tlm::tlm_generic_payload& trans, const host::fault_decision& what) {
  return what.all_ones || (what.error && !trans.is_read());
}

// When the answer of an access comes that the target would answer (or we do) at `when`.
picoseconds answer_time(const host::fault_decision& what, picoseconds when) {
  return std::max(when + what.later, what.not_before);
}

void hold(tlm::tlm_generic_payload& trans) {
  if (trans.has_mm()) trans.acquire();
}
void let_go(tlm::tlm_generic_payload& trans) {
  if (trans.has_mm()) trans.release();
}

} // namespace

fault_injector::fault_injector(const sc_core::sc_module_name& name, host::fault_plan plan)
    : sc_module(name), port("port"), next("next"), plan_(std::move(plan)), due_("due"), never_("never") {
  port.serve(*this, 0);
  next.register_nb_transport_bw(this, &fault_injector::backward_phase);
  next.register_invalidate_direct_mem_ptr(this, &fault_injector::withdraw);
  SC_HAS_PROCESS(fault_injector);
  SC_METHOD(answer_due);
  sensitive << due_;
  dont_initialize();
}

void fault_injector::before_end_of_elaboration() {
  binding_check check(*this);
  check.need(port, "port", "an initiator");
  check.need(next, "next", "a memory, or the registers of a unit");
  check.report();
}

std::size_t fault_injector::add(const host::fault_rule& rule) {
  const std::size_t number = plan_.add(rule);
  if (direct_given_ && plan_.threatens(direct_classes, rule.first, rule.last))
    port->invalidate_direct_mem_ptr(spec::page_base(rule.first),
                                    spec::page_base(rule.last) + spec::page_size - 1);
  return number;
}

host::fault_decision fault_injector::decide(const payload& trans, picoseconds when) {
  return plan_.decide({class_of(trans), trans.get_address(), trans.get_data_length(), when});
}

// The data and the status of an answer that was hit.
void fault_injector::spoil(payload& trans, const host::fault_decision& what) {
  trans.set_dmi_allowed(false);
  if (!what.error && !what.all_ones) return;
  trans.set_response_status(what.all_ones ? tlm::TLM_OK_RESPONSE : tlm::TLM_GENERIC_ERROR_RESPONSE);
  if (!trans.is_read()) return;
  const unsigned char* const enables = trans.get_byte_enable_ptr();
  const unsigned period = trans.get_byte_enable_length();
  for (unsigned i = 0; i < trans.get_data_length(); ++i) {
    if (enables == nullptr || period == 0 || enables[i % period] != TLM_BYTE_DISABLED)
      trans.get_data_ptr()[i] = 0xff;
  }
}

// --- b_transport

void fault_injector::transport(int /*number*/, payload& trans, sc_core::sc_time& delay) {
  const host::fault_decision what =
      plan_.empty() ? host::fault_decision{} : decide(trans, now_ps() + to_ps(delay));
  if (what.harmless()) {
    next->b_transport(trans, delay);
    return;
  }
  if (answered_here(trans, what)) {
    delay += to_sc_time(what.answer_after);
  } else {
    next->b_transport(trans, delay);
  }
  spoil(trans, what);
  const picoseconds now = now_ps();
  delay = to_sc_time(answer_time(what, now + to_ps(delay)) - now);
  if (!what.withheld_for_good) return;
  if (sc_core::sc_get_current_process_handle().proc_kind() != sc_core::SC_THREAD_PROC_) {
    SC_REPORT_ERROR("/vtd/fault_injector",
                    (std::string(name()) + ": an answer to b_transport is withheld for "
                                           "good, expected the caller to be a thread")
                        .c_str());
    return;
  }
  ++withheld_;
  wait(never_);
}

// --- nb_transport, towards the target

tlm::tlm_sync_enum fault_injector::forward_phase(int /*number*/, payload& trans, tlm::tlm_phase& phase,
                                                 sc_core::sc_time& delay) {
  if (phase == tlm::BEGIN_REQ) return begin_request(trans, phase, delay);
  if (phase != tlm::END_RESP || &trans != responding_) return next->nb_transport_fw(trans, phase, delay);
  responding_ = nullptr;
  // The next answer may begin when this one has ended.
  if (!ready_.empty()) due_.notify(delay);
  if (target_waits_) return next->nb_transport_fw(trans, phase, delay);
  let_go(trans);
  return tlm::TLM_COMPLETED;
}

tlm::tlm_sync_enum fault_injector::begin_request(payload& trans, tlm::tlm_phase& phase,
                                                 sc_core::sc_time& delay) {
  const picoseconds now = now_ps();
  const host::fault_decision what =
      plan_.empty() ? host::fault_decision{} : decide(trans, now + to_ps(delay));
  if (what.harmless()) {
    const tlm::tlm_sync_enum status = next->nb_transport_fw(trans, phase, delay);
    if (status != tlm::TLM_UPDATED || phase != tlm::BEGIN_RESP) return status;
    if (responding_ == nullptr && ready_.empty()) {
      responding_ = &trans;
      target_waits_ = true;
      return status;
    }
    // One answer at a time (TLM-2.0, exclusion rule).
    hold(trans);
    ready_.push_back({&trans, now + to_ps(delay), true});
    phase = tlm::END_REQ;
    delay = sc_core::SC_ZERO_TIME;
    return status;
  }
  auto status = tlm::TLM_COMPLETED;
  if (answered_here(trans, what)) {
    delay += to_sc_time(what.answer_after);
  } else {
    under_way_.push_back({&trans, what, true});
    status = next->nb_transport_fw(trans, phase, delay);
    if (status == tlm::TLM_ACCEPTED || (status == tlm::TLM_UPDATED && phase != tlm::BEGIN_RESP)) {
      under_way_.back().request_ended = status == tlm::TLM_UPDATED;
      return status;
    }
    under_way_.pop_back();
    if (status == tlm::TLM_UPDATED) end_towards_target(trans);
  }
  const picoseconds when = now + to_ps(delay);
  if (status == tlm::TLM_COMPLETED && !what.withheld_for_good) {
    spoil(trans, what);
    delay = to_sc_time(answer_time(what, when) - now);
    return status;
  }
  finish(trans, what, when);
  phase = tlm::END_REQ;
  delay = sc_core::SC_ZERO_TIME;
  return tlm::TLM_UPDATED;
}

// The target's part is over, at `when`; the initiator's answer is ours to give.
void fault_injector::finish(payload& trans, const host::fault_decision& what, picoseconds when) {
  spoil(trans, what);
  hold(trans);
  if (what.withheld_for_good) {
    ++withheld_;
    return;
  }
  const answer mine{&trans, answer_time(what, when), false};
  const auto later = [](picoseconds due, const answer& other) { return due < other.due; };
  kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), mine.due, later), mine);
  wake_up();
}

void fault_injector::end_towards_target(payload& trans) {
  tlm::tlm_phase phase = tlm::END_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  next->nb_transport_fw(trans, phase, delay);
}

// --- nb_transport, towards the initiator

tlm::tlm_sync_enum fault_injector::backward_phase(payload& trans, tlm::tlm_phase& phase,
                                                  sc_core::sc_time& delay) {
  const auto mine =
      std::find_if(under_way_.begin(), under_way_.end(), [&](const hit& h) { return h.trans == &trans; });
  if (phase == tlm::END_REQ && mine != under_way_.end()) mine->request_ended = true;
  if (phase != tlm::BEGIN_RESP) return port->nb_transport_bw(trans, phase, delay);
  if (mine != under_way_.end()) {
    const hit h = *mine;
    under_way_.erase(mine);
    finish(trans, h.what, now_ps() + to_ps(delay));
    if (!h.request_ended) {
      // The target's answer ended the request, too (TLM-2.0 base protocol).
      tlm::tlm_phase end = tlm::END_REQ;
      sc_core::sc_time at = delay;
      port->nb_transport_bw(trans, end, at);
    }
    phase = tlm::END_RESP;
    return tlm::TLM_COMPLETED;
  }
  if (responding_ != nullptr || !ready_.empty()) {
    hold(trans);
    ready_.push_back({&trans, now_ps() + to_ps(delay), true});
    return tlm::TLM_ACCEPTED;
  }
  responding_ = &trans;
  target_waits_ = true;
  const tlm::tlm_sync_enum status = port->nb_transport_bw(trans, phase, delay);
  if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP))
    responding_ = nullptr;
  return status;
}

// As the kernel wakes us: what is due, one answer after the other.
void fault_injector::answer_due() {
  const picoseconds now = now_ps();
  while (!kept_.empty() && kept_.front().due <= now) {
    ready_.push_back(kept_.front());
    kept_.erase(kept_.begin());
  }
  while (responding_ == nullptr && !ready_.empty() && ready_.front().due <= now) {
    const answer first = ready_.front();
    ready_.pop_front();
    respond(first);
  }
  wake_up();
}

void fault_injector::wake_up() {
  picoseconds at = engine::never;
  if (!kept_.empty()) at = kept_.front().due;
  if (responding_ == nullptr && !ready_.empty()) at = std::min(at, ready_.front().due);
  const picoseconds now = now_ps();
  if (at != engine::never) due_.notify(to_sc_time(at > now ? at - now : 0));
}

void fault_injector::respond(const answer& what) {
  payload& trans = *what.trans;
  responding_ = &trans;
  target_waits_ = what.target_waits;
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum status = port->nb_transport_bw(trans, phase, delay);
  if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
    responding_ = nullptr;
    if (what.target_waits) end_towards_target(trans);
    let_go(trans);
  } else if (what.target_waits) {
    let_go(trans);
  }
}

// --- Debug and direct access

unsigned fault_injector::debug(int /*number*/, payload& trans) { return next->transport_dbg(trans); }

bool fault_injector::direct(int /*number*/, payload& trans, tlm::tlm_dmi& dmi) {
  const bool given = next->get_direct_mem_ptr(trans, dmi);
  if (given && plan_.threatens(direct_classes, dmi.get_start_address(), dmi.get_end_address())) {
    dmi.init();
    const std::uint64_t page = spec::page_base(trans.get_address());
    dmi.set_start_address(page);
    dmi.set_end_address(page + spec::page_size - 1);
    return false;
  }
  direct_given_ = direct_given_ || given;
  return given;
}

void fault_injector::withdraw(sc_dt::uint64 first, sc_dt::uint64 last) {
  port->invalidate_direct_mem_ptr(first, last);
}

} // namespace vtd::platform
