// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/table_writer.h"

#include <fmt/format.h>

#include <utility>

namespace vtdsim::differential {

namespace spec = vtd::spec;

void table_writer::store(std::uint64_t address, std::uint64_t value, std::string note) {
  words_[address] = value;
  steps_.push_back({.kind = step_kind::store, .address = address, .value = value, .note = std::move(note)});
}

std::uint64_t table_writer::load(std::uint64_t address) const {
  const auto found = words_.find(address);
  return found == words_.end() ? 0 : found->second;
}

bool table_writer::is_table(std::uint64_t address) {
  return address >= layout::tables && address < layout::queue;
}

std::uint64_t table_writer::new_table() {
  if (!has_room(1)) return 0;
  return layout::tables + used_++ * layout::page;
}

std::uint64_t table_writer::root_entry(std::uint64_t root, spec::source_id device) {
  return root + std::uint64_t{device.bus()} * sizeof(spec::root_entry);
}

std::uint64_t table_writer::new_root() {
  const std::uint64_t root = new_table();
  for (const spec::source_id device : devices) {
    const std::uint64_t at = root_entry(root, device);
    if (load(at) != 0) continue;
    spec::root_entry entry;
    entry.set_present(true).set_context_table(new_table());
    store(at, entry.lo, fmt::format("root entry of bus {:02x}", device.bus()));
  }
  return root;
}

std::uint64_t table_writer::context_entry(std::uint64_t root, spec::source_id device) const {
  const spec::root_entry entry{load(root_entry(root, device)), 0};
  if (!is_table(entry.context_table())) return 0;
  return entry.context_table() + std::uint64_t{device.devfn()} * sizeof(spec::context_entry);
}

void table_writer::set_context(std::uint64_t address, const spec::context_entry& entry, std::string note) {
  if (load(address + 8) != entry.hi) store(address + 8, entry.hi, note);
  if (load(address) != entry.lo) store(address, entry.lo, std::move(note));
}

std::uint64_t table_writer::entry_of(const domain& in, std::uint64_t iova, unsigned level) const {
  std::uint64_t table = in.top;
  for (unsigned at = in.levels;; --at) {
    const std::uint64_t address =
        table + std::uint64_t{spec::level_index(iova, at)} * sizeof(spec::second_level_entry);
    if (at == level) return address;
    const spec::second_level_entry entry{load(address)};
    // A leaf, or an entry that was spoilt: nothing of ours is below it.
    if (!entry.present() || entry.page_size()) return 0;
    table = entry.address();
    if (!is_table(table)) return 0;
  }
}

void table_writer::map(domain& in, const domain::mapping& what) {
  for (unsigned level = in.levels; level > what.level; --level) {
    const std::uint64_t at = entry_of(in, what.iova, level);
    if (at == 0) return;
    if (spec::second_level_entry{load(at)}.present()) continue;
    const std::uint64_t table = new_table();
    if (table == 0) return;
    spec::second_level_entry entry;
    entry.set_read(true).set_write(true).set_address(table);
    store(at, entry.value, fmt::format("level {} of {:#x}", level, what.iova));
  }
  const std::uint64_t at = entry_of(in, what.iova, what.level);
  if (at == 0) return;
  spec::second_level_entry leaf;
  leaf.set_read(what.read).set_write(what.write).set_address(what.host).set_page_size(what.level > 1);
  store(at, leaf.value, fmt::format("domain {}: {:#x} -> {:#x}", in.id, what.iova, what.host));
}

} // namespace vtdsim::differential
