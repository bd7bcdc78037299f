// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/generator.h"

#include "vtdsim/differential/generator_state.h"

namespace vtdsim::differential {

const variant& variant_of(std::uint64_t index) {
  const auto all = all_variants();
  return all[index / programs_per_variant % all.size()];
}

program generate(std::uint64_t seed, std::uint64_t index) {
  random_source random(seed * 0x2545f4914f6cdd1dU + index);
  random.next();
  generator_state state(variant_of(index), random.next());
  return state.make();
}

} // namespace vtdsim::differential
