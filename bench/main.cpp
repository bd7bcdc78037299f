// SPDX-License-Identifier: Apache-2.0
// vtd_bench: Google Benchmark's options, and `--instructions CASE...`.

#include "bench_case.h"
#include "count.h"

#include <benchmark/benchmark.h>
#include <systemc>

#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

using vtd::bench::bench_case;

// Google Benchmark calls it again and again with more iterations; the case goes on where it was.
void time_case(benchmark::State& state, bench_case& which, const std::string& item,
               std::set<const bench_case*>& prepared) {
  constexpr std::uint64_t batch = 1024;
  if (prepared.insert(&which).second) which.prepare();
  for (auto _ : state)
    which.run(batch);
  benchmark::DoNotOptimize(which.checksum());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  state.SetLabel("item: " + item);
  for (const auto& fact : which.facts())
    state.counters[fact.name] = fact.value;
}

int run_timed(int argc, char** argv, const vtd::bench::case_list& cases) {
  // All are built before the first runs; a case that does not run costs nothing.
  std::vector<std::unique_ptr<bench_case>> built;
  std::set<const bench_case*> prepared;
  for (const auto& each : cases) {
    built.push_back(each.make());
    benchmark::RegisterBenchmark(each.name.c_str(), [&each, &prepared,
                                                     which = built.back().get()](benchmark::State& state) {
      time_case(state, *which, each.item, prepared);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::size_t ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran == 0 ? 2 : 0;
}

int run(int argc, char** argv) {
  const auto cases = vtd::bench::all_cases();
  if (argc == 3 && std::strcmp(argv[1], "--count-one") == 0) {
    const auto found = vtd::bench::find_cases(cases, argv[2]);
    return found.size() == 1 ? vtd::bench::run_counted(*found.front()) : 2;
  }
  if (argc >= 2 && std::strcmp(argv[1], "--instructions") == 0) {
    std::vector<std::string> names(argv + 2, argv + argc);
    if (names.empty()) {
      for (const auto& each : cases)
        names.push_back(each.name);
    }
    return vtd::bench::count_instructions(names, cases);
  }
  return run_timed(argc, argv, cases);
}

} // namespace

int sc_main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "vtd_bench: " << error.what() << '\n';
    return 2;
  }
}
