// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/cache.h"
#include "vtd/remap/translation_caches.h"
#include "vtd/spec/ats.h"

#include <cstddef>
#include <cstdint>

namespace vtd::remap {

/// A translation that a device has been given (PCIe ATS), as its cache keeps it.
struct device_page {
  /// Level of the page it is kept as: 1 = 4 KB, 2 = 2 MB, 3 = 1 GB, 4 = 512 GB.
  unsigned level = 1;
  /// Host physical address of that page.
  std::uint64_t page = 0;
  bool read = false;
  bool write = false;
  bool untranslated_only = false;
  bool non_snooped = false;
};

/// The address translation cache of a device function, tagged by the untranslated address alone: its own
/// requester is the only one it serves. It learns from completions and forgets what invalidations name.
class device_tlb {
public:
  /// Throws std::invalid_argument for a shape that cannot be built. Without entries nothing is ever kept.
  explicit device_tlb(const cache_shape& shape) : pages_("device-TLB", shape) {}

  /// The translation that covers this address, or nullptr; counted.
  [[nodiscard]] const device_page* lookup(std::uint64_t address);
  /// Keeps what a completion granted for `address`; what it did not grant is never kept (PCIe ATS). A range
  /// that is no page of the tables' sizes is kept as the largest such page in it that holds the address.
  void fill(std::uint64_t address, spec::ats::translation granted);
  /// The translation as a page of the tables' sizes round `address`.
  [[nodiscard]] static device_page page_of(std::uint64_t address, spec::ats::translation granted);
  /// Drops every entry that holds an address of the range, both ends inclusive; how many.
  std::size_t invalidate(std::uint64_t first, std::uint64_t last);
  std::size_t invalidate_all();

  [[nodiscard]] const cache<page_tag, device_page>& pages() const { return pages_; }
  [[nodiscard]] cache_statistics statistics() const { return pages_.statistics(); }
  void clear_statistics() { pages_.clear_statistics(); }

private:
  static constexpr unsigned max_level = 5;
  // Tags hold no more bits of an address; what lies above is not kept.
  [[nodiscard]] static bool fits(std::uint64_t address) { return address >> page_tag::max_input_width == 0; }

  cache<page_tag, device_page> pages_;
  // The highest level that was ever filled: look-ups need not ask for larger pages.
  unsigned highest_ = 1;
};

} // namespace vtd::remap
