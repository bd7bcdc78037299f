// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/store_path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace vtd::host {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

std::uint64_t table_word(store_path& path, std::uint64_t address, bool coherent = false) {
  std::array<std::uint64_t, 1> word{};
  EXPECT_TRUE(path.table_read(address, word, coherent));
  return word[0];
}

std::uint64_t device_word(store_path& path, std::uint64_t address) {
  std::array<std::byte, 8> raw{};
  EXPECT_TRUE(path.device_read(address, raw));
  return number_from<std::uint64_t>(raw);
}

bool device_put(store_path& path, std::uint64_t address, std::uint64_t value) {
  return path.device_write(address, bytes_from(value));
}

class store_path_test : public testing::Test {
protected:
  sparse_memory ram{mib};
  store_path plain{ram, {}};
  store_path buffered{ram, {.cache = {}, .write_buffer_entries = 4}};
};

TEST_F(store_path_test, shows_a_store_to_the_table_walk_only_after_the_flush_of_its_line) {
  ASSERT_TRUE(plain.cpu_store<std::uint64_t>(0x1000, 3));
  EXPECT_EQ(table_word(plain, 0x1000), 0U);
  EXPECT_TRUE(plain.clflush(0x1000));
  EXPECT_EQ(table_word(plain, 0x1000), 3U);
}

TEST_F(store_path_test, needs_flush_and_drain_where_there_is_a_write_buffer) {
  ASSERT_TRUE(buffered.cpu_store<std::uint64_t>(0x1000, 3));
  buffered.drain(); // nothing has come that far
  EXPECT_EQ(table_word(buffered, 0x1000), 0U);
  buffered.clflush(0x1000);
  EXPECT_EQ(table_word(buffered, 0x1000), 0U);
  buffered.drain();
  EXPECT_EQ(table_word(buffered, 0x1000), 3U);
}

TEST_F(store_path_test, shows_a_store_to_a_coherent_table_walk_at_once) {
  buffered.cpu_store<std::uint64_t>(0x1000, 3);
  EXPECT_EQ(table_word(buffered, 0x1000, true), 3U);
  buffered.cpu_store<std::uint64_t>(0x2000, 4);
  buffered.clflush(0x2000);
  EXPECT_EQ(table_word(buffered, 0x2000, true), 4U);
}

TEST_F(store_path_test, keeps_devices_coherent_with_cache_and_buffer) {
  buffered.cpu_store<std::uint64_t>(0x1000, 3);
  EXPECT_EQ(device_word(buffered, 0x1000), 3U);
  ASSERT_TRUE(device_put(buffered, 0x1008, 4));
  EXPECT_EQ(buffered.cpu_load<std::uint64_t>(0x1008), 4U);
  EXPECT_EQ(buffered.cpu_load<std::uint64_t>(0x1000), 3U);
  buffered.wbinvd();
  buffered.drain();
  EXPECT_EQ(ram.load<std::uint64_t>(0x1000), 3U);
  EXPECT_EQ(ram.load<std::uint64_t>(0x1008), 4U);
}

TEST_F(store_path_test, lets_no_older_store_overwrite_what_a_device_wrote) {
  std::vector<std::byte> whole(std::size_t{2} * line_size, std::byte{0xee});
  buffered.cpu_store<std::uint64_t>(0x1000, 3); // stays in the cache
  buffered.cpu_store<std::uint64_t>(0x1040, 4);
  buffered.clflush(0x1040); // waits in the buffer
  ASSERT_TRUE(buffered.device_write(0x1000, whole));
  buffered.wbinvd();
  buffered.drain();
  EXPECT_EQ(ram.load<std::uint8_t>(0x1000), 0xee);
  EXPECT_EQ(ram.load<std::uint8_t>(0x1040), 0xee);
}

TEST_F(store_path_test, posts_uncached_stores_and_reads_them_back) {
  buffered.cpu_store<std::uint64_t>(0x1008, 1); // the line is cached and dirty
  const auto raw = bytes_from(std::uint64_t{5});
  ASSERT_TRUE(buffered.uncached_store(0x1000, raw, 77));
  EXPECT_EQ(buffered.cache().lines(), 0U);
  EXPECT_EQ(table_word(buffered, 0x1000), 0U);
  std::array<std::byte, 16> out{};
  ASSERT_TRUE(buffered.uncached_load(0x1000, out));
  EXPECT_EQ(out[0], std::byte{5});
  EXPECT_EQ(out[8], std::byte{1});
  const auto waiting = buffered.pending(0x1000, 8);
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->place, store_place::write_buffer);
  EXPECT_EQ(waiting->last.time, 77U);
  ASSERT_TRUE(plain.uncached_store(0x2000, raw)); // no buffer there
  EXPECT_EQ(table_word(plain, 0x2000), 5U);
}

TEST_F(store_path_test, flushes_every_line_a_range_touches_and_no_more) {
  for (const std::uint64_t line : {0x1000U, 0x1040U, 0x1080U, 0x10c0U})
    plain.cpu_store<std::uint64_t>(line, 1);
  plain.clflush(0x1078, 16); // the end of one line and the start of the next
  EXPECT_EQ(table_word(plain, 0x1000), 0U);
  EXPECT_EQ(table_word(plain, 0x1040), 1U);
  EXPECT_EQ(table_word(plain, 0x1080), 1U);
  EXPECT_EQ(table_word(plain, 0x10c0), 0U);
  plain.clflush(0x10c0, 0);
  EXPECT_EQ(table_word(plain, 0x10c0), 0U);
}

TEST_F(store_path_test, tells_what_waits_in_the_cache_and_when_it_was_stored) {
  ram.store<std::uint64_t>(0x1010, 0xaa);
  plain.cpu_store<std::uint64_t>(0x1000, 9, 100);
  plain.cpu_store<std::uint64_t>(0x1010, 0xbb, 200);
  const auto waiting = plain.pending(0x1010, 16);
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->place, store_place::cpu_cache);
  EXPECT_FALSE(waiting->also_buffered);
  EXPECT_EQ(waiting->line, 0x1000U);
  EXPECT_EQ(waiting->address, 0x1010U);
  EXPECT_EQ(waiting->bytes, 16U);
  EXPECT_EQ(waiting->cpu[0], std::byte{0xbb});
  EXPECT_EQ(waiting->memory[0], std::byte{0xaa});
  EXPECT_EQ(waiting->last.sequence, 2U);
  EXPECT_EQ(waiting->last.time, 200U);
}

TEST_F(store_path_test, sees_nothing_pending_next_to_a_dirty_word) {
  plain.cpu_store<std::uint64_t>(0x1000, 9);
  EXPECT_FALSE(plain.pending(0x1008, 8).has_value());
  EXPECT_FALSE(plain.pending(0x1040, 8).has_value());
}

TEST_F(store_path_test, sees_nothing_pending_where_the_same_bytes_were_stored_again) {
  ram.store<std::uint64_t>(0x1000, 9);
  plain.cpu_store<std::uint64_t>(0x1000, 9);
  EXPECT_EQ(plain.cache().dirty_lines(), 1U);
  EXPECT_FALSE(plain.pending(0x1000, 8).has_value());
}

TEST_F(store_path_test, follows_a_store_from_cache_to_buffer_to_memory) {
  buffered.cpu_store<std::uint64_t>(0x1000, 9, 5);
  EXPECT_EQ(buffered.pending(0x1000, 8)->place, store_place::cpu_cache);
  buffered.clflush(0x1000);
  const auto waiting = buffered.pending(0x1000, 8);
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->place, store_place::write_buffer);
  EXPECT_EQ(waiting->last.time, 5U);
  buffered.drain();
  EXPECT_FALSE(buffered.pending(0x1000, 8).has_value());
}

TEST_F(store_path_test, tells_when_an_entry_is_half_in_the_cache_and_half_in_the_buffer) {
  buffered.cpu_store<std::uint64_t>(0x1008, 2);
  buffered.clflush(0x1000);
  buffered.cpu_store<std::uint64_t>(0x1000, 1);
  const auto waiting = buffered.pending(0x1000, 16);
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->place, store_place::cpu_cache);
  EXPECT_TRUE(waiting->also_buffered);
  EXPECT_EQ(waiting->cpu[0], std::byte{1});
  EXPECT_EQ(waiting->cpu[8], std::byte{2});
}

TEST_F(store_path_test, does_not_count_bytes_in_the_buffer_that_the_cache_has_newer) {
  buffered.cpu_store<std::uint64_t>(0x1000, 1);
  buffered.clflush(0x1000);
  buffered.cpu_store<std::uint64_t>(0x1000, 2);
  const auto waiting = buffered.pending(0x1000, 8);
  ASSERT_TRUE(waiting.has_value());
  EXPECT_FALSE(waiting->also_buffered);
  EXPECT_EQ(waiting->cpu[0], std::byte{2});
}

TEST_F(store_path_test, takes_the_cache_before_the_buffer_for_what_the_cpu_sees) {
  buffered.cpu_store<std::uint64_t>(0x1000, 1);
  buffered.clflush(0x1000);                     // 1 waits in the buffer
  buffered.cpu_store<std::uint64_t>(0x1000, 0); // and is taken back in the cache
  EXPECT_FALSE(buffered.pending(0x1000, 8).has_value());
}

TEST_F(store_path_test, cuts_the_question_at_the_end_of_the_line) {
  plain.cpu_store<std::uint64_t>(0x1040, 1);
  EXPECT_FALSE(plain.pending(0x1038, 16).has_value());
  plain.cpu_store<std::uint64_t>(0x1038, 1);
  EXPECT_EQ(plain.pending(0x1038, 16)->bytes, 8U);
}

TEST_F(store_path_test, changes_nothing_on_debug_access) {
  buffered.cpu_store<std::uint64_t>(0x1000, 1);
  buffered.clflush(0x1000);
  buffered.cpu_store<std::uint64_t>(0x1008, 2);
  const auto counts = buffered.cache().counts();
  std::array<std::byte, 80> out{};
  ASSERT_TRUE(buffered.debug_read(0xff8, out));
  EXPECT_EQ(out[8], std::byte{1});
  EXPECT_EQ(out[16], std::byte{2});
  EXPECT_EQ(buffered.cache().counts().loads, counts.loads);
  EXPECT_EQ(buffered.buffer().size(), 1U);
  EXPECT_EQ(buffered.cache().dirty_lines(), 1U);
}

TEST_F(store_path_test, reaches_every_copy_with_a_debug_write) {
  buffered.cpu_store<std::uint64_t>(0x1000, 1);
  buffered.clflush(0x1000);
  buffered.cpu_store<std::uint64_t>(0x1000, 2);
  ASSERT_TRUE(buffered.debug_write(0x1000, bytes_from(std::uint64_t{7})));
  EXPECT_EQ(table_word(buffered, 0x1000), 7U);
  EXPECT_EQ(buffered.cpu_load<std::uint64_t>(0x1000), 7U);
  buffered.drain();
  EXPECT_EQ(table_word(buffered, 0x1000), 7U);
  buffered.wbinvd();
  buffered.drain();
  EXPECT_EQ(table_word(buffered, 0x1000), 7U);
}

TEST_F(store_path_test, refuses_an_access_that_is_not_all_memory_and_does_nothing) {
  std::array<std::byte, 16> raw{};
  std::array<std::uint64_t, 2> words{};
  EXPECT_FALSE(plain.cpu_store(mib - 8, raw));
  EXPECT_FALSE(plain.cpu_load(mib - 8, std::span<std::byte>(raw)));
  EXPECT_FALSE(plain.uncached_store(mib - 8, raw));
  EXPECT_FALSE(plain.uncached_load(mib - 8, raw));
  EXPECT_FALSE(plain.device_write(mib - 8, raw));
  EXPECT_FALSE(plain.device_read(mib - 8, raw));
  EXPECT_FALSE(plain.debug_write(mib - 8, raw));
  EXPECT_FALSE(plain.debug_read(mib - 8, raw));
  EXPECT_FALSE(plain.table_read(mib - 8, words, false));
  EXPECT_FALSE(plain.pending(mib, 8).has_value());
  EXPECT_EQ(plain.cache().lines(), 0U);
  EXPECT_EQ(plain.stores(), 0U);
}

// Whatever waits where: CPU, devices and debug access always see the same bytes as one flat memory, and what
// the checker is told is true.
TEST(store_path_random, gives_cpu_and_devices_one_view_of_memory) {
  struct shape {
    cpu_cache_config cache;
    std::size_t buffer;
  };
  for (const shape& s :
       {shape{{0, 0}, 0}, shape{{0, 0}, 3}, shape{{4, 2}, 0}, shape{{4, 2}, 3}, shape{{1, 1}, 1}}) {
    constexpr std::size_t size = 2 * sparse_memory::page_bytes;
    sparse_memory memory(size);
    store_path path(memory, {s.cache, s.buffer});
    std::vector<std::byte> model(size);
    std::mt19937_64 random(99);
    for (int i = 0; i < 20000; ++i) {
      const std::size_t bytes = 1 + random() % 150;
      const std::size_t address = random() % (size - bytes);
      std::vector<std::byte> data(bytes, static_cast<std::byte>(random()));
      const auto at = model.begin() + static_cast<std::ptrdiff_t>(address);
      const auto written = [&] { std::copy(data.begin(), data.end(), at); };
      const auto same = [&] { return std::equal(data.begin(), data.end(), at); };
      switch (random() % 9) {
      case 0:
        ASSERT_TRUE(path.cpu_store(address, std::span<const std::byte>(data)));
        written();
        break;
      case 1:
        ASSERT_TRUE(path.uncached_store(address, data));
        written();
        break;
      case 2:
        ASSERT_TRUE(path.device_write(address, data));
        written();
        break;
      case 3:
        ASSERT_TRUE(path.cpu_load(address, std::span<std::byte>(data)));
        ASSERT_TRUE(same());
        break;
      case 4:
        ASSERT_TRUE(path.uncached_load(address, data));
        ASSERT_TRUE(same());
        break;
      case 5:
        ASSERT_TRUE(path.device_read(address, data));
        ASSERT_TRUE(same());
        break;
      case 6:
        ASSERT_TRUE(path.debug_read(address, data));
        ASSERT_TRUE(same());
        break;
      case 7:
        path.clflush(address, bytes);
        break;
      default:
        path.drain();
        break;
      }
      // What waits is exactly what the CPU sees and memory does not show.
      const std::uint64_t entry = (random() % (size / 16)) * 16;
      std::array<std::byte, 16> seen{};
      std::array<std::byte, 16> shown{};
      ASSERT_TRUE(path.debug_read(entry, seen) && memory.read(entry, shown));
      const auto waiting = path.pending(entry, 16);
      ASSERT_EQ(waiting.has_value(), seen != shown);
      if (waiting) {
        ASSERT_TRUE(std::equal(seen.begin(), seen.end(), waiting->cpu.begin()));
        ASSERT_TRUE(std::equal(shown.begin(), shown.end(), waiting->memory.begin()));
      }
    }
    path.wbinvd();
    path.drain();
    std::vector<std::byte> out(size);
    ASSERT_TRUE(memory.read(0, out));
    EXPECT_EQ(out, model);
  }
}

} // namespace
} // namespace vtd::host
