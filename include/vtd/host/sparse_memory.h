// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/flat_map.h"
#include "vtd/host/line.h"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace vtd::host {

/// Physical memory of up to 2^52 bytes. Only pages that were written are allocated; the others read as zero.
/// Not thread-safe: one simulation, one thread, no locks.
class sparse_memory {
public:
  /// Bytes of one page, the unit of allocation and of holes.
  static constexpr std::uint64_t page_bytes = 4096;
  /// The largest size in bytes: the widest host address of VT-d (CAP.MGAW, ECAP: 52 bits).
  static constexpr std::uint64_t max_size = std::uint64_t{1} << 52;

  /// Memory at [0, size). Throws std::invalid_argument when `size` is 0, above max_size or no multiple of 4
  /// KB.
  explicit sparse_memory(std::uint64_t size);

  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// Declares that nothing answers at [first, last] (inclusive; both ends on page borders). False, and no
  /// change, when the range is not aligned, reversed, outside the memory, or a page in it was written
  /// already.
  bool add_hole(std::uint64_t first, std::uint64_t last);

  /// True when all of [address, address + bytes) is memory: within the size and touching no hole.
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t bytes) const;

  /// Reads across pages; untouched memory gives zero and is not allocated. False: not all of it is memory,
  /// `out` is unchanged.
  bool read(std::uint64_t address, std::span<std::byte> out) const {
    // Nearly always the page that was used last, and not beyond it.
    if (const std::uint64_t offset = address % page_bytes;
        address / page_bytes == last_number_ && offset + out.size() <= page_bytes) [[likely]] {
      std::memcpy(out.data(), last_page_ + offset, out.size());
      return true;
    }
    return read_any(address, out);
  }
  /// Writes across pages. False: not all of it is memory, nothing was written.
  bool write(std::uint64_t address, std::span<const std::byte> data);

  /// Reads a little-endian number at any alignment. Nothing: not all of it is memory.
  template <std::unsigned_integral Number>
  [[nodiscard]] std::optional<Number> load(std::uint64_t address) const;
  /// Writes a little-endian number at any alignment. False: not all of it is memory, nothing was written.
  template <std::unsigned_integral Number>
  bool store(std::uint64_t address, Number value);

  /// The 4096 bytes of the page that holds `address`. They stay where they are as long as the memory lives,
  /// so that they can be handed out for direct access. nullptr: no memory there, or never written and not
  /// `create`.
  std::byte* page(std::uint64_t address, bool create);

  /// How many pages are allocated.
  [[nodiscard]] std::size_t allocated_pages() const { return pages_.size(); }

private:
  bool read_any(std::uint64_t address, std::span<std::byte> out) const;
  struct alignas(page_bytes) page_data {
    std::array<std::byte, page_bytes> bytes{};
  };
  struct touched_page {
    std::uint64_t number;
    std::unique_ptr<page_data> data;
  };
  struct hole {
    std::uint64_t first;
    std::uint64_t last;
  };
  static constexpr std::uint64_t no_page = ~std::uint64_t{0};

  // An allocated page is memory for certain (holes refuse touched pages), so a hit needs no range check.
  [[nodiscard]] std::byte* find(std::uint64_t number) const {
    if (number == last_number_) return last_page_;
    std::byte* const* const found = index_.find(number);
    if (found == nullptr) return nullptr;
    last_number_ = number;
    last_page_ = *found;
    return *found;
  }

  std::uint64_t size_;
  std::vector<hole> holes_; // sorted, disjoint
  flat_map<std::byte*> index_;
  std::vector<touched_page> pages_;
  mutable std::uint64_t last_number_ = no_page;
  mutable std::byte* last_page_ = nullptr;
};

template <std::unsigned_integral Number>
std::optional<Number> sparse_memory::load(std::uint64_t address) const {
  std::array<std::byte, sizeof(Number)> raw;
  if (!read(address, raw)) return std::nullopt;
  return number_from<Number>(raw);
}

template <std::unsigned_integral Number>
bool sparse_memory::store(std::uint64_t address, Number value) {
  return write(address, bytes_from(value));
}

} // namespace vtd::host
