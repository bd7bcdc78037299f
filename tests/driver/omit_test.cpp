// SPDX-License-Identifier: Apache-2.0
// Mistakes on purpose: with the flag just that step is missing, without it it is there.

#include "vtd/driver/omit.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::omit;
using spec::page_size;
using testing::IsEmpty;
using testing::Not;

// Indices above 0 at every level, so that no two entries touched lie side by side.
constexpr std::uint64_t iova = 0x40000000 + 5 * spec::level_size(2) + 16 * page_size;
constexpr std::uint64_t frame = 0x80000000;

/// A machine on which a script has run. `places` holds addresses that the script found.
struct run {
  fake_machine machine;
  std::map<std::string, std::uint64_t> places;
  driver::driver& drv() { return machine.drv(); }
  fake_hardware& hw() { return machine.hw; }
  driver::domain& guest() { return *drv().domains().at(0); }
  /// Address of the guest's entry of a level for iova.
  std::uint64_t entry_at(unsigned level) {
    const unsigned levels = guest().tables().shape().levels;
    std::uint64_t table = guest().tables().table_for(levels);
    for (unsigned at = levels; at > level; --at) {
      const spec::second_level_entry entry{
          hw().seen_by_cpu(table + spec::level_index(iova, at) * sizeof entry)};
      table = entry.address();
    }
    return table + spec::level_index(iova, level) * sizeof(std::uint64_t);
  }
};

// --- Machines

void narrow(run& r) { (void)r.machine.add_unit(narrow_cap(), narrow_ecap()); }
void wide(run& r) { (void)r.machine.add_unit(wide_cap(), wide_ecap()); }
void caching(run& r) { (void)r.machine.add_unit(wide_cap().set_cm(true), wide_ecap()); }
void two_units(run& r) {
  (void)r.machine.add_unit(wide_cap(), wide_ecap(), {hierarchy_below(root_port)});
  (void)r.machine.add_unit(narrow_cap(), narrow_ecap());
}
void left_on(run& r) {
  narrow(r);
  r.hw().unit(0).left_on<reg::gsts::tes>();
  r.hw().unit(0).left_on<reg::gsts::rtps>();
}
void with_region(run& r) {
  narrow(r);
  r.machine.add_region(frame, frame + page_size - 1, usb);
}

// --- Scripts

void make(run& r) { (void)r.drv(); }
void start(run& r) {
  (void)r.drv();
  r.hw().forget_events();
  r.drv().start();
}
void attach_nic(run& r) {
  start(r);
  r.drv().attach(r.drv().create_domain("guest"), nic);
  r.places["root"] = r.machine.root_slot(nic.id);
  r.places["context"] = r.machine.context_slot(nic.id);
}
void attach_old_card(run& r) {
  start(r);
  r.drv().attach(r.drv().create_domain("guest"), old_card);
  r.places["alias"] = r.machine.context_slot(bridge_alias);
}
void map_pages(run& r, std::uint64_t pages) {
  attach_nic(r);
  r.hw().forget_events();
  r.drv().map(r.guest(), iova, frame, pages * page_size);
  for (unsigned level = 1; level <= r.guest().tables().shape().levels; ++level)
    r.places["level " + std::to_string(level)] = r.entry_at(level);
}
void map_one(run& r) { map_pages(r, 1); }
void detach_nic(run& r) {
  attach_nic(r);
  r.hw().forget_events();
  r.drv().detach(nic);
}
void map_and_unmap(run& r) {
  map_one(r);
  r.drv().unmap(r.guest(), iova, page_size);
}
void unmap_one(run& r) {
  map_one(r);
  r.hw().forget_events();
  r.drv().unmap(r.guest(), iova, page_size);
}
void unmap_two_not_aligned(run& r) {
  map_pages(r, 8);
  r.hw().forget_events();
  r.drv().unmap(r.guest(), iova + 3 * page_size, 2 * page_size);
}
void unmap_behind_two_units(run& r) {
  attach_nic(r);
  r.drv().attach(r.guest(), disk);
  r.drv().map(r.guest(), iova, frame, page_size);
  r.hw().forget_events();
  r.drv().unmap(r.guest(), iova, page_size);
}
void one_fault(run& r) {
  start(r);
  r.hw().forget_events();
  r.hw().unit(0).fault(nic.id, spec::fault_reason::no_read_permission, iova);
  r.drv().handle_faults();
}
void overflow(run& r) {
  start(r);
  r.hw().forget_events();
  for (unsigned i = 0; i < 2; ++i)
    r.hw().unit(0).fault(nic.id, spec::fault_reason::no_read_permission, iova);
  r.drv().handle_faults();
}

// --- What the mistake does to an event

using edit = std::function<std::optional<event>(run&, const event&)>;

edit without(const std::vector<pattern>& all) {
  return [all](run&, const event& e) -> std::optional<event> {
    for (const pattern& each : all) {
      if (each.fits(e)) return std::nullopt;
    }
    return e;
  };
}
/// Without the flushes of an entry; those of whole pages stay.
edit without_flush_of(const std::vector<std::string>& places) {
  return [places](run& r, const event& e) -> std::optional<event> {
    for (const std::string& place : places) {
      if (e.size < page_size && flush_of(r.places.at(place)).fits(e)) return std::nullopt;
    }
    return e;
  };
}
/// The same event with another value, where it is a write of the register.
template <class Register, class Change>
edit with_value(Change change) {
  return [change](run&, const event& e) -> std::optional<event> {
    event changed = e;
    if (write_of<Register>().fits(e)) changed.value = change(e.value);
    return changed;
  };
}

struct mistake {
  bool omit::*flag;
  std::function<void(run&)> machine;
  std::function<void(run&)> script;
  edit effect;
  /// The hardware itself notices: a command it was not to get.
  bool violates = false;
};

const std::vector<mistake>& mistakes() {
  const pattern page_flush{"flush of a page",
                           [](const event& e) { return e.what == action::flush && e.size == page_size; }};
  const pattern attached = log_line("attached");
  const pattern allocation{"allocation", [](const event& e) { return e.what == action::allocate; }};
  static const std::vector<mistake> all = {
      {&omit::root_entry_flush, narrow, attach_nic, without_flush_of({"root"})},
      {&omit::context_entry_flush, narrow, detach_nic, without_flush_of({"context"})},
      {&omit::context_entry_flush, narrow, attach_nic, without_flush_of({"context"})},
      {&omit::leaf_entry_flush, narrow, map_and_unmap, without_flush_of({"level 1"})},
      {&omit::table_entry_flush, narrow, map_and_unmap, without_flush_of({"level 2", "level 3"})},
      {&omit::new_table_flush, narrow, make, without({page_flush})},
      {&omit::new_table_flush, narrow, map_one, without({page_flush})},
      {&omit::new_table_flush, narrow, attach_nic, without({page_flush})},
      {&omit::write_buffer_flush, narrow, attach_nic, without({command<reg::gcmd::wbf>()})},
      {&omit::context_invalidation_at_start, narrow, start, without({write_of<reg::ccmd>()})},
      {&omit::iotlb_invalidation_at_start, narrow, start, without({write_of<reg::iotlb>()})},
      {&omit::context_invalidation_on_detach, narrow, detach_nic, without({write_of<reg::ccmd>()})},
      {&omit::iotlb_invalidation_on_detach, narrow, detach_nic, without({write_of<reg::iotlb>()})},
      {&omit::iotlb_invalidation_on_unmap, narrow, unmap_one,
       without({write_of<reg::iva>(), write_of<reg::iotlb>()})},
      {&omit::invalidation_on_map, caching, map_one, without({write_of<reg::iva>(), write_of<reg::iotlb>()})},
      {&omit::invalidation_of_other_units, two_units, unmap_behind_two_units, without({any_write(1)})},
      {&omit::invalidation_of_tables, narrow, unmap_one,
       with_value<reg::iva>([](std::uint64_t v) { return reg::iva::ih::set(v, 1); })},
      {&omit::invalidation_alignment, narrow, unmap_two_not_aligned,
       with_value<reg::iva>([](std::uint64_t v) {
         // Pages 3 and 4 need eight pages from 0 on; two pages from 2 on lose page 4.
         const std::uint64_t first = reg::iva::addr::get(v);
         return reg::iva::am::set(reg::iva::addr::set(v, first + 2), 1);
       })},
      {&omit::drain, narrow, unmap_one, with_value<reg::iotlb>([](std::uint64_t v) {
         return reg::iotlb::dr::set(reg::iotlb::dw::set(v, 0), 0);
       })},
      {&omit::aliases, wide, attach_old_card,
       [](run& r, const event& e) -> std::optional<event> {
         const std::uint64_t alias = r.places.at("alias");
         if (store_to(alias).fits(e) || store_to(alias + sizeof(std::uint64_t)).fits(e)) return std::nullopt;
         return e;
       }},
      {&omit::reserved_regions, with_region, start,
       without({any_store(), any_flush(), allocation, attached})},
      {&omit::root_table_pointer, narrow, start,
       without({write_of<reg::rtaddr>(), command<reg::gcmd::srtp>()}), true},
      {&omit::translation_off_first, left_on, start,
       [](run&, const event& e) -> std::optional<event> {
         if (!write_of<reg::gcmd>().fits(e)) return e;
         if (e.value == 0) return std::nullopt;
         event changed = e; // TE is still on while the other commands are given
         changed.value |= reg::gcmd::te::mask;
         return changed;
       }},
      {&omit::command_mask, narrow, start,
       [](run&, const event& e) -> std::optional<event> {
         event changed = e; // RTPS is on by then
         if (command<reg::gcmd::te>().fits(e)) changed.value |= reg::gcmd::srtp::mask;
         return changed;
       },
       true},
      {&omit::status_in_command, narrow, attach_nic,
       [](run&, const event& e) -> std::optional<event> {
         event changed = e; // the write-buffer flush of the attach switches translation off
         if (command<reg::gcmd::wbf>().fits(e)) changed.value &= ~std::uint64_t{reg::gcmd::te::mask};
         return changed;
       },
       true},
      {&omit::fault_interrupt, narrow, start,
       without({interrupt_registered(), write_of<reg::fedata>(), write_of<reg::feaddr>(),
                write_of<reg::fectl, reg::fectl::im>(0)})},
      {&omit::fault_clear, narrow, one_fault, without({write_of<reg::frcd_hi>()})},
      {&omit::overflow_clear, narrow, overflow, without({write_of<reg::fsts>()})},
  };
  return all;
}

std::string name_of(bool omit::*flag) {
  for (const auto& each : driver::omissions()) {
    if (each.flag == flag) return std::string(each.name);
  }
  return "not in the list";
}

TEST(omit, with_a_flag_just_that_step_is_missing) {
  for (const mistake& each : mistakes()) {
    SCOPED_TRACE(name_of(each.flag));
    run correct;
    each.machine(correct);
    each.script(correct);
    EXPECT_THAT(correct.hw().all_violations(), IsEmpty());
    run wrong;
    wrong.machine.forget.*each.flag = true;
    each.machine(wrong);
    each.script(wrong);
    EXPECT_TRUE(same_but(correct.hw(), wrong.hw(), [&](const event& e) { return each.effect(correct, e); }));
    if (each.violates) {
      EXPECT_THAT(wrong.hw().all_violations(), Not(IsEmpty()));
    } else {
      EXPECT_THAT(wrong.hw().all_violations(), IsEmpty());
    }
  }
}

TEST(omit, invalidation_before_free_changes_the_order_alone) {
  run correct;
  run wrong;
  wrong.machine.forget.invalidation_before_free = true;
  for (run* each : {&correct, &wrong}) {
    narrow(*each);
    unmap_one(*each);
  }
  EXPECT_TRUE(before(correct.hw(), write_of<reg::iotlb>(), any_free()));
  EXPECT_TRUE(before(wrong.hw(), any_free(), write_of<reg::iva>()));
  EXPECT_EQ(count(correct.hw(), any_free()), count(wrong.hw(), any_free()));
  std::erase_if(correct.hw().events, any_free().fits);
  std::erase_if(wrong.hw().events, any_free().fits);
  EXPECT_EQ(text_of(effects(correct.hw())), text_of(effects(wrong.hw())));
}

TEST(omit, leaf_entry_flush_is_also_that_of_the_leaves_a_split_makes) {
  for (const bool forget : {false, true}) {
    run r;
    r.machine.forget.leaf_entry_flush = forget;
    (void)r.machine.add_unit(wide_cap(), wide_ecap().set_c(false));
    auto& d = r.drv();
    auto& guest = d.create_domain("guest");
    d.map(guest, spec::level_size(3), frame, spec::level_size(2));
    r.hw().forget_events();
    d.unmap(guest, spec::level_size(3), page_size);
    // The zeroes of the new table, and the leaves in it.
    const pattern page_flush{"flush of a page",
                             [](const event& e) { return e.what == action::flush && e.size == page_size; }};
    EXPECT_EQ(count(r.hw(), page_flush), forget ? 1U : 2U);
  }
}

TEST(omit, every_flag_has_its_test) {
  std::set<std::string> tested;
  for (const mistake& each : mistakes())
    tested.insert(name_of(each.flag));
  tested.insert("invalidation-before-free"); // above
  tested.insert("device-tlb-invalidation");  // scenario/ats_test, with a device that keeps translations
  tested.insert("present-cleared-first");    // root_table_test, the driver itself never replaces an entry
  std::set<std::string> all;
  for (const auto& each : driver::omissions())
    all.insert(std::string(each.name));
  EXPECT_EQ(tested, all);
}

TEST(omit, the_list_has_every_member_once_with_a_name_and_a_text) {
  EXPECT_EQ(driver::omissions().size(), sizeof(omit) / sizeof(bool));
  std::set<std::string_view> names;
  omit all_set;
  for (const auto& each : driver::omissions()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_THAT(each.text, Not(IsEmpty()));
    EXPECT_FALSE(all_set.*each.flag) << each.name << " has the flag of another";
    all_set.*each.flag = true;
  }
}

TEST(omit, a_name_is_found_with_dashes_or_underscores) {
  const auto* found = driver::find_omission("leaf-entry-flush");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->flag, &omit::leaf_entry_flush);
  EXPECT_EQ(driver::find_omission("leaf_entry_flush"), found);
  EXPECT_EQ(driver::find_omission("leaf"), nullptr);
  EXPECT_EQ(driver::find_omission(""), nullptr);
}

} // namespace
} // namespace vtd::test
