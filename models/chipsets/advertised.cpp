// SPDX-License-Identifier: Apache-2.0
// Which capability bits of real parts the model takes away because their feature is not built yet: advertised
// means implemented. What is built is said in models/compliance.

#include "vtd/models/board.h"
#include "vtd/models/compliance.h"
#include "vtd/spec/registers.h"

#include <string_view>

namespace vtd::models {

namespace {

std::uint64_t without_absent(std::uint64_t value, std::string_view prefix,
                             const spec::register_layout& layout, std::vector<std::string>* masked) {
  const auto take_away = [&](std::uint64_t bits, std::string_view name) {
    if ((value & bits) == 0) return;
    value &= ~bits;
    if (masked != nullptr) masked->emplace_back(name);
  };
  for (const spec::field_row& field : layout.fields) {
    if (capability_status(std::string(prefix) + std::string(field.name)) == compliance_status::absent)
      take_away(field.mask(), field.name);
  }
  take_away(layout.reserved(), "reserved bits");
  return value;
}

} // namespace

spec::cap advertised(const spec::cap& real, std::vector<std::string>* masked) {
  return spec::cap{without_absent(real.value, "CAP.", spec::reg::cap_reg::layout, masked)};
}

spec::ecap advertised(const spec::ecap& real, std::vector<std::string>* masked) {
  spec::ecap out{without_absent(real.value, "ECAP.", spec::reg::ecap_reg::layout, masked)};
  // Devices are told by the queue alone (VT-d 6.5.2.5).
  if (out.dt() && !out.qi()) {
    out.set_dt(false);
    if (masked != nullptr) masked->emplace_back("DT");
  }
  // A flag of their requests (VT-d 10.4.3).
  if (out.nwfs() && !out.dt()) {
    out.set_nwfs(false);
    if (masked != nullptr) masked->emplace_back("NWFS");
  }
  return out;
}

} // namespace vtd::models
