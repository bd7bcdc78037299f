// SPDX-License-Identifier: Apache-2.0
// What software orders by IVA and IOTLB (VT-d 6.5.1, 10.4.8).

#include "dmar/commands_scene.h"

namespace vtd::test {
namespace {

using namespace command_tests; // NOLINT(google-build-using-namespace)
using remap::access_kind;
namespace reg = spec::reg;

TEST(commands, a_global_iotlb_invalidation_removes_every_page) {
  scene s;
  s.enable();
  s.make_stale(nic);
  s.make_stale(disk);
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 1U);
  EXPECT_FALSE(s.is_stale(nic));
  EXPECT_FALSE(s.is_stale(disk));
}

TEST(commands, a_domain_selective_iotlb_invalidation_leaves_other_domains) {
  scene s;
  s.enable();
  s.make_stale(nic);
  s.make_stale(disk);
  s.invalidate_iotlb_domain(domain);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 2U);
  EXPECT_FALSE(s.is_stale(nic));
  EXPECT_TRUE(s.is_stale(disk));
}

TEST(commands, a_page_selective_invalidation_covers_its_mask_and_no_more) {
  scene s;
  s.enable();
  for (std::uint64_t n = 0; n < 8; ++n)
    s.make_stale(nic, n);
  s.invalidate_iotlb_page(domain, iova + 3 * spec::page_size, 1);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 3U);
  for (std::uint64_t n = 0; n < 8; ++n)
    EXPECT_EQ(s.is_stale(nic, n), n != 2 && n != 3) << n;
}

TEST(commands, a_mask_beyond_mamv_is_an_error_that_does_nothing) {
  scene s;
  s.enable();
  s.make_stale(nic);
  s.invalidate_iotlb_page(domain, iova, 10);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 0U);
  EXPECT_TRUE(s.is_stale(nic));
  s.invalidate_iotlb_page(domain, iova, 9);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 3U);
  EXPECT_FALSE(s.is_stale(nic));
}

TEST(commands, without_psi_a_page_selective_order_does_the_domain_and_says_so) {
  remap::capabilities caps = small_part();
  caps.cap.set_psi(false).set_mamv(0);
  scene s(caps);
  s.enable();
  s.make_stale(nic, 0);
  s.make_stale(nic, 5);
  s.invalidate_iotlb_page(domain, iova);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 2U);
  EXPECT_FALSE(s.is_stale(nic, 5));
}

TEST(commands, without_psi_a_page_selective_order_takes_the_time_of_a_domain) {
  remap::capabilities caps = small_part();
  caps.cap.set_psi(false).set_mamv(0).set_rwbf(false);
  scene s(caps);
  const engine::cycle t = s.wheel.now();
  s.invalidate_iotlb_page(domain, iova);
  s.run_to(t + 32);
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  s.run_to(t + 33);
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
}

TEST(commands, an_iotlb_invalidation_without_granularity_does_nothing_and_says_so) {
  scene s;
  s.enable();
  s.make_stale(nic);
  s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1));
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 0U);
  EXPECT_TRUE(s.is_stale(nic));
}

TEST(commands, a_drain_waits_for_the_kind_of_request_that_was_asked_for) {
  const auto done_while_held = [](access_kind kind, bool reads, bool writes) {
    scene s;
    s.enable();
    s.read(nic, iova);
    s.hold_answers = true;
    s.offer(1, nic, kind, iova);
    s.settle();
    s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) |
                                 reg::iotlb::dr::of(reads ? 1 : 0) | reg::iotlb::dw::of(writes ? 1 : 0));
    s.settle();
    const bool done = reg::iotlb::ivt::get(s.read_register<reg::iotlb>()) == 0;
    s.unit.answered(s.held.at(0), true, s.now_ps());
    s.settle();
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
    return done;
  };
  EXPECT_FALSE(done_while_held(access_kind::write, false, true));
  EXPECT_TRUE(done_while_held(access_kind::write, true, false));
  EXPECT_FALSE(done_while_held(access_kind::read, true, false));
  EXPECT_TRUE(done_while_held(access_kind::read, false, true));
  EXPECT_TRUE(done_while_held(access_kind::write, false, false));
}

TEST(commands, a_drain_waits_for_a_loosely_timed_request_that_is_suspended) {
  scene s;
  s.enable();
  const auto sequence = s.unit.enter(true);
  s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) | reg::iotlb::dw::of(1));
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  s.unit.leave(sequence, s.now_ps());
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
}

TEST(commands, requests_after_the_removal_are_not_waited_for) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.invalidate_iotlb_page(domain, iova + 0x5000);
  s.run_to(s.wheel.now() + 40);
  s.hold_answers = true;
  s.offer(1, nic, access_kind::write, iova);
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
}

TEST(commands, the_register_may_not_be_touched_while_its_command_runs) {
  scene s;
  s.invalidate_iotlb_domain(domain);
  s.run_to(s.wheel.now() + 3);
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 2U);
}

TEST(commands, parts_of_version_2_drain_unasked) {
  for (const unsigned version : {0x10U, 0x20U}) {
    remap::capabilities caps = small_part();
    caps.version = version;
    scene s(caps);
    s.enable();
    s.read(nic, iova);
    s.hold_answers = true;
    s.offer(1, nic, access_kind::write, iova);
    s.settle();
    s.invalidate_iotlb_global();
    s.settle();
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), version == 0x20 ? 1U : 0U);
    s.unit.answered(s.held.at(0), true, s.now_ps());
    s.settle();
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
  }
}

TEST(commands, bits_of_the_address_above_mgaw_are_ignored) {
  scene s;
  s.enable();
  s.make_stale(nic);
  s.withdrawn.clear();
  // VT-d 10.4.8: bits 63:MGAW of IVA.ADDR.
  s.invalidate_iotlb_page(domain, std::uint64_t{1} << 40 | iova);
  s.settle();
  EXPECT_EQ(s.granularity_of_iotlb(), 3U);
  EXPECT_FALSE(s.is_stale(nic));
  ASSERT_EQ(s.withdrawn.size(), 1U);
  EXPECT_EQ(s.withdrawn[0], std::pair(iova, iova + spec::page_size - 1)) << "nor do direct pointers stay";
}

TEST(commands, parts_of_version_6_take_no_invalidation_by_register) {
  for (const unsigned version : {0x10U, 0x5fU, 0x60U}) {
    auto caps = small_part();
    caps.version = version;
    const bool takes = version < 0x60;
    scene s(caps);
    s.enable();
    s.make_stale(nic);
    s.invalidate_contexts_global();
    s.settle();
    EXPECT_EQ(s.granularity_of_context(), takes ? 1U : 0U);
    s.invalidate_iotlb_global();
    s.settle();
    EXPECT_EQ(s.granularity_of_iotlb(), takes ? 1U : 0U);
    EXPECT_EQ(s.is_stale(nic), !takes);
  }
}

TEST(commands, an_invalidation_that_drains_takes_the_time_of_a_drain_at_its_end) {
  for (const bool drains : {false, true}) {
    auto config = config_of(plain_part());
    config.timing.drain = 7;
    scene s(config);
    s.enable();
    const engine::cycle started = s.wheel.now();
    s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) |
                                 reg::iotlb::dr::of(drains ? 1 : 0));
    // Seen at the next edge.
    const engine::cycle end =
        started + 1 + config.timing.iotlb_invalidation_global + (drains ? config.timing.drain : 0);
    s.run_to(end - 1);
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U) << drains;
    s.run_to(end);
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U) << drains;
  }
}

} // namespace
} // namespace vtd::test
