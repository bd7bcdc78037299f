// SPDX-License-Identifier: Apache-2.0
// Requests that pass at once keep what a slot keeps: docs/microarchitecture.md, section 5; docs/dmar.md,
// "Reset".

#include "support/unit_world.h"
#include "support/watched_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using leads = dmar::pipeline::passage::way;

constexpr std::uint64_t iova = 0x10000;
constexpr std::uint64_t frame = 0x7000000;

struct scene : unit_world {
  scene() : unit_world(plain_part()) {
    tables.attach(nic, 3);
    tables.map(nic, iova, frame);
    enable();
  }
  void set_translation(bool on) {
    write_register<reg::gcmd>(on ? reg::gcmd::te::mask : 0);
    settle();
  }
  [[nodiscard]] static dmar::request piece() {
    dmar::request out;
    out.access = {nic, access_kind::write, remap::address_type::untranslated, iova};
    out.length = 64;
    return out;
  }
};

TEST(at_once, a_request_keeps_the_setting_of_translation_until_it_leaves) {
  scene s;
  for (const bool on : {false, true}) {
    const auto before = s.unit.enter(true);
    EXPECT_EQ(before.enabled, !on);
    s.set_translation(on);
    const auto after = s.unit.enter(true);
    EXPECT_EQ(s.unit.pass(s.piece(), before, s.memory, s.now_ps()).address, on ? iova : frame);
    EXPECT_EQ(s.unit.pass(s.piece(), after, s.memory, s.now_ps()).address, on ? frame : iova);
    EXPECT_EQ(s.unit.pass(s.piece(), s.memory, s.now_ps()).address, on ? frame : iova);
    EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), on ? 0U : 1U) << "one from before is inside";
    EXPECT_TRUE(s.unit.leave(before, s.now_ps()));
    s.settle();
    EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), on ? 1U : 0U);
    EXPECT_TRUE(s.unit.leave(after, s.now_ps()));
  }
}

TEST(at_once, a_request_that_a_reset_ended_is_inside_no_more_and_is_told_so_when_it_leaves) {
  scene s;
  const auto before = s.unit.enter(true);
  EXPECT_TRUE(s.unit.inside(before));
  s.unit.reset(false);
  EXPECT_FALSE(s.unit.inside(before));
  const auto after = s.unit.enter(true);
  EXPECT_TRUE(s.unit.inside(after));
  EXPECT_FALSE(s.unit.inside(before));
  EXPECT_FALSE(s.unit.leave(before, s.now_ps()));
  EXPECT_TRUE(s.unit.leave(after, s.now_ps()));
  EXPECT_FALSE(s.unit.leave(after, s.now_ps())) << "it has left";
}

TEST(at_once, a_request_to_a_page_that_was_used_last_is_checked_against_protected_memory) {
  auto config = config_of(plain_part());
  config.protect_translated = true;
  unit_world s(config);
  s.tables.attach(nic, 3);
  s.tables.map(nic, iova, frame);
  s.enable();
  s.write_register<reg::plmbase>(frame);
  s.write_register<reg::plmlimit>(frame);
  for (const bool on : {false, true, false}) {
    s.write_register<reg::pmen>(reg::pmen::epm::of(on ? 1 : 0));
    s.settle();
    for (unsigned turn = 0; turn < 3; ++turn) {
      EXPECT_EQ(s.unit.pass(scene::piece(), s.memory, s.now_ps()).leads, on ? leads::blocked : leads::memory)
          << turn;
    }
  }
}

TEST(at_once, the_judge_of_random_programs_holds_a_request_to_the_translation_setting_of_its_admission) {
  for (const bool on : {false, true}) {
    watched_world world(config_of(plain_part()));
    world.tables.attach(nic, 3);
    world.tables.map(nic, iova, frame);
    world.tables.map(nic, iova + spec::page_size, frame + 0x10000);
    world.begin();
    world.enable();
    world.set_translation(!on);
    world.settle();
    world.begin_pass({nic, access_kind::write, remap::address_type::untranslated, iova}, 2 * spec::page_size);
    world.pass_next(0);
    world.set_translation(on);
    world.settle();
    EXPECT_EQ(world.unit.translation_enabled(), on);
    world.pass_next(0);
    EXPECT_EQ(world.passing(), 0U);
    EXPECT_EQ(world.judged, 2U);
    world.finish();
    EXPECT_EQ(world.violation, "");
  }
}

} // namespace
} // namespace vtd::test
