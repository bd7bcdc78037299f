// SPDX-License-Identifier: Apache-2.0
// The walks of a pipeline: who shares one, what they want next, how they end, and what poisons them.
#include "vtd/dmar/pipeline.h"

#include <algorithm>
#include <cassert>

namespace vtd::dmar {

using engine::cycle;
using engine::never;
using demand = remap::page_walk::demand;

// --- From outside

void pipeline::table_answered(unsigned index, bool ok, const remap::table_words& words, cycle seen) {
  walker& w = walkers_[index];
  if ((abandoned_ & only(index)) != 0) [[unlikely]] {
    abandoned_ &= ~only(index);
    busy_ &= ~only(index);
    return;
  }
  assert(w.state == walker_state::reading);
  w.words = words;
  w.answer_ok = ok;
  set_due(w, seen);
}

void pipeline::set_due(walker& w, cycle at) {
  w.due = at;
  due_ |= only(index_of(w));
  if (at < earliest_due_) earliest_due_ = at;
}

// --- A and E: the beginning of a walk

// A miss to the page of a walk in flight, or of one that waits for a walker, by the same requester, waits for
// that walk instead of walking itself.
bool pipeline::join_walk(std::uint32_t id, cycle now) {
  if (busy_ == 0 && walker_queue_.empty()) return false;
  slot& s = slots_[id];
  const std::uint64_t page = spec::page_number(s.what.access.address);
  const auto wait_behind = [&](std::uint32_t leader, std::uint32_t& last_waiter) {
    ++statistics_.merged;
    s.at = stage::merged;
    s.next_waiter = nobody;
    slots_[last_waiter == nobody ? leader : last_waiter].next_waiter = id;
    last_waiter = id;
  };
  for (walker_set busy = busy_ & ~abandoned_; busy != 0; busy &= busy - 1) {
    walker& w = walkers_[first_of(busy)];
    const remap::dma_access& walked = w.walk.access();
    if (spec::page_number(walked.address) != page || walked.source != s.what.access.source) continue;
    wait_behind(w.leader, w.last_waiter);
    tell(request_step::joined, id, now, {.walker = index_of(w)});
    return true;
  }
  for (std::size_t at = 0; at < walker_queue_.size(); ++at) {
    waiting_walk& waiting = walker_queue_[at];
    if (waiting.page != page || waiting.source != s.what.access.source) continue;
    wait_behind(waiting.id, waiting.last_waiter);
    return true;
  }
  return false;
}

void pipeline::wait_for_walker(std::uint32_t id) {
  slot& s = slots_[id];
  s.at = stage::waiting_for_walker;
  s.next_waiter = nobody;
  walker_queue_.push({spec::page_number(s.what.access.address), id, nobody, s.what.access.source});
}

void pipeline::start_walks(cycle now) {
  while (!walker_queue_.empty() && busy_ != all_walkers_) {
    const unsigned index = first_of(~busy_);
    walker& w = walkers_[index];
    const waiting_walk begun = walker_queue_.pop();
    slot& s = slots_[begun.id];
    s.at = stage::walking;
    w.leader = begun.id;
    w.last_waiter = begun.last_waiter;
    w.poisoned = false;
    busy_ |= only(index);
    ++statistics_.walks;
    translator_.start(w.walk, s.what.access, state_.root_table);
    tell(walk_step::granted, w, now);
    continue_walk(w, now);
    if (observer_ == nullptr) continue;
    for (std::uint32_t waiter = s.next_waiter; waiter != nobody; waiter = slots_[waiter].next_waiter)
      tell(request_step::joined, waiter, now, {.walker = index});
  }
}

// --- B: data for walks

void pipeline::advance_walks(cycle now) {
  earliest_due_ = never;
  for (walker_set due = due_; due != 0; due &= due - 1) {
    const unsigned index = first_of(due);
    walker& w = walkers_[index];
    if (w.due > now) {
      earliest_due_ = std::min(earliest_due_, w.due);
      continue;
    }
    due_ &= ~only(index);
    if (w.state == walker_state::structures) {
      translator_.look_up_structures(w.walk);
      tell(walk_step::structures_looked_up, w, now);
    } else {
      tell(walk_step::read_answered, w, now);
      translator_.feed(w.walk, w.answer_ok, w.words, now, w.poisoned);
    }
    continue_walk(w, now);
  }
}

void pipeline::continue_walk(walker& w, cycle now) {
  const walker_set me = only(index_of(w));
  if (w.walk.wants() == demand::cache_lookup && config_.timing.lookup.structure_lookup == 0) {
    translator_.look_up_structures(w.walk);
    tell(walk_step::structures_looked_up, w, now);
  }
  switch (w.walk.wants()) {
  case demand::cache_lookup:
    w.state = walker_state::structures;
    set_due(w, now + config_.timing.lookup.structure_lookup);
    break;
  case demand::table_read:
    w.state = walker_state::wants_read;
    want_read_ |= me;
    break;
  case demand::done:
  case demand::idle:
    w.state = walker_state::ended;
    ended_ |= me;
    break;
  }
}

// --- C: walks that ended

void pipeline::commit_walks(cycle now) {
  for (walker_set ended = ended_; ended != 0; ended &= ended - 1) {
    walker& w = walkers_[first_of(ended)];
    const std::uint32_t leader = w.leader;
    std::uint32_t waiter = slots_[leader].next_waiter;
    busy_ &= ~only(index_of(w));
    tell(walk_step::ended, w, now);
    if (w.poisoned) {
      ++statistics_.poisoned;
      replay(leader);
    } else {
      withdraw_evicted(translator_.commit(w.walk));
      decide(leader, w.walk.result(), now);
    }
    while (waiter != nobody) {
      const std::uint32_t next = slots_[waiter].next_waiter;
      replay(waiter);
      waiter = next;
    }
  }
  ended_ = 0;
}

// A direct pointer lives no longer than the IOTLB entry it was given for.
void pipeline::withdraw_evicted(std::uint64_t packed) {
  if (packed == 0 || !direct_given_) return;
  const unsigned shift = spec::level_shift(remap::page_tag::level_of(packed));
  const std::uint64_t first = remap::page_tag::number_of(packed) << shift;
  outside_.withdraw(first, first + (std::uint64_t{1} << shift) - 1);
}

// A walker without a walk may be marked, too: its next walk begins unmarked.

void pipeline::poison_all() {
  translator_.overtake_walks();
  for (walker& w : walkers_)
    w.poisoned = true;
}

void pipeline::poison_domain(std::uint16_t domain) {
  translator_.overtake_walks();
  for (walker& w : walkers_) {
    // A walk that has not come to its context entry yet may turn out to be of this domain.
    if (!w.walk.knows_context() || w.walk.context().domain_id == domain) w.poisoned = true;
  }
}

void pipeline::poison_source(spec::source_id source, std::uint16_t ignored) {
  translator_.overtake_walks();
  const auto compared = static_cast<std::uint16_t>(~ignored);
  for (walker& w : walkers_) {
    if (((w.walk.access().source.value() ^ source.value()) & compared) == 0) w.poisoned = true;
  }
}

} // namespace vtd::dmar
