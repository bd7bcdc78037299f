// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/write_buffer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace vtd::host {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

class write_buffer_test : public testing::Test {
protected:
  static bool write(write_buffer& buffer, std::uint64_t address, std::uint64_t value,
                    std::uint64_t sequence = 1) {
    return buffer.write(address, bytes_from(value), {sequence, 0});
  }
  static std::uint64_t read(const write_buffer& buffer, std::uint64_t address) {
    std::array<std::byte, 8> raw{};
    EXPECT_TRUE(buffer.read(address, raw));
    return number_from<std::uint64_t>(raw);
  }
  [[nodiscard]] std::uint64_t in_memory(std::uint64_t address) const {
    return ram.load<std::uint64_t>(address).value();
  }
  sparse_memory ram{mib};
};

TEST_F(write_buffer_test, holds_a_write_until_it_is_drained) {
  write_buffer buffer(ram, 4);
  ASSERT_TRUE(write(buffer, 0x1000, 7));
  EXPECT_EQ(in_memory(0x1000), 0U);
  EXPECT_EQ(read(buffer, 0x1000), 7U);
  buffer.drain(drain_cause::command);
  EXPECT_EQ(in_memory(0x1000), 7U);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.counts().commands, 1U);
  EXPECT_EQ(buffer.counts().command_drains, 1U);
}

TEST_F(write_buffer_test, drains_the_oldest_entry_only_when_it_is_full) {
  write_buffer buffer(ram, 2);
  write(buffer, 0x1000, 1);
  write(buffer, 0x2000, 2);
  EXPECT_EQ(ram.allocated_pages(), 0U);
  write(buffer, 0x3000, 3);
  EXPECT_EQ(in_memory(0x1000), 1U);
  EXPECT_EQ(in_memory(0x2000), 0U);
  EXPECT_EQ(in_memory(0x3000), 0U);
  EXPECT_EQ(buffer.size(), 2U);
  EXPECT_EQ(buffer.counts().forced_drains, 1U);
}

TEST_F(write_buffer_test, merges_writes_to_one_line_into_one_entry) {
  write_buffer buffer(ram, 2);
  write(buffer, 0x1000, 1, 1);
  write(buffer, 0x2000, 2, 2);
  write(buffer, 0x1008, 3, 3);
  write(buffer, 0x1000, 4, 4);
  EXPECT_EQ(buffer.size(), 2U);
  EXPECT_EQ(buffer.counts().merges, 2U);
  EXPECT_EQ(buffer.counts().forced_drains, 0U);
  EXPECT_EQ(buffer.peek(0x1000)->stamps[0].sequence, 4U);
  EXPECT_EQ(buffer.peek(0x1000)->stamps[1].sequence, 3U);
  buffer.drain(drain_cause::implicit);
  EXPECT_EQ(in_memory(0x1000), 4U);
  EXPECT_EQ(in_memory(0x1008), 3U);
  EXPECT_EQ(buffer.counts().implicit_drains, 2U);
}

TEST_F(write_buffer_test, writes_only_the_bytes_it_was_given) {
  write_buffer buffer(ram, 2);
  ASSERT_TRUE(ram.store<std::uint64_t>(0x1000, ~std::uint64_t{0}));
  ASSERT_TRUE(ram.store<std::uint64_t>(0x1038, ~std::uint64_t{0}));
  ASSERT_TRUE(buffer.write(0x1002, bytes_from(std::uint16_t{0}), {1, 0}));
  ASSERT_TRUE(buffer.write(0x103f, bytes_from(std::uint8_t{0}), {2, 0}));
  buffer.drain(drain_cause::command);
  EXPECT_EQ(in_memory(0x1000), 0xffffffff0000ffffU);
  EXPECT_EQ(in_memory(0x1038), 0x00ffffffffffffffU);
}

TEST_F(write_buffer_test, keeps_the_stamp_of_a_word_that_a_later_write_back_carries_unchanged) {
  write_buffer buffer(ram, 2);
  write(buffer, 0x1000, 1, 5);
  line_content whole;
  whole.put(8, bytes_from(std::uint64_t{2}), {6, 60});
  whole.data[0] = std::byte{1};
  whole.dirty = all_bytes; // as the cache writes back: the whole line
  ASSERT_TRUE(buffer.write_line(0x1000, whole));
  EXPECT_EQ(buffer.peek(0x1000)->stamps[0].sequence, 5U);
  EXPECT_EQ(buffer.peek(0x1000)->stamps[1].sequence, 6U);
}

TEST_F(write_buffer_test, lays_what_waits_over_memory_in_a_coherent_read) {
  write_buffer buffer(ram, 4);
  ASSERT_TRUE(ram.store<std::uint64_t>(0x1038, 0x1111111111111111));
  ASSERT_TRUE(ram.store<std::uint64_t>(0x1040, 0x2222222222222222));
  write(buffer, 0x1040, 0x3333333333333333);
  write(buffer, 0x0ff8, 0x4444444444444444);
  std::array<std::byte, 8> raw{};
  ASSERT_TRUE(buffer.read(0x103c, raw)); // half before the entry, half in it
  EXPECT_EQ(number_from<std::uint64_t>(raw), 0x3333333311111111U);
  EXPECT_EQ(buffer.size(), 2U);
}

TEST_F(write_buffer_test, gives_way_to_a_device_write_in_order) {
  write_buffer buffer(ram, 4);
  write(buffer, 0x1000, 1);
  write(buffer, 0x2000, 2);
  write(buffer, 0x3000, 3);
  buffer.snoop_write(0x2010);
  EXPECT_EQ(in_memory(0x1000), 1U);
  EXPECT_EQ(in_memory(0x2000), 2U);
  EXPECT_EQ(in_memory(0x3000), 0U);
  EXPECT_EQ(buffer.counts().snoop_drains, 2U);
  buffer.snoop_write(0x9000); // not here: nothing happens
  EXPECT_EQ(buffer.size(), 1U);
}

TEST_F(write_buffer_test, is_no_delay_when_it_has_no_entries) {
  write_buffer buffer(ram, 0);
  ASSERT_TRUE(write(buffer, 0x1000, 7));
  EXPECT_EQ(in_memory(0x1000), 7U);
  EXPECT_FALSE(buffer.present());
  EXPECT_TRUE(buffer.empty());
}

TEST_F(write_buffer_test, refuses_what_is_no_memory) {
  write_buffer buffer(ram, 2);
  std::array<std::byte, 8> raw{};
  EXPECT_FALSE(write(buffer, mib, 1));
  EXPECT_FALSE(buffer.read(mib - 4, raw));
  EXPECT_TRUE(buffer.empty());
}

} // namespace
} // namespace vtd::host
