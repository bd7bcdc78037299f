// SPDX-License-Identifier: Apache-2.0
#pragma once

// The PCI functions of the machine as the driver is told of them: who they are, what they are behind, and
// which source-ids their requests may carry. The driver does not read configuration space itself,
// but for the registers of address translation services.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vtd/spec/address.h"

namespace vtd::driver {

/// A function's place in the machine: segment and source-id.
struct function_address {
  std::uint16_t segment = 0;
  spec::source_id id{};
  friend bool operator==(const function_address&, const function_address&) = default;
};

/// "00:1d.0", or "0001:00:1d.0" outside segment 0.
[[nodiscard]] std::string to_string(const function_address& address);

/// One PCI function.
struct pci_function {
  function_address address;
  std::uint16_t vendor = 0; ///< 0 when not known; with `device` it finds chipsets with known errata
  std::uint16_t device = 0;
  std::uint32_t class_code = 0; ///< 24 bits: base class, sub-class, programming interface
  /// True for type-1 headers; then `secondary_bus` is the bus below it.
  bool bridge = false;
  std::uint8_t secondary_bus = 0;
  /// The bridge above; none on a root bus.
  std::optional<spec::source_id> parent;
  /// Further source-ids its requests may carry: the bridge's for conventional PCI functions, phantom
  /// functions.
  std::vector<spec::source_id> aliases;
  /// Where the dword at offset 4 of its ATS capability lies in memory-mapped configuration space, a host
  /// physical address (`spec::ats::function_registers`); 0: it has none, or that cannot be reached.
  std::uint64_t ats_registers = 0;
};

} // namespace vtd::driver
