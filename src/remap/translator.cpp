// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/translator.h"

#include <utility>

namespace vtd::remap {

using spec::fault_condition;

translator::translator(std::string unit, const capabilities& caps, const cache_shapes& shapes)
    : unit_(std::move(unit)), rules_(caps), caches_(shapes) {}

// Everything that is not an untranslated request to a paged domain inside its width: the walk's own first
// steps decide, up to the point where it would need a table.
translator::outcome translator::lookup_special(const context_value& context, const dma_access& access,
                                               translation& out) {
  page_walk walk;
  walk.start(rules_, access, context);
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

void translator::look_up_structures(page_walk& walk) {
  const context_value& context = walk.context();
  const std::uint64_t address = walk.access().address;
  // The IOTLB is tagged by domain-id, which a context that had to be fetched only now provides (VT-d 6.2.4).
  // With a cached context it has missed already.
  if (walk.fetched_context()) {
    if (const page_value* page = caches_.lookup_page(context.domain_id, address))
      return walk.resolve(rules_, *page);
  }
  const auto from = caches_.lookup_tables(context.domain_id, address, context.levels);
  walk.descend(from.level, from.value);
}

void translator::tell(const page_walk& walk, bool ok, const table_words& words, engine::cycle now) const {
  table_read read;
  read.kind = walk.kind();
  read.level = walk.level();
  read.source = walk.access().source;
  read.input_address = walk.access().address;
  read.address = walk.address();
  read.bytes = walk.bytes();
  read.seen = words;
  read.failed = !ok;
  read.unit = unit_;
  read.when = now;
  observer_->on_table_read(read);
}

std::uint64_t translator::commit(const page_walk& walk) {
  if (!walk.knows_context()) return 0;
  const context_value& context = walk.context();
  const dma_access& access = walk.access();
  if (walk.fetched_context()) caches_.contexts().fill(context_tag{access.source}, context);
  if (walk.visited_any() && caches_.has_tables()) {
    for (unsigned level = 2; level <= context.levels; ++level) {
      if (walk.visited(level))
        caches_.fill_table(context.domain_id, access.address, level, walk.visited_entry(level));
    }
  }
  return walk.fetched_page() ? caches_.fill_page(context.domain_id, access.address, walk.page()) : 0;
}

void translator::walk_now(const dma_access& access, std::uint64_t root_table, memory_port& memory,
                          const engine::clock& timebase, engine::cycle now, translation_cost& cost,
                          translation& out) {
  page_walk walk;
  if (cost.context_hit) {
    walk.start(rules_, access, *caches_.contexts().peek(context_tag{access.source}));
  } else {
    walk.start(rules_, access, root_table);
  }
  while (walk.wants() != page_walk::demand::done) {
    if (walk.wants() == page_walk::demand::cache_lookup) {
      ++cost.structure_lookups;
      look_up_structures(walk);
      continue;
    }
    do {
      table_words words;
      engine::picoseconds delay = 0;
      const bool ok = memory.read_table(walk.address(), walk.bytes(), words, delay);
      cost.read_cycles += timebase.first_edge_after(delay);
      feed(walk, ok, words, now + cost.read_cycles);
    } while (walk.wants() == page_walk::demand::table_read);
  }
  cost.table_reads = walk.reads();
  cost.evicted = commit(walk);
  out = walk.result();
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
