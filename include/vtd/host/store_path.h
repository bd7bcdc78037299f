// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"
#include "vtd/host/cpu_cache.h"
#include "vtd/host/line.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/host/write_buffer.h"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vtd::host {

/// The stages between the CPU and memory. `write_buffer_entries` 0: the chipset has no buffer to flush.
struct store_path_config {
  cpu_cache_config cache;
  std::size_t write_buffer_entries = 0;
};

/// Where a store waits on its way to memory.
enum class store_place : std::uint8_t { cpu_cache, write_buffer };

/// A store that memory does not show yet.
struct pending_store {
  /// The stage that holds it; the one nearest to the CPU when its bytes are spread over both.
  store_place place = store_place::cpu_cache;
  /// With place == cpu_cache: other bytes of the range wait in the write buffer.
  bool also_buffered = false;
  /// The line it waits in.
  std::uint64_t line = 0;
  /// The range that was asked about, cut at the end of the line.
  std::uint64_t address = 0;
  unsigned bytes = 0;
  /// The range as the CPU sees it and as memory shows it: the first `bytes` elements.
  line_data cpu{};
  line_data memory{};
  /// The last store to the 8-byte words that differ.
  store_stamp last{};
};

/// The way of a store: CPU -> write-back cache -> the chipset's write buffer -> memory, and who sees what on
/// it. Devices are coherent, unless they ask not to be: they meet cache and buffer. Table reads of a unit
/// with ECAP.C = 0 (VT-d 10.4.3) see memory only. All accesses may cross lines and pages; one that is not all
/// memory returns false and does nothing.
class store_path {
public:
  /// `memory` must outlive this. Throws std::invalid_argument for an impossible cache.
  store_path(sparse_memory& memory, const store_path_config& config);

  // The CPU, on ordinary (write-back) memory.

  bool cpu_load(std::uint64_t address, std::span<std::byte> out);
  /// `time`: when the store happens, in cycles; the caller's to choose, used in reports only.
  bool cpu_store(std::uint64_t address, std::span<const std::byte> data, engine::cycle time = 0);
  /// A little-endian number at any alignment. Nothing: not all of it is memory.
  template <std::unsigned_integral Number>
  [[nodiscard]] std::optional<Number> cpu_load(std::uint64_t address);
  template <std::unsigned_integral Number>
  bool cpu_store(std::uint64_t address, Number value, engine::cycle time = 0);

  /// Writes the line back to the next stage (not beyond it) and drops it. True when it was dirty.
  bool clflush(std::uint64_t address) { return cache_.clflush(address); }
  /// The same for every line that [address, address + bytes) touches.
  void clflush(std::uint64_t address, std::uint64_t bytes);
  void wbinvd() { cache_.wbinvd(); }
  /// Empties the chipset's write buffer.
  void drain(drain_cause cause = drain_cause::command) { buffer_.drain(cause); }

  // The CPU, on uncached memory. A line that the cache holds is flushed first, as processors that snoop
  // themselves do. Stores are posted in the write buffer; loads wait for nothing and see it.

  bool uncached_load(std::uint64_t address, std::span<std::byte> out);
  bool uncached_store(std::uint64_t address, std::span<const std::byte> data, engine::cycle time = 0);

  // Devices (DMA): coherent.

  bool device_read(std::uint64_t address, std::span<std::byte> out) {
    if (cache_.dirty_lines() == 0 && buffer_.empty()) [[likely]]
      return memory_.read(address, out);
    return snooping_read(address, out);
  }
  bool device_write(std::uint64_t address, std::span<const std::byte> data);

  // Devices that ask not to snoop (No Snoop, PCIe 2.2.6.5): they meet the chipset's buffer, but not the CPU's
  // cache. A read sees what is below a dirty line, a write leaves the line as it is, to be written back
  // later.

  bool unsnooped_read(std::uint64_t address, std::span<std::byte> out) { return buffer_.read(address, out); }
  bool unsnooped_write(std::uint64_t address, std::span<const std::byte> data);

  // The remapping hardware.

  /// Reads table words (little-endian, 8 bytes each). Coherent: as a device reads. Else: what memory shows.
  bool table_read(std::uint64_t address, std::span<std::uint64_t> words, bool coherent);

  // Debug access: what the CPU sees, without any change of state or counts. A debug write reaches memory and
  // every copy on the way, and leaves dirty lines dirty.

  bool debug_read(std::uint64_t address, std::span<std::byte> out) const;
  bool debug_write(std::uint64_t address, std::span<const std::byte> data);

  /// The question of the driver checker: would a dirty line or a buffered store change what memory shows at
  /// [address, address + bytes), cut at the end of the line? Nothing when all bytes there are the same.
  [[nodiscard]] std::optional<pending_store> pending(std::uint64_t address, unsigned bytes) const {
    if (cache_.dirty_lines() == 0 && buffer_.empty()) return std::nullopt;
    return find_pending(address, bytes);
  }

  /// How many stores the CPU has made: the sequence number of the last one.
  [[nodiscard]] std::uint64_t stores() const { return sequence_; }
  [[nodiscard]] const cpu_cache& cache() const { return cache_; }
  [[nodiscard]] const write_buffer& buffer() const { return buffer_; }
  [[nodiscard]] sparse_memory& memory() { return memory_; }
  [[nodiscard]] const sparse_memory& memory() const { return memory_; }

private:
  bool snooping_read(std::uint64_t address, std::span<std::byte> out);
  [[nodiscard]] std::optional<pending_store> find_pending(std::uint64_t address, unsigned bytes) const;

  sparse_memory& memory_;
  write_buffer buffer_;
  cpu_cache cache_;
  std::uint64_t sequence_ = 0;
};

template <std::unsigned_integral Number>
std::optional<Number> store_path::cpu_load(std::uint64_t address) {
  std::array<std::byte, sizeof(Number)> raw;
  if (!cpu_load(address, std::span<std::byte>(raw))) return std::nullopt;
  return number_from<Number>(raw);
}

template <std::unsigned_integral Number>
bool store_path::cpu_store(std::uint64_t address, Number value, engine::cycle time) {
  const auto raw = bytes_from(value);
  return cpu_store(address, std::span<const std::byte>(raw), time);
}

} // namespace vtd::host
