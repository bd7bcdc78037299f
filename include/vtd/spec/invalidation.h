// SPDX-License-Identifier: Apache-2.0
#pragma once

// What invalidations name: granularities, address ranges, and the legacy descriptors of the invalidation
// queue (VT-d 6.5).

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vtd::spec {

/// CIRG and CAIG (VT-d 10.4.7), and G of a descriptor. As CAIG, `none` says that nothing was done.
enum class context_granularity : std::uint8_t { none = 0, global = 1, domain = 2, device = 3 };
/// IIRG and IAIG (VT-d 10.4.8.1), and G of a descriptor. As IAIG, `none` says that nothing was done.
enum class iotlb_granularity : std::uint8_t { none = 0, global = 1, domain = 2, page = 3 };

/// FM, 0 to 3 (VT-d 10.4.7): the source-id bits that a device-selective invalidation does not compare.
[[nodiscard]] constexpr std::uint16_t function_mask_bits(unsigned fm) {
  constexpr std::uint16_t bits[] = {0, 4, 6, 7};
  return bits[fm & 3];
}

/// A range of input addresses, both ends inclusive.
struct address_range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  [[nodiscard]] constexpr bool contains(std::uint64_t address) const {
    return address >= first && address <= last;
  }
  friend constexpr bool operator==(const address_range&, const address_range&) = default;
};
/// The 2^mask pages round an address that ADDR and AM name (VT-d 10.4.8.2); low bits of the address do not
/// count.
[[nodiscard]] constexpr address_range covers(std::uint64_t address, unsigned mask) {
  const std::uint64_t below = low_bits(mask < 64 - page_shift ? mask + page_shift : 64);
  return {address & ~below, address | below};
}
/// The smallest mask whose aligned range holds `pages` pages starting at page `first_page`.
[[nodiscard]] constexpr unsigned address_mask_for(std::uint64_t first_page, std::uint64_t pages) {
  const std::uint64_t last_page = first_page + (pages == 0 ? 0 : pages - 1);
  unsigned mask = 0;
  while (mask < 64 - page_shift && first_page >> mask != last_page >> mask)
    ++mask;
  return mask;
}

/// Type of a descriptor (VT-d 6.5.2). Legacy mode knows these.
enum class descriptor_type : std::uint8_t {
  context_cache = 1,
  iotlb = 2,
  device_tlb = 3,
  interrupt_entry_cache = 4,
  wait = 5
};

/// IQEI: why the queue stopped (VT-d 10.4.29).
enum class queue_error : std::uint8_t {
  unknown = 0,
  tail_out_of_range = 1,
  fetch_failed = 2,
  invalid_type = 3,
  reserved_field = 4,
  invalid_width = 5,
  tail_misaligned = 6,
  invalid_translation_mode = 7
};

/// What the value says, in words.
[[nodiscard]] constexpr std::string_view queue_error_text(queue_error why) {
  switch (why) {
  case queue_error::unknown:
    return "no cause is given";
  case queue_error::tail_out_of_range:
    return "IQT lies beyond the end of the queue";
  case queue_error::fetch_failed:
    return "the descriptor could not be read";
  case queue_error::invalid_type:
    return "its type is not known";
  case queue_error::reserved_field:
    return "a reserved field of it is set";
  case queue_error::invalid_width:
    return "its width does not fit the mode";
  case queue_error::tail_misaligned:
    return "IQT stands in the middle of a descriptor";
  case queue_error::invalid_translation_mode:
    return "the root table is of another mode";
  }
  return "the cause is not known";
}

/// A 128-bit descriptor of the invalidation queue, whatever its type: two words as they lie in memory.
struct invalidation_descriptor {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  using type_field = field<3, 0>;
  using type_high_field = field<11, 9>;

  /// Bits 11:9 and 3:0, 0 to 127; a `descriptor_type` if it is one of those.
  [[nodiscard]] constexpr unsigned type() const {
    return static_cast<unsigned>(type_field::get(lo) | type_high_field::get(lo) << 4);
  }
  [[nodiscard]] constexpr bool is(descriptor_type wanted) const {
    return type() == static_cast<unsigned>(wanted);
  }
  /// Is any of these bits set, too? For masks from `reserved()`.
  [[nodiscard]] constexpr bool touches(const invalidation_descriptor& mask) const {
    return (lo & mask.lo) != 0 || (hi & mask.hi) != 0;
  }
  friend constexpr bool operator==(const invalidation_descriptor&, const invalidation_descriptor&) = default;
};
static_assert(sizeof(invalidation_descriptor) == 16);

/// Bytes of a queue with this QS, 0 to 7 (VT-d 10.4.23).
[[nodiscard]] constexpr std::size_t queue_bytes(unsigned qs) { return std::size_t{page_size} << qs; }
/// 128-bit descriptors that fit; one place stays free, as equal head and tail mean an empty queue.
[[nodiscard]] constexpr std::size_t queue_descriptors(unsigned qs) {
  return queue_bytes(qs) / sizeof(invalidation_descriptor);
}

/// What the descriptors of all types share. Made new, all is 0 but the type; made from a raw descriptor, the
/// words are taken as they are.
template <descriptor_type Type>
struct typed_descriptor : invalidation_descriptor {
  static constexpr descriptor_type own_type = Type;
  constexpr typed_descriptor()
      : invalidation_descriptor{type_field::of(static_cast<std::uint64_t>(Type)), 0} {}
  constexpr explicit typed_descriptor(const invalidation_descriptor& raw) : invalidation_descriptor(raw) {}

protected:
  /// All bits but those of the type and of these fields.
  template <class... Fields>
  static constexpr std::uint64_t low_word_without() {
    return ~(type_field::mask | type_high_field::mask | (Fields::mask | ... | std::uint64_t{0}));
  }
  template <class... Fields>
  static constexpr std::uint64_t high_word_without() {
    return ~(Fields::mask | ... | std::uint64_t{0});
  }
};

/// Context-cache invalidate (VT-d 6.5.2.1).
struct context_cache_descriptor : typed_descriptor<descriptor_type::context_cache> {
  using typed_descriptor::typed_descriptor;
  using granularity_field = field<5, 4>;
  using domain_id_field = field<31, 16>;
  using source_id_field = field<47, 32>;
  using function_mask_field = field<49, 48>;

  [[nodiscard]] constexpr context_granularity granularity() const {
    return static_cast<context_granularity>(granularity_field::get(lo));
  }
  [[nodiscard]] constexpr std::uint16_t domain_id() const {
    return static_cast<std::uint16_t>(domain_id_field::get(lo));
  }
  [[nodiscard]] constexpr source_id source() const {
    return source_id{static_cast<std::uint16_t>(source_id_field::get(lo))};
  }
  /// FM; see `function_mask_bits`.
  [[nodiscard]] constexpr unsigned function_mask() const {
    return static_cast<unsigned>(function_mask_field::get(lo));
  }
  constexpr context_cache_descriptor& set_granularity(context_granularity value) {
    lo = granularity_field::set(lo, static_cast<std::uint64_t>(value));
    return *this;
  }
  constexpr context_cache_descriptor& set_domain_id(std::uint16_t id) {
    lo = domain_id_field::set(lo, id);
    return *this;
  }
  constexpr context_cache_descriptor& set_source(source_id id) {
    lo = source_id_field::set(lo, id.value());
    return *this;
  }
  constexpr context_cache_descriptor& set_function_mask(unsigned fm) {
    lo = function_mask_field::set(lo, fm);
    return *this;
  }
  [[nodiscard]] static constexpr invalidation_descriptor reserved() {
    return {low_word_without<granularity_field, domain_id_field, source_id_field, function_mask_field>(),
            high_word_without<>()};
  }
};

/// IOTLB invalidate (VT-d 6.5.2.3).
struct iotlb_descriptor : typed_descriptor<descriptor_type::iotlb> {
  using typed_descriptor::typed_descriptor;
  using granularity_field = field<5, 4>;
  using drain_writes_field = field<6, 6>;
  using drain_reads_field = field<7, 7>;
  using domain_id_field = field<31, 16>;
  // In the high word.
  using address_mask_field = field<5, 0>;
  using hint_field = field<6, 6>;
  using address_field = field<63, 12>;

  [[nodiscard]] constexpr iotlb_granularity granularity() const {
    return static_cast<iotlb_granularity>(granularity_field::get(lo));
  }
  [[nodiscard]] constexpr bool drain_writes() const { return drain_writes_field::get(lo) != 0; }
  [[nodiscard]] constexpr bool drain_reads() const { return drain_reads_field::get(lo) != 0; }
  [[nodiscard]] constexpr std::uint16_t domain_id() const {
    return static_cast<std::uint16_t>(domain_id_field::get(lo));
  }
  /// AM: 2^AM pages.
  [[nodiscard]] constexpr unsigned address_mask() const {
    return static_cast<unsigned>(address_mask_field::get(hi));
  }
  /// IH: only leaf entries have changed.
  [[nodiscard]] constexpr bool hint() const { return hint_field::get(hi) != 0; }
  /// Address of a page.
  [[nodiscard]] constexpr std::uint64_t address() const { return hi & address_field::mask; }
  /// What ADDR and AM name.
  [[nodiscard]] constexpr address_range range() const { return covers(address(), address_mask()); }
  constexpr iotlb_descriptor& set_granularity(iotlb_granularity value) {
    lo = granularity_field::set(lo, static_cast<std::uint64_t>(value));
    return *this;
  }
  constexpr iotlb_descriptor& set_drain_writes(bool on) {
    lo = drain_writes_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr iotlb_descriptor& set_drain_reads(bool on) {
    lo = drain_reads_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr iotlb_descriptor& set_domain_id(std::uint16_t id) {
    lo = domain_id_field::set(lo, id);
    return *this;
  }
  constexpr iotlb_descriptor& set_address_mask(unsigned am) {
    hi = address_mask_field::set(hi, am);
    return *this;
  }
  constexpr iotlb_descriptor& set_hint(bool on) {
    hi = hint_field::set(hi, on ? 1 : 0);
    return *this;
  }
  constexpr iotlb_descriptor& set_address(std::uint64_t address) {
    hi = address_field::set(hi, address >> page_shift);
    return *this;
  }
  [[nodiscard]] static constexpr invalidation_descriptor reserved() {
    return {low_word_without<granularity_field, drain_writes_field, drain_reads_field, domain_id_field>(),
            high_word_without<address_mask_field, hint_field, address_field>()};
  }
};

/// Device-TLB invalidate (VT-d 6.5.2.5).
struct device_tlb_descriptor : typed_descriptor<descriptor_type::device_tlb> {
  using typed_descriptor::typed_descriptor;
  using physical_source_low_field = field<15, 12>;
  using max_pending_field = field<20, 16>;
  using source_id_field = field<47, 32>;
  using physical_source_high_field = field<63, 52>;
  // In the high word.
  using size_field = field<0, 0>;
  using address_field = field<63, 12>;
  /// As `address_mask`: all addresses.
  static constexpr unsigned whole_space = 64 - page_shift;

  /// MIP: invalidations that the device can have open, 1 to 32 (the field holds 0 for 32).
  [[nodiscard]] constexpr unsigned max_pending() const {
    const auto value = static_cast<unsigned>(max_pending_field::get(lo));
    return value == 0 ? 32 : value;
  }
  [[nodiscard]] constexpr source_id source() const {
    return source_id{static_cast<std::uint16_t>(source_id_field::get(lo))};
  }
  /// PFSID, with ECAP.DIT only: the physical function of `source`.
  [[nodiscard]] constexpr source_id physical_source() const {
    return source_id{static_cast<std::uint16_t>(physical_source_low_field::get(lo) |
                                                physical_source_high_field::get(lo) << 4)};
  }
  /// 2^this pages, 0 to whole_space: S, and with it the ones at the low end of ADDR.
  [[nodiscard]] constexpr unsigned address_mask() const {
    if (size_field::get(hi) == 0) return 0;
    const auto mask = static_cast<unsigned>(std::countr_one(address_field::get(hi))) + 1;
    return mask < whole_space ? mask : whole_space;
  }
  [[nodiscard]] constexpr address_range range() const {
    return covers(hi & address_field::mask, address_mask());
  }
  constexpr device_tlb_descriptor& set_max_pending(unsigned count) {
    lo = max_pending_field::set(lo, count);
    return *this;
  }
  constexpr device_tlb_descriptor& set_source(source_id id) {
    lo = source_id_field::set(lo, id.value());
    return *this;
  }
  constexpr device_tlb_descriptor& set_physical_source(source_id id) {
    lo = physical_source_low_field::set(lo, id.value());
    lo = physical_source_high_field::set(lo, id.value() >> 4U);
    return *this;
  }
  /// The 2^mask pages round the address, mask 0 to whole_space.
  constexpr device_tlb_descriptor& set_range(std::uint64_t address, unsigned mask) {
    const std::uint64_t first = covers(address, mask).first;
    const std::uint64_t ones = mask == 0 ? 0 : low_bits(mask - 1) << page_shift;
    hi = (hi & ~address_field::mask) | first | ones;
    hi = size_field::set(hi, mask == 0 ? 0 : 1);
    return *this;
  }
  /// PFSID is reserved in parts without ECAP.DIT.
  [[nodiscard]] static constexpr invalidation_descriptor reserved(bool dit) {
    constexpr std::uint64_t pfsid = physical_source_low_field::mask | physical_source_high_field::mask;
    return {low_word_without<max_pending_field, source_id_field>() & ~(dit ? pfsid : std::uint64_t{0}),
            high_word_without<size_field, address_field>()};
  }
};

/// Interrupt entry cache invalidate (VT-d 6.5.2.7).
struct interrupt_entry_cache_descriptor : typed_descriptor<descriptor_type::interrupt_entry_cache> {
  using typed_descriptor::typed_descriptor;
  using index_selective_field = field<4, 4>;
  using index_mask_field = field<31, 27>;
  using index_field = field<47, 32>;

  /// False: all entries.
  [[nodiscard]] constexpr bool index_selective() const { return index_selective_field::get(lo) != 0; }
  /// IM: 2^IM entries.
  [[nodiscard]] constexpr unsigned index_mask() const {
    return static_cast<unsigned>(index_mask_field::get(lo));
  }
  [[nodiscard]] constexpr std::uint16_t index() const {
    return static_cast<std::uint16_t>(index_field::get(lo));
  }
  constexpr interrupt_entry_cache_descriptor& set_index_selective(bool on) {
    lo = index_selective_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr interrupt_entry_cache_descriptor& set_index_mask(unsigned im) {
    lo = index_mask_field::set(lo, im);
    return *this;
  }
  constexpr interrupt_entry_cache_descriptor& set_index(std::uint16_t index) {
    lo = index_field::set(lo, index);
    return *this;
  }
  [[nodiscard]] static constexpr invalidation_descriptor reserved() {
    return {low_word_without<index_selective_field, index_mask_field, index_field>(), high_word_without<>()};
  }
};

/// Invalidation wait (VT-d 6.5.2.8).
struct wait_descriptor : typed_descriptor<descriptor_type::wait> {
  using typed_descriptor::typed_descriptor;
  using interrupt_field = field<4, 4>;
  using status_write_field = field<5, 5>;
  using fence_field = field<6, 6>;
  using page_request_drain_field = field<7, 7>;
  using status_data_field = field<63, 32>;
  // In the high word.
  using status_address_field = field<63, 2>;

  /// IF: an interrupt when the wait is over.
  [[nodiscard]] constexpr bool interrupt() const { return interrupt_field::get(lo) != 0; }
  /// SW: status data to the status address when the wait is over.
  [[nodiscard]] constexpr bool status_write() const { return status_write_field::get(lo) != 0; }
  /// FN: what follows begins only when the wait is over.
  [[nodiscard]] constexpr bool fence() const { return fence_field::get(lo) != 0; }
  /// PD, with ECAP.PDS only.
  [[nodiscard]] constexpr bool page_request_drain() const { return page_request_drain_field::get(lo) != 0; }
  [[nodiscard]] constexpr std::uint32_t status_data() const {
    return static_cast<std::uint32_t>(status_data_field::get(lo));
  }
  /// A host physical address, a multiple of 4.
  [[nodiscard]] constexpr std::uint64_t status_address() const { return hi & status_address_field::mask; }
  constexpr wait_descriptor& set_interrupt(bool on) {
    lo = interrupt_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr wait_descriptor& set_status_write(bool on) {
    lo = status_write_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr wait_descriptor& set_fence(bool on) {
    lo = fence_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr wait_descriptor& set_page_request_drain(bool on) {
    lo = page_request_drain_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr wait_descriptor& set_status_data(std::uint32_t data) {
    lo = status_data_field::set(lo, data);
    return *this;
  }
  constexpr wait_descriptor& set_status_address(std::uint64_t address) {
    hi = status_address_field::set(hi, address >> 2);
    return *this;
  }
  /// PD is reserved in parts without ECAP.PDS.
  [[nodiscard]] static constexpr invalidation_descriptor reserved(bool pds) {
    return {low_word_without<interrupt_field, status_write_field, fence_field, status_data_field>() &
                ~(pds ? page_request_drain_field::mask : std::uint64_t{0}),
            high_word_without<status_address_field>()};
  }
};

} // namespace vtd::spec
