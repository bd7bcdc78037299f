// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::remap {

/// How a set of a cache picks the line that a fill replaces. An invalid line is always taken first, lowest
/// way first.
enum class replacement : std::uint8_t { lru, pseudo_lru, fifo, random };

[[nodiscard]] std::string_view to_string(replacement policy);
/// "lru", "pseudo_lru", "fifo" or "random"; nothing for any other text.
[[nodiscard]] std::optional<replacement> parse_replacement(std::string_view text);

/// The shape of one cache. `entries` = sets x ways; 0 entries: the structure does not exist and never hits.
/// `ways` 0 or equal to `entries`: fully associative.
struct cache_shape {
  unsigned entries = 0;
  unsigned ways = 0;
  replacement policy = replacement::lru;
  /// Seed of the random policy; equal seeds give equal victims.
  std::uint64_t seed = 1;
};

/// Counters of one cache; they only ever grow, until `clear_statistics`.
struct cache_statistics {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t fills = 0;
  /// Fills that replaced a valid line of another tag.
  std::uint64_t evictions = 0;
  /// Lines removed by invalidations.
  std::uint64_t invalidated = 0;
};

/// The one cache of the house: context cache, paging-structure caches, IOTLB (and interrupt entry cache and
/// device-TLB) are instances. `Tag` is a small value with `std::uint64_t packed() const` (never 0: 0 marks an
/// invalid line) and `std::uint64_t index() const` (its low bits select the set).
///
/// Speed: a look-up first tries the line where this tag was last seen (a host-side hint, verified by
/// comparing tags, without architectural effect), then searches the set.
template <class Tag, class Value>
class cache {
public:
  /// Throws std::invalid_argument when the shape cannot be built: entries not divisible by ways, sets not a
  /// power of two, or more than 64 ways (or a count that is no power of two) for pseudo_lru.
  explicit cache(std::string name, const cache_shape& shape) : name_(std::move(name)), shape_(shape) {
    if (shape_.ways == 0) shape_.ways = shape_.entries;
    if (shape_.entries == 0) {
      // One line that stays invalid and sets without ways: look-ups miss without asking whether there is a
      // cache.
      tags_.assign(1, 0);
      hints_.assign(2, 0);
      return;
    }
    if (shape_.entries % shape_.ways != 0) {
      reject("entries " + std::to_string(shape_.entries) + " are not a multiple of ways " +
             std::to_string(shape_.ways));
    }
    const unsigned sets = shape_.entries / shape_.ways;
    if (!std::has_single_bit(sets))
      reject("entries / ways = " + std::to_string(sets) + ", expected a power of two");
    if (shape_.policy == replacement::pseudo_lru && (shape_.ways > 64 || !std::has_single_bit(shape_.ways))) {
      reject("pseudo_lru needs a power of two of at most 64 ways, not " + std::to_string(shape_.ways));
    }
    set_mask_ = sets - 1;
    tags_.assign(shape_.entries, 0);
    values_.resize(shape_.entries);
    stamps_.assign(shape_.entries, 0);
    trees_.assign(sets, 0);
    const std::size_t hints = std::bit_ceil(std::size_t{shape_.entries} * 4);
    hints_.assign(hints, 0);
    hint_shift_ = 64 - static_cast<unsigned>(std::countr_zero(hints));
    random_ = shape_.seed * 0x9e3779b97f4a7c15ULL + 1;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const cache_shape& shape() const { return shape_; }
  [[nodiscard]] const cache_statistics& statistics() const { return statistics_; }
  void clear_statistics() { statistics_ = {}; }

  /// The value under `tag`, or nullptr. Counts and marks the line as used.
  [[nodiscard]] Value* lookup(const Tag& tag) {
    const std::size_t line = find(tag.packed(), tag.index());
    if (line == none) [[unlikely]] {
      ++statistics_.misses;
      return nullptr;
    }
    ++statistics_.hits;
    touch(line);
    return &values_[line];
  }

  /// As `lookup`, but a miss is not counted (a structure asked for several page sizes counts one miss for
  /// all).
  [[nodiscard]] Value* lookup_if_present(const Tag& tag) {
    const std::size_t line = find(tag.packed(), tag.index());
    if (line == none) return nullptr;
    ++statistics_.hits;
    touch(line);
    return &values_[line];
  }
  void count_miss() { ++statistics_.misses; }

  /// The value under `tag` without any effect: for debug accesses, dumps and checks.
  [[nodiscard]] const Value* peek(const Tag& tag) const {
    const std::uint64_t packed = tag.packed();
    const std::size_t hinted = hints_[hint_of(packed)];
    if (tags_[hinted] == packed) return &values_[hinted];
    const std::size_t first = (tag.index() & set_mask_) * shape_.ways;
    for (std::size_t line = first; line < first + shape_.ways; ++line) {
      if (tags_[line] == packed) return &values_[line];
    }
    return nullptr;
  }

  /// Puts a value under `tag`, replacing what stood there. Returns the packed tag that had to leave for it,
  /// or 0.
  std::uint64_t fill(const Tag& tag, const Value& value) {
    if (shape_.entries == 0) return 0;
    const std::uint64_t packed = tag.packed();
    const std::size_t set = tag.index() & set_mask_;
    const std::size_t first = set * shape_.ways;
    const std::uint64_t* const tags = tags_.data() + first;
    const std::uint64_t* const stamps = stamps_.data() + first;
    ++statistics_.fills;
    // One pass finds the tag itself, or the way with the smallest stamp; invalid lines have stamp 0.
    std::size_t way = 0;
    bool present = false;
    for (std::size_t at = 0; at < shape_.ways; ++at) {
      if (tags[at] == packed) {
        way = at;
        present = true;
        break;
      }
      if (stamps[at] < stamps[way]) way = at;
    }
    std::uint64_t left = 0;
    if (!present) {
      if (shape_.policy != replacement::lru && shape_.policy != replacement::fifo) way = victim(set);
      left = tags_[first + way];
      if (left != 0) ++statistics_.evictions;
      tags_[first + way] = packed;
      stamps_[first + way] = ++stamp_;
    }
    const std::size_t line = first + way;
    values_[line] = value;
    hints_[hint_of(packed)] = static_cast<std::uint32_t>(line);
    touch(line);
    return left;
  }

  /// Removes every line for which `doomed(packed_tag, value)` holds; returns how many.
  template <class Predicate>
  std::size_t invalidate_if(Predicate&& doomed) {
    std::size_t removed = 0;
    for (std::size_t line = 0; line < tags_.size(); ++line) {
      if (tags_[line] != 0 && doomed(tags_[line], static_cast<const Value&>(values_[line]))) {
        tags_[line] = 0;
        stamps_[line] = 0;
        ++removed;
      }
    }
    statistics_.invalidated += removed;
    return removed;
  }

  /// Visits all valid lines in line order: `visit(packed_tag, value)`.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (std::size_t line = 0; line < tags_.size(); ++line) {
      if (tags_[line] != 0) visit(tags_[line], values_[line]);
    }
  }

  [[nodiscard]] std::size_t occupancy() const {
    std::size_t count = 0;
    for_each([&](std::uint64_t, const Value&) { ++count; });
    return count;
  }

private:
  static constexpr std::size_t none = ~std::size_t{0};

  [[noreturn]] void reject(const std::string& why) const { throw std::invalid_argument(name_ + ": " + why); }

  [[nodiscard]] std::size_t hint_of(std::uint64_t packed) const {
    return static_cast<std::size_t>((packed * 0x9e3779b97f4a7c15ULL) >> hint_shift_);
  }

  [[nodiscard]] std::size_t find(std::uint64_t packed, std::uint64_t index) {
    const std::size_t hint = hint_of(packed);
    const std::size_t hinted = hints_[hint];
    if (tags_[hinted] == packed) [[likely]] {
      return hinted;
    }
    const std::size_t first = (index & set_mask_) * shape_.ways;
    const std::uint64_t* tags = tags_.data() + first;
    for (std::size_t way = 0; way < shape_.ways; ++way) {
      if (tags[way] == packed) {
        hints_[hint] = static_cast<std::uint32_t>(first + way);
        return first + way;
      }
    }
    return none;
  }

  void touch(std::size_t line) {
    if (shape_.policy == replacement::lru) {
      stamps_[line] = ++stamp_;
    } else if (shape_.policy == replacement::pseudo_lru) {
      touch_tree(line);
    }
  }

  // The tree has ways-1 nodes in heap order; a bit tells which half was used less recently (1 = the upper
  // one).
  void touch_tree(std::size_t line) {
    std::uint64_t& tree = trees_[line / shape_.ways];
    const std::size_t way = line % shape_.ways;
    std::size_t node = 1;
    for (std::size_t half = shape_.ways / 2; half != 0; half /= 2) {
      const bool upper = (way & half) != 0;
      const std::uint64_t bit = std::uint64_t{1} << node;
      tree = upper ? tree & ~bit : tree | bit;
      node = 2 * node + (upper ? 1 : 0);
    }
  }

  // The way to replace under the policies that do not go by stamps.
  [[nodiscard]] std::size_t victim(std::size_t set) {
    const std::uint64_t* const tags = tags_.data() + set * shape_.ways;
    for (std::size_t way = 0; way < shape_.ways; ++way) {
      if (tags[way] == 0) return way;
    }
    if (shape_.policy == replacement::pseudo_lru) {
      std::size_t node = 1;
      std::size_t way = 0;
      for (std::size_t half = shape_.ways / 2; half != 0; half /= 2) {
        const bool upper = ((trees_[set] >> node) & 1) != 0;
        if (upper) way |= half;
        node = 2 * node + (upper ? 1 : 0);
      }
      return way;
    }
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<std::size_t>(random_ % shape_.ways);
  }

  std::string name_;
  cache_shape shape_;
  std::size_t set_mask_ = 0;
  unsigned hint_shift_ = 63;
  std::uint64_t stamp_ = 0;
  std::uint64_t random_ = 1;
  std::vector<std::uint64_t> tags_;
  std::vector<Value> values_;
  std::vector<std::uint64_t> stamps_;
  std::vector<std::uint64_t> trees_;
  std::vector<std::uint32_t> hints_;
  cache_statistics statistics_;
};

} // namespace vtd::remap
