// SPDX-License-Identifier: Apache-2.0
// Which capability bits of real parts the model takes away because their feature is not built yet: advertised
// means implemented. What is built is said in models/compliance.

#include "vtd/models/board.h"
#include "vtd/models/compliance.h"
#include "vtd/spec/outline.h"
#include "vtd/spec/registers.h"

#include <string_view>

namespace vtd::models {

namespace {

// `keeps`: bits that are something else in the part's revision, and stay.
std::uint64_t without_absent(std::uint64_t value, std::string_view prefix,
                             const spec::register_layout& layout, std::uint64_t keeps,
                             std::vector<std::string>* masked) {
  const auto take_away = [&](std::uint64_t bits, std::string_view name) {
    if ((value & bits & ~keeps) == 0) return;
    value &= ~bits | keeps;
    if (masked != nullptr) masked->emplace_back(name);
  };
  for (const spec::field_row& field : layout.fields) {
    if (capability_status(std::string(prefix) + std::string(field.name)) == compliance_status::absent)
      take_away(field.mask(), field.name);
  }
  take_away(layout.reserved(), "reserved bits");
  return value;
}

// The bits of ECAP that a part of this revision has as fields of that revision alone, where they are built.
std::uint64_t earlier_bits(spec::spec_revision revision) {
  std::uint64_t out = 0;
  for (const spec::earlier_field& field : spec::earlier_fields) {
    if (field.offset != spec::reg::ecap_reg::offset || revision < field.since || revision > field.until)
      continue;
    const std::string name = std::string(field.register_name) + '.' + std::string(field.name);
    if (capability_status(name) != compliance_status::absent) out |= field.mask();
  }
  return out;
}

} // namespace

spec::cap advertised(const spec::cap& real, std::vector<std::string>* masked) {
  return spec::cap{without_absent(real.value, "CAP.", spec::reg::cap_reg::layout, 0, masked)};
}

spec::ecap advertised(const spec::ecap& real, std::vector<std::string>* masked,
                      spec::spec_revision revision) {
  spec::ecap out{
      without_absent(real.value, "ECAP.", spec::reg::ecap_reg::layout, earlier_bits(revision), masked)};
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
  // Fields of their descriptors (VT-d 10.4.3).
  if (out.dit() && !out.dt()) {
    out.set_dit(false);
    if (masked != nullptr) masked->emplace_back("DIT");
  }
  return out;
}

} // namespace vtd::models
