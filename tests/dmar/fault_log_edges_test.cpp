// SPDX-License-Identifier: Apache-2.0
// Edges of advanced fault logging: answers of memory that come late, a new log while one is in use, and a log
// that a snapshot takes along.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using spec::fault_log_record;

constexpr std::uint64_t log_base = 0xa00000;
constexpr std::uint64_t other_base = 0xb00000;
constexpr std::uint64_t iova = 0x40000000;

remap::capabilities part() {
  remap::capabilities caps = small_part();
  caps.cap.set_afl(true);
  return caps;
}

/// Memory answers the log when the test says so, if `slow`.
struct scene : unit_world {
  scene() : unit_world(part()) {
    tables.attach(nic, 3);
    enable();
  }
  void order(std::uint32_t more) {
    write_register<reg::gcmd>(reg::gcmd::te::mask | more);
    settle();
  }
  void switch_on(std::uint64_t base = log_base) {
    write_register<reg::aflog>(base);
    order(reg::gcmd::sfl::mask);
    order(reg::gcmd::eafl::mask);
  }
  void fault(std::uint64_t n) { read(nic, iova + n * spec::page_size); }
  [[nodiscard]] fault_log_record at(std::size_t index, std::uint64_t base = log_base) const {
    const std::uint64_t place = base + index * sizeof(fault_log_record);
    return {memory.load(place), memory.load(place + 8)};
  }
  [[nodiscard]] bool holds(std::size_t index, std::uint64_t n, std::uint64_t base = log_base) const {
    return at(index, base).pending() && at(index, base).address() == iova + n * spec::page_size;
  }
  [[nodiscard]] std::uint32_t status() { return read_register<reg::fsts>(); }

  bool read_log(unsigned tag, std::uint64_t address) override {
    if (!slow) return unit_world::read_log(tag, address);
    log_reads.push_back({wheel.now(), tag, address, {}});
    return true;
  }
  bool write_log(unsigned tag, std::uint64_t address, const fault_log_record& what) override {
    if (!slow) return unit_world::write_log(tag, address, what);
    log_writes.push_back({wheel.now(), tag, address, {}});
    return true;
  }
  void read_answer(std::uint64_t tag, bool ok = true) {
    unit.log_read_answered(static_cast<unsigned>(tag), ok, {}, now_ps());
    settle();
  }
  void write_answer(std::uint64_t tag, bool ok = true) {
    unit.log_write_answered(static_cast<unsigned>(tag), ok, now_ps());
    settle();
  }
  bool slow = false;
};

TEST(fault_log_edges, a_reset_forgets_where_the_log_was) {
  scene s;
  s.switch_on();
  s.fault(0);
  ASSERT_TRUE(s.holds(0, 0));
  s.unit.reset(false);
  s.settle();
  s.enable();
  // Nobody says where it is: AFLOG reads 0.
  s.order(reg::gcmd::eafl::mask);
  s.fault(1);
  EXPECT_FALSE(s.at(1).pending()) << "in memory that is somebody else's by now";
  EXPECT_TRUE(s.holds(0, 1, 0)) << "the first record";
}

TEST(fault_log_edges, a_reset_forgets_how_large_the_log_was) {
  scene s;
  constexpr unsigned a_page = 256;
  s.write_register<reg::aflog>(log_base | reg::aflog::fls::of(1)); // two pages
  s.order(reg::gcmd::sfl::mask);
  s.unit.reset(true);
  s.enable();
  // Without an order to take over AFLOG the log is as that register reads: one page at 0.
  s.order(reg::gcmd::eafl::mask);
  for (unsigned n = 0; n <= a_page; ++n)
    s.fault(n);
  EXPECT_EQ(s.status(), reg::fsts::apf::mask | reg::fsts::afo::mask) << "full after a page";
  EXPECT_TRUE(s.holds(a_page - 1, a_page - 1, 0));
  EXPECT_FALSE(s.at(a_page, 0).pending());
}

TEST(fault_log_edges, an_answer_from_before_a_reset_is_none_for_the_next_record) {
  for (const bool writing : {false, true}) {
    scene s;
    s.slow = true;
    s.switch_on();
    s.fault(0);
    ASSERT_EQ(s.log_reads.size(), 1U);
    std::uint64_t old = s.log_reads[0].id;
    if (writing) {
      s.read_answer(old);
      ASSERT_EQ(s.log_writes.size(), 1U);
      old = s.log_writes[0].id;
    }
    s.unit.reset(true);
    const auto late = [&](bool ok) { writing ? s.write_answer(old, ok) : s.read_answer(old, ok); };
    late(false);
    EXPECT_EQ(s.status(), 0U) << "nobody waits for it";
    EXPECT_EQ(s.wheel.next(), engine::never);
    s.enable();
    s.fault(1);
    EXPECT_EQ(s.log_reads.size(), 1U) << "the log is off after a reset";
    s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
    s.switch_on();
    s.fault(2);
    ASSERT_EQ(s.log_reads.size(), 2U);
    EXPECT_EQ(s.log_reads[1].address, log_base);
    late(false);
    EXPECT_EQ(s.status(), 0U) << "its own answer is still to come";
    s.read_answer(s.log_reads[1].id);
    const std::size_t writes = writing ? 2 : 1;
    ASSERT_EQ(s.log_writes.size(), writes);
    late(false);
    late(true);
    EXPECT_EQ(s.status(), 0U);
    s.write_answer(s.log_writes.back().id);
    EXPECT_EQ(s.status(), reg::fsts::apf::mask);
  }
}

TEST(fault_log_edges, a_reset_in_the_cycle_of_an_answer_leaves_nothing_of_the_record) {
  scene s;
  s.switch_on();
  s.fault(0);
  ASSERT_EQ(s.log_writes.size(), 1U);
  s.slow = true;
  s.fault(1);
  ASSERT_EQ(s.log_reads.size(), 2U);
  const std::size_t told = s.faults.size();
  s.unit.log_read_answered(static_cast<unsigned>(s.log_reads[1].id), true, {}, s.now_ps());
  s.unit.reset(true);
  s.settle();
  s.enable();
  EXPECT_EQ(s.log_writes.size(), 1U);
  EXPECT_EQ(s.faults.size(), told) << "nobody hears of it again";
  EXPECT_EQ(s.status(), 0U);
  s.switch_on();
  s.fault(2);
  ASSERT_EQ(s.log_reads.size(), 3U);
  EXPECT_EQ(s.log_reads[2].address, log_base);
  EXPECT_EQ(s.faults.size(), told) << "the next one is not in memory yet";
  EXPECT_EQ(s.status(), 0U);
}

TEST(fault_log_edges, begins_again_after_a_reset) {
  scene s;
  s.switch_on();
  s.fault(0);
  s.fault(1);
  s.unit.reset(true);
  s.enable();
  s.memory.store(log_base + 8, 0);
  s.switch_on();
  s.fault(2);
  EXPECT_TRUE(s.holds(0, 2));
  EXPECT_TRUE(s.holds(1, 1)) << "as it was";
}

TEST(fault_log_edges, a_new_log_begins_at_its_first_record_while_the_old_one_is_in_use) {
  scene s;
  s.switch_on();
  s.fault(0);
  s.write_register<reg::aflog>(other_base);
  s.order(reg::gcmd::sfl::mask | reg::gcmd::eafl::mask);
  s.fault(1);
  EXPECT_TRUE(s.holds(0, 1, other_base));
  EXPECT_FALSE(s.at(1, other_base).pending());
  EXPECT_FALSE(s.at(1).pending());
}

// The edge that sees the answer of memory to the write.
TEST(fault_log_edges, is_told_of_in_the_cycle_that_sees_the_record_in_memory) {
  scene s;
  s.switch_on();
  s.offer(1, nic, access_kind::read, iova);
  while (s.log_writes.empty())
    s.run_to(s.wheel.now() + 1);
  const engine::cycle seen = s.log_writes[0].at + 50 + 1;
  s.run_to(seen - 1);
  EXPECT_EQ(s.status(), 0U);
  s.run_to(seen);
  EXPECT_EQ(s.status(), reg::fsts::apf::mask);
}

TEST(fault_log_edges, a_snapshot_takes_its_place_along) {
  scene first;
  first.switch_on();
  first.fault(0);
  first.fault(1);
  first.write_register<reg::fsts>(reg::fsts::apf::mask);
  first.settle();
  const auto saved = first.unit.save(first.now_ps());
  scene second;
  second.unit.restore(saved, second.now_ps());
  second.fault(2);
  EXPECT_TRUE(second.holds(2, 2));
  EXPECT_FALSE(second.at(0).pending());
  EXPECT_EQ(second.status(), reg::fsts::apf::mask);
}

} // namespace
} // namespace vtd::test
