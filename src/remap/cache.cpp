// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/cache.h"

#include <array>
#include <utility>

namespace vtd::remap {

namespace {
constexpr std::array<std::pair<replacement, std::string_view>, 4> policy_names{
    {{replacement::lru, "lru"},
     {replacement::pseudo_lru, "pseudo_lru"},
     {replacement::fifo, "fifo"},
     {replacement::random, "random"}}};
} // namespace

std::string_view to_string(replacement policy) {
  for (const auto& [value, name] : policy_names) {
    if (value == policy) return name;
  }
  return "unknown";
}

std::optional<replacement> parse_replacement(std::string_view text) {
  for (const auto& [value, name] : policy_names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

} // namespace vtd::remap
