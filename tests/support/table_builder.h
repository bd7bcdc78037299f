// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_memory.h"
#include "vtd/spec/entries.h"

#include <cstdint>

namespace vtd::test {

struct rights {
  bool read = true;
  bool write = true;
};
inline constexpr rights read_write{true, true};
inline constexpr rights read_only{true, false};
inline constexpr rights write_only{false, true};

/// Builds root, context and second-level tables in a `fake_memory`, allocating table pages upwards from
/// `first_table`.
class table_builder {
public:
  explicit table_builder(fake_memory& memory, std::uint64_t first_table = 0x100000)
      : memory_(memory), next_table_(first_table), root_(new_table()) {}

  [[nodiscard]] std::uint64_t root() const { return root_; }

  /// Gives a device a domain whose tables have `levels` levels.
  void attach(spec::source_id device, std::uint16_t domain, unsigned levels = 3,
              spec::translation_type type = spec::translation_type::untranslated_only,
              std::uint64_t top = 0) {
    const std::uint64_t root_address = root_entry_of(device);
    spec::root_entry root{memory_.load(root_address), memory_.load(root_address + 8)};
    if (!root.present()) {
      root.set_present(true).set_context_table(new_table());
      memory_.store(root_address, root.lo);
    }
    spec::context_entry entry;
    entry.set_present(true).set_translation_type(type).set_domain_id(domain);
    entry.set_address_width(spec::agaw_of_levels(levels))
        .set_second_level_table(top != 0 ? top : new_table());
    set_context(device, entry);
  }

  /// Maps one page of `level` (1 = 4 KB, 2 = 2 MB, 3 = 1 GB) for the device; intermediate entries get all
  /// rights.
  void map(spec::source_id device, std::uint64_t iova, std::uint64_t host, rights allowed = read_write,
           unsigned level = 1) {
    const std::uint64_t leaf = entry_of(device, iova, level, true);
    spec::second_level_entry entry;
    entry.set_address(host).set_read(allowed.read).set_write(allowed.write).set_page_size(level > 1);
    memory_.store(leaf, entry.value);
  }
  void unmap(spec::source_id device, std::uint64_t iova, unsigned level = 1) {
    memory_.store(entry_of(device, iova, level, false), 0);
  }

  [[nodiscard]] std::uint64_t root_entry_of(spec::source_id device) const {
    return root_ + std::uint64_t{device.bus()} * sizeof(spec::root_entry);
  }
  [[nodiscard]] std::uint64_t context_entry_of(spec::source_id device) const {
    const spec::root_entry root{memory_.load(root_entry_of(device)), 0};
    return root.context_table() + std::uint64_t{device.devfn()} * sizeof(spec::context_entry);
  }
  [[nodiscard]] spec::context_entry context(spec::source_id device) const {
    const std::uint64_t at = context_entry_of(device);
    return {memory_.load(at), memory_.load(at + 8)};
  }
  void set_context(spec::source_id device, const spec::context_entry& entry) {
    const std::uint64_t at = context_entry_of(device);
    memory_.store(at, entry.lo);
    memory_.store(at + 8, entry.hi);
  }
  /// Where the entry of `level` for this address stands; makes the tables above it if `create`.
  std::uint64_t entry_of(spec::source_id device, std::uint64_t iova, unsigned level, bool create) {
    const spec::context_entry ctx = context(device);
    std::uint64_t table = ctx.second_level_table();
    for (unsigned at = spec::levels_of_agaw(ctx.address_width()); at > level; --at) {
      const std::uint64_t address =
          table + std::uint64_t{spec::level_index(iova, at)} * sizeof(spec::second_level_entry);
      spec::second_level_entry entry{memory_.load(address)};
      if (!entry.present()) {
        if (!create) return 0;
        entry.set_read(true).set_write(true).set_address(new_table());
        memory_.store(address, entry.value);
      }
      table = entry.address();
    }
    return table + std::uint64_t{spec::level_index(iova, level)} * sizeof(spec::second_level_entry);
  }

private:
  std::uint64_t new_table() {
    const std::uint64_t table = next_table_;
    next_table_ += spec::page_size;
    return table;
  }

  fake_memory& memory_;
  std::uint64_t next_table_;
  std::uint64_t root_;
};

} // namespace vtd::test
