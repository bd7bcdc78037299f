// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/dmar_info.h"

#include <algorithm>

namespace vtd::driver {

std::string_view warning_name(dmar_warning_kind kind) {
  using enum dmar_warning_kind;
  switch (kind) {
  case no_units:
    return "no-units";
  case zero_unit_base:
    return "zero-unit-base";
  case unaligned_unit_base:
    return "unaligned-unit-base";
  case duplicate_unit_base:
    return "duplicate-unit-base";
  case include_all_not_last:
    return "include-all-not-last";
  case several_include_all:
    return "several-include-all";
  case include_all_with_pci:
    return "include-all-with-pci";
  case empty_scope:
    return "empty-scope";
  case region_reversed:
    return "region-reversed";
  case region_empty:
    return "region-empty";
  case region_unaligned:
    return "region-unaligned";
  case region_overlap:
    return "region-overlap";
  case region_without_scope:
    return "region-without-scope";
  case bad_scope_length:
    return "bad-scope-length";
  case unknown_scope_type:
    return "unknown-scope-type";
  case unknown_structure:
    return "unknown-structure";
  case short_structure:
    return "short-structure";
  case structures_out_of_order:
    return "structures-out-of-order";
  case affinity_without_unit:
    return "affinity-without-unit";
  case name_not_terminated:
    return "name-not-terminated";
  case duplicate_acpi_device:
    return "duplicate-acpi-device";
  case reserved_not_zero:
    return "reserved-not-zero";
  case unexpected_revision:
    return "unexpected-revision";
  case trailing_bytes:
    return "trailing-bytes";
  case address_beyond_width:
    return "address-beyond-width";
  case region_over_interrupts:
    return "region-over-interrupts";
  }
  return "unknown";
}

bool dmar_info::has(dmar_warning_kind kind) const {
  return std::any_of(warnings.begin(), warnings.end(),
                     [kind](const dmar_warning& w) { return w.kind == kind; });
}

} // namespace vtd::driver
