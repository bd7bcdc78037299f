// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/access.h"
#include "vtd/remap/memory_port.h"
#include "vtd/remap/observer.h"
#include "vtd/remap/table_rules.h"

#include <array>
#include <cstdint>
#include <optional>

namespace vtd::remap {

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

  /// A wanted entry, or half of one: all as the functions of these names tell.
  struct wanted_entry {
    table_kind kind;
    entry_part part;
    unsigned level;
    std::uint64_t address;
    unsigned bytes;
    /// Of an upper half: the lower one.
    std::uint64_t lower_half;
  };

  page_walk() = default; // NOLINT(cppcoreguidelines-pro-type-member-init): idle until started
  /// As the two `start`.
  page_walk(const table_rules& rules, const dma_access& access, std::uint64_t root_table) : access_(access) {
    begin(rules, root_table);
  }
  page_walk(const table_rules& rules, const dma_access& access, const context_value& context)
      : access_(access), context_(context) {
    begin(rules);
  }
  /// Starts where a look-up that found the context and missed the page has come to: type and width are
  /// judged.
  [[nodiscard]] static page_walk after_lookup(const dma_access& access, const context_value& context) {
    return {access, context};
  }

  /// Starts at the root table.
  void start(const table_rules& rules, const dma_access& access, std::uint64_t root_table) {
    access_ = access;
    begin(rules, root_table);
  }
  /// Starts with a context that was in the context cache.
  void start(const table_rules& rules, const dma_access& access, const context_value& context);

  [[nodiscard]] demand wants() const { return wants_; }
  [[nodiscard]] const dma_access& access() const { return access_; }
  [[nodiscard]] std::uint64_t address() const { return at_.entry; }
  [[nodiscard]] unsigned bytes() const { return part() == entry_part::whole && !is_paging() ? 16 : 8; }
  [[nodiscard]] table_kind kind() const { return kind_; }
  /// Paging level of the wanted entry; 0 for root and context entries.
  [[nodiscard]] unsigned level() const { return is_paging() ? at_.level : 0; }
  [[nodiscard]] entry_part part() const { return is_paging() ? entry_part::whole : part_; }

  [[nodiscard]] wanted_entry wanted() const {
    return {kind_, part(), level(), address(), bytes(), lower_half_};
  }

  /// The memory's answer to a `table_read`; `ok` false: the read failed.
  void feed(const table_rules& rules, bool ok, const table_words& words);
  /// The same for whoever need not wait: answers the `table_read` and those that follow at once, by
  /// `ok = read(const wanted_entry&, table_words& into)`.
  template <class Read>
  void feed_all(const table_rules& rules, Read&& read);
  /// Answers to a `cache_lookup`: the IOTLB had it ...
  void resolve(const table_rules& rules, const page_value& page);
  /// ... or a paging-structure cache had the entry that points to the table of `level`; level 0: none had.
  void descend(unsigned level, const table_value& from);

  /// Has it come to its context yet? Of a walk that is over: did it come to its tables?
  [[nodiscard]] bool knows_context() const { return wants_ == demand::cache_lookup || is_paging(); }

  [[nodiscard]] const translation& result() const { return result_; }

  /// What the walk learned and the caches may keep: the context when it was fetched,
  [[nodiscard]] bool fetched_context() const { return fetched_context_; }
  [[nodiscard]] const context_value& context() const { return context_; }
  /// the non-leaf entries it went through, from the top: `visit(level, table_value)`,
  template <class Visitor>
  void for_each_visited(Visitor&& visit) const {
    std::uint64_t granted = granted_above_;
    for (unsigned level = first_level_; level > at_.level; --level) {
      const spec::second_level_entry entry{entries_[level - 2]};
      granted &= entry.value;
      visit(level, table_value{entry, granted});
    }
  }
  [[nodiscard]] bool visited_any() const { return at_.level < first_level_; }
  /// and the leaf, when it was read from memory and the request is allowed.
  [[nodiscard]] bool fetched_page() const { return fetched_page_; }
  [[nodiscard]] page_value page() const {
    return {result_.attributes(), spec::fault_condition::none,
            result_.address & ~(spec::level_size(result_.level) - 1)};
  }
  /// Instead of a leaf: an entry that is not present or has reserved bits, of a part that keeps that, too.
  [[nodiscard]] bool fetched_absence() const { return fetched_absence_; }
  [[nodiscard]] page_value absence() const {
    const bool reserved = result_.condition == spec::fault_condition::lsl_2;
    return {{static_cast<std::uint8_t>(at_.level), false, false, false},
            reserved ? spec::fault_condition::lsl_2 : spec::fault_condition::lgn_3_np,
            0};
  }
  /// Table reads so far.
  [[nodiscard]] unsigned reads() const { return reads_; }

private:
  static constexpr std::uint64_t all_rights =
      spec::second_level_entry::read_field::mask | spec::second_level_entry::write_field::mask;

  // Where a walk stands in the paging tables.
  struct position {
    // Host physical address of the wanted entry (also of a root or context entry).
    std::uint64_t entry;
    // The AND of all entries so far: only R and W mean anything.
    std::uint64_t granted;
    unsigned level;
  };
  // What one paging entry says.
  enum class verdict : std::uint8_t { next_level, leaf, failed, not_present, reserved };

  page_walk(const dma_access& access, const context_value& context) : access_(access), context_(context) {
    clear();
    fault_processing_disable_ = // NOLINT(cppcoreguidelines-prefer-member-initializer): `clear` comes first
        context_.fault_processing_disable;
    want_lookup();
  }
  void clear();
  void begin(const table_rules& rules, std::uint64_t root_table);
  void begin(const table_rules& rules);
  void want_lookup();
  void enter_context(const table_rules& rules);
  [[nodiscard]] bool is_paging() const { return kind_ == table_kind::paging; }
  void want_entry(const table_rules& rules, table_kind kind, std::uint64_t address);
  void feed_entry(const table_rules& rules, bool ok, const table_words& words);
  void feed_root(const table_rules& rules, const table_words& words);
  void feed_context(const table_rules& rules, const table_words& words);
  verdict step(const table_rules& rules, position& at, bool ok, spec::second_level_entry entry);
  void conclude(const table_rules& rules, verdict how, spec::second_level_entry entry);
  void finish_page(const table_rules& rules, const page_value& page);
  [[nodiscard]] std::uint64_t entry_address(std::uint64_t table, unsigned level) const {
    return table +
           std::uint64_t{spec::level_index(access_.address, level)} * sizeof(spec::second_level_entry);
  }
  void want(table_kind kind, std::uint64_t address);
  void stop(spec::fault_condition condition);
  void stop_without_context(const table_rules& rules, spec::fault_condition condition,
                            spec::translation_type type = spec::translation_type::reserved);

  // Set by `start`, but for the entries, of which only those of visited levels mean anything.
  dma_access access_;
  translation result_;
  context_value context_;
  std::array<std::uint64_t, spec::max_levels - 1> entries_;
  // What the levels above `first_level_` grant.
  std::uint64_t granted_above_;
  position at_;
  // Of a root or context entry.
  std::uint64_t lower_half_ = 0;
  entry_part part_ = entry_part::whole;
  std::uint8_t first_level_;
  std::uint8_t reads_;
  demand wants_ = demand::idle;
  table_kind kind_;
  bool fault_processing_disable_;
  bool fetched_context_;
  bool fetched_page_;
  bool fetched_absence_;
};

// --- The steps that every walk takes, here so that they are compiled into their callers

// All but access and context.
inline void page_walk::clear() {
  result_ = {};
  at_ = {0, all_rights, 0};
  first_level_ = 0;
  reads_ = 0;
  fault_processing_disable_ = false;
  fetched_context_ = false;
  fetched_page_ = false;
  fetched_absence_ = false;
}

inline void page_walk::start(const table_rules& rules, const dma_access& access,
                             const context_value& context) {
  access_ = access;
  context_ = context;
  begin(rules);
}

inline void page_walk::begin(const table_rules& rules) {
  clear();
  fault_processing_disable_ = context_.fault_processing_disable;
  // Known but for its width: the kind of the request comes first, as in the tables.
  if (context_.absent != spec::fault_condition::none &&
      (context_.type == spec::translation_type::reserved ||
       table_rules::judge_type(context_.type, access_.type) == spec::fault_condition::none)) [[unlikely]]
    return stop(context_.absent);
  if (const auto condition = table_rules::judge_type(context_.type, access_.type);
      condition != spec::fault_condition::none) {
    return stop(condition);
  }
  enter_context(rules);
}

inline void page_walk::want(table_kind kind, std::uint64_t address) {
  kind_ = kind;
  at_.entry = address;
  wants_ = demand::table_read;
}

inline void page_walk::stop(spec::fault_condition condition) {
  wants_ = demand::done;
  if (access_.type == address_type::translation_request && spec::is_recoverable(condition)) [[unlikely]] {
    result_ = {};
    return;
  }
  result_.condition = condition;
  result_.suppressed = table_rules::is_hidden(condition, fault_processing_disable_);
}

inline void page_walk::feed(const table_rules& rules, bool ok, const table_words& words) {
  ++reads_;
  if (kind_ == table_kind::paging) [[likely]] {
    const spec::second_level_entry entry{words.lo()};
    if (const verdict how = step(rules, at_, ok, entry); how != verdict::next_level)
      conclude(rules, how, entry);
  } else {
    feed_entry(rules, ok, words);
  }
}

// Inlined always: with `read` in sight the position stays in registers from level to level.
template <class Read>
[[gnu::always_inline]] inline void page_walk::feed_all(const table_rules& rules, Read&& read) {
  table_words words;
  while (wants_ == demand::table_read && kind_ != table_kind::paging) {
    const bool ok = read(wanted(), words);
    feed(rules, ok, words);
  }
  if (wants_ != demand::table_read) return;
  // A copy, so that the position need not be written back for each level.
  position at = at_;
  verdict how = verdict::next_level;
  spec::second_level_entry entry;
  while (how == verdict::next_level) {
    const bool ok = read(
        wanted_entry{table_kind::paging, entry_part::whole, at.level, at.entry, unsigned{sizeof(entry)}, 0},
        words);
    entry.value = words.lo();
    how = step(rules, at, ok, entry);
  }
  reads_ = static_cast<std::uint8_t>(reads_ + (at_.level - at.level) + 1);
  at_ = at;
  conclude(rules, how, entry);
}

inline void page_walk::enter_context(const table_rules& rules) {
  if (const auto condition = rules.judge_input(context_, access_); condition != spec::fault_condition::none) {
    return stop(condition);
  }
  if (table_rules::needs_no_table(context_, access_)) {
    result_.address = access_.address;
    result_.read = result_.write = true;
    result_.identity = true;
    wants_ = demand::done;
    return;
  }
  want_lookup();
}

inline void page_walk::want_lookup() {
  at_.level = context_.levels;
  wants_ = demand::cache_lookup;
}

inline void page_walk::descend(unsigned level, const table_value& from) {
  std::uint64_t table = context_.top_table;
  if (level != 0) {
    at_.level = level;
    at_.granted = from.granted();
    table = from.table();
  }
  granted_above_ = at_.granted;
  first_level_ = static_cast<std::uint8_t>(at_.level);
  want(table_kind::paging, entry_address(table, at_.level));
}

inline void page_walk::resolve(const table_rules& rules, const page_value& page) { finish_page(rules, page); }

// One paging entry (VT-d 3.7, 9.8): read, present, reserved; then the next level, or the leaf.
inline page_walk::verdict page_walk::step(const table_rules& rules, position& at, bool ok,
                                          spec::second_level_entry entry) {
  if (!ok) [[unlikely]]
    return verdict::failed;
  // Neither readable nor writable is "not present": its other bits mean nothing.
  if (!entry.present()) [[unlikely]]
    return verdict::not_present;
  // The last level ignores PS: all its entries are leaves.
  const bool leaf = at.level == 1 || entry.page_size();
  if (leaf ? rules.has_reserved_leaf_bits(entry, at.level) : rules.has_reserved_table_bits(entry))
      [[unlikely]]
    return verdict::reserved;
  at.granted &= entry.value;
  if (leaf) return verdict::leaf;
  entries_[at.level - 2] = entry.value;
  --at.level;
  at.entry = entry_address(entry.address(), at.level);
  return verdict::next_level;
}

inline void page_walk::conclude(const table_rules& rules, verdict how, spec::second_level_entry entry) {
  switch (how) {
  case verdict::leaf: {
    fetched_page_ = true;
    const spec::second_level_entry granted{at_.granted};
    const page_attributes attributes{static_cast<std::uint8_t>(at_.level), granted.read(), granted.write(),
                                     rules.reports_snoop() && entry.snoop()};
    return finish_page(rules, {attributes, spec::fault_condition::none, entry.address()});
  }
  case verdict::failed:
    return stop(at_.level == context_.levels ? spec::fault_condition::lct_4_3 : spec::fault_condition::lsl_1);
  case verdict::not_present:
    stop(access_.kind == access_kind::write ? spec::fault_condition::lgn_2_np
                                            : spec::fault_condition::lgn_3_np);
    break;
  case verdict::reserved:
    stop(spec::fault_condition::lsl_2);
    break;
  case verdict::next_level:
    return;
  }
  fetched_absence_ = rules.keeps_absent() && !result_.allowed();
}

inline void page_walk::finish_page(const table_rules& rules, const page_value& page) {
  result_.set_attributes(page);
  result_.address = page.page | (access_.address & (spec::level_size(page.level) - 1));
  wants_ = demand::done;
  auto condition = spec::fault_condition::none;
  if (access_.type != address_type::translation_request) {
    condition = rules.judge_page(page, access_.kind, result_.address);
  } else if (page.absent != spec::fault_condition::none) [[unlikely]] {
    condition = table_rules::judge_absent(page, access_.kind);
  } else {
    // The question is not for a right. Table and page together grant nothing: no page, for all that may be
    // kept (VT-d 6.1).
    if (!page.read && !page.write) [[unlikely]]
      fetched_page_ = fetched_page_ && rules.keeps_absent();
    condition = rules.judge_output(result_.address);
  }
  if (condition != spec::fault_condition::none) {
    // The page is there; a part with caching mode keeps it, with the rights it has.
    fetched_page_ = fetched_page_ && rules.keeps_absent();
    stop(condition);
  }
}

} // namespace vtd::remap
