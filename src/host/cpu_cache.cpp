// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/cpu_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <stdexcept>

namespace vtd::host {

cpu_cache::cpu_cache(line_port& below, cpu_cache_config config) : below_(below), config_(config) {
  if (config.sets != 0 && config.ways == 0) {
    throw std::invalid_argument("cpu_cache: ways is 0, expected at least 1 for a cache with sets");
  }
  slots_.resize(config.sets * config.ways);
}

const cpu_cache::slot* cpu_cache::find(std::uint64_t line) const {
  if (lines_held_ == 0) return nullptr;
  if (unlimited()) {
    const std::size_t* const found = index_.find(line);
    return found == nullptr ? nullptr : &slots_[*found];
  }
  const std::size_t first = static_cast<std::size_t>((line / line_size) % config_.sets) * config_.ways;
  for (std::size_t i = first; i < first + config_.ways; ++i) {
    if (slots_[i].valid && slots_[i].line == line) return &slots_[i];
  }
  return nullptr;
}

cpu_cache::slot* cpu_cache::find(std::uint64_t line) {
  const cpu_cache& self = *this;
  return const_cast<slot*>(self.find(line)); // NOLINT(cppcoreguidelines-pro-type-const-cast): our own slot
}

cpu_cache::slot& cpu_cache::place_for(std::uint64_t line) {
  if (unlimited()) {
    if (free_.empty()) {
      free_.push_back(slots_.size());
      slots_.emplace_back();
    }
    const std::size_t place = free_.back();
    free_.pop_back();
    index_.insert(line, place);
    return slots_[place];
  }
  const std::size_t first = static_cast<std::size_t>((line / line_size) % config_.sets) * config_.ways;
  slot* victim = &slots_[first];
  for (std::size_t i = first; i < first + config_.ways; ++i) {
    if (!slots_[i].valid) return slots_[i];
    if (slots_[i].used < victim->used) victim = &slots_[i];
  }
  ++counts_.evictions;
  clean(*victim);
  drop(*victim);
  return *victim;
}

cpu_cache::slot* cpu_cache::fetch(std::uint64_t line, std::uint64_t& misses) {
  slot* held = find(line);
  if (held == nullptr) {
    line_data data;
    if (!below_.read_line(line, data)) return nullptr;
    ++misses;
    held = &place_for(line);
    held->line = line;
    held->valid = true;
    held->content = line_content{data, 0, {}};
    ++lines_held_;
  }
  held->used = ++clock_;
  return held;
}

// Writes a dirty line to below; the whole line goes, as on the bus. Below took the line when it was fetched,
// so it takes it now: memory does not shrink.
bool cpu_cache::clean(slot& s) {
  if (s.content.dirty == 0) return false;
  s.content.dirty = all_bytes;
  [[maybe_unused]] const bool taken = below_.write_line(s.line, s.content);
  assert(taken);
  s.content.dirty = 0;
  s.content.stamps = {};
  --dirty_held_;
  ++counts_.write_backs;
  return true;
}

void cpu_cache::drop(slot& s) {
  assert(s.valid && s.content.dirty == 0);
  s.valid = false;
  --lines_held_;
  if (unlimited()) {
    index_.erase(s.line);
    free_.push_back(static_cast<std::size_t>(&s - slots_.data()));
  }
}

bool cpu_cache::load(std::uint64_t address, std::span<std::byte> out) {
  assert(line_offset(address) + out.size() <= line_size);
  ++counts_.loads;
  const slot* const s = fetch(line_base(address), counts_.load_misses);
  if (s == nullptr) return false;
  std::copy_n(s->content.data.begin() + line_offset(address), out.size(), out.begin());
  return true;
}

bool cpu_cache::store(std::uint64_t address, std::span<const std::byte> data, store_stamp stamp) {
  ++counts_.stores;
  slot* const s = fetch(line_base(address), counts_.store_misses);
  if (s == nullptr) return false;
  if (s->content.dirty == 0 && !data.empty()) ++dirty_held_;
  s->content.put(line_offset(address), data, stamp);
  return true;
}

bool cpu_cache::clflush(std::uint64_t address) {
  ++counts_.flushes;
  slot* const s = find(line_base(address));
  if (s == nullptr) return false;
  const bool dirty = clean(*s);
  drop(*s);
  return dirty;
}

void cpu_cache::wbinvd() {
  std::vector<std::uint64_t> held;
  held.reserve(lines_held_);
  for (const slot& s : slots_) {
    if (s.valid) held.push_back(s.line);
  }
  std::sort(held.begin(), held.end());
  for (const std::uint64_t line : held) {
    slot* const s = find(line);
    clean(*s);
    drop(*s);
  }
}

bool cpu_cache::snoop_read(std::uint64_t address) {
  slot* const s = find(line_base(address));
  if (s == nullptr || s->content.dirty == 0) return false;
  ++counts_.modified_snoops;
  return clean(*s);
}

bool cpu_cache::snoop_invalidate(std::uint64_t address, bool overwritten) {
  slot* const s = find(line_base(address));
  if (s == nullptr) return false;
  const bool dirty = s->content.dirty != 0;
  if (dirty) ++counts_.modified_snoops;
  if (dirty && overwritten) {
    s->content.dirty = 0;
    --dirty_held_;
  }
  clean(*s);
  drop(*s);
  return dirty;
}

const line_content* cpu_cache::peek(std::uint64_t address) const {
  const slot* const s = find(line_base(address));
  return s == nullptr ? nullptr : &s->content;
}

void cpu_cache::poke(std::uint64_t address, std::span<const std::byte> data) {
  assert(line_offset(address) + data.size() <= line_size);
  if (slot* const s = find(line_base(address)); s != nullptr) {
    std::copy(data.begin(), data.end(), s->content.data.begin() + line_offset(address));
  }
}

} // namespace vtd::host
