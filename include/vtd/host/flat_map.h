// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace vtd::host {

/// A hash map from 64-bit numbers to small default-constructible values: one flat table, linear probing, no
/// tombstones, no locks. Pointers to values are valid until the next insert or erase.
template <class Value>
class flat_map {
public:
  flat_map() : slots_(initial_slots) {}

  [[nodiscard]] std::size_t size() const { return size_; }

  /// The value of `key`, or nullptr.
  [[nodiscard]] const Value* find(std::uint64_t key) const {
    for (std::size_t i = home(key); slots_[i].used; i = (i + 1) & mask()) {
      if (slots_[i].key == key) return &slots_[i].value;
    }
    return nullptr;
  }

  /// Puts `value` at `key`, replacing an earlier one.
  void insert(std::uint64_t key, Value value) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    std::size_t i = home(key);
    while (slots_[i].used && slots_[i].key != key) {
      i = (i + 1) & mask();
    }
    if (!slots_[i].used) ++size_;
    slots_[i] = slot{key, std::move(value), true};
  }

  /// Removes `key`; false when it is not there.
  bool erase(std::uint64_t key) {
    std::size_t gap = home(key);
    while (slots_[gap].used && slots_[gap].key != key) {
      gap = (gap + 1) & mask();
    }
    if (!slots_[gap].used) return false;
    // Move later members of the probe run back, so that no search ever has to pass over a gap.
    for (std::size_t i = (gap + 1) & mask(); slots_[i].used; i = (i + 1) & mask()) {
      if (((i - home(slots_[i].key)) & mask()) >= ((i - gap) & mask())) {
        slots_[gap] = std::move(slots_[i]);
        gap = i;
      }
    }
    slots_[gap] = slot{};
    --size_;
    return true;
  }

  void clear() {
    slots_.assign(initial_slots, slot{});
    size_ = 0;
  }

private:
  static constexpr std::size_t initial_slots = 64;

  struct slot {
    std::uint64_t key = 0;
    Value value{};
    bool used = false;
  };

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t home(std::uint64_t key) const {
    // Fibonacci hashing: neighbouring keys, the usual case, land far apart.
    constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15; // 2^64 / phi
    return static_cast<std::size_t>((key * golden_ratio) >> (64 - std::countr_zero(slots_.size())));
  }
  void grow() {
    std::vector<slot> old(slots_.size() * 2);
    old.swap(slots_);
    size_ = 0;
    for (slot& s : old) {
      if (s.used) insert(s.key, std::move(s.value));
    }
  }

  std::vector<slot> slots_;
  std::size_t size_ = 0;
};

} // namespace vtd::host
