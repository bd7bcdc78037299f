// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dma_master.h"

#include "vtd/platform/binding.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace vtd::platform {

using engine::picoseconds;

dma_master::dma_master(const sc_core::sc_module_name& name, spec::source_id source, const link_timing& link)
    : sc_module(name), socket("socket"), source_(source), link_(link), arrival_("arrival"), send_("send") {
  socket.register_nb_transport_bw(this, &dma_master::backward_phase);
  SC_HAS_PROCESS(dma_master);
  SC_METHOD(deliver);
  sensitive << arrival_;
  dont_initialize();
  SC_METHOD(send_next);
  sensitive << send_;
  dont_initialize();
}

void dma_master::before_end_of_elaboration() {
  binding_check check(*this);
  check.need(socket, "socket", "the chipset's upstream socket");
  check.report();
}

dma_master::transfer& dma_master::make(tlm::tlm_command command, std::uint64_t tag, std::uint64_t address,
                                       unsigned bytes) {
  if (bytes == 0 || bytes > max_bytes) {
    throw std::invalid_argument(std::string(this->name()) + ": request of " + std::to_string(bytes) +
                                " bytes, expected 1 to " + std::to_string(max_bytes));
  }
  transfer& out = pool_.take();
  out.attributes.source = source_;
  out.tag = tag;
  out.set_command(command);
  out.set_address(address);
  out.set_data_ptr(reinterpret_cast<unsigned char*>(out.data.data()));
  out.set_data_length(bytes);
  out.set_streaming_width(bytes);
  out.set_byte_enable_ptr(nullptr);
  out.set_dmi_allowed(false);
  out.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  ++outstanding_;
  return out;
}

void dma_master::read(std::uint64_t tag, std::uint64_t address, unsigned bytes) {
  queue_.push_back(&make(tlm::TLM_READ_COMMAND, tag, address, bytes));
  send_.notify(sc_core::SC_ZERO_TIME);
}

void dma_master::write(std::uint64_t tag, std::uint64_t address, std::span<const std::byte> data) {
  transfer& out = make(tlm::TLM_WRITE_COMMAND, tag, address, static_cast<unsigned>(data.size()));
  std::memcpy(out.data.data(), data.data(), data.size());
  queue_.push_back(&out);
  send_.notify(sc_core::SC_ZERO_TIME);
}

// Packets leave one after the other when the link is free, and arrive as a whole.
void dma_master::send_next() {
  const picoseconds now = now_ps();
  while (!queue_.empty()) {
    transfer& out = *queue_.front();
    queue_.pop_front();
    const unsigned carried = out.is_write() ? out.get_data_length() : 0;
    out_free_ = std::max(now, out_free_) + (link_.overhead + carried) * link_.per_byte;
    out.sent = now;
    out.arrives = out_free_ + link_.request;
    on_link_.push_back(&out);
  }
  request_next();
}

// The packet that arrived stands at the chipset until it is taken; those behind it wait on the link.
void dma_master::request_next() {
  while (open_request_ == nullptr && !on_link_.empty()) {
    transfer& out = *on_link_.front();
    if (const picoseconds begin = std::max(out.arrives, next_request_); begin > now_ps()) {
      send_.notify(to_sc_time(begin - now_ps()));
      return;
    }
    on_link_.pop_front();
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    open_request_ = &out;
    const auto status = socket->nb_transport_fw(out, phase, delay);
    if (status == tlm::TLM_ACCEPTED) return;
    const bool ended_later = status == tlm::TLM_UPDATED && phase == tlm::END_REQ;
    end_request(out, ended_later ? delay : sc_core::SC_ZERO_TIME);
    if (status == tlm::TLM_COMPLETED) {
      response(out, now_ps() + to_ps(delay));
    } else if (phase == tlm::BEGIN_RESP) {
      response(out, now_ps() + to_ps(delay));
      tlm::tlm_phase end = tlm::END_RESP;
      socket->nb_transport_fw(out, end, delay);
    }
  }
}

void dma_master::end_request(const tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay) {
  if (&trans != open_request_) return;
  open_request_ = nullptr;
  next_request_ = now_ps() + to_ps(delay);
  if (!on_link_.empty()) send_.notify(delay);
}

tlm::tlm_sync_enum dma_master::backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay) {
  if (phase == tlm::END_REQ) {
    end_request(trans, delay);
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  // A response without END_REQ ends the request, too (TLM-2.0 base protocol).
  end_request(trans, delay);
  response(static_cast<transfer&>(trans), now_ps() + to_ps(delay));
  phase = tlm::END_RESP;
  return tlm::TLM_COMPLETED;
}

void dma_master::response(transfer& what, picoseconds when) {
  const unsigned carried = what.is_read() ? what.get_data_length() : 0;
  const picoseconds start = std::max(when, in_free_);
  in_free_ = start + (link_.overhead + carried) * link_.per_byte;
  what.arrives = in_free_ + link_.completion;
  arriving_.push_back(&what);
  if (arriving_.size() == 1) arrival_.notify(to_sc_time(what.arrives - now_ps()));
}

void dma_master::deliver() {
  while (!arriving_.empty() && arriving_.front()->arrives <= now_ps()) {
    transfer& what = *arriving_.front();
    arriving_.pop_front();
    --outstanding_;
    result out;
    out.tag = what.tag;
    out.status = what.get_response_status();
    out.ok = what.is_response_ok();
    if (what.is_read()) out.data = std::span<const std::byte>(what.data).first(what.get_data_length());
    out.latency = now_ps() - what.sent;
    if (done_) done_(out);
    what.release();
  }
  if (!arriving_.empty()) arrival_.notify(to_sc_time(arriving_.front()->arrives - now_ps()));
}

} // namespace vtd::platform
