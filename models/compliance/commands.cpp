// SPDX-License-Identifier: Apache-2.0
// What is said of each command: one line a row, so that a feature that is built turns in one line.

#include "statements.h"

namespace vtd::models::detail {

namespace {
// clang-format off
constexpr statement rows[] = {
    {"GCMD.CFI", interrupt, absent, nobody, ""},
    {"GCMD.SIRTP", interrupt, absent, nobody, ""},
    {"GCMD.IRE", interrupt, absent, nobody, ""},
    {"GCMD.QIE", legacy, implemented, qemu, "dmar.queue_time.the_queue_is_on_so_long_after_the_command"},
    {"GCMD.WBF", legacy, implemented, second, "dmar.commands.wbf_shows_in_gsts_until_the_write_buffer_has_drained"},
    {"GCMD.EAFL", legacy, implemented, second, "dmar.fault_log.is_taken_over_by_sfl_and_used_from_eafl_on"},
    {"GCMD.SFL", legacy, implemented, second, "dmar.fault_log.is_taken_over_by_sfl_and_used_from_eafl_on"},
    {"GCMD.SRTP", legacy, implemented, qemu, "dmar.commands.a_new_root_table_is_used_from_srtp_on_and_not_from_the_write_of_rtaddr"},
    {"GCMD.TE", legacy, implemented, qemu, "dmar.commands.te_turns_translation_on_and_off"},
    {"CCMD none", legacy, implemented, qemu, "dmar.commands.a_context_invalidation_without_granularity_does_nothing_and_says_so"},
    {"CCMD global", legacy, implemented, qemu, "dmar.commands.a_global_context_invalidation_removes_every_context"},
    {"CCMD domain", legacy, implemented, second, "dmar.commands.a_domain_selective_context_invalidation_leaves_other_domains"},
    {"CCMD device", legacy, implemented, qemu, "dmar.commands.a_changed_context_entry_is_used_after_its_invalidation_and_not_before"},
    {"IOTLB none", legacy, implemented, qemu, "dmar.commands.an_iotlb_invalidation_without_granularity_does_nothing_and_says_so"},
    {"IOTLB global", legacy, implemented, qemu, "dmar.commands.a_global_iotlb_invalidation_removes_every_page"},
    {"IOTLB domain", legacy, implemented, qemu, "dmar.commands.a_domain_selective_iotlb_invalidation_leaves_other_domains"},
    {"IOTLB page", legacy, implemented, qemu, "dmar.commands.a_page_selective_invalidation_covers_its_mask_and_no_more"},
    {"context-cache descriptor: global", legacy, implemented, qemu, "dmar.invalidation_queue.context_descriptors_remove_what_they_name"},
    {"context-cache descriptor: domain", legacy, implemented, second, "dmar.invalidation_queue.context_descriptors_remove_what_they_name"},
    {"context-cache descriptor: device", legacy, implemented, qemu, "dmar.invalidation_queue.a_changed_context_entry_is_seen_after_its_invalidation"},
    {"IOTLB descriptor: global", legacy, implemented, qemu, "dmar.invalidation_queue.a_global_descriptor_removes_all_pages"},
    {"IOTLB descriptor: domain", legacy, implemented, qemu, "dmar.invalidation_queue.a_domain_descriptor_removes_all_pages_of_its_domain"},
    {"IOTLB descriptor: page", legacy, implemented, qemu, "dmar.invalidation_queue.a_page_descriptor_removes_its_pages_only"},
    {"device-TLB descriptor: one page", legacy, implemented, by_hand, "conformance.register_fields.a_device_tlb_descriptor_names_one_page_or_a_range_of_one_device"},
    {"device-TLB descriptor: range", legacy, implemented, by_hand, "conformance.register_fields.a_device_tlb_descriptor_names_one_page_or_a_range_of_one_device"},
    {"interrupt-entry-cache descriptor: global", interrupt, absent, nobody, ""},
    {"interrupt-entry-cache descriptor: index", interrupt, absent, nobody, ""},
    {"wait descriptor: interrupt", legacy, implemented, qemu, "dmar.invalidation_queue.a_wait_with_an_interrupt_sets_iwc_and_sends_the_message"},
    {"wait descriptor: status write", legacy, implemented, qemu, "dmar.invalidation_queue.a_wait_writes_its_dword_and_no_other"},
    {"wait descriptor: fence", legacy, implemented, second, "dmar.invalidation_queue.behind_a_fence_nothing_begins_before_the_wait_is_over"},
    {"wait descriptor: page-request drain", scalable, absent, nobody, ""},
    {"PASID-based IOTLB descriptor: all pages", scalable, absent, nobody, ""},
    {"PASID-based IOTLB descriptor: page", scalable, absent, nobody, ""},
    {"PASID-cache descriptor: domain", scalable, absent, nobody, ""},
    {"PASID-cache descriptor: PASID", scalable, absent, nobody, ""},
    {"PASID-cache descriptor: global", scalable, absent, nobody, ""},
    {"PASID-based device-TLB descriptor: one page", scalable, absent, nobody, ""},
    {"PASID-based device-TLB descriptor: range", scalable, absent, nobody, ""},
    {"page-group response descriptor: any", scalable, absent, nobody, ""},
    {"page-stream response (rev 2.x) descriptor: any", scalable, absent, nobody, ""},
};
// clang-format on
} // namespace

std::span<const statement> command_statements() { return rows; }

} // namespace vtd::models::detail
