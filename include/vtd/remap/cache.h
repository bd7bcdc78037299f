// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/archive.h"
#include "vtd/remap/recency.h"

#include <bit>
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
/// Speed: a hit on the line of its set that was used last changes no replacement state, so `find_recent` may
/// answer it alone. Other look-ups compare one byte of each tag, eight ways at a time, and full tags only
/// where it is equal.
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
      recent_.assign(1, 0);
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
    digest_words_ = (shape_.ways + ways_per_word - 1) / ways_per_word;
    digests_.assign(sets * digest_words_, 0);
    // The padding of the last set's digests looks at tags behind the last.
    tags_.assign(shape_.entries + ways_per_word, 0);
    values_.resize(shape_.entries);
    recent_.assign(sets, 0);
    if (shape_.policy == replacement::lru || shape_.policy == replacement::fifo)
      order_ = recency(sets, shape_.ways);
    if (shape_.policy == replacement::pseudo_lru) trees_.assign(sets, 0);
    random_ = shape_.seed * 0x9e3779b97f4a7c15ULL + 1;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const cache_shape& shape() const { return shape_; }
  [[nodiscard]] cache_statistics statistics() const {
    cache_statistics out = statistics_;
    out.fills = fills_ - fills_cleared_;
    return out;
  }
  void clear_statistics() {
    statistics_ = {};
    fills_cleared_ = fills_;
  }
  /// Fills since the beginning: equal numbers say that nothing was added meanwhile.
  [[nodiscard]] std::uint64_t fills() const { return fills_; }

  /// The value under `tag`, or nullptr. Counts and marks the line as used.
  [[nodiscard]] Value* lookup(const Tag& tag) {
    Value* const found = lookup_if_present(tag);
    if (found == nullptr) ++statistics_.misses;
    return found;
  }

  /// The value under `tag` if its line is the one of its set that was used last; otherwise nullptr, which
  /// says nothing. To be completed by `count_hit`, or followed by `lookup`.
  [[nodiscard]] const Value* find_recent(const Tag& tag) const {
    const std::uint32_t line = recent_[tag.index() & set_mask_];
    return tags_[line] == tag.packed() ? &values_[line] : nullptr;
  }
  void count_hit() { ++statistics_.hits; }

  /// As `lookup`, but a miss is not counted (a structure asked for several page sizes counts one miss for
  /// all).
  [[nodiscard]] Value* lookup_if_present(const Tag& tag) {
    const std::size_t set = tag.index() & set_mask_;
    const std::uint64_t packed = tag.packed();
    std::size_t line = recent_[set];
    if (tags_[line] != packed) {
      line = find(set, packed);
      if (line == none) return nullptr;
      touch(set, line);
    }
    ++statistics_.hits;
    return &values_[line];
  }
  void count_miss() { ++statistics_.misses; }

  /// The value under `tag` without any effect: for debug accesses, dumps and checks.
  [[nodiscard]] const Value* peek(const Tag& tag) const {
    const std::size_t set = tag.index() & set_mask_;
    const std::size_t line = find(set, tag.packed());
    return line == none ? nullptr : &values_[line];
  }

  /// Puts a value under `tag`, replacing what stood there. Returns the packed tag that had to leave for it,
  /// or 0. `absent`: the caller knows that the tag is not there, so that it need not be searched.
  [[gnu::always_inline]] std::uint64_t fill(const Tag& tag, const Value& value, bool absent = false) {
    if (shape_.entries == 0) return 0;
    const std::uint64_t packed = tag.packed();
    const std::size_t set = tag.index() & set_mask_;
    ++fills_;
    std::uint64_t left = 0;
    std::size_t line = absent ? none : find(set, packed);
    if (line != none) {
      touch(set, line);
    } else {
      const std::size_t way = occupied_ == shape_.entries ? take_victim(set) : take_invalid_or_victim(set);
      line = set * shape_.ways + way;
      left = tags_[line];
      ++(left != 0 ? statistics_.evictions : occupied_);
      tags_[line] = packed;
      set_digest(set, way, digest_of(packed));
      recent_[set] = static_cast<std::uint32_t>(line);
    }
    values_[line] = value;
    return left;
  }

  /// Removes every line for which `doomed(packed_tag, value)` holds; returns how many.
  template <class Predicate>
  std::size_t invalidate_if(Predicate&& doomed) {
    std::size_t removed = 0;
    for (std::size_t line = 0; line < shape_.entries; ++line) {
      if (tags_[line] != 0 && doomed(tags_[line], static_cast<const Value&>(values_[line]))) {
        tags_[line] = 0;
        ++removed;
      }
    }
    occupied_ -= removed;
    statistics_.invalidated += removed;
    return removed;
  }

  /// Visits all valid lines in line order: `visit(packed_tag, value)`.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (std::size_t line = 0; line < shape_.entries; ++line) {
      if (tags_[line] != 0) visit(tags_[line], values_[line]);
    }
  }

  /// Sections "<name> lines", "<name> replacement" and "<name> statistics".
  /// What stands in invalid lines means nothing, and is not kept.
  template <class Archive>
  void serialize(Archive& archive) {
    archive.section(name_ + " lines", [&] {
      archive(tags_, digests_, occupied_);
      for (std::size_t line = 0; line < shape_.entries; ++line) {
        if (tags_[line] != 0) archive(values_[line]);
      }
    });
    archive.section(name_ + " replacement", [&] { archive(order_, trees_, recent_, random_); });
    archive.section(name_ + " statistics", [&] {
      engine::serialize_counters(archive, statistics_);
      archive(fills_, fills_cleared_);
    });
  }

  /// How many lines are valid.
  [[nodiscard]] std::size_t occupancy() const { return occupied_; }

private:
  static constexpr std::size_t none = ~std::size_t{0};

  [[noreturn]] void reject(const std::string& why) const { throw std::invalid_argument(name_ + ": " + why); }

  // One byte of each tag, never 0; eight of them make a word, the lowest byte for the lowest way.
  static constexpr std::size_t ways_per_word = 8;
  static constexpr std::uint64_t ones = 0x0101010101010101;
  static constexpr std::uint64_t tops = ones << 7;

  [[nodiscard]] static std::uint64_t digest_of(std::uint64_t packed) {
    constexpr std::uint64_t golden_ratio =
        0x9e3779b97f4a7c15; // 2^64 / phi: the top byte depends on all others
    return packed * golden_ratio >> 56 | 1;
  }
  void set_digest(std::size_t set, std::size_t way, std::uint64_t digest) {
    std::uint64_t& word = digests_[set * digest_words_ + way / ways_per_word];
    const std::size_t shift = 8 * (way % ways_per_word);
    word = (word & ~(std::uint64_t{0xff} << shift)) | digest << shift;
  }

  // The line of the set that holds `packed`, or `none`. Digests of invalid lines are stale, their tags are
  // not.
  [[nodiscard]] std::size_t find(std::size_t set, std::uint64_t packed) const {
    const std::uint64_t pattern = digest_of(packed) * ones;
    for (std::size_t word = 0; word < digest_words_; ++word) {
      // Equal bytes become 0, and 0 is marked in its top bit; a byte above it may be marked for nothing.
      const std::uint64_t difference = digests_[set * digest_words_ + word] ^ pattern;
      std::uint64_t marks = (difference - ones) & ~difference & tops;
      for (; marks != 0; marks &= marks - 1) {
        const std::size_t way = word * ways_per_word + static_cast<std::size_t>(std::countr_zero(marks)) / 8;
        const std::size_t line = set * shape_.ways + way;
        if (tags_[line] == packed) [[likely]]
          return line;
      }
    }
    return none;
  }

  void touch(std::size_t set, std::size_t line) {
    recent_[set] = static_cast<std::uint32_t>(line);
    if (shape_.policy == replacement::lru) {
      order_.touch(set, line - set * shape_.ways);
    } else if (shape_.policy == replacement::pseudo_lru) {
      touch_tree(trees_[set], line - set * shape_.ways);
    }
  }

  // The tree has ways-1 nodes in heap order; a bit tells which half was used less recently (1 = the upper
  // one).
  void touch_tree(std::uint64_t& tree, std::size_t way) const {
    std::size_t node = 1;
    for (std::size_t half = shape_.ways / 2; half != 0; half /= 2) {
      const bool upper = (way & half) != 0;
      const std::uint64_t bit = std::uint64_t{1} << node;
      tree = upper ? tree & ~bit : tree | bit;
      node = 2 * node + (upper ? 1 : 0);
    }
  }

  // The way that a fill takes while there are invalid lines somewhere; it counts as touched.
  [[nodiscard]] std::size_t take_invalid_or_victim(std::size_t set) {
    const std::uint64_t* const tags = tags_.data() + set * shape_.ways;
    std::size_t way = 0;
    while (way < shape_.ways && tags[way] != 0)
      ++way;
    if (way == shape_.ways) return take_victim(set);
    if (shape_.policy == replacement::pseudo_lru) touch_tree(trees_[set], way);
    if (shape_.policy == replacement::lru || shape_.policy == replacement::fifo) order_.touch(set, way);
    return way;
  }

  // The way that the policy gives up; it counts as touched.
  [[nodiscard]] std::size_t take_victim(std::size_t set) {
    if (shape_.policy == replacement::lru || shape_.policy == replacement::fifo) [[likely]]
      return order_.take_last(set);
    if (shape_.policy == replacement::pseudo_lru) {
      const std::size_t way = least_recent_leaf(trees_[set]);
      touch_tree(trees_[set], way);
      return way;
    }
    if (shape_.ways <= 1) return 0; // nothing to draw
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<std::size_t>(random_ % shape_.ways);
  }

  [[nodiscard]] std::size_t least_recent_leaf(std::uint64_t tree) const {
    std::size_t node = 1;
    std::size_t way = 0;
    for (std::size_t half = shape_.ways / 2; half != 0; half /= 2) {
      const bool upper = ((tree >> node) & 1) != 0;
      if (upper) way |= half;
      node = 2 * node + (upper ? 1 : 0);
    }
    return way;
  }

  std::string name_;
  cache_shape shape_;
  std::size_t set_mask_ = 0;
  std::size_t occupied_ = 0;
  std::uint64_t random_ = 1;
  std::vector<std::uint64_t> tags_;
  std::vector<Value> values_;
  recency order_;
  std::vector<std::uint64_t> trees_;
  std::size_t digest_words_ = 0;
  std::vector<std::uint64_t> digests_;
  // The line of each set that was used last.
  std::vector<std::uint32_t> recent_;
  // Without the fills, which are counted for good.
  cache_statistics statistics_;
  std::uint64_t fills_ = 0;
  std::uint64_t fills_cleared_ = 0;
};

} // namespace vtd::remap
