// SPDX-License-Identifier: Apache-2.0
// Functions and domains: attach, detach, source-ids and domain-ids, and units that differ.

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
using spec::context_granularity;
using spec::iotlb_granularity;
using spec::page_size;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x80000000;
constexpr std::uint64_t word = sizeof(std::uint64_t);

void expect_correct(const fake_machine& m) { EXPECT_THAT(m.hw.all_violations(), IsEmpty()); }

// --- Attach and detach

TEST(assignment, attach_stores_flushes_and_empties_the_write_buffer_in_this_order) {
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

TEST(assignment, attach_on_a_coherent_unit_without_a_write_buffer_is_stores_only) {
  wide_machine m;
  auto& d = m.started();
  d.attach(d.create_domain("guest"), nic);
  EXPECT_EQ(count(m.hw, any_flush()), 0U);
  EXPECT_TRUE(writes_are(m.hw, 0, {}));
  EXPECT_GT(count(m.hw, any_store()), 0U);
}

TEST(assignment, attach_in_caching_mode_invalidates_the_absence_that_was_cached_under_id_0) {
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

TEST(assignment, detach_clears_the_entry_in_memory_then_the_context_then_the_translations) {
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

TEST(assignment, detach_of_what_is_not_attached_does_nothing) {
  narrow_machine m;
  auto& d = m.started();
  d.detach(nic);
  EXPECT_THAT(m.hw.events, IsEmpty());
}

TEST(assignment, a_function_moves_from_domain_to_domain_through_none) {
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

TEST(assignment, attach_to_the_same_domain_again_does_nothing) {
  narrow_machine m;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, nic);
  m.hw.forget_events();
  d.attach(guest, nic);
  EXPECT_THAT(m.hw.events, IsEmpty());
}

TEST(assignment, members_carry_the_segment_of_their_unit) {
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

TEST(assignment, an_unknown_function_is_refused_by_name) {
  narrow_machine m;
  auto& d = m.started();
  EXPECT_EQ(message_of<driver_error>([&] {
              d.attach(d.create_domain("guest"), {0, source_id::from_bdf(7, 1, 2)});
            }),
            "07:01.2: no such function");
}

TEST(assignment, domain_ids_are_never_0_differ_while_in_use_and_are_used_again) {
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

TEST(assignment, a_unit_without_a_domain_id_left_refuses_and_the_function_stays_blocked) {
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

TEST(assignment, no_page_for_a_context_table_gives_the_domain_id_back) {
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

TEST(assignment, a_function_behind_a_bridge_gets_the_ids_its_requests_may_carry) {
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

TEST(assignment, a_shared_id_serves_one_domain_only_and_stays_until_the_last_one_goes) {
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

TEST(assignment, an_attach_that_fails_halfway_leaves_none_of_the_ids_behind) {
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

TEST(assignment, a_detach_that_is_not_confirmed_clears_all_ids_and_keeps_the_domain) {
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

// --- Units that differ

TEST(assignment, tables_suit_every_unit_the_narrowest_gives_levels_and_width) {
  mixed_machine m;
  const auto& shape = m.drv().create_domain("guest").tables().shape();
  EXPECT_EQ(shape.levels, 3U);
  EXPECT_EQ(shape.fewest_levels, 3U);
  EXPECT_EQ(shape.input_width, 39U);
  EXPECT_EQ(shape.page_sizes, 0U) << "the narrow unit knows no superpages";
  EXPECT_FALSE(shape.snoop) << "SNP is reserved in the narrow unit";
  EXPECT_TRUE(shape.flush) << "the narrow unit does not snoop";
}

TEST(assignment, one_unit_that_does_not_snoop_is_enough_for_flushes_wherever_the_table_has_it) {
  fake_machine m;
  (void)m.add_unit(narrow_cap(), narrow_ecap(), {scope_of(usb)});
  (void)m.add_unit(wide_cap(), wide_ecap());
  const auto& shape = m.drv().create_domain("guest").tables().shape();
  EXPECT_TRUE(shape.flush);
  EXPECT_FALSE(shape.snoop);
  EXPECT_EQ(shape.page_sizes, 0U);
  EXPECT_EQ(shape.input_width, 39U);
}

TEST(assignment, one_wide_unit_alone_gets_all_it_can) {
  wide_machine m;
  const auto& shape = m.drv().create_domain("guest").tables().shape();
  EXPECT_EQ(shape.levels, 4U);
  EXPECT_EQ(shape.input_width, 48U);
  EXPECT_EQ(shape.page_sizes, wide_cap().sps());
  EXPECT_TRUE(shape.snoop);
  EXPECT_FALSE(shape.flush);
}

TEST(assignment, a_unit_of_48_bits_only_next_to_one_of_39_enters_a_level_above) {
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
  EXPECT_EQ(m.translate(nic.id, iova, 0), frame);
  EXPECT_EQ(m.translate(disk.id, iova, 1), frame);
  EXPECT_THAT(message_of<driver_error>([&] { d.map(guest, std::uint64_t{1} << 39, frame, page_size); }),
              HasSubstr("beyond the domain's 39 bits"));
}

TEST(assignment, levels_that_a_unit_does_not_have_are_refused_by_name) {
  narrow_machine m;
  m.options.levels = 4;
  EXPECT_EQ(message_of<driver_error>([&] { (void)m.drv().create_domain("guest"); }),
            "dmar0: no width of SAGAW 0x2 fits tables of 4 levels");
}

TEST(assignment, context_entries_have_no_reserved_bit_set) {
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

} // namespace
} // namespace vtd::test
