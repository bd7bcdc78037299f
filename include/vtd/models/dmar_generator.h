// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/models/board.h"

#include <cstddef>
#include <vector>

namespace vtd::models {

/// The ACPI DMAR table that the board's firmware makes: units, then reserved regions, then root-port ATS
/// structures, each in the order of the board (VT-d chapter 8). With VT-d off: what firmware shows then, or
/// nothing (empty), as a board without units has.
[[nodiscard]] std::vector<std::byte> generate_dmar(const board& from);

} // namespace vtd::models
