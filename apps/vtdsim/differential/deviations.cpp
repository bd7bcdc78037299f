// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/deviations.h"

#include "vtd/spec/registers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

namespace {

// Where the variants have their fault record and IOTLB registers.
std::uint32_t fault_record_high(const circumstances& when) {
  return when.run->how->capabilities().cap.fault_record_offset() + reg::frcd_hi::offset;
}

bool is_dword_or_more_of(const difference& what, std::uint32_t offset) {
  return what.what == difference::kind::register_value && what.address <= offset &&
         offset < what.address + what.bytes;
}

// The bits of a 64-bit register that an access of 4 or 8 bytes sees, right-aligned as the access has them.
std::uint64_t seen_of(std::uint64_t mask, const difference& what, std::uint32_t offset) {
  return what.address >= offset ? mask >> (8 * (what.address - offset)) : mask << (8 * (offset - what.address));
}

bool differs_in(std::uint64_t mask, const difference& what, std::uint32_t offset) {
  return ((what.ours ^ what.theirs) & ~seen_of(mask, what, offset)) == 0;
}

bool pasid_bits(const difference& what, const circumstances& when) {
  const std::uint32_t at = fault_record_high(when);
  if (!is_dword_or_more_of(what, at) && !is_dword_or_more_of(what, at + 4)) return false;
  return differs_in(reg::frcd_hi::pv::mask, what, at);
}

constexpr std::array deviations{
    deviation{"fault_record_pasid", side::qemu, "10.4.14",
              "QEMU stores the PASID \"none\" (all ones) of a request without one in PV; PV means nothing "
              "while PP = 0, and has no place in records of legacy mode",
              pasid_bits, false},
    deviation{name::compression, side::open, "7.3.1",
              "a part may drop a fault of a requester that has a record already. QEMU does, and so does our "
              "unit when it is configured so, as it is here; without it PFO would be set",
              nullptr, false},
    deviation{name::stale, side::open, "6.2, 6.5",
              "memory was changed and no invalidation has made the unit forget; the old entry and the new one "
              "are both right. QEMU's result is that of one of our cache configurations",
              nullptr, true},
};

} // namespace

const sample* circumstances::find(std::uint32_t offset) const {
  const auto found =
      std::find_if(samples.begin(), samples.end(), [=](const sample& s) { return s.offset == offset; });
  return found == samples.end() ? nullptr : &*found;
}

std::string_view to_string(side who) {
  switch (who) {
  case side::qemu:
    return "QEMU";
  case side::open:
    return "left open";
  case side::ours:
    return "not built yet";
  }
  return "?";
}

std::string to_string(const difference& what) {
  switch (what.what) {
  case difference::kind::memory:
    return fmt::format("memory at {:#x}: ours {:#04x}, QEMU's {:#04x}", what.address, what.ours, what.theirs);
  case difference::kind::buffer:
    return fmt::format("buffer of device {}: the first different byte is {:#x}", what.address, what.ours);
  case difference::kind::register_value:
    break;
  }
  return fmt::format("register {:#05x}, {} bytes: ours {:#x}, QEMU's {:#x}", what.address, what.bytes, what.ours,
                     what.theirs);
}

std::span<const deviation> all_deviations() { return deviations; }

} // namespace vtdsim::differential
