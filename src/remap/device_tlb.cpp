// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/device_tlb.h"

#include <algorithm>

namespace vtd::remap {

const device_page* device_tlb::lookup(std::uint64_t address) {
  if (fits(address)) {
    for (unsigned level = 1; level <= highest_; ++level) {
      if (const device_page* const found = pages_.lookup_if_present(page_tag::of(0, address, level)))
        return found;
    }
  }
  pages_.count_miss();
  return nullptr;
}

device_page device_tlb::page_of(std::uint64_t address, spec::ats::translation granted) {
  constexpr unsigned bits_per_level = 9;
  const unsigned level = std::min(granted.page_mask() / bits_per_level + 1, max_level);
  // Where in the granted range the page lies that holds the address.
  const unsigned shift = granted.page_mask() + spec::page_shift;
  const std::uint64_t inside = address & spec::low_bits(shift);
  const std::uint64_t first = (granted.address() | inside) & ~(spec::level_size(level) - 1);
  return {level, first, granted.read(), granted.write(), granted.untranslated_only(), granted.non_snooped()};
}

void device_tlb::fill(std::uint64_t address, spec::ats::translation granted) {
  if (!granted.granted() || !fits(address)) return;
  const device_page page = page_of(address, granted);
  highest_ = std::max(highest_, page.level);
  pages_.fill(page_tag::of(0, address, page.level), page);
}

std::size_t device_tlb::invalidate(std::uint64_t first, std::uint64_t last) {
  const page_range range{spec::page_number(first), spec::page_number(last)};
  return pages_.invalidate_if([&](std::uint64_t packed, const device_page& page) {
    return range.touches(page_tag::number_of(packed), page.level);
  });
}

std::size_t device_tlb::invalidate_all() {
  return pages_.invalidate_if([](std::uint64_t, const device_page&) { return true; });
}

} // namespace vtd::remap
