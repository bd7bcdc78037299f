// SPDX-License-Identifier: Apache-2.0
// Walks that pass at once and are overtaken while memory waits: what they cost all in all, and by whom they
// are overtaken.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using way = dmar::pipeline::passage::way;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint16_t domain = 3;

/// Memory in which something happens when the leaf is read.
struct scene : unit_world, remap::memory_port {
  scene() : unit_world(part()) {
    tables.attach(nic, domain);
    tables.attach(disk, domain, 3, spec::translation_type::untranslated_only,
                  tables.context(nic).second_level_table());
    tables.map(nic, iova, frame);
    enable();
  }
  static remap::capabilities part() {
    remap::capabilities caps = small_part();
    caps.cap.set_rwbf(false);
    return caps;
  }
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    return unit_world::read_table(walker, address, bytes);
  }
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    const bool ok = memory.read_table(address, bytes, out, delay);
    if (address == tables.entry_of(nic, iova, 1, false) && event) std::exchange(event, nullptr)();
    return ok;
  }
  dmar::unit::passage pass(spec::source_id who = nic) {
    dmar::request piece;
    piece.access = {who, access_kind::read, remap::address_type::untranslated, iova};
    piece.length = 64;
    begun = now_ps();
    return unit.pass(piece, *this, begun);
  }
  /// Cycles from the first edge after the request to its departure.
  [[nodiscard]] engine::cycle cycles_of(const dmar::unit::passage& passed) const {
    return (passed.leaves - begun) / period - 1;
  }
  std::function<void()> event;
  engine::picoseconds begun = 0;
};

// Three cycles of look-up; root, context and three levels of 21 each; the structures once.
constexpr engine::cycle look_up = 3;
constexpr engine::cycle walk = 5 * 21 + 1;

TEST(overtaken_edges, a_walk_that_begins_anew_costs_both) {
  scene s;
  const auto undisturbed = s.pass();
  EXPECT_EQ(s.cycles_of(undisturbed), look_up + walk);
  EXPECT_EQ(s.unit.statistics().walk_reads, 5U);
  s.invalidate_contexts_global();
  s.invalidate_iotlb_global();
  s.settle();
  s.unit.clear_statistics();
  s.event = [&] {
    s.invalidate_iotlb_global();
    s.settle();
  };
  const auto twice = s.pass();
  EXPECT_EQ(twice.leads, way::memory);
  EXPECT_EQ(twice.address, frame);
  EXPECT_TRUE(twice.read_tables);
  EXPECT_EQ(s.cycles_of(twice), look_up + 2 * walk);
  EXPECT_EQ(s.unit.statistics().walk_reads, 10U);
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_EQ(s.unit.statistics().walks, 1U);
  EXPECT_EQ(s.unit.statistics().context_misses, 1U) << "as its first look-up found it";
}

TEST(overtaken_edges, a_walk_that_begins_anew_reads_after_the_first) {
  struct : remap::walk_observer {
    void on_table_read(const remap::table_read& read) override { when.push_back(read.when); }
    std::vector<engine::cycle> when;
  } heard;
  scene s;
  s.run_to(1000);
  s.event = [&] {
    s.invalidate_iotlb_global();
    s.settle();
  };
  s.unit.set_walk_observer(&heard);
  s.pass();
  ASSERT_EQ(heard.when.size(), 10U);
  for (std::size_t n = 0; n < heard.when.size(); ++n)
    EXPECT_EQ(heard.when[n], 1000 + 1 + 21 * (n + 1)) << n;
}

TEST(overtaken_edges, a_page_that_somebody_else_filled_meanwhile_does_not_make_it_a_hit) {
  scene s;
  s.event = [&] {
    s.invalidate_iotlb_global();
    s.settle();
    (void)s.unit.pass({{nic, access_kind::read, remap::address_type::untranslated, iova}, 64}, s.memory,
                      s.now_ps());
    s.unit.clear_statistics();
  };
  const auto passed = s.pass();
  EXPECT_EQ(passed.leads, way::memory);
  EXPECT_TRUE(passed.read_tables);
  EXPECT_EQ(s.cycles_of(passed), look_up + walk) << "its own walk, though nothing of it was used";
  EXPECT_EQ(s.unit.statistics().iotlb_misses, 1U);
  EXPECT_EQ(s.unit.statistics().walk_reads, 5U);
}

TEST(overtaken_edges, by_a_reset_it_has_cost_what_memory_took) {
  struct : dmar::unit_observer {
    void on_passage(const dmar::passage_event& e) override { events.push_back(e); }
    std::vector<dmar::passage_event> events;
  } heard;
  scene s;
  s.unit.set_observer(&heard);
  s.event = [&] { s.unit.reset(false); };
  const auto passed = s.pass();
  ASSERT_EQ(heard.events.size(), 1U);
  EXPECT_TRUE(heard.events[0].blocked);
  EXPECT_FALSE(heard.events[0].translated) << "nothing was decided";
  EXPECT_EQ(heard.events[0].cycles, engine::cycle{5 * 21});
  EXPECT_EQ(passed.leads, way::aborted);
  EXPECT_TRUE(passed.read_tables);
  EXPECT_EQ(s.cycles_of(passed), engine::cycle{5 * 21});
  EXPECT_EQ(s.unit.statistics().blocked_unlogged, 1U);
  EXPECT_TRUE(s.faults.empty());
}

TEST(overtaken_edges, a_context_that_the_first_look_up_found_was_found) {
  scene s;
  s.tables.map(nic, iova + spec::page_size, frame);
  s.read(nic, iova + spec::page_size);
  s.unit.clear_statistics();
  s.event = [&] {
    s.invalidate_contexts_global();
    s.settle();
  };
  EXPECT_EQ(s.pass().leads, way::memory);
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_EQ(s.unit.statistics().context_hits, 1U);
  EXPECT_EQ(s.unit.statistics().context_misses, 0U);
}

TEST(overtaken_edges, by_the_invalidation_of_its_context_by_device_domain_or_all) {
  const std::uint64_t orders[] = {reg::ccmd::cirg::of(1), reg::ccmd::cirg::of(2) | reg::ccmd::did::of(domain),
                                  reg::ccmd::cirg::of(3) | reg::ccmd::did::of(domain) |
                                      reg::ccmd::sid::of(nic.value())};
  for (const std::uint64_t order : orders) {
    scene s;
    s.event = [&] {
      s.tables.set_context(nic, {});
      s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | order);
      s.settle();
    };
    EXPECT_EQ(s.pass().leads, way::blocked) << order;
    EXPECT_EQ(s.unit.statistics().poisoned, 1U) << order;
    EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), 0U) << order;
  }
}

} // namespace
} // namespace vtd::test
