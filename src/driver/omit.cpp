// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/omit.h"

#include <algorithm>
#include <array>

namespace vtd::driver {

namespace {

constexpr std::array all_omissions{
    omission{"root-entry-flush",
             "no clflush of a root entry: a unit that is not coherent finds no root entry",
             &omit::root_entry_flush},
    omission{"context-entry-flush",
             "no clflush of a context entry: a unit that is not coherent finds the old one or none",
             &omit::context_entry_flush},
    omission{
        "leaf-entry-flush",
        "no clflush of page-table leaves: a unit that is not coherent misses what was mapped or unmapped",
        &omit::leaf_entry_flush},
    omission{
        "table-entry-flush",
        "no clflush of entries that point to tables: a unit that is not coherent does not find the table",
        &omit::table_entry_flush},
    omission{
        "new-table-flush",
        "no clflush of a new table's zeroes: a unit that is not coherent reads what was in the page before",
        &omit::new_table_flush},
    omission{"write-buffer-flush",
             "no GCMD.WBF: table stores stay in the chipset's write buffer while the unit reads memory",
             &omit::write_buffer_flush},
    omission{
        "context-invalidation-at-start",
        "no global context-cache invalidation after the root table was set: entries of an earlier table live",
        &omit::context_invalidation_at_start},
    omission{
        "iotlb-invalidation-at-start",
        "no global IOTLB invalidation after the root table was set: translations of an earlier table live",
        &omit::iotlb_invalidation_at_start},
    omission{"context-invalidation-on-detach",
             "no context-cache invalidation when a function leaves: it goes on in its old domain",
             &omit::context_invalidation_on_detach, occasion::detach},
    omission{
        "iotlb-invalidation-on-detach",
        "no IOTLB invalidation when a domain leaves a unit: the next owner of the domain-id sees its memory",
        &omit::iotlb_invalidation_on_detach, occasion::detach},
    omission{"iotlb-invalidation-on-unmap",
             "no IOTLB invalidation after an unmap: the device still reaches the page",
             &omit::iotlb_invalidation_on_unmap, occasion::unmap},
    omission{"invalidation-on-map",
             "no IOTLB invalidation after a map where CAP.CM = 1: the old absence is cached",
             &omit::invalidation_on_map},
    omission{
        "invalidation-of-other-units",
        "only the first unit of a domain is invalidated: devices behind the others use stale translations",
        &omit::invalidation_of_other_units, occasion::unmap},
    omission{
        "invalidation-of-tables",
        "the hint that only leaves changed (IH) although a table was freed: paging-structure caches keep it",
        &omit::invalidation_of_tables, occasion::unmap},
    omission{"invalidation-alignment",
             "the page count alone gives the mask of a page-selective invalidation: a range that is not "
             "aligned to "
             "it keeps its tail",
             &omit::invalidation_alignment, occasion::unmap},
    omission{"invalidation-before-free",
             "freed tables go back to the pool before the invalidation: a walk reads a reused page",
             &omit::invalidation_before_free, occasion::unmap},
    omission{"drain", "no drain bits in IOTLB invalidations: reads and writes in flight land after the unmap",
             &omit::drain, occasion::unmap},
    omission{"device-tlb-invalidation",
             "no device-TLB invalidation: a device with ATS reaches the old page after the unmap",
             &omit::device_tlb_invalidation, occasion::unmap},
    omission{
        "present-cleared-first",
        "an active context entry is overwritten without taking P away first: hardware can read half of each",
        &omit::present_cleared_first, occasion::replacement},
    omission{"aliases",
             "only the function's own source-id is set up: requests that carry a bridge's id are blocked",
             &omit::aliases},
    omission{"reserved-regions",
             "no identity maps for RMRRs before translation is on: firmware's devices are blocked",
             &omit::reserved_regions},
    omission{"root-table-pointer",
             "translation is switched on without GCMD.SRTP: the root table is not latched",
             &omit::root_table_pointer},
    omission{"translation-off-first", "translation left on by firmware is not switched off before the start",
             &omit::translation_off_first},
    omission{"command-mask",
             "GCMD is written with GSTS unmasked: one-shot commands such as SRTP are given again",
             &omit::command_mask},
    omission{"status-in-command", "GCMD is written with the one new bit only: what was on goes off",
             &omit::status_in_command},
    omission{"fault-interrupt", "the fault event stays masked: nobody is told of a blocked request",
             &omit::fault_interrupt},
    omission{"fault-clear", "fault records are read but F is not cleared: the records stay full",
             &omit::fault_clear},
    omission{"overflow-clear", "FSTS.PFO is not cleared: no fault is recorded any more after an overflow",
             &omit::overflow_clear},
};

bool same_name(std::string_view a, std::string_view b) {
  const auto plain = [](char c) { return c == '_' ? '-' : c; };
  return std::ranges::equal(a, b, {}, plain, plain);
}

} // namespace

std::span<const omission> omissions() { return all_omissions; }

const omission* find_omission(std::string_view name) {
  const auto found =
      std::ranges::find_if(all_omissions, [&](const omission& o) { return same_name(o.name, name); });
  return found == all_omissions.end() ? nullptr : &*found;
}

} // namespace vtd::driver
