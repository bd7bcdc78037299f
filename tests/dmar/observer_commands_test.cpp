// SPDX-License-Identifier: Apache-2.0
// What an observer is told of commands: when they begin, take effect and end, and what they were.

#include "dmar/observer_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using namespace observer_tests; // NOLINT(google-build-using-namespace)
using testing::ElementsAre;

TEST(observer, an_invalidation_is_told_with_what_was_ordered_and_what_was_done) {
  scene s;
  s.watch();
  s.invalidate_iotlb_page(domain, page(2), 1, true);
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 IOTLB invalidation begun", "17 IOTLB invalidation effective",
                                        "17 IOTLB invalidation ended"));
  const dmar::command_event& first = s.told.commands.front();
  EXPECT_EQ(first.iotlb_asked, spec::iotlb_granularity::page);
  EXPECT_EQ(first.iotlb_done, spec::iotlb_granularity::none);
  EXPECT_EQ(first.domain, domain);
  EXPECT_EQ(first.address, page(2));
  EXPECT_EQ(first.address_mask, 1U);
  EXPECT_TRUE(first.leaf_only);
  EXPECT_EQ(s.told.commands.back().iotlb_done, spec::iotlb_granularity::page);

  s.watch();
  s.told.lines.clear();
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::did::of(domain) |
                              reg::ccmd::sid::of(nic.value()) | reg::ccmd::fm::of(2));
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 context invalidation begun", "17 context invalidation effective",
                                        "17 context invalidation ended"));
  const dmar::command_event& last = s.told.commands.back();
  EXPECT_EQ(last.context_asked, spec::context_granularity::device);
  EXPECT_EQ(last.context_done, spec::context_granularity::device);
  EXPECT_EQ(last.domain, domain);
  EXPECT_EQ(last.source, nic);
  EXPECT_EQ(last.function_mask, 2U);
  EXPECT_EQ(last.iotlb_asked, spec::iotlb_granularity::none);
}

TEST(observer, a_page_selective_order_that_a_part_cannot_do_says_what_was_done_instead) {
  auto caps = plain_part();
  caps.cap.set_psi(false);
  scene s(config_of(caps));
  s.watch();
  s.invalidate_iotlb_page(domain, page(2));
  s.settle();
  EXPECT_EQ(s.told.commands.back().iotlb_asked, spec::iotlb_granularity::page);
  EXPECT_EQ(s.told.commands.back().iotlb_done, spec::iotlb_granularity::domain);
}

TEST(observer, global_commands_are_told_from_their_edge_to_their_status_bit) {
  scene s;
  s.watch();
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::srtp::of(1));
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 set root table begun", "9 set root table effective", "9 set root table ended"));
  EXPECT_EQ(s.told.commands.back().root_table, s.tables.root());
  s.write_register<reg::gcmd>(0);
  s.settle();
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1));
  s.settle();
  EXPECT_TRUE(s.told.commands.back().on);
  s.told.lines.clear();
  s.watch();
  s.told.lines.clear();
  s.write_register<reg::gcmd>(0);
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 translation begun", "1 translation effective", "9 translation ended"));
  EXPECT_FALSE(s.told.commands.back().on);
  s.watch();
  s.told.lines.clear();
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 protected memory begun", "1 protected memory effective",
                                        "1 protected memory ended"));
  EXPECT_TRUE(s.told.commands.back().on);
}

TEST(observer, orders_of_the_fault_log_are_told_from_their_edge_to_their_status_bit) {
  remap::capabilities caps = plain_part();
  caps.cap.set_afl(true);
  scene s(config_of(caps));
  const auto lines_of = [&](std::uint32_t order) {
    s.watch();
    s.told.lines.clear();
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | order);
    s.settle();
    return s.told.lines;
  };
  EXPECT_THAT(
      lines_of(reg::gcmd::sfl::mask),
      ElementsAre("1 fault log pointer begun", "9 fault log pointer effective", "9 fault log pointer ended"));
  EXPECT_THAT(lines_of(reg::gcmd::eafl::mask),
              ElementsAre("1 fault log begun", "9 fault log effective", "9 fault log ended"));
  EXPECT_TRUE(s.told.commands.back().on);
  EXPECT_THAT(lines_of(0), ElementsAre("1 fault log begun", "9 fault log effective", "9 fault log ended"));
  EXPECT_FALSE(s.told.commands.back().on);
}

TEST(observer, a_write_buffer_flush_is_told_for_as_long_as_it_drains) {
  scene s(config_of(small_part()));
  s.watch();
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::wbf::of(1));
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 write-buffer flush begun", "11 write-buffer flush effective",
                                        "11 write-buffer flush ended"));
}

} // namespace
} // namespace vtd::test
