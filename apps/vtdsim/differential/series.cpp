// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/series.h"

#include "vtdsim/differential/generator.h"
#include "vtdsim/differential/interruption.h"
#include "vtdsim/differential/minimise.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace vtdsim::differential {

namespace {

void merge(counts& into, const counts& from) {
  for (const auto& [name, count] : from)
    into[name] += count;
}

// Enough to work with; a real defect shows in very many programs.
constexpr std::size_t most_divergences = 20;

constexpr auto between_reports = std::chrono::seconds(10);

} // namespace

void totals::add(const comparison& one) {
  ++programs;
  operations += one.operations;
  dmas += one.dmas;
  merge(faults, one.faults);
  merge(descriptors, one.descriptors);
  merge(explained, one.explained);
}

void totals::add(const totals& other) {
  programs += other.programs;
  operations += other.operations;
  dmas += other.dmas;
  merge(faults, other.faults);
  merge(descriptors, other.descriptors);
  merge(explained, other.explained);
  divergences.insert(divergences.end(), other.divergences.begin(), other.divergences.end());
}

comparison session::run(const program& what, std::string& death) {
  try {
    return comparer_for().run(what);
  } catch (const qemu_error& error) {
    comparer_.reset();
    death = error.what();
    return {};
  }
}

comparer& session::comparer_for() {
  if (!comparer_) comparer_.emplace(qemu_, how_);
  return *comparer_;
}

void run_one(session& on, const program& what, std::uint64_t index, bool make_small, totals& sum) {
  std::string death;
  const comparison seen = on.run(what, death);
  sum.add(seen);
  if (death.empty() && !seen.unexplained) return;
  if (!death.empty()) {
    // Once more, in a QEMU that has seen nothing else.
    std::string again;
    const comparison second = on.run(what, again);
    if (again.empty() && !second.unexplained) return sum.add(second);
    if (again.empty()) death.clear();
  }
  const std::optional<difference> wanted = seen.unexplained;
  divergence found{index, what, death};
  if (make_small) {
    found.smallest = minimise(what, [&](const program& tried) {
      std::string died;
      const comparison now = on.run(tried, died);
      if (!died.empty() || !wanted) return !died.empty() && !wanted;
      return now.unexplained && now.unexplained->what == wanted->what &&
             (now.unexplained->what != difference::kind::register_value ||
              now.unexplained->address == wanted->address);
    });
  }
  const comparison last = on.run(found.smallest, death);
  if (last.unexplained) {
    found.what = fmt::format("step {}: {}", last.unexplained->step, to_string(*last.unexplained));
  } else if (found.what.empty()) {
    found.what = "only seen once";
  }
  sum.divergences.push_back(std::move(found));
}

totals run_series(const series& what, const std::string& qemu, std::FILE* progress) {
  const std::uint64_t end = what.first + what.programs;
  std::atomic<std::uint64_t> next_block = what.first / programs_per_variant;
  std::mutex guard;
  std::map<std::uint64_t, totals> parts;
  std::atomic<std::uint64_t> run = 0;
  std::atomic<std::size_t> found = 0;
  std::atomic<bool> stop = false;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (;;) {
        const std::uint64_t block = next_block++;
        const std::uint64_t first = std::max(block * programs_per_variant, what.first);
        const std::uint64_t last = std::min((block + 1) * programs_per_variant, end);
        if (first >= end || found > most_divergences || stop) return;
        session on(qemu, variant_of(first));
        totals sum;
        for (std::uint64_t index = first; index < last && !stop; ++index) {
          const std::size_t before = sum.divergences.size();
          run_one(on, generate(what.seed, index), index, found < most_divergences, sum);
          found += sum.divergences.size() - before;
          ++run;
        }
        const std::lock_guard lock(guard);
        parts.emplace(block, std::move(sum));
      }
    } catch (...) {
      const std::lock_guard lock(guard);
      failure = std::current_exception();
      stop = true;
    }
  };
  const unsigned jobs = what.jobs != 0 ? what.jobs : std::max(1U, std::thread::hardware_concurrency());
  {
    // Before the workers, which take over that these signals are not theirs.
    interruption signals;
    const std::jthread reporter([&](const std::stop_token& done) {
      auto next = std::chrono::steady_clock::now() + between_reports;
      while (!done.stop_requested()) {
        if (signals.came()) stop = true;
        if (progress == nullptr || std::chrono::steady_clock::now() < next) continue;
        next += between_reports;
        fmt::print(progress, "differential: {} of {} programs, {} unexplained\n", run.load(), what.programs,
                   found.load());
      }
    });
    std::vector<std::jthread> workers;
    for (unsigned i = 1; i < jobs; ++i)
      workers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  totals sum;
  for (const auto& [block, part] : parts)
    sum.add(part);
  sum.stopped = stop;
  return sum;
}

} // namespace vtdsim::differential
