// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"
#include "vtd/spec/bits.h"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vtd::host {

/// Bytes of a cache line: of the CPU's cache, of clflush and of the chipset's write buffer.
inline constexpr unsigned line_size = 64;
/// The address of the line that holds `address`.
[[nodiscard]] constexpr std::uint64_t line_base(std::uint64_t address) {
  return address & ~std::uint64_t{line_size - 1};
}
/// Where in its line `address` lies, 0..63.
[[nodiscard]] constexpr unsigned line_offset(std::uint64_t address) {
  return static_cast<unsigned>(address & (line_size - 1));
}

/// The bytes of one line.
using line_data = std::array<std::byte, line_size>;

/// A set of bytes of a line: bit i stands for byte i.
using byte_mask = std::uint64_t;
inline constexpr byte_mask all_bytes = ~byte_mask{0};
/// Bytes [offset, offset + bytes) of a line.
[[nodiscard]] constexpr byte_mask bytes_of(unsigned offset, unsigned bytes) {
  return spec::low_bits(bytes) << offset;
}

/// Which store put a word where it is: its number (1, 2, ... in program order; 0 = no store) and the time its
/// caller gave, in cycles of the wheel.
struct store_stamp {
  std::uint64_t sequence = 0;
  engine::cycle time = 0;
};

/// What a cache line or a buffered write holds. `dirty`: the bytes that memory may not have yet. One stamp
/// per 8-byte word: the last store to it.
struct line_content {
  static constexpr unsigned word_size = 8;
  line_data data{};
  byte_mask dirty = 0;
  std::array<store_stamp, line_size / word_size> stamps{};

  /// Puts bytes at `offset` (they must fit), marks them dirty and stamps the words they touch.
  void put(unsigned offset, std::span<const std::byte> bytes, store_stamp stamp);
  /// Lays the dirty bytes of a newer line over this one.
  void merge(const line_content& newer);
};

/// Where lines come from and go to: the next stage on the way from the CPU to memory.
struct line_port {
  line_port() = default;
  line_port(const line_port&) = delete;
  line_port& operator=(const line_port&) = delete;
  virtual ~line_port() = default;
  /// Reads the line at `line` (aligned). False: no memory there, `out` is unchanged.
  virtual bool read_line(std::uint64_t line, line_data& out) = 0;
  /// Writes the bytes `content.dirty` of the line. False: no memory there, nothing was written.
  virtual bool write_line(std::uint64_t line, const line_content& content) = 0;
};

/// The little-endian number in `bytes` (sizeof(Number) of them).
template <std::unsigned_integral Number>
[[nodiscard]] constexpr Number number_from(std::span<const std::byte, sizeof(Number)> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return static_cast<Number>(value);
}

/// A number as little-endian bytes.
template <std::unsigned_integral Number>
[[nodiscard]] constexpr std::array<std::byte, sizeof(Number)> bytes_from(Number value) {
  std::array<std::byte, sizeof(Number)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(value >> (8 * i));
  }
  return bytes;
}

} // namespace vtd::host
