// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/verb.h"

#include "vtdsim/differential/compare.h"
#include "vtdsim/differential/generator.h"
#include "vtdsim/differential/minimise.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace vtdsim::differential {

using json = nlohmann::ordered_json;

namespace {

/// The QEMU whose deviations are known.
constexpr std::string_view known_version = "7.2.";

/// A difference that nobody has explained, made small.
struct divergence {
  std::uint64_t index = 0;
  program smallest;
  std::string what;
};

using counts = std::map<std::string_view, std::uint64_t>;

void merge(counts& into, const counts& from) {
  for (const auto& [name, count] : from)
    into[name] += count;
}

struct totals {
  std::uint64_t programs = 0;
  std::uint64_t operations = 0;
  std::uint64_t dmas = 0;
  counts faults;
  counts descriptors;
  counts explained;
  std::vector<divergence> divergences;

  void add(const comparison& one) {
    ++programs;
    operations += one.operations;
    dmas += one.dmas;
    merge(faults, one.faults);
    merge(descriptors, one.descriptors);
    merge(explained, one.explained);
  }
  void add(const totals& other) {
    programs += other.programs;
    operations += other.operations;
    dmas += other.dmas;
    merge(faults, other.faults);
    merge(descriptors, other.descriptors);
    merge(explained, other.explained);
    divergences.insert(divergences.end(), other.divergences.begin(), other.divergences.end());
  }
};

// Enough to work with; a real defect shows in very many programs.
constexpr std::size_t most_divergences = 20;

/// Programs of one variant on one QEMU, which is started anew when it ends or hangs.
class session {
public:
  session(std::string qemu, const variant& how) : qemu_(std::move(qemu)), how_(how) {}

  /// A QEMU that dies is a difference, too: the text says how.
  comparison run(const program& what, std::string& death) {
    try {
      return comparer_for().run(what);
    } catch (const qemu_error& error) {
      comparer_.reset();
      death = error.what();
      return {};
    }
  }
  std::string version() { return comparer_for().qemu_version(); }

private:
  comparer& comparer_for() {
    if (!comparer_) comparer_.emplace(qemu_, how_);
    return *comparer_;
  }
  std::string qemu_;
  const variant& how_;
  std::optional<comparer> comparer_;
};

void run_one(session& on, const program& what, std::uint64_t index, bool first_of_many, totals& sum) {
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
  if (first_of_many) {
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

totals run_series(const options& what, const std::string& qemu) {
  const std::uint64_t end = what.first + what.programs;
  std::atomic<std::uint64_t> next_block = what.first / programs_per_variant;
  std::mutex guard;
  std::map<std::uint64_t, totals> parts;
  std::atomic<std::size_t> found = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (;;) {
        const std::uint64_t block = next_block++;
        const std::uint64_t first = std::max(block * programs_per_variant, what.first);
        const std::uint64_t last = std::min((block + 1) * programs_per_variant, end);
        if (first >= end || found > most_divergences) return;
        session on(qemu, variant_of(first));
        totals sum;
        for (std::uint64_t index = first; index < last; ++index) {
          const std::size_t before = sum.divergences.size();
          run_one(on, generate(what.seed, index), index, found < most_divergences, sum);
          found += sum.divergences.size() - before;
        }
        const std::lock_guard lock(guard);
        parts.emplace(block, std::move(sum));
      }
    } catch (...) {
      const std::lock_guard lock(guard);
      failure = std::current_exception();
      next_block = end;
    }
  };
  const unsigned jobs = what.jobs != 0 ? what.jobs : std::max(1U, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 1; i < jobs; ++i)
      workers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  totals sum;
  for (const auto& [block, part] : parts)
    sum.add(part);
  return sum;
}

program load_program(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::invalid_argument(file + ": cannot be read");
  std::stringstream text;
  text << in.rdbuf();
  return parse_program(text.str());
}

// Why QEMU cannot be used, or nothing.
std::string reason_to_skip(const std::string& qemu, const std::string& asked, std::string& version) {
  if (qemu.empty()) return asked + " is not installed";
  try {
    version = session(qemu, all_variants().front()).version();
  } catch (const qemu_error& error) {
    return fmt::format("{} does not run as needed: {}", qemu, error.what());
  }
  if (version.starts_with(known_version)) return {};
  return fmt::format("QEMU is {}, and only the deviations of 7.2 are known", version);
}

json explained_json(const totals& sum) {
  json out = json::object();
  for (const deviation& each : all_deviations()) {
    const auto found = sum.explained.find(each.name);
    if (found != sum.explained.end()) out[std::string(each.name)] = found->second;
  }
  return out;
}

json json_of(const counts& what) {
  json out = json::object();
  for (const auto& [name, count] : what)
    out[std::string(name)] = count;
  return out;
}

json divergences_json(const totals& sum) {
  json out = json::array();
  for (const divergence& each : sum.divergences) {
    json steps = json::array();
    for (const step& one : each.smallest.steps)
      steps.push_back(to_string(one));
    out.push_back({{"program", each.index},
                   {"variant", each.smallest.how->name},
                   {"model", each.smallest.choice.text()},
                   {"what", each.what},
                   {"steps", std::move(steps)}});
  }
  return out;
}

std::string text_of(const totals& sum, const std::string& version) {
  std::string out = fmt::format("{} programs, {} operations, {} DMAs, against QEMU {}\nfaults:", sum.programs,
                                sum.operations, sum.dmas, version);
  for (const auto& [name, count] : sum.faults)
    out += fmt::format(" {} {}", count, name);
  out += "\ndescriptors:";
  for (const auto& [name, count] : sum.descriptors)
    out += fmt::format(" {} {}{}", count, name, name == sum.descriptors.rbegin()->first ? "" : ",");
  out += '\n';
  for (const deviation& each : all_deviations()) {
    const auto found = sum.explained.find(each.name);
    if (found == sum.explained.end()) continue;
    out += fmt::format("{:>9} x {} ({}, {})\n", found->second, each.name, to_string(each.who), each.section);
  }
  for (const divergence& each : sum.divergences) {
    out += fmt::format("\nunexplained, program {}: {}\n{}", each.index, each.what, to_string(each.smallest));
  }
  if (sum.divergences.empty()) out += "no difference is unexplained\n";
  return out;
}

} // namespace

std::string deviations_table() {
  std::string out = "| deviation | whose | section | what and why |\n|---|---|---|---|\n";
  for (const deviation& each : all_deviations()) {
    out += fmt::format("| `{}` | {} | {} | {}{} |\n", each.name, to_string(each.who), each.section,
                       each.reason, each.parts_ways ? ". The program ends there" : "");
  }
  return out;
}

report run(const options& what) {
  if (what.against != "qemu")
    throw std::invalid_argument(fmt::format("--against: '{}', expected qemu", what.against));
  report out;
  if (what.deviations) {
    out.text = deviations_table();
    return out;
  }
  if (what.print) {
    out.text = to_string(generate(what.seed, what.first));
    return out;
  }
  std::optional<program> replayed;
  if (!what.replay.empty()) replayed = load_program(what.replay);
  const std::string qemu = find_program(what.qemu);
  std::string version;
  const std::string skipped = reason_to_skip(qemu, what.qemu, version);
  json document{{"schema", "vtd.differential/1"}, {"seed", what.seed}, {"against", what.against}};
  if (!skipped.empty()) {
    document["skipped"] = skipped;
    document["programs"] = 0;
    out.json = document.dump(2) + "\n";
    out.text = "skipped: " + skipped + "\n";
    return out;
  }
  totals sum;
  if (replayed) {
    session on(qemu, *replayed->how);
    run_one(on, *replayed, 0, true, sum);
  } else {
    sum = run_series(what, qemu);
  }
  document["qemu"] = version;
  document["programs"] = sum.programs;
  document["operations"] = sum.operations;
  document["dmas"] = sum.dmas;
  document["faults"] = json_of(sum.faults);
  document["descriptors"] = json_of(sum.descriptors);
  document["divergences"] = divergences_json(sum);
  document["explained"] = explained_json(sum);
  out.json = document.dump(2) + "\n";
  out.text = text_of(sum, version);
  out.status = sum.divergences.empty() ? 0 : 1;
  return out;
}

} // namespace vtdsim::differential
