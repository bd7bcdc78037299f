// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"
#include "vtd/spec/fault.h"

#include <cstdint>

namespace vtd::remap {

/// What a request wants to do. A zero-length read is a read of one dword with no byte enabled (a flush);
/// CAP.ZLR says whether it may touch a page that is write-only (VT-d 3.7.1).
enum class access_kind : std::uint8_t { read, write, zero_length_read };

/// The AT field of the request (PCIe ATS): untranslated, ATS translation request, already translated.
enum class address_type : std::uint8_t { untranslated = 0, translation_request = 1, translated = 2 };

/// One request as the remapping hardware sees it, one page at most.
struct dma_access {
  spec::source_id source{};
  access_kind kind = access_kind::read;
  address_type type = address_type::untranslated;
  std::uint64_t address = 0;
};

/// A cached context entry with everything a later decision needs (context cache, VT-d 6.2.3).
struct context_value {
  std::uint16_t domain_id = 0;
  spec::translation_type type = spec::translation_type::untranslated_only;
  /// Paging levels (AW + 2) and the input width in bits that AW and MGAW together allow.
  std::uint8_t levels = 0;
  std::uint8_t input_width = 0;
  /// Which of the two is the smaller: decides between LGN.1.1 and LGN.1.2.
  spec::fault_condition beyond_width = spec::fault_condition::lgn_1_1;
  bool fault_processing_disable = false;
  /// Not none: the root or context entry is not present or in error, and the cache of a part with caching
  /// mode remembers that (CAP.CM, VT-d 6.1), under domain-id 0. The type is `reserved` then, unless the width
  /// alone is wrong.
  spec::fault_condition absent = spec::fault_condition::none;
  /// Host physical address of the top paging table (SLPTPTR).
  std::uint64_t top_table = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(domain_id, type, levels, input_width, beyond_width, fault_processing_disable, absent, top_table);
  }
};

/// A page as the tables grant it.
struct page_attributes {
  /// Level of the leaf: 1 = 4 KB, 2 = 2 MB, 3 = 1 GB, 4 = 512 GB.
  std::uint8_t level = 1;
  bool read = false;
  bool write = false;
  bool snoop = false;
};

/// A cached translation (IOTLB, VT-d 6.2.4).
struct page_value : page_attributes {
  /// Not none: the entry of this level is not present (LGN.3.np, whatever the request was) or has reserved
  /// bits (LSL.2), and the cache of a part with caching mode remembers that (CAP.CM, VT-d 6.1). No rights
  /// then.
  spec::fault_condition absent = spec::fault_condition::none;
  /// Host physical address of the page.
  std::uint64_t page = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(level, read, write, snoop, absent, page);
  }
};

/// A cached non-leaf entry (paging-structure caches, VT-d 6.2.5): the next table, and the rights granted so
/// far. One word, as the entry itself: the table's address and in R and W the AND of all levels down to it.
class table_value {
public:
  /// Means nothing: for arrays that are filled later.
  table_value() = default; // NOLINT(cppcoreguidelines-pro-type-member-init)
  /// `entry`: the entry's address bits; `granted`: R and W, its other bits do not count.
  constexpr table_value(spec::second_level_entry entry, std::uint64_t granted)
      : word_(entry.address() | (granted & rights)) {}

  [[nodiscard]] constexpr std::uint64_t table() const { return spec::second_level_entry{word_}.address(); }
  [[nodiscard]] constexpr bool read() const { return spec::second_level_entry{word_}.read(); }
  [[nodiscard]] constexpr bool write() const { return spec::second_level_entry{word_}.write(); }
  /// R and W where an entry has them; the other bits mean nothing.
  [[nodiscard]] constexpr std::uint64_t granted() const { return word_; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(word_);
  }

private:
  static constexpr std::uint64_t rights =
      spec::second_level_entry::read_field::mask | spec::second_level_entry::write_field::mask;
  std::uint64_t word_;
};

/// The outcome of a translation: an address in a page, or a fault condition.
struct translation : page_attributes {
  /// No page table was in between: pass-through, or translated by the device.
  bool identity = false;
  /// none: allowed. Otherwise the request is blocked.
  spec::fault_condition condition = spec::fault_condition::none;
  /// A fault that software asked not to see (FPD = 1 and the condition is qualified).
  bool suppressed = false;
  /// Host physical address of the first byte; meaningful when `condition` is none.
  std::uint64_t address = 0;

  [[nodiscard]] bool allowed() const { return condition == spec::fault_condition::none; }
  [[nodiscard]] const page_attributes& attributes() const { return *this; }
  void set_attributes(const page_attributes& from) { static_cast<page_attributes&>(*this) = from; }
};

} // namespace vtd::remap
