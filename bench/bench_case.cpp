// SPDX-License-Identifier: Apache-2.0
#include "bench_case.h"

#include <algorithm>

namespace vtd::bench {

std::vector<fact> bench_case::facts() {
  std::vector<fact> out = totals();
  const auto items = static_cast<double>(std::max<std::uint64_t>(done_, 1));
  for (std::size_t i = 0; i < out.size() && i < before_.size(); ++i)
    out[i].value = (out[i].value - before_[i].value) / items;
  return out;
}

case_list all_cases() {
  case_list cases;
  add_core_cases(cases);
  add_platform_cases(cases);
  add_board_cases(cases);
  add_driver_cases(cases);
  return cases;
}

std::vector<const case_entry*> find_cases(const case_list& cases, std::string_view name) {
  std::vector<const case_entry*> out;
  for (const case_entry& each : cases) {
    const bool is_kind = each.name.starts_with(name) && each.name.substr(name.size()).starts_with('/');
    if (each.name == name || is_kind) out.push_back(&each);
  }
  return out;
}

} // namespace vtd::bench
