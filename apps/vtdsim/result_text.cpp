// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/result_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtdsim {

namespace {

std::string window_text(std::uint64_t bytes) {
  return bytes >= 1U << 20 ? fmt::format("{} MB", bytes >> 20) : fmt::format("{} KB", bytes >> 10);
}
std::string or_dash(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f}", *value) : "-";
}

std::string answer(const run_result& r) {
  const auto hit = std::find_if(r.sweep.begin(), r.sweep.end(),
                                [](const sweep_point& p) { return p.latency_ns_hit.has_value(); });
  const auto miss = std::find_if(r.sweep.rbegin(), r.sweep.rend(),
                                 [](const sweep_point& p) { return p.latency_ns_miss.has_value(); });
  if (hit == r.sweep.end() || miss == r.sweep.rend())
    return "Nothing missed: either every access hit, or translation was off.\n";
  return fmt::format("A read that hits takes {:.0f} ns, one that misses {:.0f} ns: a miss costs {:.0f} ns, "
                     "{:.2f} table reads "
                     "each ({} parameters are assumed; this preset is {}).\n",
                     *hit->latency_ns_hit, *miss->latency_ns_miss,
                     *miss->latency_ns_miss - *hit->latency_ns_hit,
                     miss->hit_rate < 1 ? miss->walk_reads_per_request / (1 - miss->hit_rate) : 0.0,
                     std::count_if(r.parameters.begin(), r.parameters.end(),
                                   [](const parameter_result& p) { return p.confidence == "assumed"; }),
                     r.preset_calibrated ? "calibrated" : "not calibrated");
}

} // namespace

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
    line(fmt::format("fault    {} of {} to {:#x}, unit {}, at {} ns", f.write ? "write" : "read", f.source_id,
                     f.address, f.unit, f.time_ns));
    line(fmt::format("         {}: {} (reason {:#04x}, VT-d {})", f.condition, f.condition_text, f.reason,
                     f.section));
    line(fmt::format("driver   {}", f.driver_line.empty() ? "has not seen it" : f.driver_line));
  }
  line("");
  if (r.findings.empty()) line("checker: nothing to say about the driver");
  for (const finding_result& f : r.findings) {
    line(fmt::format("checker: {} [{}] {}{}", f.severity, f.rule, f.text,
                     f.count > 1 ? fmt::format(" ({} times)", f.count) : ""));
  }
  for (const warning_result& w : r.warnings)
    line(fmt::format("warning: [{}] {}", w.name, w.text));
  line("");
  line("working set   hit rate  reads/req   latency ns: off     on    hit   miss     million requests/s: off "
       "    on");
  for (const sweep_point& p : r.sweep) {
    line(fmt::format("{:>11} {:>9.1f}% {:>10.2f} {:>17.0f} {:>6.0f} {:>6} {:>6} {:>27.2f} {:>6.2f}",
                     window_text(p.window_bytes), 100 * p.hit_rate, p.walk_reads_per_request,
                     p.latency_ns_off, p.latency_ns_on, or_dash(p.latency_ns_hit), or_dash(p.latency_ns_miss),
                     p.requests_per_s_off / 1e6, p.requests_per_s_on / 1e6));
  }
  line("");
  out += answer(r);
  for (const std::string& failure : r.failures)
    line("FAILED: " + failure);
  return out;
}

} // namespace vtdsim
