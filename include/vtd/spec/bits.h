// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bit fields as types: a field is declared once, with its bits, and read or written by name.
// Everything here is constexpr and compiles to a shift and a mask.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vtd::spec {

/// Bits Msb:Lsb of a Word, as the specification writes them. `get` gives the value shifted down to bit 0;
/// `set` replaces the field in a word and ignores bits of the value that do not fit.
template <unsigned Msb, unsigned Lsb, class Word = std::uint64_t>
struct field {
  static_assert(Msb >= Lsb && Msb < 8 * sizeof(Word));
  static constexpr unsigned msb = Msb;
  static constexpr unsigned lsb = Lsb;
  static constexpr unsigned width = Msb - Lsb + 1;
  /// The largest value that fits, right-aligned.
  static constexpr Word max = static_cast<Word>(static_cast<Word>(~Word{0}) >> (8 * sizeof(Word) - width));
  /// The field's bits in place.
  static constexpr Word mask = static_cast<Word>(max << Lsb);
  [[nodiscard]] static constexpr Word get(Word word) { return static_cast<Word>((word & mask) >> Lsb); }
  [[nodiscard]] static constexpr Word set(Word word, Word value) {
    return static_cast<Word>((word & static_cast<Word>(~mask)) | (static_cast<Word>(value << Lsb) & mask));
  }
  /// The field alone, in place: for building a register value out of fields.
  [[nodiscard]] static constexpr Word of(Word value) { return set(Word{0}, value); }
};

/// A compile-time string, so that a name can be part of a declaration.
template <std::size_t N>
struct fixed_string {
  char text[N]{};
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is meant to convert.
  constexpr fixed_string(const char (&literal)[N]) {
    for (std::size_t i = 0; i < N; ++i)
      text[i] = literal[i];
  }
  [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
};

/// A word whose low `count` bits are ones; `count` may be the full width.
[[nodiscard]] constexpr std::uint64_t low_bits(unsigned count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

} // namespace vtd::spec
