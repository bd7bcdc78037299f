// SPDX-License-Identifier: Apache-2.0
// Faults from outside at the command line: --set inject.*.

#include "program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace {

using json = nlohmann::ordered_json;
using vtd::test::outcome;

class injected : public vtd::test::program_test {
protected:
  [[nodiscard]] static std::string warnings(const json& r) {
    std::string out;
    for (const json& each : r["warnings"])
      out += each["name"].get<std::string>() + ": " + each["text"].get<std::string>() + '\n';
    return out;
  }
  static constexpr const char* base = "run --pages 2 --json ";
};

TEST_F(injected, rules_that_hit_nothing_change_nothing_but_say_so) {
  const json plain = json::parse(run(base).out);
  const outcome got = run(std::string(base) + "--set inject.table_read.error=0");
  EXPECT_EQ(got.status, 0) << got.err;
  const json r = json::parse(got.out);
  EXPECT_EQ(r["simulated_ns"], plain["simulated_ns"]);
  EXPECT_EQ(r["sweep"], plain["sweep"]);
  EXPECT_NE(warnings(r).find("injected: table_read.error: 0 in a million: 0 accesses of"), std::string::npos)
      << warnings(r);
}

TEST_F(injected, late_table_reads_make_misses_dearer_and_hits_not) {
  // More pages than the IOTLB has room for.
  const std::string missing = "run --pages 32 --set iotlb.entries=8 --set iotlb.ways=8 --json ";
  const json plain = json::parse(run(missing).out);
  const json r =
      json::parse(run(missing + "--set inject.table_read.latency=1000000 --set inject.span_ns=300").out);
  ASSERT_FALSE(plain["sweep"].back()["latency_ns_miss"].is_null());
  ASSERT_FALSE(r["sweep"].back()["latency_ns_miss"].is_null());
  EXPECT_GE(r["sweep"].back()["latency_ns_miss"].get<double>(),
            plain["sweep"].back()["latency_ns_miss"].get<double>() + 300.0);
  EXPECT_EQ(r["sweep"][0]["latency_ns_hit"], plain["sweep"][0]["latency_ns_hit"]);
  EXPECT_GT(r["simulated_ns"], plain["simulated_ns"]);
}

TEST_F(injected, table_reads_that_all_fail_are_a_failure_of_the_run_by_its_seed) {
  const std::string all = std::string(base) + "--set inject.table_read.error=1000000";
  const outcome got = run(all);
  EXPECT_EQ(got.status, 1) << got.err;
  EXPECT_NE(json::parse(got.out)["failures"].dump().find("01:00.0 LRT.1"), std::string::npos) << got.out;
  EXPECT_EQ(run(all).out, got.out) << "equal input, equal bytes";
}

TEST_F(injected, a_unit_whose_registers_read_as_ones_is_left_alone_or_ends_the_driver_and_not_the_program) {
  const outcome got = run(std::string(base) + "--set inject.register.all_ones=1000000");
  EXPECT_EQ(got.status, 1) << got.err;
  const json r = json::parse(got.out);
  EXPECT_NE(r["failures"].dump().find("no remapping unit answers, expected at least one"), std::string::npos)
      << r["failures"];
  EXPECT_NE(got.err.find("its registers return all ones; the unit is left alone"), std::string::npos)
      << got.err;
}

TEST_F(injected, bad_settings_are_refused_with_key_value_and_expectation) {
  const std::string run_set = std::string(base) + "--set ";
  expect_refused(run_set + "inject.table_read.error=1000001",
                 "inject.table_read.error: got \"1000001\", expected a number from 0 to 1000000");
  expect_refused(run_set + "inject.table_read.error=often",
                 "inject.table_read.error: got \"often\", expected a number from 0 to 1000000");
  expect_refused(run_set + "inject.table_read=1", "unknown setting \"inject.table_read\"");
  expect_refused(run_set + "inject.tables.error=1", "unknown setting \"inject.tables.error\"");
  expect_refused(run_set + "inject.table_read.explode=1", "expected inject.CLASS.EFFECT");
  expect_refused(run_set + "inject.span_ns=-1", "inject.span_ns: got \"-1\"");
  expect_refused(run_set + "inject.count=0", "inject.count: got \"0\", expected a number from 1 to");
}

} // namespace
