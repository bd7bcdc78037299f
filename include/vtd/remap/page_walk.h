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

} // namespace vtd::remap
