// SPDX-License-Identifier: Apache-2.0
#include "count.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

namespace vtd::bench {

namespace {

const std::string items_mark = "items counted: ";

// Runs the child under callgrind; its messages tell the total.
std::optional<double> counted(const std::string& name) {
  // Not the link itself: valgrind would run itself.
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return std::nullopt;
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(127);
    execlp("valgrind", "valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null",
           program.c_str(), "--count-one", name.c_str(), static_cast<char*>(nullptr));
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
  const auto number_after = [&text](const std::string& mark) -> double {
    const std::size_t at = text.rfind(mark);
    return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + mark.size(), nullptr);
  };
  const double items = number_after(items_mark);
  const double instructions = number_after("Collected : ");
  if (items == 0 || instructions == 0) return std::nullopt;
  return instructions / items;
}

} // namespace

int count_instructions(const std::vector<std::string>& names, const case_list& cases) {
  std::vector<const case_entry*> wanted;
  for (const std::string& name : names) {
    const auto found = find_cases(cases, name);
    if (found.empty()) {
      std::cerr << "vtd_bench: --instructions: no case is named '" << name
                << "', expected one that --benchmark_list_tests lists\n";
      return 2;
    }
    wanted.insert(wanted.end(), found.begin(), found.end());
  }
  for (const case_entry* const each : wanted) {
    const auto per_item = counted(each->name);
    if (!per_item) {
      std::cerr << "vtd_bench: --instructions: " << each->name
                << " could not be counted; is valgrind installed?\n";
      return 2;
    }
    std::printf("%-28s %10.1f instructions per item (%s)\n", each->name.c_str(), *per_item,
                each->item.c_str());
    std::fflush(stdout);
  }
  return 0;
}

int run_counted(const case_entry& entry) {
  const auto which = entry.make();
  which->prepare();
  const std::uint64_t items = which->counted_items();
  CALLGRIND_START_INSTRUMENTATION;
  which->run(items);
  CALLGRIND_STOP_INSTRUMENTATION;
  if (!which->verify()) {
    std::cerr << "vtd_bench: " << entry.name << ": the case did not do what it should\n";
    return 1;
  }
  std::cerr << items_mark << items << '\n';
  return 0;
}

} // namespace vtd::bench
