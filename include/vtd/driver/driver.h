// SPDX-License-Identifier: Apache-2.0
#pragma once

// The reference driver: takes all units of a machine, keeps domains, assigns functions to them and maps
// memory. What Linux calls an IOMMU driver, and a hypervisor its pass-through code. Legacy mode.

#include "vtd/driver/dmar_info.h"
#include "vtd/driver/function_list.h"
#include "vtd/driver/hardware.h"
#include "vtd/driver/omit.h"
#include "vtd/driver/second_level_tables.h"
#include "vtd/driver/unit.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vtd::driver {

/// Whole pages, [begin, end) each, in order, apart from each other.
using page_ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// A set of second-level tables and the units that use them. Made by `driver::create_domain`.
class domain {
public:
  domain(hardware& machine, std::string name, const table_shape& shape, const omit& forget)
      : name_(std::move(name)), tables_(machine, shape, forget) {}
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] second_level_tables& tables() { return tables_; }
  [[nodiscard]] const second_level_tables& tables() const { return tables_; }
  /// Its domain-id on a unit, while a function behind that unit is attached.
  [[nodiscard]] std::optional<std::uint16_t> id_on(unsigned unit_index) const;
  /// The source-ids whose context entries point here.
  [[nodiscard]] std::vector<function_address> members() const;

private:
  friend class driver;
  struct unit_use {
    std::uint16_t id = 0;
    std::uint16_t segment = 0;
    std::vector<spec::source_id> sources;
  };
  std::string name_;
  second_level_tables tables_;
  std::map<unsigned, unit_use> uses_;
  // Reserved regions of members that `attach` mapped to themselves.
  page_ranges regions_;
};

/// A fault as the driver saw it.
struct seen_fault {
  unsigned unit = 0;
  fault_report fault;
  /// The line of the log.
  std::string line;
};

struct driver_options {
  unit_options unit;
  /// Levels of all tables; 0: what the narrowest unit has.
  unsigned levels = 0;
  /// Address translation services for functions that have them, where unit and table allow it
  /// (VT-d 4.1, 8.5).
  bool use_ats = true;
};

/// The driver of one machine.
class driver {
public:
  /// Maps and probes all usable units of the table. A unit that does not answer is left alone, with a line in
  /// the log; throws driver_error when none is left. What is passed by reference must outlive this.
  driver(hardware& machine, dmar_info table, std::vector<pci_function> functions,
         const driver_options& options = {}, const omit& forget = {});
  ~driver();
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  /// Takes over: quiet units, empty root tables, reserved regions mapped for their devices, then translation
  /// on, unit by unit. Devices without a domain are blocked from then on. Throws unit_error when a unit does
  /// not answer in time; all units are off again then, with no interrupt and no log in use.
  void start();
  /// Translation off everywhere, also where another unit did not answer (unit_error at the end). Needed
  /// before the driver goes: units must not walk tables that are given back.
  void stop();
  [[nodiscard]] bool started() const { return started_; }

  // Domains.

  /// Its tables can be walked by every unit of the machine.
  domain& create_domain(const std::string& name);
  /// Detaches its functions, then frees everything. Throws driver_error and keeps the tables when a unit did
  /// not confirm that it has let go of them.
  void destroy_domain(domain& which);

  /// Gives a function to a domain, with all source-ids its requests may carry; takes it from the domain it
  /// was in. Throws driver_error: unknown function, no unit for it, no domain-id or page left, or a shared
  /// source-id that another function holds in another domain. All its source-ids are set up, or none.
  ///
  /// Its reserved regions (VT-d 8.4) come with it: they are mapped to themselves before it moves. Throws
  /// driver_error where the domain maps a page of them to something else.
  void attach(domain& to, const function_address& who);
  /// What `attach` would map to itself: [begin, end) page by page, ascending, apart. Memory of the domain
  /// must leave these addresses out.
  [[nodiscard]] page_ranges reserved_ranges(const domain& in, const function_address& who) const;
  /// Takes it back: blocked afterwards. Its reserved regions go from the domain, as far as no other member
  /// needs them and it was `attach` that mapped them.
  void detach(const function_address& who);
  /// The domain of a function, or null.
  [[nodiscard]] domain* domain_of(const function_address& who);
  /// May the function translate for itself: its unit has ECAP.DT and a queue that is on, and the root port
  /// above it is in the scope of an ATSR structure; on the root bus no such scope is needed (VT-d 8.5).
  [[nodiscard]] bool may_use_ats(const function_address& who);
  /// Does it do so now?
  [[nodiscard]] bool uses_ats(const function_address& who) const;

  /// Maps [address, address + size) of the domain to physical memory. Throws driver_error and changes nothing
  /// for bounds that are not page-aligned, beyond the width or mapped already.
  void map(domain& in, std::uint64_t address, std::uint64_t physical, std::uint64_t size,
           page_rights rights = {});
  /// Unmaps, invalidates, then frees what tables became empty.
  void unmap(domain& in, std::uint64_t address, std::uint64_t size);

  // Units and faults.

  [[nodiscard]] std::size_t unit_count() const { return units_.size(); }
  [[nodiscard]] unit& unit_at(std::size_t index) { return *units_[index]; }
  /// The unit whose scope holds the function: the one that names it or a bridge above it, else the
  /// include-all unit of its segment (VT-d 8.3). Null when that one is left alone: no other can stand in.
  [[nodiscard]] unit* unit_for(const function_address& who);
  /// Reads, logs and clears the fault records of all units; also called by the fault interrupt.
  void handle_faults();
  [[nodiscard]] const std::vector<seen_fault>& faults() const { return faults_; }
  [[nodiscard]] const std::vector<pci_function>& functions() const { return functions_; }
  [[nodiscard]] const dmar_info& table() const { return table_; }
  /// Domains in the order of their creation.
  [[nodiscard]] std::vector<domain*> domains();

private:
  void probe_units();
  void log_table();
  void map_reserved_regions();
  [[nodiscard]] table_shape shape_for_all() const;
  [[nodiscard]] const pci_function* find(const function_address& who) const;
  [[nodiscard]] std::vector<function_address> resolve(std::uint16_t segment, const scope_info& scope) const;
  [[nodiscard]] bool in_scope(const pci_function& who, const unit_info& info) const;
  [[nodiscard]] std::vector<spec::source_id> ids_of(const pci_function& who) const;
  [[nodiscard]] unsigned levels_on(const unit& which, const table_shape& shape) const;
  std::uint16_t take_id(unit& which);
  void install(domain& to, unit& which, spec::source_id id, spec::translation_type type);
  void enable_ats(unit& which, const pci_function& who);
  void disable_ats(unit& which, spec::source_id id);
  void invalidate_devices(unit& which, const domain& in, std::uint64_t begin, std::uint64_t end);
  void remove(unit& which, spec::source_id id);
  void after_change(domain& in, const table_change& change, bool mapped);
  [[nodiscard]] std::vector<function_address> users_of(const reserved_region_info& region) const;
  void unmap_regions(domain& in, const page_ranges& ranges);
  [[nodiscard]] page_ranges missing_regions(domain& in, const function_address& who) const;
  [[nodiscard]] page_ranges bring_regions(domain& to, const function_address& who);
  void take_regions(domain& from, const function_address& who);

  hardware& machine_;
  dmar_info table_;
  std::vector<pci_function> functions_;
  driver_options options_;
  omit forget_;
  std::vector<std::unique_ptr<unit>> units_;
  std::vector<std::unique_ptr<domain>> domains_;
  domain* firmware_ = nullptr; // of the reserved regions' devices
  // Which domain a source-id belongs to, by unit index and source-id.
  std::map<std::pair<unsigned, spec::source_id>, domain*> owners_;
  // Functions attached, and where.
  std::map<std::pair<std::uint16_t, spec::source_id>, domain*> attached_;
  std::map<unsigned, std::vector<bool>> ids_;
  // Functions that translate for themselves, by unit index and source-id.
  struct ats_user {
    std::uint64_t registers = 0;
    unsigned queue_depth = 0;
  };
  std::map<std::pair<unsigned, spec::source_id>, ats_user> ats_;
  std::vector<seen_fault> faults_;
  bool started_ = false;
};

} // namespace vtd::driver
