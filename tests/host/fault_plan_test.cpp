// SPDX-License-Identifier: Apache-2.0
// Which accesses a plan hits: by class, address, time and number; and that chance is a matter of the seed.

#include "vtd/host/fault_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace vtd::host {
namespace {

constexpr std::uint64_t at = 0x1000;

fault_access table_read(std::uint64_t address = at, engine::picoseconds when = 0) {
  return {access_class::table_read, address, 16, when};
}
fault_access data_read(std::uint64_t address = at, std::uint64_t bytes = 64) {
  return {access_class::read, address, bytes, 0};
}

TEST(fault_plan, without_rules_hits_nothing) {
  fault_plan plan;
  EXPECT_TRUE(plan.decide(table_read()).harmless());
  EXPECT_FALSE(plan.threatens(access_classes::all(), 0, ~std::uint64_t{0}));
}

TEST(fault_plan, hits_the_classes_of_a_rule_and_no_other) {
  for (const access_class wanted :
       {access_class::table_read, access_class::queue_fetch, access_class::read, access_class::write}) {
    fault_plan plan;
    plan.add({.of = wanted});
    for (const access_class what :
         {access_class::table_read, access_class::queue_fetch, access_class::read, access_class::write}) {
      EXPECT_EQ(plan.decide({what, at, 8, 0}).error, what == wanted)
          << to_string(what) << " against " << to_string(wanted);
    }
  }
}

TEST(fault_plan, hits_an_access_that_touches_the_range_with_a_single_byte) {
  fault_plan plan;
  plan.add({.first = 0x1040, .last = 0x107f});
  EXPECT_FALSE(plan.decide(data_read(0x1000, 64)).error) << "ends just below";
  EXPECT_TRUE(plan.decide(data_read(0x1000, 65)).error);
  EXPECT_TRUE(plan.decide(data_read(0x107f, 1)).error);
  EXPECT_FALSE(plan.decide(data_read(0x1080, 64)).error) << "begins just above";
}

TEST(fault_plan, hits_from_a_time_on_and_not_at_its_end_any_more) {
  fault_plan plan;
  plan.add({.from = 100, .until = 200});
  EXPECT_FALSE(plan.decide(table_read(at, 99)).error);
  EXPECT_TRUE(plan.decide(table_read(at, 100)).error);
  EXPECT_TRUE(plan.decide(table_read(at, 199)).error);
  EXPECT_FALSE(plan.decide(table_read(at, 200)).error);
}

TEST(fault_plan, skips_and_counts_only_accesses_that_match) {
  fault_plan plan;
  const auto rule = plan.add({.of = access_class::table_read, .skip = 2, .count = 3});
  std::vector<bool> hit;
  for (unsigned n = 0; n < 7; ++n) {
    EXPECT_FALSE(plan.decide(data_read()).error);
    hit.push_back(plan.decide(table_read()).error);
  }
  EXPECT_EQ(hit, (std::vector<bool>{false, false, true, true, true, false, false}));
  EXPECT_EQ(plan.hits(rule), 3U);
}

TEST(fault_plan, adds_latencies_and_keeps_back_from_the_access_on) {
  fault_plan plan;
  plan.add({.effect = fault_effect::latency, .span = 30});
  plan.add({.effect = fault_effect::latency, .span = 12});
  plan.add({.effect = fault_effect::withhold, .span = 500});
  const auto what = plan.decide(table_read(at, 1000));
  EXPECT_EQ(what.later, 42U);
  EXPECT_EQ(what.not_before, 1500U);
  EXPECT_FALSE(what.withheld_for_good);
  plan.add({.effect = fault_effect::withhold, .span = engine::never});
  EXPECT_TRUE(plan.decide(table_read()).withheld_for_good);
}

std::vector<bool> errors(fault_plan plan, unsigned accesses) {
  std::vector<bool> out;
  for (unsigned n = 0; n < accesses; ++n)
    out.push_back(plan.decide(table_read(at + std::uint64_t{n} * 16)).error);
  return out;
}

fault_plan one_in_ten(std::uint64_t seed) {
  fault_plan plan(seed);
  plan.add({.per_million = 100'000});
  return plan;
}

TEST(fault_plan, gives_the_same_faults_for_the_same_seed_and_others_for_another) {
  EXPECT_EQ(errors(one_in_ten(7), 1000), errors(one_in_ten(7), 1000));
  EXPECT_NE(errors(one_in_ten(7), 1000), errors(one_in_ten(8), 1000));
}

TEST(fault_plan, hits_about_as_many_as_the_rate_says) {
  const auto hit = errors(one_in_ten(1), 100'000);
  // Five standard deviations of a binomial distribution.
  EXPECT_NEAR(static_cast<double>(std::count(hit.begin(), hit.end(), true)), 10'000.0, 475.0);
  fault_plan none;
  none.add({.per_million = 0});
  const auto spared = errors(none, 1000);
  EXPECT_EQ(std::count(spared.begin(), spared.end(), true), 0);
}

TEST(fault_plan, a_further_rule_changes_nothing_for_those_before_it) {
  fault_plan more = one_in_ten(7);
  more.add({.effect = fault_effect::latency, .per_million = 500'000, .span = 1});
  EXPECT_EQ(errors(more, 1000), errors(one_in_ten(7), 1000));
}

TEST(fault_plan, threatens_until_its_count_is_used_up) {
  fault_plan plan;
  plan.add({.of = access_class::read, .first = at, .last = at + 0xfff, .count = 1});
  EXPECT_TRUE(plan.threatens(access_class::read | access_class::write, at + 0xfff, at + 0x2000));
  EXPECT_FALSE(plan.threatens(access_class::read, at + 0x1000, at + 0x2000)) << "another page";
  EXPECT_FALSE(plan.threatens(access_class::write, at, at)) << "another class";
  EXPECT_TRUE(plan.decide(data_read()).error);
  EXPECT_FALSE(plan.threatens(access_class::read, at, at));
}

TEST(fault_plan, refuses_rules_that_can_hit_nothing) {
  fault_plan plan;
  EXPECT_THROW(plan.add({.of = {}}), std::invalid_argument);
  EXPECT_THROW(plan.add({.first = 2, .last = 1}), std::invalid_argument);
  EXPECT_THROW(plan.add({.from = 5, .until = 5}), std::invalid_argument);
  EXPECT_THROW(plan.add({.per_million = 1'000'001}), std::invalid_argument);
  EXPECT_TRUE(plan.empty());
}

} // namespace
} // namespace vtd::host
