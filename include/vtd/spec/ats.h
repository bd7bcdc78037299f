// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a device and the translation agent say to each other (PCIe address translation services): completions
// of translation requests, invalidation requests and their completions.

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <bit>
#include <cstdint>

namespace vtd::spec::ats {

/// Bytes of one translation; a translation request asks for a multiple of them.
inline constexpr unsigned translation_bytes = 8;
/// ITags that one translation agent has.
inline constexpr unsigned tags = 32;
/// As a mask: all addresses.
inline constexpr unsigned whole_space = 64 - page_shift;

/// The 2^mask pages round the address as an address field with a size bit says them, bits 63:12: the ones at
/// its low end tell the size, the first zero above them ends it. With mask 0 (one page) the size bit is 0.
[[nodiscard]] constexpr std::uint64_t sized_address(std::uint64_t address, unsigned mask) {
  if (mask == 0) return page_base(address);
  const std::uint64_t below = low_bits(mask + page_shift);
  const std::uint64_t ones = low_bits(mask - 1) << page_shift;
  return (address & ~below) | ones;
}
/// The mask that such a field says; `sized`: its size bit.
[[nodiscard]] constexpr unsigned mask_of(std::uint64_t address, bool sized) {
  if (!sized) return 0;
  const auto mask = static_cast<unsigned>(std::countr_one(address >> page_shift)) + 1;
  return mask < whole_space ? mask : whole_space;
}

/// The registers of the capability in a function's configuration space: the dword at its offset 4, capability
/// and control.
struct function_registers {
  static constexpr unsigned offset = 4;
  using queue_depth_field = field<4, 0, std::uint32_t>;
  using page_aligned_field = field<5, 5, std::uint32_t>;
  using smallest_unit_field = field<20, 16, std::uint32_t>;
  using enable_field = field<31, 31, std::uint32_t>;

  /// Invalidation requests that the function takes at once, 1 to 32 (the field holds 0 for 32).
  [[nodiscard]] static constexpr unsigned queue_depth(std::uint32_t value) {
    const unsigned depth = queue_depth_field::get(value);
    return depth == 0 ? tags : depth;
  }
};

/// The address of a translation request: the page that is asked for; the bits below it are not address.
struct question {
  std::uint64_t value = 0;
  using no_write_field = field<0, 0>;
  using address_field = field<63, 12>;

  /// NW: the device wants to read only. The agent need not give it W, even where the page has it.
  [[nodiscard]] constexpr bool no_write() const { return no_write_field::get(value) != 0; }
  constexpr question& set_no_write(bool on) {
    value = no_write_field::set(value, on ? 1 : 0);
    return *this;
  }
  [[nodiscard]] constexpr std::uint64_t address() const { return value & address_field::mask; }
  friend constexpr bool operator==(const question&, const question&) = default;
};

/// One translation of a completion, as a number: bit 0 is R. On the link it goes most significant byte first;
/// here it lies in the data of the read as any word, least significant byte first.
struct translation {
  std::uint64_t value = 0;
  using read_field = field<0, 0>;
  using write_field = field<1, 1>;
  using untranslated_only_field = field<2, 2>;
  using non_snooped_field = field<10, 10>;
  using size_field = field<11, 11>;
  using address_field = field<63, 12>;

  /// R and W: what the device may do. Neither: no access, and nothing else means anything.
  [[nodiscard]] constexpr bool read() const { return read_field::get(value) != 0; }
  [[nodiscard]] constexpr bool write() const { return write_field::get(value) != 0; }
  [[nodiscard]] constexpr bool granted() const { return read() || write(); }
  /// U: the device may go there with untranslated requests only.
  [[nodiscard]] constexpr bool untranslated_only() const { return untranslated_only_field::get(value) != 0; }
  /// N: the agent allows accesses that are not snooped.
  [[nodiscard]] constexpr bool non_snooped() const { return non_snooped_field::get(value) != 0; }
  /// The translation holds for 2^this pages: S, and with it the ones at the low end of the address.
  [[nodiscard]] constexpr unsigned page_mask() const { return mask_of(value, size_field::get(value) != 0); }
  /// The first byte of these pages, a host physical address.
  [[nodiscard]] constexpr std::uint64_t address() const {
    const unsigned mask = page_mask();
    return value & ~low_bits(mask + page_shift);
  }
  constexpr translation& set_read(bool on) {
    value = read_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr translation& set_write(bool on) {
    value = write_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr translation& set_untranslated_only(bool on) {
    value = untranslated_only_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr translation& set_non_snooped(bool on) {
    value = non_snooped_field::set(value, on ? 1 : 0);
    return *this;
  }
  /// The 2^mask pages round the address.
  constexpr translation& set_pages(std::uint64_t address, unsigned mask) {
    value = (value & ~(address_field::mask | size_field::mask)) | sized_address(address, mask) |
            size_field::of(mask == 0 ? 0 : 1);
    return *this;
  }
  friend constexpr bool operator==(const translation&, const translation&) = default;
};

/// The data of an invalidation request: which addresses the device has to forget.
struct invalidation {
  std::uint64_t value = 0;
  using global_field = field<0, 0>;
  using size_field = field<11, 11>;
  using address_field = field<63, 12>;

  [[nodiscard]] static constexpr invalidation of(std::uint64_t address, unsigned mask) {
    return {sized_address(address, mask) | size_field::of(mask == 0 ? 0 : 1)};
  }
  /// 2^this pages.
  [[nodiscard]] constexpr unsigned page_mask() const { return mask_of(value, size_field::get(value) != 0); }
  /// Both ends inclusive.
  [[nodiscard]] constexpr std::uint64_t first() const {
    const unsigned mask = page_mask();
    return value & ~low_bits(mask + page_shift);
  }
  [[nodiscard]] constexpr std::uint64_t last() const {
    const unsigned mask = page_mask();
    return value | low_bits(mask + page_shift);
  }
  friend constexpr bool operator==(const invalidation&, const invalidation&) = default;
};

/// An invalidation request on its way to a device.
struct invalidation_request {
  source_id device{};
  /// ITag, 0 to 31.
  unsigned tag = 0;
  invalidation what{};
};

/// An invalidation completion of a device: a bit for each ITag, and of how many such messages each of them is
/// one (CC; 1 to 8, one for each traffic class the device uses).
struct invalidation_completion {
  source_id device{};
  std::uint32_t tags = 0;
  unsigned count = 1;
};

} // namespace vtd::spec::ats
