// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/fault_plan.h"
#include "vtd/models/root_complex.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtdsim {

/// Faults from outside, as `--set inject.*` asks for them:
///   inject.CLASS.EFFECT = chance in a million, 0 to 1000000. CLASS: table_read, queue_fetch, status_write,
///     read, write (on the way from each unit to memory), register (from the CPU to each unit's registers);
///     EFFECT: error, latency, withhold, all_ones.
///   inject.span_ns = how late answers come that are late or withheld; 1000.
///   inject.skip, inject.count = accesses of each unit and class that are let pass first, and hit at most.
///   inject.from_ns = when it begins.
class injection {
public:
  [[nodiscard]] static bool is_key(std::string_view key) { return key.starts_with("inject."); }

  /// Throws std::invalid_argument, one line with key, value and expectation, for what is none of the above.
  void set(std::string_view key, std::string_view value);
  [[nodiscard]] bool empty() const { return rules_.empty(); }

  /// Gives the rules to all injectors of a machine that was built with them.
  void apply(vtd::models::root_complex& machine) const;
  /// One line for each unit and rule: how many accesses were hit.
  [[nodiscard]] std::vector<std::string> report(vtd::models::root_complex& machine) const;

private:
  struct rule {
    std::string name;
    bool of_registers = false;
    vtd::host::fault_rule what;
  };
  // The number of a rule in its injector, by its place in the list.
  [[nodiscard]] std::size_t number_of(std::size_t place) const;

  std::vector<rule> rules_;
  // For all rules.
  vtd::host::fault_rule common_{.span = 1'000'000};
};

} // namespace vtdsim
