// SPDX-License-Identifier: Apache-2.0
// What QEMU's model cannot witness, because it has none of it or cannot show it, and who does.

#include "statements.h"

namespace vtd::models {

std::vector<beyond_qemu_row> beyond_qemu() {
  using namespace detail;
  return {
      {"advanced fault logging", second,
       "conformance.naive_faults.agree_with_the_unit_over_random_faults_and_clearing",
       "a naive log written from 7.3.2, over random faults and software that takes records and clears at "
       "random"},
      {"write-buffer flush", second,
       "conformance.naive_visibility.agrees_with_unit_and_checker_over_random_stores_and_flushes",
       "a naive machine written from 6.8 says, over random stores, flushes and DMA, what memory holds, where "
       "each request goes and what the checker reports; when a real chipset empties its buffer nobody says"},
      {"non-coherent walks", second,
       "conformance.naive_visibility.agrees_with_unit_and_checker_over_random_stores_and_flushes",
       "the same machine, with units of ECAP.C = 0 and 1"},
      {"PLMR and PHMR", second,
       "conformance.naive_protection.agrees_with_the_unit_over_random_regions_and_requests",
       "the five registers and what they protect, written from 10.4.16 to 10.4.20, over random writes and "
       "DMA of every kind; which granularity a part has is assumed"},
      {"caching mode", second,
       "conformance.naive_caching_mode.agrees_to_the_read_with_caches_that_have_room_for_everything",
       "what caches may hold, written from 6.1 and 6.5.1, over random changes of all entries and random "
       "invalidations, and software that does what it must and sees no old entry; QEMU has the bit and keeps "
       "nothing"},
      {"several fault registers", second,
       "conformance.naive_faults.agree_with_the_unit_over_random_faults_and_clearing",
       "a naive ring of one to eight records written from 7.3.1, over the same faults"},
      {"other domain widths", by_hand,
       "conformance.register_fields.bits_of_a_domain_id_that_nd_does_not_give_are_reserved",
       "for each ND the reserved bits of a context entry's domain-id, worked out by hand from 9.3 and "
       "10.4.2; "
       "ND of real parts is that of their logged CAP_REG"},
      {"2- and 5-level tables", second, "conformance.naive_walk.agrees_with_the_unit_over_random_tables",
       "a naive walk written from 3.6 and 9.8, over random tables of 2 to 5 levels"},
      {"512 GB pages", second, "conformance.naive_walk.agrees_with_the_unit_over_random_tables",
       "the same, with leaves of every size that SPS names"},
      {"units without page-selective invalidation, coarser granularity", second,
       "conformance.naive_granularity.agrees_with_the_unit_over_random_orders",
       "sets of what is cached, written from 6.5.1.2, over random orders by register and queue: which tables "
       "are read again, and what CAIG and IAIG say"},
      {"paging-structure caches and IH", second,
       "dmar.reach.no_random_program_gets_a_request_where_nothing_is_mapped_for_it",
       "an oracle without caches judges each request of random programs, with both hints: too little is "
       "never "
       "invalidated; what more goes is the part's own affair"},
      {"drain under load", second,
       "dmar.reach.no_random_program_gets_a_request_where_nothing_is_mapped_for_it",
       "the same oracle judges whether a drain that was promised waited for what was in flight"},
      {"time", second, "conformance.naive_time.agrees_with_the_unit_to_the_cycle_over_random_traffic",
       "a naive clock written from docs/microarchitecture.md steps through every cycle of random traffic, "
       "commands, invalidations by register and queue, queue errors and late devices; that the rules are "
       "those of silicon nobody says: "
       "no value is calibrated, presets say where each comes from"},
      {"ATS through edu", second,
       "conformance.naive_translation.agrees_with_what_devices_are_told_over_random_tables",
       "a naive translation agent written from 4.1, 7.2 and PCIe ATS, over random tables, good and spoilt: "
       "the word of each completion, unsupported, aborted, the fault"},
      {"device-TLB invalidation that is not answered, or answered wrongly", second,
       "conformance.naive_devices.agree_with_the_unit_over_random_answers_and_silence",
       "a naive agent written from 6.5.2.5 and PCIe ATS says which requests leave, what waits, what ITE and "
       "ICE "
       "take with them and whom IQERCD names; the time-out itself is the part's own affair"},
      {"causes of queue errors", second,
       "conformance.naive_queue_errors.agree_with_the_unit_over_random_mistakes_and_repairs",
       "a naive queue written from 6.5.2 and 10.4.29, over random descriptors, pointers and modes: IQEI, "
       "where "
       "IQH stands, what is not done until software has cleared IQE"},
      {"registers of the event messages", second,
       "conformance.naive_events.agree_with_the_unit_over_random_causes_and_registers",
       "naive fault and invalidation events written from 7.4 and 10.4.24: which message goes when, with "
       "which "
       "address and data, while software writes the registers at random"},
      {"zero-length reads", second, "conformance.naive_walk.agrees_with_the_unit_over_random_tables",
       "the naive walk judges them by 3.7.1 and CAP.ZLR"},
      {"bytes of event messages", by_hand,
       "conformance.register_fields.the_message_of_a_fault_is_written_where_feaddr_says_and_is_what_fedata_"
       "says",
       "address and data as the unit sends them, each bit once 0 and once 1, worked out by hand from 10.4.11 "
       "and 10.4.12; those of waits likewise from 10.4.26 and 10.4.27"},
  };
}

} // namespace vtd::models
