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
  /// Host physical address of the top paging table (SLPTPTR).
  std::uint64_t top_table = 0;
};

/// A cached translation (IOTLB, VT-d 6.2.4).
struct page_value {
  /// Host physical address of the page.
  std::uint64_t page = 0;
  /// Level of the leaf: 1 = 4 KB, 2 = 2 MB, 3 = 1 GB, 4 = 512 GB.
  std::uint8_t level = 1;
  bool read = false;
  bool write = false;
  bool snoop = false;
};

/// A cached non-leaf entry (paging-structure caches, VT-d 6.2.5): the next table, and the rights so far.
struct table_value {
  std::uint64_t table = 0;
  bool read = false;
  bool write = false;
};

/// The outcome of a translation: an address, or a fault condition.
struct translation {
  /// Host physical address of the first byte; meaningful when `condition` is none.
  std::uint64_t address = 0;
  /// The page it lies in: level as in `page_value`, rights as the tables grant them.
  std::uint8_t level = 1;
  bool read = false;
  bool write = false;
  bool snoop = false;
  /// No page table was in between: pass-through, or translated by the device.
  bool identity = false;
  /// none: allowed. Otherwise the request is blocked.
  spec::fault_condition condition = spec::fault_condition::none;
  /// A fault that software asked not to see (FPD = 1 and the condition is qualified).
  bool suppressed = false;

  [[nodiscard]] bool allowed() const { return condition == spec::fault_condition::none; }
};

} // namespace vtd::remap
