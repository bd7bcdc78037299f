// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/register_file.h"
#include "vtd/engine/clock.h"
#include "vtd/remap/config.h"

#include <string>

namespace vtd::dmar {

inline constexpr unsigned most_walkers = 64;
inline constexpr unsigned most_ports = 256;
inline constexpr unsigned most_requests = 4096;
inline constexpr unsigned most_prefetched = 256;

/// Time and resources of one remapping unit, in cycles of its wheel. docs/microarchitecture.md says where
/// each is spent; presets say where each value comes from.
struct unit_timing {
  remap::translation_latencies lookup{};
  /// Requests of all ports that may be inside the unit at once, from admission to the start of the response:
  /// 1 to `most_requests`.
  unsigned requests = 16;
  /// Page walks that may be under way at once, 1 to `most_walkers`.
  unsigned walkers = 1;
  /// Cycles from one grant of the memory port to the next; 0 counts as 1.
  engine::cycle memory_interval = 1;
  /// From a register access's arrival to its answer (annotated on b_transport).
  engine::cycle register_access = 8;
  /// From the edge that sees a GCMD write to the edge that shows its effect in GSTS.
  engine::cycle command = 8;
  /// From the edge that sees CCMD.ICC or IOTLB.IVT to the edge that removes the entries.
  engine::cycle context_invalidation = 16;
  engine::cycle iotlb_invalidation_global = 32;
  engine::cycle iotlb_invalidation_domain = 32;
  engine::cycle iotlb_invalidation_page = 16;
  /// From the edge that finds the last request gone that an invalidation has to drain to the end of the
  /// invalidation. One that drains nothing does not take it.
  engine::cycle drain = 0;
  /// From the edge that finds a descriptor in the invalidation queue to the edge at which its read asks for
  /// the way to memory.
  engine::cycle descriptor_fetch = 2;
  /// From the edge that sees the read's data to the edge that moves IQH past the descriptor.
  engine::cycle descriptor_decode = 1;
  /// Descriptors that may be fetched and stand behind the one in execution, at most `most_prefetched`. 0: the
  /// next one is fetched when its predecessor has ended.
  unsigned queue_prefetch = 1;
  /// From the edge at which all that a wait waits for is done to the edge at which its status write asks for
  /// the way to memory.
  engine::cycle status_write = 2;
  /// From the edge that begins a device-TLB descriptor to the edge at which its request leaves for the
  /// device.
  engine::cycle device_invalidation = 2;
  /// From the edge at which an invalidation request leaves for a device to the edge at which its completion
  /// is overdue, at least 1.
  engine::cycle device_timeout = 1'000'000;
  /// From the decision that blocks a request to its fault record, and from there to the event message.
  engine::cycle fault_recording = 1;
  engine::cycle event_message = 4;
};

/// One remapping unit, as built.
struct unit_config {
  /// Instance name, for reports.
  std::string name = "unit";
  remap::capabilities caps{};
  remap::cache_shapes caches{};
  unit_timing timing{};
  /// Upstream ports (VT-d: the DMA streams that one unit serves), 1 to `most_ports`.
  unsigned ports = 1;
  /// Whether protected regions also block requests that were translated (TE = 1). Parts of VER 1 may or may
  /// not, and this says it; those of VER 2 and later always do. Pass-through and translated requests are
  /// always checked (VT-d 10.4.16).
  bool protect_translated = false;
  /// Protected regions begin and end at multiples of 2^this bytes, 12 to 31; software finds it out by writing
  /// ones (VT-d 10.4.17).
  unsigned protected_region_shift = usual_protected_region_shift;
  /// The chipset has a write buffer that must be flushed although CAP.RWBF = 0, as some do. *Assumed:* such a
  /// part behaves in everything else as one with RWBF = 1.
  bool hidden_write_buffer = false;
  /// Whether a device-selective context invalidation removes an entry only if it is of the domain that
  /// CCMD.DID names. Software has to name the entry's domain (VT-d 10.4.7); what hardware does when it does
  /// not, no source tells. *Assumed:* it compares, so that a driver's mistake shows.
  bool context_domain_compared = true;
  /// Whether a page-selective invalidation with IH = 0 drops all non-leaf entries of the domain, not only
  /// those of the range.
  bool whole_domain_tables = false;
  /// Whether a fault is dropped while a record of the same source-id waits (VT-d 7.3.1 leaves it to the
  /// part).
  bool compress_faults = false;
  /// Whether a write of IQA sets IQH and IQT to 0 (VT-d 10.4.23). Two models of others do not do so.
  bool queue_address_clears_pointers = true;
  /// Whether invalidations of the queue empty the chipset's write buffer first, as those by register do where
  /// it needs flushing (VT-d 6.8). Drivers know that they do not: those of the queue come after GCMD.WBF.
  bool queue_flushes_write_buffer = false;

  [[nodiscard]] bool checks_translated() const { return protect_translated || caps.major_version() >= 2; }
  [[nodiscard]] bool needs_write_buffer_flush() const { return caps.cap.rwbf() || hidden_write_buffer; }
};

/// The same, if a unit can be built so. Throws std::invalid_argument with unit, name, value and expectation
/// for what is beyond its range, and for capabilities that put registers where others stand
/// (register_places.h).
[[nodiscard]] unit_config checked(unit_config config);

} // namespace vtd::dmar
