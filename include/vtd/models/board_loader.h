// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/models/board.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// Loads a board by name, or from a path that ends in ".json". Throws board_error: file, JSON path, value,
/// expectation.
[[nodiscard]] board load_board(std::string_view name_or_path,
                               const std::vector<std::filesystem::path>& directories);
/// Reads a board from JSON text; `file` names it in errors.
[[nodiscard]] board parse_board(std::string_view json, const std::string& file);

/// Changes what the board's BIOS has a switch for: "bios.vtd" to "on" or "off". Throws board_error for any
/// other key or value.
void set_in_bios(board& which, std::string_view key, std::string_view value);

/// "00:1b.0"; "bridge 00:1c.0"; "ioapic 2 at 00:1f.7"; "hpet 0 at f0:0f.0". Nothing for any other text.
[[nodiscard]] std::optional<scope_description> parse_scope(std::string_view text);
/// The reverse, for lists and reports; longer paths as "00:1c.0/00.0".
[[nodiscard]] std::string to_string(const scope_description& scope);

} // namespace vtd::models
