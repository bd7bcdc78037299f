// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/dmar_parser.h"

#include "vtd/driver/error.h"
#include "vtd/driver/text.h"
#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

namespace vtd::driver {

namespace acpi = spec::acpi;
using bytes = std::span<const std::byte>;

namespace {

/// Reads one table; keeps what it finds in `info`.
class parser {
public:
  explicit parser(bytes table) : table_(table) {}

  dmar_info run() {
    read_header();
    std::size_t at = acpi::dmar_header::size;
    unsigned last_type = 0;
    while (at < table_.size()) {
      if (table_.size() - at < acpi::structure_header::size) {
        throw dmar_error(printed("DMAR: offset 0x%zx: %zu bytes left, expected a structure of at least 4", at,
                                 table_.size() - at));
      }
      const bytes rest = table_.subspan(at);
      const std::size_t length = acpi::structure_header::length::get(rest);
      if (length < acpi::structure_header::size || length > rest.size()) {
        throw dmar_error(printed("DMAR: offset 0x%zx: structure length is %zu, expected 4 to %zu", at, length,
                                 rest.size()));
      }
      const unsigned type = acpi::structure_header::type::get(rest);
      if (type < last_type && type <= static_cast<unsigned>(acpi::structure_type::sidp)) {
        warn(dmar_warning_kind::structures_out_of_order, at,
             printed("type %u after type %u", type, last_type));
      }
      last_type = std::max(last_type, type);
      read_structure(rest.first(length), type, at);
      at += length;
    }
    check_whole();
    return std::move(info_);
  }

private:
  void warn(dmar_warning_kind kind, std::size_t at, const std::string& text) {
    info_.warnings.push_back(
        {kind, printed("offset 0x%zx: %s: %s", at, std::string(warning_name(kind)).c_str(), text.c_str())});
  }

  [[nodiscard]] std::string text_at(std::size_t offset, std::size_t size) const {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
      const auto c = std::to_integer<unsigned char>(table_[offset + i]);
      text += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : ' ';
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

  void read_header() {
    using h = acpi::dmar_header;
    if (table_.size() < h::size) {
      throw dmar_error(printed("DMAR: table of %zu bytes, expected at least %zu", table_.size(), h::size));
    }
    if (!h::signature::equals(table_, h::signature_text)) {
      throw dmar_error(
          printed("DMAR: offset 0x0: signature is \"%s\", expected \"DMAR\"", text_at(0, 4).c_str()));
    }
    const std::size_t length = h::length::get(table_);
    if (length < h::size || length > table_.size()) {
      throw dmar_error(
          printed("DMAR: offset 0x4: length is %zu, expected %zu to %zu", length, h::size, table_.size()));
    }
    if (length < table_.size()) {
      warn(dmar_warning_kind::trailing_bytes, length,
           printed("%zu bytes after the table, ignored", table_.size() - length));
    }
    table_ = table_.first(length);
    if (const unsigned sum = acpi::byte_sum(table_); sum != 0) {
      throw dmar_error(printed("DMAR: offset 0x9: checksum is 0x%02x, expected 0x%02x",
                               h::checksum::get(table_), (h::checksum::get(table_) - sum) & 0xff));
    }
    info_.revision = h::revision::get(table_);
    if (info_.revision == 0) warn(dmar_warning_kind::unexpected_revision, 8, "revision is 0");
    info_.oem_id = text_at(h::oem_id::offset, h::oem_id::size);
    info_.oem_table_id = text_at(h::oem_table_id::offset, h::oem_table_id::size);
    info_.oem_revision = h::oem_revision::get(table_);
    info_.host_address_width = h::host_address_width::get(table_) + 1U;
    info_.flags = h::flags::get(table_);
    for (std::size_t i = h::reserved_offset; i < h::size; ++i) {
      if (table_[i] == std::byte{0}) continue;
      warn(dmar_warning_kind::reserved_not_zero, i, "a reserved byte is not 0");
      break;
    }
  }

  void read_structure(bytes s, unsigned type, std::size_t at) {
    switch (static_cast<acpi::structure_type>(type)) {
    case acpi::structure_type::drhd:
      if (long_enough(s, acpi::drhd::size, at)) read_unit(s, at);
      return;
    case acpi::structure_type::rmrr:
      if (long_enough(s, acpi::rmrr::size, at)) read_region(s, at);
      return;
    case acpi::structure_type::atsr:
      if (long_enough(s, acpi::atsr::size, at)) {
        ats_info out{at, acpi::atsr::flags::get(s), acpi::atsr::segment::get(s), false, {}};
        out.all_ports = (out.flags & acpi::atsr::all_ports) != 0;
        out.scopes = read_scopes(s, acpi::atsr::size, at);
        info_.ats.push_back(std::move(out));
      }
      return;
    case acpi::structure_type::rhsa:
      if (long_enough(s, acpi::rhsa::size, at)) {
        info_.affinities.push_back({at, acpi::rhsa::base::get(s), acpi::rhsa::proximity_domain::get(s)});
      }
      return;
    case acpi::structure_type::andd:
      if (long_enough(s, acpi::andd::size, at)) read_acpi_device(s, at);
      return;
    case acpi::structure_type::satc:
    case acpi::structure_type::sidp:
      if (long_enough(s, acpi::satc::size, at)) {
        device_property_info out{
            at, static_cast<std::uint16_t>(type), acpi::satc::flags::get(s), acpi::satc::segment::get(s), {}};
        out.scopes = read_scopes(s, acpi::satc::size, at);
        info_.device_properties.push_back(std::move(out));
      }
      return;
    }
    info_.unknown.push_back({at, static_cast<std::uint16_t>(type), static_cast<std::uint16_t>(s.size())});
    warn(dmar_warning_kind::unknown_structure, at, printed("type %u of %zu bytes, skipped", type, s.size()));
  }

  bool long_enough(bytes s, std::size_t size, std::size_t at) {
    if (s.size() >= size) return true;
    warn(dmar_warning_kind::short_structure, at,
         printed("type %u of %zu bytes, expected at least %zu; skipped", acpi::structure_header::type::get(s),
                 s.size(), size));
    return false;
  }

  std::vector<scope_info> read_scopes(bytes s, std::size_t begin, std::size_t at) {
    std::vector<scope_info> out;
    using entry = acpi::device_scope;
    while (begin < s.size()) {
      const bytes rest = s.subspan(begin);
      const std::size_t length = rest.size() < entry::size ? 0 : entry::length::get(rest);
      const bool whole = length >= entry::size + entry::path_step_size && length <= rest.size() &&
                         (length - entry::size) % entry::path_step_size == 0;
      if (!whole) {
        warn(dmar_warning_kind::bad_scope_length, at + begin,
             printed("scope of %zu bytes where %zu are left; the rest of the structure is skipped", length,
                     rest.size()));
        return out;
      }
      scope_info scope;
      scope.type = entry::type::get(rest);
      scope.flags = entry::flags::get(rest);
      scope.enumeration_id = entry::enumeration_id::get(rest);
      scope.start_bus = entry::start_bus::get(rest);
      for (std::size_t i = entry::size; i < length; i += entry::path_step_size) {
        scope.path.push_back(
            {std::to_integer<std::uint8_t>(rest[i]), std::to_integer<std::uint8_t>(rest[i + 1])});
      }
      if (scope.type == 0 || scope.type > static_cast<unsigned>(acpi::scope_type::acpi_namespace_device)) {
        warn(dmar_warning_kind::unknown_scope_type, at + begin, printed("scope type %u", scope.type));
      }
      out.push_back(std::move(scope));
      begin += length;
    }
    return out;
  }

  [[nodiscard]] bool fits_width(std::uint64_t address) const {
    return info_.host_address_width >= 64 || address >> info_.host_address_width == 0;
  }

  void check_width(std::uint64_t address, std::size_t at) {
    if (fits_width(address)) return;
    warn(dmar_warning_kind::address_beyond_width, at,
         printed("0x%" PRIx64 " does not fit %u bits", address, info_.host_address_width));
  }

  void read_unit(bytes s, std::size_t at) {
    unit_info out;
    out.offset = at;
    out.flags = acpi::drhd::flags::get(s);
    out.size = static_cast<std::uint8_t>(acpi::drhd::register_pages::get(s) & 0xf);
    out.segment = acpi::drhd::segment::get(s);
    out.base = acpi::drhd::base::get(s);
    out.include_all = (out.flags & acpi::drhd::include_pci_all) != 0;
    out.scopes = read_scopes(s, acpi::drhd::size, at);
    check_width(out.base, at);
    const auto ignore = [&](dmar_warning_kind kind, const std::string& text) {
      warn(kind, at, text + "; the unit is left out");
      info_.ignored_units.push_back(out);
    };
    if (out.base == 0) return ignore(dmar_warning_kind::zero_unit_base, "register base is 0");
    if (out.base % spec::page_size != 0) {
      return ignore(dmar_warning_kind::unaligned_unit_base, printed("register base 0x%" PRIx64, out.base));
    }
    for (const unit_info& other : info_.units) {
      if (other.base == out.base) {
        return ignore(dmar_warning_kind::duplicate_unit_base,
                      printed("register base 0x%" PRIx64 " is there already", out.base));
      }
      if (other.segment != out.segment || !other.include_all) continue;
      if (out.include_all) {
        warn(dmar_warning_kind::several_include_all, at,
             printed("second include-all unit of segment %u", out.segment));
      } else {
        warn(dmar_warning_kind::include_all_not_last, at,
             printed("a unit after the include-all unit of segment %u", out.segment));
      }
    }
    const auto is_pci = [](const scope_info& scope) {
      return scope.type == static_cast<unsigned>(acpi::scope_type::pci_endpoint) ||
             scope.type == static_cast<unsigned>(acpi::scope_type::pci_sub_hierarchy);
    };
    if (out.include_all && std::any_of(out.scopes.begin(), out.scopes.end(), is_pci)) {
      warn(dmar_warning_kind::include_all_with_pci, at, "the include-all unit names PCI devices");
    }
    if (!out.include_all && out.scopes.empty())
      warn(dmar_warning_kind::empty_scope, at, "the unit covers no device");
    info_.units.push_back(std::move(out));
  }

  void read_region(bytes s, std::size_t at) {
    reserved_region_info out;
    out.offset = at;
    out.segment = acpi::rmrr::segment::get(s);
    out.base = acpi::rmrr::base::get(s);
    out.limit = acpi::rmrr::limit::get(s);
    out.scopes = read_scopes(s, acpi::rmrr::size, at);
    const std::string range = printed("0x%" PRIx64 " to 0x%" PRIx64, out.base, out.limit);
    check_width(out.limit, at);
    // A base of 0 has no address below it, so that no limit makes the region empty.
    if (out.base != 0 && out.limit == out.base - 1) {
      warn(dmar_warning_kind::region_empty, at, range + ", left out");
      out.usable = false;
    } else if (out.limit < out.base) {
      warn(dmar_warning_kind::region_reversed, at, range + ", left out");
      out.usable = false;
    } else if (!fits_width(out.limit)) {
      // check_width said so already: nothing has a table for these addresses.
      out.usable = false;
    } else if (spec::touches_interrupt_range(out.base, out.limit - out.base + 1)) {
      // What goes there are interrupt messages, never memory. VT-d 3.14
      warn(dmar_warning_kind::region_over_interrupts, at,
           range + printed(" meets the interrupt addresses 0x%" PRIx64 " to 0x%" PRIx64 ", left out",
                           spec::interrupt_range_first, spec::interrupt_range_last));
      out.usable = false;
    } else if (out.base % spec::page_size != 0 || (out.limit + 1) % spec::page_size != 0) {
      warn(dmar_warning_kind::region_unaligned, at, range + ", widened to whole pages");
    }
    if (out.scopes.empty()) warn(dmar_warning_kind::region_without_scope, at, range + " names no device");
    for (const reserved_region_info& other : info_.reserved_regions) {
      if (!out.usable || !other.usable || other.segment != out.segment) continue;
      if (out.base <= other.limit && other.base <= out.limit) {
        warn(dmar_warning_kind::region_overlap, at,
             range + printed(" overlaps the region at offset 0x%zx", other.offset));
      }
    }
    info_.reserved_regions.push_back(std::move(out));
  }

  void read_acpi_device(bytes s, std::size_t at) {
    acpi_device_info out;
    out.offset = at;
    out.number = acpi::andd::device_number::get(s);
    bool ended = false;
    for (std::size_t i = acpi::andd::size; i < s.size() && !ended; ++i) {
      const auto c = std::to_integer<unsigned char>(s[i]);
      ended = c == 0;
      if (!ended) out.path += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?';
    }
    if (!ended) warn(dmar_warning_kind::name_not_terminated, at, "the name has no end");
    for (const acpi_device_info& other : info_.acpi_devices) {
      if (other.number == out.number)
        warn(dmar_warning_kind::duplicate_acpi_device, at, printed("number %u", out.number));
    }
    info_.acpi_devices.push_back(std::move(out));
  }

  void check_whole() {
    if (info_.units.empty()) warn(dmar_warning_kind::no_units, 0, "the table names no usable unit");
    for (const affinity_info& affinity : info_.affinities) {
      const auto has_base = [&](const unit_info& u) { return u.base == affinity.base; };
      if (std::none_of(info_.units.begin(), info_.units.end(), has_base)) {
        warn(dmar_warning_kind::affinity_without_unit, affinity.offset,
             printed("no unit at 0x%" PRIx64, affinity.base));
      }
    }
  }

  bytes table_;
  dmar_info info_;
};

// --- The way to the table (ACPI 6.5, 5.2.5 to 5.2.8) ---

constexpr std::uint64_t root_pointer_begin = 0xe0000;
constexpr std::uint64_t root_pointer_end = 0x100000;
constexpr std::size_t root_pointer_step = 16;

struct root_pointer {
  using signature = acpi::text_field<0, 8>;
  using revision = acpi::table_field<15, std::uint8_t>;
  using rsdt = acpi::table_field<16, std::uint32_t>;
  using xsdt = acpi::table_field<24, std::uint64_t>;
  static constexpr std::size_t size = 20;
  static constexpr std::size_t extended_size = 36;
};

constexpr std::size_t table_header_size = 36;
constexpr std::size_t largest_table = 1 << 20;

} // namespace

dmar_info parse_dmar(bytes table) { return parser(table).run(); }

std::vector<std::byte> load_table(hardware& machine, std::uint64_t address) {
  std::vector<std::byte> table(table_header_size);
  if (!machine.load(address, table))
    throw dmar_error(printed("ACPI: 0x%" PRIx64 ": no memory, expected a table", address));
  const std::size_t length = acpi::dmar_header::length::get(table);
  if (length < table_header_size || length > largest_table) {
    throw dmar_error(printed("ACPI: 0x%" PRIx64 ": table length is %zu, expected %zu to %zu", address, length,
                             table_header_size, largest_table));
  }
  table.resize(length);
  if (!machine.load(address, table)) {
    throw dmar_error(printed("ACPI: 0x%" PRIx64 ": no memory for %zu bytes of a table", address, length));
  }
  return table;
}

std::optional<std::uint64_t> find_dmar(hardware& machine) {
  for (std::uint64_t at = root_pointer_begin; at < root_pointer_end; at += root_pointer_step) {
    std::vector<std::byte> pointer(root_pointer::extended_size);
    if (!machine.load(at, pointer) || !root_pointer::signature::equals(pointer, "RSD PTR ")) continue;
    if (acpi::byte_sum(bytes(pointer).first(root_pointer::size)) != 0) continue;
    const bool extended = root_pointer::revision::get(pointer) >= 2 && root_pointer::xsdt::get(pointer) != 0;
    const std::uint64_t list_address =
        extended ? root_pointer::xsdt::get(pointer) : root_pointer::rsdt::get(pointer);
    const std::vector<std::byte> list = load_table(machine, list_address);
    if (acpi::byte_sum(list) != 0) {
      throw dmar_error(printed(
          "ACPI: 0x%" PRIx64 ": checksum of the table list is wrong, expected a sum of 0", list_address));
    }
    const std::size_t width = extended ? 8 : 4;
    for (std::size_t i = table_header_size; i + width <= list.size(); i += width) {
      const bytes entry = bytes(list).subspan(i);
      const std::uint64_t table = extended ? acpi::table_field<0, std::uint64_t>::get(entry)
                                           : acpi::table_field<0, std::uint32_t>::get(entry);
      std::vector<std::byte> head(4);
      if (machine.load(table, head) && acpi::dmar_header::signature::equals(head, "DMAR")) return table;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

} // namespace vtd::driver
