// SPDX-License-Identifier: Apache-2.0
// Register accesses that lie ahead of the present time: they wait for the wheel, and never drag it along.

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;

struct scene : unit_world {
  scene() : unit_world(small_part()) {
    tables.attach(nic, 3);
    tables.map(nic, iova, frame);
    enable();
    read(nic, iova);
  }
  template <class Register>
  void write_ahead(typename Register::word value, engine::cycle cycles) {
    unit.write_register(unit.registers().template offset_of<Register>(), Register::size_bits / 8, value,
                        now_ps(), cycles * period);
  }
  template <class Register>
  [[nodiscard]] typename Register::word read_ahead(engine::cycle cycles) {
    return static_cast<typename Register::word>(unit.read_register(
        unit.registers().template offset_of<Register>(), Register::size_bits / 8, now_ps(), cycles * period));
  }
};

TEST(register_ahead, a_write_ahead_delays_nobody_else) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.write_ahead<reg::fedata>(1, 10000);
  EXPECT_EQ(s.wheel.now(), t);
  s.offer(1, nic, access_kind::read, iova);
  s.run_to(t + 100);
  EXPECT_EQ(unit_world::find(s.forwards, 1).at, t + 4) << "a hit, as ever";
}

TEST(register_ahead, an_order_takes_effect_at_its_time_and_not_before) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.write_ahead<reg::gcmd>(0, 100);
  // Seen at t + 101, eight cycles more for GSTS.
  s.run_to(t + 100);
  EXPECT_TRUE(s.unit.translation_enabled());
  s.run_to(t + 101);
  EXPECT_FALSE(s.unit.translation_enabled());
  s.run_to(t + 108);
  EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 1U);
  s.run_to(t + 109);
  EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 0U);
}

TEST(register_ahead, what_software_clears_ahead_is_cleared_then) {
  scene s;
  s.write_ahead<reg::frcd_hi>(reg::frcd_hi::f::of(1), 1000);
  const engine::cycle t = s.wheel.now();
  s.offer(1, nic, access_kind::read, iova + 0x5000);
  s.run_to(t + 999);
  EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 1U);
  s.run_to(t + 1000);
  EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>()), 0U);
  EXPECT_EQ(reg::fsts::ppf::get(s.read_register<reg::fsts>()), 0U);
}

TEST(register_ahead, writes_take_effect_in_the_order_of_time_and_then_of_the_program) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.write_ahead<reg::fedata>(1, 50);
  s.write_ahead<reg::fedata>(2, 20);
  s.write_ahead<reg::fedata>(3, 20);
  const std::uint32_t before = s.read_register<reg::fedata>();
  s.run_to(t + 19);
  EXPECT_EQ(s.read_register<reg::fedata>(), before);
  s.run_to(t + 20);
  EXPECT_EQ(s.read_register<reg::fedata>(), 3U);
  s.write_register<reg::fedata>(4);
  EXPECT_EQ(s.read_register<reg::fedata>(), 4U);
  s.run_to(t + 50);
  EXPECT_EQ(s.read_register<reg::fedata>(), 1U);
}

TEST(register_ahead, a_read_ahead_sees_what_was_written_before_its_time_as_stored) {
  scene s;
  s.write_ahead<reg::fedata>(7, 50);
  EXPECT_NE(s.read_ahead<reg::fedata>(49), 7U);
  EXPECT_EQ(s.read_ahead<reg::fedata>(50), 7U);
  EXPECT_NE(s.read_register<reg::fedata>(), 7U);
  // A poll right behind its order must not find it done.
  s.write_ahead<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1), 60);
  EXPECT_EQ(reg::ccmd::icc::get(s.read_ahead<reg::ccmd>(70)), 1U);
  EXPECT_EQ(reg::ccmd::icc::get(s.read_ahead<reg::ccmd>(59)), 0U);
  s.settle();
  EXPECT_EQ(reg::ccmd::icc::get(s.read_register<reg::ccmd>()), 0U);
  EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 0U);
}

TEST(register_ahead, a_write_within_the_present_cycle_is_stored_at_once) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.unit.write_register(reg::gcmd::offset, 4, 0, s.now_ps(), unit_world::period - 1);
  s.run_to(t + 1);
  EXPECT_FALSE(s.unit.translation_enabled());
}

TEST(register_ahead, a_reset_forgets_what_waits) {
  scene s;
  s.write_ahead<reg::fedata>(7, 50);
  s.unit.reset(true);
  s.settle();
  s.run_to(s.wheel.now() + 100);
  EXPECT_EQ(s.read_register<reg::fedata>(), 0U);
}

TEST(register_ahead, a_read_ahead_sees_the_writes_before_it_and_its_neighbours_as_they_are) {
  scene s;
  s.write_register<reg::fedata>(0x41);
  s.write_ahead<reg::fectl>(0, 100);
  EXPECT_EQ(s.read_ahead<reg::fectl>(200), 0U);
  EXPECT_EQ(s.read_ahead<reg::fedata>(200), 0x41U) << "it stands behind the register that is written";
  // Both halves of one write, and nothing behind them.
  constexpr std::uint32_t base = 0x2000000;
  constexpr std::uint64_t limit = 0x6000000;
  s.write_register<reg::plmlimit>(0x4000000);
  s.write_register<reg::phmbase>(0x8000000);
  s.unit.write_register(reg::plmbase::offset, 8, limit << 32 | base, s.now_ps(), 100 * unit_world::period);
  EXPECT_EQ(s.read_ahead<reg::plmbase>(200), base);
  EXPECT_EQ(s.read_ahead<reg::plmlimit>(200), limit);
  EXPECT_EQ(s.read_ahead<reg::phmbase>(200), 0x8000000U);
  EXPECT_EQ(s.read_ahead<reg::plmlimit>(50), 0x4000000U) << "not before its time";
}

TEST(register_ahead, after_a_write_to_any_register_the_unit_comes_to_rest) {
  remap::capabilities caps = small_part();
  caps.cap.set_afl(true);
  caps.ecap.set_qi(true).set_dt(true);
  for (const spec::register_layout& layout : reg::all_registers()) {
    if (layout.base != spec::register_base::block ||
        !layout.exists_in(spec::rev_2_5, caps.cap.value, caps.ecap.value))
      continue;
    unit_world s(caps);
    s.enable();
    for (const engine::cycle ahead : {engine::cycle{0}, engine::cycle{10}}) {
      s.unit.write_register(layout.offset, layout.size_bits / 8, 0, s.now_ps(), ahead * unit_world::period);
      s.settle();
      EXPECT_TRUE(s.unit.quiescent(s.now_ps())) << layout.name << ", " << ahead << " cycles ahead";
      EXPECT_EQ(s.wheel.next(), engine::never) << layout.name;
    }
  }
}

} // namespace
} // namespace vtd::test
