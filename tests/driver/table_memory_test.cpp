// SPDX-License-Identifier: Apache-2.0
// Stores to tables and the flushes they owe. VT-d 6.8

#include "vtd/driver/table_memory.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

constexpr std::uint64_t word = sizeof(std::uint64_t);

class table_memory : public testing::Test {
protected:
  fake_hardware hw;
  driver::hardware machine{hw.access()};
};

TEST_F(table_memory, a_new_page_is_zero_in_memory) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page();
  EXPECT_EQ(page % spec::page_size, 0U);
  for (std::uint64_t at = 0; at < spec::page_size; at += word)
    EXPECT_EQ(hw.seen_by_hardware(page + at), 0U);
  EXPECT_EQ(memory.pages(), 1U);
  memory.free_page(page);
  EXPECT_EQ(memory.pages(), 0U);
}

TEST_F(table_memory, a_new_page_whose_flush_is_forgotten_shows_what_was_in_it) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page(true);
  EXPECT_EQ(hw.seen_by_cpu(page), 0U);
  EXPECT_NE(hw.seen_by_hardware(page), 0U);
  memory.free_page(page);
}

TEST_F(table_memory, stores_show_in_memory_at_commit_not_before) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page();
  memory.store(page, 1);
  EXPECT_EQ(memory.load(page), 1U);
  EXPECT_EQ(hw.seen_by_hardware(page), 0U);
  memory.commit();
  EXPECT_EQ(hw.seen_by_hardware(page), 1U);
}

TEST_F(table_memory, words_side_by_side_share_a_flush_in_either_order) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page();
  hw.forget_events();
  memory.store(page + word, 1);
  memory.store(page, 1);
  memory.store(page + 2 * word, 1);
  memory.commit();
  EXPECT_EQ(count(hw, any_flush()), 1U);
  EXPECT_EQ(hw.dirty_lines(), 0U);
}

TEST_F(table_memory, words_far_apart_are_flushed_each) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page();
  hw.forget_events();
  memory.store(page, 1);
  memory.store(page + 2 * fake_hardware::line_size, 1);
  memory.commit();
  EXPECT_EQ(count(hw, any_flush()), 2U);
  EXPECT_EQ(hw.dirty_lines(), 0U);
  memory.commit();
  EXPECT_EQ(count(hw, any_flush()), 2U);
}

TEST_F(table_memory, a_store_whose_flush_is_forgotten_stays_in_the_cache) {
  driver::table_memory memory(machine, true);
  const std::uint64_t page = memory.new_page();
  memory.store(page, 1, true);
  memory.commit();
  EXPECT_EQ(hw.seen_by_hardware(page), 0U);
  EXPECT_EQ(hw.dirty_lines(), 1U);
}

TEST_F(table_memory, what_is_still_owed_is_flushed_at_the_end) {
  std::uint64_t page = 0;
  {
    driver::table_memory memory(machine, true);
    page = memory.new_page();
    memory.store(page, 1);
  }
  EXPECT_EQ(hw.seen_by_hardware(page), 1U);
}

TEST_F(table_memory, coherent_readers_need_no_flush) {
  driver::table_memory memory(machine, false);
  const std::uint64_t page = memory.new_page();
  memory.store(page, 1);
  memory.commit();
  EXPECT_FALSE(memory.flushes());
  EXPECT_EQ(count(hw, any_flush()), 0U);
}

TEST_F(table_memory, no_page_left_is_an_error_that_says_how_many_were_wanted) {
  hw.pages_left = 0;
  driver::table_memory memory(machine, true);
  EXPECT_EQ(message_of<driver::driver_error>([&] { (void)memory.new_page(); }),
            "page allocation: no memory left for 1 pages of tables");
  EXPECT_EQ(memory.pages(), 0U);
}

} // namespace
} // namespace vtd::test
