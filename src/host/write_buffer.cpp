// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/write_buffer.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace vtd::host {

write_buffer::write_buffer(sparse_memory& memory, std::size_t entries) : memory_(memory), limit_(entries) {
  entries_.reserve(entries);
}

const line_content* write_buffer::peek(std::uint64_t address) const {
  const std::uint64_t line = line_base(address);
  for (const entry& e : entries_) {
    if (e.line == line) return &e.content;
  }
  return nullptr;
}

bool write_buffer::read(std::uint64_t address, std::span<std::byte> out) const {
  if (!memory_.read(address, out)) return false;
  for (const entry& e : entries_) {
    if (e.line + line_size <= address || (e.line > address && e.line - address >= out.size())) continue;
    for (unsigned i = 0; i < line_size; ++i) {
      const std::uint64_t at = e.line + i - address; // wraps to a huge number below the range
      if (((e.content.dirty >> i) & 1) != 0 && at < out.size()) out[at] = e.content.data[i];
    }
  }
  return true;
}

bool write_buffer::read_line(std::uint64_t line, line_data& out) { return read(line, out); }

bool write_buffer::write_line(std::uint64_t line, const line_content& content) {
  if (!memory_.contains(line, line_size)) return false;
  ++counts_.writes;
  if (!present()) {
    write_to_memory(line, content);
    return true;
  }
  for (entry& e : entries_) {
    if (e.line != line) continue;
    e.content.merge(content);
    ++counts_.merges;
    return true;
  }
  if (entries_.size() == limit_) {
    drain_oldest(1);
    ++counts_.forced_drains;
  }
  entries_.push_back({line, content});
  return true;
}

bool write_buffer::write(std::uint64_t address, std::span<const std::byte> data, store_stamp stamp) {
  if (data.empty()) return memory_.contains(address, 0);
  line_content content;
  content.put(line_offset(address), data, stamp);
  return write_line(line_base(address), content);
}

// Runs of bytes, so that a line that is held in full is one write.
void write_buffer::write_to_memory(std::uint64_t line, const line_content& content) {
  for (unsigned i = 0; i < line_size;) {
    const byte_mask rest = content.dirty >> i;
    if (rest == 0) break;
    i += static_cast<unsigned>(std::countr_zero(rest));
    const auto run = static_cast<unsigned>(std::countr_one(content.dirty >> i));
    [[maybe_unused]] const bool taken = memory_.write(line + i, std::span(content.data).subspan(i, run));
    assert(taken);
    i += run;
  }
}

void write_buffer::drain_oldest(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    write_to_memory(entries_[i].line, entries_[i].content);
  }
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count));
}

void write_buffer::drain(drain_cause cause) {
  if (cause == drain_cause::command) {
    ++counts_.commands;
    counts_.command_drains += entries_.size();
  } else {
    counts_.implicit_drains += entries_.size();
  }
  drain_oldest(entries_.size());
}

void write_buffer::snoop_write(std::uint64_t address) {
  const std::uint64_t line = line_base(address);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].line != line) continue;
    counts_.snoop_drains += i + 1;
    drain_oldest(i + 1);
    return;
  }
}

void write_buffer::poke(std::uint64_t address, std::span<const std::byte> data) {
  for (entry& e : entries_) {
    if (e.line != line_base(address)) continue;
    std::copy(data.begin(), data.end(), e.content.data.begin() + line_offset(address));
  }
}

} // namespace vtd::host
