// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/remap/config.h"
#include "vtd/spec/address.h"

namespace vtd::test {

inline constexpr spec::source_id nic = spec::source_id::from_bdf(1, 0, 0);
inline constexpr spec::source_id disk = spec::source_id::from_bdf(0, 0x1f, 2);

/// A small part: three levels, 36-bit input, 16 domains, one fault record, page-selective invalidation,
/// write-buffer flushing; as little as our first boards.
[[nodiscard]] inline remap::capabilities small_part() {
  remap::capabilities caps;
  caps.cap.set_nd(0).set_rwbf(true).set_sagaw(2).set_mgaw(36).set_fro(0x20).set_psi(true).set_nfr(0).set_mamv(
      9);
  caps.cap.set_dwd(true).set_drd(true).set_plmr(true).set_phmr(true);
  caps.ecap.set_iro(0x10);
  caps.host_address_width = 36;
  return caps;
}

/// The same without a write buffer, so that invalidations take exactly their own cycles.
[[nodiscard]] inline remap::capabilities plain_part() {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  return caps;
}

/// Three and four levels, 48 bits, 2 MB and 1 GB pages, pass-through, eight fault records.
[[nodiscard]] inline remap::capabilities wide_part() {
  remap::capabilities caps;
  caps.cap.set_nd(2).set_sagaw(6).set_mgaw(48).set_fro(0x20).set_sps(3).set_psi(true).set_nfr(7).set_mamv(18);
  caps.cap.set_dwd(true).set_drd(true).set_zlr(true);
  caps.ecap.set_iro(0x10).set_pt(true).set_c(true);
  caps.host_address_width = 46;
  return caps;
}

/// Small caches of every kind, so that tests can fill them.
[[nodiscard]] inline remap::cache_shapes small_caches() {
  remap::cache_shapes shapes;
  shapes.context = {8, 0, remap::replacement::lru, 1};
  shapes.iotlb = {16, 0, remap::replacement::lru, 1};
  shapes.pml4 = {4, 0, remap::replacement::lru, 1};
  shapes.pdpe = {4, 0, remap::replacement::lru, 1};
  shapes.pde = {4, 0, remap::replacement::lru, 1};
  return shapes;
}

/// Small caches, eight requests and two walks at once.
[[nodiscard]] inline dmar::unit_config config_of(const remap::capabilities& caps) {
  dmar::unit_config config;
  config.caps = caps;
  config.caches = small_caches();
  config.timing.lookup = {1, 2, 1};
  config.timing.requests = 8;
  config.timing.walkers = 2;
  return config;
}

} // namespace vtd::test
