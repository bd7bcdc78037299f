// SPDX-License-Identifier: Apache-2.0
#pragma once

// Time as data: every latency, occupancy and cache shape of a chipset generation, with source and confidence.
// docs/microarchitecture.md says where each parameter is spent.

#include "vtd/engine/clock.h"
#include "vtd/models/known.h"
#include "vtd/remap/cache.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// The shape of one cache as parameters. `entries` 0: not there; `ways` 0: fully associative.
struct cache_parameters {
  known<unsigned> entries;
  known<unsigned> ways;
  known<remap::replacement> policy;
};

/// The parameters of one preset. Durations are nanoseconds unless the name says picoseconds; they become
/// cycles by rounding up, one by one (`cycles`).
struct timing_preset {
  std::string name;
  std::string title;
  /// True when hit latency and miss penalty were fitted to measurements of that generation.
  bool calibrated = false;
  /// What is known of the generation but not modelled, or how the numbers were chosen; one line each.
  std::vector<std::string> notes;

  known<engine::picoseconds> clock_period; ///< ps
  cache_parameters context;
  cache_parameters iotlb;
  cache_parameters large_iotlb;      ///< pages larger than 4 KB; no entries: they share `iotlb`
  known<bool> large_pages_in_pieces; ///< of a large page the 4 KB asked for are kept, no more
  cache_parameters pml5;
  cache_parameters pml4;
  cache_parameters pdpe;
  cache_parameters pde;
  cache_parameters device_tlb; ///< of an endpoint with ATS
  known<double> context_lookup;
  known<double> iotlb_lookup;
  known<double> structure_lookup; ///< all paging-structure caches in parallel, once a walk
  known<unsigned> requests;       ///< requests inside one unit
  known<unsigned> walkers;        ///< walks under way in one unit
  known<double> memory_interval;  ///< from grant to grant of a unit's way to memory
  known<double> walk_read;        ///< one table read, from the unit and back
  known<unsigned> entry_beats;    ///< reads in which a 16-byte entry is fetched, 1 or 2
  known<double> memory_read;      ///< data of a device's request, from the unit and back
  known<double> register_access;
  known<double> command; ///< from a GCMD change to its GSTS bit
  known<double> context_invalidation;
  known<double> iotlb_invalidation_global;
  known<double> iotlb_invalidation_domain;
  known<double> iotlb_invalidation_page;
  known<double> drain;            ///< from the last request that is drained to the end of the invalidation
  known<double> descriptor_fetch; ///< of the invalidation queue, besides the read of memory
  known<double> descriptor_decode;
  known<unsigned> queue_prefetch;        ///< descriptors fetched ahead of the one in execution
  known<double> status_write;            ///< of a wait, besides the write to memory
  known<double> device_invalidation;     ///< from a device-TLB descriptor to its request
  known<double> device_timeout;          ///< from that request to the time-out
  known<double> device_tlb_lookup;       ///< in the device, before each request
  known<double> device_tlb_invalidation; ///< in the device, from the request's arrival to the removal
  known<bool> whole_domain_tables; ///< page-selective with IH = 0 drops the domain's non-leaf entries, not
                                   ///< the range's
  known<double> fault_recording;
  known<double> event_message;
  known<unsigned> write_buffer_entries; ///< lines in the chipset's write buffer; used where a flush is needed
  known<double> link_request;           ///< from a device to the chipset, without serialisation
  known<double> link_completion;        ///< from the chipset back to the device, without serialisation
  known<unsigned> link_bandwidth;       ///< MB/s each way
  known<unsigned> max_payload;          ///< bytes
  known<unsigned> max_read_request;     ///< bytes
  known<unsigned> posted_credits;       ///< posted header credits of the root port

  /// A duration in cycles of the preset's clock, rounded up.
  [[nodiscard]] engine::cycle cycles(double nanoseconds) const;
  /// The clock in MHz.
  [[nodiscard]] double clock_mhz() const { return 1e6 / static_cast<double>(clock_period.value); }
};

/// One parameter as text: for lists, reports and JSON.
struct parameter_info {
  std::string name;  ///< as in preset files and settings, e.g. "iotlb.entries"
  std::string unit;  ///< "ps", "ns", "entries", ...
  std::string value; ///< as settings take it
  confidence how = confidence::assumed;
  std::string why;
};

/// All parameters of a preset, in the order of the contract.
[[nodiscard]] std::vector<parameter_info> list_parameters(const timing_preset& preset);
/// Their names alone.
[[nodiscard]] std::vector<std::string> parameter_names();

/// Sets one parameter from text. Throws board_error for an unknown name (with near matches) and for a value
/// of the wrong type or range.
void set_parameter(timing_preset& preset, std::string_view name, std::string_view value, confidence how,
                   std::string why);

/// Checks what one parameter alone cannot show: cache shapes that can be built. Throws board_error.
void check_preset(const timing_preset& preset);

/// Loads a preset by name or path. Throws board_error.
[[nodiscard]] timing_preset load_preset(std::string_view name_or_path,
                                        const std::vector<std::filesystem::path>& directories);
/// Reads a preset from JSON text; `file` names it in errors.
[[nodiscard]] timing_preset parse_preset(std::string_view json, const std::string& file);

} // namespace vtd::models
