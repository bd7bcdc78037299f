// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/page_walk.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace vtdsim::differential {

/// Knows which table entries a unit may have cached, whatever caches it has: everything that was read for a
/// DMA and that no invalidation had to remove since (VT-d 6.2, 6.5). Where such an entry is no longer what
/// memory holds, the next use may find the old one or the new one: software has not done its part. It shares
/// no code with the unit's caches.
class staleness {
public:
  using load = std::function<bool(std::uint64_t address, unsigned bytes, vtd::remap::table_words& out)>;

  staleness(const vtd::remap::capabilities& caps, load memory)
      : rules_(caps), caching_mode_(caps.cap.cm()), load_(std::move(memory)) {}

  void clear();
  /// A DMA of one page begins: its entries may be cached from now on.
  void add(const vtd::remap::dma_access& access, std::uint64_t root_table);

  // What an invalidation must remove at least.

  void invalidate_contexts(vtd::spec::context_granularity what, std::uint16_t domain,
                           vtd::spec::source_id source, std::uint16_t ignored);
  void invalidate_pages(vtd::spec::iotlb_granularity what, std::uint16_t domain,
                        vtd::spec::address_range range, bool leaf_only);

  /// Hardware may read ahead: the contexts of these devices as memory has them now.
  void add_contexts(std::span<const vtd::spec::source_id> sources, std::uint64_t root_table);

  /// May a cache hold the leaf for this address, read for this very requester?
  [[nodiscard]] bool may_hold_page(vtd::spec::source_id source, std::uint64_t address) const;
  /// May a cache hold a context of this requester that passes requests through?
  [[nodiscard]] bool may_pass_through(vtd::spec::source_id source) const;
  /// May a cache hold something for this request that memory does not?
  [[nodiscard]] bool may_be_stale(const vtd::remap::dma_access& access, std::uint64_t root_table) const;

private:
  struct context_item {
    vtd::spec::source_id source{};
    std::uint16_t domain = 0;
    bool is_root = false;
    std::uint64_t address = 0;
    vtd::remap::table_words words{};
  };
  struct page_item {
    vtd::spec::source_id source{};
    std::uint16_t domain = 0;
    std::uint64_t input = 0;
    unsigned level = 0;
    bool leaf = false;
    /// Address and value of each entry from the top to this one: what is cached has the rights of all
    /// (VT-d 3.7.1).
    std::vector<std::uint64_t> way;
  };
  /// The walk that memory as it is now would give.
  struct path {
    std::vector<context_item> contexts;
    std::vector<page_item> pages;
    std::uint16_t domain = 0;
    bool knows_domain = false;
    /// How it ended.
    vtd::spec::fault_condition condition = vtd::spec::fault_condition::none;
  };
  [[nodiscard]] path walk(const vtd::remap::dma_access& access, std::uint64_t root_table) const;

  vtd::remap::table_rules rules_;
  bool caching_mode_;
  load load_;
  std::vector<context_item> contexts_;
  std::vector<page_item> pages_;
};

} // namespace vtdsim::differential
