// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace vtd::models {

/// How well a value is known, best first.
enum class confidence : std::uint8_t {
  measured,   ///< read from a real machine: a register, a table, a log, a measurement
  documented, ///< printed by the maker or in a published paper
  derived,    ///< computed from measured or documented values; `why` gives the computation
  assumed     ///< a modelling choice; `why` gives the reason
};

/// "measured", "documented", "derived" or "assumed".
[[nodiscard]] std::string_view to_string(confidence value);
/// The reverse of to_string; nothing for any other text.
[[nodiscard]] std::optional<confidence> parse_confidence(std::string_view text);

/// A value together with how well it is known and where it comes from (one line). Reads as the value itself.
template <class T>
struct known {
  T value{};
  confidence how = confidence::assumed;
  std::string why;

  known() = default;
  known(T v, confidence h, std::string w) : value(std::move(v)), how(h), why(std::move(w)) {}

  // NOLINTNEXTLINE(google-explicit-constructor): a known value is meant to read as the value.
  operator const T&() const { return value; }
  [[nodiscard]] bool assumed() const { return how == confidence::assumed; }
};

} // namespace vtd::models
