// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/cpu_cache.h"

#include "vtd/host/sparse_memory.h"
#include "vtd/host/write_buffer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace vtd::host {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

// Memory behind a port that notes the order of write-backs.
struct recording_port final : line_port {
  sparse_memory memory{mib};
  write_buffer through{memory, 0};
  std::vector<std::uint64_t> written;

  bool read_line(std::uint64_t line, line_data& out) override { return through.read_line(line, out); }
  bool write_line(std::uint64_t line, const line_content& content) override {
    written.push_back(line);
    return through.write_line(line, content);
  }
};

class cpu_cache_test : public testing::Test {
protected:
  static bool store(cpu_cache& cache, std::uint64_t address, std::uint64_t value,
                    std::uint64_t sequence = 1) {
    return cache.store(address, bytes_from(value), {sequence, 0});
  }
  static std::uint64_t load(cpu_cache& cache, std::uint64_t address) {
    std::array<std::byte, 8> raw{};
    EXPECT_TRUE(cache.load(address, raw));
    return number_from<std::uint64_t>(raw);
  }
  [[nodiscard]] std::uint64_t in_memory(std::uint64_t address) const {
    return port.memory.load<std::uint64_t>(address).value();
  }
  recording_port port;
};

TEST_F(cpu_cache_test, keeps_a_store_from_memory_until_its_line_is_flushed) {
  cpu_cache cache(port, {});
  ASSERT_TRUE(store(cache, 0x1008, 42));
  EXPECT_EQ(load(cache, 0x1008), 42U);
  EXPECT_EQ(in_memory(0x1008), 0U);
  EXPECT_TRUE(cache.clflush(0x1030)); // another address of the line
  EXPECT_EQ(in_memory(0x1008), 42U);
  EXPECT_EQ(cache.lines(), 0U);
}

TEST_F(cpu_cache_test, flushes_a_clean_line_without_writing) {
  cpu_cache cache(port, {});
  EXPECT_EQ(load(cache, 0x1000), 0U);
  EXPECT_EQ(cache.lines(), 1U);
  EXPECT_FALSE(cache.clflush(0x1000));
  EXPECT_EQ(cache.lines(), 0U);
  EXPECT_TRUE(port.written.empty());
  EXPECT_EQ(port.memory.allocated_pages(), 0U);
}

TEST_F(cpu_cache_test, writes_back_only_the_line_that_was_flushed) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 1);
  store(cache, 0x1040, 2);
  cache.clflush(0x1000);
  EXPECT_EQ(in_memory(0x1000), 1U);
  EXPECT_EQ(in_memory(0x1040), 0U);
  EXPECT_EQ(cache.dirty_lines(), 1U);
}

TEST_F(cpu_cache_test, writes_the_whole_line_back_over_what_changed_behind_it) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 1);
  ASSERT_TRUE(port.memory.store<std::uint64_t>(0x1008, 9)); // a writer that snoops nothing
  cache.clflush(0x1000);
  EXPECT_EQ(in_memory(0x1008), 0U);
}

TEST_F(cpu_cache_test, reads_a_line_again_after_it_was_flushed) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 1);
  cache.clflush(0x1000);
  ASSERT_TRUE(port.memory.store<std::uint64_t>(0x1000, 9));
  EXPECT_EQ(load(cache, 0x1000), 9U);
}

TEST_F(cpu_cache_test, writes_all_dirty_lines_back_in_order_of_address) {
  cpu_cache cache(port, {});
  for (const std::uint64_t line : {0x3000U, 0x1000U, 0x2000U})
    store(cache, line, line);
  EXPECT_EQ(load(cache, 0x4000), 0U);
  cache.wbinvd();
  EXPECT_EQ(port.written, (std::vector<std::uint64_t>{0x1000, 0x2000, 0x3000}));
  EXPECT_EQ(cache.lines(), 0U);
  EXPECT_EQ(cache.dirty_lines(), 0U);
  EXPECT_EQ(cache.counts().write_backs, 3U);
}

TEST_F(cpu_cache_test, evicts_the_least_recently_used_line_of_the_set_and_writes_it_back) {
  cpu_cache cache(port, {.sets = 2, .ways = 2});
  store(cache, 0x000, 1); // set 0
  store(cache, 0x080, 2); // set 0
  store(cache, 0x040, 3); // set 1: must not count
  load(cache, 0x000);     // now 0x080 is the older one
  store(cache, 0x100, 4); // set 0
  EXPECT_EQ(port.written, (std::vector<std::uint64_t>{0x080}));
  EXPECT_EQ(in_memory(0x080), 2U);
  EXPECT_EQ(in_memory(0x000), 0U);
  EXPECT_EQ(cache.counts().evictions, 1U);
  EXPECT_EQ(cache.lines(), 3U);
  EXPECT_EQ(load(cache, 0x080), 2U); // comes back from memory, and 0x000 goes
  EXPECT_EQ(in_memory(0x000), 1U);
}

TEST_F(cpu_cache_test, never_evicts_when_it_is_unlimited) {
  cpu_cache cache(port, {.sets = 0, .ways = 0});
  for (std::uint64_t line = 0; line < mib; line += line_size)
    store(cache, line, line + 1);
  EXPECT_EQ(cache.counts().evictions, 0U);
  EXPECT_EQ(cache.dirty_lines(), mib / line_size);
  EXPECT_TRUE(port.written.empty());
  EXPECT_EQ(load(cache, 0x8000), 0x8001U);
}

TEST_F(cpu_cache_test, uses_the_places_of_flushed_lines_again) {
  cpu_cache cache(port, {});
  for (int round = 0; round < 100; ++round) {
    store(cache, 0x1000, 1);
    store(cache, 0x2000, 2);
    cache.clflush(0x1000);
    EXPECT_EQ(load(cache, 0x2000), 2U);
  }
  EXPECT_EQ(cache.lines(), 1U);
  EXPECT_EQ(cache.places(), 2U);
  EXPECT_EQ(in_memory(0x2000), 0U);
}

TEST_F(cpu_cache_test, writes_a_dirty_line_back_on_a_coherent_read_and_keeps_it_clean) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 5);
  EXPECT_TRUE(cache.snoop_read(0x1010));
  EXPECT_EQ(in_memory(0x1000), 5U);
  EXPECT_EQ(cache.lines(), 1U);
  EXPECT_EQ(cache.dirty_lines(), 0U);
  EXPECT_FALSE(cache.snoop_read(0x1010));
  EXPECT_FALSE(cache.snoop_read(0x5000));
  EXPECT_EQ(cache.counts().modified_snoops, 1U);
}

TEST_F(cpu_cache_test, saves_the_other_bytes_of_a_line_that_a_device_writes_in_part) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 5);
  EXPECT_TRUE(cache.snoop_invalidate(0x1008, false));
  EXPECT_EQ(in_memory(0x1000), 5U);
  EXPECT_EQ(cache.lines(), 0U);
}

TEST_F(cpu_cache_test, throws_a_dirty_line_away_that_a_device_overwrites) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 5);
  EXPECT_TRUE(cache.snoop_invalidate(0x1000, true));
  EXPECT_EQ(in_memory(0x1000), 0U);
  EXPECT_EQ(cache.lines(), 0U);
  EXPECT_EQ(cache.dirty_lines(), 0U);
  EXPECT_EQ(cache.counts().write_backs, 0U);
}

TEST_F(cpu_cache_test, stamps_every_word_with_its_last_store) {
  cpu_cache cache(port, {});
  store(cache, 0x1000, 1, 11);
  store(cache, 0x1008, 2, 12);
  cache.store(0x100c, std::array<std::byte, 8>{}, {13, 500}); // touches words 1 and 2
  const line_content* const line = cache.peek(0x1020);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->stamps[0].sequence, 11U);
  EXPECT_EQ(line->stamps[1].sequence, 13U);
  EXPECT_EQ(line->stamps[2].sequence, 13U);
  EXPECT_EQ(line->stamps[2].time, 500U);
  EXPECT_EQ(line->stamps[3].sequence, 0U);
  EXPECT_EQ(line->dirty, bytes_of(0, 20));
}

TEST_F(cpu_cache_test, refuses_what_is_no_memory) {
  cpu_cache cache(port, {});
  std::array<std::byte, 8> raw{};
  EXPECT_FALSE(cache.load(mib, raw));
  EXPECT_FALSE(store(cache, mib, 1));
  EXPECT_EQ(cache.lines(), 0U);
}

TEST_F(cpu_cache_test, counts_look_ups_and_misses) {
  cpu_cache cache(port, {});
  load(cache, 0x1000);
  load(cache, 0x1008);
  store(cache, 0x1010, 1);
  store(cache, 0x2010, 1);
  EXPECT_EQ(cache.counts().loads, 2U);
  EXPECT_EQ(cache.counts().load_misses, 1U);
  EXPECT_EQ(cache.counts().stores, 2U);
  EXPECT_EQ(cache.counts().store_misses, 1U);
}

TEST_F(cpu_cache_test, rejects_sets_without_ways) {
  EXPECT_THROW(cpu_cache(port, {.sets = 4, .ways = 0}), std::invalid_argument);
}

} // namespace
} // namespace vtd::host
