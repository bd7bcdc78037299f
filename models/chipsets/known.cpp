// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/known.h"

#include <array>
#include <cstddef>

namespace vtd::models {

namespace {
constexpr std::array<std::string_view, 4> confidence_names{"measured", "documented", "derived", "assumed"};
} // namespace

std::string_view to_string(confidence value) { return confidence_names.at(static_cast<std::size_t>(value)); }

std::optional<confidence> parse_confidence(std::string_view text) {
  for (std::size_t i = 0; i < confidence_names.size(); ++i) {
    if (confidence_names.at(i) == text) return static_cast<confidence>(i);
  }
  return std::nullopt;
}

} // namespace vtd::models
