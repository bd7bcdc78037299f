// SPDX-License-Identifier: Apache-2.0
// A driver that gives a device another domain by rewriting its context entry while that is present, on a part
// that reads entries in two beats; and one that does it as it should be done (driver-side history: Linux
// 75ed00055c05, c1e4f1dccbe9).

#include "scenario/machine_scene.h"

#include "vtd/spec/entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using testing::HasSubstr;

constexpr source_id nic = nic_of_machine;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x20000000;
constexpr std::uint64_t page = spec::page_size;
constexpr std::uint64_t half = sizeof(std::uint64_t);

enum class manner { halves, cleared_first, cleared_and_invalidated_first };

scene_options options(unsigned beats) {
  scene_options out;
  out.driving.unit.use_queue = false;
  out.change_preset = [beats](models::timing_preset& preset) { preset.entry_beats.value = beats; };
  return out;
}

/// Findings of entry.torn when the rewriting meets a walk at every possible moment.
std::size_t torn_entries(unsigned beats, manner how) {
  machine_scene s("synthetic-wide", options(beats));
  std::size_t found = 0;
  s.run([&](driver::driver& d) {
    d.start();
    auto& first = d.create_domain("first");
    d.map(first, iova, frame, page);
    d.attach(first, {0, nic});
    EXPECT_TRUE(s.read(nic, iova));
    const spec::root_entry root{s.get(s.unit_of(nic).root_table() + nic.bus() * sizeof(spec::root_entry)), 0};
    const std::uint64_t at = root.context_table() + nic.devfn() * sizeof(spec::context_entry);
    const spec::context_entry old{s.get(at), s.get(at + half)};
    spec::context_entry other = old;
    other.set_domain_id(static_cast<std::uint16_t>(old.domain_id() + 1));
    other.set_second_level_table(old.second_level_table() + page);
    for (std::uint64_t ns = 200; ns < 1200; ns += 10) {
      s.put(at, old.lo);
      s.put(at + half, old.hi);
      s.invalidate_contexts(nic);
      s.begin_read(nic, iova);
      s.wait_ns(ns);
      if (how != manner::halves) s.put(at, 0);
      if (how == manner::cleared_and_invalidated_first) s.invalidate_contexts(nic);
      s.put(at + half, other.hi);
      s.put(at, other.lo);
      s.finish_read();
    }
    for (const auto& each : s.findings.findings()) {
      if (each.rule() == "entry.torn") ++found;
      EXPECT_EQ(each.rule(), "entry.torn") << each.text;
      EXPECT_THAT(each.text, HasSubstr("context entry 01:00.0"));
    }
  });
  return found;
}

TEST(torn_entry, a_driver_that_rewrites_a_present_entry_by_halves_is_caught) {
  EXPECT_GE(torn_entries(2, manner::halves), 1U);
}

TEST(torn_entry, clearing_p_first_is_not_enough_while_a_walk_may_be_on_its_way) {
  EXPECT_GE(torn_entries(2, manner::cleared_first), 1U);
}

TEST(torn_entry, a_driver_that_clears_p_and_invalidates_before_it_rewrites_is_not) {
  EXPECT_EQ(torn_entries(2, manner::cleared_and_invalidated_first), 0U);
}

TEST(torn_entry, a_part_that_reads_entries_at_once_never_mixes_them) {
  EXPECT_EQ(torn_entries(1, manner::halves), 0U);
}

} // namespace
} // namespace vtd::test
