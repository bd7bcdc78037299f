// SPDX-License-Identifier: Apache-2.0
// The typed side of the hardware-access interface: waiting, interrupts, errors.

#include "vtd/driver/hardware.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::driver_error;

class hardware : public testing::Test {
protected:
  fake_hardware hw;
  driver::hardware machine{hw.access()};
};

TEST_F(hardware, a_wait_that_is_over_takes_no_time) {
  const auto start = hw.now_ns;
  EXPECT_TRUE(machine.wait_until([] { return true; }, 0));
  EXPECT_EQ(hw.now_ns, start);
}

TEST_F(hardware, a_wait_ends_soon_after_what_it_waits_for) {
  const auto start = hw.now_ns;
  EXPECT_TRUE(machine.wait_until([&] { return hw.now_ns - start >= 500; }, 1'000'000));
  EXPECT_LE(hw.now_ns - start, 600U);
  EXPECT_EQ(count(hw, {"delay", [](const event& e) { return e.what == action::delay; }}), 0U);
}

TEST_F(hardware, a_wait_in_vain_ends_at_the_time_out_with_few_polls) {
  constexpr std::uint64_t second = 1'000'000'000;
  const auto start = hw.now_ns;
  unsigned polls = 0;
  EXPECT_FALSE(machine.wait_until([&] { return ++polls == 0; }, second));
  EXPECT_GE(hw.now_ns - start, second);
  EXPECT_LE(hw.now_ns - start, second + 1'000'000);
  EXPECT_LE(polls, 2'100U);
}

TEST_F(hardware, what_comes_while_the_last_poll_is_under_way_counts) {
  constexpr std::uint64_t timeout = 1'000;
  const auto start = hw.now_ns;
  // A poll and its pause take 140 ns: the one that begins at 980 ns is too early and ends too late.
  EXPECT_TRUE(machine.wait_until(
      [&] {
        const bool there = hw.now_ns - start >= timeout;
        hw.now_ns += 100;
        return there;
      },
      timeout));
}

TEST_F(hardware, a_machine_whose_relax_takes_no_time_does_not_hang_the_driver) {
  hw.time_stands_still = true;
  EXPECT_FALSE(machine.wait_until([] { return false; }, 1'000'000));
}

TEST_F(hardware, registers_are_read_and_written_with_their_own_size) {
  auto& unit = hw.add_unit(first_unit_base, wide_cap(), wide_ecap());
  const driver::register_block block(machine, first_unit_base);
  EXPECT_EQ(block.read<reg::cap_reg>(), wide_cap().value);
  block.write<reg::rtaddr>(0x123456789000);
  block.write<reg::fedata>(0x41);
  EXPECT_EQ(unit.at<reg::rtaddr>(), 0x123456789000U);
  block.write<reg::iva>(0x5000, wide_ecap().iotlb_offset());
  EXPECT_EQ(unit.at<reg::iva>(), 0x5000U);
  EXPECT_TRUE(hw.all_violations().empty()); // the fake notes accesses of another size
}

TEST_F(hardware, a_handler_is_called_while_the_vector_lives) {
  unsigned calls = 0;
  {
    driver::interrupt_vector vector(machine, [&] { ++calls; });
    auto& unit = hw.add_unit(first_unit_base, wide_cap(), wide_ecap());
    unit.messages.emplace_back(vector.message().address, vector.message().data);
    machine.relax();
    EXPECT_EQ(calls, 1U);
    EXPECT_EQ(hw.vectors_in_use(), 1U);
  }
  EXPECT_EQ(hw.vectors_in_use(), 0U);
}

TEST_F(hardware, what_a_handler_throws_ends_in_the_log) {
  driver::interrupt_vector vector(machine, [] { throw std::runtime_error("the unit is gone"); });
  auto& unit = hw.add_unit(first_unit_base, wide_cap(), wide_ecap());
  unit.messages.emplace_back(vector.message().address, vector.message().data);
  hw.deliver_interrupts();
  EXPECT_EQ(count(hw, log_line("the unit is gone")), 1U);
}

TEST_F(hardware, no_vector_and_no_page_left_are_errors) {
  hw.vectors_left = 0;
  EXPECT_EQ(message_of<driver_error>([&] { driver::interrupt_vector vector(machine, [] {}); }),
            "interrupt registration: no vector left");
  hw.pages_left = 3;
  EXPECT_EQ(message_of<driver_error>([&] { (void)machine.allocate_pages(4); }),
            "page allocation: no memory left for 4 pages of tables");
}

TEST_F(hardware, memory_that_is_not_there_is_said_so_and_nothing_asks_for_no_bytes) {
  std::array<std::byte, 4> bytes{};
  EXPECT_TRUE(machine.load(0x1000, bytes));
  EXPECT_FALSE(machine.store(0x1000, bytes)); // the fake takes stores by word only
  EXPECT_TRUE(machine.store(0x1000, {}));
}

} // namespace
} // namespace vtd::test
