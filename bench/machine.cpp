// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include "vtd/models/data_files.h"
#include "vtd/models/timing_preset.h"

namespace vtd::bench {

namespace {

remap::cache_shape shape_of(const models::cache_parameters& cache) {
  return {cache.entries, cache.ways, cache.policy, 1};
}

} // namespace

remap::cache_shapes shapes(unsigned iotlb_entries, bool structures) {
  const models::timing_preset preset = models::load_preset("g3", models::data_directories());
  remap::cache_shapes out;
  out.context = shape_of(preset.context);
  out.iotlb = {iotlb_entries, 8, remap::replacement::lru, 1};
  if (structures) {
    out.pml4 = shape_of(preset.pml4);
    out.pdpe = shape_of(preset.pdpe);
    out.pde = shape_of(preset.pde);
  }
  return out;
}

} // namespace vtd::bench
