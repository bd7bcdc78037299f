// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/page_walk.h"

namespace vtd::remap {

using spec::fault_condition;

void page_walk::reset(const dma_access& access) {
  access_ = access;
  result_ = {};
  visited_ = 0;
  reads_ = 0;
  fault_processing_disable_ = false;
  fetched_context_ = false;
  knows_context_ = false;
  fetched_page_ = false;
  read_ = true;
  write_ = true;
}

void page_walk::start(const table_rules& /*rules*/, const dma_access& access, std::uint64_t root_table) {
  reset(access);
  // VT-d 9.1: the bus number selects the root entry.
  want(table_kind::root, root_table + std::uint64_t{access.source.bus()} * sizeof(spec::root_entry));
}

void page_walk::start(const table_rules& rules, const dma_access& access, const context_value& context) {
  reset(access);
  context_ = context;
  fault_processing_disable_ = context.fault_processing_disable;
  if (const auto condition = table_rules::judge_type(context.type, access.type);
      condition != fault_condition::none) {
    knows_context_ = true;
    return stop(condition);
  }
  enter_context(rules);
}

void page_walk::want(table_kind kind, std::uint64_t address) {
  kind_ = kind;
  address_ = address;
  wants_ = demand::table_read;
}

void page_walk::stop(fault_condition condition) {
  result_.condition = condition;
  // VT-d 7.2.1: FPD hides qualified conditions only.
  result_.suppressed = fault_processing_disable_ && spec::condition_info(condition).qualified;
  wants_ = demand::done;
}

void page_walk::feed(const table_rules& rules, bool ok, const table_words& words) {
  ++reads_;
  switch (kind_) {
  case table_kind::root:
    if (!ok) return stop(fault_condition::lrt_1);
    return feed_root(rules, words);
  case table_kind::context:
    if (!ok) return stop(fault_condition::lct_1);
    return feed_context(rules, words);
  case table_kind::paging:
    if (!ok) return stop(level_ == context_.levels ? fault_condition::lct_4_3 : fault_condition::lsl_1);
    return feed_paging(rules, words);
  }
}

void page_walk::feed_root(const table_rules& rules, const table_words& words) {
  const spec::root_entry entry{words.lo(), words.hi()};
  if (const auto condition = rules.judge(entry); condition != fault_condition::none) return stop(condition);
  // VT-d 9.3: device and function select the context entry.
  want(table_kind::context,
       entry.context_table() + std::uint64_t{access_.source.devfn()} * sizeof(spec::context_entry));
}

void page_walk::feed_context(const table_rules& rules, const table_words& words) {
  const spec::context_entry entry{words.lo(), words.hi()};
  // FPD counts even in an entry that is not present (VT-d 9.3).
  fault_processing_disable_ = entry.fault_processing_disable();
  if (const auto condition = rules.judge(entry); condition != fault_condition::none) return stop(condition);
  if (const auto condition = table_rules::judge_type(entry.translation_type(), access_.type);
      condition != fault_condition::none) {
    return stop(condition);
  }
  if (const auto condition = rules.judge_width(entry.address_width()); condition != fault_condition::none) {
    return stop(condition);
  }
  context_ = rules.decode(entry);
  fetched_context_ = true;
  enter_context(rules);
}

void page_walk::enter_context(const table_rules& rules) {
  knows_context_ = true;
  if (const auto condition = rules.judge_input(context_, access_); condition != fault_condition::none) {
    return stop(condition);
  }
  if (table_rules::needs_no_table(context_, access_.type)) {
    result_.address = access_.address;
    result_.read = result_.write = true;
    result_.identity = true;
    wants_ = demand::done;
    return;
  }
  level_ = context_.levels;
  wants_ = demand::cache_lookup;
}

void page_walk::descend(unsigned level, const table_value& from) {
  std::uint64_t table = context_.top_table;
  if (level != 0) {
    level_ = static_cast<std::uint8_t>(level);
    table = from.table;
    read_ = from.read;
    write_ = from.write;
  }
  want(table_kind::paging,
       table + std::uint64_t{spec::level_index(access_.address, level_)} * sizeof(spec::second_level_entry));
}

void page_walk::resolve(const table_rules& rules, const page_value& page) {
  finish_page(rules, page.page, page.level, page.read, page.write, page.snoop);
}

void page_walk::feed_paging(const table_rules& rules, const table_words& words) {
  const spec::second_level_entry entry{words.lo()};
  const unsigned level = level_;
  // Neither readable nor writable is "not present": its other bits mean nothing (VT-d 9.8).
  if (!entry.read() && !entry.write()) {
    if (access_.type == address_type::translation_request) {
      // VT-d 4.1.3: a device that asks is told "no rights"; that is an answer, not a fault.
      wants_ = demand::done;
      return;
    }
    return stop(access_.kind == access_kind::write ? fault_condition::lgn_2_np : fault_condition::lgn_3_np);
  }
  const bool leaf = level == 1 || entry.page_size();
  if (rules.has_reserved_bits(entry, level, leaf)) return stop(fault_condition::lsl_2);
  read_ = read_ && entry.read();
  write_ = write_ && entry.write();
  if (!leaf) {
    visited_ |= 1U << level;
    entries_[level - 2] = {entry.address(), read_, write_};
    level_ = static_cast<std::uint8_t>(level - 1);
    return want(table_kind::paging,
                entry.address() + std::uint64_t{spec::level_index(access_.address, level - 1)} *
                                      sizeof(spec::second_level_entry));
  }
  fetched_page_ = true;
  finish_page(rules, entry.address(), level, read_, write_, rules.reports_snoop() && entry.snoop());
}

void page_walk::finish_page(const table_rules& rules, std::uint64_t page, unsigned level, bool read,
                            bool write, bool snoop) {
  result_.level = static_cast<std::uint8_t>(level);
  result_.read = read;
  result_.write = write;
  result_.snoop = snoop;
  const std::uint64_t offset = access_.address & (spec::level_size(level) - 1);
  result_.address = page | offset;
  wants_ = demand::done;
  auto condition = fault_condition::none;
  if (access_.type != address_type::translation_request) {
    condition = rules.judge_rights(read, write, access_.kind);
  }
  if (condition == fault_condition::none) condition = rules.judge_output(result_.address);
  if (condition != fault_condition::none) {
    fetched_page_ = false;
    stop(condition);
  }
}

page_value page_walk::page() const {
  return {result_.address & ~(spec::level_size(result_.level) - 1), result_.level, result_.read,
          result_.write, result_.snoop};
}

} // namespace vtd::remap
