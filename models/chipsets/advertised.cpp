// SPDX-License-Identifier: Apache-2.0
// Which capability bits of real parts the model takes away because their feature is not built yet: advertised
// means implemented.

#include "vtd/models/board.h"

#include <string_view>

namespace vtd::models {

namespace {

template <class Field>
void mask(std::uint64_t& value, std::string_view name, std::vector<std::string>* masked) {
  if (Field::get(value) == 0) return;
  value = Field::set(value, 0);
  if (masked != nullptr) masked->emplace_back(name);
}

} // namespace

spec::cap advertised(const spec::cap& real, std::vector<std::string>* masked) {
  spec::cap out = real;
  mask<spec::cap::afl_field>(out.value, "AFL", masked);
  mask<spec::cap::fl1gp_field>(out.value, "FL1GP", masked);
  mask<spec::cap::pi_field>(out.value, "PI", masked);
  mask<spec::cap::fl5lp_field>(out.value, "FL5LP", masked);
  mask<spec::cap::ecmds_field>(out.value, "ECMDS", masked);
  mask<spec::cap::esirtps_field>(out.value, "ESIRTPS", masked);
  return out;
}

spec::ecap advertised(const spec::ecap& real, std::vector<std::string>* masked) {
  spec::ecap out = real;
  mask<spec::ecap::dt_field>(out.value, "DT", masked);
  mask<spec::ecap::ir_field>(out.value, "IR", masked);
  mask<spec::ecap::eim_field>(out.value, "EIM", masked);
  mask<spec::ecap::mhmv_field>(out.value, "MHMV", masked);
  // Everything of revision 2 and later, up to the highest bit.
  constexpr std::uint64_t later = ~std::uint64_t{0} << 24;
  if ((out.value & later) != 0) {
    out.value &= ~later;
    if (masked != nullptr) masked->emplace_back("bits 63:24 (revision 2 and later)");
  }
  return out;
}

} // namespace vtd::models
