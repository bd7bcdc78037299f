// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <vector>

namespace vtd::engine {

/// A bounded first-in first-out queue in a ring. `Item` is small and copyable. Grows never: the bound is the
/// structure's number of slots, and whoever pushes has checked `full()`.
template <class Item>
class ring {
public:
  explicit ring(std::size_t slots)
      : slots_(slots), items_(std::bit_ceil(slots == 0 ? std::size_t{1} : slots)), mask_(items_.size() - 1) {}
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] bool full() const { return count_ >= slots_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] Item& front() { return items_[head_]; }
  [[nodiscard]] const Item& front() const { return items_[head_]; }
  /// The item that `at` others stand before.
  [[nodiscard]] Item& operator[](std::size_t at) { return items_[(head_ + at) & mask_]; }
  void push(const Item& item) {
    assert(!full());
    items_[(head_ + count_) & mask_] = item;
    ++count_;
  }
  /// As `push`, but before the last ones for which `later(item)` holds: the ring stays sorted.
  template <class Later>
  void push_sorted(const Item& item, Later&& later) {
    push(item);
    for (std::size_t at = count_ - 1; at != 0 && later((*this)[at - 1]); --at) {
      (*this)[at] = (*this)[at - 1];
      (*this)[at - 1] = item;
    }
  }
  Item pop() {
    assert(!empty());
    Item item = items_[head_];
    head_ = (head_ + 1) & mask_;
    --count_;
    return item;
  }
  void clear() {
    head_ = 0;
    count_ = 0;
  }

private:
  std::size_t slots_;
  std::vector<Item> items_;
  std::size_t mask_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
};

/// A pipeline of constant latency: what goes in at cycle n comes out at n + latency, in order. Because the
/// latency is constant the queue is sorted by construction and costs no search.
template <class Item>
class delay_line {
public:
  /// `slots`: how many items may be inside at once; `latency` in cycles, 0 means the same cycle.
  delay_line(std::size_t slots, cycle latency) : items_(slots), latency_(latency) {}
  [[nodiscard]] cycle latency() const { return latency_; }
  [[nodiscard]] bool full() const { return items_.full(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  /// The cycle at which the oldest item comes out, or `never`.
  [[nodiscard]] cycle due() const { return items_.empty() ? never : items_.front().due; }
  [[nodiscard]] bool ready(cycle now) const { return !items_.empty() && items_.front().due <= now; }
  void push(const Item& item, cycle now) { items_.push({now + latency_, item}); }
  Item pop() { return items_.pop().item; }
  void clear() { items_.clear(); }

private:
  struct slot {
    cycle due = 0;
    Item item{};
  };
  ring<slot> items_;
  cycle latency_;
};

} // namespace vtd::engine
