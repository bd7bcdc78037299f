// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/page_walk.h"
#include "vtd/remap/translation_caches.h"

#include <cstdint>
#include <string>

namespace vtd::remap {

/// What a translation that was run to its end has cost: how often each step was taken.
struct translation_cost {
  unsigned structure_lookups = 0;
  unsigned table_reads = 0;
  bool context_hit = false;
  bool iotlb_hit = false;
  /// Time the memory took, as cycles of the unit's clock: each read issued at an edge, its answer seen at the
  /// first edge strictly after it arrives.
  engine::cycle read_cycles = 0;
  /// The IOTLB entry that had to leave, as a packed `page_tag`, or 0.
  std::uint64_t evicted = 0;
};

/// The translation decision of one remapping unit (VT-d 3.4, 3.7): caches first, then a walk, then what the
/// caches keep of it. Every way to use the unit (cycle by cycle, run to completion, debug) goes through these
/// few steps.
class translator {
public:
  enum class outcome : std::uint8_t { translated, blocked, context_miss, page_miss };

  /// `unit` names the unit in what observers are told.
  translator(std::string unit, const capabilities& caps, const cache_shapes& shapes);

  [[nodiscard]] const table_rules& rules() const { return rules_; }
  [[nodiscard]] translation_caches& caches() { return caches_; }
  [[nodiscard]] const translation_caches& caches() const { return caches_; }
  [[nodiscard]] const std::string& unit() const { return unit_; }
  void set_observer(walk_observer* observer) { observer_ = observer; }

  /// The look-up: context cache, then IOTLB. `out` is set unless it is a miss.
  /// `page_miss`: the context was there, the IOTLB had nothing.
  outcome lookup(const dma_access& access, translation& out) {
    const context_value* context = caches_.contexts().lookup(context_tag{access.source});
    if (context == nullptr) [[unlikely]]
      return outcome::context_miss;
    if (context->type != spec::translation_type::untranslated_only ||
        access.type != address_type::untranslated || access.address >> context->input_width != 0)
        [[unlikely]] {
      return lookup_special(*context, access, out);
    }
    const page_value* page = caches_.lookup_page(context->domain_id, access.address);
    if (page == nullptr) [[unlikely]]
      return outcome::page_miss;
    return use_page(*context, *page, access, out);
  }

  /// Begins the walk that a miss needs.
  void start(page_walk& walk, const dma_access& access, std::uint64_t root_table) const;
  /// Answers `demand::cache_lookup`.
  void look_up_structures(page_walk& walk);
  /// Answers `demand::table_read`, and tells the observer. `now`: cycle in which the data is used.
  void feed(page_walk& walk, bool ok, const table_words& words, engine::cycle now) const {
    if (observer_ != nullptr) [[unlikely]]
      tell(walk, ok, words, now);
    walk.feed(rules_, ok, words);
  }
  /// Puts into the caches what a finished walk learned. Not called for a walk that an invalidation overtook.
  /// Returns the packed `page_tag` of the IOTLB entry that had to leave, or 0.
  std::uint64_t commit(const page_walk& walk);

  /// Look-up, walk and fill in one go. `cost.read_cycles` follows the clock's edges.
  translation translate(const dma_access& access, std::uint64_t root_table, memory_port& memory,
                        const engine::clock& timebase, engine::cycle now, translation_cost& cost) {
    translation out;
    const outcome found = lookup(access, out);
    cost.context_hit = found != outcome::context_miss;
    if (found == outcome::translated || found == outcome::blocked) [[likely]] {
      cost.iotlb_hit = true;
      return out;
    }
    walk_now(access, root_table, memory, timebase, now, cost, out);
    return out;
  }
  /// What `translate` would answer, with no effect on caches, statistics or observers.
  [[nodiscard]] translation probe(const dma_access& access, std::uint64_t root_table,
                                  memory_port& memory) const;

private:
  outcome lookup_special(const context_value& context, const dma_access& access, translation& out);
  outcome use_page(const context_value& context, const page_value& page, const dma_access& access,
                   translation& out) const {
    out.address = page.page | (access.address & (spec::level_size(page.level) - 1));
    out.level = page.level;
    out.read = page.read;
    out.write = page.write;
    out.snoop = page.snoop;
    out.identity = false;
    out.suppressed = false;
    auto condition = rules_.judge_rights(page.read, page.write, access.kind);
    if (condition == spec::fault_condition::none) condition = rules_.judge_output(out.address);
    out.condition = condition;
    if (condition == spec::fault_condition::none) [[likely]]
      return outcome::translated;
    out.suppressed = context.fault_processing_disable && spec::condition_info(condition).qualified;
    return outcome::blocked;
  }
  // The rest of `translate` after a miss.
  void walk_now(const dma_access& access, std::uint64_t root_table, memory_port& memory,
                const engine::clock& timebase, engine::cycle now, translation_cost& cost, translation& out);
  void tell(const page_walk& walk, bool ok, const table_words& words, engine::cycle now) const;

  std::string unit_;
  table_rules rules_;
  translation_caches caches_;
  walk_observer* observer_ = nullptr;
};

} // namespace vtd::remap
