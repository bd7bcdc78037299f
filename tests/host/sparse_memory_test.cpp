// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/sparse_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

namespace vtd::host {
namespace {

constexpr std::uint64_t page = sparse_memory::page_bytes;
constexpr std::uint64_t mib = std::uint64_t{1} << 20;

std::vector<std::byte> counting(std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    data[i] = static_cast<std::byte>(i * 7 + 1);
  return data;
}

TEST(sparse_memory, reads_untouched_memory_as_zero_without_allocating) {
  const sparse_memory memory(sparse_memory::max_size);
  std::array<std::byte, 3 * page> out;
  out.fill(std::byte{0x55});
  ASSERT_TRUE(memory.read(sparse_memory::max_size - out.size(), out));
  EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(memory.allocated_pages(), 0U);
}

TEST(sparse_memory, gives_back_a_block_written_across_pages) {
  sparse_memory memory(mib);
  const auto data = counting(2 * page);
  ASSERT_TRUE(memory.write(page - 3, data));
  std::vector<std::byte> out(data.size());
  ASSERT_TRUE(memory.read(page - 3, out));
  EXPECT_EQ(out, data);
  EXPECT_EQ(memory.allocated_pages(), 3U);
}

TEST(sparse_memory, reads_a_mix_of_touched_and_untouched_pages) {
  sparse_memory memory(mib);
  ASSERT_TRUE(memory.store<std::uint8_t>(page, 0xab));
  std::array<std::byte, 2 * page> out;
  out.fill(std::byte{0x55});
  ASSERT_TRUE(memory.read(0, out));
  EXPECT_EQ(out[page - 1], std::byte{0});
  EXPECT_EQ(out[page], std::byte{0xab});
  EXPECT_EQ(out[page + 1], std::byte{0});
}

TEST(sparse_memory, keeps_numbers_little_endian_at_any_alignment) {
  sparse_memory memory(mib);
  ASSERT_TRUE(memory.store<std::uint64_t>(page - 3, 0x1122334455667788)); // crosses a page
  EXPECT_EQ(memory.load<std::uint8_t>(page - 3), 0x88);
  EXPECT_EQ(memory.load<std::uint16_t>(page - 3), 0x7788);
  EXPECT_EQ(memory.load<std::uint32_t>(page - 3), 0x55667788U);
  EXPECT_EQ(memory.load<std::uint64_t>(page - 3), 0x1122334455667788U);
  EXPECT_EQ(memory.load<std::uint8_t>(page + 4), 0x11);
}

TEST(sparse_memory, refuses_what_lies_beyond_its_size_and_changes_nothing) {
  sparse_memory memory(2 * page);
  std::array<std::byte, 8> out;
  out.fill(std::byte{0x55});
  EXPECT_FALSE(memory.read(2 * page - 7, out));
  EXPECT_EQ(out[0], std::byte{0x55});
  EXPECT_FALSE(memory.store<std::uint64_t>(2 * page - 7, ~std::uint64_t{0}));
  EXPECT_EQ(memory.load<std::uint8_t>(2 * page - 7), 0);
  EXPECT_FALSE(memory.load<std::uint64_t>(~std::uint64_t{0} - 3).has_value()); // would wrap round
  EXPECT_FALSE(memory.store<std::uint32_t>(~std::uint64_t{0} - 3, 1));
  EXPECT_FALSE(memory.contains(page, ~std::uint64_t{0}));
  EXPECT_EQ(memory.page(2 * page, true), nullptr);
}

TEST(sparse_memory, refuses_an_access_that_touches_a_hole) {
  sparse_memory memory(mib);
  ASSERT_TRUE(memory.add_hole(4 * page, 6 * page - 1));
  EXPECT_TRUE(memory.contains(3 * page, page));
  EXPECT_FALSE(memory.contains(3 * page, page + 1));
  EXPECT_FALSE(memory.contains(0, mib)); // the hole is in the middle
  EXPECT_TRUE(memory.contains(6 * page, page));
  EXPECT_FALSE(memory.load<std::uint8_t>(6 * page - 1).has_value());
  EXPECT_FALSE(memory.store<std::uint16_t>(4 * page - 1, 1));
  EXPECT_EQ(memory.load<std::uint8_t>(4 * page - 1), 0);
  EXPECT_EQ(memory.page(5 * page, true), nullptr);
}

TEST(sparse_memory, joins_holes_that_overlap) {
  sparse_memory memory(mib);
  ASSERT_TRUE(memory.add_hole(8 * page, 9 * page - 1));
  ASSERT_TRUE(memory.add_hole(2 * page, 3 * page - 1));
  ASSERT_TRUE(memory.add_hole(2 * page, 5 * page - 1));
  EXPECT_TRUE(memory.contains(0, 2 * page));
  EXPECT_FALSE(memory.contains(4 * page, 1));
  EXPECT_TRUE(memory.contains(5 * page, 3 * page));
  EXPECT_FALSE(memory.contains(8 * page, 1));
}

TEST(sparse_memory, refuses_a_hole_over_written_pages_or_off_page_borders) {
  sparse_memory memory(sparse_memory::max_size);
  ASSERT_TRUE(memory.store<std::uint8_t>(5 * page, 1));
  EXPECT_FALSE(memory.add_hole(page, sparse_memory::max_size - 1)); // quick although it spans 2^40 pages
  EXPECT_FALSE(memory.add_hole(6 * page + 1, 8 * page - 1));
  EXPECT_FALSE(memory.add_hole(6 * page, 8 * page));
  EXPECT_FALSE(memory.add_hole(8 * page, 7 * page - 1));
  EXPECT_FALSE(memory.add_hole(6 * page, sparse_memory::max_size + page - 1));
  EXPECT_TRUE(memory.contains(0, sparse_memory::max_size));
}

TEST(sparse_memory, hands_out_pages_that_never_move) {
  sparse_memory memory(sparse_memory::max_size);
  EXPECT_EQ(memory.page(7 * page + 5, false), nullptr);
  std::byte* const first = memory.page(7 * page + 5, true);
  ASSERT_NE(first, nullptr);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    ASSERT_TRUE(memory.store<std::uint64_t>((100 + i * 977) * page, i));
  }
  EXPECT_EQ(memory.page(7 * page, false), first);
  first[9] = std::byte{0x42};
  EXPECT_EQ(memory.load<std::uint8_t>(7 * page + 9), 0x42);
  EXPECT_EQ(memory.allocated_pages(), 5001U);
}

TEST(sparse_memory, agrees_with_a_flat_array_over_random_accesses) {
  constexpr std::size_t size = 64 * page;
  sparse_memory memory(size);
  std::vector<std::byte> model(size);
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t bytes = random() % (3 * page);
    const std::size_t address = random() % (size - bytes);
    if (random() % 2 == 0) {
      const std::vector<std::byte> data(bytes, static_cast<std::byte>(random()));
      ASSERT_TRUE(memory.write(address, data));
      std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(address));
    } else {
      std::vector<std::byte> out(bytes);
      ASSERT_TRUE(memory.read(address, out));
      ASSERT_TRUE(std::equal(out.begin(), out.end(), model.begin() + static_cast<std::ptrdiff_t>(address)));
    }
  }
}

TEST(sparse_memory, rejects_a_size_that_is_no_number_of_pages_up_to_2_to_the_52) {
  const auto make = [](std::uint64_t size) { const sparse_memory memory(size); };
  EXPECT_THROW(make(0), std::invalid_argument);
  EXPECT_THROW(make(page + 1), std::invalid_argument);
  EXPECT_THROW(make(sparse_memory::max_size + page), std::invalid_argument);
  EXPECT_NO_THROW(make(sparse_memory::max_size));
}

} // namespace
} // namespace vtd::host
