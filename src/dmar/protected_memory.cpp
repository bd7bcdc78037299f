// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/protected_memory.h"

namespace vtd::dmar {

namespace reg = spec::reg;

void protected_memory::latch(bool enabled) {
  active_ = enabled;
  low_ = {};
  high_ = {};
  if (!enabled) return;
  // The low bits of a limit read 0 and count as ones (VT-d 10.4.18, 10.4.20).
  const std::uint64_t below = registers_.below_protected_region();
  if (registers_.has<reg::plmbase>()) {
    low_ = {registers_.read<reg::plmbase>(), registers_.read<reg::plmlimit>() | below};
  }
  if (registers_.has<reg::phmbase>()) {
    high_ = {registers_.read<reg::phmbase>(), registers_.read<reg::phmlimit>() | below};
  }
}

} // namespace vtd::dmar
