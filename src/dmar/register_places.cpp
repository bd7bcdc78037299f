// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/register_places.h"

#include <sstream>

namespace vtd::dmar {

namespace reg = spec::reg;

namespace {

constexpr std::string_view iotlb_registers = "IVA_REG and IOTLB_REG";

bool overlap(const register_place& a, const register_place& b) {
  return a.first < b.first + b.bytes && b.first < a.first + a.bytes;
}

std::string text_of(const register_place& at) {
  std::ostringstream out;
  out << std::hex << "0x" << at.first << " to 0x" << at.first + at.bytes - 1;
  return out.str();
}

} // namespace

std::optional<register_conflict> find_register_conflict(const spec::cap& capability,
                                                        const spec::ecap& extended,
                                                        spec::spec_revision revision) {
  const register_place faults{capability.fault_record_offset(),
                              std::uint64_t{16} * capability.fault_records()};
  const register_place iotlb{extended.iotlb_offset(), 16};
  for (const spec::register_layout& layout : reg::all_registers()) {
    if (layout.base != spec::register_base::block ||
        !layout.exists_in(revision, capability.value, extended.value)) {
      continue;
    }
    const register_place taken{layout.offset, layout.size_bits / 8};
    if (overlap(faults, taken)) return register_conflict{false, faults, layout.name, taken};
    if (overlap(iotlb, taken)) return register_conflict{true, iotlb, layout.name, taken};
  }
  if (overlap(faults, iotlb)) return register_conflict{false, faults, iotlb_registers, iotlb};
  return std::nullopt;
}

std::string to_string(const register_conflict& what) {
  std::string out = what.by_ecap ? "ECAP.IRO that puts " + std::string(iotlb_registers)
                                 : "CAP.FRO and CAP.NFR that put the fault records";
  return out + ", at " + text_of(what.at) +
         " of the block, where no other register stands: " + std::string(what.other) + " at " +
         text_of(what.taken);
}

} // namespace vtd::dmar
