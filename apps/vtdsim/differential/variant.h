// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/config.h"

#include <span>
#include <string>
#include <string_view>

namespace vtdsim::differential {

/// One way to configure QEMU's unit, and ours alike.
struct variant {
  std::string_view name;
  /// aw-bits: input and host address width; 39 or 48.
  unsigned address_width = 48;
  bool caching_mode = false;
  bool device_tlb = false;
  bool snoop_control = false;
  bool pass_through = true;
  bool drain = true;
  bool interrupt_remapping = false;

  /// CAP and ECAP as QEMU shows them.
  [[nodiscard]] vtd::remap::capabilities capabilities() const;
  /// The properties behind `-device intel-iommu,`.
  [[nodiscard]] std::string qemu_properties() const;
};

/// All variants that are run, in a fixed order.
[[nodiscard]] std::span<const variant> all_variants();
/// The variant of that name, or null.
[[nodiscard]] const variant* find_variant(std::string_view name);

} // namespace vtdsim::differential
