// SPDX-License-Identifier: Apache-2.0
#include "vtd/engine/wheel.h"

#include <bit>

namespace vtd::engine {

void wheel::link(component& who) {
  ++linked_;
  const std::uint64_t slot = who.due_ & slot_mask;
  component* before = nullptr;
  component* after = slots_[slot];
  // In a slot components stand in the order of their construction: the same order in every run.
  while (after != nullptr && after->order_ < who.order_) {
    before = after;
    after = after->next_;
  }
  who.previous_ = before;
  who.next_ = after;
  if (after != nullptr) after->previous_ = &who;
  if (before != nullptr) {
    before->next_ = &who;
  } else {
    slots_[slot] = &who;
    occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
}

[[gnu::always_inline]] inline void wheel::schedule(component& who) {
  if (linked_ == 0) {
    if (only_ == nullptr) {
      only_ = &who;
      return;
    }
    link(*only_);
    only_ = nullptr;
  }
  link(who);
}

void wheel::unlink(component& who) {
  --linked_;
  const std::uint64_t slot = who.due_ & slot_mask;
  if (who.next_ != nullptr) who.next_->previous_ = who.previous_;
  if (who.previous_ != nullptr) {
    who.previous_->next_ = who.next_;
  } else {
    slots_[slot] = who.next_;
    if (who.next_ == nullptr) occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
}

[[gnu::always_inline]] inline void wheel::take_out(component& who) {
  if (&who == only_) {
    only_ = nullptr;
  } else {
    unlink(who);
  }
  who.due_ = never;
}

void wheel::forget(component& who) { take_out(who); }

void wheel::wake(component& who, cycle at) {
  if (at <= now_) at = now_ + 1;
  if (who.due_ != never) {
    if (who.due_ <= at) return;
    take_out(who);
  }
  who.due_ = at;
  schedule(who);
  if (at < next_) {
    next_ = at;
    if (driver_ != nullptr && !running_) driver_->next_moved_to(at);
  }
}

cycle wheel::earliest_in_slot(std::uint64_t slot) const {
  cycle earliest = never;
  for (const component* c = slots_[slot]; c != nullptr; c = c->next_) {
    if (c->due_ < earliest) earliest = c->due_;
  }
  return earliest;
}

[[gnu::noinline]] cycle wheel::find_next(cycle after) const {
  const std::uint64_t first = (after + 1) & slot_mask;
  cycle later_lap = never;
  std::uint64_t slot = first;
  for (std::uint64_t visited = 0; visited < slot_count;) {
    const std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word == 0) {
      const std::uint64_t skip = 64 - slot % 64;
      visited += skip;
      slot = (slot + skip) & slot_mask;
      continue;
    }
    const auto skip = static_cast<std::uint64_t>(std::countr_zero(word));
    visited += skip;
    if (visited >= slot_count) break;
    slot = (slot + skip) & slot_mask;
    const cycle due = earliest_in_slot(slot);
    if (due == after + 1 + visited) return due;
    if (due < later_lap) later_lap = due;
    ++visited;
    slot = (slot + 1) & slot_mask;
  }
  return later_lap;
}

[[gnu::always_inline]] inline void wheel::run_cycle(cycle at) {
  now_ = at;
  if (only_ != nullptr) [[likely]] {
    // It may be another than the one this cycle was meant for, which was destroyed.
    if (component& one = *only_; one.due_ == at) [[likely]] {
      take_out(one);
      one.step(at);
    }
  } else {
    run_slot(at);
  }
  if (only_ != nullptr) [[likely]] {
    next_ = only_->due_;
  } else {
    next_ = linked_ == 0 ? never : find_next(at);
  }
}

// A step may unlink or wake any component, also one of this slot, but never for this cycle again. So after
// each step the search for the next one due now starts from the head of the slot.
void wheel::run_slot(cycle at) {
  const std::uint64_t slot = at & slot_mask;
  for (component* c = slots_[slot]; c != nullptr;) {
    if (c->due_ != at) {
      c = c->next_;
      continue;
    }
    take_out(*c);
    c->step(at);
    c = slots_[slot];
  }
}

void wheel::run_until(cycle until) {
  if (running_) return;
  running_ = true;
  while (next_ <= until) {
    run_cycle(next_);
  }
  if (until > now_) now_ = until;
  running_ = false;
}

cycle wheel::run(cycle limit) {
  while (next_ <= limit)
    advance_to(next_);
  return now_;
}

} // namespace vtd::engine
