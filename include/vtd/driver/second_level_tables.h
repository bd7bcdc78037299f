// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/omit.h"
#include "vtd/driver/table_memory.h"
#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace vtd::driver {

/// What devices may do with a mapping. At least one must be true.
struct page_rights {
  bool read = true;
  bool write = true;
  friend bool operator==(const page_rights&, const page_rights&) = default;
};

/// The form of a set of second-level tables: what all units that walk them agree on.
struct table_shape {
  unsigned levels = 3;              ///< 2 to 5
  unsigned fewest_levels = 3;       ///< units with fewer levels enter below the top; at most `levels`
  unsigned input_width = 39;        ///< bits of device addresses; at most what fewest_levels resolve
  unsigned host_address_width = 36; ///< bits of physical addresses; 52 are used at most
  unsigned page_sizes = 0;          ///< CAP.SPS: bit n allows leaves at level n + 2
  bool snoop = false;               ///< set SNP in leaves (every unit has ECAP.SC)
  bool flush = true;                ///< some unit is not coherent (ECAP.C = 0)
};

/// A range of device addresses, [begin, end), whose translations changed, and what goes with it.
struct table_change {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;            ///< begin = end: nothing changed
  std::uint64_t bytes = 0;          ///< bytes that were mapped, or are no longer
  bool tables_changed = false;      ///< entries that are not leaves changed: no invalidation hint
  std::vector<std::uint64_t> freed; ///< table pages to give back once nothing can walk them
};

/// One leaf as found by a software walk.
struct mapping {
  std::uint64_t physical = 0; ///< of the address asked for
  std::uint64_t size = 0;     ///< bytes the leaf covers
  page_rights rights;
  friend bool operator==(const mapping&, const mapping&) = default;
};

/// Second-level page tables of one domain in physical pages. VT-d 3.7, 9.8
/// Only writes memory (flushed on return): write-buffer flush and invalidation are the caller's business.
class second_level_tables {
public:
  /// `forget` and the machine must outlive this.
  second_level_tables(hardware& machine, const table_shape& shape, const omit& forget);
  /// Gives all pages back; nothing may walk them any more.
  ~second_level_tables();
  second_level_tables(const second_level_tables&) = delete;
  second_level_tables& operator=(const second_level_tables&) = delete;

  [[nodiscard]] const table_shape& shape() const { return shape_; }
  /// SLPTPTR for a unit that walks `levels` levels (fewest_levels to levels of the shape).
  [[nodiscard]] std::uint64_t table_for(unsigned levels) const;

  /// Maps [address, address + size) to physical memory with the largest leaves that fit. Throws driver_error
  /// and changes nothing visible when a bound is not page-aligned or beyond its width, touches the interrupt
  /// range, is mapped already, or no page is left.
  table_change map(std::uint64_t address, std::uint64_t physical, std::uint64_t size, page_rights rights);
  /// Unmaps what is mapped in [address, address + size); superpages that reach over a bound are split. The
  /// freed pages of the result must be handed to release() after the invalidation. Throws driver_error and
  /// unmaps nothing when a bound is wrong or no page is left for a split.
  table_change unmap(std::uint64_t address, std::uint64_t size);
  void release(table_change& change);

  /// What a walk of the tables finds for an address.
  [[nodiscard]] std::optional<mapping> find(std::uint64_t address);
  /// Table pages in use.
  [[nodiscard]] std::size_t pages() const { return memory_.pages(); }
  /// Bytes mapped.
  [[nodiscard]] std::uint64_t mapped_bytes() const { return mapped_; }

private:
  struct span {
    std::uint64_t begin;
    std::uint64_t end;
  };

  void check(std::uint64_t address, std::uint64_t size) const;
  [[nodiscard]] bool leaf_allowed(unsigned level) const;
  [[nodiscard]] bool leaf_fits(unsigned level, span part, std::uint64_t physical) const;
  [[nodiscard]] bool is_leaf(spec::second_level_entry entry, unsigned level) const;
  [[nodiscard]] bool pinned(std::uint64_t table) const;
  [[nodiscard]] spec::second_level_entry leaf(unsigned level, std::uint64_t physical,
                                              page_rights rights) const;
  std::uint64_t new_table();
  void link(std::uint64_t slot, std::uint64_t table);
  /// Table pages that map_in will need below `table` (0: absent). Throws driver_error where something is
  /// mapped.
  [[nodiscard]] std::size_t tables_missing(std::uint64_t table, unsigned level, span range,
                                           std::uint64_t physical);
  void reserve(std::size_t tables);
  void map_in(std::uint64_t table, unsigned level, span range, std::uint64_t physical, page_rights rights,
              table_change& change);
  void unmap_in(std::uint64_t table, unsigned level, span range, table_change& change);
  void split_at(std::uint64_t address, table_change& change);
  void free_below(std::uint64_t table, unsigned level);

  const omit& forget_;
  table_shape shape_;
  table_memory memory_;
  std::vector<std::uint64_t> spare_;                 // pages reserved for the map in progress
  std::vector<std::uint64_t> entry_points_;          // from the top table down to that of fewest_levels
  std::unordered_map<std::uint64_t, unsigned> used_; // present entries per table
  std::uint64_t mapped_ = 0;
};

} // namespace vtd::driver
