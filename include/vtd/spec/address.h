// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/bits.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vtd::spec {

// Pages and levels (VT-d 3.7, 9.8). Level 1 holds 4 KB leaves; every level above resolves nine more bits.

inline constexpr unsigned page_shift = 12;
inline constexpr std::uint64_t page_size = std::uint64_t{1} << page_shift;

[[nodiscard]] constexpr std::uint64_t page_number(std::uint64_t address) { return address >> page_shift; }
/// The address of the page's first byte.
[[nodiscard]] constexpr std::uint64_t page_base(std::uint64_t address) { return address & ~(page_size - 1); }
/// Bits of the address below the index of `level` (1 to 6): 12, 21, 30, 39, 48, 57.
[[nodiscard]] constexpr unsigned level_shift(unsigned level) { return page_shift + 9 * (level - 1); }
/// Index into the 512-entry table of `level`.
[[nodiscard]] constexpr unsigned level_index(std::uint64_t address, unsigned level) {
  return static_cast<unsigned>(address >> level_shift(level)) & 0x1ff;
}
/// Bytes that one entry of `level` covers.
[[nodiscard]] constexpr std::uint64_t level_size(unsigned level) {
  return std::uint64_t{1} << level_shift(level);
}
inline constexpr unsigned entries_per_table = 512;
/// The deepest tables there are: AW = 4 of rev 1.x, 64-bit input addresses (VT-d 9.3).
inline constexpr unsigned max_levels = 6;

// Adjusted guest address width (context entry AW, VT-d 9.3).

/// Bits of an input address: 30, 39, 48, 57; AW = 4 (rev 1.x) means all 64, its top level is not fully used.
[[nodiscard]] constexpr unsigned width_of_agaw(unsigned aw) { return aw < 4 ? 30 + 9 * aw : 64; }
[[nodiscard]] constexpr unsigned levels_of_agaw(unsigned aw) { return aw + 2; }
/// The AW that has so many levels; at least 2.
[[nodiscard]] constexpr unsigned agaw_of_levels(unsigned levels) { return levels - 2; }

/// How many of `length` bytes from `address` on lie in its page.
[[nodiscard]] constexpr std::uint32_t page_piece(std::uint64_t address, std::uint64_t length) {
  const std::uint64_t to_page_end = page_size - (address & (page_size - 1));
  return static_cast<std::uint32_t>(length < to_page_end ? length : to_page_end);
}

// The range where a dword write is an interrupt message (VT-d 3.13, 5.1.2). Both bounds are inclusive.

inline constexpr std::uint64_t interrupt_range_first = 0xfee00000;
inline constexpr std::uint64_t interrupt_range_last = 0xfeefffff;
[[nodiscard]] constexpr bool in_interrupt_range(std::uint64_t address) {
  return address >= interrupt_range_first && address <= interrupt_range_last;
}
/// Is any of these bytes in it?
[[nodiscard]] constexpr bool touches_interrupt_range(std::uint64_t address, std::uint64_t bytes) {
  return address <= interrupt_range_last && address + (bytes - 1) >= interrupt_range_first;
}

/// The 16-bit requester id that remapping hardware sees: bus, device, function (VT-d 3.4.1).
class source_id {
public:
  constexpr source_id() = default;
  constexpr explicit source_id(std::uint16_t value) : value_(value) {}
  /// Bus 0..255, device 0..31, function 0..7; excess bits are dropped.
  [[nodiscard]] static constexpr source_id from_bdf(unsigned bus, unsigned device, unsigned function) {
    return source_id{static_cast<std::uint16_t>((bus & 0xff) << 8 | (device & 0x1f) << 3 | (function & 7))};
  }
  [[nodiscard]] constexpr std::uint16_t value() const { return value_; }
  [[nodiscard]] constexpr std::uint8_t bus() const { return static_cast<std::uint8_t>(value_ >> 8); }
  [[nodiscard]] constexpr std::uint8_t devfn() const { return static_cast<std::uint8_t>(value_ & 0xff); }
  [[nodiscard]] constexpr std::uint8_t device() const { return static_cast<std::uint8_t>(devfn() >> 3); }
  [[nodiscard]] constexpr std::uint8_t function() const { return static_cast<std::uint8_t>(devfn() & 7); }
  /// Reads "BB:DD.F" in hexadecimal, an optional "0000:" segment in front; nothing for any other text.
  [[nodiscard]] static constexpr std::optional<source_id> parse(std::string_view text);
  friend constexpr auto operator<=>(const source_id&, const source_id&) = default;

private:
  std::uint16_t value_ = 0;
};

/// "00:1f.2": two hexadecimal digits of bus and device each, one of function.
[[nodiscard]] inline std::string to_string(source_id id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "00:00.0";
  text[0] = digits[id.bus() >> 4];
  text[1] = digits[id.bus() & 0xfU];
  text[3] = digits[id.device() >> 4];
  text[4] = digits[id.device() & 0xfU];
  text[6] = digits[id.function()];
  return text;
}

namespace detail {
/// One or two hexadecimal digits, at most `limit`.
[[nodiscard]] constexpr std::optional<unsigned> parse_hex(std::string_view digits, unsigned limit) {
  if (digits.empty() || digits.size() > 2) return std::nullopt;
  unsigned value = 0;
  for (const char c : digits) {
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      value = value * 16 + static_cast<unsigned>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
  }
  return value <= limit ? std::optional{value} : std::nullopt;
}
} // namespace detail

constexpr std::optional<source_id> source_id::parse(std::string_view text) {
  if (text.starts_with("0000:")) text.remove_prefix(5);
  const std::size_t colon = text.find(':');
  const std::size_t dot = text.find('.');
  if (colon == std::string_view::npos || dot == std::string_view::npos || dot < colon) return std::nullopt;
  const auto bus = detail::parse_hex(text.substr(0, colon), 0xff);
  const auto device = detail::parse_hex(text.substr(colon + 1, dot - colon - 1), 0x1f);
  const auto function = detail::parse_hex(text.substr(dot + 1), 7);
  if (!bus || !device || !function) return std::nullopt;
  return from_bdf(*bus, *device, *function);
}

/// As `source_id::parse`.
[[nodiscard]] constexpr std::optional<source_id> parse_source_id(std::string_view text) {
  return source_id::parse(text);
}

} // namespace vtd::spec
