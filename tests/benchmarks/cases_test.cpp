// SPDX-License-Identifier: Apache-2.0
// Every case of the benchmarks is there, does the right thing, and is what its name says: a case that misses
// misses on every request, a floor takes the simulated time of what it is the floor of.

#include "bench_case.h"
#include "initiators.h"
#include "streams.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <utility>
#include <vector>

namespace vtd::bench {
namespace {

using facts = std::map<std::string, double>;

std::unique_ptr<bench_case> make(const std::string& name) {
  for (const case_entry& each : all_cases()) {
    if (each.name == name) return each.make();
  }
  ADD_FAILURE() << "no case " << name;
  return nullptr;
}

facts run(bench_case& which, std::uint64_t items = 512) {
  which.prepare();
  which.run(items);
  EXPECT_TRUE(which.verify());
  facts out;
  for (const fact& each : which.facts())
    out[each.name] = each.value;
  EXPECT_TRUE(which.verify()) << "after looking at its facts";
  return out;
}
facts run(const std::string& name, std::uint64_t items = 512) { return run(*make(name), items); }

const std::vector<std::string> contract{"core_hit",
                                        "core_hit_ws",
                                        "core_miss_3level",
                                        "core_miss_4level",
                                        "core_miss_4level_cold",
                                        "core_miss_4level_random",
                                        "lt_hit",
                                        "lt_miss",
                                        "dmi_hit",
                                        "at_hit",
                                        "at_miss",
                                        "at_dram",
                                        "at_platform",
                                        "invalidate_page",
                                        "invalidate_domain",
                                        "map_unmap",
                                        "sc_floor_lt",
                                        "sc_floor_at"};

class benchmarks : public testing::TestWithParam<std::string> {};

TEST_P(benchmarks, a_case_of_the_contract_exists_and_runs_a_few_items) {
  const case_list cases = all_cases();
  const auto found = find_cases(cases, GetParam());
  ASSERT_FALSE(found.empty());
  std::vector<std::unique_ptr<bench_case>> built;
  for (const case_entry* const each : found) {
    EXPECT_FALSE(each->item.empty());
    built.push_back(each->make());
  }
  for (const auto& each : built) {
    EXPECT_FALSE(run(*each, 40).empty());
    EXPECT_GT(each->counted_items(), 40U);
  }
}

INSTANTIATE_TEST_SUITE_P(contract, benchmarks, testing::ValuesIn(contract),
                         [](const auto& what) { return what.param; });

TEST(benchmark_cases, there_is_none_that_the_contract_does_not_name) {
  for (const case_entry& each : all_cases()) {
    const std::string name = each.name.substr(0, each.name.find('/'));
    EXPECT_TRUE(std::find(contract.begin(), contract.end(), name) != contract.end()) << each.name;
  }
}

TEST(benchmark_cases, a_name_means_a_case_or_all_of_its_kinds) {
  const case_list cases = all_cases();
  EXPECT_EQ(find_cases(cases, "core_hit").size(), 1U) << "not core_hit_ws";
  EXPECT_EQ(find_cases(cases, "core_hit_ws").size(), 4U);
  EXPECT_EQ(find_cases(cases, "core_hit_ws/64").size(), 1U);
  EXPECT_EQ(find_cases(cases, "invalidate_page").front()->name, "invalidate_page/register");
  EXPECT_TRUE(find_cases(cases, "core").empty());
}

TEST(benchmark_cases, hits_hit_and_read_nothing) {
  for (const char* const name :
       {"core_hit", "core_hit_ws/16", "core_hit_ws/64", "core_hit_ws/256", "core_hit_ws/1024"}) {
    facts f = run(name, 4096);
    EXPECT_EQ(f["iotlb_hits"], 1) << name;
    EXPECT_EQ(f["iotlb_misses"], 0) << name;
    EXPECT_EQ(f["walk_reads"], 0) << name;
  }
}

TEST(benchmark_cases, misses_of_the_core_miss_fill_and_evict_every_time) {
  for (const auto& [name, reads] :
       {std::pair{"core_miss_3level", 1}, {"core_miss_4level", 1}, {"core_miss_4level_cold", 4}}) {
    facts f = run(name, 4096);
    EXPECT_EQ(f["iotlb_hits"], 0) << name;
    EXPECT_EQ(f["iotlb_misses"], 1) << name;
    EXPECT_EQ(f["iotlb_fills"], 1) << name;
    EXPECT_EQ(f["iotlb_evictions"], 1) << name;
    // With paging-structure caches a walk reads the leaf alone, but for one in 512 pages.
    EXPECT_NEAR(f["walk_reads"], reads, reads == 1 ? 0.01 : 0) << name;
  }
  facts f = run("core_miss_4level_random", 4096);
  EXPECT_GT(f["iotlb_misses"], 0.99);
  EXPECT_GT(f["walk_reads"], 1.9);
}

TEST(benchmark_cases, the_loosely_timed_floor_takes_the_time_of_a_hit) {
  const auto hit = make("lt_hit");
  const auto floor = make("sc_floor_lt");
  const auto miss = make("lt_miss");
  facts h = run(*hit);
  facts f = run(*floor);
  facts m = run(*miss);
  EXPECT_EQ(h["iotlb_hits"], 1);
  EXPECT_EQ(f["simulated_ns"], h["simulated_ns"]);
  EXPECT_EQ(m["iotlb_misses"], 1);
  EXPECT_NEAR(m["walk_reads"], 1, 0.01);
}

TEST(benchmark_cases, the_cycle_accurate_floor_takes_the_time_and_the_wake_ups_of_a_hit) {
  const auto hit = make("at_hit");
  const auto floor = make("sc_floor_at");
  facts h = run(*hit, 4096);
  facts f = run(*floor, 4096);
  EXPECT_EQ(h["iotlb_hits"], 1);
  EXPECT_EQ(f["simulated_ns"], h["simulated_ns"]);
  EXPECT_EQ(f["wake_ups"], h["wake_ups"]);
  // 32 outstanding, each for 1 + 3 cycles, 50 ns and 1 cycle.
  EXPECT_NEAR(h["simulated_ns"], 55.0 / 32, 0.02);
}

TEST(benchmark_cases, a_cycle_accurate_miss_reads_four_times_and_never_shares_a_walk) {
  const auto miss = make("at_miss");
  const auto dram = make("at_dram");
  facts m = run(*miss, 4096);
  EXPECT_EQ(m["iotlb_misses"], 1);
  EXPECT_EQ(m["walk_reads"], 4);
  EXPECT_EQ(m["merged"], 0);
  // Five walkers, each busy for the structure look-up, four reads of 50 ns and their edges.
  EXPECT_NEAR(m["simulated_ns"], (1 + 4 * 51.0) / 5, 0.3);
  facts d = run(*dram, 4096);
  EXPECT_EQ(d["walk_reads"], 4);
  EXPECT_EQ(d["merged"], 0);
  EXPECT_NEAR(d["row_hits"] + d["row_misses"] + d["row_conflicts"], 5, 1e-9);
  EXPECT_GT(d["row_conflicts"], 0);
}

TEST(benchmark_cases, a_direct_access_never_meets_the_unit) {
  EXPECT_EQ(run("dmi_hit", 4096)["requests_at_unit"], 0);
}

TEST(benchmark_cases, the_board_is_under_the_traffic_of_all_its_devices) {
  facts f = run("at_platform", 8192);
  EXPECT_NEAR(f["requests_audio"] + f["requests_management"] + f["requests_all-others"], 1, 1e-9);
  EXPECT_GT(f["requests_audio"], 0);
  EXPECT_GT(f["requests_management"], 0);
  EXPECT_EQ(f["requests_graphics"], 0) << "the machine has a graphics card";
  EXPECT_GT(f["iotlb_hits"], 0.1);
  EXPECT_GT(f["walk_reads"], 0.1);
}

TEST(benchmark_cases, the_drivers_operations_invalidate_once_each) {
  for (const char* const name :
       {"invalidate_page/register", "invalidate_domain/register", "map_unmap/register",
        "invalidate_page/queued", "invalidate_domain/queued", "map_unmap/queued"}) {
    // A process is one elaboration: the machine of one goes before the next comes.
    const pid_t child = fork();
    if (child == 0) {
      facts f = run(name, 64);
      EXPECT_EQ(f["invalidations"], 1);
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << name;
  }
}

TEST(benchmark_streams, are_those_of_the_published_figures) {
  EXPECT_EQ(same_page(0), 0x5000U);
  EXPECT_EQ(same_page(0x3f), 0x5000U);
  EXPECT_EQ(same_page(0x40), 0x5040U);
  EXPECT_EQ(same_page(0x1fff), 0x5fc0U);
  EXPECT_EQ(working_set(4097, 4096), 0x1000U);
  const random_pages random;
  // shifts 13/7/17, seed 88172645463325252, computed by hand.
  EXPECT_EQ(random(0), 0xe15b0000U);
  EXPECT_EQ(random(1), 0xcc59b000U);
  EXPECT_EQ(random(2), 0x29ad0000U);
  EXPECT_EQ(random(random_pages::count), random(0));
  EXPECT_EQ(random_pages(15)(1), 0xcc59b000U & 0xf000U);
}

/// What the program prints on both streams, and its exit status.
std::pair<std::string, int> program(const std::string& arguments) {
  const std::string command = std::string(VTD_BENCH_PROGRAM) + " " + arguments + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr)
    text += buffer.data();
  const int status = pclose(pipe);
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

TEST(benchmark_program, an_unknown_case_is_an_error_that_names_it) {
  const auto [text, status] = program("--instructions core_hit nonsense");
  EXPECT_EQ(status, 2);
  EXPECT_EQ(text, "vtd_bench: --instructions: no case is named 'nonsense', expected one that "
                  "--benchmark_list_tests lists\n");
  EXPECT_EQ(program("--benchmark_filter=nonsense").second, 2);
  EXPECT_EQ(program("nonsense").second, 2);
}

TEST(benchmark_program, every_case_reports_items_per_second_and_says_what_an_item_is) {
  const auto [text, status] = program("--benchmark_min_time=0.000001");
  EXPECT_EQ(status, 0);
  for (const case_entry& each : all_cases()) {
    const std::size_t at = text.find("\n" + each.name + " ");
    ASSERT_NE(at, std::string::npos) << each.name << "\n" << text;
    const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    EXPECT_NE(line.find("items_per_second="), std::string::npos) << line;
    EXPECT_NE(line.find("item: " + each.item), std::string::npos) << line;
  }
}

} // namespace
} // namespace vtd::bench
