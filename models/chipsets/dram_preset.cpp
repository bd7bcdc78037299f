// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/dram_preset.h"

#include "json_reader.h"
#include "vtd/models/data_files.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vtd::models {

namespace {

known<double> read_time(json_object& parameters, const char* name, double least) {
  json_object given(parameters.at(name));
  constexpr double most_ns = 1e6;
  const json_node value = given.at("value");
  known<double> out{value.real(least, most_ns), value.how(), value.why()};
  if (const json_node unit = given.at("unit"); unit.text() != "ns") unit.reject("\"ns\"");
  given.finish();
  return out;
}

known<unsigned> read_count(json_object& parameters, const char* name, const std::string& unit_name,
                           unsigned most, bool power_of_two) {
  json_object given(parameters.at(name));
  const json_node value = given.at("value");
  known<unsigned> out{static_cast<unsigned>(value.whole(1, most)), value.how(), value.why()};
  if (power_of_two && !std::has_single_bit(out.value)) value.reject("a power of two");
  if (const json_node unit = given.at("unit"); unit.text() != unit_name) unit.reject('"' + unit_name + '"');
  given.finish();
  return out;
}

} // namespace

host::dram_config dram_preset::config(engine::picoseconds clock_period, unsigned ports) const {
  const engine::clock clock(clock_period);
  const auto ps = [](const known<double>& ns) {
    return static_cast<engine::picoseconds>(std::llround(ns.value * 1000.0));
  };
  const auto cycles = [&](const known<double>& ns) { return clock.cycles_for(ps(ns)); };
  host::dram_config out;
  host::dram_timing& t = out.timing;
  t.rcd = cycles(rcd);
  t.rp = cycles(rp);
  t.cl = cycles(cl);
  t.cwl = cycles(cwl);
  t.ras = cycles(ras);
  t.rtp = cycles(rtp);
  t.wr = cycles(wr);
  t.wtr = cycles(wtr);
  t.rrd = cycles(rrd);
  t.faw = cycles(faw);
  t.burst = std::max<engine::cycle>(cycles(burst), 1);
  t.turnaround = cycles(turnaround);
  t.refi = ps(refi) / clock_period;
  t.rfc = cycles(rfc);
  t.controller = cycles(controller);
  out.shape = {banks, row, line, bank_queue, hit_limit, ports};
  return out;
}

dram_preset parse_dram_preset(std::string_view json, const std::string& file) {
  const json_document document = json_document::from_text(json, file);
  json_object top(document.root());
  dram_preset out;
  out.name = top.at("name").text();
  out.title = top.at("title").text();
  if (const auto notes = top.find("notes")) {
    for (const json_node& note : notes->items())
      out.notes.push_back(note.text());
  }
  json_object p(top.at("parameters"));
  for (const auto& [name, field] : {std::pair{"rcd", &out.rcd},
                                    {"rp", &out.rp},
                                    {"cl", &out.cl},
                                    {"cwl", &out.cwl},
                                    {"ras", &out.ras},
                                    {"rtp", &out.rtp},
                                    {"wr", &out.wr},
                                    {"wtr", &out.wtr},
                                    {"rrd", &out.rrd},
                                    {"faw", &out.faw},
                                    {"turnaround", &out.turnaround},
                                    {"refi", &out.refi},
                                    {"rfc", &out.rfc},
                                    {"controller", &out.controller}}) {
    *field = read_time(p, name, 0);
  }
  out.burst = read_time(p, "burst", 0.001);
  constexpr unsigned most_banks = 32;
  constexpr unsigned most_row = 1U << 20;
  constexpr unsigned most_queue = 4096;
  out.banks = read_count(p, "banks", "banks", most_banks, true);
  out.row = read_count(p, "row", "bytes", most_row, true);
  out.line = read_count(p, "line", "bytes", out.row, true);
  out.bank_queue = read_count(p, "bank_queue", "requests", most_queue, false);
  out.hit_limit = read_count(p, "hit_limit", "requests", most_queue, false);
  p.finish();
  top.finish();
  return out;
}

dram_preset load_dram_preset(std::string_view name_or_path,
                             const std::vector<std::filesystem::path>& directories) {
  const std::filesystem::path file = find_data_file("drams", name_or_path, directories);
  return parse_dram_preset(read_file(file), file.string());
}

} // namespace vtd::models
