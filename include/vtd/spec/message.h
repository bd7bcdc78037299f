// SPDX-License-Identifier: Apache-2.0
#pragma once

// Interrupt messages as they travel: a dword write into the interrupt range (VT-d 5.1.2).

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <cstdint>

namespace vtd::spec {

/// Delivery mode of a compatibility-format message.
enum class delivery_mode : std::uint8_t {
  fixed = 0,
  lowest_priority = 1,
  smi = 2,
  nmi = 4,
  init = 5,
  ext_int = 7
};

/// An interrupt message: the write's address and its dword.
struct msi_message {
  std::uint64_t address = 0;
  std::uint32_t data = 0;

  // Both formats (VT-d 5.1.2): bit 4 of the address tells them apart.
  using interrupt_format_field = field<4, 4>;
  using range_field = field<31, 20>;

  // Compatibility format (VT-d 5.1.2.1).
  using destination_field = field<19, 12>;
  // Bits 31:8 of the destination in a unit's own events, where APIC ids have 32 bits (VT-d 10.4.13).
  using destination_high_field = field<63, 40>;
  using redirection_hint_field = field<3, 3>;
  using destination_mode_field = field<2, 2>;
  using vector_field = field<7, 0, std::uint32_t>;
  using delivery_mode_field = field<10, 8, std::uint32_t>;
  using level_field = field<14, 14, std::uint32_t>;
  using trigger_mode_field = field<15, 15, std::uint32_t>;

  // Remappable format (VT-d 5.1.2.2): handle bits 14:0 and 15, SHV, subhandle.
  using handle_low_field = field<19, 5>;
  using handle_high_field = field<2, 2>;
  using subhandle_valid_field = field<3, 3>;
  using subhandle_field = field<15, 0, std::uint32_t>;

  /// The message that the address, upper address and data registers of an event hold (VT-d 10.4.11
  /// to 10.4.13).
  [[nodiscard]] static constexpr msi_message from_registers(std::uint32_t address,
                                                            std::uint32_t upper_address, std::uint32_t data) {
    return {std::uint64_t{upper_address} << 32 | address, data};
  }

  [[nodiscard]] constexpr bool is_remappable() const { return interrupt_format_field::get(address) != 0; }
  [[nodiscard]] constexpr std::uint8_t destination() const {
    return static_cast<std::uint8_t>(destination_field::get(address));
  }
  /// With the upper bits that only a unit's own events have.
  [[nodiscard]] constexpr std::uint32_t extended_destination() const {
    return static_cast<std::uint32_t>(destination_high_field::get(address) << 8 |
                                      destination_field::get(address));
  }
  [[nodiscard]] constexpr bool redirection_hint() const { return redirection_hint_field::get(address) != 0; }
  [[nodiscard]] constexpr bool logical_destination() const {
    return destination_mode_field::get(address) != 0;
  }
  [[nodiscard]] constexpr std::uint8_t vector() const {
    return static_cast<std::uint8_t>(vector_field::get(data));
  }
  [[nodiscard]] constexpr delivery_mode mode() const {
    return static_cast<delivery_mode>(delivery_mode_field::get(data));
  }
  [[nodiscard]] constexpr bool is_asserted() const { return level_field::get(data) != 0; }
  [[nodiscard]] constexpr bool is_level() const { return trigger_mode_field::get(data) != 0; }
  [[nodiscard]] constexpr std::uint16_t handle() const {
    return static_cast<std::uint16_t>(handle_low_field::get(address) | handle_high_field::get(address) << 15);
  }
  [[nodiscard]] constexpr bool subhandle_valid() const { return subhandle_valid_field::get(address) != 0; }
  [[nodiscard]] constexpr std::uint16_t subhandle() const {
    return static_cast<std::uint16_t>(subhandle_field::get(data));
  }
  /// The interrupt index that a remappable message names (VT-d 5.1.3); beyond 65535 it fits no table.
  [[nodiscard]] constexpr std::uint32_t index() const {
    return std::uint32_t{handle()} + (subhandle_valid() ? subhandle() : 0U);
  }

  /// A fixed, edge-triggered message to one CPU by its physical 8-bit APIC id.
  [[nodiscard]] static constexpr msi_message to_cpu(std::uint8_t apic_id, std::uint8_t vector) {
    return {destination_field::set(interrupt_range_first, apic_id), vector_field::of(vector)};
  }
  /// The same to a 32-bit APIC id.
  [[nodiscard]] static constexpr msi_message to_extended_cpu(std::uint32_t apic_id, std::uint8_t vector) {
    const msi_message low = to_cpu(static_cast<std::uint8_t>(apic_id & 0xffU), vector);
    return {destination_high_field::set(low.address, apic_id >> 8U), low.data};
  }
  /// A remappable message; `handle` is the index of the interrupt remapping table entry.
  [[nodiscard]] static constexpr msi_message to_handle(std::uint16_t handle) {
    std::uint64_t address = interrupt_format_field::set(interrupt_range_first, 1);
    address = handle_low_field::set(address, handle & 0x7fffU);
    return {handle_high_field::set(address, handle >> 15U), 0};
  }
  /// The same with a subhandle, which counts from the handle: message number of a multi-message MSI.
  [[nodiscard]] static constexpr msi_message to_handle(std::uint16_t handle, std::uint16_t subhandle) {
    return {subhandle_valid_field::set(to_handle(handle).address, 1), subhandle_field::of(subhandle)};
  }
  friend constexpr bool operator==(const msi_message&, const msi_message&) = default;
};

} // namespace vtd::spec
