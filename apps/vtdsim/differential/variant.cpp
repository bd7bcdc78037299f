// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/variant.h"

#include <fmt/format.h>

#include <array>

namespace vtdsim::differential {

namespace {
constexpr std::array<variant, 6> variants{{
    {.name = "wide"},
    {.name = "narrow", .address_width = 39},
    {.name = "caching_mode", .caching_mode = true},
    {.name = "device_tlb", .address_width = 39, .device_tlb = true},
    {.name = "snoop_control", .snoop_control = true, .interrupt_remapping = true},
    {.name = "plain", .address_width = 39, .pass_through = false, .drain = false},
}};

// Where QEMU has its registers.
constexpr unsigned fault_records_at = 0x220;
constexpr unsigned iotlb_registers_at = 0xf0;
} // namespace

vtd::remap::capabilities variant::capabilities() const {
  vtd::remap::capabilities caps;
  const bool wide = address_width > 39;
  caps.cap.set_nd(6).set_cm(caching_mode).set_sagaw(wide ? 0b110 : 0b010).set_mgaw(address_width);
  caps.cap.set_fault_record_offset(fault_records_at).set_fault_records(1);
  caps.cap.set_sps(0b11).set_psi(true).set_mamv(18).set_dwd(drain).set_drd(drain);
  caps.ecap.set_qi(true).set_pt(pass_through).set_sc(snoop_control).set_dt(device_tlb);
  caps.ecap.set_iotlb_offset(iotlb_registers_at);
  caps.ecap.set_ir(interrupt_remapping);
  caps.ecap.set_mhmv(interrupt_remapping ? 15 : 0);
  caps.host_address_width = address_width;
  return caps;
}

std::string variant::qemu_properties() const {
  const auto on = [](bool value) { return value ? "on" : "off"; };
  return fmt::format("aw-bits={},caching-mode={},device-iotlb={},snoop-control={},pt={},dma-drain={},"
                     "intremap={},eim=off",
                     address_width, on(caching_mode), on(device_tlb), on(snoop_control), on(pass_through),
                     on(drain), on(interrupt_remapping));
}

std::span<const variant> all_variants() { return variants; }

const variant* find_variant(std::string_view name) {
  for (const variant& each : variants) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

} // namespace vtdsim::differential
