// SPDX-License-Identifier: Apache-2.0
// What a unit sends: requests that pass, table reads, the queue's and the log's accesses, messages; and their
// answers.
#include "vtd/platform/remapping_unit.h"

#include <algorithm>
#include <string>

namespace vtd::platform {

using engine::picoseconds;

// --- Transactions of the unit's own

table_read_transaction& remapping_unit::table_payload(std::uint64_t address, unsigned bytes, bool coherent) {
  table_read_transaction& read = table_pool_.take();
  read.words = {};
  read.mark.coherent = coherent;
  read.mark.queue_fetch = false;
  prepare(read, tlm::TLM_READ_COMMAND, address, reinterpret_cast<unsigned char*>(read.words.data()), bytes);
  return read;
}

void remapping_unit::prepare(unit_transaction& payload, tlm::tlm_command command, std::uint64_t address,
                             unsigned char* data, unsigned bytes) {
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(data);
  payload.set_data_length(bytes);
  payload.set_streaming_width(bytes);
  payload.set_byte_enable_ptr(nullptr);
  payload.set_byte_enable_length(0);
  payload.set_dmi_allowed(false);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
}

// --- Sending, and what comes back

// The answer to something that was sent.
[[gnu::always_inline]] inline void remapping_unit::finish(tlm::tlm_generic_payload& payload,
                                                          unit_ticket& ticket, picoseconds when) {
  if (ticket.what != unit_ticket::kind::whole) [[unlikely]]
    return finish_own(static_cast<unit_transaction&>(payload), when);
  payload.set_address(ticket.address);
  passing_[ticket.slot] = nullptr;
  hardware_.answered(ticket.slot, payload.is_response_ok(), when);
}

void remapping_unit::finish_own(unit_transaction& payload, picoseconds when) {
  const bool ok = payload.is_response_ok();
  const unit_ticket& ticket = payload.ticket;
  switch (ticket.what) {
  case unit_ticket::kind::whole:
    break;
  case unit_ticket::kind::message:
    --messages_;
    break;
  case unit_ticket::kind::piece:
    if (!ok) ticket.original->set_response_status(payload.get_response_status());
    ticket.original->set_dmi_allowed(payload.is_dmi_allowed());
    hardware_.answered(ticket.slot, ok, when);
    break;
  case unit_ticket::kind::table: {
    remap::table_words entry;
    entry.words = {payload.words[0], payload.words[1]};
    hardware_.table_answered(ticket.slot, ok, entry, when);
    break;
  }
  case unit_ticket::kind::descriptor:
    hardware_.descriptor_answered(ticket.slot, ok, payload.words, when);
    break;
  case unit_ticket::kind::log_read:
    hardware_.log_read_answered(ticket.slot, ok, payload.words, when);
    break;
  case unit_ticket::kind::log_write:
    hardware_.log_write_answered(ticket.slot, ok, when);
    break;
  case unit_ticket::kind::status:
    hardware_.status_answered(ticket.slot, ok, when);
    break;
  }
  payload.release();
}

// True: the socket can take the next request now.
[[gnu::always_inline]] inline bool
remapping_unit::send(downstream_socket& socket, tlm::tlm_generic_payload& payload, unit_ticket& ticket) {
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const auto status = socket->nb_transport_fw(payload, phase, delay);
  if (status == tlm::TLM_ACCEPTED) return false;
  // The unit sends at an edge, and that is now.
  const picoseconds when = wheel_.timebase().time_of(wheel_.wheel().now()) + to_ps(delay);
  if (status == tlm::TLM_COMPLETED) {
    finish(payload, ticket, when);
    return true;
  }
  if (phase == tlm::BEGIN_RESP) {
    tlm::tlm_phase end = tlm::END_RESP;
    sc_core::sc_time end_delay = delay;
    if (payload.has_mm()) payload.acquire();
    finish(payload, ticket, when);
    socket->nb_transport_fw(payload, end, end_delay);
    if (payload.has_mm()) payload.release();
    return true;
  }
  ticket.request_ended = true;
  if (delay == sc_core::SC_ZERO_TIME) return true;
  port_free(ticket, when);
  return false;
}

bool remapping_unit::send(downstream_socket& socket, unit_transaction& payload, unit_ticket::kind what,
                          unsigned slot) {
  payload.ticket.what = what;
  payload.ticket.slot = slot;
  payload.ticket.owner = this;
  payload.ticket.request_ended = false;
  if (&socket == &interrupts) return send_interrupt(payload, payload.ticket);
  return send(socket, payload, payload.ticket);
}

// Messages of the unit leave when they are due, and meet there the interrupts of devices: one request at a
// time (TLM-2.0, exclusion rule).
bool remapping_unit::send_interrupt(tlm::tlm_generic_payload& payload, unit_ticket& ticket) {
  if (interrupt_open_) {
    interrupts_waiting_.emplace_back(&payload, &ticket);
    return false;
  }
  interrupt_open_ = true;
  const bool free = send(interrupts, payload, ticket);
  if (free || ticket.request_ended) interrupt_open_ = false;
  return free;
}

bool remapping_unit::forward(const dmar::forwarded& piece) {
  auto& original = *static_cast<tlm::tlm_generic_payload*>(piece.cookie);
  downstream_socket& socket = piece.interrupt ? interrupts : memory;
  if (piece.whole) [[likely]] {
    unit_ticket& ticket = tickets_[piece.slot];
    ticket.request_ended = false;
    passing_[piece.slot] = &original;
    ticket.address = original.get_address();
    original.set_address(piece.address);
    return piece.interrupt ? send_interrupt(original, ticket) : send(memory, original, ticket);
  }
  unit_transaction& out =
      piece_payload(original, piece.offset, piece.length, piece.address, piece.source, piece.no_snoop);
  return send(socket, out, unit_ticket::kind::piece, piece.slot);
}

bool remapping_unit::read_table(unsigned walker, std::uint64_t address, unsigned bytes) {
  return send(memory, table_payload(address, bytes, coherent_), unit_ticket::kind::table, walker);
}

// The queue and the status of waits are always coherent (VT-d 6.5.2).
bool remapping_unit::read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) {
  table_read_transaction& read = table_payload(address, bytes, true);
  read.mark.queue_fetch = true;
  return send(memory, read, unit_ticket::kind::descriptor, tag);
}

bool remapping_unit::write_status(unsigned tag, std::uint64_t address, std::uint32_t data) {
  return send(memory, dword_write(status_pool_.take(), address, data), unit_ticket::kind::status, tag);
}

void remapping_unit::send_message(const spec::msi_message& message) {
  ++messages_;
  send(interrupts, dword_write(pool_.take(), message.address, message.data), unit_ticket::kind::message, 0);
}

// The log is always coherent, too (VT-d 7.3.2).
bool remapping_unit::read_log(unsigned tag, std::uint64_t address) {
  return send(memory,
              own_access(pool_.take(), tlm::TLM_READ_COMMAND, address, sizeof(spec::fault_log_record)),
              unit_ticket::kind::log_read, tag);
}

bool remapping_unit::write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& what) {
  unit_transaction& out = pool_.take();
  out.words = {what.lo, what.hi, 0, 0};
  return send(memory, own_access(out, tlm::TLM_WRITE_COMMAND, address, sizeof(what)),
              unit_ticket::kind::log_write, tag);
}

void remapping_unit::invalidate_device(const spec::ats::invalidation_request& what) {
  if (devices.size() == 0) return;
  device_transaction& out = device_pool_.take();
  out.message.device = what.device;
  out.message.tag = what.tag;
  out.message.what = what.what;
  out.words[0] = what.what.value;
  own_access(out, tlm::TLM_WRITE_COMMAND, 0, sizeof(what.what.value));
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const auto status = devices->nb_transport_fw(out, phase, delay);
  const bool over = status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP);
  if (over) out.release();
}

// Of a target that goes through all phases; what it answers means nothing.
tlm::tlm_sync_enum remapping_unit::message_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                                 sc_core::sc_time& /*delay*/) {
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  phase = tlm::END_RESP;
  trans.release();
  return tlm::TLM_COMPLETED;
}

unit_transaction& remapping_unit::dword_write(unit_transaction& out, std::uint64_t address,
                                              std::uint32_t data) {
  out.words[0] = data;
  return own_access(out, tlm::TLM_WRITE_COMMAND, address, sizeof(data));
}

// An access of the unit's own to `words`.
unit_transaction& remapping_unit::own_access(unit_transaction& out, tlm::tlm_command command,
                                             std::uint64_t address, unsigned bytes) {
  out.ticket.original = nullptr;
  // The transaction may have been a piece of a request before.
  out.attributes = {};
  prepare(out, command, address, reinterpret_cast<unsigned char*>(out.words.data()), bytes);
  return out;
}

// Null: nothing of ours is under way in it.
unit_ticket* remapping_unit::ticket_of(tlm::tlm_generic_payload& payload) {
  if (auto* const own = payload.get_extension<unit_ticket>(); own != nullptr && own->owner == this)
    return own;
  const auto passing = std::find(passing_.begin(), passing_.end(), &payload);
  if (passing == passing_.end()) return nullptr;
  return &tickets_[static_cast<std::size_t>(passing - passing_.begin())];
}

// The unit's messages do not take the way to memory.
void remapping_unit::port_free(const unit_ticket& ticket, picoseconds when) {
  if (ticket.what != unit_ticket::kind::message) hardware_.memory_port_free(when);
}

tlm::tlm_sync_enum remapping_unit::backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                                  sc_core::sc_time& delay) {
  const picoseconds when = now_ps() + to_ps(delay);
  unit_ticket* const ticket = ticket_of(trans);
  if (ticket == nullptr) {
    SC_REPORT_ERROR(
        "/vtd/remapping_unit",
        (std::string(name()) + ": " + phase.get_name() + " of a transaction that is not under way").c_str());
    return tlm::TLM_ACCEPTED;
  }
  if (phase == tlm::END_REQ) {
    ticket->request_ended = true;
    port_free(*ticket, when);
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  // A response without END_REQ ends the request, too (TLM-2.0 base protocol).
  if (!ticket->request_ended) port_free(*ticket, when);
  finish(trans, *ticket, when);
  phase = tlm::END_RESP;
  return tlm::TLM_COMPLETED;
}

tlm::tlm_sync_enum remapping_unit::backward_interrupt_phase(tlm::tlm_generic_payload& trans,
                                                            tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  const unit_ticket* const ticket = ticket_of(trans);
  const bool ends =
      ticket != nullptr && !ticket->request_ended && (phase == tlm::END_REQ || phase == tlm::BEGIN_RESP);
  const tlm::tlm_sync_enum status = backward_phase(trans, phase, delay);
  if (ends) interrupt_open_ = false;
  while (!interrupt_open_ && !interrupts_waiting_.empty()) {
    const auto [next, its_ticket] = interrupts_waiting_.front();
    interrupts_waiting_.pop_front();
    if (send_interrupt(*next, *its_ticket)) port_free(*its_ticket, now_ps());
  }
  return status;
}

} // namespace vtd::platform
