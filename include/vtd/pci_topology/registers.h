// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where things stand in configuration space (PCI 3.0 chapter 6, PCI-to-PCI Bridge 1.2 chapter 3, PCIe 2.0
// chapter 7).

#include <cstdint>

namespace vtd::pci_topology::reg {

inline constexpr unsigned vendor_id = 0x00;
inline constexpr unsigned device_id = 0x02;
inline constexpr unsigned command = 0x04;
inline constexpr unsigned status = 0x06;
inline constexpr unsigned revision = 0x08;
inline constexpr unsigned class_code = 0x09;
inline constexpr unsigned cache_line_size = 0x0c;
inline constexpr unsigned latency_timer = 0x0d;
inline constexpr unsigned header_type = 0x0e;
inline constexpr unsigned bar0 = 0x10;
inline constexpr unsigned subsystem_vendor_id = 0x2c;
inline constexpr unsigned subsystem_id = 0x2e;
inline constexpr unsigned expansion_rom = 0x30;
inline constexpr unsigned capability_pointer = 0x34;
inline constexpr unsigned interrupt_line = 0x3c;
inline constexpr unsigned interrupt_pin = 0x3d;

// Bridges (header type 1).
inline constexpr unsigned primary_bus = 0x18;
inline constexpr unsigned secondary_bus = 0x19;
inline constexpr unsigned subordinate_bus = 0x1a;
inline constexpr unsigned io_base = 0x1c;
inline constexpr unsigned io_limit = 0x1d;
inline constexpr unsigned secondary_status = 0x1e;
inline constexpr unsigned memory_base = 0x20;
inline constexpr unsigned memory_limit = 0x22;
inline constexpr unsigned prefetchable_base = 0x24;
inline constexpr unsigned prefetchable_limit = 0x26;
inline constexpr unsigned prefetchable_base_upper = 0x28;
inline constexpr unsigned prefetchable_limit_upper = 0x2c;
inline constexpr unsigned bridge_expansion_rom = 0x38;
inline constexpr unsigned bridge_control = 0x3e;

// Bits.
inline constexpr std::uint32_t command_io = 1U << 0;
inline constexpr std::uint32_t command_memory = 1U << 1;
inline constexpr std::uint32_t command_bus_master = 1U << 2;
inline constexpr std::uint32_t command_writable = 0x0547;
inline constexpr std::uint32_t status_capabilities = 1U << 4;
inline constexpr std::uint32_t status_write_one_to_clear = 0xf900;
inline constexpr std::uint32_t header_multifunction = 1U << 7;
inline constexpr std::uint32_t header_bridge = 1;
inline constexpr std::uint32_t bar_io = 1U << 0;
inline constexpr std::uint32_t bar_64_bit = 1U << 2;
inline constexpr std::uint32_t bar_prefetchable = 1U << 3;
inline constexpr std::uint32_t bridge_control_writable = 0x0fff;
inline constexpr std::uint32_t bridge_secondary_reset = 1U << 6;

// Message signalled interrupts (PCI 3.0 6.8.1), from the capability on.
inline constexpr unsigned msi_control = 2;
inline constexpr unsigned msi_address = 4;
inline constexpr unsigned msi_address_upper = 8;
inline constexpr std::uint32_t msi_enable = 1U << 0;
inline constexpr std::uint32_t msi_64_bit = 1U << 7;
inline constexpr std::uint32_t msi_maskable = 1U << 8;

// PCI Express capability (PCIe 2.0 7.8), from the capability on.
inline constexpr unsigned express_flags = 2;
inline constexpr unsigned express_device_capabilities = 4;
inline constexpr unsigned express_device_control = 8;
inline constexpr unsigned express_link_capabilities = 12;
inline constexpr unsigned express_link_status = 18;
inline constexpr std::uint32_t express_function_level_reset = 1U << 28;
inline constexpr std::uint32_t express_initiate_reset = 1U << 15;

// Address translation services: id of the extended capability; its registers are
// `spec::ats::function_registers`.
inline constexpr std::uint32_t ats_id = 0x000f;

inline constexpr unsigned extended_capabilities = 0x100;

} // namespace vtd::pci_topology::reg
