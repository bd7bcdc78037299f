// SPDX-License-Identifier: Apache-2.0
// What is said of each field of CAP_REG and ECAP_REG: one line a row, so that a feature that is built turns
// in one line.

#include "statements.h"

namespace vtd::models::detail {

namespace {
// clang-format off
constexpr statement rows[] = {
    // CAP_REG (VT-d 10.4.2). The test watches the bit over random configurations.
    {"CAP.ND", legacy, implemented, logged, "conformance.capability_bits.nd_says_how_many_domain_ids_there_are"},
    {"CAP.AFL", legacy, implemented, second, "conformance.capability_bits.afl_says_whether_faults_can_go_to_a_log"},
    {"CAP.RWBF", legacy, implemented, second, "conformance.capability_bits.rwbf_says_whether_the_write_buffer_is_drained"},
    {"CAP.PLMR", legacy, implemented, second, "conformance.capability_bits.plmr_and_phmr_say_which_regions_can_be_protected"},
    {"CAP.PHMR", legacy, implemented, second, "conformance.capability_bits.plmr_and_phmr_say_which_regions_can_be_protected"},
    {"CAP.CM", legacy, implemented, second, "conformance.capability_bits.cm_says_whether_what_is_not_present_is_cached"},
    {"CAP.SAGAW", legacy, implemented, qemu, "conformance.capability_bits.sagaw_says_which_depths_of_tables_work"},
    {"CAP.MGAW", legacy, implemented, qemu, "conformance.capability_bits.mgaw_says_how_wide_addresses_are"},
    {"CAP.ZLR", legacy, implemented, second, "conformance.capability_bits.zlr_says_whether_a_zero_length_read_needs_only_the_right_to_write"},
    {"CAP.ISOCH", legacy, stored, logged, "conformance.capability_bits.isoch_is_read_as_the_part_has_it_and_changes_nothing"},
    {"CAP.FRO", legacy, implemented, logged, "conformance.capability_bits.fro_and_nfr_say_where_fault_records_stand_and_how_many"},
    {"CAP.SPS", legacy, implemented, qemu, "conformance.capability_bits.sps_says_which_sizes_of_pages_work"},
    {"CAP.PSI", legacy, implemented, second, "conformance.capability_bits.psi_says_whether_a_page_can_be_invalidated"},
    {"CAP.NFR", legacy, implemented, second, "conformance.capability_bits.fro_and_nfr_say_where_fault_records_stand_and_how_many"},
    {"CAP.MAMV", legacy, implemented, qemu, "conformance.capability_bits.mamv_says_how_many_pages_an_invalidation_can_name"},
    {"CAP.DWD", legacy, implemented, second, "conformance.capability_bits.dwd_and_drd_say_which_requests_an_invalidation_can_wait_for"},
    {"CAP.DRD", legacy, implemented, second, "conformance.capability_bits.dwd_and_drd_say_which_requests_an_invalidation_can_wait_for"},
    {"CAP.FL1GP", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"CAP.PI", interrupt, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"CAP.FL5LP", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"CAP.ECMDS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"CAP.ESIRTPS", interrupt, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"CAP.ESRTPS", legacy, implemented, second, "conformance.capability_bits.esrtps_says_whether_srtp_empties_the_caches"},
    // ECAP_REG (VT-d 10.4.3).
    {"ECAP.C", legacy, implemented, second, "conformance.capability_bits.c_says_whether_walks_see_the_cpu_s_cache"},
    {"ECAP.QI", legacy, implemented, qemu, "conformance.capability_bits.qi_says_whether_there_is_a_queue"},
    {"ECAP.DT", legacy, implemented, second, "conformance.capability_bits.dt_says_whether_devices_may_ask_for_translations"},
    {"ECAP.IR", interrupt, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.EIM", interrupt, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.CH", legacy, implemented, second, "conformance.capability_bits.ch_says_whether_contexts_may_have_hints"},
    {"ECAP.PT", legacy, implemented, qemu, "conformance.capability_bits.pt_says_whether_contexts_may_pass_through"},
    {"ECAP.SC", legacy, implemented, qemu, "conformance.capability_bits.sc_says_whether_leaves_may_ask_for_snooping"},
    {"ECAP.IRO", legacy, implemented, logged, "conformance.capability_bits.iro_says_where_iva_and_iotlb_stand"},
    {"ECAP.MHMV", interrupt, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.ECS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.MTS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.NEST", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.DIS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PRS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.ERS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SRS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.POT", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.NWFS", legacy, implemented, second, "conformance.capability_bits.nwfs_says_whether_a_device_may_ask_to_read_only"},
    {"ECAP.EAFS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PSS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PASID", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.DIT", legacy, implemented, second, "conformance.capability_bits.dit_says_whose_invalidations_are_counted_together"},
    {"ECAP.PDS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SMTS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.VCS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SLADS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SLTS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.FLTS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SMPWCS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.RPS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.TDXIO", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PMS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.ADMS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.RPRIVS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.HPTS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PTRS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.PBDS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    {"ECAP.SMS", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
    // Of earlier revisions.
    {"ECAP.NIU", legacy, stored, nobody, "conformance.capability_bits.niu_is_read_as_the_part_has_it_and_changes_nothing"},
    {"ECAP.PASID_OLD", scalable, absent, nobody, "conformance.capability_bits.what_is_not_built_is_masked_and_behaves_as_absent"},
};
// clang-format on
} // namespace

std::span<const statement> capability_statements() { return rows; }

} // namespace vtd::models::detail
