// SPDX-License-Identifier: Apache-2.0
#pragma once

// A board as data: what its JSON file says, every value with how well it is known.

#include "vtd/models/known.h"
#include "vtd/pci_topology/description.h"
#include "vtd/spec/access.h"
#include "vtd/spec/address.h"
#include "vtd/spec/capability.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// What a device scope names (VT-d 8.3.1).
struct scope_description {
  /// Type of the scope entry: 1 endpoint, 2 bridge with all below it, 3 IOAPIC, 4 HPET, 5 ACPI device.
  std::uint8_t type = 1;
  std::uint8_t enumeration_id = 0;
  std::uint8_t start_bus = 0;
  struct step {
    std::uint8_t device = 0;
    std::uint8_t function = 0;
    friend bool operator==(const step&, const step&) = default;
  };
  std::vector<step> path;
  friend bool operator==(const scope_description&, const scope_description&) = default;
};

/// What sources disagree about or leave to the part, one way or the other: docs/choices.md.
struct unit_choices {
  /// `remap::capabilities::output_range_check`.
  known<bool> output_range_check{true, confidence::assumed, ""};
  /// `remap::capabilities::caches_absent`.
  known<bool> caches_absent{true, confidence::assumed, ""};
  /// `remap::capabilities::pass_through_checks_width`.
  known<bool> pass_through_checks_width{false, confidence::assumed, ""};
  /// As in `dmar::unit_config`.
  known<bool> context_domain_compared{true, confidence::assumed, ""};
  known<bool> compress_faults{false, confidence::assumed, ""};
  known<bool> queue_address_clears_pointers{true, confidence::assumed, ""};
  known<bool> queue_flushes_write_buffer{false, confidence::assumed, ""};
};

/// One of them, as board files name it, and the way that is taken when they do not.
struct unit_choice {
  std::string_view name;
  known<bool> unit_choices::*value = nullptr;
  bool usual = false;
  std::string_view why;
};
[[nodiscard]] std::span<const unit_choice> all_unit_choices();

/// One remapping unit.
struct unit_description {
  std::string name;
  std::uint16_t segment = 0;
  known<std::uint64_t> base;
  known<std::uint64_t> cap;
  known<std::uint64_t> ecap;
  known<unsigned> version;
  /// The revision of the specification that the part follows, numbered as in `version`: VER reads 1.0 in
  /// parts of revision 2, too. The newest that `version` allows unless the file says.
  known<unsigned> revision;
  /// INCLUDE_PCI_ALL: every device that no other unit names.
  bool include_all = false;
  std::vector<scope_description> scopes;
  /// The part needs write-buffer flushes although CAP.RWBF = 0.
  known<bool> hidden_write_buffer;
  /// The part's table reads do not meet the CPU's cache although ECAP.C = 1.
  known<bool> hidden_incoherent;
  /// Protected regions also block translated requests.
  known<bool> protect_translated;
  /// Protected regions begin and end at multiples of this; a power of two, 4 KB to 2 GB.
  known<std::uint64_t> protected_region_size;
  unit_choices choices;
};

/// Memory that firmware makes devices use (RMRR, VT-d 8.4); `limit` is the last byte.
struct reserved_region {
  std::uint64_t base = 0;
  std::uint64_t limit = 0;
  std::vector<scope_description> scopes;
};

/// How the machine looks with VT-d switched off in its BIOS.
enum class vtd_off : std::uint8_t {
  /// No DMAR table, no unit answers.
  no_table,
  /// The table is still there, but the registers read as ones.
  dead_registers,
  /// A table of 48 bytes whose signature was renamed.
  renamed_table
};

/// Root ports whose devices may use address translation services (ATSR, VT-d 8.5).
struct ats_description {
  bool all_ports = false;
  std::vector<scope_description> scopes;
};

struct board {
  std::string name;
  std::string title;
  std::string maker;
  std::string chipset;
  /// How well the board as a whole is known.
  confidence how = confidence::assumed;
  std::string why;

  /// The timing preset it is run with unless another is named.
  std::string preset;
  known<unsigned> host_address_width;
  /// End of memory below 4 GB, and bytes of memory above.
  known<std::uint64_t> low_memory_end;
  known<std::uint64_t> high_memory;

  bool vtd_enabled = true;
  known<vtd_off> off_looks;

  std::vector<unit_description> units;
  std::vector<reserved_region> reserved_regions;
  std::vector<ats_description> ats;
  /// The order of RMRRs and so on is that of the lists above.
  struct {
    std::string oem_id;
    std::string oem_table_id;
    std::uint32_t oem_revision = 0;
    std::string creator_id;
    std::uint32_t creator_revision = 0;
    std::uint8_t flags = 0;
    /// Where firmware puts the table.
    std::uint64_t address = 0;
  } table;

  pci_topology::topology_description pci;
};

/// The capabilities that the model advertises for a unit: those of the board, without the bits whose feature
/// is not built yet or lacks what it needs. `masked` (when not null) gets the names of the bits that were
/// taken away. `revision`: that of the part, where bits of ECAP are something else in it (NIU of 1.0
/// and 1.1).
[[nodiscard]] spec::cap advertised(const spec::cap& real, std::vector<std::string>* masked = nullptr);
[[nodiscard]] spec::ecap advertised(const spec::ecap& real, std::vector<std::string>* masked = nullptr,
                                    spec::spec_revision revision = spec::newest_revision);

} // namespace vtd::models
