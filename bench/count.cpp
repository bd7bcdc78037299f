// SPDX-License-Identifier: Apache-2.0
#include "count.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

namespace vtd::bench {

namespace {

// Runs the child under callgrind; its messages tell the total.
std::optional<std::uint64_t> counted(const char* program, const std::string& name) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(127);
    execlp("valgrind", "valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null",
           program, "--count-one", name.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::cerr << text;
    return std::nullopt;
  }
  const std::size_t at = text.rfind("Collected : ");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text.c_str() + at + 12, nullptr, 10);
}

} // namespace

int count_instructions(const char* program, const std::vector<std::string>& names, const case_list& cases) {
  for (const std::string& name : names) {
    const bench_case* which = nullptr;
    for (const auto& each : cases) {
      if (each->name() == name) which = each.get();
    }
    if (which == nullptr) {
      std::cerr << "vtd_bench: --instructions: no case is named '" << name
                << "'; --benchmark_list_tests lists them\n";
      return 2;
    }
    const auto total = counted(program, name);
    if (!total) {
      std::cerr << "vtd_bench: --instructions: " << name << " could not be counted; is valgrind installed?\n";
      return 2;
    }
    std::printf("%-28s %10.1f instructions per item\n", name.c_str(),
                static_cast<double>(*total) / static_cast<double>(which->counted_items()));
    std::fflush(stdout);
  }
  return 0;
}

int run_counted(bench_case& which) {
  which.prepare();
  CALLGRIND_START_INSTRUMENTATION;
  which.run(which.counted_items());
  CALLGRIND_STOP_INSTRUMENTATION;
  std::printf("%llu\n", static_cast<unsigned long long>(which.checksum()));
  return 0;
}

} // namespace vtd::bench
