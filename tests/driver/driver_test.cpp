// SPDX-License-Identifier: Apache-2.0
// The driver of a whole machine: units, start and stop, map and unmap, faults. See assignment_test for the
// rest.

#include "vtd/driver/driver.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::driver_error;
using driver::unit_error;
using spec::iotlb_granularity;
using spec::page_size;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x80000000;

void expect_correct(const fake_machine& m) { EXPECT_THAT(m.hw.all_violations(), IsEmpty()); }

// --- Units

TEST(driver, the_log_names_table_and_units_the_way_other_drivers_do) {
  mixed_machine m;
  (void)m.drv();
  EXPECT_TRUE(in_order(m.hw, {log_line("DMAR: Host address width 36"),
                              log_line("DMAR: DRHD base: 0x000000fed90000 flags: 0x0"),
                              log_line("DMAR: dmar0: reg_base_addr fed90000 ver 1:0 cap "),
                              log_line("DMAR: DRHD base: 0x000000fed91000 flags: 0x1"),
                              log_line("DMAR: dmar1: reg_base_addr fed91000 ver 1:0 cap ")}));
}

TEST(driver, a_machine_whose_units_do_not_answer_is_refused) {
  mixed_machine m;
  m.wide.silent = m.narrow.silent = true;
  EXPECT_EQ(message_of<driver_error>([&] { (void)m.drv(); }),
            "DMAR: no remapping unit answers, expected at least one");
  EXPECT_EQ(count(m.hw, log_line("the unit is left alone")), 2U);
}

TEST(driver, a_unit_that_does_not_answer_is_left_alone_and_the_others_run) {
  mixed_machine m;
  m.wide.silent = true;
  EXPECT_EQ(m.started().unit_count(), 1U);
  EXPECT_EQ(m.drv().unit_at(0).info().base, m.narrow.base());
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
  expect_correct(m);
}

TEST(driver, no_unit_stands_in_for_one_that_is_left_alone) {
  mixed_machine m;
  m.wide.silent = true;
  auto& d = m.started();
  EXPECT_EQ(d.unit_for(nic), nullptr);
  EXPECT_EQ(message_of<driver_error>([&] { d.attach(d.create_domain("guest"), nic); }),
            "01:00.0: no remapping unit covers it");
  EXPECT_NE(d.unit_for(usb), nullptr);
}

TEST(driver, the_unit_of_a_function_is_the_one_that_names_it_or_a_bridge_above_it_else_the_rest) {
  fake_machine m;
  (void)m.add_unit(narrow_cap(), narrow_ecap(), {scope_of(audio)});
  (void)m.add_unit(wide_cap(), wide_ecap(), {hierarchy_below(root_port)});
  (void)m.add_unit(narrow_cap(), narrow_ecap());
  auto& d = m.drv();
  EXPECT_EQ(d.unit_for(audio), &d.unit_at(0));
  EXPECT_EQ(d.unit_for(nic), &d.unit_at(1));
  EXPECT_EQ(d.unit_for(root_port), &d.unit_at(1));
  EXPECT_EQ(d.unit_for(usb), &d.unit_at(2));
  EXPECT_EQ(d.unit_for({0, source_id::from_bdf(9, 9, 1)}), nullptr);
  EXPECT_EQ(d.unit_for({1, usb.id}), nullptr);
}

TEST(driver, an_endpoint_scope_of_a_bridge_does_not_cover_what_is_below) {
  fake_machine m;
  (void)m.add_unit(narrow_cap(), narrow_ecap(), {scope_of(root_port)});
  EXPECT_NE(m.drv().unit_for(root_port), nullptr);
  EXPECT_EQ(m.drv().unit_for(nic), nullptr);
}

// --- Start and stop

TEST(driver, all_units_are_quiet_before_tables_are_written_and_translate_one_after_the_other) {
  mixed_machine m;
  m.wide.left_on<reg::gsts::tes>();
  m.narrow.left_on<reg::gsts::tes>();
  m.add_region(frame, frame + page_size - 1, usb);
  (void)m.drv();
  m.hw.forget_events();
  m.drv().start();
  EXPECT_TRUE(first_before(m.hw, status<reg::gsts::tes>(0, 1), any_store()));
  EXPECT_TRUE(in_order(
      m.hw, {status<reg::gsts::tes>(0, 0), status<reg::gsts::tes>(0, 1), any_store(),
             command<reg::gcmd::srtp>(0), status<reg::gsts::rtps>(1, 0), command<reg::gcmd::te>(0),
             status<reg::gsts::tes>(1, 0), log_line("dmar0: translation enabled"), command<reg::gcmd::wbf>(1),
             command<reg::gcmd::srtp>(1), status<reg::gsts::rtps>(1, 1), command<reg::gcmd::te>(1),
             status<reg::gsts::tes>(1, 1), log_line("dmar1: translation enabled")}));
  EXPECT_TRUE(m.drv().started());
  expect_correct(m);
}

TEST(driver, reserved_regions_are_mapped_to_themselves_in_memory_before_any_unit_translates) {
  narrow_machine m;
  constexpr std::uint64_t first = 0x7f000000;
  m.add_region(first, first + 3 * page_size - 1, usb);
  (void)m.drv();
  bool looked = false;
  m.hw.on_event = [&](const event& e) {
    if (!command<reg::gcmd::te>().fits(e)) return;
    looked = true;
    for (std::uint64_t at = first; at < first + 3 * page_size; at += page_size)
      EXPECT_EQ(m.translate(usb.id, at), at);
    EXPECT_EQ(m.translate(usb.id, first + 3 * page_size), std::nullopt);
    EXPECT_EQ(m.translate(nic.id, first), std::nullopt);
  };
  m.drv().start();
  EXPECT_TRUE(looked);
  EXPECT_EQ(m.drv().domain_of(usb)->name(), "firmware");
  EXPECT_EQ(m.hw.dirty_lines(), 0U);
  m.hw.on_event = {};
  expect_correct(m);
}

TEST(driver, reserved_regions_that_overlap_or_are_not_whole_pages_are_widened_and_mapped_once) {
  narrow_machine m;
  constexpr std::uint64_t first = 0x7f000000;
  m.add_region(first + 0x100, first + page_size + 0x10, usb);
  m.add_region(first + page_size, first + 3 * page_size - 1, disk);
  (void)m.started();
  for (const auto& who : {usb, disk}) {
    for (std::uint64_t at = first; at < first + 3 * page_size; at += page_size)
      EXPECT_EQ(m.translate(who.id, at), at);
  }
  EXPECT_EQ(m.drv().domains().size(), 1U);
  EXPECT_EQ(m.drv().domains()[0]->tables().mapped_bytes(), 3 * page_size);
}

TEST(driver, reserved_regions_that_are_unusable_or_of_no_device_are_left_out) {
  narrow_machine m;
  m.add_region(frame, frame + page_size - 1, usb);
  m.table.reserved_regions[0].usable = false;
  m.add_region(frame, frame + page_size - 1, {0, source_id::from_bdf(0, 9, 0)});
  m.drv().start();
  EXPECT_THAT(m.drv().domains(), IsEmpty());
  EXPECT_EQ(count(m.hw, log_line("DMAR: RMRR 0x80000000: no device of its scope is there, left out")), 1U);
  EXPECT_EQ(count(m.hw, log_line("(left out)")), 1U);
}

TEST(driver, a_device_that_has_a_domain_already_keeps_it_at_the_start) {
  narrow_machine m;
  m.add_region(frame, frame + page_size - 1, usb);
  auto& guest = m.drv().create_domain("guest");
  m.drv().attach(guest, usb);
  m.drv().start();
  EXPECT_EQ(m.drv().domain_of(usb), &guest);
}

TEST(driver, what_was_set_up_before_the_start_costs_no_commands_and_is_there_at_the_start) {
  narrow_machine m;
  auto& d = m.drv();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  d.map(guest, iova, frame, page_size);
  d.unmap(guest, iova, page_size);
  d.map(guest, iova, frame, page_size);
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
  d.start();
  EXPECT_EQ(m.translate(nic.id, iova), frame);
  expect_correct(m);
}

TEST(driver, stop_switches_every_unit_off_and_start_takes_over_again) {
  mixed_machine m;
  m.add_region(frame, frame + page_size - 1, usb);
  auto& d = m.started();
  d.stop();
  EXPECT_TRUE(in_order(m.hw, {command_off<reg::gcmd::te>(0), status<reg::gsts::tes>(0, 0),
                              command_off<reg::gcmd::te>(1), status<reg::gsts::tes>(0, 1)}));
  EXPECT_FALSE(d.started());
  EXPECT_EQ(m.hw.vectors_in_use(), 0U);
  const std::size_t pages = m.hw.pages_in_use();
  d.start();
  EXPECT_EQ(d.domains().size(), 1U) << "a second firmware domain";
  EXPECT_EQ(m.hw.pages_in_use(), pages);
  EXPECT_EQ(m.translate(usb.id, frame, 1), frame);
  expect_correct(m);
}

TEST(driver, a_second_start_is_refused_before_it_switches_anything_off) {
  narrow_machine m;
  auto& d = m.started();
  EXPECT_EQ(message_of<driver_error>([&] { d.start(); }),
            "start: translation is on already, expected stop first");
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
}

TEST(driver, a_start_that_fails_on_one_unit_leaves_none_on) {
  mixed_machine m;
  (void)m.drv();
  m.narrow.withhold.rtps = true;
  EXPECT_THAT(message_of<unit_error>([&] { m.drv().start(); }), HasSubstr("dmar1 at 0xfed91000: root table"));
  EXPECT_FALSE(m.drv().started());
  EXPECT_EQ(m.wide.at<reg::gsts>() & reg::gsts::tes::mask, 0U);
}

TEST(driver, a_start_that_fails_after_the_fault_event_was_set_up_takes_everything_back) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap().set_afl(true), narrow_ecap());
  m.options.unit.use_fault_log = true;
  (void)m.drv();
  const std::size_t pages = m.hw.pages_in_use();
  unit.withhold.tes = true;
  EXPECT_THAT(message_of<unit_error>([&] { m.drv().start(); }), HasSubstr("translation on: GSTS.TES is 0"));
  // GSTS.TES = 0 is no answer to the order: it may still take effect. VT-d 10.4.4
  EXPECT_TRUE(in_order(m.hw, {interrupt_registered(), command<reg::gcmd::te>(), command_off<reg::gcmd::te>(),
                              write_of<reg::fectl, reg::fectl::im>(1), interrupt_given_back(),
                              command_off<reg::gcmd::eafl>(), status<reg::gsts::afls>(0), any_free()}));
  EXPECT_EQ(m.hw.vectors_in_use(), 0U);
  EXPECT_EQ(m.hw.pages_in_use(), pages);
  EXPECT_EQ(unit.at<reg::fectl>(), reg::fectl::im::mask);
}

TEST(driver, a_start_whose_fault_log_does_not_answer_orders_it_off_before_its_page_is_given_back) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap().set_afl(true), narrow_ecap());
  m.options.unit.use_fault_log = true;
  unit.withhold.afls = true;
  EXPECT_THAT(message_of<unit_error>([&] { m.drv().start(); }), HasSubstr("fault log: GSTS.AFLS is 0"));
  EXPECT_TRUE(in_order(m.hw, {command<reg::gcmd::eafl>(), command_off<reg::gcmd::eafl>(), any_free()}));
}

TEST(driver, a_start_whose_queue_does_not_answer_orders_it_off_before_its_pages_are_given_back) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap(), narrow_ecap().set_qi(true));
  unit.withhold.qies = true;
  EXPECT_THAT(message_of<unit_error>([&] { m.drv().start(); }), HasSubstr("queue on: GSTS.QIES is 0"));
  EXPECT_TRUE(in_order(m.hw, {command<reg::gcmd::qie>(), command_off<reg::gcmd::qie>(), any_free()}));
}

TEST(driver, a_start_after_one_that_failed_sets_everything_up_again) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap().set_afl(true), narrow_ecap().set_qi(true));
  m.options.unit.use_fault_log = true;
  // Protected memory goes off last: all the rest is on. Then translation does not go off either.
  unit.at<reg::pmen>() = reg::pmen::epm::mask | reg::pmen::prs::mask;
  unit.withhold.prs = true;
  m.hw.on_event = [&](const event& e) { unit.withhold.tes |= write_of<reg::pmen>().fits(e); };
  EXPECT_THAT(message_of<unit_error>([&] { m.drv().start(); }), HasSubstr("PMEN.PRS is 1"));
  EXPECT_NE(unit.at<reg::gsts>() & reg::gsts::tes::mask, 0U);
  m.hw.on_event = {};
  unit.withhold = {};
  m.hw.forget_events();
  EXPECT_NO_THROW(m.drv().start());
  EXPECT_TRUE(in_order(m.hw, {status<reg::gsts::tes>(0), command_off<reg::gcmd::qie>(),
                              command_off<reg::gcmd::eafl>(), command<reg::gcmd::qie>(),
                              write_of<reg::aflog>(), command<reg::gcmd::eafl>(), command<reg::gcmd::te>()}));
  EXPECT_EQ(m.hw.vectors_in_use(), 1U);
}

TEST(driver, stop_goes_on_past_a_unit_that_does_not_answer) {
  mixed_machine m;
  auto& d = m.started();
  m.wide.withhold.tes = true;
  EXPECT_THAT(message_of<unit_error>([&] { d.stop(); }), HasSubstr("dmar0 at 0xfed90000: translation off"));
  EXPECT_EQ(m.narrow.at<reg::gsts>() & reg::gsts::tes::mask, 0U);
  EXPECT_FALSE(d.started());
}

// --- Map and unmap

TEST(driver, map_stores_flushes_and_empties_the_write_buffer_in_this_order) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  d.map(guest, iova, frame, 2 * page_size, {true, false});
  EXPECT_TRUE(before(m.hw, any_store(), command<reg::gcmd::wbf>()));
  EXPECT_TRUE(before(m.hw, any_flush(), command<reg::gcmd::wbf>()));
  EXPECT_TRUE(in_order(m.hw, {command<reg::gcmd::wbf>(), status<reg::gsts::wbfs>(0)}));
  EXPECT_TRUE(writes_are(m.hw, 0, {command<reg::gcmd::wbf>()}));
  EXPECT_EQ(m.translate(nic.id, iova + page_size), frame + page_size);
  EXPECT_EQ(m.hw.dirty_lines(), 0U);
  expect_correct(m);
}

TEST(driver, map_in_caching_mode_invalidates_the_range) {
  fake_machine m;
  (void)m.add_unit(wide_cap().set_cm(true), wide_ecap());
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  d.map(guest, iova, frame, page_size);
  EXPECT_TRUE(writes_are(m.hw, 0, {write_of<reg::iva>(), iotlb_invalidation(iotlb_granularity::page)}));
  EXPECT_TRUE(before(m.hw, any_store(), write_of<reg::iva>()));
  // New tables: an absence higher up may be cached too.
  EXPECT_EQ(count(m.hw, write_of<reg::iva, reg::iva::ih>(0)), 1U);
  m.hw.forget_events();
  d.map(guest, iova + page_size, frame, page_size);
  EXPECT_EQ(count(m.hw, write_of<reg::iva, reg::iva::ih>(1)), 1U);
}

TEST(driver, a_domain_without_devices_costs_no_commands) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, frame, page_size);
  d.unmap(guest, iova, page_size);
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
}

TEST(driver, unmap_clears_flushes_invalidates_and_only_then_frees) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  d.map(guest, iova, frame, page_size);
  m.hw.forget_events();
  d.unmap(guest, iova, page_size);
  EXPECT_TRUE(in_order(m.hw, {any_store(), any_flush(), command<reg::gcmd::wbf>(), status<reg::gsts::wbfs>(0),
                              write_of<reg::iva>(), iotlb_invalidation(iotlb_granularity::page), iotlb_done(),
                              any_free()}));
  EXPECT_TRUE(before(m.hw, any_flush(), command<reg::gcmd::wbf>()));
  EXPECT_TRUE(before(m.hw, write_of<reg::iotlb>(), any_free()));
  EXPECT_EQ(count(m.hw, any_free()), 2U);
  EXPECT_EQ(count(m.hw, write_of<reg::iva, reg::iva::ih>(0)), 1U) << "tables went: no hint";
  EXPECT_EQ(m.translate(nic.id, iova), std::nullopt);
  expect_correct(m);
}

TEST(driver, unmap_of_a_page_whose_table_stays_gives_the_hint) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  d.map(guest, iova, frame, 2 * page_size);
  m.hw.forget_events();
  d.unmap(guest, iova, page_size);
  EXPECT_EQ(count(m.hw, write_of<reg::iva, reg::iva::ih>(1)), 1U);
  EXPECT_EQ(count(m.hw, any_free()), 0U);
}

TEST(driver, unmap_of_nothing_costs_nothing) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  d.unmap(guest, iova, page_size);
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
  EXPECT_EQ(count(m.hw, any_store()), 0U);
}

TEST(driver, unmap_tells_every_unit_of_the_domain_by_its_own_id_and_limits) {
  mixed_machine m;
  auto& d = m.started();
  auto& other = d.create_domain("other");
  d.attach(other, usb); // takes the first id of the narrow unit
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  d.attach(guest, disk);
  ASSERT_NE(*guest.id_on(0), *guest.id_on(1));
  const std::uint64_t size = page_size << (narrow_cap().mamv() + 1);
  d.map(guest, iova, frame, size);
  m.hw.forget_events();
  d.unmap(guest, iova, size);
  EXPECT_TRUE(writes_are(m.hw, 0, {write_of<reg::iva>(0), iotlb_invalidation(iotlb_granularity::page, 0)}));
  EXPECT_TRUE(
      writes_are(m.hw, 1, {command<reg::gcmd::wbf>(1), iotlb_invalidation(iotlb_granularity::domain, 1)}));
  EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::did>(*guest.id_on(0), 0)), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::did>(*guest.id_on(1), 1)), 1U);
  EXPECT_TRUE(before(m.hw, write_of<reg::iotlb>(0), any_free()));
  EXPECT_TRUE(before(m.hw, write_of<reg::iotlb>(1), any_free()));
  expect_correct(m);
}

TEST(driver, a_unit_that_does_not_confirm_an_unmap_keeps_the_tables_and_the_others_are_told) {
  mixed_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  d.attach(guest, disk);
  d.map(guest, iova, frame, page_size);
  m.hw.forget_events();
  m.wide.withhold.ivt = true;
  EXPECT_THAT(message_of<unit_error>([&] { d.unmap(guest, iova, page_size); }),
              HasSubstr("dmar0 at 0xfed90000: IOTLB invalidation: IOTLB.IVT is 1"));
  EXPECT_EQ(count(m.hw, iotlb_invalidation(iotlb_granularity::page, 1)), 1U);
  EXPECT_EQ(count(m.hw, any_free()), 0U);
}

TEST(driver, a_refused_map_tells_nobody) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  EXPECT_THROW(d.map(guest, iova + 1, frame, page_size), driver_error);
  EXPECT_THAT(effects(m.hw), IsEmpty());
}

TEST(driver, a_destroyed_domain_gives_back_devices_ids_and_pages) {
  narrow_machine m;
  auto& d = m.started();
  d.attach(d.create_domain("keeps the context tables"), nic);
  const std::size_t pages = m.hw.pages_in_use();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, frame, 600 * page_size);
  d.attach(guest, nic);
  m.hw.forget_events();
  d.destroy_domain(guest);
  EXPECT_TRUE(before(m.hw, write_of<reg::iotlb>(), any_free()));
  EXPECT_EQ(m.hw.pages_in_use(), pages);
  EXPECT_EQ(d.domain_of(nic), nullptr);
  EXPECT_EQ(d.domains().size(), 1U);
  expect_correct(m);
}

// --- Faults

TEST(driver, a_fault_interrupt_reads_logs_and_clears) {
  narrow_machine m;
  auto& d = m.started();
  m.unit.fault(nic.id, spec::fault_reason::no_read_permission, iova + 0x123);
  m.hw.deliver_interrupts();
  ASSERT_EQ(d.faults().size(), 1U);
  EXPECT_EQ(d.faults()[0].unit, 0U);
  EXPECT_EQ(d.faults()[0].fault.source, nic.id);
  EXPECT_EQ(d.faults()[0].line,
            "[DMA Read] Request device [01:00.0] fault addr 0x40000000 [fault reason 0x06] no "
            "read permission");
  EXPECT_TRUE(in_order(m.hw, {read_of<reg::fsts>(), read_of<reg::frcd_hi>(), read_of<reg::frcd_lo>(),
                              write_of<reg::frcd_hi, reg::frcd_hi::f>(1), read_of<reg::fsts>(),
                              log_line("DMAR: [DMA Read] Request device [01:00.0]")}));
  EXPECT_EQ(m.unit.full_records(), 0U);
  // The next one is told again.
  m.unit.fault(usb.id, spec::fault_reason::no_write_permission, iova, false);
  m.hw.deliver_interrupts();
  EXPECT_EQ(d.faults().size(), 2U);
  expect_correct(m);
}

TEST(driver, faults_are_told_although_firmware_left_its_own_log_on) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap().set_afl(true), narrow_ecap());
  unit.left_on<reg::gsts::afls>();
  // One in firmware's log, which nobody has read: while APF = 1 no other fault raises the event.
  unit.fault(usb.id, spec::fault_reason::no_read_permission, iova);
  unit.at<reg::fsts>() |= reg::fsts::afo::mask;
  auto& d = m.started();
  unit.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  m.hw.deliver_interrupts();
  ASSERT_EQ(d.faults().size(), 1U);
  EXPECT_EQ(d.faults()[0].fault.source, nic.id);
  expect_correct(m);
}

TEST(driver, an_overflow_is_logged_and_cleared_after_the_records) {
  narrow_machine m;
  auto& d = m.started();
  m.unit.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  m.unit.fault(usb.id, spec::fault_reason::no_read_permission, iova);
  d.handle_faults();
  EXPECT_EQ(d.faults().size(), 1U);
  EXPECT_TRUE(
      in_order(m.hw, {write_of<reg::frcd_hi, reg::frcd_hi::f>(1), write_of<reg::fsts, reg::fsts::pfo>(1),
                      log_line("dmar0: more faults than records, some are lost")}));
  m.unit.fault(disk.id, spec::fault_reason::no_read_permission, iova);
  d.handle_faults();
  EXPECT_EQ(d.faults().size(), 2U);
  EXPECT_EQ(d.faults()[1].fault.source, disk.id);
}

TEST(driver, faults_of_all_units_are_read) {
  mixed_machine m;
  auto& d = m.started();
  m.wide.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  m.narrow.fault(usb.id, spec::fault_reason::no_read_permission, iova);
  d.handle_faults();
  ASSERT_EQ(d.faults().size(), 2U);
  EXPECT_EQ(d.faults()[0].unit, 0U);
  EXPECT_EQ(d.faults()[1].unit, 1U);
}

TEST(driver, a_unit_that_died_is_said_to_be_dead_and_makes_no_faults_up) {
  mixed_machine m;
  auto& d = m.started();
  m.wide.silent = true;
  m.narrow.fault(usb.id, spec::fault_reason::no_read_permission, iova);
  d.handle_faults();
  EXPECT_EQ(d.faults().size(), 1U);
  EXPECT_EQ(count(m.hw, log_line("dmar0: FSTS reads all ones, the unit has stopped answering")), 1U);
}

TEST(driver, a_device_that_does_not_stop_faulting_does_not_hold_the_driver_for_ever) {
  narrow_machine m;
  auto& d = m.started();
  m.unit.after_clear = [&] { m.unit.fault(nic.id, spec::fault_reason::no_read_permission, iova); };
  d.handle_faults();
  EXPECT_THAT(d.faults(), IsEmpty());
  m.unit.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  d.handle_faults();
  EXPECT_LE(d.faults().size(), 4U);
  EXPECT_EQ(count(m.hw, log_line("dmar0: faults come as fast as they are read, some are left")), 1U);
  m.unit.after_clear = {};
  d.handle_faults();
  EXPECT_EQ(m.unit.full_records(), 0U);
}

} // namespace
} // namespace vtd::test
