// SPDX-License-Identifier: Apache-2.0
// The driver of a whole machine: who gets which unit, and in which order memory, caches and units are told.

#include "vtd/driver/driver.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::driver_error;
using driver::unit_error;
using driver::unit_step;
using spec::context_granularity;
using spec::iotlb_granularity;
using spec::page_size;
using spec::second_level_entry;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x80000000;
constexpr std::uint64_t word = sizeof(std::uint64_t);

/// What a walk of a unit that does not snoop finds for a device's address; nothing: blocked.
std::optional<std::uint64_t> translate(fake_machine& m, source_id id, std::uint64_t address,
                                       std::size_t unit = 0) {
  const spec::context_entry context = m.context_in_memory(id, unit);
  if (!context.present()) return std::nullopt;
  std::uint64_t table = context.second_level_table();
  for (unsigned level = spec::levels_of_agaw(context.address_width()); level > 0; --level) {
    const second_level_entry entry{
        m.hw.seen_by_hardware(table + spec::level_index(address, level) * sizeof(second_level_entry))};
    if (!entry.present()) return std::nullopt;
    if (level == 1 || entry.page_size()) return entry.address() + address % spec::level_size(level);
    table = entry.address();
  }
  return std::nullopt;
}

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
      EXPECT_EQ(translate(m, usb.id, at), at);
    EXPECT_EQ(translate(m, usb.id, first + 3 * page_size), std::nullopt);
    EXPECT_EQ(translate(m, nic.id, first), std::nullopt);
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
      EXPECT_EQ(translate(m, who.id, at), at);
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
  EXPECT_EQ(translate(m, nic.id, iova), frame);
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
  EXPECT_EQ(translate(m, usb.id, frame, 1), frame);
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

TEST(driver, stop_goes_on_past_a_unit_that_does_not_answer) {
  mixed_machine m;
  auto& d = m.started();
  m.wide.withhold.tes = true;
  EXPECT_THAT(message_of<unit_error>([&] { d.stop(); }), HasSubstr("dmar0 at 0xfed90000: translation off"));
  EXPECT_EQ(m.narrow.at<reg::gsts>() & reg::gsts::tes::mask, 0U);
  EXPECT_FALSE(d.started());
}

// --- Attach and detach

TEST(driver, attach_stores_flushes_and_empties_the_write_buffer_in_this_order) {
  narrow_machine m;
  auto& d = m.started();
  d.attach(d.create_domain("guest"), nic);
  const std::uint64_t slot = m.context_slot(nic.id);
  EXPECT_TRUE(in_order(m.hw, {store_to(slot + word), store_to(slot), flush_of(m.root_slot(nic.id)),
                              flush_of(slot), command<reg::gcmd::wbf>(), status<reg::gsts::wbfs>(0)}));
  // Nothing was cached for an entry that was not present.
  EXPECT_TRUE(writes_are(m.hw, 0, {command<reg::gcmd::wbf>()}));
  EXPECT_EQ(m.hw.dirty_lines(), 0U);
  expect_correct(m);
}

TEST(driver, attach_on_a_coherent_unit_without_a_write_buffer_is_stores_only) {
  wide_machine m;
  auto& d = m.started();
  d.attach(d.create_domain("guest"), nic);
  EXPECT_EQ(count(m.hw, any_flush()), 0U);
  EXPECT_TRUE(writes_are(m.hw, 0, {}));
  EXPECT_GT(count(m.hw, any_store()), 0U);
}

TEST(driver, attach_in_caching_mode_invalidates_the_absence_that_was_cached_under_id_0) {
  fake_machine m;
  (void)m.add_unit(wide_cap().set_cm(true), wide_ecap());
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  EXPECT_TRUE(writes_are(
      m.hw, 0,
      {context_invalidation(context_granularity::device), iotlb_invalidation(iotlb_granularity::domain)}));
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::did>(0)), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::sid>(nic.id.value())), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::did>(*guest.id_on(0))), 1U);
  EXPECT_TRUE(before(m.hw, store_to(m.context_slot(nic.id)), write_of<reg::ccmd>()));
  expect_correct(m);
}

TEST(driver, detach_clears_the_entry_in_memory_then_the_context_then_the_translations) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  const auto id = *guest.id_on(0);
  const std::uint64_t slot = m.context_slot(nic.id);
  m.hw.forget_events();
  d.detach(nic);
  EXPECT_TRUE(in_order(m.hw, {store_to(slot), flush_of(slot), command<reg::gcmd::wbf>(),
                              status<reg::gsts::wbfs>(0), context_invalidation(context_granularity::device),
                              context_done(), iotlb_invalidation(iotlb_granularity::domain), iotlb_done()}));
  EXPECT_TRUE(writes_are(m.hw, 0,
                         {command<reg::gcmd::wbf>(), context_invalidation(context_granularity::device),
                          iotlb_invalidation(iotlb_granularity::domain)}));
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::did>(id)), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::did>(id)), 1U);
  EXPECT_EQ(d.domain_of(nic), nullptr);
  EXPECT_EQ(guest.id_on(0), std::nullopt);
  EXPECT_FALSE(m.context_in_memory(nic.id).present());
  expect_correct(m);
}

TEST(driver, detach_of_what_is_not_attached_does_nothing) {
  narrow_machine m;
  auto& d = m.started();
  d.detach(nic);
  EXPECT_THAT(m.hw.events, IsEmpty());
}

TEST(driver, a_function_moves_from_domain_to_domain_through_none) {
  narrow_machine m;
  auto& d = m.started();
  auto& first = d.create_domain("first");
  auto& second = d.create_domain("second");
  d.attach(first, nic);
  d.attach(first, usb); // keeps the id of `first` in use
  const std::uint64_t slot = m.context_slot(nic.id);
  const spec::context_entry before_move = m.context_in_memory(nic.id);
  m.hw.forget_events();
  d.attach(second, nic);
  EXPECT_TRUE(in_order(m.hw, {store_to(slot), flush_of(slot), write_of<reg::ccmd>(), context_done(),
                              write_of<reg::iotlb>(), iotlb_done(), store_to(slot + word), store_to(slot),
                              flush_of(slot), command<reg::gcmd::wbf>()}));
  EXPECT_NE(m.context_in_memory(nic.id).domain_id(), before_move.domain_id());
  EXPECT_EQ(d.domain_of(nic), &second);
  EXPECT_THAT(first.members(), ElementsAre(usb));
  EXPECT_THAT(second.members(), ElementsAre(nic));
  expect_correct(m);
}

TEST(driver, attach_to_the_same_domain_again_does_nothing) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  d.attach(guest, nic);
  EXPECT_THAT(m.hw.events, IsEmpty());
}

TEST(driver, members_carry_the_segment_of_their_unit) {
  fake_machine m;
  (void)m.add_unit(narrow_cap(), narrow_ecap());
  m.table.units[0].segment = 3;
  driver::hardware machine(m.hw.access());
  auto functions = all_functions();
  for (auto& each : functions)
    each.address.segment = 3;
  driver::driver d(machine, m.table, functions);
  auto& guest = d.create_domain("guest");
  d.attach(guest, {3, usb.id});
  EXPECT_THAT(guest.members(), ElementsAre(function_address{3, usb.id}));
}

TEST(driver, an_unknown_function_is_refused_by_name) {
  narrow_machine m;
  auto& d = m.started();
  EXPECT_EQ(message_of<driver_error>([&] {
              d.attach(d.create_domain("guest"), {0, source_id::from_bdf(7, 1, 2)});
            }),
            "07:01.2: no such function");
}

TEST(driver, domain_ids_are_never_0_differ_while_in_use_and_are_used_again) {
  narrow_machine m;
  auto& d = m.started();
  auto& first = d.create_domain("first");
  auto& second = d.create_domain("second");
  d.attach(first, nic);
  d.attach(second, usb);
  EXPECT_NE(*first.id_on(0), 0);
  EXPECT_NE(*second.id_on(0), 0);
  EXPECT_NE(*first.id_on(0), *second.id_on(0));
  const auto old = *first.id_on(0);
  d.detach(nic);
  auto& third = d.create_domain("third");
  d.attach(third, disk);
  EXPECT_EQ(*third.id_on(0), old);
}

TEST(driver, a_unit_without_a_domain_id_left_refuses_and_the_function_stays_blocked) {
  fake_machine m;
  (void)m.add_unit(narrow_cap(), narrow_ecap());
  auto functions = all_functions();
  std::vector<function_address> many;
  for (unsigned f = 0; f < 16; ++f) {
    many.push_back({0, source_id::from_bdf(0, 0x10 + f / 8, f % 8)});
    functions.push_back({});
    functions.back().address = many.back();
  }
  driver::hardware machine(m.hw.access());
  driver::driver d(machine, m.table, functions);
  for (unsigned i = 0; i < 15; ++i)
    d.attach(d.create_domain("guest" + std::to_string(i)), many[i]);
  auto& last = d.create_domain("last");
  EXPECT_EQ(message_of<driver_error>([&] { d.attach(last, many[15]); }),
            "dmar0: all 16 domain-ids are taken");
  EXPECT_EQ(d.domain_of(many[15]), nullptr);
  EXPECT_EQ(last.id_on(0), std::nullopt);
  d.detach(many[3]);
  d.attach(last, many[15]);
}

TEST(driver, no_page_for_a_context_table_gives_the_domain_id_back) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  m.hw.pages_left = 0;
  EXPECT_THAT(message_of<driver_error>([&] { d.attach(guest, nic); }), HasSubstr("no memory left"));
  EXPECT_EQ(guest.id_on(0), std::nullopt);
  EXPECT_EQ(d.domain_of(nic), nullptr);
  m.hw.pages_left = 1;
  d.attach(guest, nic);
  EXPECT_EQ(*guest.id_on(0), 1);
}

// --- Aliases

TEST(driver, a_function_behind_a_bridge_gets_the_ids_its_requests_may_carry) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, old_card);
  EXPECT_EQ(m.context_in_memory(old_card.id), m.context_in_memory(bridge_alias));
  EXPECT_TRUE(m.context_in_memory(bridge_alias).present());
  EXPECT_THAT(guest.members(), UnorderedElementsAre(old_card, function_address{0, bridge_alias}));
  m.hw.forget_events();
  d.detach(old_card);
  EXPECT_FALSE(m.context_in_memory(old_card.id).present());
  EXPECT_FALSE(m.context_in_memory(bridge_alias).present());
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::sid>(bridge_alias.value())), 1U);
  expect_correct(m);
}

TEST(driver, a_shared_id_serves_one_domain_only_and_stays_until_the_last_one_goes) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  auto& other = d.create_domain("other");
  d.attach(guest, old_card);
  EXPECT_EQ(message_of<driver_error>([&] { d.attach(other, old_card_2); }),
            "05:04.0: shares source-id 05:00.0 with 05:03.0, which is in domain guest");
  EXPECT_EQ(d.domain_of(old_card_2), nullptr);
  d.attach(guest, old_card_2);
  d.detach(old_card);
  EXPECT_FALSE(m.context_in_memory(old_card.id).present());
  EXPECT_TRUE(m.context_in_memory(bridge_alias).present());
  d.detach(old_card_2);
  EXPECT_FALSE(m.context_in_memory(bridge_alias).present());
  d.attach(other, old_card_2);
}

TEST(driver, an_attach_that_fails_halfway_leaves_none_of_the_ids_behind) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  unsigned flushes = 0;
  m.hw.on_event = [&](const event& e) {
    if (command<reg::gcmd::wbf>().fits(e)) m.unit.withhold.wbfs = ++flushes == 2; // the second entry's
  };
  EXPECT_THAT(message_of<unit_error>([&] { d.attach(guest, old_card); }), HasSubstr("GSTS.WBFS is 1"));
  EXPECT_FALSE(m.context_in_memory(old_card.id).present());
  EXPECT_FALSE(m.context_in_memory(bridge_alias).present());
  EXPECT_EQ(d.domain_of(old_card), nullptr);
}

TEST(driver, a_detach_that_is_not_confirmed_clears_all_ids_and_keeps_the_domain) {
  wide_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, frame, page_size);
  d.attach(guest, old_card);
  const auto id = *guest.id_on(0);
  m.unit.caig = static_cast<std::uint64_t>(context_granularity::none);
  EXPECT_THAT(message_of<unit_error>([&] { d.detach(old_card); }), HasSubstr("CCMD.CAIG is 0"));
  // Both entries are gone, although the unit did not confirm for the first.
  EXPECT_EQ(m.hw.seen_by_cpu(m.context_slot(old_card.id)), 0U);
  EXPECT_EQ(m.hw.seen_by_cpu(m.context_slot(bridge_alias)), 0U);
  // Its caches may still lead to the tables, and tell by the id.
  const std::size_t pages = m.hw.pages_in_use();
  EXPECT_EQ(message_of<driver_error>([&] { d.destroy_domain(guest); }),
            "domain guest: dmar0 did not confirm that it has left it, its tables are kept");
  EXPECT_EQ(m.hw.pages_in_use(), pages);
  m.unit.caig.reset();
  auto& next = d.create_domain("next");
  d.attach(next, nic);
  EXPECT_NE(*next.id_on(0), id);
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
  EXPECT_EQ(translate(m, nic.id, iova + page_size), frame + page_size);
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
  EXPECT_EQ(translate(m, nic.id, iova), std::nullopt);
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

// --- Units that differ

TEST(driver, tables_suit_every_unit_the_narrowest_gives_levels_and_width) {
  mixed_machine m;
  const auto& shape = m.drv().create_domain("guest").tables().shape();
  EXPECT_EQ(shape.levels, 3U);
  EXPECT_EQ(shape.fewest_levels, 3U);
  EXPECT_EQ(shape.input_width, 39U);
  EXPECT_EQ(shape.page_sizes, 0U) << "the narrow unit knows no superpages";
  EXPECT_FALSE(shape.snoop) << "SNP is reserved in the narrow unit";
  EXPECT_TRUE(shape.flush) << "the narrow unit does not snoop";
}

TEST(driver, one_wide_unit_alone_gets_all_it_can) {
  wide_machine m;
  const auto& shape = m.drv().create_domain("guest").tables().shape();
  EXPECT_EQ(shape.levels, 4U);
  EXPECT_EQ(shape.input_width, 48U);
  EXPECT_EQ(shape.page_sizes, wide_cap().sps());
  EXPECT_TRUE(shape.snoop);
  EXPECT_FALSE(shape.flush);
}

TEST(driver, a_unit_of_48_bits_only_next_to_one_of_39_enters_a_level_above) {
  fake_machine m;
  (void)m.add_unit(wide_cap().set_sagaw(4), wide_ecap().set_c(false), {hierarchy_below(root_port)});
  (void)m.add_unit(narrow_cap(), narrow_ecap());
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, frame, page_size);
  d.attach(guest, nic);
  d.attach(guest, disk);
  const auto at_wide = m.context_in_memory(nic.id, 0);
  const auto at_narrow = m.context_in_memory(disk.id, 1);
  EXPECT_EQ(spec::levels_of_agaw(at_wide.address_width()), 4U);
  EXPECT_EQ(spec::levels_of_agaw(at_narrow.address_width()), 3U);
  EXPECT_NE(at_wide.second_level_table(), at_narrow.second_level_table());
  EXPECT_EQ(translate(m, nic.id, iova, 0), frame);
  EXPECT_EQ(translate(m, disk.id, iova, 1), frame);
  EXPECT_THAT(message_of<driver_error>([&] { d.map(guest, std::uint64_t{1} << 39, frame, page_size); }),
              HasSubstr("beyond the domain's 39 bits"));
}

TEST(driver, levels_that_a_unit_does_not_have_are_refused_by_name) {
  narrow_machine m;
  m.options.levels = 4;
  EXPECT_EQ(message_of<driver_error>([&] { (void)m.drv().create_domain("guest"); }),
            "dmar0: no width of SAGAW 0x2 fits tables of 4 levels");
}

TEST(driver, context_entries_have_no_reserved_bit_set) {
  mixed_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, disk);
  const auto entry = m.context_in_memory(disk.id, 1);
  const auto reserved = spec::context_entry::reserved(36, narrow_cap().domain_id_bits(), false);
  EXPECT_EQ(entry.lo & reserved.lo, 0U);
  EXPECT_EQ(entry.hi & reserved.hi, 0U);
  EXPECT_EQ(entry.translation_type(), spec::translation_type::untranslated_only);
  EXPECT_FALSE(entry.fault_processing_disable());
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
