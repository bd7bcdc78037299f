// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vtd::dmar {

/// What one unit did; counters only grow, until cleared. A request that crosses pages counts once in
/// `requests` and once per page in the rest. Look-ups repeated after a walk count in `replays` only, so hits
/// and misses add up.
struct unit_statistics {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  /// Requests that passed while translation was off.
  std::uint64_t bypassed = 0;
  std::uint64_t context_hits = 0;
  std::uint64_t context_misses = 0;
  std::uint64_t iotlb_hits = 0;
  std::uint64_t iotlb_misses = 0;
  /// Walks, table reads of all walks, and misses that joined a walk to the same page.
  std::uint64_t walks = 0;
  std::uint64_t walk_reads = 0;
  std::uint64_t merged = 0;
  std::uint64_t replays = 0;
  /// Walks that an invalidation overtook, so that nothing of them was kept.
  std::uint64_t poisoned = 0;
  /// Blocked requests: by a fault condition (recorded or not), by protected regions or the interrupt range.
  std::uint64_t faults = 0;
  std::uint64_t blocked_unlogged = 0;
  std::uint64_t interrupts = 0;
  /// Translation requests (ATS) that got a translation, one without rights included.
  std::uint64_t translations = 0;
  std::uint64_t invalidations = 0;
  /// Descriptors of the invalidation queue that were begun, and of these: waits, and those for the interrupt
  /// entry cache; and the queue's errors.
  std::uint64_t descriptors = 0;
  std::uint64_t waits = 0;
  std::uint64_t interrupt_entry_invalidations = 0;
  std::uint64_t queue_errors = 0;
  /// Register writes that were dropped because the command of that register was under way (GCMD, CCMD, IVA
  /// and IOTLB); an access of 8 bytes is one.
  std::uint64_t ignored_orders = 0;
  /// Cycles that requests stood at their port before they were admitted, summed.
  std::uint64_t admission_wait_cycles = 0;
};

} // namespace vtd::dmar
