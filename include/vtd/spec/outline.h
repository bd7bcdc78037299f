// SPDX-License-Identifier: Apache-2.0
#pragma once

// What VT-d has beyond the declarations of this room, by name only, so that silence is never taken for
// support: commands with their forms, and the conditions and registers whose layout is not declared yet.

#include "vtd/spec/access.h"
#include "vtd/spec/invalidation.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace vtd::spec {

// Beside those of access.h.
inline constexpr spec_revision rev_2_1 = 0x21;
inline constexpr spec_revision rev_2_3 = 0x23;

/// A granularity that CCMD or IOTLB_REG can name.
struct granularity_info {
  unsigned value = 0;
  std::string_view name;
};
/// CIRG, in the order of its values (VT-d 10.4.7).
inline constexpr std::array<granularity_info, 4> context_granularities{{
    {static_cast<unsigned>(context_granularity::none), "none"},
    {static_cast<unsigned>(context_granularity::global), "global"},
    {static_cast<unsigned>(context_granularity::domain), "domain"},
    {static_cast<unsigned>(context_granularity::device), "device"},
}};
/// IIRG, in the order of its values (VT-d 10.4.8.1).
inline constexpr std::array<granularity_info, 4> iotlb_granularities{{
    {static_cast<unsigned>(iotlb_granularity::none), "none"},
    {static_cast<unsigned>(iotlb_granularity::global), "global"},
    {static_cast<unsigned>(iotlb_granularity::domain), "domain"},
    {static_cast<unsigned>(iotlb_granularity::page), "page"},
}};

namespace detail {
inline constexpr std::string_view context_forms[] = {"global", "domain", "device"};
inline constexpr std::string_view iotlb_forms[] = {"global", "domain", "page"};
inline constexpr std::string_view device_tlb_forms[] = {"one page", "range"};
inline constexpr std::string_view interrupt_forms[] = {"global", "index"};
inline constexpr std::string_view wait_forms[] = {"interrupt", "status write", "fence", "page-request drain"};
inline constexpr std::string_view pasid_iotlb_forms[] = {"all pages", "page"};
inline constexpr std::string_view pasid_cache_forms[] = {"domain", "PASID", "global"};
inline constexpr std::string_view any_form[] = {"any"};
} // namespace detail

/// A descriptor of the invalidation queue.
struct descriptor_info {
  /// Bits 11:9 and 3:0.
  unsigned type = 0;
  std::string_view name;
  /// What it can ask for.
  std::span<const std::string_view> forms;
  /// Section of the VT-d specification.
  std::string_view section;
  spec_revision since = rev_1_0;
};
/// All of them, in the order of types from 1 on. Those of a `descriptor_type` have their layout in
/// invalidation.h.
inline constexpr std::array<descriptor_info, 10> all_descriptors{{
    {static_cast<unsigned>(descriptor_type::context_cache), "context-cache", detail::context_forms,
     "6.5.2.1"},
    {static_cast<unsigned>(descriptor_type::iotlb), "IOTLB", detail::iotlb_forms, "6.5.2.3"},
    {static_cast<unsigned>(descriptor_type::device_tlb), "device-TLB", detail::device_tlb_forms, "6.5.2.5"},
    {static_cast<unsigned>(descriptor_type::interrupt_entry_cache), "interrupt-entry-cache",
     detail::interrupt_forms, "6.5.2.7"},
    {static_cast<unsigned>(descriptor_type::wait), "wait", detail::wait_forms, "6.5.2.8"},
    {6, "PASID-based IOTLB", detail::pasid_iotlb_forms, "6.5.2.4", rev_3_0},
    {7, "PASID-cache", detail::pasid_cache_forms, "6.5.2.2", rev_3_0},
    {8, "PASID-based device-TLB", detail::device_tlb_forms, "6.5.2.6", rev_3_0},
    {9, "page-group response", detail::any_form, "7.7", rev_3_0},
    {10, "page-stream response (rev 2.x)", detail::any_form, "7.7", rev_2_1},
}};

/// A fault reason that has no `fault_condition` yet: of scalable mode, and one of interrupt remapping; `name`
/// as in revision 4.
struct reason_outline {
  unsigned code = 0;
  std::string_view name;
  std::string_view text;
};
inline constexpr std::array<reason_outline, 52> later_reasons{{
    {0x29, "IR.10", "not confirmed: an interrupt request of a kind that is not allowed"},
    {0x30, "RTA.1", "the mode of translation is not supported"},
    {0x31, "RTA.2", "a request with PASID in legacy mode; ours carry none"},
    {0x32, "RTA.3", "a page request in legacy mode; ours ask for none"},
    {0x33, "RTA.4", "not confirmed: probably a request in abort-DMA mode"},
    {0x38, "SRT.1", "the root entry could not be read"},
    {0x39, "SRT.2", "the half of the root entry is not present"},
    {0x3a, "SRT.3", "a reserved bit is set in the root entry"},
    {0x40, "SCT.1", "the context entry could not be read"},
    {0x41, "SCT.2", "the context entry is not present"},
    {0x42, "SCT.3", "a reserved bit is set in the context entry"},
    {0x43, "SCT.4", "the context entry is invalid"},
    {0x44, "SCT.5", "a translation or translated request without a device-TLB"},
    {0x45, "SCT.6", "a request with PASID where none is enabled"},
    {0x46, "SCT.7", "a PASID beyond the directory"},
    {0x47, "SCT.8", "a page request where none is enabled"},
    {0x48, "SCT.9", "the PASID for requests without one is wrong"},
    {0x50, "SPD.1", "the PASID directory could not be read"},
    {0x51, "SPD.2", "the entry of the PASID directory is not present"},
    {0x52, "SPD.3", "a reserved bit is set in the PASID directory"},
    {0x58, "SPT.1", "the PASID table could not be read"},
    {0x59, "SPT.2", "the PASID entry is not present"},
    {0x5a, "SPT.3", "a reserved bit is set in the PASID entry"},
    {0x5b, "SPT.4", "the PASID entry is invalid"},
    {0x5c, "SPT.5", "an execute request where none is enabled"},
    {0x5d, "SPT.6", "a supervisor request where none is enabled"},
    {0x70, "SFS.1", "a first-stage table below the top could not be read"},
    {0x71, "SFS.2", "the first-stage entry is not present"},
    {0x72, "SFS.3", "a reserved bit is set in a first-stage entry"},
    {0x73, "SFS.4", "the top first-stage table could not be read"},
    {0x74, "SFS.5", "nested: a first-stage table is beyond the second stage"},
    {0x75, "SFS.6", "nested: the top first-stage table is not readable"},
    {0x76, "SFS.7", "nested: another first-stage table is not readable"},
    {0x77, "SFS.8", "nested: a first-stage table is not writable for its flags"},
    {0x78, "SSS.1", "a second-stage table below the top could not be read"},
    {0x79, "SSS.2", "the second-stage entry is not present"},
    {0x7a, "SSS.3", "a reserved bit is set in a second-stage entry"},
    {0x7b, "SSS.4", "the top second-stage table could not be read"},
    {0x7c, "SSS.5", "accessed or dirty flags where walks do not snoop"},
    {0x7d, "SSS.6", "accessed or dirty flags could not be set"},
    {0x80, "SGN.1", "the first-stage address is not canonical"},
    {0x81, "SGN.2", "a user request to a supervisor page"},
    {0x82, "SGN.3", "an execute request to a page that forbids it"},
    {0x83, "SGN.4", "the address is beyond the host address width"},
    {0x84, "SGN.5", "the address is beyond the second stage"},
    {0x85, "SGN.6", "the page is not writable"},
    {0x86, "SGN.7", "the page is not readable"},
    {0x87, "SGN.8", "the translation leads into the interrupt range"},
    {0x88, "SGN.9", "not confirmed"},
    {0x89, "SGN.10", "not confirmed"},
    {0x90, "SFS.9", "first-stage flags where walks do not snoop"},
    {0x91, "SFS.10", "first-stage flags could not be set"},
}};

/// Registers without a declared layout, from PQH on.
struct register_outline {
  std::string_view name;
  std::uint32_t offset = 0;
  /// Bytes from the first to the end of the last of this name.
  std::uint32_t bytes = 8;
  spec_revision since = rev_3_0;
  std::string_view text;
};
inline constexpr std::array<register_outline, 31> undeclared_registers{{
    {"PQH_REG", 0x0c0, 8, rev_3_0, "page request queue head"},
    {"PQT_REG", 0x0c8, 8, rev_3_0, "page request queue tail"},
    {"PQA_REG", 0x0d0, 8, rev_3_0, "page request queue address"},
    {"PRS_REG", 0x0dc, 4, rev_3_0, "page request status"},
    {"PECTL_REG", 0x0e0, 4, rev_3_0, "page request event control"},
    {"PEDATA_REG", 0x0e4, 4, rev_3_0, "page request event data"},
    {"PEADDR_REG", 0x0e8, 4, rev_3_0, "page request event address"},
    {"PEUADDR_REG", 0x0ec, 4, rev_3_0, "page request event upper address"},
    {"MTRRCAP_REG", 0x100, 8, rev_3_0, "memory type ranges"},
    {"MTRRDEF_REG", 0x108, 8, rev_3_0, "default memory type"},
    {"MTRR_FIX_REGs", 0x120, 88, rev_3_0, "fixed memory type ranges"},
    {"MTRR_PHYS_REGs", 0x180, 160, rev_3_0, "variable memory type ranges"},
    {"PERFCAP_REG", 0x300, 8, rev_4_0, "performance monitoring: capability"},
    {"PERFCFGOFF_REG", 0x310, 4, rev_4_0, "performance monitoring: place of configuration"},
    {"PERFFRZOFF_REG", 0x314, 4, rev_4_0, "performance monitoring: place of freeze"},
    {"PERFOVFOFF_REG", 0x318, 4, rev_4_0, "performance monitoring: place of overflow"},
    {"PERFCNTROFF_REG", 0x31c, 4, rev_4_0, "performance monitoring: place of counters"},
    {"PERFINTRSTS_REG", 0x324, 4, rev_4_0, "performance monitoring: event status"},
    {"PERFINTRCTL_REG", 0x328, 4, rev_4_0, "performance monitoring: event control"},
    {"PERFINTRDATA_REG", 0x32c, 4, rev_4_0, "performance monitoring: event data"},
    {"PERFINTRADDR_REG", 0x330, 4, rev_4_0, "performance monitoring: event address"},
    {"PERFINTRUADDR_REG", 0x334, 4, rev_4_0, "performance monitoring: event upper address"},
    {"PERFEVNTCAP_REG", 0x380, 8, rev_4_0, "performance monitoring: events"},
    {"ECMD_REG", 0x400, 8, rev_4_0, "enhanced command"},
    {"ECEO_REG", 0x408, 8, rev_4_0, "enhanced command: extended operand"},
    {"ECRSP_REG", 0x410, 8, rev_4_0, "enhanced command: response"},
    {"ECCAP_REGs", 0x430, 32, rev_4_0, "enhanced commands that there are"},
    {"VCMD_REG", 0xe00, 8, rev_3_0, "virtual command (revision 3.3)"},
    {"VCMD_EO_REG", 0xe08, 8, rev_3_3, "virtual command: extended operand"},
    {"VCRSP_REG", 0xe10, 8, rev_3_0, "virtual command: response (revision 3.3)"},
    {"VCCAP_REG", 0xe30, 8, rev_3_0, "virtual commands that there are (revision 3.3)"},
}};

/// A field that earlier revisions have at bits which registers.h declares for later ones, or not at all. None
/// of them came after revision 2.5.
struct earlier_field {
  /// Of the register, and of the field: "ECAP", "NIU".
  std::string_view register_name;
  std::string_view name;
  std::uint32_t offset = 0;
  unsigned msb = 0;
  unsigned lsb = 0;
  /// Section of the VT-d specification.
  std::string_view section;
  /// The first and the last revision that have it.
  spec_revision since = rev_1_0;
  spec_revision until = rev_2_5;
  std::string_view text;

  [[nodiscard]] constexpr std::uint64_t mask() const { return low_bits(msb - lsb + 1) << lsb; }
};
inline constexpr std::array<earlier_field, 4> earlier_fields{{
    {"ECAP", "NIU", 0x010, 31, 24, "10.4.3", rev_1_0, rev_1_1,
     "units of IOTLB invalidation minus one (rev 1.0 and 1.1)"},
    {"ECAP", "PASID_OLD", 0x010, 28, 28, "10.4.3", rev_2_0, rev_2_3, "requests with PASID (rev 2.0 to 2.3)"},
    {"RTADDR_REG", "RTT", 0x020, 11, 11, "10.4.6", rev_2_0, rev_2_5, "extended root table (rev 2.x)"},
    {"FSTS_REG", "PRO", 0x034, 7, 7, "10.4.9", rev_2_0, rev_2_5, "page request queue overflow (rev 2.x)"},
}};

namespace detail {
[[nodiscard]] constexpr bool types_are_in_order() {
  for (std::size_t i = 0; i < all_descriptors.size(); ++i) {
    if (all_descriptors[i].type != i + 1) return false;
  }
  return true;
}
} // namespace detail
static_assert(detail::types_are_in_order());
// Legacy descriptors end with the last enumerator: a new one needs its row above.
static_assert(all_descriptors[static_cast<std::size_t>(descriptor_type::wait) - 1].since == rev_1_0);

} // namespace vtd::spec
