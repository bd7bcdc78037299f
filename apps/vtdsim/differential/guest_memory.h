// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vtdsim::differential {

/// Where things are in the memory of a program, all in bytes.
namespace layout {
inline constexpr std::uint64_t page = 4096;
inline constexpr std::uint64_t memory = 64U << 20;
/// Tables and queues of programs; zero at the start.
inline constexpr std::uint64_t tables = 0x100000;
inline constexpr std::uint64_t table_pages = 128;
/// The last of them is the invalidation queue.
inline constexpr std::uint64_t queue = tables + (table_pages - 1) * page;
/// Pages of data, filled with a pattern.
inline constexpr std::uint64_t data = 0x200000;
inline constexpr std::uint64_t data_pages = 16;
/// Two large pages of data; the first and last small page of each hold the pattern.
inline constexpr std::uint64_t large = 0x400000;
inline constexpr std::uint64_t large_size = 0x200000;
inline constexpr std::uint64_t large_pages = 2;
/// Where buffers of devices go to and come from between programs; no part of a program.
inline constexpr std::uint64_t exchange = 0x300000;
/// Nothing answers here.
inline constexpr std::uint64_t nowhere = 0x40000000;
} // namespace layout

/// The memory of one machine: shared with another process, sparse.
class guest_memory {
public:
  guest_memory();
  guest_memory(const guest_memory&) = delete;
  guest_memory& operator=(const guest_memory&) = delete;
  ~guest_memory();

  /// For whoever maps it, too.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::byte* at(std::uint64_t address) { return bytes_ + address; }
  [[nodiscard]] const std::byte* at(std::uint64_t address) const { return bytes_ + address; }
  [[nodiscard]] static bool contains(std::uint64_t address, std::uint64_t bytes) {
    return address < layout::memory && bytes <= layout::memory - address;
  }
  [[nodiscard]] std::uint64_t load(std::uint64_t address) const;
  void store(std::uint64_t address, std::uint64_t value);
  /// As at the start of every program.
  void reset();

  /// The first byte of data from `from` on that is not the same in both; `everywhere`: of all memory that one
  /// of them has ever touched, not only of the pages meant for data.
  [[nodiscard]] std::optional<std::uint64_t> first_difference(const guest_memory& other,
                                                              bool everywhere) const;

private:
  struct extent {
    std::uint64_t first = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] std::vector<extent> touched() const;

  int descriptor_ = -1;
  std::byte* bytes_ = nullptr;
};

} // namespace vtdsim::differential
