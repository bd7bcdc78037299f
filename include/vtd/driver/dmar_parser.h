// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/dmar_info.h"
#include "vtd/driver/hardware.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vtd::driver {

/// Parses the bytes of an ACPI DMAR table (VT-d chapter 8). Throws dmar_error, one line with place, value and
/// expectation, for a table that is not one: truncated, wrong signature, checksum or lengths. Everything else
/// a careful driver lives with: it is left out or taken as it is, with a named warning.
[[nodiscard]] dmar_info parse_dmar(std::span<const std::byte> table);

/// The bytes of the table at a physical address; throws dmar_error when there is no memory or no table.
[[nodiscard]] std::vector<std::byte> load_table(hardware& machine, std::uint64_t address);

/// Finds the DMAR table the way an operating system does: root pointer (RSDP) in [e0000h, fffffh], then XSDT
/// or RSDT. Nothing when there is no root pointer or no DMAR. Throws dmar_error when the way to it is broken.
[[nodiscard]] std::optional<std::uint64_t> find_dmar(hardware& machine);

} // namespace vtd::driver
