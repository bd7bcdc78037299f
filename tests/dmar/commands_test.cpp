// SPDX-License-Identifier: Apache-2.0
// What software orders by GCMD, CCMD, IOTLB and PMEN (VT-d 6.5.1, 10.4.4 to 10.4.8, 10.4.16).

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using dmar::completion;
using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t other_frame = 0x9000000;
constexpr std::uint16_t domain = 3;

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = small_part()) : scene(config_of(caps)) {}
  explicit scene(const dmar::unit_config& config) : unit_world(config) {
    for (const spec::source_id device : {nic, disk}) {
      tables.attach(device, device == nic ? domain : domain + 1);
      for (std::uint64_t n = 0; n < 16; ++n)
        tables.map(device, iova + n * spec::page_size, frame + n * spec::page_size);
    }
  }
  template <class Field>
  [[nodiscard]] std::uint32_t status() {
    return Field::get(read_register<reg::gsts>());
  }
  // Moves the page in the tables, and shows that the unit still goes to the old place.
  void make_stale(spec::source_id device, std::uint64_t n = 0) {
    const std::uint64_t address = iova + n * spec::page_size;
    ASSERT_EQ(read(device, address).address, frame + n * spec::page_size);
    tables.map(device, address, other_frame + n * spec::page_size);
    ASSERT_EQ(read(device, address).address, frame + n * spec::page_size) << "the stale hit";
  }
  [[nodiscard]] bool is_stale(spec::source_id device, std::uint64_t n = 0) {
    return read(device, iova + n * spec::page_size).address == frame + n * spec::page_size;
  }
  [[nodiscard]] std::uint64_t granularity_of_context() {
    return reg::ccmd::caig::get(read_register<reg::ccmd>());
  }
  [[nodiscard]] std::uint64_t granularity_of_iotlb() {
    return reg::iotlb::iaig::get(read_register<reg::iotlb>());
  }
};

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

// --- IOTLB

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
  const std::uint64_t sequence = s.unit.enter(true);
  s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) | reg::iotlb::dw::of(1));
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  s.unit.leave(sequence);
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

// --- Protected memory

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
