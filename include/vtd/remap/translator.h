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
  /// An invalidation, a new root table or a reset came while memory waited: nothing of the walk was kept, and
  /// its outcome must not be used.
  bool overtaken = false;
};

/// Where a translation that is run to its end finds what it needs: the root table, memory to read tables
/// from, and the clock, whose edge `now` is the first after the request's arrival.
struct walk_surroundings {
  std::uint64_t root_table;
  memory_port& memory;
  const engine::clock& timebase;
  engine::cycle now;
};

/// The translation decision of one remapping unit (VT-d 3.4, 3.7): caches first, then a walk, then what the
/// caches keep of it. Every way to use the unit (cycle by cycle, run to completion, debug) goes through these
/// few steps.
class translator {
public:
  enum class outcome : std::uint8_t { translated, blocked, context_miss, page_miss };

  /// `unit` names the unit in what observers are told. Throws std::invalid_argument for a shape that cannot
  /// be built, and for a part of six levels whose MGAW is above `page_tag::max_input_width`.
  translator(std::string unit, const capabilities& caps, const cache_shapes& shapes);

  [[nodiscard]] const table_rules& rules() const { return rules_; }
  [[nodiscard]] translation_caches& caches() { return caches_; }
  [[nodiscard]] const translation_caches& caches() const { return caches_; }
  [[nodiscard]] const std::string& unit() const { return unit_; }
  void set_observer(walk_observer* observer) { observer_ = observer; }
  /// Walks that `translate` has under way read what is no longer true.
  void overtake_walks() { ++overtaken_; }

  /// The look-up: context cache, then IOTLB. `out` is set unless it is a miss.
  /// `page_miss`: the context was there, the IOTLB had nothing.
  outcome lookup(const dma_access& access, translation& out) {
    return lookup_hot(access, out) ? outcome::translated : lookup_cold(access, out);
  }

  /// The look-up of `lookup`, only where it costs next to nothing and the request is allowed. False: nothing
  /// is decided and nothing counted.
  bool lookup_hot(const dma_access& access, translation& out) {
    const hot_entries hot = find_hot(access);
    if (hot.page == nullptr || use_page(*hot.context, *hot.page, access, out) != outcome::translated)
        [[unlikely]]
      return false;
    count_hot();
    return true;
  }

  /// Begins the walk that a miss needs.
  void start(page_walk& walk, const dma_access& access, std::uint64_t root_table) const;
  /// Answers `demand::cache_lookup`.
  void look_up_structures(page_walk& walk) {
    // The IOTLB is tagged by domain-id, which a context that had to be fetched only now provides
    // (VT-d 6.2.4). With a cached context it has missed already.
    if (walk.fetched_context() || caches_.has_tables()) return look_up_all(walk);
    walk.descend(0, {});
  }
  /// Answers `demand::table_read`, and tells the observer. `now`: cycle in which the data is used.
  /// `overtaken`: an invalidation overtook the walk, and the observer is told so.
  void feed(page_walk& walk, bool ok, const table_words& words, engine::cycle now, bool overtaken) const {
    if (observer_ != nullptr) [[unlikely]]
      tell(walk.access(), walk.wanted(), ok, words, now, overtaken);
    walk.feed(rules_, ok, words);
  }
  /// The read that the walk wants leaves for memory.
  void leaves(const page_walk& walk, engine::cycle now) const {
    if (observer_ != nullptr && walk.part() == entry_part::lower_half) [[unlikely]]
      tell_first_beat(walk.access(), walk.wanted(), now);
  }
  /// Puts into the caches what a finished walk learned. Not called for a walk that an invalidation overtook.
  /// Returns the packed `page_tag` of the IOTLB entry that had to leave, or 0. `page_absent`: the IOTLB is
  /// known not to hold the page.
  [[gnu::always_inline]] std::uint64_t commit(const page_walk& walk, bool page_absent = false) {
    if (walk.fetched_context() || caches_.has_tables()) keep_tables(walk);
    if (!walk.fetched_page()) return keep_absence(walk);
    const page_value page = walk.page();
    return caches_.fill_page(walk.context().domain_id, walk.access().address, page, page_absent);
  }

  /// Look-up, walk and fill in one go. `cost.read_cycles` follows the clock's edges.
  translation translate(const dma_access& access, const walk_surroundings& around, translation_cost& cost) {
    const hot_entries hot = find_hot(access);
    translation out;
    if (hot.page == nullptr) [[unlikely]] {
      translate_cold(access, hot.context, around, cost, out);
      return out;
    }
    use_page(*hot.context, *hot.page, access, out);
    count_hot();
    cost.context_hit = true;
    cost.iotlb_hit = true;
    return out;
  }
  /// What `translate` would answer, with no effect on caches, statistics or observers.
  [[nodiscard]] translation probe(const dma_access& access, std::uint64_t root_table,
                                  memory_port& memory) const;

private:
  // What decides a hit, when both entries are the ones used last in their sets: then the look-up changes
  // nothing but the counts. Without the page nothing is counted yet; a context lets the request pass to the
  // IOTLB.
  struct hot_entries {
    const context_value* context;
    const page_value* page;
  };
  hot_entries find_hot(const dma_access& access) {
    const context_value* context = caches_.contexts().find_recent(context_tag{access.source});
    if (context == nullptr || !is_plain(*context, access)) [[unlikely]]
      return {};
    return {context, caches_.find_recent_page(context->domain_id, access.address)};
  }
  void count_hot() {
    caches_.contexts().count_hit();
    caches_.iotlb().count_hit();
  }
  // An untranslated request to a paged domain, inside its width: the IOTLB decides.
  [[nodiscard]] static bool is_plain(const context_value& context, const dma_access& access) {
    return context.type == spec::translation_type::untranslated_only &&
           access.type == address_type::untranslated && access.address >> context.input_width == 0;
  }
  // `context`: what the context cache had, or nullptr; valid until the next change of the cache.
  outcome look_up(const dma_access& access, translation& out, const context_value*& context);
  outcome lookup_cold(const dma_access& access, translation& out);
  outcome lookup_special(const context_value& context, const dma_access& access, translation& out);
  void look_up_all(page_walk& walk);
  void keep_tables(const page_walk& walk);
  std::uint64_t keep_absence(const page_walk& walk) {
    if (!walk.fetched_absence()) [[likely]]
      return 0;
    return caches_.fill_page(walk.context().domain_id, walk.access().address, walk.absence());
  }
  outcome use_page(const context_value& context, const page_value& page, const dma_access& access,
                   translation& out) const {
    out.address = page.page | (access.address & (spec::level_size(page.level) - 1));
    out.set_attributes(page);
    out.identity = false;
    out.suppressed = false;
    out.condition = rules_.judge_page(page, access.kind, out.address);
    if (out.condition == spec::fault_condition::none) [[likely]]
      return outcome::translated;
    out.suppressed = table_rules::is_hidden(out.condition, context.fault_processing_disable);
    return outcome::blocked;
  }
  // `context`: as from `find_hot`.
  void translate_cold(const dma_access& access, const context_value* context, const walk_surroundings& around,
                      translation_cost& cost, translation& out);
  // The rest of `translate` after a miss. `context`: the one that let the request pass to the IOTLB.
  template <bool observed>
  void walk_now(const dma_access& access, const context_value* context, const walk_surroundings& around,
                translation_cost& cost, translation& out);
  void walk_watched(const dma_access& access, const context_value* context, const walk_surroundings& around,
                    translation_cost& cost, translation& out);
  [[nodiscard]] table_read read_of(const dma_access& access, const page_walk::wanted_entry& what,
                                   engine::cycle now) const;
  void tell(const dma_access& access, const page_walk::wanted_entry& what, bool ok, const table_words& words,
            engine::cycle now, bool overtaken) const;
  void tell_first_beat(const dma_access& access, const page_walk::wanted_entry& what,
                       engine::cycle now) const;

  std::string unit_;
  table_rules rules_;
  translation_caches caches_;
  walk_observer* observer_ = nullptr;
  std::uint64_t overtaken_ = 0;
};

} // namespace vtd::remap
