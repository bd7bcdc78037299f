// SPDX-License-Identifier: Apache-2.0
#pragma once

// What invalidations name: granularities, address ranges, and the descriptors of the invalidation queue
// (VT-d 6.5).

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <cstdint>

namespace vtd::spec {

/// CIRG and CAIG (VT-d 10.4.7). As CAIG, `none` says that nothing was done.
enum class context_granularity : std::uint8_t { none = 0, global = 1, domain = 2, device = 3 };
/// IIRG and IAIG (VT-d 10.4.8.1).
enum class iotlb_granularity : std::uint8_t { none = 0, global = 1, domain = 2, page = 3 };

/// FM (VT-d 10.4.7): the source-id bits that a device-selective invalidation does not compare.
[[nodiscard]] constexpr std::uint16_t function_mask_bits(unsigned fm) {
  constexpr std::uint16_t bits[] = {0, 4, 6, 7};
  return bits[fm & 3];
}

/// A range of input addresses, both ends inclusive.
struct address_range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  friend constexpr bool operator==(const address_range&, const address_range&) = default;
};
/// The 2^mask pages round an address that ADDR and AM name (VT-d 10.4.8.2); low bits of the address do not
/// count.
[[nodiscard]] constexpr address_range covers(std::uint64_t address, unsigned mask) {
  const std::uint64_t below = low_bits(mask + page_shift < 64 ? mask + page_shift : 64);
  return {address & ~below, address | below};
}
/// The smallest mask whose aligned range holds `pages` pages starting at page `first_page`.
[[nodiscard]] constexpr unsigned address_mask_for(std::uint64_t first_page, std::uint64_t pages) {
  const std::uint64_t last_page = first_page + (pages == 0 ? 0 : pages - 1);
  unsigned mask = 0;
  while (mask < 52 && first_page >> mask != last_page >> mask)
    ++mask;
  return mask;
}

/// Type of a descriptor: bits 3:0 (VT-d 6.5.2).
enum class descriptor_type : std::uint8_t {
  context_cache = 1,
  iotlb = 2,
  device_tlb = 3,
  interrupt_entry_cache = 4,
  wait = 5
};

/// A 128-bit descriptor of the invalidation queue, whatever its type.
struct invalidation_descriptor {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  using type_field = field<3, 0>;
  using type_high_field = field<11, 9>;
  [[nodiscard]] constexpr unsigned type() const {
    return static_cast<unsigned>(type_field::get(lo) | type_high_field::get(lo) << 4);
  }
  friend constexpr bool operator==(const invalidation_descriptor&, const invalidation_descriptor&) = default;
};

/// Context-cache invalidate (VT-d 6.5.2.1).
struct context_cache_descriptor {
  using granularity_field = field<5, 4>;
  using domain_id_field = field<31, 16>;
  using source_id_field = field<47, 32>;
  using function_mask_field = field<49, 48>;
  static constexpr invalidation_descriptor reserved{0xfffc00000000f1c0, ~std::uint64_t{0}};
};
/// IOTLB invalidate (VT-d 6.5.2.3).
struct iotlb_descriptor {
  using granularity_field = field<5, 4>;
  using drain_writes_field = field<6, 6>;
  using drain_reads_field = field<7, 7>;
  using domain_id_field = field<31, 16>;
  // In the high word.
  using address_mask_field = field<5, 0>;
  using hint_field = field<6, 6>;
  using address_field = field<63, 12>;
  static constexpr invalidation_descriptor reserved{0xffffffff0000f100, 0xf80};
};
/// Device-TLB invalidate (VT-d 6.5.2.5).
struct device_tlb_descriptor {
  using max_pending_field = field<20, 16>;
  using source_id_field = field<47, 32>;
  // In the high word.
  using size_field = field<0, 0>;
  using address_field = field<63, 12>;
  static constexpr invalidation_descriptor reserved{0x000f0000ffe001f0, 0xffe};
};
/// Interrupt entry cache invalidate (VT-d 6.5.2.7).
struct interrupt_entry_cache_descriptor {
  using index_selective_field = field<4, 4>;
  using index_mask_field = field<31, 27>;
  using index_field = field<47, 32>;
  static constexpr invalidation_descriptor reserved{0xffff000007fff1e0, ~std::uint64_t{0}};
};
/// Invalidation wait (VT-d 6.5.2.8).
struct wait_descriptor {
  using interrupt_field = field<4, 4>;
  using status_write_field = field<5, 5>;
  using fence_field = field<6, 6>;
  using status_data_field = field<63, 32>;
  // In the high word.
  using status_address_field = field<63, 2>;
  static constexpr invalidation_descriptor reserved{0x00000000fffff180, 3};
};

} // namespace vtd::spec
