// SPDX-License-Identifier: Apache-2.0
#pragma once

// The address streams that all published and measured figures of this kind use, to the letter.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vtd::bench {

/// "Same page": 64-byte steps through one page.
[[nodiscard]] constexpr std::uint64_t same_page(std::uint64_t i) { return 0x5000 + (i & 0xfc0); }

/// "Working set": `pages` pages in turn, `pages` a power of two; the worst case for LRU.
[[nodiscard]] constexpr std::uint64_t working_set(std::uint64_t i, std::uint64_t pages) {
  return (i & (pages - 1)) << 12;
}

/// "Random 4 GiB": 2^20 page addresses from an xorshift generator, read cyclically; `mask` limits the page
/// numbers.
class random_pages {
public:
  static constexpr std::size_t count = std::size_t{1} << 20;
  explicit random_pages(std::uint64_t mask = 0xfffff) : pages_(count) {
    std::uint64_t x = 88172645463325252ULL;
    for (std::uint64_t& page : pages_) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      page = (x & mask) << 12;
    }
  }
  [[nodiscard]] std::uint64_t operator()(std::uint64_t i) const { return pages_[i & (count - 1)]; }

private:
  std::vector<std::uint64_t> pages_;
};

} // namespace vtd::bench
