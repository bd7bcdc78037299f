// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/dmar_generator.h"

#include "vtd/spec/dmar_table.h"

#include <span>

namespace vtd::models {

namespace acpi = spec::acpi;

namespace {

using table = std::vector<std::byte>;

// Appends a structure of `bytes` and returns where it begins.
std::size_t begin(table& out, acpi::structure_type type, std::size_t bytes) {
  const std::size_t at = out.size();
  out.resize(at + bytes);
  acpi::structure_header::type::set(std::span(out).subspan(at), static_cast<std::uint16_t>(type));
  return at;
}

void add_scopes(table& out, const std::vector<scope_description>& scopes) {
  for (const scope_description& scope : scopes) {
    const std::size_t at = out.size();
    const std::size_t length =
        acpi::device_scope::size + scope.path.size() * acpi::device_scope::path_step_size;
    out.resize(at + length);
    const std::span<std::byte> entry = std::span(out).subspan(at);
    acpi::device_scope::type::set(entry, scope.type);
    acpi::device_scope::length::set(entry, static_cast<std::uint8_t>(length));
    acpi::device_scope::enumeration_id::set(entry, scope.enumeration_id);
    acpi::device_scope::start_bus::set(entry, scope.start_bus);
    for (std::size_t i = 0; i < scope.path.size(); ++i) {
      const std::size_t step = acpi::device_scope::size + i * acpi::device_scope::path_step_size;
      entry[step] = static_cast<std::byte>(scope.path[i].device);
      entry[step + 1] = static_cast<std::byte>(scope.path[i].function);
    }
  }
}

// Sets the length of the structure that began at `at` and ends here.
void end(table& out, std::size_t at) {
  acpi::structure_header::length::set(std::span(out).subspan(at),
                                      static_cast<std::uint16_t>(out.size() - at));
}

void add_unit(table& out, const unit_description& unit) {
  const std::size_t at = begin(out, acpi::structure_type::drhd, acpi::drhd::size);
  const std::span<std::byte> entry = std::span(out).subspan(at);
  acpi::drhd::flags::set(entry, unit.include_all ? acpi::drhd::include_pci_all : std::uint8_t{0});
  acpi::drhd::segment::set(entry, unit.segment);
  acpi::drhd::base::set(entry, unit.base.value);
  add_scopes(out, unit.scopes);
  end(out, at);
}

void add_region(table& out, const reserved_region& region) {
  const std::size_t at = begin(out, acpi::structure_type::rmrr, acpi::rmrr::size);
  const std::span<std::byte> entry = std::span(out).subspan(at);
  acpi::rmrr::base::set(entry, region.base);
  acpi::rmrr::limit::set(entry, region.limit);
  add_scopes(out, region.scopes);
  end(out, at);
}

void add_ats(table& out, const ats_description& ats) {
  const std::size_t at = begin(out, acpi::structure_type::atsr, acpi::atsr::size);
  const std::span<std::byte> entry = std::span(out).subspan(at);
  acpi::atsr::flags::set(entry, ats.all_ports ? acpi::atsr::all_ports : std::uint8_t{0});
  add_scopes(out, ats.scopes);
  end(out, at);
}

} // namespace

std::vector<std::byte> generate_dmar(const board& from) {
  if (from.units.empty()) return {};
  if (!from.vtd_enabled && from.off_looks.value == vtd_off::no_table) return {};
  table out(acpi::dmar_header::size);
  const bool renamed = !from.vtd_enabled && from.off_looks.value == vtd_off::renamed_table;
  acpi::dmar_header::signature::set(out, renamed ? "____" : acpi::dmar_header::signature_text);
  acpi::dmar_header::revision::set(out, 1);
  acpi::dmar_header::oem_id::set(out, from.table.oem_id);
  acpi::dmar_header::oem_table_id::set(out, from.table.oem_table_id);
  acpi::dmar_header::oem_revision::set(out, from.table.oem_revision);
  acpi::dmar_header::creator_id::set(out, from.table.creator_id);
  acpi::dmar_header::creator_revision::set(out, from.table.creator_revision);
  acpi::dmar_header::host_address_width::set(out,
                                             static_cast<std::uint8_t>(from.host_address_width.value - 1));
  acpi::dmar_header::flags::set(out, from.table.flags);
  if (!renamed) {
    for (const unit_description& unit : from.units)
      add_unit(out, unit);
    for (const reserved_region& region : from.reserved_regions)
      add_region(out, region);
    for (const ats_description& ats : from.ats)
      add_ats(out, ats);
  }
  acpi::dmar_header::length::set(out, static_cast<std::uint32_t>(out.size()));
  acpi::set_checksum(out);
  return out;
}

} // namespace vtd::models
