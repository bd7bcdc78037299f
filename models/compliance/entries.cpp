// SPDX-License-Identifier: Apache-2.0
// The fields of the entries in memory, as include/vtd/spec/entries.h has them.

#include "statements.h"

namespace vtd::models {

std::vector<table_entry_row> table_entries() {
  using namespace detail;
  constexpr std::string_view walk = "conformance.naive_walk.agrees_with_the_unit_over_random_tables";
  return {
      {"root", "P", "9.1", "present", second, "remap.translator.lrt_2_the_root_entry_is_not_present"},
      {"root", "CTP", "9.1", "context table", second, walk},
      {"root", "reserved bits", "9.1", "all others, and those of CTP beyond the host address width", second,
       "remap.translator.lrt_3_a_reserved_bit_is_set_in_the_root_entry"},
      {"context", "P", "9.3", "present", second, "remap.translator.lct_2_the_context_entry_is_not_present"},
      {"context", "FPD", "9.3, 7.2.1", "faults from here on are not recorded, present or not", second,
       "remap.translator.fpd_suppresses_qualified_conditions_only"},
      {"context", "TT", "9.3", "kind of translation, by ECAP.DT and ECAP.PT", second,
       "remap.translator.lct_4_2_a_translation_type_that_the_part_does_not_have"},
      {"context", "EH, ALH", "9.3",
       "hints (revision 1): reserved without ECAP.CH, and nothing follows from them", second,
       "conformance.capability_bits.ch_says_whether_contexts_may_have_hints"},
      {"context", "SLPTPTR", "9.3", "top table, or the only one that is not there: LCT.4.3", second,
       "remap.translator.lct_4_3_the_top_table_cannot_be_read"},
      {"context", "AW", "9.3", "width and levels, by SAGAW", second,
       "remap.translator.lct_4_1_a_width_that_sagaw_does_not_name"},
      {"context", "AVAIL", "9.3", "for software: ignored", second, walk},
      {"context", "DID", "9.3", "domain-id, as many bits as CAP.ND gives", by_hand,
       "conformance.register_fields.bits_of_a_domain_id_that_nd_does_not_give_are_reserved"},
      {"context", "reserved bits", "9.3", "all others, and those of SLPTPTR beyond the host address width",
       second, "remap.translator.lct_3_a_reserved_bit_is_set_in_the_context_entry"},
      {"paging", "R", "9.8, 3.7.1", "right to read, of all levels together", second,
       "remap.translator.rights_are_the_and_of_all_levels"},
      {"paging", "W", "9.8, 3.7.1", "right to write, of all levels together; with R = 0 not present", second,
       "remap.translator.rights_are_the_and_of_all_levels"},
      {"paging", "SP", "9.8, 3.6", "a leaf of 2 MB, 1 GB or more, by CAP.SPS", second,
       "conformance.capability_bits.sps_says_which_sizes_of_pages_work"},
      {"paging", "SNP", "9.8", "snooping is forced, where ECAP.SC = 1; reserved else", second,
       "dmar.no_snoop.counts_but_where_a_page_forces_snooping"},
      {"paging", "ADDR", "9.8", "next table or page", second, walk},
      {"paging", "TM", "9.8",
       "transient mapping, a hint for device-TLBs: reserved without ECAP.DT, and since revision 3", second,
       "remap.translator.lsl_2_transient_mapping_where_no_device_tlb_or_a_revision_has_taken_it_back"},
      {"paging", "reserved bits", "9.8", "by level and capability; of what is not present none", second,
       "remap.translator.lsl_2_a_reserved_bit_is_set_in_a_paging_entry"},
      {"paging", "ignored bits", "9.8", "all others: for software", second,
       "remap.translator.ignored_bits_of_a_paging_entry_do_no_harm"},
  };
}

} // namespace vtd::models
