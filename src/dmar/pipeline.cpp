// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/pipeline.h"

#include <algorithm>
#include <utility>

namespace vtd::dmar {

using engine::cycle;
using engine::never;
using outcome = remap::translator::outcome;

namespace {
pipeline::passage::way way_of(completion how) {
  return how == completion::aborted ? pipeline::passage::way::aborted : pipeline::passage::way::blocked;
}

// How a request ends that a fault condition stops.
[[gnu::cold, gnu::noinline]] completion ending_of(const remap::dma_access& access,
                                                  const remap::translation& result) {
  return access.type == remap::address_type::translation_request &&
                 spec::aborts_translation_request(result.condition)
             ? completion::aborted
             : completion::blocked;
}
} // namespace

pipeline::pipeline(const unit_config& config, const engine::clock& timebase, remap::translator& translator,
                   const unit_state& state, fault_sink& faults, unit_ports& ports)
    : config_(config), timebase_(timebase), translator_(translator), state_(state), faults_(faults),
      outside_(ports), slots_(config.timing.requests), walkers_(config.timing.walkers),
      ports_(config.ports, port_state{config.timing.requests}), port_count_(config.ports),
      lookups_(config.timing.requests,
               config.timing.lookup.context_lookup + config.timing.lookup.iotlb_lookup),
      again_(config.timing.requests), walker_queue_(config.timing.requests), leaving_(config.timing.requests),
      answers_(config.timing.requests) {
  for (std::size_t id = slots_.size(); id-- != 0;)
    free_slots_.push_back(static_cast<std::uint32_t>(id));
  all_walkers_ = ~walker_set{0} >> (most_walkers - walkers_.size());
}

[[gnu::always_inline]] inline void pipeline::end(std::uint32_t id, completion how) {
  slot& s = slots_[id];
  s.at = stage::ending;
  s.how = how;
  ports_[s.port].responses.push(id);
  ++responses_;
}

void pipeline::reset() {
  ++resets_;
  translator_.overtake_walks();
  lookups_.clear();
  again_.clear();
  walker_queue_.clear();
  leaving_.clear();
  suspended_.clear();
  free_slots_.clear();
  for (auto id = static_cast<std::uint32_t>(slots_.size()); id-- != 0;) {
    if (slots_[id].at != stage::free) continue;
    slots_[id] = {};
    free_slots_.push_back(id);
  }
  for (std::uint32_t id = 0; id < slots_.size(); ++id) {
    slot& s = slots_[id];
    if (s.at == stage::in_memory) {
      s.abandoned = true;
    } else if (s.at != stage::free && s.at != stage::ending) {
      end(id, completion::failed);
    }
  }
  for (walker& w : walkers_) {
    const walker_set me = only(index_of(w));
    if (w.state == walker_state::reading && (due_ & me) == 0) abandoned_ |= me;
    w = {};
  }
  busy_ = abandoned_;
  due_ = want_read_ = ended_ = 0;
  earliest_due_ = never;
  if (memory_port_at_ != never) memory_port_at_ = 0;
  memory_interval_end_ = 0;
  next_port_ = 0;
  next_walker_ = 0;
  while (guest_ != nullptr)
    leave_port(*guest_);
}

// --- Small helpers

[[gnu::always_inline]] inline void pipeline::leave_for_memory(slot& s, std::uint32_t id,
                                                              std::uint64_t address, bool snooped) {
  s.host_address = address;
  s.no_snoop = s.what.no_snoop && !snooped;
  s.at = stage::leaving;
  leaving_.push(id);
}

void pipeline::replay(std::uint32_t id) {
  slots_[id].at = stage::looking_up;
  again_.push(id);
}

// --- A: look-ups that are due

[[gnu::always_inline]] inline void pipeline::finish_lookups(cycle now) {
  while (lookups_.ready(now)) {
    const std::uint32_t id = lookups_.pop();
    slot& s = slots_[id];
    remap::translation result;
    const outcome found = translator_.lookup(s.what.access, result);
    const bool decided = found == outcome::translated || found == outcome::blocked;
    tell(request_step::looked_up, id, now, {.found = found});
    if (s.first_lookup) {
      s.first_lookup = false;
      count_lookup(found != outcome::context_miss, decided);
    } else {
      ++statistics_.replays;
    }
    if (found == outcome::translated && !may_not_leave(s.what.access, result, s.piece)) [[likely]] {
      leave_for_memory(s, id, result.address, result.snoop);
    } else if (decided) {
      decide(id, result, now);
    } else if (!join_walk(id, now)) {
      wait_for_walker(id);
    }
  }
}

void pipeline::decide(std::uint32_t id, const remap::translation& result, cycle now) {
  slot& s = slots_[id];
  if (!result.allowed()) {
    ++statistics_.faults;
    faults_.on_fault(s.what.access, result, now);
    tell(request_step::blocked, id, now, {.condition = result.condition});
    return end(id, ending_of(s.what.access, result));
  }
  if (may_not_leave(s.what.access, result, s.piece)) return end(id, end_inside(id, result, now));
  leave_for_memory(s, id, result.address, result.snoop);
}

// --- D: admission

[[gnu::always_inline]] inline void pipeline::route(std::uint32_t id, cycle now) {
  slot& s = slots_[id];
  const remap::dma_access& access = s.what.access;
  switch (lane_of(access, s.what, s.piece, s.enabled)) {
  case lane::translate:
    s.at = stage::looking_up;
    tell(request_step::looking_up, id, now);
    return lookups_.push(id, now);
  case lane::bypass:
    ++statistics_.bypassed;
    return leave_for_memory(s, id, access.address, false);
  case lane::interrupt:
    ++statistics_.interrupts;
    s.interrupt = true;
    return leave_for_memory(s, id, access.address, false);
  case lane::forbidden:
    ++statistics_.blocked_unlogged;
    tell(request_step::blocked, id, now);
    return end(id, completion::blocked);
  }
}

[[gnu::always_inline]] inline void pipeline::admit(cycle now) {
  // One request enters the look-up per cycle; those that have been admitted already come first.
  if (!again_.empty()) return route(again_.pop(), now);
  if (waiting_ports_ == 0 || free_slots_.empty()) return;
  const unsigned count = port_count_;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned at = next_port_ + i < count ? next_port_ + i : next_port_ + i - count;
    port_state& p = ports_[at];
    if (p.seen > now) continue;
    next_port_ = at + 1 < count ? at + 1 : 0;
    const std::uint32_t id = free_slots_.back();
    free_slots_.pop_back();
    ++busy_slots_;
    slot& s = slots_[id];
    s.what = p.offered;
    s.sequence = next_sequence_++;
    s.offset = 0;
    s.how = completion::done;
    s.first_lookup = true;
    s.interrupt = false;
    s.abandoned = false;
    s.port = static_cast<std::uint8_t>(at);
    s.enabled = state_.translation_enabled;
    s.piece = spec::page_piece(s.what.access.address, s.what.length);
    ++statistics_.requests;
    statistics_.bytes += s.what.length;
    statistics_.admission_wait_cycles += now - p.seen;
    p.seen = never;
    --waiting_ports_;
    tell(request_step::admitted, id, now);
    route(id, now);
    outside_.accepted(at, s.what.cookie);
    return;
  }
}

// --- E: grants

// One transaction per interval on the way to memory: a table read first, because everybody behind it waits
// for it; then the invalidation queue, which comes rarely.
[[gnu::always_inline]] inline void pipeline::issue(cycle now) {
  bool port_is_free = true;
  bool issued = false;
  memory_interval_end_ = now + std::max<cycle>(config_.timing.memory_interval, 1);
  if (want_read_ != 0) {
    // Round-robin: the first from `next_walker_` on, else the first of all.
    const walker_set behind = want_read_ & (~walker_set{0} << next_walker_);
    const unsigned index = first_of(behind != 0 ? behind : want_read_);
    walker& w = walkers_[index];
    next_walker_ = index + 1 < walkers_.size() ? index + 1 : 0;
    w.state = walker_state::reading;
    want_read_ &= ~only(index);
    ++statistics_.walk_reads;
    issued = true;
    memory_port_at_ = never;
    tell(walk_step::read_issued, w, now);
    translator_.leaves(w.walk, now);
    port_is_free = outside_.read_table(index, w.walk.address(), w.walk.bytes());
  }
  if (!issued && guest_ != nullptr) [[unlikely]] {
    issued = true;
    memory_port_at_ = never;
    memory_client& first = *guest_;
    leave_port(first);
    port_is_free = first.take_port(now);
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
    piece.whole = s.piece == s.what.length && s.what.access.kind != remap::access_kind::zero_length_read &&
                  s.no_snoop == s.what.no_snoop;
    piece.no_snoop = s.no_snoop;
    issued = true;
    memory_port_at_ = never;
    tell(request_step::forwarded, id, now);
    port_is_free = outside_.forward(piece);
  }
  if (!issued) return;
  if (port_is_free) memory_port_at_ = memory_interval_end_;
  tell_port(true, now);
}

[[gnu::always_inline]] inline void pipeline::grant(cycle now) {
  if (!walker_queue_.empty()) start_walks(now);
  if (memory_port_at_ <= now) issue(now);
}

// --- F: answers and responses

bool pipeline::response_taken(unsigned port, cycle seen) {
  if (ports_[port].response_at != never) return false;
  ports_[port].response_at = seen;
  return true;
}

[[gnu::always_inline]] inline void pipeline::respond(cycle now) {
  // In the order of slots, so that the order of the calls that brought the answers does not matter.
  while (!answers_.empty() && answers_.front().at <= now) {
    const answer taken = answers_.pop();
    slot& s = slots_[taken.id];
    tell(request_step::answered, taken.id, now, {.ok = taken.ok});
    const std::uint32_t left = s.what.length - s.offset - s.piece;
    if (!taken.ok || s.abandoned) [[unlikely]] {
      end(taken.id, completion::failed);
    } else if (left != 0) {
      s.offset += s.piece;
      s.what.access.address += s.piece;
      s.piece = spec::page_piece(s.what.access.address, left);
      s.first_lookup = true;
      replay(taken.id);
    } else {
      end(taken.id, completion::done);
    }
  }
  if (responses_ == 0) return;
  unsigned at = 0;
  for (port_state* port = ports_.data(); at < port_count_; ++at, ++port) {
    port_state& p = *port;
    if (p.responses.empty() || p.response_at > now) continue;
    const std::uint32_t id = p.responses.pop();
    --responses_;
    slot& s = slots_[id];
    void* const cookie = s.what.cookie;
    const completion how = s.how;
    tell(request_step::responded, id, now);
    s.at = stage::free;
    free_slots_.push_back(id);
    --busy_slots_;
    p.response_at = never;
    if (outside_.complete(at, cookie, how)) p.response_at = now + 1;
  }
}

[[gnu::always_inline]] inline cycle pipeline::next_work(cycle now) const {
  if (!again_.empty()) return now + 1;
  cycle next = lookups_.due();
  if (!answers_.empty()) next = std::min(next, answers_.front().at);
  if (ended_ != 0) return now + 1;
  next = std::min(next, earliest_due_);
  if (want_read_ != 0) next = std::min(next, memory_port_at_);
  if (!leaving_.empty() || guest_ != nullptr) next = std::min(next, memory_port_at_);
  if (waiting_ports_ != 0 && !free_slots_.empty()) {
    for (const port_state& p : ports_)
      next = std::min(next, p.seen);
  }
  if (responses_ != 0) {
    for (const port_state& p : ports_) {
      if (!p.responses.empty()) next = std::min(next, p.response_at);
    }
  }
  return next == never ? never : std::max(next, now + 1);
}

// --- The two halves of a cycle

void pipeline::look_and_fill(cycle now) {
  finish_lookups(now);
  if (earliest_due_ <= now) advance_walks(now);
  if (ended_ != 0) commit_walks(now);
}

cycle pipeline::admit_and_respond(cycle now) {
  admit(now);
  // Look-ups that take no time end where they began.
  if (lookups_.ready(now)) [[unlikely]]
    finish_lookups(now);
  grant(now);
  respond(now);
  return next_work(now);
}

void pipeline::want_port(memory_client& who) {
  if (who.waits) return;
  who.waits = true;
  who.behind = nullptr;
  memory_client** last = &guest_;
  while (*last != nullptr)
    last = &(*last)->behind;
  *last = &who;
}

void pipeline::leave_port(memory_client& who) {
  if (!who.waits) return;
  memory_client** at = &guest_;
  while (*at != &who)
    at = &(*at)->behind;
  *at = who.behind;
  who.waits = false;
}

bool pipeline::quiescent() const {
  // A walker that is busy without a request waits for an answer that a reset made void.
  return idle() && busy_ == 0 && waiting_ports_ == 0 && responses_ == 0 && guest_ == nullptr &&
         memory_port_at_ != never && std::none_of(ports_.begin(), ports_.end(), [](const port_state& port) {
           return port.response_at == never;
         });
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

bool pipeline::leave_early(std::uint64_t sequence) {
  for (auto& one : suspended_) {
    if (one.first != sequence) continue;
    one = suspended_.back();
    suspended_.pop_back();
    return true;
  }
  return false;
}

pipeline::passage pipeline::pass(const request& piece, bool enabled, remap::memory_port& memory, cycle now) {
  // Nearly every request: nothing in it to decide but what a hit decides.
  if (remap::translation result; observer_ == nullptr && !piece.no_snoop &&
                                 lane_of(piece.access, piece, piece.length, enabled) == lane::translate &&
                                 !state_.protection.active() && translator_.lookup_hot(piece.access, result))
      [[likely]] {
    count_lookup(true, true);
    const remap::translation_latencies& latency = config_.timing.lookup;
    return {passage::way::memory, result.address, latency.context_lookup + latency.iotlb_lookup, false,
            false};
  }
  return pass_any(piece, enabled, memory, now);
}

pipeline::passage pipeline::pass_any(const request& piece, bool enabled, remap::memory_port& memory,
                                     cycle now) {
  passage out;
  out.address = piece.access.address;
  out.no_snoop = piece.no_snoop;
  switch (lane_of(piece.access, piece, piece.length, enabled)) {
  case lane::bypass:
    ++statistics_.bypassed;
    out.leads = passage::way::memory;
    tell(piece, out, now);
    return out;
  case lane::interrupt:
    ++statistics_.interrupts;
    out.leads = passage::way::interrupt;
    tell(piece, out, now);
    return out;
  case lane::forbidden:
    ++statistics_.blocked_unlogged;
    tell(piece, out, now);
    return out;
  case lane::translate:
    break;
  }
  const remap::translation_latencies& latency = config_.timing.lookup;
  remap::translation_cost cost;
  const std::uint64_t resets = resets_;
  remap::translation result =
      translator_.translate(piece.access, {state_.root_table, memory, timebase_, now}, cost);
  // Memory waited, and an invalidation overtook the walk: it begins anew, as one does cycle by cycle.
  while (cost.overtaken)
    [[unlikely]] {
      if (resets_ != resets) {
        // As requests that a reset finds inside: it ends, and nothing is recorded.
        ++statistics_.blocked_unlogged;
        out.leads = passage::way::aborted;
        out.cycles = cost.read_cycles;
        out.read_tables = true;
        tell(piece, out, now);
        return out;
      }
      const remap::translation_cost before = std::exchange(cost, {});
      ++statistics_.poisoned;
      result = translator_.translate(piece.access,
                                     {state_.root_table, memory, timebase_, now + before.read_cycles}, cost);
      cost.structure_lookups += before.structure_lookups;
      cost.table_reads += before.table_reads;
      cost.read_cycles += before.read_cycles;
      cost.context_hit = before.context_hit;
      cost.iotlb_hit = false;
    }
  count_lookup(cost.context_hit, cost.iotlb_hit);
  out.cycles = latency.context_lookup + latency.iotlb_lookup;
  if (!cost.iotlb_hit) {
    ++statistics_.walks;
    statistics_.walk_reads += cost.table_reads;
    withdraw_evicted(cost.evicted);
    out.read_tables = cost.table_reads != 0;
    out.cycles += cost.structure_lookups * latency.structure_lookup + cost.read_cycles;
  }
  if (!result.allowed()) {
    ++statistics_.faults;
    faults_.on_fault(piece.access, result, now + out.cycles);
    out.leads = way_of(ending_of(piece.access, result));
    tell(piece, out, now, &result, &cost);
    return out;
  }
  if (may_not_leave(piece.access, result, piece.length)) {
    end_inside(piece, result, out);
    tell(piece, out, now, &result, &cost);
    return out;
  }
  out.leads = passage::way::memory;
  out.address = result.address;
  out.no_snoop = piece.no_snoop && !result.snoop;
  tell(piece, out, now, &result, &cost);
  return out;
}

std::optional<std::uint64_t> pipeline::probe(const request& piece, remap::memory_port& memory) const {
  switch (lane_of(piece.access, piece, piece.length, state_.translation_enabled)) {
  case lane::bypass:
    return piece.access.address;
  case lane::interrupt:
  case lane::forbidden:
    return {};
  case lane::translate:
    break;
  }
  const remap::translation result = translator_.probe(piece.access, state_.root_table, memory);
  if (!result.allowed() || may_not_leave(piece.access, result, piece.length)) return {};
  return result.address;
}

} // namespace vtd::dmar
