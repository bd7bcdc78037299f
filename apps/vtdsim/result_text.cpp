// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/result_text.h"

#include "vtdsim/miss_cost.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtdsim {

namespace {

std::string or_dash(const std::optional<double>& value, int digits = 0, double factor = 1) {
  return value ? fmt::format("{:.{}f}", *value * factor, digits) : "-";
}
std::string times(std::uint64_t count) {
  return count > 1 ? fmt::format(" ({} times)", count) : std::string();
}

std::string answer(const run_result& r) {
  const miss_cost cost = miss_cost_of(r);
  if (!cost.known()) return why_unknown(r, cost) + '\n';
  return fmt::format("A read that hits takes {:.0f} ns (window of {}), one that misses {:.0f} ns (window of "
                     "{}): a miss costs "
                     "{:.0f} ns, {:.2f} table reads each ({} parameters are assumed; this preset is {}).\n",
                     *cost.hit_ns, window_text(cost.hit_window), *cost.miss_ns, window_text(cost.miss_window),
                     cost.difference(), cost.reads,
                     std::count_if(r.parameters.begin(), r.parameters.end(),
                                   [](const parameter_result& p) { return p.confidence == "assumed"; }),
                     r.preset_calibrated ? "calibrated" : "not calibrated");
}

} // namespace

std::string window_text(std::uint64_t bytes) {
  return bytes >= 1U << 20 ? fmt::format("{} MB", bytes >> 20) : fmt::format("{} KB", bytes >> 10);
}

std::string to_text(const run_result& r) {
  std::string out;
  const auto line = [&out](const std::string& text) { out += text + '\n'; };
  line("");
  line("units            base  requests  context miss  IOTLB hit    miss  walk reads  faults");
  for (const unit_result& u : r.units) {
    line(fmt::format("{:<14} {:>8x} {:>8} {:>13} {:>10} {:>7} {:>11} {:>7}", u.name, u.base, u.requests,
                     u.context_misses, u.iotlb_hits, u.iotlb_misses, u.walk_reads, u.faults));
  }
  for (const fault_result& f : r.faults) {
    line("");
    line(fmt::format("fault    {} of {} to {:#x}, unit {}, at {} ns{}", f.write ? "write" : "read",
                     f.source_id, f.address, f.unit, f.time_ns,
                     f.count > 1 ? fmt::format("; {} like it, until {} ns", f.count - 1, f.last_time_ns)
                                 : std::string()));
    line(fmt::format("         {}: {} (reason {:#04x}, VT-d {})", f.condition, f.condition_text, f.reason,
                     f.section));
    line(fmt::format("driver   {}", f.driver_line.empty() ? "has not seen it" : f.driver_line));
  }
  line("");
  if (r.findings.empty()) {
    line(r.translation_off.empty() ? "checker: hardware read no table entry that was older than what the "
                                     "driver had stored, and no device "
                                     "used a translation that was taken back"
                                   : "checker: nothing to check, no request was translated");
  }
  for (const finding_result& f : r.findings) {
    line(fmt::format("checker: {} [{}] {}{}", f.severity, f.rule, f.text, times(f.count)));
  }
  for (const warning_result& w : r.warnings)
    line(fmt::format("warning: [{}] {}", w.name, w.text));
  line("");
  line("working set   hit rate  reads/req   latency ns: off     on    hit   miss     million requests/s: off "
       "    on");
  for (const sweep_point& p : r.sweep) {
    line(fmt::format(
        "{:>11} {:>10} {:>10} {:>17.0f} {:>6} {:>6} {:>6} {:>27.2f} {:>6}", window_text(p.window_bytes),
        p.hit_rate ? fmt::format("{:.1f}%", 100 * *p.hit_rate) : "-", or_dash(p.walk_reads_per_request, 2),
        p.latency_ns_off, or_dash(p.latency_ns_on), or_dash(p.latency_ns_hit), or_dash(p.latency_ns_miss),
        p.requests_per_s_off / 1e6, or_dash(p.requests_per_s_on, 2, 1e-6)));
  }
  line("");
  out += answer(r);
  for (const failure_result& failure : r.failures)
    line("FAILED: " + failure.text + times(failure.count));
  return out;
}

} // namespace vtdsim
