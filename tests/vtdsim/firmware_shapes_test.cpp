// SPDX-License-Identifier: Apache-2.0
// `run --acpi` with tables in the shapes that real firmware gives them: each runs, and what is odd is a named
// warning. Real tables: real_tables_test.cpp.

#include "acpi_table.h"
#include "program.h"
#include "sanitizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

namespace {

using json = nlohmann::json;
using vtd::spec::acpi::scope_type;
using vtd::test::acpi_table;
using vtd::test::outcome;

constexpr std::uint64_t base = 0xfed90000;

using names = std::set<std::string>;

class firmware_shapes : public vtd::test::program_test {
protected:
  /// Runs the table: it must succeed with these warnings about the table and no others. Gives the document.
  [[nodiscard]] json run_table(acpi_table table, const names& expected) const {
    const outcome got = run("run --pages 1 --json --acpi " + file("table", table.finish()));
    EXPECT_EQ(got.status, 0) << got.err;
    if (got.status != 0) return json::object();
    json r = json::parse(got.out);
    names found;
    for (const json& each : r["warnings"])
      found.insert(each["name"]);
    EXPECT_EQ(found.count("default"), 1U) << "what the table does not say is told";
    found.erase("default");
    EXPECT_EQ(found, expected);
    EXPECT_EQ(r["dma"]["verified"], true);
    return r;
  }
  void expect_translated(const json& r) const {
    EXPECT_EQ(r["translation_off"], "");
    ASSERT_EQ(r["sweep"].size(), 1U);
    EXPECT_TRUE(r["sweep"][0]["latency_ns_on"].is_number());
    EXPECT_EQ(r["faults"].size(), 1U) << "the stray request";
  }
  /// What was not measured is null, and never a number.
  void expect_untranslated(const json& r) const {
    EXPECT_NE(r["translation_off"], "");
    ASSERT_EQ(r["sweep"].size(), 1U);
    for (const char* key : {"latency_ns_on", "latency_ns_hit", "latency_ns_miss", "hit_rate",
                            "walk_reads_per_request", "requests_per_s_on"})
      EXPECT_TRUE(r["sweep"][0][key].is_null()) << key;
    EXPECT_GT(r["sweep"][0]["latency_ns_off"], 0);
    EXPECT_TRUE(r["faults"].empty());
  }
};

acpi_table sound() {
  acpi_table table;
  table.unit(base).endpoint({{2, 0}}).unit(base + 0x1000, true);
  table.scope(scope_type::ioapic, {{0x1f, 7}}, 0, 2).scope(scope_type::msi_capable_hpet, {{0xf, 0}}, 0xf0);
  table.region(0xe0000, 0xeffff).endpoint({{0x1d, 0}}).endpoint({{0x1d, 7}});
  return table;
}

TEST_F(firmware_shapes, a_sound_table_runs_without_a_warning) { expect_translated(run_table(sound(), {})); }

TEST_F(firmware_shapes, empty_and_reversed_regions_are_left_out) {
  // As X38 boards without graphics have it: the end just before the start.
  expect_translated(run_table(sound().region(0xd0000000, 0xcfffffff).endpoint({{2, 0}}), {"region-empty"}));
  expect_translated(
      run_table(sound().region(0xd0000000, 0xc0000000).endpoint({{2, 0}}), {"region-reversed"}));
}

TEST_F(firmware_shapes, regions_that_cannot_be_mapped_are_left_out) {
  constexpr std::uint64_t last = ~std::uint64_t{0};
  expect_translated(run_table(sound().region(0x100000, last).endpoint({{2, 0}}), {"address-beyond-width"}));
  expect_translated(run_table(sound().region(0, last).endpoint({{2, 0}}), {"address-beyond-width"}));
}

TEST_F(firmware_shapes, a_region_over_the_interrupt_addresses_is_left_out) {
  expect_translated(
      run_table(sound().region(0xfedff000, 0xfee00fff).endpoint({{2, 0}}), {"region-over-interrupts"}));
}

TEST_F(firmware_shapes, a_region_without_scope_and_one_of_odd_bounds_run) {
  expect_translated(run_table(sound().region(0x7f000000, 0x7f000fff), {"region-without-scope"}));
  expect_translated(
      run_table(sound().region(0x7f000100, 0x7f0007ff).endpoint({{2, 0}}), {"region-unaligned"}));
}

TEST_F(firmware_shapes, a_unit_at_zero_is_left_out_and_without_any_other_nothing_is_translated) {
  acpi_table beside;
  beside.unit(0).endpoint({{2, 0}}).unit(base, true);
  expect_translated(run_table(beside, {"zero-unit-base"}));
  acpi_table alone;
  alone.unit(0, true);
  expect_untranslated(run_table(alone, {"zero-unit-base", "no-units"}));
  expect_untranslated(run_table(acpi_table(), {"no-units"}));
}

TEST_F(firmware_shapes, units_at_one_place_or_off_the_pages_are_left_out) {
  acpi_table table;
  table.unit(base).endpoint({{2, 0}}).unit(base).endpoint({{3, 0}}).unit(base + 0x1010).endpoint({{4, 0}});
  table.unit(base + 0x2000, true);
  const json r = run_table(table, {"duplicate-unit-base", "unaligned-unit-base"});
  expect_translated(r);
  EXPECT_EQ(r["units"].size(), 2U);
}

TEST_F(firmware_shapes, unknown_structures_are_passed_over) {
  expect_translated(run_table(sound().structure(0x17, 24), {"unknown-structure"}));
  // Of an odd length, which shifts all that follows. Types no longer ascend then.
  acpi_table odd;
  odd.structure(0x99, 7).unit(base, true);
  expect_translated(run_table(odd, {"unknown-structure", "structures-out-of-order"}));
}

TEST_F(firmware_shapes, every_kind_of_structure_of_newer_machines_runs) {
  acpi_table table = sound();
  table.root_ports(false).bridge({{1, 0}}).bridge({{3, 0}});
  table.affinity(base, 0).affinity(base + 0x1000, 1);
  table.acpi_device(1, std::string_view("\\_SB.PCI0.I2C0\0", 15));
  table.translation_caches().endpoint({{2, 0}});
  expect_translated(run_table(table, {}));
  expect_translated(run_table(sound().affinity(0xfee00000 - 0x1000, 0), {"affinity-without-unit"}));
  expect_translated(run_table(sound().acpi_device(1, "\\_SB.NOEND"), {"name-not-terminated"}));
}

TEST_F(firmware_shapes, a_unit_that_covers_nothing_is_named) {
  acpi_table table;
  table.unit(base).unit(base + 0x1000, true);
  expect_translated(run_table(table, {"empty-scope"}));
}

TEST_F(firmware_shapes, a_scope_through_bridges_is_built_and_found_by_the_enumeration) {
  acpi_table table;
  table.unit(base).endpoint({{0x1c, 2}, {0, 0}, {4, 1}}).unit(base + 0x1000).bridge({{0x1c, 4}});
  table.unit(base + 0x2000, true);
  expect_translated(run_table(table, {}));
}

TEST_F(firmware_shapes, a_scope_that_starts_on_a_bus_nobody_leads_to_is_named) {
  acpi_table table;
  table.unit(base).scope(scope_type::pci_endpoint, {{0x10, 0}}, 0x80).unit(base + 0x1000, true);
  expect_translated(run_table(table, {"unresolved-scope"}));
}

TEST_F(firmware_shapes, scopes_of_wrong_length_or_type_are_named) {
  acpi_table cut;
  cut.unit(base).raw({1, 60, 0, 0, 0, 0, 2, 0}).unit(base + 0x1000, true);
  expect_translated(run_table(cut, {"bad-scope-length", "empty-scope"}));
  acpi_table odd;
  odd.unit(base).raw({9, 8, 0, 0, 0, 0, 2, 0}).unit(base + 0x1000, true);
  expect_translated(run_table(odd, {"unknown-scope-type"}));
}

TEST_F(firmware_shapes, units_of_several_segments_leave_segment_0_its_own) {
  acpi_table table;
  table.unit(base, true, 1).unit(base + 0x1000, true);
  const json r = run_table(table, {});
  expect_translated(r);
  EXPECT_EQ(r["units"][0]["requests"], 0) << "segment 1";
  EXPECT_GT(r["units"][1]["requests"], 0) << "segment 0";
}

TEST_F(firmware_shapes, without_an_include_all_unit_the_device_is_one_that_a_unit_names) {
  acpi_table table;
  table.unit(base).endpoint({{0x1f, 0}});
  expect_translated(run_table(table, {}));
}

TEST_F(firmware_shapes, the_order_of_structures_is_not_relied_on) {
  acpi_table table;
  table.unit(base, true).unit(base + 0x1000).endpoint({{2, 0}}).region(0xe0000, 0xeffff).endpoint({{2, 0}});
  expect_translated(run_table(table, {"include-all-not-last"}));
  acpi_table mixed;
  mixed.region(0xe0000, 0xeffff).endpoint({{0x1d, 0}}).unit(base, true);
  expect_translated(run_table(mixed, {"structures-out-of-order"}));
}

TEST_F(firmware_shapes, registers_below_the_usual_end_of_memory_move_that_end) {
  acpi_table table;
  table.unit(0xbeffe000, true);
  expect_translated(run_table(table, {}));
  acpi_table low;
  low.unit(0x10000000, true);
  expect_refused("run --acpi " + file("low", low.finish()), "register base 0x10000000 lies in the memory");
}

TEST_F(firmware_shapes, bytes_after_the_table_are_ignored_and_missing_ones_are_not) {
  const std::string whole = sound().finish();
  const json r = json::parse(run("run --pages 1 --json --acpi " + file("long", whole + "padding")).out);
  bool named = false;
  for (const json& each : r["warnings"])
    named = named || each["name"] == "trailing-bytes";
  EXPECT_TRUE(named);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{5}, whole.size() - 48, whole.size() - 36})
    expect_refused("run --acpi " + file("cut", whole.substr(0, whole.size() - cut)), "cut: DMAR");
  acpi_table ends_early = sound();
  ends_early.structure(0, 2);
  expect_refused("run --acpi " + file("early", ends_early.finish()), "early: DMAR: offset");
}

// As an HP ProLiant has it: what firmware reserves for the guest's device is no memory of the guest's.
TEST_F(firmware_shapes, a_region_of_the_guests_device_is_left_out_of_the_guests_memory) {
  acpi_table table = sound();
  table.region(0xe8000, 0xe8fff).endpoint({{1, 0}, {0, 0}});
  const std::string path = file("reserved", table.finish());
  const outcome got = run("run --pages 1 --acpi " + path);
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.out.find("guest: no memory at 0xe8000 to 0xe8fff, reserved by firmware for 01:00.0"),
            std::string::npos)
      << got.out;
  EXPECT_NE(got.out.find("verified"), std::string::npos) << got.out;
#ifndef VTD_ADDRESS_SANITIZER
  // Thrown on a stack of the SystemC kernel's, which the sanitizer takes for a false one.
  acpi_table in_the_way = sound();
  in_the_way.region(0x200000, 0x200fff).endpoint({{1, 0}, {0, 0}});
  const outcome refused = run("run --pages 1 --acpi " + file("in_the_way", in_the_way.finish()));
  EXPECT_EQ(refused.status, 2) << refused.out;
  EXPECT_NE(refused.err.find("firmware reserves 0x200000 to 0x200fff, where the run's guest has its buffers"),
            std::string::npos)
      << refused.err;
#endif
}

} // namespace
