// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/dmar_table.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

namespace vtd::spec::acpi {
namespace {

using table = std::vector<std::byte>;

std::uint8_t byte_at(const table& bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes.at(at));
}

/// Where the set bytes of a structure are, after a field was filled with ones.
template <class Field>
std::vector<std::size_t> places_of() {
  table bytes(64);
  Field::set(bytes, static_cast<decltype(Field::get(bytes))>(~std::uint64_t{0}));
  std::vector<std::size_t> out;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (byte_at(bytes, at) == 0xff)
      out.push_back(at);
    else
      EXPECT_EQ(byte_at(bytes, at), 0);
  }
  return out;
}

std::vector<std::size_t> places(std::size_t first, std::size_t count) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(first + i);
  return out;
}

TEST(table_field, is_little_endian_and_keeps_to_its_bytes) {
  table bytes(8, std::byte{0xee});
  table_field<2, std::uint32_t>::set(bytes, 0x12345678);
  EXPECT_EQ(bytes, (table{std::byte{0xee}, std::byte{0xee}, std::byte{0x78}, std::byte{0x56}, std::byte{0x34},
                          std::byte{0x12}, std::byte{0xee}, std::byte{0xee}}));
  EXPECT_EQ((table_field<2, std::uint32_t>::get(bytes)), 0x12345678U);
  EXPECT_EQ((table_field<3, std::uint16_t>::get(bytes)), 0x3456U);
  EXPECT_EQ((table_field<2, std::uint32_t>::end), 6U);
  table_field<0, std::uint64_t>::set(bytes, 0xfedcba9876543210);
  EXPECT_EQ((table_field<0, std::uint64_t>::get(bytes)), 0xfedcba9876543210U);
  EXPECT_EQ(byte_at(bytes, 7), 0xfe);
}

TEST(table_field, works_at_compile_time) {
  constexpr auto read = [] {
    std::array<std::byte, 4> bytes{};
    table_field<1, std::uint16_t>::set(bytes, 0xabcd);
    return table_field<0, std::uint32_t>::get(bytes);
  }();
  static_assert(read == 0xabcd00);
}

TEST(text_field, cuts_what_is_too_long_and_pads_what_is_too_short) {
  table bytes(6, std::byte{'-'});
  using name = text_field<1, 4>;
  name::set(bytes, "DMARS");
  EXPECT_TRUE(name::equals(bytes, "DMAR"));
  EXPECT_FALSE(name::equals(bytes, "XMAR"));
  EXPECT_FALSE(name::equals(bytes, "DMAX"));
  EXPECT_EQ(byte_at(bytes, 0), '-');
  EXPECT_EQ(byte_at(bytes, 5), '-');
  name::set(bytes, "AB");
  EXPECT_EQ(name::get(bytes), (std::array{'A', 'B', '\0', '\0'}));
  EXPECT_TRUE(name::equals(bytes, "AB"));
  EXPECT_FALSE(name::equals(bytes, "A"));
  EXPECT_FALSE(name::equals(bytes, "ABC"));
  name::set(bytes, "AB", ' ');
  EXPECT_EQ(name::get(bytes), (std::array{'A', 'B', ' ', ' '}));
  EXPECT_FALSE(name::equals(bytes, "AB"));
  EXPECT_TRUE(name::equals(bytes, "AB  "));
}

TEST(byte_sum, is_the_sum_modulo_256) {
  EXPECT_EQ(byte_sum({}), 0);
  EXPECT_EQ(byte_sum(table{std::byte{0xff}, std::byte{0x02}, std::byte{0x10}}), 0x11);
}

TEST(set_checksum, makes_the_sum_zero_whatever_stood_there) {
  for (const int first : {0, 1, 200, 255}) {
    table bytes(dmar_header::size);
    bytes[0] = static_cast<std::byte>(first);
    dmar_header::checksum::set(bytes, 77);
    set_checksum(bytes);
    EXPECT_EQ(byte_sum(bytes), 0) << first;
    EXPECT_EQ(dmar_header::checksum::get(bytes), static_cast<std::uint8_t>(256 - first));
  }
}

// VT-d 8.1 and the ACPI header.
TEST(dmar_header, has_its_fields_where_acpi_puts_them) {
  using h = dmar_header;
  EXPECT_EQ(h::signature::offset, 0U);
  EXPECT_EQ(h::signature::size, 4U);
  EXPECT_EQ(places_of<h::length>(), places(4, 4));
  EXPECT_EQ(places_of<h::revision>(), places(8, 1));
  EXPECT_EQ(places_of<h::checksum>(), places(9, 1));
  EXPECT_EQ(h::oem_id::offset, 10U);
  EXPECT_EQ(h::oem_id::size, 6U);
  EXPECT_EQ(h::oem_table_id::offset, 16U);
  EXPECT_EQ(h::oem_table_id::size, 8U);
  EXPECT_EQ(places_of<h::oem_revision>(), places(24, 4));
  EXPECT_EQ(h::creator_id::offset, 28U);
  EXPECT_EQ(h::creator_id::size, 4U);
  EXPECT_EQ(places_of<h::creator_revision>(), places(32, 4));
  EXPECT_EQ(places_of<h::host_address_width>(), places(36, 1));
  EXPECT_EQ(places_of<h::flags>(), places(37, 1));
  EXPECT_EQ(h::reserved_offset, 38U);
  EXPECT_EQ(h::size, 48U);
  EXPECT_EQ(h::signature_text, "DMAR");
  EXPECT_EQ(h::interrupt_remapping, 1);
  EXPECT_EQ(h::x2apic_opt_out, 2);
  EXPECT_EQ(h::dma_control_opt_in, 4);
}

template <class Structure>
void expect_header() {
  EXPECT_EQ(places_of<typename Structure::type>(), places(0, 2));
  EXPECT_EQ(places_of<typename Structure::length>(), places(2, 2));
}

// VT-d 8.3 to 8.9.
TEST(remapping_structures, have_their_fields_where_the_specification_puts_them) {
  expect_header<structure_header>();
  EXPECT_EQ(structure_header::size, 4U);

  expect_header<drhd>();
  EXPECT_EQ(places_of<drhd::flags>(), places(4, 1));
  EXPECT_EQ(places_of<drhd::register_pages>(), places(5, 1));
  EXPECT_EQ(places_of<drhd::segment>(), places(6, 2));
  EXPECT_EQ(places_of<drhd::base>(), places(8, 8));
  EXPECT_EQ(drhd::size, 16U);
  EXPECT_EQ(drhd::include_pci_all, 1);

  expect_header<rmrr>();
  EXPECT_EQ(places_of<rmrr::segment>(), places(6, 2));
  EXPECT_EQ(places_of<rmrr::base>(), places(8, 8));
  EXPECT_EQ(places_of<rmrr::limit>(), places(16, 8));
  EXPECT_EQ(rmrr::size, 24U);

  expect_header<atsr>();
  EXPECT_EQ(places_of<atsr::flags>(), places(4, 1));
  EXPECT_EQ(places_of<atsr::segment>(), places(6, 2));
  EXPECT_EQ(atsr::size, 8U);
  EXPECT_EQ(atsr::all_ports, 1);

  expect_header<rhsa>();
  EXPECT_EQ(places_of<rhsa::base>(), places(8, 8));
  EXPECT_EQ(places_of<rhsa::proximity_domain>(), places(16, 4));
  EXPECT_EQ(rhsa::size, 20U);

  expect_header<andd>();
  EXPECT_EQ(places_of<andd::device_number>(), places(7, 1));
  EXPECT_EQ(andd::size, 8U);

  expect_header<satc>();
  EXPECT_EQ(places_of<satc::flags>(), places(4, 1));
  EXPECT_EQ(places_of<satc::segment>(), places(6, 2));
  EXPECT_EQ(satc::size, 8U);
  EXPECT_EQ(satc::atc_required, 1);

  expect_header<sidp>();
  EXPECT_EQ(places_of<sidp::segment>(), places(6, 2));
  EXPECT_EQ(sidp::size, 8U);
}

TEST(device_scope, has_its_fields_where_the_specification_puts_them) {
  EXPECT_EQ(places_of<device_scope::type>(), places(0, 1));
  EXPECT_EQ(places_of<device_scope::length>(), places(1, 1));
  EXPECT_EQ(places_of<device_scope::flags>(), places(2, 1));
  EXPECT_EQ(places_of<device_scope::enumeration_id>(), places(4, 1));
  EXPECT_EQ(places_of<device_scope::start_bus>(), places(5, 1));
  EXPECT_EQ(device_scope::size, 6U);
  EXPECT_EQ(device_scope::path_step_size, 2U);
  EXPECT_EQ(device_scope::nested_not_allowed, 1);
  EXPECT_EQ(device_scope::page_walk_snoop_not_allowed, 2);
  EXPECT_EQ(device_scope::page_snoop_not_allowed, 4);
  EXPECT_EQ(device_scope::atc_hardened, 8);
  EXPECT_EQ(device_scope::atc_required, 16);
}

TEST(structure_type, is_printed_by_its_acpi_name) {
  constexpr std::string_view names[] = {"DRHD", "RMRR", "ATSR", "RHSA", "ANDD", "SATC", "SIDP", "unknown"};
  for (std::size_t type = 0; type < std::size(names); ++type)
    EXPECT_EQ(to_string(static_cast<structure_type>(type)), names[type]);
  EXPECT_EQ(to_string(structure_type::drhd), "DRHD");
  EXPECT_EQ(to_string(structure_type::rmrr), "RMRR");
  EXPECT_EQ(to_string(structure_type::atsr), "ATSR");
  EXPECT_EQ(to_string(structure_type::rhsa), "RHSA");
  EXPECT_EQ(to_string(structure_type::andd), "ANDD");
  EXPECT_EQ(to_string(structure_type::satc), "SATC");
  EXPECT_EQ(to_string(structure_type::sidp), "SIDP");
  EXPECT_EQ(to_string(static_cast<structure_type>(0xffff)), "unknown");
}

TEST(scope_type, is_printed_by_what_it_names) {
  constexpr std::string_view names[] = {"unknown", "endpoint",    "bridge", "ioapic",
                                        "hpet",    "acpi-device", "unknown"};
  for (std::size_t type = 0; type < std::size(names); ++type)
    EXPECT_EQ(to_string(static_cast<scope_type>(type)), names[type]);
  EXPECT_EQ(to_string(scope_type::pci_endpoint), "endpoint");
  EXPECT_EQ(to_string(scope_type::pci_sub_hierarchy), "bridge");
  EXPECT_EQ(to_string(scope_type::ioapic), "ioapic");
  EXPECT_EQ(to_string(scope_type::msi_capable_hpet), "hpet");
  EXPECT_EQ(to_string(scope_type::acpi_namespace_device), "acpi-device");
  EXPECT_EQ(to_string(static_cast<scope_type>(0xff)), "unknown");
}

TEST(drhd, counts_register_pages_as_a_power_of_two) {
  EXPECT_EQ(drhd::register_bytes(0), 0x1000U);
  EXPECT_EQ(drhd::register_bytes(2), 0x4000U);
  EXPECT_EQ(drhd::register_bytes(0xf), 0x8000000U);
  EXPECT_EQ(drhd::register_bytes(0xf1), 0x2000U) << "the upper bits are reserved";
}

// A real table, written again from what it says: HP Compaq dc7800.

struct function {
  std::uint8_t device;
  std::uint8_t number;
};

std::span<std::byte> append(table& to, std::size_t bytes) {
  to.resize(to.size() + bytes);
  return std::span(to).last(bytes);
}

void append_scopes(table& to, const std::vector<function>& functions) {
  for (const function f : functions) {
    const auto scope = append(to, device_scope::size + device_scope::path_step_size);
    device_scope::type::set(scope, static_cast<std::uint8_t>(scope_type::pci_endpoint));
    device_scope::length::set(scope, static_cast<std::uint8_t>(scope.size()));
    scope[device_scope::size] = static_cast<std::byte>(f.device);
    scope[device_scope::size + 1] = static_cast<std::byte>(f.number);
  }
}

void append_unit(table& to, std::uint64_t base, std::uint8_t flags, const std::vector<function>& functions) {
  const auto unit = append(to, drhd::size);
  drhd::type::set(unit, static_cast<std::uint16_t>(structure_type::drhd));
  drhd::length::set(unit, static_cast<std::uint16_t>(drhd::size + 8 * functions.size()));
  drhd::flags::set(unit, flags);
  drhd::base::set(unit, base);
  append_scopes(to, functions);
}

void append_region(table& to, std::uint64_t base, std::uint64_t limit, function who) {
  const auto region = append(to, rmrr::size);
  rmrr::type::set(region, static_cast<std::uint16_t>(structure_type::rmrr));
  rmrr::length::set(region, rmrr::size + 8);
  rmrr::base::set(region, base);
  rmrr::limit::set(region, limit);
  append_scopes(to, {who});
}

table dc7800() {
  table out(dmar_header::size);
  dmar_header::signature::set(out, dmar_header::signature_text);
  dmar_header::revision::set(out, 1);
  dmar_header::oem_id::set(out, "COMPAQ");
  dmar_header::oem_table_id::set(out, "BEARLAKE");
  dmar_header::oem_revision::set(out, 1);
  dmar_header::host_address_width::set(out, 36 - 1);
  append_unit(out, 0xfed90000, 0, {{0x1b, 0}});
  append_unit(out, 0xfed91000, 0, {{0x02, 0}});
  append_unit(out, 0xfed92000, 0, {{0x03, 0}, {0x03, 2}, {0x03, 3}});
  append_unit(out, 0xfed93000, drhd::include_pci_all, {});
  append_region(out, 0xdf600000, 0xdfffffff, {0x02, 0});
  const struct {
    std::uint64_t base;
    function controller;
  } usb[] = {{0xdefd0000, {0x1d, 7}}, {0xdefd1000, {0x1a, 7}}, {0xdefd2000, {0x1d, 0}},
             {0xdefd3000, {0x1d, 1}}, {0xdefd5000, {0x1a, 0}}, {0xdefd6000, {0x1a, 1}},
             {0xdefd7000, {0x1a, 2}}};
  for (const auto& region : usb)
    append_region(out, region.base, region.base + 0xfff, region.controller);
  dmar_header::length::set(out, static_cast<std::uint32_t>(out.size()));
  set_checksum(out);
  return out;
}

TEST(dmar_table, of_a_dc7800_comes_out_with_the_length_and_the_checksum_of_the_firmware) {
  const table bytes = dc7800();
  EXPECT_EQ(bytes.size(), 0x198U);
  EXPECT_EQ(dmar_header::length::get(bytes), 0x198U);
  EXPECT_EQ(dmar_header::checksum::get(bytes), 0x0f);
  EXPECT_EQ(byte_sum(bytes), 0);
  EXPECT_TRUE(dmar_header::oem_id::equals(bytes, "COMPAQ"));
  EXPECT_TRUE(dmar_header::oem_table_id::equals(bytes, "BEARLAKE"));
  EXPECT_EQ(byte_at(bytes, 0x24), 0x23) << "host address width";
  // Some bytes where the firmware has them.
  EXPECT_EQ(byte_at(bytes, 0x32), 0x18) << "length of the first unit";
  EXPECT_EQ(byte_at(bytes, 0x3a), 0xd9) << "its base";
  EXPECT_EQ(byte_at(bytes, 0x46), 0x1b) << "its device";
  EXPECT_EQ(byte_at(bytes, 0x8c), 0x01) << "the last unit takes the rest";
  EXPECT_EQ(byte_at(bytes, 0xab), 0xdf) << "limit of the region for graphics";
  EXPECT_EQ(byte_at(bytes, 0x197), 0x02) << "function of the last scope";
}

TEST(dmar_table, of_a_dc7800_is_walked_by_lengths_to_its_end) {
  const table bytes = dc7800();
  std::vector<std::uint64_t> bases;
  std::vector<std::uint64_t> sizes;
  std::size_t at = dmar_header::size;
  while (at < bytes.size()) {
    const auto s = std::span(bytes).subspan(at);
    if (structure_header::type::get(s) == static_cast<std::uint16_t>(structure_type::drhd)) {
      bases.push_back(drhd::base::get(s));
    } else {
      ASSERT_EQ(structure_header::type::get(s), static_cast<std::uint16_t>(structure_type::rmrr));
      sizes.push_back(rmrr::limit::get(s) - rmrr::base::get(s) + 1);
    }
    at += structure_header::length::get(s);
  }
  EXPECT_EQ(at, bytes.size());
  EXPECT_EQ(bases, (std::vector<std::uint64_t>{0xfed90000, 0xfed91000, 0xfed92000, 0xfed93000}));
  EXPECT_EQ(sizes,
            (std::vector<std::uint64_t>{0xa00000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000}));
}

// A text takes its own bytes and none of its neighbour's.
TEST(text_field, ends_where_it_says) {
  std::array<std::byte, 5> bytes{};
  bytes.fill(std::byte{0x55});
  using field = text_field<0, 4>;
  field::set(bytes, "abcdefgh");
  EXPECT_EQ(bytes[3], std::byte{'d'});
  EXPECT_EQ(bytes[4], std::byte{0x55});
  field::set(bytes, "ab");
  EXPECT_EQ(bytes[4], std::byte{0x55});
  EXPECT_TRUE(field::equals(bytes, "ab")) << "whatever stands behind it";
}

} // namespace
} // namespace vtd::spec::acpi
