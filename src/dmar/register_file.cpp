// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/register_file.h"

#include <algorithm>

namespace vtd::dmar {

namespace reg = spec::reg;

register_file::register_file(const remap::capabilities& caps, unsigned protected_region_shift)
    : caps_(caps), protected_region_shift_(protected_region_shift) {
  dwords_.resize(spec::register_block_bytes(caps_.cap, caps_.ecap) / 4);
  for_each([this](const spec::register_layout& layout, unsigned, std::uint32_t offset, std::uint64_t) {
    const std::uint64_t gone = unimplemented(layout);
    for (unsigned half = 0; half < layout.size_bits / 32; ++half) {
      const auto part = [half](std::uint64_t mask) {
        return static_cast<std::uint32_t>(half == 0 ? mask : mask >> 32);
      };
      dword& d = dwords_[offset / 4 + half];
      d.reset = part(layout.reset());
      d.writable = part(layout.writable() & ~gone);
      d.write_one_to_clear = part(layout.write_one_to_clear() & ~gone);
      d.readable = part(layout.readable() & ~gone);
      d.sticky = part(layout.sticky());
    }
  });
  // They read as the part has them, with fields that only earlier revisions have (ECAP.NIU).
  const auto preset = [this](std::uint32_t offset, std::uint64_t value) {
    for (const unsigned half : {0U, 1U}) {
      dword& d = dwords_[offset / 4 + half];
      d.reset = static_cast<std::uint32_t>(value >> 32 * half);
      d.readable |= d.reset;
    }
  };
  preset(reg::cap_reg::offset, caps_.cap.value);
  preset(reg::ecap_reg::offset, caps_.ecap.value);
  dwords_[reg::version::offset / 4].reset = caps_.version;
  reset(true);
}

spec::spec_revision register_file::revision() const {
  return reg::newest_revision(caps_.version, caps_.ecap);
}

// Bits that a capability takes away read 0 and ignore writes (VT-d 10.4).
std::uint64_t register_file::unimplemented(const spec::register_layout& layout) const {
  const std::uint64_t beyond_host = ~spec::low_bits(caps_.host_address_width);
  switch (layout.base) {
  case spec::register_base::block:
    break;
  case spec::register_base::iotlb:
    if (layout.offset == reg::iotlb::offset) {
      return std::uint64_t{reg::iotlb::did::mask} &
             ~(spec::low_bits(caps_.cap.domain_id_bits()) << reg::iotlb::did::lsb);
    }
    return 0;
  case spec::register_base::fault:
    return 0;
  }
  switch (layout.offset) {
  case reg::rtaddr::offset:
    return beyond_host | (caps_.ecap.smts() || caps_.ecap.adms() ? 0 : reg::rtaddr::ttm::mask);
  case reg::ccmd::offset:
    return reg::ccmd::did::mask & ~spec::low_bits(caps_.cap.domain_id_bits());
  case reg::fedata::offset:
  case reg::iedata::offset:
    return caps_.ecap.eim() ? 0 : reg::fedata::eimd::mask;
  case reg::plmbase::offset:
  case reg::plmlimit::offset:
    return below_protected_region();
  case reg::phmbase::offset:
  case reg::phmlimit::offset:
    return below_protected_region() | beyond_host;
  case reg::aflog::offset:
    return beyond_host;
  case reg::iqa::offset:
    // VT-d 6.5.2: descriptors of 256 bits came with the modes that need them.
    return beyond_host | (caps_.ecap.smts() || caps_.ecap.adms() ? 0 : reg::iqa::dw::mask);
  case reg::irta::offset:
    return beyond_host | (caps_.ecap.eim() ? 0 : reg::irta::eime::mask);
  default:
    return 0;
  }
}

std::uint64_t register_file::read_bytes(std::uint32_t offset, unsigned bytes) const {
  if (!is_legal(offset, bytes)) return 0;
  const dword& low = dwords_[offset / 4];
  std::uint64_t value = low.value & low.readable;
  if (bytes == 8) {
    const dword& high = dwords_[offset / 4 + 1];
    value |= std::uint64_t{high.value & high.readable} << 32;
  }
  return value;
}

void register_file::write_dword(std::uint32_t offset, std::uint32_t value) {
  dword& d = dwords_[offset / 4];
  d.value = (d.value & ~d.writable) | (value & d.writable);
  d.value &= ~(value & d.write_one_to_clear);
}

void register_file::reset(bool power_on) {
  for (dword& d : dwords_) {
    const std::uint32_t kept = power_on ? 0 : d.sticky;
    d.value = (d.value & kept) | (d.reset & ~kept);
  }
}

} // namespace vtd::dmar
