// SPDX-License-Identifier: Apache-2.0
// What holds of a unit whatever happens to it: a reset leaves nothing behind, sleeping changes nothing, and
// what is counted is what was seen.

#include "random_life.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace vtd::test {
namespace {

using dmar::command_step;
using dmar::request_step;
using dmar::unit_command;
using dmar::walk_step;
using outcome = remap::translator::outcome;

constexpr std::uint64_t lives = 12;

/// The first line in which two lives differ, or nothing.
std::string difference(const random_life& one, const random_life& other) {
  const auto [a, b] =
      std::mismatch(one.lines.begin(), one.lines.end(), other.lines.begin(), other.lines.end());
  if (a == one.lines.end() && b == other.lines.end()) return {};
  return (a == one.lines.end() ? "nothing" : *a) + "\n instead of\n" +
         (b == other.lines.end() ? "nothing" : *b);
}

TEST(random_life, is_the_same_again_with_the_same_seed_and_another_with_another) {
  random_life one;
  random_life again;
  random_life other;
  one.begin(1);
  one.live(200);
  one.end();
  again.begin(1);
  again.live(200);
  again.end();
  other.begin(2);
  other.live(200);
  other.end();
  EXPECT_EQ(difference(one, again), "");
  EXPECT_NE(difference(one, other), "");
  EXPECT_GT(one.lines.size(), 1000U);
}

TEST(random_life, after_a_reset_is_that_of_a_new_unit) {
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    random_life fresh;
    fresh.begin(1000 + seed);
    fresh.live(150);
    fresh.end();
    random_life used;
    used.begin(seed);
    used.live(40 + static_cast<unsigned>(seed * 13 % 60));
    used.unit.reset(true);
    used.begin(1000 + seed);
    used.live(150);
    used.end();
    EXPECT_EQ(difference(used, fresh), "") << "seed " << seed;
  }
}

TEST(random_life, is_the_same_for_a_unit_that_is_woken_in_every_cycle) {
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    random_life sleeper;
    sleeper.begin(seed);
    sleeper.live(200);
    sleeper.end();
    EXPECT_EQ(sleeper.wheel.next(), engine::never) << "nothing is left to do";
    random_life woken;
    woken.woken_always = true;
    woken.begin(seed);
    woken.live(200);
    woken.end();
    EXPECT_EQ(difference(sleeper, woken), "") << "seed " << seed;
  }
}

TEST(random_life, is_counted_as_it_was_seen) {
  dmar::unit_statistics sum;
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    random_life life;
    life.begin(seed);
    life.unit.clear_statistics();
    life.requests.clear();
    life.walks.clear();
    life.passages.clear();
    life.commands.clear();
    life.live(200);
    life.end();
    const dmar::unit_statistics got = life.unit.statistics();
    dmar::unit_statistics seen;
    std::map<std::uint64_t, engine::cycle> offered;
    std::map<unsigned, engine::cycle> at_port;
    for (const auto& e : life.requests) {
      switch (e.step) {
      case request_step::offered:
        at_port[e.port] = e.at;
        break;
      case request_step::admitted:
        ++seen.requests;
        seen.bytes += e.total;
        seen.admission_wait_cycles += e.at - at_port[e.port];
        break;
      case request_step::looked_up:
        if (e.again) {
          ++seen.replays;
        } else {
          e.found == outcome::context_miss ? ++seen.context_misses : ++seen.context_hits;
          e.found == outcome::context_miss || e.found == outcome::page_miss ? ++seen.iotlb_misses
                                                                            : ++seen.iotlb_hits;
        }
        break;
      case request_step::joined:
        ++seen.merged;
        break;
      case request_step::blocked:
        e.condition == spec::fault_condition::none ? ++seen.blocked_unlogged : ++seen.faults;
        break;
      case request_step::forwarded:
        if (e.interrupt) ++seen.interrupts;
        break;
      default:
        break;
      }
    }
    for (const auto& e : life.walks) {
      if (e.step == walk_step::granted) ++seen.walks;
      if (e.step == walk_step::read_issued) ++seen.walk_reads;
      if (e.step == walk_step::ended && e.poisoned) ++seen.poisoned;
    }
    for (const auto& e : life.passages) {
      if (e.translated) {
        e.found == outcome::context_miss ? ++seen.context_misses : ++seen.context_hits;
        const bool missed = e.found == outcome::context_miss || e.found == outcome::page_miss;
        missed ? ++seen.iotlb_misses : ++seen.iotlb_hits;
        if (missed) ++seen.walks;
        seen.walk_reads += e.reads;
      }
      if (e.blocked) e.condition == spec::fault_condition::none ? ++seen.blocked_unlogged : ++seen.faults;
      if (e.interrupt) ++seen.interrupts;
    }
    for (const auto& e : life.commands) {
      if (e.step != command_step::begun) continue;
      if (e.what == unit_command::queued_wait) ++seen.waits;
      if (e.what == unit_command::queued_wait || e.what == unit_command::queued_invalidation)
        ++seen.descriptors;
    }
    EXPECT_EQ(got.requests, seen.requests);
    EXPECT_EQ(got.bytes, seen.bytes);
    EXPECT_EQ(got.admission_wait_cycles, seen.admission_wait_cycles);
    EXPECT_EQ(got.context_hits, seen.context_hits);
    EXPECT_EQ(got.context_misses, seen.context_misses);
    EXPECT_EQ(got.iotlb_hits, seen.iotlb_hits);
    EXPECT_EQ(got.iotlb_misses, seen.iotlb_misses);
    EXPECT_EQ(got.replays, seen.replays);
    EXPECT_EQ(got.merged, seen.merged);
    EXPECT_EQ(got.walks, seen.walks);
    EXPECT_EQ(got.walk_reads, seen.walk_reads);
    EXPECT_EQ(got.poisoned, seen.poisoned);
    EXPECT_EQ(got.faults, seen.faults);
    EXPECT_EQ(got.blocked_unlogged, seen.blocked_unlogged);
    EXPECT_EQ(got.interrupts, seen.interrupts);
    EXPECT_EQ(got.descriptors, seen.descriptors);
    EXPECT_EQ(got.waits, seen.waits);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
    sum.poisoned += got.poisoned;
    sum.merged += got.merged;
    sum.replays += got.replays;
    sum.faults += got.faults;
    sum.blocked_unlogged += got.blocked_unlogged;
    sum.interrupts += got.interrupts;
    sum.waits += got.waits;
    life.unit.clear_statistics();
    EXPECT_EQ(life.unit.statistics().requests + life.unit.statistics().walks +
                  life.unit.statistics().descriptors,
              0U);
  }
  for (const std::uint64_t each :
       {sum.poisoned, sum.merged, sum.replays, sum.faults, sum.blocked_unlogged, sum.interrupts, sum.waits})
    EXPECT_GT(each, 0U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
