// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/report_html.h"

#include "vtdsim/miss_cost.h"
#include "vtdsim/report_parts.h"
#include "vtdsim/result_json.h"
#include "vtdsim/result_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace vtdsim {

namespace {

using report::escaped;

std::string headline(const run_result& r) {
  const miss_cost cost = miss_cost_of(r);
  if (!cost.known()) {
    return fmt::format("<h1>{}</h1><p>{}</p>",
                       r.translation_off.empty() ? "What an IOTLB miss costs is not known"
                                                 : "The device's DMA is not translated",
                       escaped(why_unknown(r, cost)));
  }
  return fmt::format(
      "<h1>An IOTLB miss costs {:.0f} ns on this board</h1><p>A read that hits takes {:.0f} ns (in "
      "a window of {}), one that misses {:.0f} ns (in a window of {}), with {:.2f} table reads. "
      "With translation off a read takes {:.0f} ns.</p>",
      cost.difference(), *cost.hit_ns, window_text(cost.hit_window), *cost.miss_ns,
      window_text(cost.miss_window), cost.reads, cost.off_ns.value_or(0));
}

std::string badges(const run_result& r) {
  std::string out = "<p>";
  if (!r.preset_calibrated) out += "<span class=\"badge warn\">timing not calibrated</span>";
  out += r.failures.empty()
             ? "<span class=\"badge good\">all checks of the run hold</span>"
             : fmt::format("<span class=\"badge bad\">{} checks failed</span>", r.failures.size());
  if (r.dma.verified)
    out += fmt::format("<span class=\"badge good\">{} bytes of DMA verified</span>", r.dma.bytes);
  return out + "</p>";
}

std::string facts(const run_result& r) {
  const auto fact = [](std::string_view name, const std::string& value) {
    return fmt::format("<span>{} <b>{}</b></span>", name, escaped(value));
  };
  std::string out = "<div class=facts>";
  out += fact("board", r.board_title) + fact("preset", r.preset) +
         fact("clock", fmt::format("{:.1f} MHz", r.clock_mhz)) + fact("seed", std::to_string(r.seed)) +
         fact("simulated", fmt::format("{:.3f} ms", static_cast<double>(r.simulated_ns) / 1e6));
  if (!r.acpi_file.empty()) out += fact("DMAR table", r.acpi_file);
  return out + "</div>";
}

std::string plots(const run_result& r) {
  using report::series;
  const auto scaled = [](std::optional<double> value, double factor) {
    return value ? std::optional(*value * factor) : std::nullopt;
  };
  std::string out = "<div class=grid>";
  out +=
      report::plot(r.sweep, "Latency of a lone 64-byte read", "ns",
                   {series{"off", "s0", [](const sweep_point& p) { return std::optional(p.latency_ns_off); }},
                    series{"on", "s1", [](const sweep_point& p) { return p.latency_ns_on; }},
                    series{"hit", "s2", [](const sweep_point& p) { return p.latency_ns_hit; }},
                    series{"miss", "s3", [](const sweep_point& p) { return p.latency_ns_miss; }}});
  out += report::plot(
      r.sweep, "Throughput of 64-byte reads, 32 outstanding", "million per second",
      {series{"off", "s0", [=](const sweep_point& p) { return scaled(p.requests_per_s_off, 1e-6); }},
       series{"on", "s1", [=](const sweep_point& p) { return scaled(p.requests_per_s_on, 1e-6); }}});
  out += report::plot(r.sweep, "Table reads per request", "reads",
                      {series{"reads", "s3", [](const sweep_point& p) { return p.walk_reads_per_request; }}});
  out += report::plot(r.sweep, "IOTLB hit rate", "percent",
                      {series{"hits", "s2", [=](const sweep_point& p) { return scaled(p.hit_rate, 100); }}});
  return out + "</div>";
}

std::string log_lines(const run_result& r) {
  std::string out = "<details class=panel><summary>The driver's log</summary><pre>";
  for (const std::string& line : r.driver_log)
    out += escaped(line) + '\n';
  return out + "</pre></details>";
}

std::string warnings(const run_result& r) {
  if (r.warnings.empty()) return {};
  std::string out = "<h2>Warnings about the table</h2><div class=panel>";
  for (const warning_result& w : r.warnings) {
    out += fmt::format("<p><span class=\"badge warn\">{}</span>{}</p>", escaped(w.name), escaped(w.text));
  }
  return out + "</div>";
}

} // namespace

std::string to_html(const run_result& r) {
  std::string out = "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
                    "content=\"width=device-width,initial-scale=1\"><title>";
  out += escaped("vtd: " + r.board_title) + "</title><style>" + std::string(report::style()) +
         "</style></head><body><main>";
  out += headline(r) + badges(r) + facts(r);
  for (const failure_result& failure : r.failures) {
    out +=
        fmt::format("<p><span class=\"badge bad\">failed</span>{}{}</p>", escaped(failure.text),
                    failure.count > 1 ? fmt::format(" <span class=soft>{} times</span>", failure.count) : "");
  }
  out += "<h2>What the working set does</h2>" + plots(r);
  out += "<h2>Who is behind which unit</h2>" + report::topology(r);
  out += "<h2>Blocked requests</h2>" + report::fault_log(r);
  out += "<h2>What the checker says about the driver</h2>" + report::findings(r);
  out += "<h2>Units</h2>" + report::unit_tables(r);
  out += warnings(r);
  out += "<h2>Parameters, and how well they are known</h2>" + report::parameters(r);
  out += "<h2>The same again</h2>" + log_lines(r);
  out += fmt::format("<p class=soft>vtd {}: <code>{}</code></p>", escaped(r.version), escaped(r.command));
  return out + "</main></body></html>\n";
}

void check_report(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  for (const char* name : {"index.html", "run.json"}) {
    const std::ofstream out(directory / name, std::ios::binary | std::ios::app);
    if (!out) throw std::runtime_error("--report " + (directory / name).string() + ": cannot be written");
  }
}

void write_report(const std::filesystem::path& directory, const run_result& result) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  const auto write = [&directory](const char* name, const std::string& text) {
    std::ofstream out(directory / name, std::ios::binary);
    out << text;
    if (!out.flush())
      throw std::runtime_error("--report " + (directory / name).string() + ": cannot be written");
  };
  write("index.html", to_html(result));
  write("run.json", to_json(result));
}

} // namespace vtdsim
