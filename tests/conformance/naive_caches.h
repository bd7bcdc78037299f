// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"

#include <cstdint>
#include <string>
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

} // namespace vtd::test
