// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/function_list.h"
#include "vtd/models/root_complex.h"

#include <string>
#include <vector>

namespace vtdsim {

/// What an enumeration found, and where the two configuration mechanisms disagree.
struct scan_result {
  /// In the order of bus, device and function; aliases and parents follow from what configuration space says.
  std::vector<vtd::driver::pci_function> functions;
  /// Differences between CF8h/CFCh and memory-mapped configuration space, in words; empty: none.
  std::vector<std::string> differences;
  unsigned buses = 0;
  /// Functions that were read by both mechanisms.
  unsigned compared = 0;
};

/// Finds the PCI functions as system software does: from bus 0 down, through the CPU's ports CF8h and CFCh,
/// into every bridge by the bus number in its register. Each function's first registers are read by
/// memory-mapped configuration space, too, where it reaches. Must run in the machine's CPU program.
[[nodiscard]] scan_result scan_functions(vtd::models::root_complex& machine);

/// How what was found differs from the machine's own tree, one line each: functions that no enumeration can
/// reach (function 0 missing, or not marked as one of several), wrong bus numbers or source-ids.
[[nodiscard]] std::vector<std::string> compare_with_tree(const scan_result& found,
                                                         const vtd::pci_topology::topology& tree);

} // namespace vtdsim
