// SPDX-License-Identifier: Apache-2.0
// Fault records: decoding, the line of the log, and reading a ring that hardware goes on filling.
// VT-d 7.3, 10.4.14

#include "vtd/driver/fault_records.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::fault_access;
using driver::fault_batch;
using spec::fault_reason;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t page = 0x12345000;

/// The upper word of a record: a full one, if nothing else is said.
std::uint64_t upper(source_id who, fault_reason why, bool t1, bool t2 = false) {
  return reg::frcd_hi::f::of(1) | reg::frcd_hi::sid::of(who.value()) |
         reg::frcd_hi::fr::of(static_cast<std::uint64_t>(why)) | reg::frcd_hi::t1::of(t1 ? 1 : 0) |
         reg::frcd_hi::t2::of(t2 ? 1 : 0);
}

TEST(fault_records, a_record_gives_source_reason_kind_and_page) {
  const auto fault =
      driver::decode_fault(page | 0xfff, upper(nic.id, fault_reason::no_read_permission, true));
  EXPECT_EQ(fault.source, nic.id);
  EXPECT_EQ(fault.reason, fault_reason::no_read_permission);
  EXPECT_EQ(fault.access, fault_access::read);
  EXPECT_EQ(fault.address, page);
  EXPECT_EQ(fault.lo, page | 0xfff);
}

TEST(fault_records, two_bits_tell_four_kinds_of_request) {
  const auto kind = [](bool t1, bool t2) {
    return driver::decode_fault(page, upper(nic.id, fault_reason::no_read_permission, t1, t2)).access;
  };
  EXPECT_EQ(kind(false, false), fault_access::write);
  EXPECT_EQ(kind(false, true), fault_access::page_request);
  EXPECT_EQ(kind(true, false), fault_access::read);
  EXPECT_EQ(kind(true, true), fault_access::atomic);
}

TEST(fault_records, reasons_of_interrupt_remapping_carry_an_index_not_an_address) {
  using index_field = spec::field<63, 48>;
  for (const auto reason :
       {fault_reason::interrupt_request_reserved, fault_reason::posted_descriptor_reserved}) {
    const auto fault = driver::decode_fault(index_field::of(0x123), upper(nic.id, reason, true));
    EXPECT_EQ(fault.access, fault_access::interrupt);
    EXPECT_EQ(fault.interrupt_index, 0x123);
    EXPECT_EQ(fault.address, 0U);
  }
}

TEST(fault_records, lines_look_like_those_people_know) {
  const auto line = [](std::uint16_t segment, std::uint64_t lo, std::uint64_t hi) {
    return driver::fault_line(segment, driver::decode_fault(lo, hi));
  };
  EXPECT_EQ(
      line(0, page, upper(nic.id, fault_reason::no_read_permission, true)),
      "[DMA Read] Request device [01:00.0] fault addr 0x12345000 [fault reason 0x06] no read permission");
  EXPECT_EQ(
      line(0, page, upper(disk.id, fault_reason::context_entry_not_present, false)),
      "[DMA Write] Request device [00:1f.2] fault addr 0x12345000 [fault reason 0x02] context entry not "
      "present");
  EXPECT_EQ(line(2, page, upper(disk.id, fault_reason::no_write_permission, false)),
            "[DMA Write] Request device [0002:00:1f.2] fault addr 0x12345000 [fault reason 0x05] no write "
            "permission");
  EXPECT_EQ(
      line(0, spec::field<63, 48>::of(7), upper(nic.id, fault_reason::interrupt_entry_not_present, true)),
      "[INTR-REMAP] Request device [01:00.0] fault index 0x7 [fault reason 0x22] interrupt entry not "
      "present");
  EXPECT_EQ(
      line(0, page, upper(nic.id, static_cast<fault_reason>(0x7f), true, true)),
      "[DMA AtomicOp] Request device [01:00.0] fault addr 0x12345000 [fault reason 0x7f] reason code that is "
      "not assigned");
  EXPECT_EQ(
      line(0, page, upper(nic.id, fault_reason::no_read_permission, false, true)),
      "[Page Request] Request device [01:00.0] fault addr 0x12345000 [fault reason 0x06] no read permission");
}

/// A unit with eight records.
class fault_ring : public testing::Test {
public:
  ~fault_ring() override { EXPECT_THAT(hw.all_violations(), IsEmpty()); }

protected:
  fault_ring() = default;
  fault_batch take() {
    hw.forget_events();
    return driver::take_faults(registers, unit.capability, forget);
  }
  static std::uint64_t address(unsigned number) { return page + number * spec::page_size; }
  void fault(unsigned number) { unit.fault(nic.id, fault_reason::no_read_permission, address(number)); }
  static std::vector<std::uint64_t> addresses(const fault_batch& batch) {
    std::vector<std::uint64_t> out;
    for (const auto& each : batch.faults)
      out.push_back(each.address);
    return out;
  }

  fake_hardware hw;
  fake_unit& unit = hw.add_unit(first_unit_base, wide_cap(), wide_ecap());
  driver::hardware machine{hw.access()};
  driver::register_block registers{machine, first_unit_base};
  driver::omit forget;
};

TEST_F(fault_ring, without_faults_one_register_is_read_and_none_written) {
  const auto batch = take();
  EXPECT_THAT(batch.faults, IsEmpty());
  EXPECT_TRUE(batch.answered);
  EXPECT_FALSE(batch.more);
  EXPECT_FALSE(batch.overflow);
  EXPECT_EQ(hw.events.size(), 1U);
}

TEST_F(fault_ring, records_come_oldest_first_and_each_is_cleared_after_it_was_read) {
  for (unsigned i = 0; i < 3; ++i)
    fault(i);
  EXPECT_THAT(addresses(take()), ElementsAre(address(0), address(1), address(2)));
  EXPECT_EQ(unit.full_records(), 0U);
  EXPECT_TRUE(in_order(hw, {read_of<reg::frcd_lo>(), write_of<reg::frcd_hi, reg::frcd_hi::f>(1),
                            read_of<reg::frcd_lo>(), write_of<reg::frcd_hi, reg::frcd_hi::f>(1),
                            read_of<reg::frcd_lo>(), write_of<reg::frcd_hi, reg::frcd_hi::f>(1)}));
  EXPECT_EQ(count(hw, any_write(0)), 3U);
  // F only: the other bits of the record are not software's.
  EXPECT_EQ(count(hw, write_of<reg::frcd_hi, reg::frcd_hi::sid>(0)), 3U);
}

TEST_F(fault_ring, the_ring_wraps) {
  unit.set_next_record(6);
  for (unsigned i = 0; i < 4; ++i)
    fault(i);
  EXPECT_THAT(addresses(take()), ElementsAre(address(0), address(1), address(2), address(3)));
  EXPECT_EQ(unit.full_records(), 0U);
}

TEST_F(fault_ring, a_full_ring_is_read_once_round_from_the_oldest) {
  unit.set_next_record(5);
  for (unsigned i = 0; i < 8; ++i)
    fault(i);
  const auto batch = take();
  ASSERT_EQ(batch.faults.size(), 8U);
  EXPECT_EQ(batch.faults.front().address, address(0));
  EXPECT_EQ(batch.faults.back().address, address(7));
  EXPECT_FALSE(batch.overflow);
  EXPECT_FALSE(batch.more);
}

TEST_F(fault_ring, an_overflow_is_cleared_after_the_records_and_nothing_else_of_the_status) {
  for (unsigned i = 0; i < 9; ++i)
    fault(i);
  unit.at<reg::fsts>() |= reg::fsts::iqe::mask;
  const auto batch = take();
  EXPECT_TRUE(batch.overflow);
  EXPECT_EQ(batch.faults.size(), 8U);
  EXPECT_TRUE(before(hw, write_of<reg::frcd_hi>(), write_of<reg::fsts>()));
  EXPECT_EQ(count(hw, write_of<reg::fsts, reg::fsts::iqe>(1)), 0U) << "an error that nobody has looked at";
  EXPECT_NE(unit.at<reg::fsts>() & reg::fsts::iqe::mask, 0U);
  fault(9);
  EXPECT_THAT(addresses(take()), ElementsAre(address(9)));
}

TEST_F(fault_ring, faults_that_come_meanwhile_are_read_as_well) {
  fault(0);
  unsigned next = 1;
  unit.after_clear = [&] {
    if (next < 3) fault(next++);
  };
  const auto batch = take();
  EXPECT_THAT(addresses(batch), ElementsAre(address(0), address(1), address(2)));
  EXPECT_FALSE(batch.more);
  EXPECT_EQ(unit.full_records(), 0U);
}

TEST_F(fault_ring, a_stream_without_end_is_left_with_a_word_that_more_is_there) {
  fault(0);
  unsigned next = 1;
  unit.after_clear = [&] { fault(next++); };
  const auto batch = take();
  EXPECT_TRUE(batch.more);
  EXPECT_LE(batch.faults.size(), 4U * wide_cap().fault_records());
  unit.after_clear = {};
  EXPECT_FALSE(take().more);
}

TEST_F(fault_ring, all_ones_are_no_faults) {
  fault(0);
  unit.silent = true;
  const auto batch = take();
  EXPECT_FALSE(batch.answered);
  EXPECT_THAT(batch.faults, IsEmpty());
  EXPECT_EQ(hw.events.size(), 1U);
}

} // namespace
} // namespace vtd::test
