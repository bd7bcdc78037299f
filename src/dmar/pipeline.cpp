// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/pipeline.h"

#include <algorithm>
#include <cassert>

namespace vtd::dmar {

using engine::cycle;
using engine::never;
using outcome = remap::translator::outcome;
using demand = remap::page_walk::demand;

pipeline::pipeline(const unit_config& config, remap::translator& translator, unit_state& state,
                   unit_ports& ports)
    : config_(config), translator_(translator), state_(state), outside_(ports),
      slots_(config.timing.requests), walkers_(config.timing.walkers),
      ports_(config.ports, port_state{config.timing.requests}),
      lookups_(config.timing.requests,
               config.timing.lookup.context_lookup + config.timing.lookup.iotlb_lookup),
      again_(config.timing.requests), walker_queue_(config.timing.requests),
      leaving_(config.timing.requests) {
  reset();
}

void pipeline::reset() {
  for (slot& s : slots_)
    s = {};
  for (walker& w : walkers_)
    w = {};
  for (port_state& p : ports_)
    p = port_state{slots_.size()};
  free_slots_.clear();
  for (std::size_t id = slots_.size(); id-- != 0;)
    free_slots_.push_back(static_cast<std::uint32_t>(id));
  lookups_.clear();
  again_.clear();
  walker_queue_.clear();
  leaving_.clear();
  suspended_.clear();
  memory_port_at_ = 0;
  next_port_ = 0;
  next_walker_ = 0;
  busy_slots_ = 0;
  busy_walkers_ = 0;
  waiting_ports_ = 0;
  responses_ = 0;
  answers_.clear();
}

// --- From outside
// ----------------------------------------------------------------------------------------------------

bool pipeline::offer(unsigned at, const request& what, cycle seen) {
  port_state& p = ports_[at];
  if (p.waiting) return false;
  p.offered = what;
  p.seen = seen;
  p.waiting = true;
  ++waiting_ports_;
  return true;
}

void pipeline::table_answered(unsigned index, bool ok, const remap::table_words& words, cycle seen) {
  walker& w = walkers_[index];
  assert(w.state == walker_state::reading);
  w.words = words;
  w.answer_ok = ok;
  w.due = seen;
}

void pipeline::answered(unsigned id, bool ok, cycle seen) {
  assert(slots_[id].at == stage::in_memory);
  // Nearly always the latest: memory of one speed answers in order.
  auto at = answers_.end();
  while (at != answers_.begin() && (at[-1].at > seen || (at[-1].at == seen && at[-1].id > id)))
    --at;
  if (at == answers_.end()) {
    answers_.push_back({seen, id, ok});
  } else {
    answers_.insert(at, {seen, id, ok});
  }
}

// --- Small helpers
// ---------------------------------------------------------------------------------------------------

std::uint32_t pipeline::piece_length(const request& what, std::uint32_t offset) {
  const std::uint64_t address = what.access.address + offset;
  const std::uint64_t to_page_end = spec::page_size - (address & (spec::page_size - 1));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(what.length - offset, to_page_end));
}

remap::dma_access pipeline::access_of(const slot& s) const {
  remap::dma_access access = s.what.access;
  access.address += s.offset;
  return access;
}

pipeline::lane pipeline::lane_of(const remap::dma_access& access, const request& what, std::uint32_t piece,
                                 bool enabled) const {
  const bool untranslated = access.type == remap::address_type::untranslated;
  // VT-d 3.13: a dword write to the interrupt range is a message, whatever else is enabled; nothing else may
  // go there.
  if (untranslated && spec::in_interrupt_range(access.address)) [[unlikely]] {
    return what.is_dword_write ? lane::interrupt : lane::forbidden;
  }
  if (enabled) [[likely]]
    return lane::translate;
  // VT-d 4.2.3: without translation there is nothing a device may ask for or have translated.
  if (!untranslated || state_.is_protected(access.address, piece, false)) return lane::forbidden;
  return lane::bypass;
}

void pipeline::count_lookup(bool context_hit, bool iotlb_hit) {
  ++(context_hit ? statistics_.context_hits : statistics_.context_misses);
  ++(iotlb_hit ? statistics_.iotlb_hits : statistics_.iotlb_misses);
}

void pipeline::end(std::uint32_t id, completion how) {
  slot& s = slots_[id];
  s.at = stage::ending;
  s.how = how;
  ports_[s.port].responses.push(id);
  ++responses_;
}

void pipeline::leave_for_memory(slot& s, std::uint32_t id, std::uint64_t address) {
  s.host_address = address;
  s.at = stage::leaving;
  leaving_.push(id);
}

void pipeline::replay(std::uint32_t id) {
  slots_[id].at = stage::looking_up;
  again_.push(id);
}

// --- A: look-ups that are due
// ----------------------------------------------------------------------------------------

void pipeline::finish_lookups(cycle now) {
  while (lookups_.ready(now)) {
    const std::uint32_t id = lookups_.pop();
    slot& s = slots_[id];
    remap::translation result;
    const outcome found = translator_.lookup(access_of(s), result);
    const bool decided = found == outcome::translated || found == outcome::blocked;
    if (s.first_lookup) {
      s.first_lookup = false;
      count_lookup(found != outcome::context_miss, decided);
    } else {
      ++statistics_.replays;
    }
    if (decided) {
      decide(id, result, now);
    } else if (!join_walk(id)) {
      s.at = stage::waiting_for_walker;
      walker_queue_.push(id);
    }
  }
}

// A miss to the page of a walk in flight, by the same requester, waits for that walk instead of walking
// itself.
bool pipeline::join_walk(std::uint32_t id) {
  if (busy_walkers_ == 0) return false;
  slot& s = slots_[id];
  const std::uint64_t page = spec::page_number(s.what.access.address + s.offset);
  for (walker& w : walkers_) {
    if (w.state == walker_state::idle) continue;
    const remap::dma_access& walked = w.walk.access();
    if (spec::page_number(walked.address) != page || walked.source != s.what.access.source) continue;
    ++statistics_.merged;
    s.at = stage::merged;
    s.next_waiter = nobody;
    slot& last = slots_[w.last_waiter == nobody ? w.leader : w.last_waiter];
    last.next_waiter = id;
    w.last_waiter = id;
    return true;
  }
  return false;
}

void pipeline::decide(std::uint32_t id, const remap::translation& result, cycle now) {
  slot& s = slots_[id];
  if (!result.allowed()) {
    ++statistics_.faults;
    state_.on_fault(access_of(s), result, now);
    return end(id, completion::blocked);
  }
  if (state_.is_protected(result.address, s.piece, !result.identity)) {
    ++statistics_.blocked_unlogged;
    return end(id, completion::blocked);
  }
  leave_for_memory(s, id, result.address);
}

// --- B: data for walks
// -----------------------------------------------------------------------------------------------

void pipeline::advance_walks(cycle now) {
  if (busy_walkers_ == 0) return;
  for (walker& w : walkers_) {
    if (w.due > now) continue;
    w.due = never;
    if (w.state == walker_state::structures) {
      translator_.look_up_structures(w.walk);
      continue_walk(w, now);
    } else if (w.state == walker_state::reading) {
      translator_.feed(w.walk, w.answer_ok, w.words, now);
      continue_walk(w, now);
    }
  }
}

void pipeline::continue_walk(walker& w, cycle now) {
  switch (w.walk.wants()) {
  case demand::cache_lookup:
    w.state = walker_state::structures;
    w.due = now + config_.timing.lookup.structure_lookup;
    break;
  case demand::table_read:
    w.state = walker_state::wants_read;
    break;
  case demand::done:
  case demand::idle:
    w.state = walker_state::ended;
    break;
  }
}

// --- C: walks that ended
// ---------------------------------------------------------------------------------------------

void pipeline::commit_walks(cycle now) {
  if (busy_walkers_ == 0) return;
  for (walker& w : walkers_) {
    if (w.state != walker_state::ended) continue;
    const std::uint32_t leader = w.leader;
    std::uint32_t waiter = slots_[leader].next_waiter;
    slots_[leader].next_waiter = nobody;
    w.state = walker_state::idle;
    --busy_walkers_;
    if (w.poisoned) {
      ++statistics_.poisoned;
      replay(leader);
    } else {
      withdraw_evicted(translator_.commit(w.walk));
      decide(leader, w.walk.result(), now);
    }
    while (waiter != nobody) {
      const std::uint32_t next = slots_[waiter].next_waiter;
      slots_[waiter].next_waiter = nobody;
      replay(waiter);
      waiter = next;
    }
  }
}

// A direct pointer lives no longer than the IOTLB entry it was given for.
void pipeline::withdraw_evicted(std::uint64_t packed) {
  if (packed == 0 || !direct_given_) return;
  const unsigned shift = spec::level_shift(remap::page_tag::level_of(packed));
  const std::uint64_t first = remap::page_tag::number_of(packed) << shift;
  outside_.withdraw(first, first + (std::uint64_t{1} << shift) - 1);
}

void pipeline::poison_all() {
  for (walker& w : walkers_) {
    if (w.state != walker_state::idle) w.poisoned = true;
  }
}

void pipeline::poison_domain(std::uint16_t domain) {
  for (walker& w : walkers_) {
    if (w.state == walker_state::idle) continue;
    // A walk that has not come to its context entry yet may turn out to be of this domain.
    if (!w.walk.knows_context() || w.walk.context().domain_id == domain) w.poisoned = true;
  }
}

void pipeline::poison_source(spec::source_id source, std::uint16_t ignored) {
  const auto compared = static_cast<std::uint16_t>(~ignored);
  for (walker& w : walkers_) {
    if (w.state == walker_state::idle) continue;
    if (((w.walk.access().source.value() ^ source.value()) & compared) == 0) w.poisoned = true;
  }
}

// --- D: admission
// ----------------------------------------------------------------------------------------------------

void pipeline::admit(cycle now) {
  // One request enters the look-up per cycle; those that have been admitted already come first.
  if (!again_.empty()) return route(again_.pop(), now);
  if (waiting_ports_ == 0 || free_slots_.empty()) return;
  const auto count = static_cast<unsigned>(ports_.size());
  for (unsigned i = 0; i < count; ++i) {
    const unsigned at = next_port_ + i < count ? next_port_ + i : next_port_ + i - count;
    port_state& p = ports_[at];
    if (!p.waiting || p.seen > now) continue;
    next_port_ = at + 1 < count ? at + 1 : 0;
    const std::uint32_t id = free_slots_.back();
    free_slots_.pop_back();
    ++busy_slots_;
    slot& s = slots_[id];
    s = {};
    s.what = p.offered;
    s.sequence = next_sequence_++;
    s.port = static_cast<std::uint8_t>(at);
    s.enabled = state_.translation_enabled();
    s.piece = piece_length(s.what, 0);
    ++statistics_.requests;
    statistics_.bytes += s.what.length;
    statistics_.admission_wait_cycles += now - p.seen;
    p.waiting = false;
    --waiting_ports_;
    route(id, now);
    outside_.accepted(at, s.what.cookie);
    return;
  }
}

void pipeline::route(std::uint32_t id, cycle now) {
  slot& s = slots_[id];
  const remap::dma_access access = access_of(s);
  switch (lane_of(access, s.what, s.piece, s.enabled)) {
  case lane::translate:
    s.at = stage::looking_up;
    return lookups_.push(id, now);
  case lane::bypass:
    ++statistics_.bypassed;
    return leave_for_memory(s, id, access.address);
  case lane::interrupt:
    ++statistics_.interrupts;
    s.interrupt = true;
    return leave_for_memory(s, id, access.address);
  case lane::forbidden:
    ++statistics_.blocked_unlogged;
    return end(id, completion::blocked);
  }
}

// --- E: grants
// -------------------------------------------------------------------------------------------------------

void pipeline::grant(cycle now) {
  if (!walker_queue_.empty()) start_walks(now);
  if (memory_port_at_ <= now) issue(now);
}

void pipeline::start_walks(cycle now) {
  for (walker& w : walkers_) {
    if (w.state != walker_state::idle) continue;
    if (walker_queue_.empty()) return;
    const std::uint32_t id = walker_queue_.pop();
    slot& s = slots_[id];
    s.at = stage::walking;
    s.next_waiter = nobody;
    w.leader = id;
    w.last_waiter = nobody;
    w.poisoned = false;
    w.due = never;
    ++busy_walkers_;
    ++statistics_.walks;
    translator_.start(w.walk, access_of(s), state_.root_table());
    continue_walk(w, now);
    // Others that wait for a walk to the same page need none of their own.
    for (std::size_t others = walker_queue_.size(); others != 0; --others) {
      const std::uint32_t other = walker_queue_.pop();
      if (!join_walk(other)) walker_queue_.push(other);
    }
  }
}

// One transaction per interval on the way to memory: a table read first, because everybody behind it waits
// for it.
void pipeline::issue(cycle now) {
  bool port_is_free = true;
  bool issued = false;
  if (busy_walkers_ != 0) {
    const auto count = static_cast<unsigned>(walkers_.size());
    for (unsigned i = 0; i < count && !issued; ++i) {
      const unsigned index = next_walker_ + i < count ? next_walker_ + i : next_walker_ + i - count;
      walker& w = walkers_[index];
      if (w.state != walker_state::wants_read) continue;
      next_walker_ = index + 1 < count ? index + 1 : 0;
      w.state = walker_state::reading;
      ++statistics_.walk_reads;
      issued = true;
      memory_port_at_ = never;
      port_is_free = outside_.read_table(index, w.walk.address(), w.walk.bytes());
    }
  }
  if (!issued && !leaving_.empty()) {
    const std::uint32_t id = leaving_.pop();
    slot& s = slots_[id];
    s.at = stage::in_memory;
    forwarded piece;
    piece.cookie = s.what.cookie;
    piece.offset = s.offset;
    piece.length = s.piece;
    piece.address = s.host_address;
    piece.source = s.what.access.source;
    piece.slot = id;
    piece.interrupt = s.interrupt;
    issued = true;
    memory_port_at_ = never;
    port_is_free = outside_.forward(piece);
  }
  if (!issued) return;
  const cycle interval_end = now + std::max<cycle>(config_.timing.memory_interval, 1);
  if (port_is_free) {
    memory_port_at_ = interval_end;
  } else if (memory_port_at_ != never) {
    memory_port_at_ = std::max(memory_port_at_, interval_end);
  }
}

// --- F: answers and responses
// ----------------------------------------------------------------------------------------

void pipeline::respond(cycle now) {
  // In the order of slots, so that the order of the calls that brought the answers does not matter.
  while (!answers_.empty() && answers_.front().at <= now) {
    const answer taken = answers_.front();
    answers_.pop_front();
    slot& s = slots_[taken.id];
    s.offset += s.piece;
    if (!taken.ok) {
      end(taken.id, completion::failed);
    } else if (s.offset < s.what.length) {
      s.piece = piece_length(s.what, s.offset);
      s.first_lookup = true;
      replay(taken.id);
    } else {
      end(taken.id, completion::done);
    }
  }
  if (responses_ == 0) return;
  for (unsigned at = 0; at < ports_.size(); ++at) {
    port_state& p = ports_[at];
    if (p.responses.empty() || p.response_at > now) continue;
    const std::uint32_t id = p.responses.pop();
    --responses_;
    slot& s = slots_[id];
    void* const cookie = s.what.cookie;
    const completion how = s.how;
    s.at = stage::free;
    free_slots_.push_back(id);
    --busy_slots_;
    p.response_at = never;
    if (outside_.complete(at, cookie, how)) p.response_at = now + 1;
  }
}

cycle pipeline::next_work(cycle now) const {
  if (!again_.empty()) return now + 1;
  cycle next = lookups_.due();
  if (!answers_.empty()) next = std::min(next, answers_.front().at);
  if (busy_walkers_ != 0) {
    for (const walker& w : walkers_) {
      if (w.state == walker_state::ended) return now + 1;
      if (w.state == walker_state::wants_read) {
        next = std::min(next, memory_port_at_);
      } else {
        next = std::min(next, w.due);
      }
    }
  }
  if (!walker_queue_.empty() && busy_walkers_ < walkers_.size()) return now + 1;
  if (!leaving_.empty()) next = std::min(next, memory_port_at_);
  if (waiting_ports_ != 0 && !free_slots_.empty()) {
    for (const port_state& p : ports_) {
      if (p.waiting) next = std::min(next, p.seen);
    }
  }
  if (responses_ != 0) {
    for (const port_state& p : ports_) {
      if (!p.responses.empty()) next = std::min(next, p.response_at);
    }
  }
  return next == never ? never : std::max(next, now + 1);
}

bool pipeline::drained(std::uint64_t mark, bool reads, bool writes) const {
  const auto counts = [&](bool is_write) { return is_write ? writes : reads; };
  if (busy_slots_ != 0) {
    for (const slot& s : slots_) {
      if (s.at == stage::free || s.sequence >= mark) continue;
      if (counts(s.what.access.kind == remap::access_kind::write)) return false;
    }
  }
  return std::none_of(suspended_.begin(), suspended_.end(),
                      [&](const auto& one) { return one.first < mark && counts(one.second); });
}

// --- Requests that pass at once
// --------------------------------------------------------------------------------------

std::uint64_t pipeline::enter(bool write) {
  suspended_.emplace_back(next_sequence_, write);
  return next_sequence_++;
}

void pipeline::leave(std::uint64_t sequence) {
  for (auto& one : suspended_) {
    if (one.first != sequence) continue;
    one = suspended_.back();
    suspended_.pop_back();
    return;
  }
}

pipeline::passage pipeline::pass(const request& piece, remap::memory_port& memory,
                                 const engine::clock& timebase, cycle now) {
  passage out;
  out.address = piece.access.address;
  switch (lane_of(piece.access, piece, piece.length, state_.translation_enabled())) {
  case lane::bypass:
    ++statistics_.bypassed;
    out.leads = passage::way::memory;
    return out;
  case lane::interrupt:
    ++statistics_.interrupts;
    out.leads = passage::way::interrupt;
    return out;
  case lane::forbidden:
    ++statistics_.blocked_unlogged;
    return out;
  case lane::translate:
    break;
  }
  remap::translation_cost cost;
  const remap::translation result =
      translator_.translate(piece.access, {state_.root_table(), memory, timebase, now}, cost);
  const remap::translation_latencies& latency = config_.timing.lookup;
  count_lookup(cost.context_hit, cost.iotlb_hit);
  out.cycles = latency.context_lookup + latency.iotlb_lookup;
  if (!cost.iotlb_hit) [[unlikely]] {
    ++statistics_.walks;
    statistics_.walk_reads += cost.table_reads;
    withdraw_evicted(cost.evicted);
    out.cycles += cost.structure_lookups * latency.structure_lookup + cost.read_cycles;
  }
  if (!result.allowed()) {
    ++statistics_.faults;
    state_.on_fault(piece.access, result, now + out.cycles);
    return out;
  }
  if (state_.is_protected(result.address, piece.length, !result.identity)) {
    ++statistics_.blocked_unlogged;
    return out;
  }
  out.leads = passage::way::memory;
  out.address = result.address;
  return out;
}

std::optional<std::uint64_t> pipeline::probe(const request& piece, remap::memory_port& memory) const {
  switch (lane_of(piece.access, piece, piece.length, state_.translation_enabled())) {
  case lane::bypass:
    return piece.access.address;
  case lane::interrupt:
  case lane::forbidden:
    return {};
  case lane::translate:
    break;
  }
  const remap::translation result = translator_.probe(piece.access, state_.root_table(), memory);
  if (!result.allowed() || state_.is_protected(result.address, piece.length, !result.identity)) return {};
  return result.address;
}

} // namespace vtd::dmar
