// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/dmar_info.h"
#include "vtd/models/board.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vtdsim {

/// The bytes of a file, at most 1 MB, which is more than any ACPI table has. Throws std::runtime_error, one
/// line that names the file, when it cannot be read, is a directory or is longer.
[[nodiscard]] std::vector<std::byte> read_bytes(const std::filesystem::path& file);

/// A device scope as boards have it; `to_string` makes a text of it.
[[nodiscard]] vtd::models::scope_description scope_of(const vtd::driver::scope_info& from);

/// A board whose units, scopes and reserved regions are those of another machine's DMAR table. What a table
/// does not say comes from `base`: capabilities of the units (those of its last unit), timing, memory.
/// Functions that scopes name are put into the PCI tree where a scope starts at bus 0; each default is told
/// in one line of `notes`.
[[nodiscard]] vtd::models::board import_board(const vtd::models::board& base,
                                              const vtd::driver::dmar_info& table,
                                              std::vector<std::string>& notes);

} // namespace vtdsim
