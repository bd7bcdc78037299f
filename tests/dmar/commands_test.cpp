// SPDX-License-Identifier: Apache-2.0
// What software orders by GCMD and CCMD (VT-d 6.5.1, 10.4.4 to 10.4.7).

#include "dmar/commands_scene.h"

namespace vtd::test {
namespace {

using namespace command_tests; // NOLINT(google-build-using-namespace)
using dmar::completion;
using remap::access_kind;
namespace reg = spec::reg;

TEST(commands, before_te_requests_pass_untranslated) {
  scene s;
  EXPECT_EQ(s.read(nic, 0x1234).address, 0x1234U);
  EXPECT_EQ(s.unit.statistics().bypassed, 1U);
}

TEST(commands, te_turns_translation_on_and_off) {
  scene s;
  s.enable();
  EXPECT_EQ(s.status<reg::gsts::tes>(), 1U);
  EXPECT_EQ(s.read(nic, iova + 8).address, frame + 8);
  s.write_register<reg::gcmd>(0);
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::tes>(), 0U);
  EXPECT_EQ(s.read(nic, iova + 8).address, iova + 8);
}

TEST(commands, te_goes_off_only_when_earlier_requests_have_left) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.write_register<reg::gcmd>(0);
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::tes>(), 1U) << "a request of before is still in memory";
  s.unit.answered(s.held.at(0), true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::tes>(), 0U);
}

TEST(commands, a_new_root_table_is_used_from_srtp_on_and_not_from_the_write_of_rtaddr) {
  scene s;
  s.enable();
  fake_memory& memory = s.memory;
  table_builder other(memory, 0x900000);
  other.attach(nic, domain);
  other.map(nic, iova + 0x1000, other_frame);
  s.write_register<reg::rtaddr>(other.root());
  s.read(nic, iova);
  s.invalidate_contexts_global();
  s.settle();
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.read(nic, iova + 0x1000).address, frame + 0x1000);
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::srtp::of(1));
  s.run_to(s.wheel.now() + 2);
  EXPECT_EQ(s.status<reg::gsts::rtps>(), 0U) << "cleared while the command runs";
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::rtps>(), 1U);
  EXPECT_EQ(s.read(nic, iova + 0x1000).address, frame + 0x1000) << "caches keep what they have";
  s.invalidate_contexts_global();
  s.settle();
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.read(nic, iova + 0x1000).address, other_frame);
}

TEST(commands, srtp_flushes_all_caches_where_cap_says_so) {
  remap::capabilities caps = small_part();
  caps.cap.set_esrtps(true);
  scene s(caps);
  s.enable();
  s.make_stale(nic);
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::srtp::of(1));
  s.settle();
  EXPECT_FALSE(s.is_stale(nic));
}

TEST(commands, wbf_shows_in_gsts_until_the_write_buffer_has_drained) {
  scene s;
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::gcmd>(reg::gcmd::wbf::of(1));
  s.run_to(t + 1);
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 1U);
  EXPECT_TRUE(s.drains.empty());
  s.run_to(t + 10);
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 1U);
  s.run_to(t + 11);
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 0U);
  EXPECT_EQ(s.drains, std::vector<engine::cycle>{t + 11});
}

TEST(commands, wbf_is_ignored_where_no_flush_is_required) {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  scene s(caps);
  s.write_register<reg::gcmd>(reg::gcmd::wbf::of(1));
  s.run_to(s.wheel.now() + 1);
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 0U);
  s.settle();
  EXPECT_TRUE(s.drains.empty());
}

TEST(commands, a_part_that_hides_its_write_buffer_drains_it_all_the_same) {
  auto config = config_of(small_part());
  config.caps.cap.set_rwbf(false);
  config.hidden_write_buffer = true;
  scene s(config);
  EXPECT_EQ(reg::cap_reg::rwbf::get(s.read_register<reg::cap_reg>()), 0U) << "CAP does not tell";
  s.write_register<reg::gcmd>(reg::gcmd::wbf::of(1));
  s.run_to(s.wheel.now() + 1);
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 1U);
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::wbfs>(), 0U);
  EXPECT_EQ(s.drains.size(), 1U);
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.drains.size(), 2U);
  const engine::cycle t = s.wheel.now();
  s.invalidate_iotlb_domain(domain);
  s.run_to(t + 42);
  EXPECT_EQ(s.drains.size(), 2U);
  s.run_to(t + 43);
  EXPECT_EQ(s.drains.size(), 3U) << "32 cycles, and 10 for the buffer";
}

TEST(commands, every_register_based_invalidation_drains_a_write_buffer_that_needs_it) {
  scene s;
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.drains.size(), 1U);
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.drains.size(), 2U);
}

TEST(commands, orders_for_features_that_are_not_there_do_nothing) {
  scene s;
  s.write_register<reg::gcmd>(reg::gcmd::qie::of(1) | reg::gcmd::ire::of(1) | reg::gcmd::sirtp::of(1) |
                              reg::gcmd::cfi::of(1) | reg::gcmd::sfl::of(1) | reg::gcmd::eafl::of(1));
  s.settle();
  EXPECT_EQ(s.read_register<reg::gsts>(), 0U);
}

TEST(commands, orders_during_their_predecessor_are_counted_one_an_access) {
  scene s;
  s.write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
  s.invalidate_contexts_global();
  s.invalidate_iotlb_global();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 0U);
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1));
  EXPECT_EQ(s.unit.statistics().ignored_orders, 1U);
  s.invalidate_contexts_global();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 2U);
  s.write_register<reg::iva>(0);
  EXPECT_EQ(s.unit.statistics().ignored_orders, 3U);
  s.invalidate_iotlb_global();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 4U);
  s.settle();
  s.invalidate_iotlb_global();
  s.settle();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 4U);
  EXPECT_EQ(s.unit.statistics().invalidations, 3U);
  s.unit.clear_statistics();
  EXPECT_EQ(s.unit.statistics().ignored_orders, 0U);
  EXPECT_EQ(s.unit.statistics().invalidations, 0U);
}

TEST(commands, ccmd_may_not_be_touched_while_its_command_runs) {
  scene s;
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(2) | reg::ccmd::did::of(domain));
  s.run_to(s.wheel.now() + 3);
  const auto running = s.read_register<reg::ccmd>();
  s.write_register<reg::ccmd>(reg::ccmd::cirg::of(1) | reg::ccmd::did::of(domain + 1));
  EXPECT_EQ(s.read_register<reg::ccmd>(), running);
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 2U);
}

TEST(commands, a_command_during_a_command_is_ignored) {
  scene s;
  s.write_register<reg::rtaddr>(s.tables.root());
  s.write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
  s.run_to(s.wheel.now() + 3);
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1));
  s.settle();
  EXPECT_EQ(s.status<reg::gsts::rtps>(), 1U);
  EXPECT_EQ(s.status<reg::gsts::tes>(), 0U);
}

// --- Context cache

TEST(commands, a_global_context_invalidation_removes_every_context) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.read(disk, iova);
  EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 2U);
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 0U);
  EXPECT_EQ(s.granularity_of_context(), 1U);
  EXPECT_EQ(reg::ccmd::icc::get(s.read_register<reg::ccmd>()), 0U);
}

TEST(commands, a_changed_context_entry_is_used_after_its_invalidation_and_not_before) {
  scene s;
  s.enable();
  s.read(nic, iova);
  spec::context_entry entry = s.tables.context(nic);
  s.tables.set_context(nic, entry.set_present(false));
  EXPECT_EQ(s.read(nic, iova).how, completion::done) << "the stale hit";
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) |
                              reg::ccmd::sid::of(nic.value()) | reg::ccmd::did::of(domain));
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 3U);
  EXPECT_EQ(s.read(nic, iova).how, completion::blocked);
}

TEST(commands, a_domain_selective_context_invalidation_leaves_other_domains) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.read(disk, iova);
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(2) | reg::ccmd::did::of(domain));
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 2U);
  EXPECT_EQ(s.unit.translator().caches().contexts().peek({nic}), nullptr);
  EXPECT_NE(s.unit.translator().caches().contexts().peek({disk}), nullptr);
}

TEST(commands, the_function_mask_widens_a_device_selective_invalidation) {
  const auto left_after = [](std::uint64_t mask) {
    scene s;
    for (unsigned function = 0; function < 8; ++function) {
      s.tables.attach(spec::source_id::from_bdf(0, 4, function), domain);
    }
    s.enable();
    for (unsigned function = 0; function < 8; ++function)
      s.read(spec::source_id::from_bdf(0, 4, function), iova);
    s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::fm::of(mask) |
                                reg::ccmd::did::of(domain) |
                                reg::ccmd::sid::of(spec::source_id::from_bdf(0, 4, 0).value()));
    s.settle();
    return s.unit.translator().caches().contexts().occupancy();
  };
  EXPECT_EQ(left_after(0), 7U);
  EXPECT_EQ(left_after(1), 6U);
  EXPECT_EQ(left_after(2), 4U);
  EXPECT_EQ(left_after(3), 0U);
}

TEST(commands, a_device_selective_invalidation_names_the_domain_of_the_entry_where_the_part_compares_it) {
  for (const bool compared : {true, false}) {
    auto config = config_of(small_part());
    config.context_domain_compared = compared;
    scene s(config);
    s.enable();
    s.read(nic, iova);
    const auto order = [&s](std::uint16_t of) {
      s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) |
                                  reg::ccmd::sid::of(nic.value()) | reg::ccmd::did::of(of));
      s.settle();
      return s.unit.translator().caches().contexts().occupancy();
    };
    EXPECT_EQ(order(domain + 1), compared ? 1U : 0U);
    EXPECT_EQ(order(domain), 0U);
    EXPECT_EQ(s.granularity_of_context(), 3U);
  }
}

TEST(commands, a_context_invalidation_without_granularity_does_nothing_and_says_so) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1));
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 0U);
  EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 1U);
}

TEST(commands, only_the_upper_half_of_ccmd_starts_the_command) {
  scene s;
  const std::uint64_t order = reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1);
  const std::uint32_t offset = reg::ccmd::offset;
  s.unit.write_register(offset, 4, static_cast<std::uint32_t>(order), s.now_ps());
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 0U);
  s.unit.write_register(offset + 4, 4, order >> 32, s.now_ps());
  s.settle();
  EXPECT_EQ(s.granularity_of_context(), 1U);
}

TEST(commands, a_domain_selective_context_invalidation_looks_at_no_device) {
  auto config = config_of(plain_part());
  config.context_domain_compared = false;
  scene s(config);
  s.enable();
  s.read(nic, iova);
  s.read(disk, iova);
  // The domain of one device, and another device's name beside it.
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(2) | reg::ccmd::did::of(domain) |
                              reg::ccmd::sid::of(disk.value()));
  s.settle();
  s.table_reads.clear();
  s.read(disk, iova);
  EXPECT_TRUE(s.table_reads.empty()) << "its context is still cached";
  s.read(nic, iova);
  EXPECT_EQ(s.table_reads.size(), 2U) << "root and context entry";
}

} // namespace
} // namespace vtd::test
