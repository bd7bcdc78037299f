// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/root_table.h"

#include <cstddef>

namespace vtd::driver {

namespace {

constexpr std::uint64_t high_word = offsetof(spec::context_entry, hi);

} // namespace

root_table::root_table(hardware& machine, bool flush, const omit& forget)
    : forget_(forget), memory_(machine, flush), root_(memory_.new_page(forget.new_table_flush)) {}

root_table::~root_table() {
  for (const auto& [bus, table] : context_tables_)
    memory_.free_page(table);
  memory_.free_page(root_);
}

std::uint64_t root_table::slot(std::uint64_t context_table, spec::source_id id) const {
  return context_table + id.devfn() * sizeof(spec::context_entry);
}

std::uint64_t root_table::context_table(spec::source_id id) {
  const auto known = context_tables_.find(id.bus());
  if (known != context_tables_.end()) return known->second;
  const std::uint64_t table = memory_.new_page(forget_.new_table_flush);
  context_tables_.emplace(id.bus(), table);
  const auto entry = spec::root_entry{}.set_context_table(table).set_present(true);
  const std::uint64_t address = root_ + id.bus() * sizeof(spec::root_entry);
  memory_.store(address + offsetof(spec::root_entry, hi), entry.hi, forget_.root_entry_flush);
  memory_.store(address + offsetof(spec::root_entry, lo), entry.lo, forget_.root_entry_flush);
  return table;
}

void root_table::store(std::uint64_t address, std::uint64_t value) {
  memory_.store(address, value, forget_.context_entry_flush);
}

spec::context_entry root_table::entry(spec::source_id id) {
  const auto known = context_tables_.find(id.bus());
  if (known == context_tables_.end()) return {};
  const std::uint64_t address = slot(known->second, id);
  return {memory_.load(address), memory_.load(address + high_word)};
}

void root_table::install(spec::source_id id, const spec::context_entry& entry) {
  const std::uint64_t address = slot(context_table(id), id);
  store(address + high_word, entry.hi);
  store(address, entry.lo);
  memory_.commit();
}

spec::context_entry root_table::clear(spec::source_id id) {
  const spec::context_entry old = entry(id);
  if (!old.present()) return old;
  const std::uint64_t address = slot(context_table(id), id);
  store(address, 0);
  store(address + high_word, 0);
  memory_.commit();
  return old;
}

void root_table::replace(spec::source_id id, const spec::context_entry& entry) {
  const std::uint64_t address = slot(context_table(id), id);
  if (!forget_.present_cleared_first) {
    store(address, 0);
    memory_.commit(); // hardware may fetch the two words apart: it must not see P with half of each entry
  }
  store(address + high_word, entry.hi);
  store(address, entry.lo);
  memory_.commit();
}

} // namespace vtd::driver
