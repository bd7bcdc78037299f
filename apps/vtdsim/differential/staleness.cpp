// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/staleness.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace vtdsim::differential {

namespace remap = vtd::remap;
namespace spec = vtd::spec;

namespace {

bool is_leaf(unsigned level, std::uint64_t value) {
  return level == 1 || spec::second_level_entry{value}.page_size();
}

// Without caching mode an entry that is not present is never cached (VT-d 6.1).
bool is_present(remap::table_kind kind, std::uint64_t low) {
  if (kind == remap::table_kind::paging) return spec::second_level_entry{low}.present();
  return spec::root_entry::present_field::get(low) != 0;
}

// Nor is one that faulted by what is in it, other than by its rights.
bool blames_the_entry(spec::fault_condition condition) {
  switch (condition) {
  case spec::fault_condition::lrt_3:
  case spec::fault_condition::lct_3:
  case spec::fault_condition::lct_4_1:
  case spec::fault_condition::lct_4_2:
  case spec::fault_condition::lsl_2:
  case spec::fault_condition::lgn_4:
    return true;
  default:
    return false;
  }
}

} // namespace

void staleness::clear() {
  contexts_.clear();
  pages_.clear();
}

void staleness::add(const remap::dma_access& access, std::uint64_t root_table) {
  path now = walk(access, root_table);
  if (!caching_mode_) {
    const bool broken = blames_the_entry(now.condition);
    if (!now.pages.empty()) {
      if (broken || !is_present(remap::table_kind::paging, now.pages.back().way.back())) now.pages.pop_back();
    } else if (!now.contexts.empty()) {
      const context_item& last = now.contexts.back();
      const auto kind = last.is_root ? remap::table_kind::root : remap::table_kind::context;
      if (broken || !is_present(kind, last.words.lo())) now.contexts.pop_back();
    }
  }
  contexts_.insert(contexts_.end(), now.contexts.begin(), now.contexts.end());
  pages_.insert(pages_.end(), now.pages.begin(), now.pages.end());
}

void staleness::invalidate_contexts(spec::context_granularity what, std::uint16_t domain,
                                    spec::source_id source, std::uint16_t ignored) {
  const auto goes = [&](spec::source_id of, std::uint16_t in) {
    switch (what) {
    case spec::context_granularity::global:
      return true;
    case spec::context_granularity::domain:
      return in == domain;
    case spec::context_granularity::device:
      return ((of.value() ^ source.value()) & static_cast<std::uint16_t>(~ignored)) == 0;
    case spec::context_granularity::none:
      return false;
    }
    return false;
  };
  std::erase_if(contexts_, [&](const context_item& item) { return goes(item.source, item.domain); });
}

void staleness::invalidate_pages(spec::iotlb_granularity what, std::uint16_t domain,
                                 spec::address_range range, bool leaf_only) {
  std::erase_if(pages_, [&](const page_item& item) {
    switch (what) {
    case spec::iotlb_granularity::global:
      return true;
    case spec::iotlb_granularity::domain:
      return item.domain == domain;
    case spec::iotlb_granularity::page: {
      if (item.domain != domain || (leaf_only && !item.leaf)) return false;
      const std::uint64_t below = spec::level_size(item.level) - 1;
      return (item.input & ~below) <= range.last && (item.input | below) >= range.first;
    }
    case spec::iotlb_granularity::none:
      return false;
    }
    return false;
  });
}

staleness::path staleness::walk(const remap::dma_access& access, std::uint64_t root_table) const {
  path out;
  remap::page_walk walk;
  walk.start(rules_, access, root_table);
  while (walk.wants() != remap::page_walk::demand::done) {
    if (walk.wants() == remap::page_walk::demand::cache_lookup) {
      walk.descend(0, {});
      continue;
    }
    remap::table_words words;
    const bool ok = load_(walk.address(), walk.bytes(), words);
    if (walk.kind() == remap::table_kind::paging) {
      if (ok) {
        std::vector<std::uint64_t> way;
        if (!out.pages.empty()) way = out.pages.back().way;
        way.insert(way.end(), {walk.address(), words.lo()});
        out.pages.push_back({access.source, out.domain, access.address, walk.level(),
                             is_leaf(walk.level(), words.lo()), std::move(way)});
      }
    } else {
      const bool is_root = walk.kind() == remap::table_kind::root;
      const spec::context_entry entry{words.lo(), words.hi()};
      if (ok) out.contexts.push_back({access.source, entry.domain_id(), is_root, walk.address(), words});
      if (ok && !is_root) {
        out.domain = entry.domain_id();
        out.knows_domain = true;
      }
    }
    walk.feed(rules_, ok, words);
  }
  out.condition = walk.result().condition;
  // A root entry is cached as part of the context entry that it led to.
  for (context_item& item : out.contexts)
    item.domain = out.domain;
  return out;
}

void staleness::add_contexts(std::span<const spec::source_id> sources, std::uint64_t root_table) {
  for (const spec::source_id source : sources) {
    const path now =
        walk({source, remap::access_kind::read, remap::address_type::untranslated, 0}, root_table);
    if (!now.knows_domain || !is_present(remap::table_kind::context, now.contexts.back().words.lo()))
      continue;
    contexts_.insert(contexts_.end(), now.contexts.begin(), now.contexts.end());
  }
}

bool staleness::may_hold_page(spec::source_id source, std::uint64_t address) const {
  return std::any_of(pages_.begin(), pages_.end(), [=](const page_item& item) {
    const unsigned shift = spec::level_shift(item.level);
    return item.leaf && item.source == source && item.input >> shift == address >> shift;
  });
}

bool staleness::may_pass_through(spec::source_id source) const {
  return std::any_of(contexts_.begin(), contexts_.end(), [=](const context_item& item) {
    const spec::context_entry entry{item.words.lo(), item.words.hi()};
    return !item.is_root && item.source == source &&
           entry.translation_type() == spec::translation_type::pass_through;
  });
}

bool staleness::may_be_stale(const remap::dma_access& access, std::uint64_t root_table) const {
  if (contexts_.empty() && pages_.empty()) return false;
  const path now = walk(access, root_table);
  for (const context_item& item : contexts_) {
    if (item.source != access.source) continue;
    const bool same = std::any_of(now.contexts.begin(), now.contexts.end(), [&](const context_item& fresh) {
      return fresh.address == item.address && fresh.words.words == item.words.words;
    });
    if (!same) return true;
  }
  for (const page_item& item : pages_) {
    const bool mine = item.source == access.source || (now.knows_domain && item.domain == now.domain);
    const unsigned shift = spec::level_shift(item.level);
    if (!mine || item.input >> shift != access.address >> shift) continue;
    const bool same = std::any_of(now.pages.begin(), now.pages.end(), [&](const page_item& fresh) {
      return fresh.level == item.level && fresh.way == item.way;
    });
    if (!same) return true;
  }
  return false;
}

} // namespace vtdsim::differential
