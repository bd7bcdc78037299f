// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ACPI DMAR table as bytes (VT-d chapter 8): where each field stands. A table is read and written through
// the same fields. Everything is little-endian and packed; offsets count from the start of the table or of
// the structure. Who reads a table of unknown origin checks lengths first: a field does not.

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace vtd::spec::acpi {

/// A field of a table: an unsigned integer of sizeof(Word) bytes at Offset. The span must reach that far.
template <std::size_t Offset, class Word>
struct table_field {
  static constexpr std::size_t offset = Offset;
  static constexpr std::size_t size = sizeof(Word);
  static constexpr std::size_t end = Offset + sizeof(Word);
  [[nodiscard]] static constexpr Word get(std::span<const std::byte> from) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= std::to_integer<std::uint64_t>(from[offset + i]) << (8 * i);
    return static_cast<Word>(value);
  }
  static constexpr void set(std::span<std::byte> to, Word value) {
    for (std::size_t i = 0; i < size; ++i) {
      to[offset + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
    }
  }
};

/// A field of characters, padded on the right with what the writer chose.
template <std::size_t Offset, std::size_t Length>
struct text_field {
  static constexpr std::size_t offset = Offset;
  static constexpr std::size_t size = Length;
  static constexpr std::size_t end = Offset + Length;
  /// Writes the text, cut to the field's length; the rest becomes `padding`.
  static constexpr void set(std::span<std::byte> to, std::string_view text, char padding = '\0') {
    for (std::size_t i = 0; i < size; ++i) {
      to[offset + i] = static_cast<std::byte>(i < text.size() ? text[i] : padding);
    }
  }
  /// All characters, padding too.
  [[nodiscard]] static constexpr std::array<char, Length> get(std::span<const std::byte> from) {
    std::array<char, Length> text{};
    for (std::size_t i = 0; i < size; ++i)
      text[i] = std::to_integer<char>(from[offset + i]);
    return text;
  }
  /// Is it this text, padded with zeros?
  [[nodiscard]] static constexpr bool equals(std::span<const std::byte> from, std::string_view text) {
    for (std::size_t i = 0; i < size; ++i) {
      if (from[offset + i] != static_cast<std::byte>(i < text.size() ? text[i] : '\0')) return false;
    }
    return true;
  }
};

/// The header common to all ACPI tables, and what DMAR adds to it (VT-d 8.1).
struct dmar_header {
  using signature = text_field<0, 4>;
  using length = table_field<4, std::uint32_t>;
  using revision = table_field<8, std::uint8_t>;
  using checksum = table_field<9, std::uint8_t>;
  using oem_id = text_field<10, 6>;
  using oem_table_id = text_field<16, 8>;
  using oem_revision = table_field<24, std::uint32_t>;
  using creator_id = text_field<28, 4>;
  using creator_revision = table_field<32, std::uint32_t>;
  /// Host address width minus one.
  using host_address_width = table_field<36, std::uint8_t>;
  using flags = table_field<37, std::uint8_t>;
  static constexpr std::size_t reserved_offset = 38;
  static constexpr std::size_t size = 48;
  static constexpr std::string_view signature_text = "DMAR";

  static constexpr std::uint8_t interrupt_remapping = 1 << 0;
  static constexpr std::uint8_t x2apic_opt_out = 1 << 1;
  static constexpr std::uint8_t dma_control_opt_in = 1 << 2;
};

/// Types of remapping structures (VT-d 8.2).
enum class structure_type : std::uint16_t {
  drhd = 0,
  rmrr = 1,
  atsr = 2,
  rhsa = 3,
  andd = 4,
  satc = 5,
  sidp = 6
};

[[nodiscard]] constexpr std::string_view to_string(structure_type type) {
  constexpr std::string_view names[] = {"DRHD", "RMRR", "ATSR", "RHSA", "ANDD", "SATC", "SIDP"};
  return static_cast<std::size_t>(type) < std::size(names) ? names[static_cast<std::size_t>(type)]
                                                           : "unknown";
}

/// Every structure begins so.
struct structure_header {
  using type = table_field<0, std::uint16_t>;
  using length = table_field<2, std::uint16_t>;
  static constexpr std::size_t size = 4;
};

/// DMA-remapping hardware unit definition (VT-d 8.3).
struct drhd : structure_header {
  using flags = table_field<4, std::uint8_t>;
  /// Bits 3:0: pages of the register block as a power of two. Reserved before rev 4.0.
  using register_pages = table_field<5, std::uint8_t>;
  using segment = table_field<6, std::uint16_t>;
  using base = table_field<8, std::uint64_t>;
  static constexpr std::size_t size = 16;
  static constexpr std::uint8_t include_pci_all = 1 << 0;
  /// Bytes of the register block for a value of `register_pages`.
  [[nodiscard]] static constexpr std::uint64_t register_bytes(std::uint8_t pages) {
    return std::uint64_t{4096} << (pages & 0xfU);
  }
};

/// Reserved memory region reporting (VT-d 8.4). The limit is the last byte.
struct rmrr : structure_header {
  using segment = table_field<6, std::uint16_t>;
  using base = table_field<8, std::uint64_t>;
  using limit = table_field<16, std::uint64_t>;
  static constexpr std::size_t size = 24;
};

/// Root-port ATS capability reporting (VT-d 8.5).
struct atsr : structure_header {
  using flags = table_field<4, std::uint8_t>;
  using segment = table_field<6, std::uint16_t>;
  static constexpr std::size_t size = 8;
  static constexpr std::uint8_t all_ports = 1 << 0;
};

/// Remapping hardware static affinity (VT-d 8.6).
struct rhsa : structure_header {
  using base = table_field<8, std::uint64_t>;
  using proximity_domain = table_field<16, std::uint32_t>;
  static constexpr std::size_t size = 20;
};

/// ACPI namespace device declaration (VT-d 8.7). The name follows, ended by a zero.
struct andd : structure_header {
  using device_number = table_field<7, std::uint8_t>;
  static constexpr std::size_t size = 8;
};

/// SoC integrated address translation cache (VT-d 8.8).
struct satc : structure_header {
  using flags = table_field<4, std::uint8_t>;
  using segment = table_field<6, std::uint16_t>;
  static constexpr std::size_t size = 8;
  /// The listed devices work with their translation caches on only.
  static constexpr std::uint8_t atc_required = 1 << 0;
};

/// SoC integrated device property (VT-d 8.9).
struct sidp : structure_header {
  using segment = table_field<6, std::uint16_t>;
  static constexpr std::size_t size = 8;
};

/// Types of device scope entries (VT-d 8.3.1).
enum class scope_type : std::uint8_t {
  pci_endpoint = 1,
  pci_sub_hierarchy = 2,
  ioapic = 3,
  msi_capable_hpet = 4,
  acpi_namespace_device = 5
};

[[nodiscard]] constexpr std::string_view to_string(scope_type type) {
  constexpr std::array<std::string_view, 6> names{"unknown", "endpoint", "bridge",
                                                  "ioapic",  "hpet",     "acpi-device"};
  return static_cast<std::size_t>(type) < std::size(names) ? names[static_cast<std::size_t>(type)]
                                                           : "unknown";
}

/// Device scope entry (VT-d 8.3.1); two bytes of device and function for each step of the path follow.
struct device_scope {
  using type = table_field<0, std::uint8_t>;
  using length = table_field<1, std::uint8_t>;
  /// Property flags, in SIDP only.
  using flags = table_field<2, std::uint8_t>;
  using enumeration_id = table_field<4, std::uint8_t>;
  using start_bus = table_field<5, std::uint8_t>;
  static constexpr std::size_t size = 6;
  static constexpr std::size_t path_step_size = 2;

  // Flags in SIDP, rev 4.0; the first three for requests without PASID.
  static constexpr std::uint8_t nested_not_allowed = 1 << 0;
  static constexpr std::uint8_t page_walk_snoop_not_allowed = 1 << 1;
  static constexpr std::uint8_t page_snoop_not_allowed = 1 << 2;
  static constexpr std::uint8_t atc_hardened = 1 << 3;
  static constexpr std::uint8_t atc_required = 1 << 4;
};

/// The sum of all bytes; 0 for a table whose checksum is right.
[[nodiscard]] constexpr std::uint8_t byte_sum(std::span<const std::byte> table) {
  unsigned sum = 0;
  for (const std::byte b : table)
    sum += std::to_integer<unsigned>(b);
  return static_cast<std::uint8_t>(sum);
}
/// Sets the checksum so that the sum becomes 0.
constexpr void set_checksum(std::span<std::byte> table) {
  dmar_header::checksum::set(table, 0);
  dmar_header::checksum::set(table, static_cast<std::uint8_t>(0U - byte_sum(table)));
}

} // namespace vtd::spec::acpi
