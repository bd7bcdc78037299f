// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"
#include "vtd/remap/cache.h"
#include "vtd/spec/capability.h"
#include "vtd/spec/registers.h"

namespace vtd::remap {

inline constexpr unsigned least_host_address_width = 30;
/// Bits of addresses in tables and registers (VT-d 9.8).
inline constexpr unsigned most_host_address_width = 52;

/// What the unit can do: the capability registers plus what they do not say.
struct capabilities {
  spec::cap cap{};
  spec::ecap ecap{};
  /// Host address width in bits (ACPI DMAR, VT-d 8.1), 30 to 52: addresses in tables have no bit at or above
  /// it.
  unsigned host_address_width = 36;
  /// VER_REG: 0x10 = 1.0.
  unsigned version = 0x10;
  /// Whether an output address in FEEx_xxxxh faults (LGN.4). The rule is in the specification since revision
  /// 3; older parts: assumed, because letting it through would turn data into interrupts.
  bool output_range_check = true;
  /// In how many reads, 1 or 2, the unit fetches a root or context entry: 1, all 16 bytes at once; 2, its
  /// lower half, and when that has come its upper half, so that an update that is not atomic can be caught
  /// half-way.
  unsigned entry_beats = 1;
  /// Whether a part with CAP.CM = 1 keeps what is not present or in error (VT-d 6.1: it may). *Assumed:* it
  /// does, so that a driver that forgets to invalidate shows.
  bool caches_absent = true;
  /// Whether a pass-through context has to name the largest width of SAGAW (LCT.4.1 otherwise). Software has
  /// to do so (VT-d 9.3); whether hardware looks, sources differ.
  bool pass_through_checks_width = false;

  /// VER_REG.MAX.
  [[nodiscard]] unsigned major_version() const {
    return static_cast<unsigned>(spec::reg::version::max::get(version));
  }
};

/// Shapes of the caches of one unit. `pml5`..`pde` hold non-leaf entries of level 5..2.
struct cache_shapes {
  cache_shape context{};
  cache_shape iotlb{};
  /// An IOTLB array of its own for pages larger than 4 KB. Without entries they share `iotlb`.
  cache_shape large_iotlb{};
  /// Of a larger page only the 4 KB that were asked for are kept, as an entry like all others. Some parts
  /// that report large pages (CAP.SPS) do so. `large_iotlb` stays empty then.
  bool large_pages_in_pieces = false;
  cache_shape pml5{};
  cache_shape pml4{};
  cache_shape pdpe{};
  cache_shape pde{};
};

/// Latencies of the translation's steps in cycles. Where they come from is said by the preset that fills them
/// in.
struct translation_latencies {
  engine::cycle context_lookup = 1;
  engine::cycle iotlb_lookup = 1;
  /// Looking up all paging-structure caches, in parallel, once a walk.
  engine::cycle structure_lookup = 1;
};

} // namespace vtd::remap
