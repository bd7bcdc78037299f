// SPDX-License-Identifier: Apache-2.0
// vtd_bench: Google Benchmark's options, and `--instructions CASE...`.

#include "bench_case.h"
#include "count.h"

#include <benchmark/benchmark.h>
#include <systemc>

#include <cstring>
#include <iostream>
#include <set>
#include <string>
#include <vector>

namespace {

vtd::bench::case_list all_cases() {
  vtd::bench::case_list cases;
  vtd::bench::add_core_cases(cases);
  vtd::bench::add_platform_cases(cases);
  return cases;
}

void time_case(benchmark::State& state, vtd::bench::bench_case& which, std::set<std::string>& prepared) {
  constexpr std::uint64_t batch = 1024;
  if (prepared.insert(which.name()).second) which.prepare();
  for (auto _ : state)
    which.run(batch);
  benchmark::DoNotOptimize(which.checksum());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}

} // namespace

int sc_main(int argc, char** argv) {
  auto cases = all_cases();
  if (argc == 3 && std::strcmp(argv[1], "--count-one") == 0) {
    for (const auto& each : cases) {
      if (each->name() == argv[2]) return vtd::bench::run_counted(*each);
    }
    return 2;
  }
  if (argc >= 2 && std::strcmp(argv[1], "--instructions") == 0) {
    std::vector<std::string> names(argv + 2, argv + argc);
    if (names.empty()) {
      for (const auto& each : cases)
        names.push_back(each->name());
    }
    return vtd::bench::count_instructions(argv[0], names, cases);
  }
  std::set<std::string> prepared;
  for (const auto& each : cases) {
    benchmark::RegisterBenchmark(each->name().c_str(), [&each, &prepared](benchmark::State& state) {
      time_case(state, *each, prepared);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
