// SPDX-License-Identifier: Apache-2.0
// Root and context entries that are read in two beats: what is read when, what an error of a half is, and
// that an update between the beats is caught half-way.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace vtd::test {
namespace {

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t half = sizeof(std::uint64_t);
constexpr engine::cycle read_time = 21; // twenty cycles, seen at the next edge

remap::capabilities part(unsigned beats) {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  caps.entry_beats = beats;
  return caps;
}

struct scene : unit_world {
  explicit scene(unsigned beats) : unit_world(part(beats)) {
    tables.attach(nic, domain);
    tables.map(nic, iova, frame);
    enable();
  }
  /// Addresses of the table reads of one request, and when each left.
  std::vector<std::pair<std::uint64_t, engine::cycle>> reads_of_a_miss() {
    table_reads.clear();
    const engine::cycle begin = wheel.now();
    EXPECT_EQ(read(nic, iova).address, frame);
    std::vector<std::pair<std::uint64_t, engine::cycle>> out;
    for (const event& each : table_reads)
      out.emplace_back(each.address, each.at - begin);
    return out;
  }
};

TEST(entry_beats, a_root_and_a_context_entry_are_read_at_once_unless_told_otherwise) {
  EXPECT_EQ(remap::capabilities{}.entry_beats, 1U);
  scene s(1);
  const auto reads = s.reads_of_a_miss();
  ASSERT_EQ(reads.size(), 5U);
  EXPECT_EQ(reads[0].first, s.tables.root_entry_of(nic));
  EXPECT_EQ(reads[1].first, s.tables.context_entry_of(nic));
}

TEST(entry_beats, two_beats_are_two_reads_one_after_the_other_and_paging_entries_stay_whole) {
  scene one(1);
  scene two(2);
  const auto whole = one.reads_of_a_miss();
  const auto halves = two.reads_of_a_miss();
  ASSERT_EQ(halves.size(), 7U);
  EXPECT_EQ(halves[0].first, two.tables.root_entry_of(nic));
  EXPECT_EQ(halves[1].first, two.tables.root_entry_of(nic) + half);
  EXPECT_EQ(halves[2].first, two.tables.context_entry_of(nic));
  EXPECT_EQ(halves[3].first, two.tables.context_entry_of(nic) + half);
  for (std::size_t i = 0; i + 1 < 4; ++i)
    EXPECT_EQ(halves[i + 1].second - halves[i].second, read_time) << i;
  // The leaf is read later by exactly the two reads more.
  EXPECT_EQ(halves.back().second, whole.back().second + 2 * read_time);
  EXPECT_EQ(two.unit.statistics().walk_reads, one.unit.statistics().walk_reads + 2);
}

TEST(entry_beats, a_request_that_passes_at_once_takes_the_same_reads_and_cycles) {
  engine::cycle left[2] = {};
  for (const unsigned beats : {1U, 2U}) {
    scene s(beats);
    s.memory.reads.clear();
    dmar::request what;
    what.access = {nic, remap::access_kind::read, remap::address_type::untranslated, iova};
    what.length = 64;
    const auto begin = s.now_ps();
    const auto way = s.unit.pass(what, s.memory, begin);
    EXPECT_EQ(way.address, frame);
    EXPECT_EQ(s.memory.reads.size(), beats == 1 ? 5U : 7U);
    left[beats - 1] = (way.leaves - begin) / unit_world::period;
  }
  EXPECT_EQ(left[1], left[0] + 2 * read_time);
}

TEST(entry_beats, a_hit_takes_none_of_it) {
  scene s(2);
  s.read(nic, iova);
  s.table_reads.clear();
  EXPECT_EQ(s.read(nic, iova).address, frame);
  EXPECT_TRUE(s.table_reads.empty());
}

TEST(entry_beats, an_error_of_either_half_is_that_of_the_entry_and_nothing_leaks) {
  for (const bool context : {false, true}) {
    for (const bool upper : {false, true}) {
      scene s(2);
      s.memory.fail((context ? s.tables.context_entry_of(nic) : s.tables.root_entry_of(nic)) +
                    (upper ? half : 0));
      EXPECT_EQ(s.read(nic, iova + 0x238).how, dmar::completion::blocked);
      ASSERT_EQ(s.faults.size(), 1U);
      EXPECT_EQ(s.faults[0].condition, context ? spec::fault_condition::lct_1 : spec::fault_condition::lrt_1);
      EXPECT_EQ(s.faults[0].access.source, nic);
      EXPECT_EQ(s.faults[0].access.address, iova + 0x238);
      EXPECT_TRUE(s.forwards.empty());
      s.memory.heal();
      EXPECT_EQ(s.read(nic, iova + 0x238).address, frame + 0x238);
    }
  }
}

// A context entry that is rewritten while it is present: another table and another domain.
TEST(entry_beats, an_update_between_the_beats_is_caught_half_way) {
  for (const unsigned beats : {1U, 2U}) {
    scene s(beats);
    s.tables.attach(disk, domain + 1);
    s.tables.map(disk, iova, frame + spec::page_size);
    const engine::cycle begin = s.wheel.now();
    s.offer(1, nic, remap::access_kind::read, iova);
    // The (first beat of the) context entry has left for memory, and has not come back.
    while (s.table_reads.empty() || s.table_reads.back().address != s.tables.context_entry_of(nic))
      s.run_to(s.wheel.now() + 1);
    s.tables.set_context(nic, s.tables.context(disk));
    s.settle();
    const auto& caches = s.unit.translator().caches();
    const auto* const cached = caches.contexts().peek(remap::context_tag{nic});
    ASSERT_NE(cached, nullptr);
    EXPECT_EQ(cached->domain_id, beats == 1 ? domain : domain + 1) << "the upper half is the new one, of two";
    EXPECT_EQ(unit_world::find(s.forwards, 1).address, frame) << "through the old table";
    EXPECT_GT(s.wheel.now(), begin);
  }
}

TEST(entry_beats, an_invalidation_between_the_beats_makes_the_walk_read_the_entry_again) {
  scene s(2);
  s.offer(1, nic, remap::access_kind::read, iova);
  while (s.table_reads.empty() || s.table_reads.back().address != s.tables.context_entry_of(nic) + half)
    s.run_to(s.wheel.now() + 1);
  const spec::context_entry old = s.tables.context(nic);
  s.tables.set_context(nic, {});
  s.invalidate_contexts_global();
  s.run_to(s.wheel.now() + 18);
  s.tables.attach(disk, domain + 1);
  s.tables.map(disk, iova, frame + spec::page_size);
  s.tables.set_context(nic, s.tables.context(disk));
  s.settle();
  EXPECT_EQ(unit_world::find(s.forwards, 1).address, frame + spec::page_size);
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_NE(old, s.tables.context(nic));
}

/// What an observer of walks hears: of first beats and of all reads, in their order.
struct beats final : remap::walk_observer {
  struct heard {
    bool leaves;
    remap::entry_part part;
    remap::table_kind kind;
    std::uint64_t address;
    std::uint64_t entry;
    engine::cycle when;
  };
  void on_table_read(const remap::table_read& read) override {
    all.push_back({false, read.part, read.kind, read.address, read.entry_address(), read.when});
  }
  void on_first_beat(const remap::table_read& read) override {
    all.push_back({true, read.part, read.kind, read.address, read.entry_address(), read.when});
  }
  std::vector<heard> all;
};

TEST(entry_beats, an_observer_is_told_when_a_first_half_leaves_and_when_each_half_is_there) {
  for (const bool at_once : {false, true}) {
    scene s(2);
    beats told;
    s.unit.set_walk_observer(&told);
    const engine::cycle t = s.wheel.now();
    if (at_once) {
      dmar::request piece;
      piece.access = {nic, remap::access_kind::read, remap::address_type::untranslated, iova};
      piece.length = 64;
      (void)s.unit.pass(piece, s.memory, s.now_ps());
    } else {
      s.read(nic, iova);
    }
    s.unit.set_walk_observer(nullptr);
    ASSERT_EQ(told.all.size(), 2U + 4U + 3U) << at_once;
    using remap::entry_part;
    using remap::table_kind;
    const entry_part parts[] = {entry_part::lower_half, entry_part::lower_half, entry_part::upper_half};
    engine::cycle before = t;
    for (std::size_t n = 0; n < 6; ++n) {
      const auto& heard = told.all[n];
      EXPECT_EQ(heard.leaves, n % 3 == 0) << n;
      EXPECT_EQ(heard.part, parts[n % 3]) << n;
      EXPECT_EQ(heard.kind, n < 3 ? table_kind::root : table_kind::context) << n;
      const std::uint64_t entry = n < 3 ? s.tables.root_entry_of(nic) : s.tables.context_entry_of(nic);
      EXPECT_EQ(heard.address, entry + (n % 3 == 2 ? half : 0)) << n;
      EXPECT_EQ(heard.entry, entry) << n;
      EXPECT_GE(heard.when, before) << n;
      if (n % 3 != 0) {
        EXPECT_EQ(heard.when, before + read_time) << n;
      }
      before = heard.when;
    }
    for (std::size_t n = 6; n < told.all.size(); ++n) {
      EXPECT_EQ(told.all[n].part, entry_part::whole);
      EXPECT_FALSE(told.all[n].leaves);
    }
  }
}

TEST(entry_beats, of_whole_entries_no_first_beat_is_told) {
  scene s(1);
  beats told;
  s.unit.set_walk_observer(&told);
  s.read(nic, iova);
  s.unit.set_walk_observer(nullptr);
  EXPECT_EQ(told.all.size(), 5U);
}

} // namespace
} // namespace vtd::test
