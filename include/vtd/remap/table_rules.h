// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/access.h"
#include "vtd/remap/config.h"

#include <array>
#include <cstdint>

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
  [[nodiscard]] spec::fault_condition judge_width(const spec::context_entry& entry) const;
  /// The entry with what later decisions need; only for an entry that passed all the checks above.
  [[nodiscard]] context_value decode(const spec::context_entry& entry) const;
  /// Does the address fit what this context can take as input: LGN.1.1, LGN.1.2, LGN.1.3, LGN.4 or none.
  [[nodiscard]] spec::fault_condition judge_input(const context_value& context,
                                                  const dma_access& access) const;
  /// No page table between the request and memory: pass-through, translated by the device already, or the
  /// question for an interrupt address, which is never translated (VT-d 3.13).
  [[nodiscard]] static bool needs_no_table(const context_value& context, const dma_access& access) {
    if (access.type != address_type::untranslated) [[unlikely]]
      return needs_no_table_of_its_own(access);
    return context.type == spec::translation_type::pass_through;
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
  /// A page, cached or just read, against a request that comes out at `output`: its rights, where it leads;
  /// if it is known not to be there, how (VT-d 7.1.3). LGN.2, LGN.3, LGN.4, `page.absent` or none.
  [[nodiscard]] spec::fault_condition judge_page(const page_value& page, access_kind kind,
                                                 std::uint64_t output) const {
    auto condition = judge_rights(page.read, page.write, kind);
    if (condition == spec::fault_condition::none) condition = judge_output(output);
    if (condition == spec::fault_condition::none) [[likely]]
      return condition;
    return page.absent != spec::fault_condition::none ? judge_absent(page, kind) : condition;
  }
  /// FPD hides qualified conditions only (VT-d 7.2.1).
  [[nodiscard]] static bool is_hidden(spec::fault_condition condition, bool fault_processing_disable) {
    return fault_processing_disable && spec::condition_info(condition).qualified;
  }
  /// Paging entries against the bits that are reserved in them (VT-d 9.8): one that points to a table, ...
  [[nodiscard]] bool has_reserved_table_bits(spec::second_level_entry entry) const {
    return (entry.value & table_reserved_) != 0;
  }
  /// ... or one of `level` (1 = last) that is a leaf.
  [[nodiscard]] bool has_reserved_leaf_bits(spec::second_level_entry entry, unsigned level) const {
    return (entry.value & leaf_reserved_[level]) != 0;
  }
  /// `capabilities::entry_beats` is 2.
  [[nodiscard]] bool splits_entries() const { return caps_.entry_beats > 1; }
  [[nodiscard]] bool reports_snoop() const { return snoop_control_; }
  /// Caching mode: what is not present or in error is kept, too (CAP.CM, VT-d 6.1).
  [[nodiscard]] bool keeps_absent() const { return keeps_absent_; }
  /// The condition of a request to a page that is known to be absent.
  [[nodiscard]] static spec::fault_condition judge_absent(const page_value& page, access_kind kind) {
    const bool no_write = page.absent == spec::fault_condition::lgn_3_np && kind == access_kind::write;
    return no_write ? spec::fault_condition::lgn_2_np : page.absent;
  }

private:
  // Of translated and translation requests; to pass-through contexts they do not come.
  [[gnu::cold]] [[nodiscard]] static bool needs_no_table_of_its_own(const dma_access& access);

  capabilities caps_;
  bool zero_length_reads_ = false;
  bool snoop_control_ = false;
  bool keeps_absent_ = false;
  spec::root_entry root_reserved_{};
  spec::context_entry context_reserved_{};
  std::uint64_t table_reserved_ = 0;
  // By level, from 1 on.
  std::array<std::uint64_t, spec::max_levels + 1> leaf_reserved_{};
};

// Every request meets these two: compiled into their callers.

inline spec::fault_condition table_rules::judge_input(const context_value& context,
                                                      const dma_access& access) const {
  if (needs_no_table(context, access)) {
    if (access.address >> caps_.host_address_width != 0) return spec::fault_condition::lgn_1_3;
    return judge_output(access.address);
  }
  return access.address >> context.input_width != 0 ? context.beyond_width : spec::fault_condition::none;
}

inline spec::fault_condition table_rules::judge_type(spec::translation_type type, address_type at) {
  const bool blocked = at != address_type::untranslated && type != spec::translation_type::with_device_tlb;
  return blocked ? spec::fault_condition::lct_5 : spec::fault_condition::none;
}

} // namespace vtd::remap
