// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/result_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vtdsim {

namespace {

using json = nlohmann::ordered_json;

std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

json unit_json(const unit_result& u) {
  json out{{"base", hex(u.base)},
           {"cap", hex(u.cap)},
           {"ecap", hex(u.ecap)},
           {"requests", u.requests},
           {"iotlb_hits", u.iotlb_hits},
           {"iotlb_misses", u.iotlb_misses},
           {"context_hits", u.context_hits},
           {"context_misses", u.context_misses},
           {"walk_reads", u.walk_reads},
           {"faults", u.faults},
           {"name", u.name},
           {"scopes", u.scopes},
           {"masked", u.masked},
           {"translation_enabled", u.translation_enabled},
           {"walks", u.walks},
           {"invalidations", u.invalidations}};
  json caches = json::array();
  for (const cache_result& c : u.caches) {
    caches.push_back({{"name", c.name},
                      {"entries", c.entries},
                      {"ways", c.ways},
                      {"policy", c.policy},
                      {"hits", c.hits},
                      {"misses", c.misses},
                      {"fills", c.fills},
                      {"evictions", c.evictions},
                      {"invalidated", c.invalidated}});
  }
  out["caches"] = std::move(caches);
  return out;
}

json number_or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

} // namespace

std::string to_json(const run_result& r) {
  json out;
  out["schema"] = "vtd.run/1";
  out["seed"] = r.seed;
  out["preset"] = r.preset;
  out["board"] = r.board;
  out["clock_mhz"] = r.clock_mhz;
  out["simulated_ns"] = r.simulated_ns;
  out["units"] = json::array();
  for (const unit_result& u : r.units)
    out["units"].push_back(unit_json(u));
  out["faults"] = json::array();
  for (const fault_result& f : r.faults) {
    out["faults"].push_back({{"unit", f.unit},
                             {"source_id", f.source_id},
                             {"address", hex(f.address)},
                             {"access", f.write ? "write" : "read"},
                             {"reason", f.reason},
                             {"condition", f.condition},
                             {"time_ns", f.time_ns},
                             {"driver", f.driver_line},
                             {"expected", f.expected},
                             {"count", f.count},
                             {"last_time_ns", f.last_time_ns}});
  }
  out["dma"] = {{"bytes", r.dma.bytes}, {"verified", r.dma.verified}, {"errors", r.dma.errors}};
  out["sweep"] = json::array();
  for (const sweep_point& p : r.sweep) {
    out["sweep"].push_back({{"pages", p.pages},
                            {"window_bytes", p.window_bytes},
                            {"hit_rate", number_or_null(p.hit_rate)},
                            {"walk_reads_per_request", number_or_null(p.walk_reads_per_request)},
                            {"latency_ns_off", p.latency_ns_off},
                            {"latency_ns_on", number_or_null(p.latency_ns_on)},
                            {"latency_ns_hit", number_or_null(p.latency_ns_hit)},
                            {"latency_ns_miss", number_or_null(p.latency_ns_miss)},
                            {"requests_per_s_off", p.requests_per_s_off},
                            {"requests_per_s_on", number_or_null(p.requests_per_s_on)}});
  }
  out["preset_calibrated"] = r.preset_calibrated;
  out["acpi"] = r.acpi_file;
  out["warnings"] = json::array();
  for (const warning_result& w : r.warnings)
    out["warnings"].push_back({{"name", w.name}, {"text", w.text}});
  out["findings"] = json::array();
  for (const finding_result& f : r.findings) {
    json details = json::object();
    for (const auto& [key, value] : f.details)
      details[key] = value;
    out["findings"].push_back({{"rule", f.rule},
                               {"severity", f.severity},
                               {"text", f.text},
                               {"count", f.count},
                               {"details", details}});
  }
  out["failures"] = json::array();
  for (const failure_result& f : r.failures)
    out["failures"].push_back(f.count > 1 ? fmt::format("{} ({} times)", f.text, f.count) : f.text);
  out["translation_off"] = r.translation_off;
  out["parameters"] = json::array();
  for (const parameter_result& p : r.parameters) {
    out["parameters"].push_back({{"name", p.name},
                                 {"value", p.value},
                                 {"unit", p.unit},
                                 {"confidence", p.confidence},
                                 {"why", p.why}});
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace vtdsim
