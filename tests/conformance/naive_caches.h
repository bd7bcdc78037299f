// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

/// A cache as a list of lines that remember when they were used and when they came.
template <class Key, class Value>
class naive_cache {
public:
  explicit naive_cache(const remap::cache_shape& shape)
      : ways_(shape.ways == 0 ? shape.entries : shape.ways), policy_(shape.policy), lines_(shape.entries),
        trees_(lines_.size(), 0) {}

  /// Nothing, or the value, which counts as used.
  Value* look_up(const Key& key) {
    for (line* each : set_of(key)) {
      if (!each->valid || !(each->key == key)) continue;
      use(*each);
      return &each->value;
    }
    return nullptr;
  }
  const Value* peek(const Key& key) {
    for (line* each : set_of(key)) {
      if (each->valid && each->key == key) return &each->value;
    }
    return nullptr;
  }
  void fill(const Key& key, const Value& value) {
    if (lines_.empty()) return;
    line* place = nullptr;
    const std::vector<line*> set = set_of(key);
    for (line* each : set) {
      if (each->valid && each->key == key) place = each;
    }
    const bool present = place != nullptr;
    for (line* each : set) {
      if (place == nullptr && !each->valid) place = each;
    }
    if (place == nullptr) place = victim(set);
    if (!present) place->came = ++clock_;
    place->valid = true;
    place->key = key;
    place->value = value;
    use(*place);
  }
  template <class Predicate>
  void remove_if(const Predicate& goes) {
    for (line& each : lines_) {
      if (each.valid && goes(each.key, each.value)) each.valid = false;
    }
  }

private:
  struct line {
    bool valid = false;
    Key key{};
    Value value{};
    std::uint64_t used = 0;
    std::uint64_t came = 0;
  };

  [[nodiscard]] std::size_t set_number(const Key& key) const {
    return key.number % (lines_.size() / ways_) * ways_;
  }
  [[nodiscard]] std::vector<line*> set_of(const Key& key) {
    std::vector<line*> out;
    if (lines_.empty()) return out;
    for (std::size_t way = 0; way < ways_; ++way)
      out.push_back(&lines_[set_number(key) + way]);
    return out;
  }
  void use(line& what) {
    what.used = ++clock_;
    // The tree: each node on the way points to the other half. Node 1 is the root, 2n and 2n+1 stand below n.
    const auto at = static_cast<std::size_t>(&what - lines_.data());
    const std::size_t first = at / ways_ * ways_;
    for (std::size_t node = ways_ + at - first; node > 1; node /= 2)
      tree(first, node / 2) = node % 2 == 0 ? 1 : 0;
  }
  [[nodiscard]] line* victim(const std::vector<line*>& set) {
    line* out = set.front();
    if (policy_ == remap::replacement::pseudo_lru) {
      const auto first = static_cast<std::size_t>(out - lines_.data());
      std::size_t node = 1;
      while (node < ways_)
        node = 2 * node + tree(first, node);
      return set[node - ways_];
    }
    for (line* each : set) {
      const bool older =
          policy_ == remap::replacement::fifo ? each->came < out->came : each->used < out->used;
      if (older) out = each;
    }
    return out;
  }
  [[nodiscard]] std::size_t& tree(std::size_t first_line, std::size_t node) {
    return trees_[first_line + node];
  }

  std::size_t ways_;
  remap::replacement policy_;
  std::vector<line> lines_;
  // Node n of the set whose first line is f: [f + n], n from 1 to ways - 1.
  std::vector<std::size_t> trees_;
  std::uint64_t clock_ = 0;
};

/// An invalidation, by register written at `time`, or by descriptor.
struct naive_order {
  enum class what : std::uint8_t { contexts, contexts_of_domain, context, pages, pages_of_domain, page };
  what removes = what::pages;
  std::uint16_t domain = 0;
  std::uint16_t source = 0;
  // FM, and the bits that do not count for it.
  unsigned function_mask = 0;
  std::uint16_t any_function = 0;
  unsigned address_mask = 0;
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
  bool leaf_only = false;
  bool drains_reads = false;
  bool drains_writes = false;
  std::uint64_t time = 0;

  [[nodiscard]] bool is_of_contexts() const { return removes <= what::context; }
  [[nodiscard]] bool names(std::uint64_t who) const { return ((who ^ source) & 0xffff & ~any_function) == 0; }
};

struct naive_context {
  // Not present: kept under domain-id 0 with caching mode.
  bool absent = false;
  std::uint16_t domain = 0;
  bool pass_through = false;
  unsigned levels = 0;
  unsigned width = 0;
  std::uint64_t table = 0;
};
struct naive_source_key {
  std::uint64_t number = 0;
  friend bool operator==(const naive_source_key&, const naive_source_key&) = default;
};
struct naive_page_key {
  std::uint16_t domain = 0;
  unsigned level = 0;
  std::uint64_t number = 0;
  friend bool operator==(const naive_page_key&, const naive_page_key&) = default;
};
/// A page, or a table that comes next; with the rights of all levels above.
struct naive_mapping {
  std::uint64_t address = 0;
  bool read = true;
  bool write = true;
};
[[nodiscard]] inline naive_page_key naive_key(const naive_context& from, std::uint64_t address,
                                              unsigned level) {
  return {from.domain, level, address >> (12 + 9 * (level - 1))};
}
[[nodiscard]] inline std::uint64_t naive_offset(std::uint64_t address, unsigned level) {
  return address & ((std::uint64_t{1} << (12 + 9 * (level - 1))) - 1);
}

/// All caches of a unit, and what an invalidation means for them.
struct naive_unit_caches {
  using page_cache = naive_cache<naive_page_key, naive_mapping>;

  explicit naive_unit_caches(const dmar::unit_config& config)
      : contexts(config.caches.context), iotlb(config.caches.iotlb),
        large(config.caches.large_iotlb), tables{page_cache(config.caches.pde),
                                                 page_cache(config.caches.pdpe),
                                                 page_cache(config.caches.pml4),
                                                 page_cache(config.caches.pml5)},
        large_apart(config.caches.large_iotlb.entries != 0), whole_domain(config.whole_domain_tables) {}

  [[nodiscard]] page_cache& pages(unsigned level) { return level > 1 && large_apart ? large : iotlb; }
  /// The page, with the address that belongs to `address`.
  std::optional<naive_mapping> find_page(const naive_context& from, std::uint64_t address) {
    for (unsigned level = 1; level <= 5; ++level) {
      const naive_mapping* found = pages(level).look_up(naive_key(from, address, level));
      if (found == nullptr) continue;
      return naive_mapping{found->address + naive_offset(address, level), found->read, found->write};
    }
    return {};
  }
  /// The level of the table to read next, and where it is. All levels are asked, so all hits count as uses;
  /// the deepest is taken.
  std::pair<unsigned, naive_mapping> find_table(const naive_context& from, std::uint64_t address) {
    std::pair<unsigned, naive_mapping> out{from.levels, {from.table, true, true}};
    for (unsigned level = 2; level <= from.levels && level <= 5; ++level) {
      const naive_mapping* found = tables[level - 2].look_up(naive_key(from, address, level));
      if (found != nullptr && out.first == from.levels) out = {level - 1, *found};
    }
    return out;
  }

  void remove(const naive_order& it) {
    using what = naive_order::what;
    if (it.is_of_contexts()) {
      contexts.remove_if([&](const naive_source_key& source, const naive_context& from) {
        if (it.removes == what::contexts) return true;
        return from.domain == it.domain &&
               (it.removes == what::contexts_of_domain || it.names(source.number));
      });
      return;
    }
    const auto touches = [&](const naive_page_key& entry) {
      const unsigned shift = 9 * (entry.level - 1);
      return entry.number >= it.first_page >> shift && entry.number <= it.last_page >> shift;
    };
    const auto goes = [&](const naive_page_key& entry, const naive_mapping&) {
      if (it.removes == what::pages) return true;
      return entry.domain == it.domain && (it.removes == what::pages_of_domain || touches(entry));
    };
    iotlb.remove_if(goes);
    large.remove_if(goes);
    if (it.removes == what::page && it.leaf_only) return;
    for (page_cache& each : tables) {
      each.remove_if([&](const naive_page_key& entry, const naive_mapping& to) {
        return goes(entry, to) || (whole_domain && entry.domain == it.domain);
      });
    }
  }

  naive_cache<naive_source_key, naive_context> contexts;
  page_cache iotlb;
  page_cache large;
  std::array<page_cache, 4> tables; // of levels 2 to 5
  bool large_apart;
  bool whole_domain;
};

} // namespace vtd::test
