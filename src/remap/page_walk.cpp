// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/page_walk.h"

#include "vtd/remap/translation_caches.h"

namespace vtd::remap {

using spec::fault_condition;

void page_walk::begin(std::uint64_t root_table) {
  clear();
  // VT-d 9.1: the bus number selects the root entry.
  want(table_kind::root, root_table + std::uint64_t{access_.source.bus()} * sizeof(spec::root_entry));
}

void page_walk::feed_root(const table_rules& rules, const table_words& words) {
  const spec::root_entry entry{words.lo(), words.hi()};
  if (const auto condition = rules.judge(entry); condition != fault_condition::none)
    return stop_at_context(rules, context_value::fault(condition));
  // VT-d 9.3: device and function select the context entry.
  want(table_kind::context,
       entry.context_table() + std::uint64_t{access_.source.devfn()} * sizeof(spec::context_entry));
}

void page_walk::feed_context(const table_rules& rules, const table_words& words) {
  const spec::context_entry entry{words.lo(), words.hi()};
  // FPD counts even in an entry that is not present (VT-d 9.3).
  fault_processing_disable_ = entry.fault_processing_disable();
  // Kept, it is of its own domain, or of domain 0 if it is not present (VT-d 6.1).
  const auto fault = [&](fault_condition condition) {
    return context_value::fault(condition, entry.present() ? entry.domain_id() : std::uint16_t{0},
                                fault_processing_disable_);
  };
  if (const auto condition = rules.judge(entry); condition != fault_condition::none)
    return stop_at_context(rules, fault(condition));
  if (const auto condition = table_rules::judge_type(entry.translation_type(), access_.type);
      condition != fault_condition::none) {
    return stop(condition);
  }
  if (const auto condition = rules.judge_width(entry.address_width()); condition != fault_condition::none)
    return stop_at_context(rules, fault(condition));
  context_ = rules.decode(entry);
  fetched_context_ = true;
  enter_context(rules);
}

void page_walk::stop_at_context(const table_rules& rules, const context_value& fault) {
  if (rules.keeps_faults()) {
    context_ = fault;
    fetched_context_ = knows_context_ = true;
  }
  stop(fault.beyond_width);
}

void page_walk::stop_at_page(const table_rules& rules, fault_condition condition) {
  stop(condition);
  // Not for a device that asks: it is told no rights, and no condition.
  fetched_page_ =
      rules.keeps_faults() && !result_.allowed() && at_.level <= translation_caches::max_leaf_level;
}

} // namespace vtd::remap
