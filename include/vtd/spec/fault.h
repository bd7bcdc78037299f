// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fault reasons as guests see them, and the finer conditions behind them that people want to see
// (VT-d 7.1, 5.1.4).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vtd::spec {

/// FR of a fault record (VT-d 7.1.3, 5.1.4).
enum class fault_reason : std::uint8_t {
  none = 0x00,
  root_entry_not_present = 0x01,
  context_entry_not_present = 0x02,
  context_entry_invalid = 0x03,
  address_beyond_mgaw = 0x04,
  no_write_permission = 0x05,
  no_read_permission = 0x06,
  paging_entry_access = 0x07,
  root_table_access = 0x08,
  context_table_access = 0x09,
  root_entry_reserved = 0x0a,
  context_entry_reserved = 0x0b,
  paging_entry_reserved = 0x0c,
  request_type_blocked = 0x0d,
  output_in_interrupt_range = 0x0e,
  interrupt_request_reserved = 0x20,
  interrupt_index_beyond_table = 0x21,
  interrupt_entry_not_present = 0x22,
  interrupt_table_access = 0x23,
  interrupt_entry_reserved = 0x24,
  compatibility_interrupt_blocked = 0x25,
  interrupt_source_rejected = 0x26,
  posted_descriptor_access = 0x27,
  posted_descriptor_reserved = 0x28
};

/// A short description, for logs. Codes that have no name here are taken as not assigned.
[[nodiscard]] constexpr std::string_view reason_text(fault_reason reason) {
  switch (reason) {
  case fault_reason::none:
    return "no fault";
  case fault_reason::root_entry_not_present:
    return "root entry not present";
  case fault_reason::context_entry_not_present:
    return "context entry not present";
  case fault_reason::context_entry_invalid:
    return "context entry invalid";
  case fault_reason::address_beyond_mgaw:
    return "address beyond the supported width";
  case fault_reason::no_write_permission:
    return "no write permission";
  case fault_reason::no_read_permission:
    return "no read permission";
  case fault_reason::paging_entry_access:
    return "paging entry could not be read";
  case fault_reason::root_table_access:
    return "root table could not be read";
  case fault_reason::context_table_access:
    return "context table could not be read";
  case fault_reason::root_entry_reserved:
    return "reserved bit in root entry";
  case fault_reason::context_entry_reserved:
    return "reserved bit in context entry";
  case fault_reason::paging_entry_reserved:
    return "reserved bit in paging entry";
  case fault_reason::request_type_blocked:
    return "kind of request blocked by translation type";
  case fault_reason::output_in_interrupt_range:
    return "translation leads into the interrupt range";
  case fault_reason::interrupt_request_reserved:
    return "reserved field in interrupt request";
  case fault_reason::interrupt_index_beyond_table:
    return "interrupt index outside the table";
  case fault_reason::interrupt_entry_not_present:
    return "interrupt entry not present";
  case fault_reason::interrupt_table_access:
    return "interrupt table could not be read";
  case fault_reason::interrupt_entry_reserved:
    return "reserved field in interrupt entry";
  case fault_reason::compatibility_interrupt_blocked:
    return "compatibility-format interrupt blocked";
  case fault_reason::interrupt_source_rejected:
    return "source-id check of interrupt failed";
  case fault_reason::posted_descriptor_access:
    return "posted-interrupt descriptor could not be read";
  case fault_reason::posted_descriptor_reserved:
    return "reserved field in posted-interrupt descriptor";
  }
  return "reason code that is not assigned";
}

/// What exactly was wrong: the specification's own legend, and where one of its conditions has two causes,
/// both.
enum class fault_condition : std::uint8_t {
  none,
  lrt_1,
  lrt_2,
  lrt_3,
  lct_1,
  lct_2,
  lct_3,
  lct_4_1,
  lct_4_2,
  lct_4_3,
  lct_5,
  lgn_1_1,
  lgn_1_2,
  lgn_1_3,
  lgn_2,
  lgn_2_np,
  lgn_3,
  lgn_3_np,
  lgn_3_zlr,
  lgn_4,
  lsl_1,
  lsl_2,
  ir_1,
  ir_2,
  ir_3,
  ir_4,
  ir_5,
  ir_6,
  ir_7,
  ir_8,
  ir_9
};

/// One row of the table of conditions.
struct fault_condition_info {
  fault_condition condition = fault_condition::none;
  /// The legend, as in the specification: "LGN.3"; with a suffix of ours where we are finer.
  std::string_view name;
  fault_reason reason = fault_reason::none;
  /// FPD = 1 hides it (VT-d 7.2.1).
  bool qualified = false;
  /// Section of the VT-d specification.
  std::string_view section;
  std::string_view text;
};

/// All conditions, in the order of the enumeration.
inline constexpr std::array<fault_condition_info, 31> fault_conditions{{
    {fault_condition::none, "none", fault_reason::none, false, "", "no fault"},
    {fault_condition::lrt_1, "LRT.1", fault_reason::root_table_access, false, "7.1.3",
     "the root entry could not be read"},
    {fault_condition::lrt_2, "LRT.2", fault_reason::root_entry_not_present, false, "7.1.3",
     "the root entry is not present"},
    {fault_condition::lrt_3, "LRT.3", fault_reason::root_entry_reserved, false, "7.1.3",
     "a reserved bit is set in the root entry"},
    {fault_condition::lct_1, "LCT.1", fault_reason::context_table_access, false, "7.1.3",
     "the context entry could not be read"},
    {fault_condition::lct_2, "LCT.2", fault_reason::context_entry_not_present, true, "7.1.3",
     "the context entry is not present"},
    {fault_condition::lct_3, "LCT.3", fault_reason::context_entry_reserved, true, "7.1.3",
     "a reserved bit is set in the context entry"},
    {fault_condition::lct_4_1, "LCT.4.1", fault_reason::context_entry_invalid, true, "7.1.3",
     "the context entry names an address width that the unit does not support"},
    {fault_condition::lct_4_2, "LCT.4.2", fault_reason::context_entry_invalid, true, "7.1.3",
     "the context entry names a translation type that is reserved or not supported"},
    {fault_condition::lct_4_3, "LCT.4.3", fault_reason::context_entry_invalid, true, "7.1.3",
     "the top paging table could not be read"},
    {fault_condition::lct_5, "LCT.5", fault_reason::request_type_blocked, true, "7.1.3",
     "the translation type of the context blocks this kind of request"},
    {fault_condition::lgn_1_1, "LGN.1.1", fault_reason::address_beyond_mgaw, true, "7.1.3",
     "the address is beyond the width of the domain (AGAW)"},
    {fault_condition::lgn_1_2, "LGN.1.2", fault_reason::address_beyond_mgaw, true, "7.1.3",
     "the address is beyond the width of the unit (MGAW)"},
    {fault_condition::lgn_1_3, "LGN.1.3", fault_reason::address_beyond_mgaw, true, "7.1.3",
     "the address is beyond the host address width"},
    {fault_condition::lgn_2, "LGN.2", fault_reason::no_write_permission, true, "7.1.3",
     "the page is not writable"},
    {fault_condition::lgn_2_np, "LGN.2.np", fault_reason::no_write_permission, true, "7.1.3",
     "a write to an address that is not mapped"},
    {fault_condition::lgn_3, "LGN.3", fault_reason::no_read_permission, true, "7.1.3",
     "the page is not readable"},
    {fault_condition::lgn_3_np, "LGN.3.np", fault_reason::no_read_permission, true, "7.1.3",
     "a read of an address that is not mapped"},
    {fault_condition::lgn_3_zlr, "LGN.3.zlr", fault_reason::no_read_permission, true, "7.1.3",
     "a zero-length read of a page that does not allow it"},
    {fault_condition::lgn_4, "LGN.4", fault_reason::output_in_interrupt_range, true, "7.1.3",
     "the translation leads into the interrupt range"},
    {fault_condition::lsl_1, "LSL.1", fault_reason::paging_entry_access, true, "7.1.3",
     "a paging table below the top could not be read"},
    {fault_condition::lsl_2, "LSL.2", fault_reason::paging_entry_reserved, true, "7.1.3",
     "a reserved bit is set in a paging entry"},
    {fault_condition::ir_1, "IR.1", fault_reason::interrupt_request_reserved, false, "5.1.4",
     "a reserved field is set in the interrupt request"},
    {fault_condition::ir_2, "IR.2", fault_reason::interrupt_index_beyond_table, false, "5.1.4",
     "the interrupt index is outside the table"},
    {fault_condition::ir_3, "IR.3", fault_reason::interrupt_entry_not_present, true, "5.1.4",
     "the interrupt entry is not present"},
    {fault_condition::ir_4, "IR.4", fault_reason::interrupt_table_access, false, "5.1.4",
     "the interrupt entry could not be read"},
    {fault_condition::ir_5, "IR.5", fault_reason::interrupt_entry_reserved, true, "5.1.4",
     "a reserved or invalid field is set in the interrupt entry"},
    {fault_condition::ir_6, "IR.6", fault_reason::compatibility_interrupt_blocked, false, "5.1.4",
     "a compatibility-format interrupt is blocked"},
    {fault_condition::ir_7, "IR.7", fault_reason::interrupt_source_rejected, true, "5.1.4",
     "the requester may not use this interrupt entry"},
    {fault_condition::ir_8, "IR.8", fault_reason::posted_descriptor_access, true, "5.1.4",
     "the posted-interrupt descriptor could not be read"},
    {fault_condition::ir_9, "IR.9", fault_reason::posted_descriptor_reserved, true, "5.1.4",
     "a reserved field is set in the posted-interrupt descriptor"},
}};

/// The row of a condition: what it is called, how guests see it, whether FPD hides it.
[[nodiscard]] constexpr const fault_condition_info& condition_info(fault_condition condition) {
  return fault_conditions[static_cast<std::size_t>(condition)];
}

/// Is it about the address alone? A device that asks for a translation (ATS) is answered "no rights" then,
/// and nothing is recorded (VT-d 4.1.3, 7.2.2).
[[nodiscard]] constexpr bool is_recoverable(fault_condition condition) {
  return condition >= fault_condition::lgn_1_1 && condition <= fault_condition::lgn_4;
}

/// How a translation request (ATS) that such a condition stops is answered: true: "completer abort", because
/// a table could not be read or is not what it should be; false: "unsupported request", because the device
/// may not ask (VT-d 4.1.3). Recoverable conditions are neither.
[[nodiscard]] constexpr bool aborts_translation_request(fault_condition condition) {
  switch (condition_info(condition).reason) {
  case fault_reason::paging_entry_access:
  case fault_reason::root_table_access:
  case fault_reason::context_table_access:
  case fault_reason::root_entry_reserved:
  case fault_reason::context_entry_reserved:
  case fault_reason::paging_entry_reserved:
    return true;
  default:
    return false;
  }
}

/// The condition of that name ("LGN.3"), if there is one.
[[nodiscard]] constexpr std::optional<fault_condition> parse_condition(std::string_view name) {
  for (const fault_condition_info& row : fault_conditions) {
    if (row.name == name) return row.condition;
  }
  return std::nullopt;
}

namespace detail {
[[nodiscard]] constexpr bool conditions_are_in_order() {
  for (std::size_t i = 0; i < fault_conditions.size(); ++i) {
    if (static_cast<std::size_t>(fault_conditions[i].condition) != i) return false;
  }
  return true;
}
} // namespace detail
static_assert(detail::conditions_are_in_order());
// The last enumerator: a new one needs its row above.
static_assert(fault_conditions.size() == static_cast<std::size_t>(fault_condition::ir_9) + 1);

} // namespace vtd::spec
