// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/store_path.h"

#include <algorithm>
#include <bit>

namespace vtd::host {
namespace {

// Calls `each(address, part)` for the part of `data` in every line that it touches, in order.
template <class Byte, class Each>
void for_each_line(std::uint64_t address, std::span<Byte> data, Each each) {
  while (!data.empty()) {
    const std::size_t part = std::min<std::size_t>(data.size(), line_size - line_offset(address));
    each(address, data.first(part));
    data = data.subspan(part);
    address += part;
  }
}

} // namespace

store_path::store_path(sparse_memory& memory, const store_path_config& config)
    : memory_(memory), buffer_(memory, config.write_buffer_entries), cache_(buffer_, config.cache) {}

bool store_path::cpu_load(std::uint64_t address, std::span<std::byte> out) {
  if (!memory_.contains(address, out.size())) return false;
  for_each_line(address, out, [&](std::uint64_t at, std::span<std::byte> part) { cache_.load(at, part); });
  return true;
}

bool store_path::cpu_store(std::uint64_t address, std::span<const std::byte> data, engine::cycle time) {
  if (!memory_.contains(address, data.size())) return false;
  const store_stamp stamp{++sequence_, time};
  for_each_line(address, data,
                [&](std::uint64_t at, std::span<const std::byte> part) { cache_.store(at, part, stamp); });
  return true;
}

void store_path::clflush(std::uint64_t address, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::uint64_t last = line_base(address + (bytes - 1));
  for (std::uint64_t line = line_base(address);; line += line_size) {
    cache_.clflush(line);
    if (line == last) break;
  }
}

bool store_path::uncached_load(std::uint64_t address, std::span<std::byte> out) {
  if (!memory_.contains(address, out.size())) return false;
  for_each_line(address, out, [&](std::uint64_t at, std::span<std::byte> part) {
    cache_.snoop_invalidate(at, false);
    buffer_.read(at, part);
  });
  return true;
}

bool store_path::uncached_store(std::uint64_t address, std::span<const std::byte> data, engine::cycle time) {
  if (!memory_.contains(address, data.size())) return false;
  const store_stamp stamp{++sequence_, time};
  for_each_line(address, data, [&](std::uint64_t at, std::span<const std::byte> part) {
    cache_.snoop_invalidate(at, part.size() == line_size);
    buffer_.write(at, part, stamp);
  });
  return true;
}

bool store_path::snooping_read(std::uint64_t address, std::span<std::byte> out) {
  if (memory_.contains(address, out.size())) {
    for_each_line(address, out, [&](std::uint64_t at, std::span<std::byte>) { cache_.snoop_read(at); });
  }
  return buffer_.read(address, out);
}

bool store_path::device_write(std::uint64_t address, std::span<const std::byte> data) {
  if ((cache_.lines() != 0 || !buffer_.empty()) && memory_.contains(address, data.size())) {
    for_each_line(address, data, [&](std::uint64_t at, std::span<const std::byte> part) {
      cache_.snoop_invalidate(at, part.size() == line_size);
      buffer_.snoop_write(at);
    });
  }
  return memory_.write(address, data);
}

bool store_path::unsnooped_write(std::uint64_t address, std::span<const std::byte> data) {
  if (!buffer_.empty() && memory_.contains(address, data.size())) {
    for_each_line(address, data,
                  [&](std::uint64_t at, std::span<const std::byte>) { buffer_.snoop_write(at); });
  }
  return memory_.write(address, data);
}

bool store_path::table_read(std::uint64_t address, std::span<std::uint64_t> words, bool coherent) {
  const std::span<std::byte> raw = std::as_writable_bytes(words);
  if (!(coherent ? device_read(address, raw) : memory_.read(address, raw))) return false;
  if constexpr (std::endian::native != std::endian::little) {
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] =
          number_from<std::uint64_t>(raw.subspan(i * sizeof(std::uint64_t)).first<sizeof(std::uint64_t)>());
  }
  return true;
}

bool store_path::debug_read(std::uint64_t address, std::span<std::byte> out) const {
  if (!buffer_.read(address, out)) return false;
  if (cache_.lines() == 0) return true;
  for_each_line(address, out, [&](std::uint64_t at, std::span<std::byte> part) {
    if (const line_content* const held = cache_.peek(at); held != nullptr) {
      std::copy_n(held->data.begin() + line_offset(at), part.size(), part.begin());
    }
  });
  return true;
}

bool store_path::debug_write(std::uint64_t address, std::span<const std::byte> data) {
  if (!memory_.write(address, data)) return false;
  for_each_line(address, data, [&](std::uint64_t at, std::span<const std::byte> part) {
    buffer_.poke(at, part);
    cache_.poke(at, part);
  });
  return true;
}

std::optional<pending_store> store_path::find_pending(std::uint64_t address, unsigned bytes) const {
  const line_content* const cached = cache_.peek(address);
  const line_content* const buffered = buffer_.peek(address);
  const unsigned offset = line_offset(address);
  pending_store found;
  found.line = line_base(address);
  found.address = address;
  found.bytes = std::min(bytes, line_size - offset);
  if (!memory_.read(address, std::span(found.memory).first(found.bytes))) return std::nullopt;
  found.cpu = found.memory;
  bool in_cache = false;
  bool in_buffer = false;
  for (unsigned i = 0; i < found.bytes; ++i) {
    const unsigned at = offset + i;
    const bool from_cache = cached != nullptr && ((cached->dirty >> at) & 1) != 0;
    const bool from_buffer = !from_cache && buffered != nullptr && ((buffered->dirty >> at) & 1) != 0;
    if (!from_cache && !from_buffer) continue;
    const line_content& holder = from_cache ? *cached : *buffered;
    if (holder.data[at] == found.memory[i]) continue;
    found.cpu[i] = holder.data[at];
    in_cache = in_cache || from_cache;
    in_buffer = in_buffer || from_buffer;
    const store_stamp& stamp = holder.stamps[at / line_content::word_size];
    if (stamp.sequence > found.last.sequence) found.last = stamp;
  }
  if (!in_cache && !in_buffer) return std::nullopt;
  found.place = in_cache ? store_place::cpu_cache : store_place::write_buffer;
  found.also_buffered = in_cache && in_buffer;
  return found;
}

} // namespace vtd::host
