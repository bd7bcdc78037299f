// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/staleness.h"


#include <algorithm>

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
bool is_about_rights(spec::fault_condition condition) {
  switch (condition) {
  case spec::fault_condition::lgn_2:
  case spec::fault_condition::lgn_3:
  case spec::fault_condition::lgn_2_np:
  case spec::fault_condition::lgn_3_np:
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

std::uint16_t staleness::domain_of(spec::source_id source) const {
  for (auto item = contexts_.rbegin(); item != contexts_.rend(); ++item) {
    if (!item->is_root && item->source == source) return item->domain;
  }
  return 0;
}

void staleness::add(std::span<const remap::table_read> reads,
                    std::span<const vtd::dmar::fault_report> faults) {
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const remap::table_read& read = reads[i];
    if (read.failed) continue;
    if (!caching_mode_) {
      if (!is_present(read.kind, read.seen.lo())) continue;
      const bool last = i + 1 == reads.size() || reads[i + 1].input_address != read.input_address;
      const bool broken = last && std::any_of(faults.begin(), faults.end(), [&](const auto& fault) {
                            return fault.access.address == read.input_address &&
                                   !is_about_rights(fault.condition);
                          });
      if (broken) continue;
    }
    if (read.kind == remap::table_kind::paging) {
      pages_.push_back({read.source, domain_of(read.source), read.input_address, read.level,
                        is_leaf(read.level, read.seen.lo()), read.address, read.seen.lo()});
    } else {
      const spec::context_entry entry{read.seen.lo(), read.seen.hi()};
      contexts_.push_back(
          {read.source, entry.domain_id(), read.kind == remap::table_kind::root, read.address, read.seen});
    }
  }
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
  // A root entry is cached as part of the context entries it led to.
  std::vector<context_item> kept;
  for (const context_item& item : contexts_) {
    if (!goes(item.source, item.is_root ? domain_of(item.source) : item.domain)) kept.push_back(item);
  }
  contexts_ = std::move(kept);
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
      out.pages.push_back({access.source, 0, access.address, walk.level(), false, walk.address(), words.lo()});
    } else {
      const bool is_root = walk.kind() == remap::table_kind::root;
      const spec::context_entry entry{words.lo(), words.hi()};
      out.contexts.push_back({access.source, entry.domain_id(), is_root, walk.address(), words});
      if (!is_root) {
        out.domain = entry.domain_id();
        out.knows_domain = true;
      }
    }
    walk.feed(rules_, ok, words);
  }
  return out;
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
      return fresh.level == item.level && fresh.address == item.address && fresh.value == item.value;
    });
    if (!same) return true;
  }
  return false;
}

} // namespace vtdsim::differential
