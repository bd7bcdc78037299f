// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a run of the main job found out: filled in by run.cpp, shown by the terminal, JSON and HTML writers,
// which know nothing else.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtdsim {

/// Hits, misses and so on of one cache of one unit.
struct cache_result {
  std::string name;
  unsigned entries = 0;
  unsigned ways = 0;
  std::string policy;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t fills = 0;
  std::uint64_t evictions = 0;
  std::uint64_t invalidated = 0;
};

/// One remapping unit after the run.
struct unit_result {
  std::string name;
  std::uint64_t base = 0;
  std::uint64_t cap = 0;
  std::uint64_t ecap = 0;
  /// Bits of the real CAP and ECAP that the model does not advertise, as text: "PT (not built yet)".
  std::vector<std::string> masked;
  /// Scopes in words: "00:02.0", "all other devices".
  std::vector<std::string> scopes;
  bool translation_enabled = false;
  std::uint64_t requests = 0;
  std::uint64_t context_hits = 0;
  std::uint64_t context_misses = 0;
  std::uint64_t iotlb_hits = 0;
  std::uint64_t iotlb_misses = 0;
  std::uint64_t walks = 0;
  std::uint64_t walk_reads = 0;
  std::uint64_t faults = 0;
  std::uint64_t invalidations = 0;
  std::vector<cache_result> caches;
};

/// Blocked requests of one requester to one unit for one reason, as hardware recorded them: the first one,
/// with how the driver reported it, and how many there were.
struct fault_result {
  std::string unit;
  std::string source_id;
  std::uint64_t address = 0;
  bool write = false;
  unsigned reason = 0;
  std::string reason_text;
  /// "LGN.3.np", with its text and section.
  std::string condition;
  std::string condition_text;
  std::string section;
  std::uint64_t time_ns = 0;
  /// The driver's log line about it; empty: the driver has not seen it.
  std::string driver_line;
  /// It was provoked on purpose.
  bool expected = false;
  std::uint64_t count = 1;
  std::uint64_t last_time_ns = 0;
};

/// One point of the working-set sweep. What was not measured, because translation was off or reads were
/// blocked, has no value.
struct sweep_point {
  std::uint64_t pages = 0;
  std::uint64_t window_bytes = 0;
  std::optional<double> hit_rate;
  std::optional<double> walk_reads_per_request;
  double latency_ns_off = 0;
  std::optional<double> latency_ns_on;
  std::optional<double> latency_ns_hit;
  std::optional<double> latency_ns_miss;
  double requests_per_s_off = 0;
  std::optional<double> requests_per_s_on;
};

/// A parameter of the run with where it comes from.
struct parameter_result {
  std::string name;
  std::string value;
  std::string unit;
  /// "measured", "documented", "derived", "assumed", "set by --set".
  std::string confidence;
  std::string why;
};

/// A function in the PCI tree, for the picture.
struct function_result {
  std::string source_id;
  /// The bridge above it, or empty.
  std::string parent;
  std::string text;
  /// The unit that remaps its requests, by name; empty: none.
  std::string unit;
  bool bridge = false;
  /// The domain it was assigned to, or empty.
  std::string domain;
};

/// What the checker found (a forgotten flush and the like).
struct finding_result {
  std::string rule;
  std::string severity;
  std::string text;
  std::vector<std::pair<std::string, std::string>> details;
  std::uint64_t count = 1;
};

/// A named warning about the firmware's table.
struct warning_result {
  std::string name;
  std::string text;
};

/// A check that did not hold, and how often.
struct failure_result {
  std::string text;
  std::uint64_t count = 1;
};

struct run_result {
  std::string version;
  std::uint64_t seed = 1;
  std::string board;
  std::string board_title;
  std::string preset;
  bool preset_calibrated = false;
  double clock_mhz = 0;
  std::uint64_t simulated_ns = 0;
  double host_seconds = 0;
  /// The call that gives this run again.
  std::string command;
  /// The file that replaced the board's table, or empty.
  std::string acpi_file;
  std::vector<warning_result> warnings;
  std::vector<function_result> functions;
  std::vector<unit_result> units;
  std::vector<fault_result> faults;
  std::vector<finding_result> findings;
  std::vector<sweep_point> sweep;
  std::vector<parameter_result> parameters;
  std::vector<std::string> driver_log;
  struct {
    std::uint64_t bytes = 0;
    bool verified = false;
    std::uint64_t errors = 0;
  } dma;
  /// Why the device's requests were not translated; empty: they were.
  std::string translation_off;
  /// Checks of the run that did not hold, each text once; empty: all did.
  std::vector<failure_result> failures;

  void fail(const std::string& text, std::uint64_t count = 1) {
    for (failure_result& each : failures) {
      if (each.text != text) continue;
      each.count += count;
      return;
    }
    failures.push_back({text, count});
  }
};

} // namespace vtdsim
