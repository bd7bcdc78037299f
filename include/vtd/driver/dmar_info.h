// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ACPI DMAR table as the driver sees it: plain data, in the order of the table. VT-d 8.1 to 8.8.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vtd/spec/dmar_table.h"

namespace vtd::driver {

/// One step of a scope's path: a device and function below a bus.
struct path_step {
  std::uint8_t device = 0;
  std::uint8_t function = 0;
  friend bool operator==(const path_step&, const path_step&) = default;
};

/// A device scope entry. VT-d 8.3.1
struct scope_info {
  std::uint8_t type = 0;           ///< spec::scope_type as a number; unknown types are kept
  std::uint8_t flags = 0;          ///< property flags, in SIDP only
  std::uint8_t enumeration_id = 0; ///< I/O APIC id, HPET number or ACPI device number
  std::uint8_t start_bus = 0;
  std::vector<path_step> path; ///< from start_bus down; at least one step
};

/// DRHD: one remapping unit. VT-d 8.3
struct unit_info {
  std::size_t offset = 0; ///< where the structure begins in the table, bytes
  std::uint8_t flags = 0;
  std::uint8_t size = 0; ///< register pages as a power of two
  std::uint16_t segment = 0;
  std::uint64_t base = 0; ///< register base, host physical
  bool include_all = false;
  std::vector<scope_info> scopes;
};

/// RMRR: memory that firmware makes devices use; `limit` is the last byte. VT-d 8.4
struct reserved_region_info {
  std::size_t offset = 0;
  std::uint16_t segment = 0;
  std::uint64_t base = 0;
  std::uint64_t limit = 0;
  bool usable = true; ///< false: the driver leaves it out; a warning says why
  std::vector<scope_info> scopes;
};

/// ATSR: root ports behind which address translation services may be on. VT-d 8.5
struct ats_info {
  std::size_t offset = 0;
  std::uint8_t flags = 0;
  std::uint16_t segment = 0;
  bool all_ports = false;
  std::vector<scope_info> scopes;
};

/// RHSA: the proximity domain of a unit. VT-d 8.6
struct affinity_info {
  std::size_t offset = 0;
  std::uint64_t base = 0;
  std::uint32_t proximity_domain = 0;
};

/// ANDD: an ACPI device by number and path. VT-d 8.7
struct acpi_device_info {
  std::size_t offset = 0;
  std::uint8_t number = 0;
  std::string path;
};

/// SATC and SIDP: integrated devices and their properties. VT-d 8.8
struct device_property_info {
  std::size_t offset = 0;
  std::uint16_t type = 0; ///< structure type: SATC or SIDP
  std::uint8_t flags = 0;
  std::uint16_t segment = 0;
  std::vector<scope_info> scopes;
};

/// A structure of a type this driver does not know; skipped by its length.
struct unknown_info {
  std::size_t offset = 0;
  std::uint16_t type = 0;
  std::uint16_t length = 0;
};

/// What a table has that it should not have, and what the driver lives with.
enum class dmar_warning_kind : std::uint8_t {
  no_units,             ///< no DRHD at all
  zero_unit_base,       ///< register base 0: the unit is left out
  unaligned_unit_base,  ///< register base not a multiple of 4 KB: the unit is left out
  duplicate_unit_base,  ///< two units with one register base: the second is left out
  include_all_not_last, ///< a unit follows the include-all unit of its segment
  several_include_all,  ///< two include-all units in one segment
  include_all_with_pci, ///< the include-all unit lists PCI scopes
  empty_scope,          ///< a unit that covers nothing
  region_reversed,      ///< RMRR limit below its base: left out
  region_empty,         ///< RMRR limit = base - 1, no byte: left out
  region_unaligned,     ///< RMRR not made of whole pages: widened
  region_overlap,       ///< two RMRRs share bytes
  region_without_scope, ///< RMRR that names no device
  bad_scope_length,     ///< scope entry shorter than 8 bytes, odd, or past its structure: the rest is skipped
  unknown_scope_type,   ///< scope type not defined: kept
  unknown_structure,    ///< structure type not defined: skipped
  short_structure,      ///< structure shorter than its fixed part: skipped
  structures_out_of_order, ///< structure types do not ascend
  affinity_without_unit,   ///< RHSA for a base that no unit has
  name_not_terminated,     ///< ANDD path without its zero
  duplicate_acpi_device,   ///< two ANDDs with one number
  reserved_not_zero,       ///< a reserved field of the header that is not zero
  unexpected_revision,     ///< table revision 0
  trailing_bytes,          ///< bytes after the table's length
  address_beyond_width,    ///< a base or limit above the host address width; a region is left out then
  region_over_interrupts,  ///< RMRR that meets the interrupt addresses fee00000h to feefffffh: left out
};

/// The kind's stable name, with dashes: "region-reversed".
[[nodiscard]] std::string_view warning_name(dmar_warning_kind kind);

/// One warning: its kind, and one line with place, value and what the driver does.
struct dmar_warning {
  dmar_warning_kind kind = dmar_warning_kind::no_units;
  std::string text;
};

/// A parsed DMAR table.
struct dmar_info {
  std::uint8_t revision = 0;
  std::string oem_id;       ///< without trailing blanks and zeroes
  std::string oem_table_id; ///< without trailing blanks and zeroes
  std::uint32_t oem_revision = 0;
  unsigned host_address_width = 0; ///< bits, the table's field + 1
  std::uint8_t flags = 0;
  std::vector<unit_info> units; ///< usable ones only, in table order
  std::vector<reserved_region_info> reserved_regions;
  std::vector<ats_info> ats;
  std::vector<affinity_info> affinities;
  std::vector<acpi_device_info> acpi_devices;
  std::vector<device_property_info> device_properties;
  std::vector<unknown_info> unknown;
  std::vector<unit_info> ignored_units; ///< zero, unaligned or duplicate base
  std::vector<dmar_warning> warnings;

  /// Flag bits of the header. VT-d 8.1
  [[nodiscard]] bool interrupt_remapping() const { return (flags & 1u) != 0; }
  [[nodiscard]] bool x2apic_opt_out() const { return (flags & 2u) != 0; }
  [[nodiscard]] bool dma_opt_in() const { return (flags & 4u) != 0; }
  /// True when a warning of that kind is there.
  [[nodiscard]] bool has(dmar_warning_kind kind) const;
};

} // namespace vtd::driver
