// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/table_memory.h"

#include "vtd/spec/address.h"

namespace vtd::driver {

table_memory::~table_memory() { commit(); }

std::uint64_t table_memory::new_page(bool forget_flush) {
  const std::uint64_t page = machine_.allocate_pages(1);
  ++pages_;
  // Flushed before anything points to it: hardware must never read what the page held before.
  if (flush_ && !forget_flush) machine_.flush_lines(page, spec::page_size);
  return page;
}

void table_memory::free_page(std::uint64_t page) {
  --pages_;
  machine_.free_pages(page, 1);
}

void table_memory::store(std::uint64_t address, std::uint64_t value, bool forget_flush) {
  machine_.store64(address, value);
  if (!flush_ || forget_flush) return;
  const std::uint64_t end = address + sizeof(std::uint64_t);
  // Runs of entries are the usual case, and the two words of an entry, upper one first: one range per run
  // keeps commit short, and no line is flushed twice.
  if (!dirty_.empty() && dirty_.back().end == address) {
    dirty_.back().end = end;
  } else if (!dirty_.empty() && dirty_.back().begin == end) {
    dirty_.back().begin = address;
  } else {
    dirty_.push_back({address, end});
  }
}

void table_memory::commit() {
  for (const range& touched : dirty_)
    machine_.flush_lines(touched.begin, touched.end - touched.begin);
  dirty_.clear();
}

} // namespace vtd::driver
