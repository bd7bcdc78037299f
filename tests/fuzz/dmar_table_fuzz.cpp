// SPDX-License-Identifier: Apache-2.0
// Any bytes as a DMAR table: an error or a parsed table, nothing else. The checksum is put right, so that the
// fuzzer gets past it.

#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace acpi = vtd::spec::acpi;
  const std::span<const std::byte> raw(reinterpret_cast<const std::byte*>(data), size);
  std::vector<std::byte> table(raw.begin(), raw.end());
  if (table.size() >= acpi::dmar_header::size) {
    acpi::dmar_header::signature::set(table, acpi::dmar_header::signature_text);
    acpi::dmar_header::length::set(table, static_cast<std::uint32_t>(table.size()));
    acpi::set_checksum(table);
  }
  try {
    const auto info = vtd::driver::parse_dmar(table);
    for (const auto& unit : info.units) {
      if (unit.base == 0) __builtin_trap();
    }
  } catch (const vtd::driver::dmar_error&) {
    return 0;
  }
  return 0;
}
