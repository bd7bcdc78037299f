// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_memory.h"
#include "vtd/remap/config.h"

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

/// What the caches of a unit may hold, as somebody knows who sees only requests, tables and invalidations:
/// written from VT-d 6.1, 6.2 and 6.5.1 without a look at src/.
namespace vtd::test::belief {

/// Root and context entry as hardware uses them.
struct context {
  /// FR, 0: none; and whether FPD hides what is qualified.
  unsigned reason = 0;
  bool hides = false;
  bool passes = false;
  unsigned domain = 0;
  unsigned depth = 0;
  std::uint64_t top = 0;
  friend auto operator<=>(const context&, const context&) = default;
};
/// A paging entry that leads to no further table. Rights are those of all levels, R bit 0, W bit 1.
struct page {
  enum class state : std::uint8_t { good, absent, reserved };
  state is = state::good;
  /// Only a table can have stood there: no page has this size, or bit 7 says so.
  bool no_leaf = false;
  unsigned rights = 0;
  std::uint64_t host = 0;
  friend auto operator<=>(const page&, const page&) = default;
};
struct table {
  unsigned rights = 0;
  std::uint64_t next = 0;
  friend auto operator<=>(const table&, const table&) = default;
};
/// An entry for 2^(9 (level - 1)) pages from `number` times as many on.
struct place {
  unsigned domain = 0;
  unsigned level = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(const place&, const place&) = default;

  [[nodiscard]] bool covers_any(std::uint64_t first_page, std::uint64_t last_page) const {
    const std::uint64_t size = std::uint64_t{1} << 9 * (level - 1);
    return number * size <= last_page && (number + 1) * size - 1 >= first_page;
  }
};

/// What became of a request, and which entries were read for it.
struct outcome {
  /// FR, 0: it passed.
  unsigned reason = 0;
  bool hidden = false;
  std::uint64_t host = 0;
  std::vector<std::uint64_t> reads;
  friend bool operator==(const outcome&, const outcome&) = default;
  [[nodiscard]] bool same_end(const outcome& other) const {
    return reason == other.reason && hidden == other.hidden && host == other.host;
  }
};

template <class Tag, class Value>
using held = std::map<Tag, std::set<Value>>;
/// Tags that a request asked for, and what they lead to after it.
template <class Tag, class Value>
using touched = std::map<Tag, std::optional<Value>>;

/// One way in which a request can go, and what the caches hold then.
struct story {
  outcome end;
  touched<std::uint16_t, context> contexts;
  touched<place, page> pages;
  touched<place, table> tables;
};

/// An invalidation as software orders it: 1 global, 2 domain, 3 device or page.
struct order {
  bool of_contexts = false;
  unsigned granularity = 1;
  unsigned domain = 0;
  std::uint16_t source = 0;
  unsigned function_mask = 0;
  std::uint64_t first_page = 0;
  unsigned address_mask = 0;
  bool leaf_only = false;
};

/// `forgetful`: an entry may go at any time, and what hardware need not remove may stay. Otherwise all caches
/// have room for everything and docs/remap.md says what is kept: then there is one story only.
class unit_caches {
public:
  unit_caches(const remap::capabilities& caps, const fake_memory& memory, std::uint64_t root, bool forgetful,
              bool whole_domain_tables)
      : caps_(caps), memory_(memory), root_(root), forgetful_(forgetful),
        whole_domain_tables_(whole_domain_tables) {}

  /// All ways in which this request can go.
  [[nodiscard]] std::vector<story> stories(std::uint16_t source, bool write, std::uint64_t address) const {
    std::vector<story> out;
    const asked it{source, write, address};
    for (const auto& known : possible(contexts_, source)) {
      story one;
      const context from = known ? *known : read_context(source, one.end.reads);
      one.contexts[source] = from.reason == 0 || keeps_absent() ? std::optional(from) : std::nullopt;
      if (from.reason != 0) {
        one.end.reason = from.reason;
        one.end.hidden = from.hides;
        out.push_back(one);
      } else if (from.passes) {
        one.end.host = address;
        out.push_back(one);
      } else {
        ask_pages(it, from, one, 1, out);
      }
    }
    return out;
  }
  /// It went this way.
  void saw(const std::vector<story>& all, const outcome& end) {
    std::vector<const story*> told;
    for (const story& each : all) {
      if (each.end == end) told.push_back(&each);
    }
    learn(
        contexts_, told, [](const story& s) -> const auto& { return s.contexts; });
    learn(
        pages_, told, [](const story& s) -> const auto& { return s.pages; });
    learn(
        tables_, told, [](const story& s) -> const auto& { return s.tables; });
  }
  /// What it would be if nothing were cached.
  [[nodiscard]] outcome fresh(std::uint16_t source, bool write, std::uint64_t address) const {
    return unit_caches(caps_, memory_, root_, false, false).stories(source, write, address).front().end;
  }

  void forget_all() {
    contexts_.clear();
    pages_.clear();
    tables_.clear();
  }
  void remove(const order& it) {
    // Bits of the domain-id that the part has not are not looked at.
    const unsigned domain = it.domain % (1U << (4 + 2 * caps_.cap.nd()));
    if (it.of_contexts) {
      // The bits of the function that do not count.
      constexpr std::array<std::uint16_t, 4> any = {0, 4, 6, 7};
      remove_if(contexts_, [&](std::uint16_t source, const context& what) {
        if (it.granularity == 1) return true;
        // What is not present is held under domain-id 0. For what is in error no source is certain.
        const bool gone = what.reason == 0x01 || what.reason == 0x02;
        if (what.reason != 0 && !gone && forgetful_) return false;
        if ((what.reason != 0 ? 0 : what.domain) != domain) return false;
        return it.granularity == 2 || ((source ^ it.source) & ~any[it.function_mask]) == 0;
      });
      return;
    }
    const std::uint64_t count = std::uint64_t{1} << it.address_mask;
    const std::uint64_t first = it.first_page / count * count;
    remove_if(pages_, [&](const place& at, const page& what) {
      if (it.granularity == 1) return true;
      if (at.domain != domain) return false;
      if (it.granularity == 2) return true;
      if (!at.covers_any(first, first + count - 1)) return false;
      // It may stand in a paging-structure cache, which IH = 1 spares.
      return !(it.leaf_only && what.no_leaf && forgetful_);
    });
    remove_if(tables_, [&](const place& at, const table&) {
      if (it.granularity == 1) return true;
      if (at.domain != domain) return false;
      if (it.granularity == 2) return true;
      if (it.leaf_only) return false;
      return (whole_domain_tables_ && !forgetful_) || at.covers_any(first, first + count - 1);
    });
  }

private:
  struct asked {
    std::uint16_t source;
    bool write;
    std::uint64_t address;
  };
  static constexpr std::uint64_t frame = 0x000ffffffffff000;

  [[nodiscard]] bool keeps_absent() const { return caps_.cap.cm() && (forgetful_ || caps_.caches_absent); }
  [[nodiscard]] bool beyond_host(std::uint64_t entry, unsigned last) const {
    for (unsigned n = caps_.host_address_width; n <= last; ++n) {
      if ((entry >> n & 1) != 0) return true;
    }
    return false;
  }

  /// What a cache may say to one who asks for `tag`.
  template <class Tag, class Value>
  std::vector<std::optional<Value>> possible(const held<Tag, Value>& all, const Tag& tag) const {
    std::vector<std::optional<Value>> out;
    const auto found = all.find(tag);
    if (found != all.end()) out.assign(found->second.begin(), found->second.end());
    if (forgetful_ || out.empty()) out.emplace_back();
    return out;
  }
  template <class Tag, class Value, class Part>
  static void learn(held<Tag, Value>& all, const std::vector<const story*>& told, const Part& part_of) {
    held<Tag, Value> now;
    for (const story* each : told) {
      for (const auto& [tag, unused] : part_of(*each))
        now[tag];
    }
    for (auto& [tag, values] : now) {
      for (const story* each : told) {
        const touched<Tag, Value>& part = part_of(*each);
        const auto found = part.find(tag);
        if (found == part.end()) {
          // Not asked for in this one: as before.
          const auto before = all.find(tag);
          if (before != all.end()) values.insert(before->second.begin(), before->second.end());
        } else if (found->second) {
          values.insert(*found->second);
        }
      }
    }
    for (auto& [tag, values] : now)
      all[tag] = values;
  }
  template <class Tag, class Value, class Predicate>
  static void remove_if(held<Tag, Value>& all, const Predicate& goes) {
    for (auto& [tag, values] : all) {
      for (auto each = values.begin(); each != values.end();)
        each = goes(tag, *each) ? values.erase(each) : std::next(each);
    }
  }

  context read_context(std::uint16_t source, std::vector<std::uint64_t>& reads) const {
    context out;
    const auto bad = [&](unsigned reason) {
      out.reason = reason;
      return out;
    };
    const std::uint64_t root_at = root_ + 16U * (source >> 8);
    reads.push_back(root_at);
    const std::uint64_t r = memory_.load(root_at);
    if ((r & 1) == 0) return bad(0x01);
    if ((r & 0xffe) != 0 || beyond_host(r, 63) || memory_.load(root_at + 8) != 0) return bad(0x0a);
    const std::uint64_t at = (r & frame) + 16U * (source & 0xffU);
    reads.push_back(at);
    const std::uint64_t lo = memory_.load(at);
    const std::uint64_t hi = memory_.load(at + 8);
    out.hides = (lo & 2) != 0;
    if ((lo & 1) == 0) return bad(0x02);
    if ((lo & 0xff0) != 0 || beyond_host(lo, 63) || (hi & 0x80) != 0 || hi >> (12 + 2 * caps_.cap.nd()) != 0)
      return bad(0x0b);
    const auto type = static_cast<unsigned>(lo >> 2 & 3);
    const auto width = static_cast<unsigned>(hi & 7);
    if (type == 3 || type == 1 || width > 4 || (caps_.cap.sagaw() >> width & 1) == 0) return bad(0x03);
    out.passes = type == 2;
    out.domain = static_cast<unsigned>(hi >> 8 & 0xffff);
    out.depth = width + 2;
    out.top = lo & frame;
    return out;
  }

  [[nodiscard]] static place at(const context& from, const asked& it, unsigned level) {
    return {from.domain, level, it.address >> (12 + 9 * (level - 1))};
  }
  /// The page itself may be known, by any size.
  // NOLINTNEXTLINE(misc-no-recursion): as deep as the tables
  void ask_pages(const asked& it, const context& from, const story& so_far, unsigned level,
                 std::vector<story>& out) const {
    if (level > from.depth) return ask_tables(it, from, so_far, 2, out);
    for (const auto& known : possible(pages_, at(from, it, level))) {
      story one = so_far;
      one.pages[at(from, it, level)] = known;
      if (known) {
        ends(it, from, *known, level, one);
        out.push_back(one);
      } else {
        ask_pages(it, from, one, level + 1, out);
      }
    }
  }
  /// Or a table on the way to it, the deepest that is known.
  // NOLINTNEXTLINE(misc-no-recursion)
  void ask_tables(const asked& it, const context& from, const story& so_far, unsigned level,
                  std::vector<story>& out) const {
    if (level > from.depth) return walk(it, from, so_far, from.depth, {3, from.top}, out);
    for (const auto& known : possible(tables_, at(from, it, level))) {
      story one = so_far;
      one.tables[at(from, it, level)] = known;
      known ? walk(it, from, one, level - 1, *known, out) : ask_tables(it, from, one, level + 1, out);
    }
  }
  void walk(const asked& it, const context& from, story one, unsigned level, table to,
            std::vector<story>& out) const {
    for (;; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t entry_at = to.next + 8 * (it.address >> shift & 0x1ff);
      one.end.reads.push_back(entry_at);
      const std::uint64_t entry = memory_.load(entry_at);
      const bool present = (entry & 3) != 0;
      const bool has_size = level == 1 || (level < 6 && (caps_.cap.sps() >> (level - 2) & 1) != 0);
      const bool leaf = level == 1 || (entry & 0x80) != 0;
      bool reserved = beyond_host(entry, 51) || (entry & 0x800) != 0;
      reserved = reserved || (leaf ? !has_size || (entry & ((std::uint64_t{1} << shift) - 0x1000)) != 0
                                   : (entry >> 62 & 1) != 0);
      to.rights &= static_cast<unsigned>(entry & 3);
      if (present && !reserved && !leaf) {
        to.next = entry & frame;
        one.tables[at(from, it, level)] = to;
        continue;
      }
      page found{page::state::good, false, to.rights, entry & frame};
      if (!present) found = {page::state::absent, !has_size, 0, 0};
      if (present && reserved) found = {page::state::reserved, !leaf, 0, 0};
      ends(it, from, found, level, one);
      // Without caching mode only what lets a request pass is kept.
      if (one.end.reason == 0 || keeps_absent()) one.pages[at(from, it, level)] = found;
      out.push_back(one);
      return;
    }
  }
  static void ends(const asked& it, const context& from, const page& found, unsigned level, story& one) {
    if (found.is == page::state::reserved) {
      one.end.reason = 0x0c;
    } else if ((found.rights & (it.write ? 2U : 1U)) == 0) {
      one.end.reason = it.write ? 0x05 : 0x06;
    } else {
      one.end.host = found.host + (it.address & ((std::uint64_t{1} << (12 + 9 * (level - 1))) - 1));
    }
    one.end.hidden = one.end.reason != 0 && from.hides;
  }

  const remap::capabilities& caps_;
  const fake_memory& memory_;
  std::uint64_t root_;
  bool forgetful_;
  bool whole_domain_tables_;
  held<std::uint16_t, context> contexts_;
  held<place, page> pages_;
  held<place, table> tables_;
};

} // namespace vtd::test::belief
