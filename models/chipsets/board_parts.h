// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parts of the board loader that stand in files of their own.

#include "json_reader.h"
#include "vtd/models/board.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace vtd::models {

inline constexpr std::uint64_t four_gb = std::uint64_t{1} << 32;

template <class Number>
Number optional_whole(json_object& object, std::string_view key, std::uint64_t most, Number otherwise) {
  const auto node = object.find(key);
  return node ? static_cast<Number>(node->whole(0, most)) : otherwise;
}
[[nodiscard]] inline bool optional_flag(json_object& object, std::string_view key, bool otherwise = false) {
  const auto node = object.find(key);
  return node ? node->boolean() : otherwise;
}

/// The list under "scopes"; none where there is no such key.
[[nodiscard]] std::vector<scope_description> scopes_of(json_object& object);

[[nodiscard]] unit_description unit_of(const json_node& node);

/// Each unit's registers have a place of their own: within the machine's addresses, in no memory and in no
/// block of an earlier unit; and in the block no two registers have the same place.
void check_unit_place(const board& b, std::size_t index, const json_node& node);

} // namespace vtd::models
