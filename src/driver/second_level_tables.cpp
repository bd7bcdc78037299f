// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/second_level_tables.h"

#include "vtd/driver/error.h"
#include "vtd/driver/text.h"

#include <algorithm>
#include <cinttypes>

namespace vtd::driver {

using spec::level_index;
using spec::level_size;
using spec::second_level_entry;

namespace {

std::uint64_t slot(std::uint64_t table, std::uint64_t address, unsigned level) {
  return table + level_index(address, level) * sizeof(second_level_entry);
}

/// The end of the part of [address, end) that one entry of `level` covers.
std::uint64_t entry_end(std::uint64_t address, std::uint64_t end, unsigned level) {
  const std::uint64_t next = (address / level_size(level) + 1) * level_size(level);
  return std::min(next, end);
}

} // namespace

second_level_tables::second_level_tables(hardware& machine, const table_shape& shape, const omit& forget)
    : forget_(forget), shape_(shape), memory_(machine, shape.flush) {
  if (shape.levels < 2 || shape.levels > 5 || shape.fewest_levels < 2 || shape.fewest_levels > shape.levels) {
    throw driver_error(printed("page tables: %u levels, entered from %u on; expected 2 to 5", shape.levels,
                               shape.fewest_levels));
  }
  // A wider address would come out again at the bottom of the tables: bits above the top index are not looked
  // at.
  const unsigned widest = spec::width_of_agaw(spec::agaw_of_levels(shape.fewest_levels));
  if (shape.input_width <= spec::page_shift || shape.input_width > widest) {
    throw driver_error(printed("page tables: device addresses of %u bits; expected 13 to %u with %u levels",
                               shape.input_width, widest, shape.fewest_levels));
  }
  if (shape.host_address_width <= spec::page_shift || shape.host_address_width > 64) {
    throw driver_error(
        printed("page tables: physical addresses of %u bits; expected 13 to 64", shape.host_address_width));
  }
  // What an entry can hold. VT-d 9.8
  shape_.host_address_width = std::min(shape.host_address_width, second_level_entry::address_field::msb + 1);
  entry_points_.push_back(new_table());
  // Units with fewer levels start at a table that the upper ones reach by index 0 only; it must stay where it
  // is.
  for (unsigned level = shape.levels; level > shape.fewest_levels; --level) {
    const std::uint64_t below = new_table();
    link(entry_points_.back(), below);
    ++used_[entry_points_.back()];
    entry_points_.push_back(below);
  }
  memory_.commit();
}

second_level_tables::~second_level_tables() { free_below(entry_points_.front(), shape_.levels); }

std::uint64_t second_level_tables::table_for(unsigned levels) const {
  if (levels > shape_.levels || levels < shape_.fewest_levels) {
    throw driver_error(printed("page tables: asked for %u levels, they have %u to %u", levels,
                               shape_.fewest_levels, shape_.levels));
  }
  return entry_points_[shape_.levels - levels];
}

void second_level_tables::check(std::uint64_t address, std::uint64_t size) const {
  if (address % spec::page_size != 0 || size % spec::page_size != 0 || size == 0) {
    throw driver_error(
        printed("device range 0x%" PRIx64 " + 0x%" PRIx64 ": expected whole pages of 4 KB", address, size));
  }
  const std::uint64_t last = spec::low_bits(shape_.input_width);
  if (address > last || size - 1 > last - address) {
    throw driver_error(printed("device range 0x%" PRIx64 " + 0x%" PRIx64 ": beyond the domain's %u bits",
                               address, size, shape_.input_width));
  }
}

bool second_level_tables::leaf_allowed(unsigned level) const {
  // A size counts only when the ones below it are there too, so that a leaf can always be split one level
  // down.
  const auto needed = spec::low_bits(level - 1);
  return (shape_.page_sizes & needed) == needed;
}

bool second_level_tables::leaf_fits(unsigned level, span part, std::uint64_t physical) const {
  return leaf_allowed(level) && part.end - part.begin == level_size(level) &&
         physical % level_size(level) == 0;
}

bool second_level_tables::is_leaf(second_level_entry entry, unsigned level) const {
  return level == 1 || entry.page_size();
}

bool second_level_tables::pinned(std::uint64_t table) const {
  return std::ranges::find(entry_points_, table) != entry_points_.end();
}

second_level_entry second_level_tables::leaf(unsigned level, std::uint64_t physical,
                                             page_rights rights) const {
  return second_level_entry{}
      .set_address(physical)
      .set_read(rights.read)
      .set_write(rights.write)
      .set_page_size(level > 1)
      .set_snoop(shape_.snoop);
}

std::uint64_t second_level_tables::new_table() {
  std::uint64_t table = 0;
  if (spare_.empty()) {
    table = memory_.new_page(forget_.new_table_flush);
  } else {
    table = spare_.back();
    spare_.pop_back();
  }
  used_[table] = 0;
  return table;
}

void second_level_tables::link(std::uint64_t at, std::uint64_t table) {
  // Rights are the AND over all levels, so the upper ones allow everything.
  const auto entry = second_level_entry{}.set_address(table).set_read(true).set_write(true);
  memory_.store(at, entry.value, forget_.table_entry_flush);
}

std::size_t second_level_tables::tables_missing(std::uint64_t table, unsigned level, span range,
                                                std::uint64_t physical) {
  if (table == 0 && level == 1) return 0;
  std::size_t missing = 0;
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::uint64_t end = entry_end(at, range.end, level);
    const second_level_entry entry{table == 0 ? 0 : memory_.load(slot(table, at, level))};
    if (entry.present() && is_leaf(entry, level)) {
      throw driver_error(printed("map: device address 0x%" PRIx64 " is mapped already", at));
    }
    if (entry.present()) {
      missing += tables_missing(entry.address(), level - 1, {at, end}, physical);
    } else if (!leaf_fits(level, {at, end}, physical)) {
      missing += 1 + tables_missing(0, level - 1, {at, end}, physical);
    }
    physical += end - at;
    at = end;
  }
  return missing;
}

void second_level_tables::reserve(std::size_t tables) {
  try {
    while (spare_.size() < tables)
      spare_.push_back(memory_.new_page(forget_.new_table_flush));
  } catch (...) {
    for (const std::uint64_t page : spare_)
      memory_.free_page(page);
    spare_.clear();
    throw;
  }
}

table_change second_level_tables::map(std::uint64_t address, std::uint64_t physical, std::uint64_t size,
                                      page_rights rights) {
  check(address, size);
  const std::uint64_t last = spec::low_bits(shape_.host_address_width);
  if (physical % spec::page_size != 0) {
    throw driver_error(printed("physical address 0x%" PRIx64 ": expected a multiple of 4 KB", physical));
  }
  if (physical > last || size - 1 > last - physical) {
    throw driver_error(printed("physical range 0x%" PRIx64 " + 0x%" PRIx64 ": beyond the machine's %u bits",
                               physical, size, shape_.host_address_width));
  }
  if (!rights.read && !rights.write) throw driver_error("map: neither read nor write, expected at least one");
  // Device addresses there are never looked up, and results there are blocked. VT-d 3.13
  if (spec::touches_interrupt_range(address, size) || spec::touches_interrupt_range(physical, size)) {
    throw driver_error(printed("map 0x%" PRIx64 " to 0x%" PRIx64 " + 0x%" PRIx64
                               ": touches the interrupt range 0x%" PRIx64 "-0x%" PRIx64,
                               address, physical, size, spec::interrupt_range_first,
                               spec::interrupt_range_last));
  }
  const span range{address, address + size};
  // All pages before the first entry: a device never sees half of a range that then has to be taken back.
  reserve(tables_missing(entry_points_.front(), shape_.levels, range, physical));
  table_change change{
      .begin = range.begin, .end = range.end, .bytes = 0, .tables_changed = false, .freed = {}};
  map_in(entry_points_.front(), shape_.levels, range, physical, rights, change);
  memory_.commit();
  return change;
}

void second_level_tables::map_in(std::uint64_t table, unsigned level, span range, std::uint64_t physical,
                                 page_rights rights, table_change& change) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::uint64_t end = entry_end(at, range.end, level);
    const std::uint64_t here = slot(table, at, level);
    second_level_entry entry{level == 1 ? 0 : memory_.load(here)};
    if (!entry.present() && leaf_fits(level, {at, end}, physical)) {
      memory_.store(here, leaf(level, physical, rights).value, forget_.leaf_entry_flush);
      ++used_[table];
      mapped_ += end - at;
      change.bytes += end - at;
    } else {
      if (!entry.present()) {
        const std::uint64_t below = new_table();
        link(here, below);
        ++used_[table];
        entry.set_address(below);
        change.tables_changed = true;
      }
      map_in(entry.address(), level - 1, {at, end}, physical, rights, change);
    }
    physical += end - at;
    at = end;
  }
}

void second_level_tables::split_at(std::uint64_t address, table_change& change) {
  std::uint64_t table = entry_points_.front();
  for (unsigned level = shape_.levels; level > 0; --level) {
    if (address % level_size(level) == 0) return; // no leaf of this level or below reaches over the bound
    const std::uint64_t here = slot(table, address, level);
    const second_level_entry old{memory_.load(here)};
    if (!old.present()) return;
    if (!is_leaf(old, level)) {
      table = old.address();
      continue;
    }
    const std::uint64_t below = new_table();
    const page_rights rights{old.read(), old.write()};
    // Without leaves of the next size the new entries would be reserved; then one level further down comes
    // next.
    const unsigned next = level - 1;
    for (unsigned index = 0; index < spec::entries_per_table; ++index) {
      const std::uint64_t physical = old.address() + index * level_size(next);
      memory_.store(below + index * sizeof(old), leaf(next, physical, rights).value,
                    forget_.leaf_entry_flush);
    }
    used_[below] = spec::entries_per_table;
    memory_.commit(); // the old leaf is live: what replaces it must be complete first
    link(here, below);
    memory_.commit();
    change.tables_changed = true;
    const std::uint64_t first = address / level_size(level) * level_size(level);
    change.begin = std::min(change.begin, first);
    change.end = std::max(change.end, first + level_size(level));
    table = below;
  }
}

table_change second_level_tables::unmap(std::uint64_t address, std::uint64_t size) {
  check(address, size);
  const std::uint64_t end = address + size;
  table_change change{.begin = address, .end = end, .bytes = 0, .tables_changed = false, .freed = {}};
  // Both splits before the first entry goes: when no page is left, nothing has been unmapped.
  split_at(address, change);
  if (end <= spec::low_bits(shape_.input_width)) split_at(end, change);
  unmap_in(entry_points_.front(), shape_.levels, {address, end}, change);
  memory_.commit();
  if (change.bytes == 0 && change.freed.empty() && !change.tables_changed) change.end = change.begin;
  return change;
}

void second_level_tables::unmap_in(std::uint64_t table, unsigned level, span range, table_change& change) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::uint64_t end = entry_end(at, range.end, level);
    const std::uint64_t here = slot(table, at, level);
    const second_level_entry entry{memory_.load(here)};
    if (entry.present()) {
      if (is_leaf(entry, level)) {
        memory_.store(here, 0, forget_.leaf_entry_flush);
        --used_[table];
        mapped_ -= level_size(level);
        change.bytes += level_size(level);
      } else {
        const std::uint64_t below = entry.address();
        unmap_in(below, level - 1, {at, end}, change);
        if (used_[below] == 0 && !pinned(below)) {
          memory_.store(here, 0, forget_.table_entry_flush);
          --used_[table];
          used_.erase(below);
          change.tables_changed = true;
          change.freed.push_back(below);
        }
      }
    }
    at = end;
  }
}

void second_level_tables::release(table_change& change) {
  for (const std::uint64_t table : change.freed)
    memory_.free_page(table);
  change.freed.clear();
}

std::optional<mapping> second_level_tables::find(std::uint64_t address) {
  if (address > spec::low_bits(shape_.input_width)) return std::nullopt;
  std::uint64_t table = entry_points_.front();
  for (unsigned level = shape_.levels; level > 0; --level) {
    const second_level_entry entry{memory_.load(slot(table, address, level))};
    if (!entry.present()) return std::nullopt;
    if (is_leaf(entry, level)) {
      return mapping{
          entry.address() + address % level_size(level), level_size(level), {entry.read(), entry.write()}};
    }
    table = entry.address();
  }
  return std::nullopt;
}

void second_level_tables::free_below(std::uint64_t table, unsigned level) {
  for (unsigned index = 0; level > 1 && index < spec::entries_per_table; ++index) {
    const second_level_entry entry{memory_.load(table + index * sizeof(second_level_entry))};
    if (entry.present() && !is_leaf(entry, level)) free_below(entry.address(), level - 1);
  }
  memory_.free_page(table);
}

} // namespace vtd::driver
