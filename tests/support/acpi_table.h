// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes DMAR tables in the shapes that firmware gives them, sound or not (VT-d chapter 8).

#include "vtd/spec/dmar_table.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtd::test {

namespace acpi = spec::acpi;

/// Builds a table structure by structure; a scope belongs to the structure before it.
class acpi_table {
public:
  using step = std::pair<std::uint8_t, std::uint8_t>;

  explicit acpi_table(unsigned host_address_width = 39) : bytes_(acpi::dmar_header::size) {
    acpi::dmar_header::signature::set(bytes_, acpi::dmar_header::signature_text);
    acpi::dmar_header::revision::set(bytes_, 1);
    acpi::dmar_header::oem_id::set(bytes_, "VTD", ' ');
    acpi::dmar_header::oem_table_id::set(bytes_, "SHAPE", ' ');
    acpi::dmar_header::host_address_width::set(bytes_, static_cast<std::uint8_t>(host_address_width - 1));
  }
  acpi_table& structure(std::uint16_t type, std::size_t size) {
    close();
    begin_ = bytes_.size();
    bytes_.resize(begin_ + size);
    acpi::structure_header::type::set(rest(), type);
    return *this;
  }
  acpi_table& unit(std::uint64_t base, bool include_all = false, std::uint16_t segment = 0) {
    structure(of(acpi::structure_type::drhd), acpi::drhd::size);
    acpi::drhd::base::set(rest(), base);
    acpi::drhd::segment::set(rest(), segment);
    acpi::drhd::flags::set(rest(), include_all ? acpi::drhd::include_pci_all : std::uint8_t{0});
    return *this;
  }
  acpi_table& region(std::uint64_t base, std::uint64_t limit) {
    structure(of(acpi::structure_type::rmrr), acpi::rmrr::size);
    acpi::rmrr::base::set(rest(), base);
    acpi::rmrr::limit::set(rest(), limit);
    return *this;
  }
  acpi_table& root_ports(bool all) {
    structure(of(acpi::structure_type::atsr), acpi::atsr::size);
    acpi::atsr::flags::set(rest(), all ? acpi::atsr::all_ports : std::uint8_t{0});
    return *this;
  }
  acpi_table& affinity(std::uint64_t base, std::uint32_t domain) {
    structure(of(acpi::structure_type::rhsa), acpi::rhsa::size);
    acpi::rhsa::base::set(rest(), base);
    acpi::rhsa::proximity_domain::set(rest(), domain);
    return *this;
  }
  acpi_table& acpi_device(std::uint8_t number, std::string_view path) {
    structure(of(acpi::structure_type::andd), acpi::andd::size);
    acpi::andd::device_number::set(rest(), number);
    for (const char c : path)
      bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  acpi_table& translation_caches() { return structure(of(acpi::structure_type::satc), acpi::satc::size); }
  acpi_table& scope(acpi::scope_type type, std::initializer_list<step> path, std::uint8_t start_bus = 0,
                    std::uint8_t id = 0) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + acpi::device_scope::size);
    const std::span<std::byte> entry = std::span(bytes_).subspan(at);
    acpi::device_scope::type::set(entry, static_cast<std::uint8_t>(type));
    acpi::device_scope::length::set(entry,
                                    static_cast<std::uint8_t>(acpi::device_scope::size + 2 * path.size()));
    acpi::device_scope::enumeration_id::set(entry, id);
    acpi::device_scope::start_bus::set(entry, start_bus);
    for (const auto& [device, function] : path) {
      bytes_.push_back(static_cast<std::byte>(device));
      bytes_.push_back(static_cast<std::byte>(function));
    }
    return *this;
  }
  acpi_table& endpoint(std::initializer_list<step> path) {
    return scope(acpi::scope_type::pci_endpoint, path);
  }
  acpi_table& bridge(std::initializer_list<step> path) {
    return scope(acpi::scope_type::pci_sub_hierarchy, path);
  }
  /// Bytes of the structure that is being built, as they are.
  acpi_table& raw(std::initializer_list<unsigned> values) {
    for (const unsigned value : values)
      bytes_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  /// Length and checksum are those of what was built.
  [[nodiscard]] std::string finish() {
    close();
    begin_ = 0;
    acpi::dmar_header::length::set(bytes_, static_cast<std::uint32_t>(bytes_.size()));
    acpi::set_checksum(bytes_);
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

private:
  [[nodiscard]] static std::uint16_t of(acpi::structure_type type) {
    return static_cast<std::uint16_t>(type);
  }
  [[nodiscard]] std::span<std::byte> rest() { return std::span(bytes_).subspan(begin_); }
  void close() {
    if (begin_ == 0) return;
    acpi::structure_header::length::set(rest(), static_cast<std::uint16_t>(bytes_.size() - begin_));
  }

  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;
};

} // namespace vtd::test
