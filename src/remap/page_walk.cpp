// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/page_walk.h"

namespace vtd::remap {

using spec::fault_condition;

void page_walk::want_entry(const table_rules& rules, table_kind kind, std::uint64_t address) {
  part_ = rules.splits_entries() ? entry_part::lower_half : entry_part::whole;
  want(kind, address);
}

void page_walk::begin(const table_rules& rules, std::uint64_t root_table) {
  clear();
  // VT-d 9.1: the bus number selects the root entry.
  want_entry(rules, table_kind::root,
             root_table + std::uint64_t{access_.source.bus()} * sizeof(spec::root_entry));
}

// A whole entry, or one of its beats; the second is read whatever the first says.
void page_walk::feed_entry(const table_rules& rules, bool ok, const table_words& words) {
  if (!ok) return stop(kind_ == table_kind::root ? fault_condition::lrt_1 : fault_condition::lct_1);
  table_words entry = words;
  if (part_ == entry_part::lower_half) {
    lower_half_ = words.lo();
    part_ = entry_part::upper_half;
    at_.entry += sizeof(lower_half_);
    return;
  }
  if (part_ == entry_part::upper_half) entry.words = {lower_half_, words.lo()};
  if (kind_ == table_kind::root) return feed_root(rules, entry);
  feed_context(rules, entry);
}

void page_walk::feed_root(const table_rules& rules, const table_words& words) {
  const spec::root_entry entry{words.lo(), words.hi()};
  if (const auto condition = rules.judge(entry); condition != fault_condition::none)
    return stop_without_context(rules, condition);
  // VT-d 9.3: device and function select the context entry.
  want_entry(rules, table_kind::context,
             entry.context_table() + std::uint64_t{access_.source.devfn()} * sizeof(spec::context_entry));
}

void page_walk::feed_context(const table_rules& rules, const table_words& words) {
  const spec::context_entry entry{words.lo(), words.hi()};
  // FPD counts even in an entry that is not present (VT-d 9.3).
  fault_processing_disable_ = entry.fault_processing_disable();
  if (const auto condition = rules.judge(entry); condition != fault_condition::none)
    return stop_without_context(rules, condition);
  if (const auto condition = table_rules::judge_type(entry.translation_type(), access_.type);
      condition != fault_condition::none) {
    return stop(condition);
  }
  if (const auto condition = rules.judge_width(entry); condition != fault_condition::none)
    return stop_without_context(rules, condition, entry.translation_type());
  context_ = rules.decode(entry);
  fetched_context_ = true;
  enter_context(rules);
}

// The entry itself is to blame: with caching mode that is kept, under domain-id 0 (VT-d 6.1).
void page_walk::stop_without_context(const table_rules& rules, fault_condition condition,
                                     spec::translation_type type) {
  if (rules.keeps_absent()) {
    context_ = {};
    context_.type = type;
    context_.fault_processing_disable = fault_processing_disable_;
    context_.absent = condition;
    fetched_context_ = true;
  }
  stop(condition);
}

} // namespace vtd::remap
