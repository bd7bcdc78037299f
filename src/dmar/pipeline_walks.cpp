// SPDX-License-Identifier: Apache-2.0
// The walks of a pipeline: who shares one, what they want next, how they end, and what poisons them.
#include "vtd/dmar/pipeline.h"

#include <cassert>

namespace vtd::dmar {

using engine::cycle;
using engine::never;
using demand = remap::page_walk::demand;

// --- From outside

void pipeline::table_answered(unsigned index, bool ok, const remap::table_words& words, cycle seen) {
  walker& w = walkers_[index];
  assert(w.state == walker_state::reading);
  w.words = words;
  w.answer_ok = ok;
  w.due = seen;
}

// --- A and E: the beginning of a walk

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
    translator_.start(w.walk, access_of(s), state_.root_table);
    tell(walk_step::granted, w, now);
    continue_walk(w, now);
    // Others that wait for a walk to the same page need none of their own.
    for (std::size_t others = walker_queue_.size(); others != 0; --others) {
      const std::uint32_t other = walker_queue_.pop();
      if (join_walk(other)) {
        tell(request_step::joined, other, now);
      } else {
        walker_queue_.push(other);
      }
    }
  }
}

// --- B: data for walks

void pipeline::advance_walks(cycle now) {
  if (busy_walkers_ == 0) return;
  for (walker& w : walkers_) {
    if (w.due > now) continue;
    w.due = never;
    if (w.state == walker_state::structures) {
      translator_.look_up_structures(w.walk);
      tell(walk_step::structures_looked_up, w, now);
      continue_walk(w, now);
    } else if (w.state == walker_state::reading) {
      tell(walk_step::read_answered, w, now);
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

void pipeline::commit_walks(cycle now) {
  if (busy_walkers_ == 0) return;
  for (walker& w : walkers_) {
    if (w.state != walker_state::ended) continue;
    const std::uint32_t leader = w.leader;
    std::uint32_t waiter = slots_[leader].next_waiter;
    slots_[leader].next_waiter = nobody;
    w.state = walker_state::idle;
    --busy_walkers_;
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

} // namespace vtd::dmar
