// SPDX-License-Identifier: Apache-2.0
#pragma once

// The entries of the in-memory tables, legacy mode (VT-d chapter 9, rev 1.0 to 2.x): what each bit means, and
// which bits are reserved for a part with given capabilities. No decisions: those are in remap/.

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <cstdint>

namespace vtd::spec {

/// The bits of a 4 KB-aligned host physical address that lie inside the host address width.
[[nodiscard]] constexpr std::uint64_t host_page_mask(unsigned host_address_width) {
  return low_bits(host_address_width) & ~(page_size - 1);
}

/// Root entry (VT-d 9.1): 128 bits, one per bus.
struct root_entry {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;

  using present_field = field<0, 0>;
  using context_table_field = field<63, 12>;

  [[nodiscard]] constexpr bool present() const { return present_field::get(lo) != 0; }
  /// CTP as a host physical address.
  [[nodiscard]] constexpr std::uint64_t context_table() const { return lo & context_table_field::mask; }
  constexpr root_entry& set_present(bool on) {
    lo = present_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr root_entry& set_context_table(std::uint64_t address) {
    lo = context_table_field::set(lo, address >> page_shift);
    return *this;
  }
  /// The reserved bits, low word and high word.
  [[nodiscard]] static constexpr root_entry reserved(unsigned host_address_width) {
    return {~(present_field::mask | host_page_mask(host_address_width)), ~std::uint64_t{0}};
  }
  friend constexpr bool operator==(const root_entry&, const root_entry&) = default;
};
static_assert(sizeof(root_entry) == 16);

/// TT of a context entry (VT-d 9.3).
enum class translation_type : std::uint8_t {
  /// Untranslated requests only, through the second-level tables.
  untranslated_only = 0,
  /// The same, and translation and translated requests (device-TLB).
  with_device_tlb = 1,
  pass_through = 2,
  reserved = 3
};

/// Context entry (VT-d 9.3): 128 bits, one per device and function.
struct context_entry {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;

  using present_field = field<0, 0>;
  using fault_processing_disable_field = field<1, 1>;
  using translation_type_field = field<3, 2>;
  // EH and ALH, rev 1.x with caching hints (ECAP.CH).
  using eviction_hint_field = field<4, 4>;
  using address_locality_hint_field = field<5, 5>;
  using second_level_table_field = field<63, 12>;
  // In the high word, bit 64 of the entry is bit 0.
  using address_width_field = field<2, 0>;
  using available_field = field<6, 3>;
  using domain_id_field = field<23, 8>;

  [[nodiscard]] constexpr bool present() const { return present_field::get(lo) != 0; }
  [[nodiscard]] constexpr bool fault_processing_disable() const {
    return fault_processing_disable_field::get(lo) != 0;
  }
  [[nodiscard]] constexpr enum translation_type translation_type() const {
    return static_cast<enum translation_type>(translation_type_field::get(lo));
  }
  /// EH and ALH: only where ECAP.CH = 1 (rev 1.x), reserved elsewhere.
  [[nodiscard]] constexpr bool eviction_hint() const { return eviction_hint_field::get(lo) != 0; }
  [[nodiscard]] constexpr bool address_locality_hint() const {
    return address_locality_hint_field::get(lo) != 0;
  }
  /// SLPTPTR (ASR in rev 1.x) as a host physical address.
  [[nodiscard]] constexpr std::uint64_t second_level_table() const {
    return lo & second_level_table_field::mask;
  }
  /// AW: 1 = 39 bits, 3 levels; 2 = 48 bits, 4 levels; 3 = 57 bits, 5 levels.
  [[nodiscard]] constexpr unsigned address_width() const {
    return static_cast<unsigned>(address_width_field::get(hi));
  }
  [[nodiscard]] constexpr unsigned available() const {
    return static_cast<unsigned>(available_field::get(hi));
  }
  [[nodiscard]] constexpr std::uint16_t domain_id() const {
    return static_cast<std::uint16_t>(domain_id_field::get(hi));
  }

  constexpr context_entry& set_present(bool on) {
    lo = present_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr context_entry& set_fault_processing_disable(bool on) {
    lo = fault_processing_disable_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr context_entry& set_translation_type(enum translation_type type) {
    lo = translation_type_field::set(lo, static_cast<std::uint64_t>(type));
    return *this;
  }
  constexpr context_entry& set_eviction_hint(bool on) {
    lo = eviction_hint_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr context_entry& set_address_locality_hint(bool on) {
    lo = address_locality_hint_field::set(lo, on ? 1 : 0);
    return *this;
  }
  constexpr context_entry& set_second_level_table(std::uint64_t address) {
    lo = second_level_table_field::set(lo, address >> page_shift);
    return *this;
  }
  constexpr context_entry& set_address_width(unsigned aw) {
    hi = address_width_field::set(hi, aw);
    return *this;
  }
  constexpr context_entry& set_available(unsigned value) {
    hi = available_field::set(hi, value);
    return *this;
  }
  constexpr context_entry& set_domain_id(std::uint16_t id) {
    hi = domain_id_field::set(hi, id);
    return *this;
  }

  /// The reserved bits: `domain_id_bits` = 4 + 2 x CAP.ND; `caching_hints` = ECAP.CH of a rev 1.x part.
  [[nodiscard]] static constexpr context_entry reserved(unsigned host_address_width, unsigned domain_id_bits,
                                                        bool caching_hints) {
    std::uint64_t defined = present_field::mask | fault_processing_disable_field::mask |
                            translation_type_field::mask | host_page_mask(host_address_width);
    if (caching_hints) defined |= eviction_hint_field::mask | address_locality_hint_field::mask;
    const std::uint64_t domain = low_bits(domain_id_bits < 16 ? domain_id_bits : 16) << domain_id_field::lsb;
    return {~defined, ~(address_width_field::mask | available_field::mask | domain)};
  }
  friend constexpr bool operator==(const context_entry&, const context_entry&) = default;
};
static_assert(sizeof(context_entry) == 16);

/// Second-level paging entry (VT-d 9.8), every level: 64 bits.
struct second_level_entry {
  std::uint64_t value = 0;

  using read_field = field<0, 0>;
  using write_field = field<1, 1>;
  /// SP in rev 1.x, PS later: this entry of level 2 or above is a leaf.
  using page_size_field = field<7, 7>;
  using snoop_field = field<11, 11>;
  using address_field = field<51, 12>;
  using transient_mapping_field = field<62, 62>;

  /// The rights that this entry grants; those of all levels are combined with AND.
  [[nodiscard]] constexpr bool read() const { return read_field::get(value) != 0; }
  [[nodiscard]] constexpr bool write() const { return write_field::get(value) != 0; }
  /// R = W = 0 means "not present".
  [[nodiscard]] constexpr bool present() const {
    return (value & (read_field::mask | write_field::mask)) != 0;
  }
  /// Meaningful at level 2 and above; at level 1 hardware ignores the bit.
  [[nodiscard]] constexpr bool page_size() const { return page_size_field::get(value) != 0; }
  /// SNP: the accesses snoop the CPU caches whatever the request says.
  [[nodiscard]] constexpr bool snoop() const { return snoop_field::get(value) != 0; }
  /// TM: software will soon remove the mapping, so a device-TLB better keeps it no longer than needed.
  [[nodiscard]] constexpr bool transient_mapping() const { return transient_mapping_field::get(value) != 0; }
  /// Host physical address of the next table or of the page.
  [[nodiscard]] constexpr std::uint64_t address() const { return value & address_field::mask; }

  constexpr second_level_entry& set_read(bool on) {
    value = read_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr second_level_entry& set_write(bool on) {
    value = write_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr second_level_entry& set_page_size(bool on) {
    value = page_size_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr second_level_entry& set_snoop(bool on) {
    value = snoop_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr second_level_entry& set_transient_mapping(bool on) {
    value = transient_mapping_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr second_level_entry& set_address(std::uint64_t address) {
    value = address_field::set(value, address >> page_shift);
    return *this;
  }

  /// What decides about reserved bits: host address width, CAP.SPS (bit n: leaf at level n + 2), ECAP.SC,
  /// ECAP.DT.
  struct features {
    unsigned host_address_width = 36;
    unsigned page_sizes = 0;
    bool snoop_control = false;
    bool transient_mapping = false;
  };
  /// The reserved bits of an entry of `level` (1 = last) that is, or is not, a leaf. Bits 61:52, 63 and those
  /// that software may use are ignored, not reserved.
  [[nodiscard]] static constexpr std::uint64_t reserved(unsigned level, bool leaf, const features& has) {
    std::uint64_t bits = address_field::mask & ~low_bits(has.host_address_width);
    if (!leaf) {
      // PS = 0 is what makes it no leaf; SNP and TM belong to leaves.
      return bits | snoop_field::mask | transient_mapping_field::mask;
    }
    if (!has.snoop_control) bits |= snoop_field::mask;
    if (!has.transient_mapping) bits |= transient_mapping_field::mask;
    if (level > 1) {
      const bool supported = level <= 5 && (has.page_sizes >> (level - 2) & 1) != 0;
      if (!supported) bits |= page_size_field::mask;
      // The page's address below its size.
      bits |= (level_size(level) - 1) & address_field::mask;
    }
    return bits;
  }
  friend constexpr bool operator==(const second_level_entry&, const second_level_entry&) = default;
};
static_assert(sizeof(second_level_entry) == 8);

} // namespace vtd::spec
