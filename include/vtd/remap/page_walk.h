// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/access.h"
#include "vtd/remap/config.h"
#include "vtd/remap/memory_port.h"
#include "vtd/remap/observer.h"

#include <array>
#include <cstdint>
#include <optional>

namespace vtd::remap {

/// The checks of a walk, worked out once from the capabilities: which bits are reserved where, which widths
/// exist.
class table_rules {
public:
  explicit table_rules(const capabilities& caps);

  [[nodiscard]] const capabilities& caps() const { return caps_; }

  /// Root entry (VT-d 9.1): LRT.2, LRT.3 or none.
  [[nodiscard]] spec::fault_condition judge(const spec::root_entry& entry) const;
  /// Context entry (VT-d 9.3), without the width: LCT.2, LCT.3, LCT.4.2 or none.
  [[nodiscard]] spec::fault_condition judge(const spec::context_entry& entry) const;
  /// AT against TT (VT-d 3.4.3): LCT.5 or none.
  [[nodiscard]] static spec::fault_condition judge_type(spec::translation_type type, address_type at);
  /// AW against SAGAW (VT-d 10.4.2): LCT.4.1 or none.
  [[nodiscard]] spec::fault_condition judge_width(unsigned address_width) const;
  /// The entry with what later decisions need; only for an entry that passed all the checks above.
  [[nodiscard]] context_value decode(const spec::context_entry& entry) const;
  /// Does the address fit what this context can take as input: LGN.1.1, LGN.1.2, LGN.1.3, LGN.4 or none.
  [[nodiscard]] spec::fault_condition judge_input(const context_value& context,
                                                  const dma_access& access) const;
  /// No page table between the request and memory: pass-through, or translated by the device already.
  [[nodiscard]] static bool needs_no_table(const context_value& context, address_type at) {
    return context.type == spec::translation_type::pass_through || at == address_type::translated;
  }
  /// The rights a leaf grants against what the request wants (VT-d 3.7.1): LGN.2, LGN.3 or none.
  [[nodiscard]] spec::fault_condition judge_rights(bool read, bool write, access_kind kind) const {
    switch (kind) {
    case access_kind::write:
      return write ? spec::fault_condition::none : spec::fault_condition::lgn_2;
    case access_kind::read:
      return read ? spec::fault_condition::none : spec::fault_condition::lgn_3;
    case access_kind::zero_length_read:
      return read || (write && zero_length_reads_) ? spec::fault_condition::none
                                                   : spec::fault_condition::lgn_3_zlr;
    }
    return spec::fault_condition::none;
  }
  /// The address that comes out: LGN.4 or none.
  [[nodiscard]] spec::fault_condition judge_output(std::uint64_t address) const {
    return caps_.output_range_check && spec::in_interrupt_range(address) ? spec::fault_condition::lgn_4
                                                                         : spec::fault_condition::none;
  }
  [[nodiscard]] bool has_reserved_bits(const spec::second_level_entry& entry, unsigned level,
                                       bool leaf) const {
    return (entry.value & (leaf ? leaf_reserved_ : table_reserved_)[level - 1]) != 0;
  }
  [[nodiscard]] bool reports_snoop() const { return snoop_control_; }

private:
  capabilities caps_;
  bool zero_length_reads_ = false;
  bool snoop_control_ = false;
  spec::root_entry root_reserved_{};
  spec::context_entry context_reserved_{};
  std::array<std::uint64_t, 6> leaf_reserved_{};
  std::array<std::uint64_t, 6> table_reserved_{};
};

/// One walk through root, context and paging tables (VT-d 3.4, 3.7) as a resumable step machine: it says what
/// it wants next, is given it, and ends with a translation or a fault condition. It knows neither caches nor
/// time: `translator` connects it to the caches, and whoever runs it decides when the memory answers.
class page_walk {
public:
  enum class demand : std::uint8_t {
    /// Nothing to do: never started.
    idle,
    /// Read the entry at `address()`, `bytes()` long, and give it to `feed`.
    table_read,
    /// The context is known: look up the IOTLB and the paging-structure caches, then `resolve` or `descend`.
    cache_lookup,
    /// `result()` holds the outcome.
    done
  };

  /// Starts at the root table.
  void start(const table_rules& rules, const dma_access& access, std::uint64_t root_table);
  /// Starts with a context that was in the context cache.
  void start(const table_rules& rules, const dma_access& access, const context_value& context);

  [[nodiscard]] demand wants() const { return wants_; }
  [[nodiscard]] const dma_access& access() const { return access_; }
  [[nodiscard]] std::uint64_t address() const { return address_; }
  [[nodiscard]] unsigned bytes() const { return kind_ == table_kind::paging ? 8 : 16; }
  [[nodiscard]] table_kind kind() const { return kind_; }
  /// Paging level of the wanted entry; 0 for root and context entries.
  [[nodiscard]] unsigned level() const { return kind_ == table_kind::paging ? level_ : 0; }

  /// The memory's answer to a `table_read`; `ok` false: the read failed.
  void feed(const table_rules& rules, bool ok, const table_words& words);
  /// Answers to a `cache_lookup`: the IOTLB had it ...
  void resolve(const table_rules& rules, const page_value& page);
  /// ... or a paging-structure cache had the entry that points to the table of `level`; level 0: none had.
  void descend(unsigned level, const table_value& from);

  [[nodiscard]] const translation& result() const { return result_; }

  /// What the walk learned and the caches may keep: the context when it was fetched,
  [[nodiscard]] bool fetched_context() const { return fetched_context_; }
  [[nodiscard]] bool knows_context() const { return knows_context_; }
  [[nodiscard]] const context_value& context() const { return context_; }
  /// the non-leaf entries it went through, by their level (2..5),
  [[nodiscard]] bool visited(unsigned level) const { return (visited_ >> level & 1) != 0; }
  [[nodiscard]] const table_value& visited_entry(unsigned level) const { return entries_[level - 2]; }
  [[nodiscard]] bool visited_any() const { return visited_ != 0; }
  /// and the leaf, when it was read from memory and the request is allowed.
  [[nodiscard]] bool fetched_page() const { return fetched_page_; }
  [[nodiscard]] page_value page() const;
  /// Table reads so far.
  [[nodiscard]] unsigned reads() const { return reads_; }

private:
  void reset(const dma_access& access);
  void enter_context(const table_rules& rules);
  void feed_root(const table_rules& rules, const table_words& words);
  void feed_context(const table_rules& rules, const table_words& words);
  void feed_paging(const table_rules& rules, const table_words& words);
  void finish_page(const table_rules& rules, std::uint64_t page, unsigned level, bool read, bool write,
                   bool snoop);
  void want(table_kind kind, std::uint64_t address);
  void stop(spec::fault_condition condition);

  dma_access access_{};
  translation result_{};
  context_value context_{};
  // Only the entries of visited levels mean anything.
  std::array<table_value, 4> entries_;
  std::uint64_t address_ = 0;
  std::uint32_t visited_ = 0;
  demand wants_ = demand::idle;
  table_kind kind_ = table_kind::root;
  std::uint8_t level_ = 0;
  std::uint8_t reads_ = 0;
  bool fault_processing_disable_ = false;
  bool fetched_context_ = false;
  bool knows_context_ = false;
  bool fetched_page_ = false;
  // The rights granted by all levels so far.
  bool read_ = true;
  bool write_ = true;
};

// --- The steps that every walk takes, here so that they are compiled into their callers

inline spec::fault_condition table_rules::judge_input(const context_value& context,
                                                      const dma_access& access) const {
  if (needs_no_table(context, access.type)) {
    if (access.address >> caps_.host_address_width != 0) return spec::fault_condition::lgn_1_3;
    return judge_output(access.address);
  }
  return access.address >> context.input_width != 0 ? context.beyond_width : spec::fault_condition::none;
}

inline spec::fault_condition table_rules::judge_type(spec::translation_type type, address_type at) {
  const bool blocked = at != address_type::untranslated && type != spec::translation_type::with_device_tlb;
  return blocked ? spec::fault_condition::lct_5 : spec::fault_condition::none;
}

inline void page_walk::reset(const dma_access& access) {
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

inline void page_walk::start(const table_rules& rules, const dma_access& access,
                             const context_value& context) {
  reset(access);
  context_ = context;
  fault_processing_disable_ = context.fault_processing_disable;
  if (const auto condition = table_rules::judge_type(context.type, access.type);
      condition != spec::fault_condition::none) {
    knows_context_ = true;
    return stop(condition);
  }
  enter_context(rules);
}

inline void page_walk::want(table_kind kind, std::uint64_t address) {
  kind_ = kind;
  address_ = address;
  wants_ = demand::table_read;
}

inline void page_walk::stop(spec::fault_condition condition) {
  result_.condition = condition;
  // VT-d 7.2.1: FPD hides qualified conditions only.
  result_.suppressed = fault_processing_disable_ && spec::condition_info(condition).qualified;
  wants_ = demand::done;
}

inline void page_walk::feed(const table_rules& rules, bool ok, const table_words& words) {
  ++reads_;
  switch (kind_) {
  case table_kind::root:
    if (!ok) return stop(spec::fault_condition::lrt_1);
    return feed_root(rules, words);
  case table_kind::context:
    if (!ok) return stop(spec::fault_condition::lct_1);
    return feed_context(rules, words);
  case table_kind::paging:
    if (!ok)
      return stop(level_ == context_.levels ? spec::fault_condition::lct_4_3 : spec::fault_condition::lsl_1);
    return feed_paging(rules, words);
  }
}

inline void page_walk::enter_context(const table_rules& rules) {
  knows_context_ = true;
  if (const auto condition = rules.judge_input(context_, access_); condition != spec::fault_condition::none) {
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

inline void page_walk::descend(unsigned level, const table_value& from) {
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

inline void page_walk::resolve(const table_rules& rules, const page_value& page) {
  finish_page(rules, page.page, page.level, page.read, page.write, page.snoop);
}

inline void page_walk::feed_paging(const table_rules& rules, const table_words& words) {
  const spec::second_level_entry entry{words.lo()};
  const unsigned level = level_;
  // Neither readable nor writable is "not present": its other bits mean nothing (VT-d 9.8).
  if (!entry.present()) {
    if (access_.type == address_type::translation_request) {
      // VT-d 4.1.3: a device that asks is told "no rights"; that is an answer, not a fault.
      wants_ = demand::done;
      return;
    }
    return stop(access_.kind == access_kind::write ? spec::fault_condition::lgn_2_np
                                                   : spec::fault_condition::lgn_3_np);
  }
  const bool leaf = level == 1 || entry.page_size();
  if (rules.has_reserved_bits(entry, level, leaf)) return stop(spec::fault_condition::lsl_2);
  read_ &= entry.read();
  write_ &= entry.write();
  if (!leaf) {
    visited_ |= 1U << level;
    entries_[level - 2] = {entry.address(), read_, write_};
    level_ = static_cast<std::uint8_t>(level - 1);
    address_ = entry.address() + std::uint64_t{spec::level_index(access_.address, level - 1)} *
                                     sizeof(spec::second_level_entry);
    return;
  }
  fetched_page_ = true;
  finish_page(rules, entry.address(), level, read_, write_, rules.reports_snoop() && entry.snoop());
}

inline void page_walk::finish_page(const table_rules& rules, std::uint64_t page, unsigned level, bool read,
                                   bool write, bool snoop) {
  result_.level = static_cast<std::uint8_t>(level);
  result_.read = read;
  result_.write = write;
  result_.snoop = snoop;
  const std::uint64_t offset = access_.address & (spec::level_size(level) - 1);
  result_.address = page | offset;
  wants_ = demand::done;
  auto condition = spec::fault_condition::none;
  if (access_.type != address_type::translation_request) {
    condition = rules.judge_rights(read, write, access_.kind);
  }
  if (condition == spec::fault_condition::none) condition = rules.judge_output(result_.address);
  if (condition != spec::fault_condition::none) {
    fetched_page_ = false;
    stop(condition);
  }
}

inline page_value page_walk::page() const {
  return {result_.address & ~(spec::level_size(result_.level) - 1), result_.level, result_.read,
          result_.write, result_.snoop};
}

} // namespace vtd::remap
