// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/dmar_parser.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/spec/capability.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vtd::test {

/// What any text as a board came to.
struct board_outcome {
  bool loaded = false;
  /// The first rule that did not hold; empty: all did.
  std::string violation;
};

/// The units of a board that was loaded have places of their own, and its table is sound.
[[nodiscard]] inline std::string board_violation(const models::board& board) {
  const auto last_of = [](const models::unit_description& unit) {
    return unit.base.value +
           spec::register_block_bytes(spec::cap{unit.cap.value}, spec::ecap{unit.ecap.value}) - 1;
  };
  for (std::size_t i = 0; i < board.units.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto& one = board.units[i];
      const auto& other = board.units[j];
      if (one.base.value <= last_of(other) && other.base.value <= last_of(one))
        return "the registers of two units stand in one place";
    }
  }
  const auto table = models::generate_dmar(board);
  if (table.empty() || !spec::acpi::dmar_header::signature::equals(table, "DMAR")) return "";
  if (driver::parse_dmar(table).units.size() > board.units.size()) return "the table has units of its own";
  return "";
}

/// An error is told in one line that names the file.
[[nodiscard]] inline std::string refusal_violation(std::string_view said, std::string_view file) {
  if (!said.starts_with(file)) return "an error that does not name the file: " + std::string(said);
  if (said.find('\n') != std::string_view::npos) return "an error of two lines: " + std::string(said);
  return "";
}

/// Any text as a board: one of the two.
[[nodiscard]] inline board_outcome load_board_input(std::string_view text) {
  constexpr const char* file = "input.json";
  try {
    return {true, board_violation(models::parse_board(text, file))};
  } catch (const models::board_error& error) {
    return {false, refusal_violation(error.what(), file)};
  }
}

} // namespace vtd::test
