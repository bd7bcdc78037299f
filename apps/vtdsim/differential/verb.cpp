// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/verb.h"

#include "vtdsim/differential/generator.h"
#include "vtdsim/differential/series.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace vtdsim::differential {

using json = nlohmann::ordered_json;

namespace {

/// The QEMU whose deviations are known.
constexpr std::string_view known_version = "7.2.";

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
  if (sum.stopped) out += "stopped before the end\n";
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
    sum = run_series({what.seed, what.first, what.programs, what.jobs}, qemu, stderr);
  }
  document["qemu"] = version;
  document["programs"] = sum.programs;
  if (sum.stopped) document["stopped"] = true;
  document["operations"] = sum.operations;
  document["dmas"] = sum.dmas;
  document["faults"] = json_of(sum.faults);
  document["descriptors"] = json_of(sum.descriptors);
  document["divergences"] = divergences_json(sum);
  document["explained"] = explained_json(sum);
  out.json = document.dump(2) + "\n";
  out.text = text_of(sum, version);
  out.status = sum.divergences.empty() && !sum.stopped ? 0 : 1;
  return out;
}

} // namespace vtdsim::differential
