// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the cases have in common: a part with three and four levels, an IOTLB of 128 entries in 8 ways, and
// one device whose domain maps all of 4 GiB with 4 KB pages.

#include "vtd/remap/config.h"
#include "vtd/spec/entries.h"

#include <cstdint>
#include <vector>

namespace vtd::bench {

inline constexpr spec::source_id device = spec::source_id::from_bdf(1, 0, 0);
inline constexpr std::uint16_t domain = 1;
inline constexpr std::uint64_t mapped_pages = std::uint64_t{1} << 20;

[[nodiscard]] inline remap::capabilities part() {
  remap::capabilities caps;
  caps.cap.set_nd(2).set_sagaw(6).set_mgaw(48).set_fro(0x20).set_sps(3).set_psi(true).set_nfr(7).set_mamv(18);
  caps.cap.set_dwd(true).set_drd(true);
  caps.ecap.set_iro(0x10).set_c(true);
  caps.host_address_width = 46;
  return caps;
}

/// `structures`: paging-structure caches as in preset g3, the first with four levels; false: none, every walk
/// reads every level.
[[nodiscard]] remap::cache_shapes shapes(unsigned iotlb_entries = 128, bool structures = true);

/// Root, context and second-level tables in one array of words that stands for memory from address `base` on.
class flat_tables {
public:
  static constexpr std::uint64_t base = std::uint64_t{1} << 32;

  explicit flat_tables(unsigned levels) {
    const std::uint64_t root = take();
    const std::uint64_t contexts = take();
    const std::uint64_t top = take();
    spec::root_entry root_entry;
    root_entry.set_present(true).set_context_table(contexts);
    set(root + std::uint64_t{device.bus()} * sizeof(root_entry), root_entry.lo);
    spec::context_entry context;
    context.set_present(true).set_domain_id(domain).set_second_level_table(top);
    context.set_address_width(spec::agaw_of_levels(levels));
    const std::uint64_t at = contexts + std::uint64_t{device.devfn()} * sizeof(context);
    set(at, context.lo);
    set(at + 8, context.hi);
    for (std::uint64_t page = 0; page < mapped_pages; ++page)
      map(top, levels, page << spec::page_shift);
  }

  [[nodiscard]] static constexpr std::uint64_t root() { return base; }
  [[nodiscard]] std::uint64_t load(std::uint64_t address) const { return words_[(address - base) / 8]; }
  [[nodiscard]] const std::vector<std::uint64_t>& words() const { return words_; }
  /// Where the device's address goes: pages lie in memory in the same order, from 8 GiB on.
  [[nodiscard]] static constexpr std::uint64_t host_of(std::uint64_t address) {
    return address + (std::uint64_t{1} << 33);
  }

private:
  std::uint64_t take() {
    const std::uint64_t table = base + words_.size() * 8;
    words_.resize(words_.size() + spec::entries_per_table);
    return table;
  }
  void set(std::uint64_t address, std::uint64_t value) { words_[(address - base) / 8] = value; }
  void map(std::uint64_t table, unsigned levels, std::uint64_t address) {
    spec::second_level_entry entry;
    for (unsigned level = levels; level > 1; --level) {
      const std::uint64_t at = table + std::uint64_t{spec::level_index(address, level)} * 8;
      entry.value = load(at);
      if (!entry.present()) {
        entry.set_read(true).set_write(true).set_address(take());
        set(at, entry.value);
      }
      table = entry.address();
    }
    entry.value = 0;
    entry.set_read(true).set_write(true).set_address(host_of(address));
    set(table + std::uint64_t{spec::level_index(address, 1)} * 8, entry.value);
  }

  std::vector<std::uint64_t> words_;
};

} // namespace vtd::bench
