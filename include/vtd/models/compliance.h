// SPDX-License-Identifier: Apache-2.0
#pragma once

// What of VT-d is there: every fault condition, capability, register field and command, whether it is
// implemented, which test fails when it breaks, and who else says that it is right. The rows come from
// include/vtd/spec; what is said of each stands in models/compliance, one line a row.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

enum class compliance_kind : std::uint8_t { condition, capability, register_field, command };
/// What it belongs to. `scalable`: scalable mode, and all that came with PASIDs or later.
enum class compliance_mode : std::uint8_t { legacy, interrupt, scalable };
/// `stored_only`: software sees it as the part has it, and nothing follows from it.
enum class compliance_status : std::uint8_t { implemented, stored_only, absent };
/// Who says, beside a test written from the specification, that it is right.
enum class compliance_witness : std::uint8_t {
  none,
  /// QEMU's model does the same in random programs.
  qemu,
  /// Values worked out by hand from the section, apart from the code.
  hand_derived,
  /// A naive second implementation in the tests.
  second_implementation,
  /// A sequence that a real driver runs.
  driver_sequence,
  /// What real hardware was logged to say or do.
  logged_hardware
};

[[nodiscard]] std::string_view to_string(compliance_kind kind);
[[nodiscard]] std::string_view to_string(compliance_mode mode);
[[nodiscard]] std::string_view to_string(compliance_status status);
[[nodiscard]] std::string_view to_string(compliance_witness witness);

struct compliance_row {
  compliance_kind kind = compliance_kind::condition;
  /// "LGN.3", "CAP.ND", "FSTS_REG.PFO", "GCMD.TE", "CCMD domain", "wait descriptor: fence".
  std::string name;
  compliance_mode mode = compliance_mode::legacy;
  /// Section of the VT-d specification.
  std::string_view section;
  compliance_status status = compliance_status::absent;
  /// "ROOM.SUITE.NAME" of the test that fails when it breaks; for an absent capability, of the test that
  /// shows its absence.
  std::string_view test;
  compliance_witness witness = compliance_witness::none;
  /// What it is, in a few words.
  std::string_view text;
};

/// All rows: conditions, capabilities, register fields, commands, each in the order of its declaration.
/// Throws std::logic_error that names a row of which nothing is said, or something said of no row.
[[nodiscard]] std::vector<compliance_row> compliance_rows();

/// A field of the entries in memory (VT-d 9), of legacy mode; all are implemented.
struct table_entry_row {
  /// "root", "context" or "paging".
  std::string_view entry;
  std::string_view name;
  std::string_view section;
  std::string_view text;
  compliance_witness witness = compliance_witness::none;
  /// As `compliance_row::test`.
  std::string_view test;
};
[[nodiscard]] std::vector<table_entry_row> table_entries();

/// What QEMU cannot witness, and who does instead.
struct beyond_qemu_row {
  std::string_view what;
  compliance_witness witness = compliance_witness::none;
  /// As `compliance_row::test`, of the witness; empty where there is none.
  std::string_view test;
  std::string_view how;
};
[[nodiscard]] std::vector<beyond_qemu_row> beyond_qemu();

/// Status of a field of CAP_REG or ECAP_REG, by "CAP.ND" or "ECAP.QI"; `absent` for a name that is none.
[[nodiscard]] compliance_status capability_status(std::string_view name);

} // namespace vtd::models
