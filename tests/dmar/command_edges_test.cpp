// SPDX-License-Identifier: Apache-2.0
// Edges of the global commands: which of them keep GCMD busy, and when those of the fault log show.

#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint32_t te = reg::gcmd::te::mask;

struct scene : unit_world {
  static remap::capabilities part() {
    remap::capabilities caps = small_part();
    caps.cap.set_afl(true);
    caps.ecap.set_qi(true);
    return caps;
  }
  scene() : unit_world(part()) {
    tables.attach(nic, 3);
    tables.map(nic, iova, 0x7000000);
    enable();
  }
};

TEST(command_edges, each_global_command_alone_keeps_the_next_one_out_until_it_is_done) {
  const std::uint32_t orders[] = {te | reg::gcmd::srtp::mask, te | reg::gcmd::wbf::mask,
                                  te | reg::gcmd::qie::mask,  0,
                                  te | reg::gcmd::sfl::mask,  te | reg::gcmd::eafl::mask};
  for (const std::uint32_t order : orders) {
    scene s;
    s.write_register<reg::gcmd>(order);
    // Seen, begun, and not done: the shortest takes eight cycles.
    s.run_to(s.wheel.now() + 4);
    const std::uint64_t before = s.unit.statistics().ignored_orders;
    s.write_register<reg::gcmd>(order ^ reg::gcmd::qie::mask);
    EXPECT_EQ(s.unit.statistics().ignored_orders, before + 1) << std::hex << order;
    s.settle();
    const bool on = (order & reg::gcmd::qie::mask) != 0;
    EXPECT_EQ(reg::gsts::qies::get(s.read_register<reg::gsts>()) != 0, on) << "as the first one said";
    s.write_register<reg::gcmd>(order ^ reg::gcmd::qie::mask);
    s.settle();
    EXPECT_EQ(reg::gsts::qies::get(s.read_register<reg::gsts>()) != 0, !on) << "and now the other";
  }
}

TEST(command_edges, the_fault_log_is_on_and_off_after_the_cycles_of_a_command_and_not_before) {
  scene s;
  for (const bool on : {true, false}) {
    const engine::cycle t = s.wheel.now();
    s.write_register<reg::gcmd>(on ? te | reg::gcmd::eafl::mask : te);
    s.run_to(t + 1 + 8 - 1);
    EXPECT_EQ(reg::gsts::afls::get(s.read_register<reg::gsts>()) != 0, !on);
    s.run_to(t + 1 + 8);
    EXPECT_EQ(reg::gsts::afls::get(s.read_register<reg::gsts>()) != 0, on);
  }
}

TEST(command_edges, a_write_buffer_that_is_empty_takes_a_cycle_to_flush) {
  struct : scene {
    engine::picoseconds write_buffer_drain_time() override { return 0; }
  } s;
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::gcmd>(te | reg::gcmd::wbf::mask);
  s.run_to(t + 1);
  EXPECT_EQ(reg::gsts::wbfs::get(s.read_register<reg::gsts>()), 1U);
  s.run_to(t + 2);
  EXPECT_EQ(reg::gsts::wbfs::get(s.read_register<reg::gsts>()), 0U);
  EXPECT_EQ(s.drains, std::vector<engine::cycle>{t + 2});
}

TEST(command_edges, a_log_that_is_being_taken_over_shows_as_not_taken_over) {
  scene s;
  s.write_register<reg::gcmd>(te | reg::gcmd::sfl::mask);
  s.settle();
  EXPECT_EQ(reg::gsts::fls::get(s.read_register<reg::gsts>()), 1U);
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::gcmd>(te | reg::gcmd::sfl::mask);
  s.run_to(t + 8);
  EXPECT_EQ(reg::gsts::fls::get(s.read_register<reg::gsts>()), 0U);
  s.run_to(t + 9);
  EXPECT_EQ(reg::gsts::fls::get(s.read_register<reg::gsts>()), 1U);
}

} // namespace
} // namespace vtd::test
