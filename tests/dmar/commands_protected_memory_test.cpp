// SPDX-License-Identifier: Apache-2.0
// What software orders by PMEN (VT-d 10.4.16 to 10.4.20).

#include "dmar/commands_scene.h"

namespace vtd::test {
namespace {

using namespace command_tests; // NOLINT(google-build-using-namespace)
using dmar::completion;
using remap::access_kind;
namespace reg = spec::reg;

TEST(commands, prs_waits_for_the_requests_of_before) {
  scene s;
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 0U);
  s.unit.answered(s.held.at(0), true, s.now_ps());
  s.settle();
  EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 1U);
}

TEST(commands, protected_regions_block_while_they_are_on_and_record_nothing) {
  scene s;
  s.write_register<reg::plmbase>(0x200000);
  s.write_register<reg::plmlimit>(0x400000);
  s.write_register<reg::phmbase>(std::uint64_t{1} << 32);
  s.write_register<reg::phmlimit>(std::uint64_t{1} << 32);
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::done);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 1U);
  EXPECT_EQ(s.read(nic, 0x1fffc0).how, completion::done);
  EXPECT_EQ(s.dma(nic, access_kind::read, 0x1fffc0, 128).how, completion::blocked)
      << "the last bytes reach into it";
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::blocked);
  EXPECT_EQ(s.read(nic, 0x5fffc0).how, completion::blocked) << "the limit's low bits count as ones";
  EXPECT_EQ(s.read(nic, 0x600000).how, completion::done);
  EXPECT_EQ(s.write(nic, (std::uint64_t{1} << 32) + 0x1000).how, completion::blocked);
  EXPECT_EQ(s.read_register<reg::fsts>(), 0U);
  s.write_register<reg::pmen>(0);
  s.settle();
  EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 0U);
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::done);
}

TEST(commands, a_region_whose_limit_is_below_its_base_protects_nothing) {
  scene s;
  s.write_register<reg::plmbase>(0x800000);
  s.write_register<reg::plmlimit>(0x200000);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(s.read(nic, 0x800000).how, completion::done);
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::done);
}

TEST(commands, a_region_is_as_fine_as_the_part_makes_it) {
  auto config = config_of(wide_part());
  config.caps.cap.set_plmr(true);
  config.protected_region_shift = 12;
  unit_world s(config);
  s.write_register<reg::plmbase>(0x201fff);
  s.write_register<reg::plmlimit>(0x201fff);
  EXPECT_EQ(s.read_register<reg::plmbase>(), 0x201000U);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(s.read(nic, 0x200fc0).how, completion::done);
  EXPECT_EQ(s.read(nic, 0x201000).how, completion::blocked);
  EXPECT_EQ(s.read(nic, 0x201fc0).how, completion::blocked);
  EXPECT_EQ(s.read(nic, 0x202000).how, completion::done);
}

// Software may not change a region while it is on (VT-d 10.4.16); here the part goes by what it read.
TEST(commands, regions_are_taken_over_when_protection_is_switched_and_not_later) {
  scene s;
  s.write_register<reg::plmbase>(0x200000);
  s.write_register<reg::plmlimit>(0x200000);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  s.write_register<reg::plmbase>(0x800000);
  s.write_register<reg::plmlimit>(0x800000);
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::blocked);
  EXPECT_EQ(s.read(nic, 0x800000).how, completion::done);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_EQ(s.read(nic, 0x200000).how, completion::done);
  EXPECT_EQ(s.read(nic, 0x800000).how, completion::blocked);
}

// As drivers do it: protected from the firmware on, translation enabled, then protection off (VT-d 10.4.16).
TEST(commands, protection_goes_over_to_translation_without_a_gap) {
  for (const bool checks : {false, true}) {
    auto config = config_of(wide_part());
    config.caps.cap.set_plmr(true);
    config.protect_translated = checks;
    unit_world s(config);
    s.tables.attach(nic, domain);
    s.tables.map(nic, iova, 0x200000);
    s.write_register<reg::plmbase>(0x200000);
    s.write_register<reg::plmlimit>(0x200000);
    s.write_register<reg::pmen>(reg::pmen::epm::of(1));
    s.settle();
    EXPECT_EQ(s.read(nic, 0x200000).how, completion::blocked);
    s.enable();
    EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 1U) << "translation changes nothing of it";
    EXPECT_EQ(s.read(disk, 0x200000).how, completion::blocked) << "by the tables now";
    EXPECT_EQ(s.faults.size(), 1U);
    EXPECT_EQ(s.read(nic, iova).how, checks ? completion::blocked : completion::done);
    s.hold_answers = !checks;
    if (!checks) {
      s.offer(1, nic, access_kind::read, iova);
      s.settle();
    }
    s.write_register<reg::pmen>(0);
    s.settle();
    EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), checks ? 0U : 1U)
        << "PRS waits for what is in flight";
    s.hold_answers = false;
    for (const unsigned slot : s.held)
      s.unit.answered(slot, true, s.now_ps());
    s.settle();
    EXPECT_EQ(reg::pmen::prs::get(s.read_register<reg::pmen>()), 0U);
    EXPECT_EQ(s.read(nic, iova).how, completion::done);
    EXPECT_EQ(s.faults.size(), 1U) << "what protection blocked was never a fault";
  }
}

// Remapping hardware's own reads are not checked (VT-d 10.4.16).
TEST(commands, tables_inside_a_protected_region_are_read) {
  auto config = config_of(wide_part());
  config.caps.cap.set_plmr(true).set_phmr(true);
  config.protect_translated = true;
  config.protected_region_shift = 12;
  unit_world s(config);
  s.tables.attach(nic, domain);
  s.tables.map(nic, iova, 0x7f000000);
  s.write_register<reg::plmbase>(0);
  s.write_register<reg::plmlimit>(0x7effffff);
  s.write_register<reg::phmbase>(std::uint64_t{1} << 32);
  s.write_register<reg::phmlimit>(~std::uint64_t{0});
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.enable();
  EXPECT_LT(s.tables.root(), 0x7f000000U);
  EXPECT_EQ(s.read(nic, iova).how, completion::done);
  s.tables.map(nic, iova + spec::page_size, 0x7e000000);
  EXPECT_EQ(s.read(nic, iova + spec::page_size).how, completion::blocked);
}

TEST(commands, translated_requests_are_checked_where_the_part_does_so_and_pass_through_always) {
  struct part {
    unsigned version;
    bool told;
  };
  // Parts of VER 2 need not be told to.
  for (const part each : {part{0x10, false}, part{0x10, true}, part{0x20, false}, part{0x30, false}}) {
    auto config = config_of(wide_part());
    config.caps.cap.set_plmr(true);
    config.caps.version = each.version;
    config.protect_translated = each.told;
    const bool checks = each.told || each.version >= 0x20;
    unit_world s(config);
    s.tables.attach(nic, domain);
    s.tables.map(nic, iova, 0x200000);
    s.tables.attach(disk, domain + 1, 4, spec::translation_type::pass_through);
    s.enable();
    s.write_register<reg::plmbase>(0x200000);
    s.write_register<reg::plmlimit>(0x200000);
    s.write_register<reg::pmen>(reg::pmen::epm::of(1));
    s.settle();
    EXPECT_EQ(s.read(nic, iova).how, checks ? completion::blocked : completion::done);
    EXPECT_EQ(s.read(disk, 0x200000).how, completion::blocked);
  }
}

} // namespace
} // namespace vtd::test
