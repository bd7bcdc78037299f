// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/table_rules.h"

#include <algorithm>

namespace vtd::remap {

using spec::fault_condition;
using spec::translation_type;

table_rules::table_rules(const capabilities& caps)
    : caps_(caps), zero_length_reads_(caps.cap.zlr()), snoop_control_(caps.ecap.sc()),
      keeps_absent_(caps.cap.cm() && caps.caches_absent),
      root_reserved_(spec::root_entry::reserved(caps.host_address_width)),
      context_reserved_(
          spec::context_entry::reserved(caps.host_address_width, caps.cap.domain_id_bits(), caps.ecap.ch())) {
  // TM came with device-TLBs, and is reserved again since revision 3 (VT-d 9.8).
  const bool transient_mapping = caps.ecap.dt() && caps.major_version() < 3;
  const spec::second_level_entry::features features{caps.host_address_width, caps.cap.sps(), caps.ecap.sc(),
                                                    transient_mapping};
  // The same at every level.
  table_reserved_ = spec::second_level_entry::reserved(2, false, features);
  for (unsigned level = 1; level <= spec::max_levels; ++level)
    leaf_reserved_[level] = spec::second_level_entry::reserved(level, true, features);
}

fault_condition table_rules::judge(const spec::root_entry& entry) const {
  if (!entry.present()) return fault_condition::lrt_2;
  if (((entry.lo & root_reserved_.lo) | (entry.hi & root_reserved_.hi)) != 0) return fault_condition::lrt_3;
  return fault_condition::none;
}

fault_condition table_rules::judge(const spec::context_entry& entry) const {
  if (!entry.present()) return fault_condition::lct_2;
  if (((entry.lo & context_reserved_.lo) | (entry.hi & context_reserved_.hi)) != 0)
    return fault_condition::lct_3;
  const bool supported = [&] {
    switch (entry.translation_type()) {
    case translation_type::untranslated_only:
      return true;
    case translation_type::with_device_tlb:
      return caps_.ecap.dt();
    case translation_type::pass_through:
      return caps_.ecap.pt();
    case translation_type::reserved:
      break;
    }
    return false;
  }();
  return supported ? fault_condition::none : fault_condition::lct_4_2;
}

bool table_rules::needs_no_table_of_its_own(const dma_access& access) {
  return access.type == address_type::translated || spec::in_interrupt_range(access.address);
}

fault_condition table_rules::judge_width(const spec::context_entry& entry) const {
  const unsigned width = entry.address_width();
  const bool must_be_largest =
      caps_.pass_through_checks_width && entry.translation_type() == translation_type::pass_through;
  const bool right = caps_.cap.supports_agaw(width) &&
                     (!must_be_largest || static_cast<int>(width) == caps_.cap.largest_agaw());
  return right ? fault_condition::none : fault_condition::lct_4_1;
}

context_value table_rules::decode(const spec::context_entry& entry) const {
  context_value out;
  out.domain_id = entry.domain_id();
  out.type = entry.translation_type();
  out.levels = static_cast<std::uint8_t>(spec::levels_of_agaw(entry.address_width()));
  const unsigned domain_width = spec::width_of_agaw(entry.address_width());
  const unsigned unit_width = caps_.cap.mgaw();
  out.input_width = static_cast<std::uint8_t>(std::min({domain_width, unit_width, 63U}));
  out.beyond_width = domain_width <= unit_width ? fault_condition::lgn_1_1 : fault_condition::lgn_1_2;
  out.fault_processing_disable = entry.fault_processing_disable();
  out.top_table = entry.second_level_table();
  return out;
}

} // namespace vtd::remap
