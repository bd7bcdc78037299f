// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/translator.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace vtd::remap {

translator::translator(std::string unit, const capabilities& caps, const cache_shapes& shapes)
    : unit_(std::move(unit)), rules_(caps), caches_(shapes) {
  // Six levels take 64 bits; MGAW says how many of them the part has.
  constexpr unsigned six_levels = spec::agaw_of_levels(spec::max_levels);
  if (caps.cap.supports_agaw(six_levels) && caps.cap.mgaw() > page_tag::max_input_width) {
    throw std::invalid_argument(
        unit_ + ": CAP.MGAW is " + std::to_string(caps.cap.mgaw()) + " with six levels, expected at most " +
        std::to_string(page_tag::max_input_width) + ": tags of the caches hold no more");
  }
}

[[gnu::always_inline]] inline translator::outcome
translator::look_up(const dma_access& access, translation& out, const context_value*& context) {
  if (context != nullptr) {
    caches_.contexts().count_hit();
  } else {
    context = caches_.contexts().lookup(context_tag{access.source});
    if (context == nullptr) return outcome::context_miss;
    if (!is_plain(*context, access)) return lookup_special(*context, access, out);
  }
  const page_value* page = caches_.lookup_page(context->domain_id, access.address);
  return page == nullptr ? outcome::page_miss : use_page(*context, *page, access, out);
}

translator::outcome translator::lookup_cold(const dma_access& access, translation& out) {
  const context_value* context = nullptr;
  return look_up(access, out, context);
}

// Everything that is not an untranslated request to a paged domain inside its width: the walk's own first
// steps decide, up to the point where it would need a table.
translator::outcome translator::lookup_special(const context_value& context, const dma_access& access,
                                               translation& out) {
  page_walk walk(rules_, access, context);
  if (walk.wants() == page_walk::demand::cache_lookup) {
    const page_value* page = caches_.lookup_page(context.domain_id, access.address);
    if (page == nullptr) return outcome::page_miss;
    walk.resolve(rules_, *page);
  }
  out = walk.result();
  return out.allowed() ? outcome::translated : outcome::blocked;
}

void translator::start(page_walk& walk, const dma_access& access, std::uint64_t root_table) const {
  if (const context_value* context = caches_.contexts().peek(context_tag{access.source})) {
    walk.start(rules_, access, *context);
  } else {
    walk.start(rules_, access, root_table);
  }
}

void translator::look_up_all(page_walk& walk) {
  const context_value& context = walk.context();
  const std::uint64_t address = walk.access().address;
  if (walk.fetched_context()) {
    if (const page_value* page = caches_.lookup_page(context.domain_id, address))
      return walk.resolve(rules_, *page);
  }
  const auto from = caches_.lookup_tables(context.domain_id, address, context.levels);
  walk.descend(from.level, from.value);
}

table_read translator::read_of(const dma_access& access, const page_walk::wanted_entry& what,
                               engine::cycle now) const {
  table_read read;
  read.kind = what.kind;
  read.level = what.level;
  read.source = access.source;
  read.input_address = access.address;
  read.address = what.address;
  read.bytes = what.bytes;
  read.part = what.part;
  read.unit = unit_;
  read.when = now;
  return read;
}

void translator::tell(const dma_access& access, const page_walk::wanted_entry& what, bool ok,
                      const table_words& words, engine::cycle now, bool overtaken) const {
  table_read read = read_of(access, what, now);
  read.seen = words;
  if (what.part == entry_part::upper_half) read.seen.words = {what.lower_half, words.lo()};
  read.failed = !ok;
  read.overtaken = overtaken;
  observer_->on_table_read(read);
}

void translator::tell_first_beat(const dma_access& access, const page_walk::wanted_entry& what,
                                 engine::cycle now) const {
  observer_->on_first_beat(read_of(access, what, now));
}

void translator::keep_tables(const page_walk& walk) {
  const context_value& context = walk.context();
  const dma_access& access = walk.access();
  if (walk.fetched_context()) caches_.contexts().fill(context_tag{access.source}, context);
  if (!caches_.has_tables()) return;
  walk.for_each_visited([&](unsigned level, const table_value& value) {
    if (level <= translation_caches::max_cached_level)
      caches_.fill_table(context.domain_id, access.address, level, value);
  });
}

template <bool observed>
[[gnu::always_inline]] inline void
translator::walk_now(const dma_access& access, const context_value* context, const walk_surroundings& around,
                     translation_cost& cost, translation& out) {
  memory_port& memory = around.memory;
  const engine::clock timebase = around.timebase;
  engine::cycle read_cycles = 0;
  page_walk walk = context != nullptr ? page_walk::after_lookup(access, *context)
                                      : page_walk(rules_, access, around.root_table);
  // Memory may wait, and somebody else may fill meanwhile.
  const std::uint64_t fills = caches_.iotlb().fills();
  const std::uint64_t overtaken = overtaken_;
  const auto read = [&](const page_walk::wanted_entry& what, table_words& words) {
    engine::picoseconds delay = 0;
    if constexpr (observed) {
      if (what.part == entry_part::lower_half) tell_first_beat(access, what, around.now + read_cycles);
    }
    const bool ok = memory.read_table(what.address, what.bytes, words, delay);
    read_cycles += timebase.first_edge_after(delay);
    if constexpr (observed) tell(access, what, ok, words, around.now + read_cycles, overtaken_ != overtaken);
    return ok;
  };
  do {
    if (walk.wants() == page_walk::demand::cache_lookup) {
      ++cost.structure_lookups;
      look_up_structures(walk);
    }
    walk.feed_all(rules_, read);
  } while (walk.wants() != page_walk::demand::done);
  cost.read_cycles = read_cycles;
  cost.table_reads = walk.reads();
  out = walk.result();
  if (overtaken_ != overtaken) [[unlikely]] {
    cost.overtaken = true;
    return;
  }
  cost.evicted = commit(walk, caches_.iotlb().fills() == fills);
}

[[gnu::noinline]] void translator::walk_watched(const dma_access& access, const context_value* context,
                                                const walk_surroundings& around, translation_cost& cost,
                                                translation& out) {
  walk_now<true>(access, context, around, cost, out);
}

void translator::translate_cold(const dma_access& access, const context_value* context,
                                const walk_surroundings& around, translation_cost& cost, translation& out) {
  const outcome found = look_up(access, out, context);
  cost.context_hit = found != outcome::context_miss;
  cost.iotlb_hit = found == outcome::translated || found == outcome::blocked;
  if (cost.iotlb_hit) return;
  // Two walks of one source, so that nobody pays for an observer who is not there.
  if (observer_ == nullptr) {
    walk_now<false>(access, context, around, cost, out);
  } else {
    walk_watched(access, context, around, cost, out);
  }
}

translation translator::probe(const dma_access& access, std::uint64_t root_table, memory_port& memory) const {
  page_walk walk;
  start(walk, access, root_table);
  while (walk.wants() != page_walk::demand::done) {
    if (walk.wants() == page_walk::demand::cache_lookup) {
      const context_value& context = walk.context();
      if (const page_value* page = caches_.peek_page(context.domain_id, access.address)) {
        walk.resolve(rules_, *page);
        continue;
      }
      const auto from = caches_.peek_tables(context.domain_id, access.address, context.levels);
      walk.descend(from.level, from.value);
      continue;
    }
    table_words words;
    engine::picoseconds ignored = 0;
    const bool ok = memory.read_table(walk.address(), walk.bytes(), words, ignored);
    walk.feed(rules_, ok, words);
  }
  return walk.result();
}

} // namespace vtd::remap
