// SPDX-License-Identifier: Apache-2.0
#include "initiators.h"

#include <algorithm>

namespace vtd::bench {

blocking_initiator::blocking_initiator(const sc_core::sc_module_name& name) : sc_module(name) {
  socket.register_invalidate_direct_mem_ptr(this, &blocking_initiator::withdraw);
  trans.set_command(tlm::TLM_READ_COMMAND);
  trans.set_data_ptr(data_.data());
  trans.set_data_length(request_bytes);
  trans.set_streaming_width(request_bytes);
}

std::uint64_t blocking_initiator::run(stream_kind kind, std::uint64_t first, std::uint64_t items) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = first; i < first + items; ++i) {
    trans.set_address(address_of(kind, i));
    trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    sc_core::sc_time delay;
    socket->b_transport(trans, delay);
    sum += data_[0] + (trans.is_response_ok() ? 1U : 0U);
    simulated_ += platform::to_ps(delay);
  }
  return sum;
}

phased_initiator::phased_initiator(const sc_core::sc_module_name& name) : sc_module(name) {
  socket.register_nb_transport_bw(this, &phased_initiator::backward);
  SC_HAS_PROCESS(phased_initiator);
  SC_METHOD(issue);
  sensitive << kick_;
  dont_initialize();
}

std::uint64_t phased_initiator::run(stream_kind which, std::uint64_t first, std::uint64_t items) {
  const engine::picoseconds begin = platform::now_ps();
  kind_ = which;
  next_ = first;
  last_ = first + items;
  done_ = 0;
  goal_ = items;
  sum_ = 0;
  kick_.notify(sc_core::SC_ZERO_TIME);
  sc_core::sc_start();
  simulated_ += platform::now_ps() - begin;
  return sum_;
}

void phased_initiator::issue() {
  while (!busy_ && next_ < last_ && in_flight_ < outstanding) {
    ++in_flight_;
    request& r = pool_.take();
    r.set_command(tlm::TLM_READ_COMMAND);
    r.set_address(address_of(kind_, next_++));
    r.set_data_ptr(r.data.data());
    r.set_data_length(request_bytes);
    r.set_streaming_width(request_bytes);
    r.set_byte_enable_ptr(nullptr);
    r.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay;
    busy_ = true;
    if (socket->nb_transport_fw(r, phase, delay) != tlm::TLM_ACCEPTED) busy_ = false;
  }
}

tlm::tlm_sync_enum phased_initiator::backward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                              sc_core::sc_time& /*delay*/) {
  if (phase == tlm::END_REQ) {
    busy_ = false;
    issue();
    return tlm::TLM_ACCEPTED;
  }
  auto& r = static_cast<request&>(trans);
  sum_ += r.data[0] + (r.is_response_ok() ? 1U : 0U);
  r.release();
  --in_flight_;
  if (++done_ == goal_) sc_core::sc_pause();
  issue();
  phase = tlm::END_RESP;
  return tlm::TLM_UPDATED;
}

plain_hop::plain_hop(const sc_core::sc_module_name& name) : sc_module(name) {
  in.register_b_transport(this, &plain_hop::transport);
  in.register_nb_transport_fw(this, &plain_hop::forward);
  SC_HAS_PROCESS(plain_hop);
  SC_METHOD(work);
  sensitive << wake_;
  dont_initialize();
}

void plain_hop::transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  delay += platform::to_sc_time(forward_after);
  out->b_transport(trans, delay);
  delay += platform::to_sc_time(respond_after);
}

tlm::tlm_sync_enum plain_hop::forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                      sc_core::sc_time& /*delay*/) {
  if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
  const engine::picoseconds now = platform::now_ps();
  accepts_.push({now + accept_after, &trans});
  forwards_.push({now + forward_after, &trans});
  // During work the end of it sees to the next wake-up.
  if (!working_ && now + accept_after < next_wake_) wake_at(now + accept_after, now);
  return tlm::TLM_ACCEPTED;
}

void plain_hop::wake_at(engine::picoseconds due, engine::picoseconds now) {
  next_wake_ = due;
  wake_.notify(platform::to_sc_time(due - now));
}

void plain_hop::work() {
  const engine::picoseconds now = platform::now_ps();
  ++wake_ups_;
  working_ = true;
  sc_core::sc_time zero;
  while (!accepts_.empty() && accepts_.front().due <= now) {
    tlm::tlm_phase phase = tlm::END_REQ;
    in->nb_transport_bw(*accepts_.pop().trans, phase, zero);
  }
  while (!forwards_.empty() && forwards_.front().due <= now) {
    tlm::tlm_generic_payload& trans = *forwards_.pop().trans;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay;
    out->nb_transport_fw(trans, phase, delay);
    responses_.push({now + platform::to_ps(delay) + respond_after, &trans});
  }
  while (!responses_.empty() && responses_.front().due <= now) {
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    in->nb_transport_bw(*responses_.pop().trans, phase, zero);
  }
  working_ = false;
  engine::picoseconds next = never;
  for (const queue* each : {&accepts_, &forwards_, &responses_}) {
    if (!each->empty()) next = std::min(next, each->front().due);
  }
  next_wake_ = never;
  if (next != never) wake_at(next, now);
}

} // namespace vtd::bench
