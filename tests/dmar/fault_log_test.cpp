// SPDX-License-Identifier: Apache-2.0
// Advanced fault logging (VT-d 7.3.2): records in memory, their order, what
// happens when software is slow, and whom the unit tells.

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using spec::fault_log_record;

constexpr std::uint64_t log_base = 0xa00000;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::size_t records = spec::fault_log_records(0);

remap::capabilities part_with_log() {
  remap::capabilities caps = small_part();
  caps.cap.set_afl(true);
  return caps;
}

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = part_with_log()) : unit_world(caps) {
    tables.attach(nic, 3);
    tables.attach(disk, 4);
    tables.map(nic, iova, 0x7000000, read_only);
    write_register<reg::fedata>(0x41);
    write_register<reg::feaddr>(0xfee00000);
    write_register<reg::fectl>(0);
    enable();
  }
  void order(std::uint32_t more) { write_register<reg::gcmd>(reg::gcmd::te::mask | more); }
  void switch_on(unsigned fls = 0) {
    write_register<reg::aflog>(log_base | reg::aflog::fls::of(fls));
    order(reg::gcmd::sfl::mask);
    settle();
    order(reg::gcmd::eafl::mask);
    settle();
  }
  [[nodiscard]] fault_log_record at(std::size_t index) const {
    const std::uint64_t place = log_base + index * sizeof(fault_log_record);
    return {memory.load(place), memory.load(place + 8)};
  }
  void take(std::size_t index) { memory.store(log_base + index * sizeof(fault_log_record) + 8, 0); }
  void fault(std::uint64_t n = 0, spec::source_id who = nic) { write(who, iova + n * spec::page_size); }
  [[nodiscard]] std::uint32_t status() { return read_register<reg::fsts>(); }
};

TEST(fault_log, takes_the_fault_whole_and_leaves_the_registers_alone) {
  scene s;
  s.switch_on();
  s.fault(0);
  const fault_log_record record = s.at(0);
  EXPECT_EQ(record, fault_log_record{}
                        .set_address(iova)
                        .set_source(nic)
                        .set_reason(spec::fault_reason::no_write_permission)
                        .set_address_type(0)
                        .set_read(false));
  s.read(disk, iova + 0x5678);
  EXPECT_EQ(s.at(1), fault_log_record{}
                         .set_address(iova + 0x5678)
                         .set_source(disk)
                         .set_reason(spec::fault_reason::no_read_permission)
                         .set_read(true));
  EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 0U);
  EXPECT_EQ(s.status(), reg::fsts::apf::mask) << "neither PPF nor PFO";
  EXPECT_EQ(s.unit.faults().recorded(), 2U);
}

TEST(fault_log, is_taken_over_by_sfl_and_used_from_eafl_on) {
  scene s;
  s.write_register<reg::aflog>(log_base);
  s.order(reg::gcmd::sfl::mask);
  s.settle();
  EXPECT_EQ(s.read_register<reg::gsts>() & (reg::gsts::fls::mask | reg::gsts::afls::mask),
            reg::gsts::fls::mask);
  s.fault();
  EXPECT_FALSE(s.at(0).pending()) << "taken over, not enabled";
  EXPECT_NE(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 0U);
  // A new address counts when it is taken over.
  s.write_register<reg::aflog>(log_base + 0x10000);
  s.order(reg::gcmd::eafl::mask);
  s.settle();
  EXPECT_NE(reg::gsts::afls::get(s.read_register<reg::gsts>()), 0U);
  s.fault();
  EXPECT_TRUE(s.at(0).pending());
  s.order(0);
  s.settle();
  EXPECT_EQ(reg::gsts::afls::get(s.read_register<reg::gsts>()), 0U);
}

TEST(fault_log, status_follows_the_order_by_its_cycles) {
  scene s;
  const engine::cycle command = s.unit.config().timing.command;
  s.write_register<reg::aflog>(log_base);
  const engine::cycle seen = s.wheel.now() + 1;
  s.order(reg::gcmd::sfl::mask);
  s.run_to(seen + command - 1);
  EXPECT_EQ(reg::gsts::fls::get(s.read_register<reg::gsts>()), 0U);
  s.run_to(seen + command);
  EXPECT_NE(reg::gsts::fls::get(s.read_register<reg::gsts>()), 0U);
}

TEST(fault_log, without_the_capability_is_nothing) {
  scene s(small_part());
  s.switch_on();
  EXPECT_EQ(s.read_register<reg::aflog>(), 0U);
  EXPECT_EQ(s.read_register<reg::gsts>() & (reg::gsts::fls::mask | reg::gsts::afls::mask), 0U);
  s.fault();
  EXPECT_TRUE(s.log_reads.empty());
  EXPECT_NE(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 0U);
}

TEST(fault_log, goes_round_when_software_takes_what_it_reads) {
  scene s;
  s.switch_on();
  for (std::size_t n = 0; n < records + 3; ++n) {
    s.fault(n);
    ASSERT_EQ(s.at(n % records).address(), iova + n * spec::page_size) << n;
    s.take(n % records);
  }
  EXPECT_EQ(reg::fsts::afo::get(s.status()), 0U);
}

TEST(fault_log, of_a_larger_size_goes_round_later) {
  scene s;
  s.switch_on(1);
  for (std::size_t n = 0; n < records + 1; ++n)
    s.fault(n);
  EXPECT_EQ(s.at(records).address(), iova + records * spec::page_size);
  EXPECT_EQ(s.at(0).address(), iova);
}

TEST(fault_log, that_is_full_overflows_and_loses_faults_until_software_clears_that) {
  scene s;
  s.switch_on();
  for (std::size_t n = 0; n < records; ++n)
    s.fault(n);
  EXPECT_EQ(s.status(), reg::fsts::apf::mask);
  s.fault(records);
  EXPECT_EQ(s.status(), reg::fsts::apf::mask | reg::fsts::afo::mask);
  EXPECT_EQ(s.at(0).address(), iova) << "nothing is overwritten";
  s.take(0);
  const auto reads = s.log_reads.size();
  s.fault(500);
  EXPECT_EQ(s.log_reads.size(), reads);
  EXPECT_FALSE(s.at(0).pending()) << "AFO is still set";
  s.write_register<reg::fsts>(reg::fsts::afo::mask | reg::fsts::apf::mask);
  s.fault(501);
  EXPECT_EQ(s.at(0).address(), iova + 501 * spec::page_size);
  EXPECT_EQ(s.unit.faults().lost(), 2U);
}

TEST(fault_log, tells_of_the_first_record_and_of_no_second_while_that_waits) {
  scene s;
  s.switch_on();
  s.fault(0);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_GE(s.messages[0].first, s.log_writes.at(0).at) << "the record is there before the message";
  s.fault(1);
  EXPECT_EQ(s.messages.size(), 1U);
  s.write_register<reg::fsts>(reg::fsts::apf::mask);
  s.fault(2);
  EXPECT_EQ(s.messages.size(), 2U);
}

TEST(fault_log, keeps_its_message_back_while_it_is_masked_and_forgets_it_with_its_cause) {
  scene s;
  s.switch_on();
  s.write_register<reg::fectl>(reg::fectl::im::mask);
  s.fault(0);
  EXPECT_TRUE(s.messages.empty());
  EXPECT_NE(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
  s.write_register<reg::fsts>(reg::fsts::apf::mask);
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
  s.write_register<reg::fectl>(0);
  s.settle();
  EXPECT_TRUE(s.messages.empty());
}

TEST(fault_log, a_fault_that_fpd_hides_is_not_in_it) {
  scene s;
  s.switch_on();
  auto context = s.tables.context(nic);
  s.tables.set_context(nic, context.set_fault_processing_disable(true));
  s.invalidate_contexts_global();
  s.settle();
  s.fault();
  EXPECT_FALSE(s.at(0).pending());
  EXPECT_EQ(s.status(), 0U);
}

TEST(fault_log, that_cannot_be_reached_overflows) {
  for (const bool reading : {true, false}) {
    scene s;
    s.switch_on();
    s.memory.fail(reading ? log_base : log_base + 8);
    s.fault();
    EXPECT_EQ(s.status(), reg::fsts::afo::mask) << reading;
    EXPECT_EQ(s.unit.faults().recorded(), 0U);
  }
}

TEST(fault_log, begins_again_at_its_first_record_when_it_was_off) {
  scene s;
  s.switch_on();
  s.fault(0);
  s.order(0);
  s.settle();
  s.order(reg::gcmd::eafl::mask);
  s.settle();
  s.take(0);
  s.fault(7);
  EXPECT_EQ(s.at(0).address(), iova + 7 * spec::page_size);
  EXPECT_FALSE(s.at(1).pending());
}

TEST(fault_log, that_goes_off_while_a_record_is_written_overwrites_none) {
  scene s;
  s.switch_on();
  s.fault(0);
  // The place of the second one has been found free, and it is not written yet.
  s.offer(7, nic, access_kind::write, iova + spec::page_size);
  while (s.log_reads.size() < 2)
    s.run_to(s.wheel.now() + 1);
  ASSERT_EQ(s.log_writes.size(), 1U);
  s.order(0);
  s.settle();
  EXPECT_EQ(s.at(0).address(), iova) << "software has not taken it";
  EXPECT_EQ(s.at(1).address(), iova + spec::page_size);
  // On again, it begins at the first place, whatever was under way when it went off.
  s.take(0);
  s.order(reg::gcmd::eafl::mask);
  s.settle();
  s.fault(9);
  EXPECT_EQ(s.at(0).address(), iova + 9 * spec::page_size);
}

TEST(fault_log, faults_that_come_at_once_stand_in_the_order_of_their_decision) {
  scene s;
  s.switch_on();
  for (std::uint64_t n = 0; n < 4; ++n)
    s.offer(n + 1, nic, access_kind::write, iova + n * spec::page_size, 64), s.run_to(s.wheel.now() + 2);
  s.settle();
  for (std::size_t n = 0; n < 4; ++n)
    EXPECT_TRUE(s.at(n).pending()) << n;
  ASSERT_EQ(s.faults.size(), 4U);
  for (std::size_t n = 0; n < 4; ++n)
    EXPECT_EQ(s.at(n).address(), spec::page_base(s.faults[n].access.address));
}

TEST(fault_log, shares_the_way_to_memory_with_the_invalidation_queue) {
  remap::capabilities caps = part_with_log();
  caps.ecap.set_qi(true);
  scene s(caps);
  s.switch_on();
  constexpr std::uint64_t queue = 0x900000;
  s.write_register<reg::iqt>(0);
  s.write_register<reg::iqa>(reg::iqa::address::of(queue >> spec::page_shift));
  s.order(reg::gcmd::eafl::mask | reg::gcmd::qie::mask);
  s.settle();
  spec::wait_descriptor wait;
  wait.set_status_write(true).set_status_address(0x800000).set_status_data(7);
  for (unsigned n = 0; n < 8; ++n) {
    s.memory.store(queue + n * 16, wait.lo);
    s.memory.store(queue + n * 16 + 8, wait.hi);
  }
  for (std::uint64_t n = 0; n < 4; ++n) {
    s.offer(n + 1, nic, access_kind::write, iova + n * spec::page_size, 64);
    s.write_register<reg::iqt>((n + 1) * 32);
    s.run_to(s.wheel.now() + 7);
  }
  s.settle();
  EXPECT_EQ(s.status_writes.size(), 8U);
  EXPECT_EQ(s.log_writes.size(), 4U);
}

} // namespace
} // namespace vtd::test
