// SPDX-License-Identifier: Apache-2.0
// Fault records, FSTS and the fault event (VT-d 7.3, 7.4, 10.4.9 to 10.4.14).

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t mapped = 0x40000000;
constexpr std::uint64_t unmapped = 0x51234000;

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps) : scene(config_of(caps)) {}
  explicit scene(const dmar::unit_config& config) : unit_world(config) {
    tables.attach(nic, 3);
    tables.map(nic, mapped, 0x7000000, read_only);
    enable();
    write_register<reg::fedata>(event_data);
    write_register<reg::feaddr>(static_cast<std::uint32_t>(spec::interrupt_range_first));
  }
  void unmask() {
    write_register<reg::fectl>(0);
    settle();
  }
  void clear_record(unsigned index = 0) { write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1), index); }
  [[nodiscard]] bool pending(unsigned index = 0) {
    return reg::frcd_hi::f::get(read_register<reg::frcd_hi>(index)) != 0;
  }
  template <class Field>
  [[nodiscard]] std::uint32_t status() {
    return Field::get(read_register<reg::fsts>());
  }
  static constexpr std::uint32_t event_data = 0x41;
};

TEST(fault_recorder, a_blocked_read_is_recorded_with_source_page_kind_and_reason) {
  scene s(small_part());
  EXPECT_EQ(s.read(nic, unmapped + 0x123).how, dmar::completion::blocked);
  EXPECT_TRUE(s.forwards.empty()) << "nothing leaked";
  const std::uint64_t low = s.read_register<reg::frcd_lo>();
  const std::uint64_t high = s.read_register<reg::frcd_hi>();
  EXPECT_EQ(low, unmapped) << "FI is the page";
  EXPECT_EQ(reg::frcd_hi::sid::get(high), nic.value());
  EXPECT_EQ(reg::frcd_hi::fr::get(high), static_cast<std::uint64_t>(spec::fault_reason::no_read_permission));
  EXPECT_EQ(reg::frcd_hi::t1::get(high), 1U);
  EXPECT_EQ(reg::frcd_hi::f::get(high), 1U);
  EXPECT_EQ(s.status<reg::fsts::ppf>(), 1U);
  EXPECT_EQ(s.status<reg::fsts::fri>(), 0U);
  ASSERT_EQ(s.faults.size(), 1U);
  EXPECT_EQ(s.faults[0].condition, spec::fault_condition::lgn_3_np);
}

TEST(fault_recorder, a_part_that_compresses_drops_more_faults_of_a_requester_with_a_record) {
  auto config = config_of(wide_part());
  config.compress_faults = true;
  scene s(config);
  s.read(nic, unmapped);
  s.read(nic, unmapped + 0x1000);
  EXPECT_TRUE(s.pending(0));
  EXPECT_FALSE(s.pending(1)) << "dropped";
  EXPECT_EQ(s.status<reg::fsts::pfo>(), 0U) << "nothing overflowed";
  s.read(disk, unmapped);
  EXPECT_TRUE(s.pending(1)) << "another requester";
  s.clear_record(0);
  s.read(nic, unmapped);
  EXPECT_TRUE(s.pending(2)) << "its record was free";
}

TEST(fault_recorder, a_blocked_write_is_recorded_as_a_write) {
  scene s(small_part());
  s.write(nic, mapped);
  const std::uint64_t high = s.read_register<reg::frcd_hi>();
  EXPECT_EQ(reg::frcd_hi::t1::get(high), 0U);
  EXPECT_EQ(reg::frcd_hi::fr::get(high), static_cast<std::uint64_t>(spec::fault_reason::no_write_permission));
  EXPECT_TRUE(s.forwards.empty());
}

TEST(fault_recorder, address_bits_beyond_mgaw_are_not_recorded) {
  scene s(small_part());
  s.read(nic, std::uint64_t{5} << 36 | unmapped);
  EXPECT_EQ(s.read_register<reg::frcd_lo>(), unmapped);
  EXPECT_EQ(s.faults[0].access.address, std::uint64_t{5} << 36 | unmapped) << "people see the whole address";
}

TEST(fault_recorder, a_fault_while_the_only_record_is_taken_overflows_and_is_lost) {
  scene s(small_part());
  s.read(nic, unmapped);
  s.read(nic, unmapped + 0x1000);
  EXPECT_EQ(s.status<reg::fsts::pfo>(), 1U);
  EXPECT_EQ(s.read_register<reg::frcd_lo>(), unmapped) << "the first one stays";
  EXPECT_EQ(s.unit.faults().lost(), 1U);
  s.clear_record();
  s.read(nic, unmapped + 0x2000);
  EXPECT_FALSE(s.pending()) << "with PFO set nothing is recorded";
  s.write_register<reg::fsts>(reg::fsts::pfo::of(1));
  s.read(nic, unmapped + 0x3000);
  EXPECT_EQ(s.read_register<reg::frcd_lo>(), unmapped + 0x3000);
}

TEST(fault_recorder, several_records_are_used_in_a_circle) {
  scene s(wide_part());
  for (std::uint64_t n = 0; n < 8; ++n)
    s.read(nic, unmapped + n * 0x1000);
  for (unsigned n = 0; n < 8; ++n)
    EXPECT_EQ(s.read_register<reg::frcd_lo>(n), unmapped + n * 0x1000);
  EXPECT_EQ(s.status<reg::fsts::pfo>(), 0U);
  EXPECT_EQ(s.status<reg::fsts::fri>(), 0U);
  s.read(nic, unmapped + 0x8000);
  EXPECT_EQ(s.status<reg::fsts::pfo>(), 1U) << "all eight are taken";
  for (unsigned n = 0; n < 8; ++n)
    s.clear_record(n);
  s.write_register<reg::fsts>(reg::fsts::pfo::of(1));
  EXPECT_EQ(s.status<reg::fsts::ppf>(), 0U);
  s.read(nic, unmapped + 0x9000);
  EXPECT_EQ(s.status<reg::fsts::fri>(), 0U) << "after the eighth comes the first again";
  s.clear_record(0);
  s.read(nic, unmapped + 0xa000);
  EXPECT_EQ(s.status<reg::fsts::fri>(), 1U);
}

TEST(fault_recorder, ppf_stays_until_the_last_record_is_cleared) {
  scene s(wide_part());
  s.read(nic, unmapped);
  s.read(nic, unmapped + 0x1000);
  s.clear_record(0);
  EXPECT_EQ(s.status<reg::fsts::ppf>(), 1U);
  s.clear_record(1);
  EXPECT_EQ(s.status<reg::fsts::ppf>(), 0U);
}

TEST(fault_recorder, what_stands_behind_the_last_record_is_none) {
  // The IOTLB registers, whose IVT lies where a record has its F.
  remap::capabilities caps = small_part();
  caps.cap.set_fro(caps.ecap.iro() - 1);
  unit_world s(caps);
  s.invalidate_iotlb_global();
  s.write_register<reg::fsts>(0);
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  EXPECT_EQ(reg::fsts::ppf::get(s.read_register<reg::fsts>()), 0U);
}

TEST(fault_recorder, an_unmasked_fault_sends_its_message_after_the_record) {
  scene s(small_part());
  s.unmask();
  s.read(nic, unmapped);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(s.messages[0].second, (spec::msi_message{spec::interrupt_range_first, scene::event_data}));
  EXPECT_EQ(s.messages[0].first, s.faults[0].when + s.unit.config().timing.event_message);
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

TEST(fault_recorder, further_faults_send_no_message_while_one_is_pending) {
  scene s(wide_part());
  s.unmask();
  s.read(nic, unmapped);
  s.read(nic, unmapped + 0x1000);
  EXPECT_EQ(s.messages.size(), 1U);
  s.clear_record(0);
  s.clear_record(1);
  s.read(nic, unmapped);
  EXPECT_EQ(s.messages.size(), 2U);
}

TEST(fault_recorder, a_masked_event_waits_as_pending_and_goes_when_it_is_unmasked) {
  scene s(small_part());
  s.read(nic, unmapped);
  EXPECT_TRUE(s.messages.empty());
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 1U);
  s.unmask();
  EXPECT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

TEST(fault_recorder, clearing_all_causes_takes_a_pending_event_back) {
  scene s(small_part());
  s.read(nic, unmapped);
  s.clear_record();
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
  s.unmask();
  EXPECT_TRUE(s.messages.empty());
}

TEST(fault_recorder, fpd_leaves_no_record_and_no_event) {
  scene s(small_part());
  spec::context_entry entry = s.tables.context(nic);
  s.tables.set_context(nic, entry.set_fault_processing_disable(true));
  s.unmask();
  EXPECT_EQ(s.read(nic, unmapped).how, dmar::completion::blocked);
  EXPECT_FALSE(s.pending());
  EXPECT_TRUE(s.messages.empty());
  ASSERT_EQ(s.faults.size(), 1U);
  EXPECT_TRUE(s.faults[0].suppressed);
}

TEST(fault_recorder, a_pending_event_stays_while_the_overflow_is_not_cleared) {
  scene s(small_part());
  s.read(nic, unmapped);
  s.read(nic, unmapped + 0x1000);
  ASSERT_EQ(s.status<reg::fsts::pfo>(), 1U);
  s.clear_record();
  EXPECT_EQ(s.status<reg::fsts::ppf>(), 0U);
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 1U);
  s.write_register<reg::fsts>(reg::fsts::pfo::of(1));
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

TEST(fault_recorder, a_message_that_is_masked_before_it_goes_stays_pending) {
  scene s(small_part());
  s.unmask();
  s.offer(1, nic, vtd::remap::access_kind::read, unmapped);
  while (s.faults.empty())
    s.run_to(s.wheel.now() + 1);
  s.write_register<reg::fectl>(reg::fectl::im::of(1));
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 1U);
  s.settle();
  s.run_to(s.wheel.now() + 100);
  EXPECT_TRUE(s.messages.empty());
  s.unmask();
  EXPECT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

TEST(fault_recorder, masking_without_an_event_makes_none) {
  scene s(small_part());
  s.unmask();
  s.write_register<reg::fectl>(reg::fectl::im::of(1));
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
  s.unmask();
  EXPECT_TRUE(s.messages.empty());
}

TEST(fault_recorder, a_message_masked_after_its_cause_was_cleared_is_given_up) {
  scene s(small_part());
  s.unmask();
  s.offer(1, nic, vtd::remap::access_kind::read, unmapped);
  while (s.read_register<reg::fsts>() == 0)
    s.run_to(s.wheel.now() + 1);
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::mask);
  s.write_register<reg::fectl>(reg::fectl::im::of(1));
  s.settle();
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U) << "nothing is pending";
  s.unmask();
  s.settle();
  EXPECT_TRUE(s.messages.empty());
}

TEST(fault_recorder, a_reset_takes_back_a_message_that_has_not_gone) {
  scene s(small_part());
  s.unmask();
  s.offer(1, nic, vtd::remap::access_kind::read, unmapped);
  while (s.faults.empty())
    s.run_to(s.wheel.now() + 1);
  s.unit.reset(false);
  s.run_to(s.wheel.now() + 100);
  EXPECT_TRUE(s.messages.empty());
}

TEST(fault_recorder, the_upper_address_register_is_part_of_the_message) {
  remap::capabilities caps = small_part();
  caps.ecap.set_eim(true);
  scene s(caps);
  const auto event = spec::msi_message::to_extended_cpu(0x12345678, 0x41);
  s.write_register<reg::feaddr>(static_cast<std::uint32_t>(event.address));
  s.write_register<reg::feuaddr>(static_cast<std::uint32_t>(event.address >> 32));
  s.unmask();
  s.read(nic, unmapped);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(s.messages[0].second, event);
}

TEST(fault_recorder, the_index_starts_again_at_0_when_translation_goes_off) {
  for (const bool off : {false, true}) {
    scene s(wide_part());
    for (unsigned n = 0; n < 3; ++n) {
      s.read(nic, unmapped);
      s.clear_record(n);
    }
    if (off) {
      s.write_register<reg::gcmd>(0);
      s.settle();
      s.write_register<reg::gcmd>(reg::gcmd::te::of(1));
      s.settle();
    }
    s.read(nic, unmapped);
    EXPECT_TRUE(s.pending(off ? 0 : 3));
    EXPECT_EQ(s.status<reg::fsts::fri>(), off ? 0U : 3U);
  }
}

TEST(fault_recorder, only_im_of_fectl_can_be_written) {
  scene s(small_part());
  s.write_register<reg::fectl>(~0U);
  EXPECT_EQ(s.read_register<reg::fectl>(), reg::fectl::im::of(1));
}

// From the edge that sees the write: four cycles.
TEST(fault_recorder, an_unmasked_pending_event_goes_out_after_its_cycles_and_not_before) {
  scene s(small_part());
  s.read(nic, unmapped);
  const engine::cycle t = s.wheel.now();
  s.write_register<reg::fectl>(0);
  s.run_to(t + 1 + 4 - 1);
  EXPECT_TRUE(s.messages.empty());
  s.run_to(t + 1 + 4);
  EXPECT_EQ(s.messages.size(), 1U);
}

// The fault was decided while translation was on, and is recorded when it is off (VT-d 7.3.1: begins again).
TEST(fault_recorder, a_fault_that_comes_to_its_record_after_translation_went_off_takes_the_first) {
  auto config = config_of(small_part());
  config.caps.cap.set_nfr(3);
  config.timing.fault_recording = 100;
  scene s(config);
  s.read(nic, unmapped);
  s.clear_record();
  s.offer(1, nic, vtd::remap::access_kind::read, unmapped);
  while (s.responses.size() < 2)
    s.run_to(s.wheel.now() + 1);
  s.write_register<reg::gcmd>(0);
  s.settle();
  ASSERT_EQ(s.faults.size(), 2U);
  EXPECT_EQ(reg::fsts::fri::get(s.read_register<reg::fsts>()), 0U);
}

} // namespace
} // namespace vtd::test
