// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/run.h"

#include "vtdsim/acpi_import.h"
#include "vtdsim/injection.h"
#include "vtdsim/machine_trace.h"
#include "vtdsim/pci_scan.h"
#include "vtdsim/result_text.h"
#include "vtdsim/session.h"

#include "vtd/check/device_tlb_checker.h"
#include "vtd/dmar/observer_list.h"
#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/error.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/near_names.h"
#include "vtd/pci_topology/lspci.h"
#include "vtd/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <span>

namespace vtdsim {

namespace models = vtd::models;
namespace spec = vtd::spec;

namespace {

bool is_stray(std::uint64_t address) {
  return address >= guest_layout::stray && address < guest_layout::stray + vtd::spec::page_size;
}

/// Keeps the faults of a unit for the report: the first of a kind, and a count.
class fault_keeper final : public vtd::dmar::fault_observer {
public:
  fault_keeper(std::string unit, const vtd::engine::clock& clock, std::vector<fault_result>& out)
      : unit_(std::move(unit)), clock_(clock), out_(out) {}
  void on_fault(const vtd::dmar::fault_report& report) override {
    const auto& info = spec::condition_info(report.condition);
    fault_result fault;
    fault.unit = unit_;
    fault.source_id = to_string(report.access.source);
    fault.address = report.access.address;
    fault.write = report.access.kind == vtd::remap::access_kind::write;
    fault.reason = static_cast<unsigned>(info.reason);
    fault.reason_text = spec::reason_text(info.reason);
    fault.condition = info.name;
    fault.condition_text = info.text;
    fault.section = info.section;
    fault.time_ns = clock_.time_of(report.when) / 1000;
    fault.last_time_ns = fault.time_ns;
    fault.expected = is_stray(fault.address);
    const auto is_same = [&](const fault_result& other) {
      return other.unit == fault.unit && other.source_id == fault.source_id && other.write == fault.write &&
             other.condition == fault.condition && other.expected == fault.expected;
    };
    const auto known = std::find_if(out_.begin(), out_.end(), is_same);
    if (known == out_.end()) {
      out_.push_back(std::move(fault));
    } else {
      ++known->count;
      known->last_time_ns = fault.time_ns;
    }
  }

private:
  std::string unit_;
  vtd::engine::clock clock_;
  std::vector<fault_result>& out_;
};

struct prepared {
  models::board board;
  models::timing_preset preset;
  std::vector<std::byte> table;
  std::uint64_t table_address = 0;
  vtd::driver::omit forget;
  // Of these, steps of an unmapping.
  std::vector<std::string> forgotten_of_unmap{};
  injection faults{};
};

// Steps to forget. Those that a run never comes to are refused, or told to have no effect.
vtd::driver::omit omissions(const std::vector<std::string>& names, run_result& result,
                            std::vector<std::string>& of_unmap) {
  using vtd::driver::occasion;
  vtd::driver::omit forget;
  for (const std::string& name : names) {
    const auto* const known = vtd::driver::find_omission(name);
    if (known == nullptr) {
      std::vector<std::string> steps;
      for (const auto& each : vtd::driver::omissions()) {
        if (each.when != occasion::replacement) steps.emplace_back(each.name);
      }
      throw models::board_error("--forget " + name + ": no such step, " +
                                models::name_hint(name, steps, steps.size()));
    }
    if (known->when == occasion::replacement) {
      throw models::board_error("--forget " + name +
                                ": the driver never replaces an entry that is present, it moves functions "
                                "through \"not present\"; expected a step that it takes");
    }
    if (known->when == occasion::unmap) of_unmap.emplace_back(known->name);
    if (known->when == occasion::detach) {
      result.warnings.push_back({"forgotten-step", std::string(known->name) +
                                                       ": a run takes no function back, so that it cannot "
                                                       "show"});
    }
    forget.*(known->flag) = true;
  }
  return forget;
}

prepared prepare(const run_options& options, run_result& result) {
  const auto directories = models::data_directories(options.data_directory);
  prepared out{models::load_board(options.board, directories), {}, {}, 0, {}};
  out.forget = omissions(options.forget, result, out.forgotten_of_unmap);
  if (!options.acpi_file.empty()) {
    out.table = read_bytes(options.acpi_file);
    vtd::driver::dmar_info info;
    try {
      info = vtd::driver::parse_dmar(out.table);
    } catch (const std::exception& error) {
      throw models::board_error(options.acpi_file + ": " + error.what());
    }
    // The driver reads as many bytes as the table says, and does not see these.
    for (const auto& warning : info.warnings) {
      if (warning.kind == vtd::driver::dmar_warning_kind::trailing_bytes)
        result.warnings.push_back({std::string(vtd::driver::warning_name(warning.kind)), warning.text});
    }
    std::vector<std::string> notes;
    try {
      out.board = import_board(out.board, info, notes);
    } catch (const std::exception& error) {
      throw models::board_error(options.acpi_file + ": " + error.what());
    }
    for (const std::string& note : notes)
      result.warnings.push_back({"default", note});
  }
  std::vector<std::pair<std::string, std::string>> of_preset;
  for (const auto& setting : options.settings) {
    if (setting.first.starts_with("bios.")) {
      models::set_in_bios(out.board, setting.first, setting.second);
    } else if (injection::is_key(setting.first)) {
      out.faults.set(setting.first, setting.second);
    } else {
      of_preset.push_back(setting);
    }
  }
  out.preset = models::load_preset(options.preset.empty() ? out.board.preset : options.preset, directories);
  for (const auto& [key, value] : of_preset) {
    models::set_parameter(out.preset, key, value, models::confidence::assumed, "set by --set");
  }
  models::check_preset(out.preset);
  if (options.acpi_file.empty()) {
    out.table = models::generate_dmar(out.board);
  } else if (!out.board.vtd_enabled && out.board.off_looks.value != models::vtd_off::dead_registers) {
    out.table.clear();
  }
  out.table_address = out.board.table.address;
  return out;
}

std::string_view confidence_name(const models::parameter_info& parameter) {
  return parameter.why == "set by --set" ? std::string_view("set by --set") : to_string(parameter.how);
}

void describe(const prepared& what, const run_options& options, run_result& result) {
  result.version = vtd::version_string;
  result.seed = options.seed;
  result.board = what.board.name;
  result.board_title = what.board.title;
  result.preset = what.preset.name;
  result.preset_calibrated = what.preset.calibrated;
  result.clock_mhz = what.preset.clock_mhz();
  result.acpi_file = options.acpi_file;
  result.command = fmt::format("vtdsim run --board {} --preset {} --seed {} --pages {}", options.board,
                               options.preset.empty() ? what.preset.name : options.preset, options.seed,
                               options.largest_window);
  if (!options.acpi_file.empty()) result.command += " --acpi " + options.acpi_file;
  for (const auto& [key, value] : options.settings)
    result.command.append(" --set ").append(key).append("=").append(value);
  for (const std::string& step : options.forget)
    result.command += " --forget " + step;
  for (const models::parameter_info& p : models::list_parameters(what.preset)) {
    result.parameters.push_back({p.name, p.value, p.unit, std::string(confidence_name(p)), p.why});
  }
}

void collect_functions(models::root_complex& machine, const std::string& assigned, run_result& result) {
  machine.pci().for_each([&](const vtd::pci_topology::function& f) {
    function_result out;
    out.source_id = to_string(f.id());
    if (f.parent() != nullptr) out.parent = to_string(f.parent()->id());
    out.text = f.description().device_name;
    out.bridge = f.is_bridge();
    const auto requester = vtd::pci_topology::topology::requester_id(f);
    if (machine.is_covered(requester)) out.unit = machine.unit_data(machine.unit_of(requester)).name;
    if (out.source_id == assigned) out.domain = "guest";
    result.functions.push_back(std::move(out));
  });
}

template <class Cache>
cache_result cache_of(const Cache& cache) {
  const auto& shape = cache.shape();
  const auto& n = cache.statistics();
  return {cache.name(), shape.entries, shape.ways,   std::string(to_string(shape.policy)), n.hits, n.misses,
          n.fills,      n.evictions,   n.invalidated};
}

void collect_units(models::root_complex& machine, run_result& result) {
  for (std::size_t i = 0; i < machine.unit_count(); ++i) {
    const auto& hardware = machine.unit(i).hardware();
    const models::unit_description& data = machine.unit_data(i);
    const auto n = hardware.statistics();
    unit_result out;
    out.name = data.name;
    out.base = data.base;
    out.cap = hardware.config().caps.cap.value;
    out.ecap = hardware.config().caps.ecap.value;
    (void)models::advertised(spec::cap{data.cap.value}, &out.masked);
    (void)models::advertised(spec::ecap{data.ecap.value}, &out.masked,
                             static_cast<spec::spec_revision>(data.revision.value));
    for (const auto& scope : data.scopes)
      out.scopes.push_back(models::to_string(scope));
    if (data.include_all) out.scopes.emplace_back("all other devices");
    out.translation_enabled = hardware.translation_enabled();
    out.requests = n.requests;
    out.context_hits = n.context_hits;
    out.context_misses = n.context_misses;
    out.iotlb_hits = n.iotlb_hits;
    out.iotlb_misses = n.iotlb_misses;
    out.walks = n.walks;
    out.walk_reads = n.walk_reads;
    out.faults = n.faults;
    out.invalidations = n.invalidations;
    const auto& caches = hardware.translator().caches();
    out.caches = {cache_of(caches.contexts()), cache_of(caches.iotlb())};
    if (caches.large_iotlb().shape().entries != 0) out.caches.push_back(cache_of(caches.large_iotlb()));
    for (unsigned level = 2; level <= vtd::remap::translation_caches::max_cached_level; ++level) {
      if (caches.tables(level).shape().entries != 0) out.caches.push_back(cache_of(caches.tables(level)));
    }
    result.units.push_back(std::move(out));
  }
}

void collect_findings(const vtd::check::finding_log& log, run_result& result) {
  for (const auto& each : log.findings()) {
    finding_result out;
    out.rule = each.key.rule;
    out.severity = to_string(each.level);
    out.text = each.text;
    for (const auto& detail : each.details)
      out.details.emplace_back(detail.key, detail.value);
    out.count = each.count;
    result.findings.push_back(std::move(out));
  }
}

/// The function that the guest gets: 01:00.0 where it is, else the first with a behaviour.
vtd::platform::endpoint& device_of(models::root_complex& machine) {
  if (auto* const usual = machine.endpoint_at(spec::source_id::from_bdf(1, 0, 0))) return *usual;
  if (machine.endpoints().empty()) {
    throw models::board_error("board " + machine.description().name +
                              ": no function has a model, expected one with \"dma_engine\"");
  }
  return *machine.endpoints().front();
}

// What system software knows of the machine's functions: what it finds by the configuration ports.
std::vector<vtd::driver::pci_function> enumerate(session& s) {
  scan_result found = scan_functions(s.machine);
  s.say(fmt::format("enumeration: {} functions on {} buses by ports CF8h and CFCh, {} of them compared with "
                    "memory-mapped configuration space",
                    found.functions.size(), found.buses, found.compared));
  for (const std::string& each : compare_with_tree(found, s.machine.pci()))
    s.result.warnings.push_back({"enumeration", each});
  return std::move(found.functions);
}

// Lets the driver take the machine. Where no unit translates the device's requests, the reason is left in
// `translation_off`: firmware may have switched VT-d off, and tables and units may be of no use.
void take_over(session& s, const prepared& what) {
  const auto off = [&s](const std::string& line, const std::string& reason) {
    s.hardware->log(line);
    s.result.translation_off = reason;
  };
  auto functions = enumerate(s);
  const auto at = vtd::driver::find_dmar(*s.hardware);
  if (!at) {
    off("DMAR: no DMAR table among the ACPI tables: no remapping hardware, DMA is not translated",
        what.board.units.empty() ? "the board has no remapping unit"
                                 : "firmware shows no DMAR table, VT-d is off in the BIOS");
    return;
  }
  s.say(fmt::format("firmware: DMAR table at {:#x}", *at));
  const auto table = vtd::driver::parse_dmar(vtd::driver::load_table(*s.hardware, *at));
  for (const auto& warning : table.warnings) {
    s.result.warnings.push_back({std::string(vtd::driver::warning_name(warning.kind)), warning.text});
  }
  if (table.units.empty()) {
    off("DMAR: no usable remapping unit in the table, DMA is not translated",
        "the table names no usable remapping unit");
    return;
  }
  try {
    s.driver = std::make_unique<vtd::driver::driver>(*s.hardware, table, std::move(functions),
                                                     vtd::driver::driver_options{}, what.forget);
  } catch (const vtd::driver::driver_error& error) {
    // Units that firmware switched off do not answer. Units that are there and cannot be used are a mistake
    // in the board's data.
    if (what.board.vtd_enabled) throw;
    off(std::string(error.what()) + "; DMA is not translated",
        "no remapping unit answers although the table names some, VT-d is off in the BIOS");
    return;
  }
  s.driver->start();
  const auto device = s.device.function().id();
  if (s.unit == nullptr || s.driver->unit_for({s.machine.pci().description().segment, device}) == nullptr) {
    off("DMAR: " + to_string(device) + " is in the scope of no remapping unit, its DMA is not translated",
        "no usable remapping unit covers " + to_string(device));
  }
}

// The guest's memory, but for the regions that firmware reserves for its device: what the device reaches
// there is not the guest's (VT-d 8.4). Returns how much it is.
std::uint64_t map_guest_memory(session& s, vtd::driver::domain& guest,
                               const vtd::driver::function_address& device) {
  auto holes = s.driver->reserved_ranges(guest, device);
  holes.emplace_back(guest_layout::size, guest_layout::size);
  std::uint64_t mapped = 0;
  std::uint64_t at = 0;
  for (const auto& [hole, behind] : holes) {
    for (const std::uint64_t end = std::min(hole, guest_layout::size); at < end;) {
      const std::uint64_t piece = std::min(end, (at / guest_layout::chunk + 1) * guest_layout::chunk) - at;
      s.driver->map(guest, at, guest_layout::host(at), piece);
      mapped += piece;
      at += piece;
    }
    at = std::max(at, behind);
    if (hole >= guest_layout::size) break;
    s.say(fmt::format("guest: no memory at {:#x} to {:#x}, reserved by firmware for {}", hole, behind - 1,
                      to_string(device.id)));
    if (behind > guest_layout::ring) {
      throw vtd::driver::driver_error(fmt::format("{}: firmware reserves {:#x} to {:#x}, where the run's "
                                                  "guest has its buffers; expected regions below {:#x} "
                                                  "or from {:#x} on",
                                                  to_string(device.id), hole, behind - 1, guest_layout::ring,
                                                  guest_layout::size));
    }
  }
  return mapped;
}

void build_guest(session& s) {
  vtd::driver::domain& guest = s.driver->create_domain("guest");
  s.guest = &guest;
  const auto id = s.device.function().id();
  const std::uint64_t mapped = map_guest_memory(s, guest, {0, id});
  s.driver->attach(guest, {0, id});
  s.say(fmt::format("guest: {} MB of memory, {} at its address 0 is {:#x} on the host; gets {}", mapped >> 20,
                    "what is", guest_layout::host(0), to_string(id)));
}

// The CPU's program from power-on to the last measurement.
void program(session& s, const prepared& what) {
  write_firmware(s, what.table, what.table_address);
  if (s.options.measure) {
    s.say("measuring with translation off ...");
    sweep(s, false);
  }
  take_over(s, what);
  const bool covered = s.result.translation_off.empty();
  if (covered) build_guest(s);
  if (s.options.measure) {
    run_guest_traffic(s);
    if (covered) {
      provoke_fault(s);
      s.unmapped = take_a_page_back(s);
      s.say(fmt::format("measuring working sets of 4 KB to {} ...",
                        window_text(s.options.largest_window * spec::page_size)));
      sweep(s, true);
    }
  }
  if (s.options.inspect) s.options.inspect(s);
}

// The hardware's view of a fault and the driver's line about it belong together.
void match_faults(session& s) {
  std::vector<bool> used(s.driver ? s.driver->faults().size() : 0);
  for (fault_result& fault : s.result.faults) {
    for (std::size_t i = 0; i < used.size(); ++i) {
      const auto& seen = s.driver->faults()[i];
      if (used[i] || to_string(seen.fault.source) != fault.source_id ||
          seen.fault.address != spec::page_base(fault.address)) {
        continue;
      }
      used[i] = true;
      fault.driver_line = seen.line;
      break;
    }
    if (!fault.expected) {
      s.result.fail("unexpected fault: " + fault.source_id + " " + fault.condition + " (" +
                        (fault.write ? "write" : "read") +
                        fmt::format(", the first to {:#x})", fault.address),
                    fault.count);
    }
  }
}

} // namespace

void write_firmware(session& s, const std::vector<std::byte>& dmar, std::uint64_t dmar_address) {
  namespace acpi = spec::acpi;
  const auto put = [&](std::uint64_t address, std::span<const std::byte> data) {
    if (!s.machine.stores().debug_write(address, data)) {
      throw models::board_error(fmt::format("board {}: table.address: {:#x} is no memory of this board",
                                            s.machine.description().name, address));
    }
  };
  // Extended system description table with one entry, or none (ACPI 6.5, 5.2.8).
  std::vector<std::byte> list(36 + (dmar.empty() ? 0 : 8));
  acpi::dmar_header::signature::set(list, "XSDT");
  acpi::dmar_header::length::set(list, static_cast<std::uint32_t>(list.size()));
  acpi::dmar_header::revision::set(list, 1);
  if (!dmar.empty()) {
    acpi::table_field<36, std::uint64_t>::set(list, dmar_address);
    put(dmar_address, dmar);
  }
  acpi::set_checksum(list);
  put(host_layout::table_list, list);
  // Root pointer of revision 2 (ACPI 6.5, 5.2.5.3): a checksum over 20 bytes, and one over all.
  std::vector<std::byte> pointer(36);
  acpi::text_field<0, 8>::set(pointer, "RSD PTR ");
  acpi::table_field<15, std::uint8_t>::set(pointer, 2);
  acpi::table_field<20, std::uint32_t>::set(pointer, 36);
  acpi::table_field<24, std::uint64_t>::set(pointer, host_layout::table_list);
  const auto first = acpi::byte_sum(std::span<const std::byte>(pointer).first(20));
  acpi::table_field<8, std::uint8_t>::set(pointer, static_cast<std::uint8_t>(0U - first));
  acpi::table_field<32, std::uint8_t>::set(pointer, static_cast<std::uint8_t>(0U - acpi::byte_sum(pointer)));
  put(host_layout::root_pointer, pointer);
}

run_result run(const run_options& options, const line_sink& say) {
  const auto begin = std::chrono::steady_clock::now();
  run_result result;
  const prepared what = prepare(options, result);
  describe(what, options, result);

  models::root_complex machine("machine", what.board, what.preset, options.seed, 1, !what.faults.empty());
  what.faults.apply(machine);
  vtd::platform::endpoint& device = device_of(machine);
  vtd::platform::dma_master probe("probe", device.port.source(), machine.link());
  probe.socket.bind(machine.extra(0));
  const auto requester = device.port.source();
  vtd::dmar::unit* const unit =
      machine.is_covered(requester) ? &machine.unit(machine.unit_of(requester)).hardware() : nullptr;

  vtd::check::finding_log findings;
  vtd::check::visibility_checker checker(machine.stores(), findings);
  std::deque<vtd::dmar::observer_list> observers;
  std::deque<vtd::check::device_tlb_checker> device_checkers;
  const auto patience = machine.wheel().timebase().cycles_for(driver_patience_ns * 1000);
  std::vector<std::unique_ptr<fault_keeper>> keepers;
  for (std::size_t i = 0; i < machine.unit_count(); ++i) {
    auto& hardware = machine.unit(i).hardware();
    keepers.push_back(
        std::make_unique<fault_keeper>(machine.unit_data(i).name, machine.wheel().timebase(), result.faults));
    hardware.set_fault_observer(keepers.back().get());
    hardware.set_walk_observer(&checker);
    observers.emplace_back(hardware);
    if (hardware.config().caps.ecap.dt()) {
      observers.back().add(
          device_checkers.emplace_back(hardware.config(), machine.stores(), findings, patience));
    }
    if (hardware.config().caps.ecap.c() && !machine.unit_data(i).hidden_incoherent)
      checker.declare_coherent(hardware.name());
  }
  std::optional<machine_trace> trace;
  if (options.trace) trace.emplace(*options.trace, result, machine, observers);
  for (const models::unresolved_scope& each : machine.unresolved()) {
    result.warnings.push_back(
        {"unresolved-scope", each.where + ": " + models::to_string(each.scope) + " names no function"});
  }
  say(fmt::format("power on: {}, preset {} ({}), {:.1f} MHz, seed {}", what.board.title, what.preset.name,
                  what.preset.calibrated ? "calibrated" : "uncalibrated", result.clock_mhz, options.seed));
  say(vtd::pci_topology::lspci_tree(machine.pci()));

  session s{machine, probe, device, unit, options, say, result, {}, {}, {}, nullptr};
  s.adapter = std::make_unique<machine_adapter>(
      machine, host_layout::driver_pages, host_layout::driver_pages_end, [&](const std::string& line) {
        const double seconds = static_cast<double>(vtd::platform::now_ps()) / 1e12;
        result.driver_log.push_back(fmt::format("[{:12.6f}] {}", seconds, line));
        say(result.driver_log.back());
      });
  s.hardware = std::make_unique<vtd::driver::hardware>(s.adapter->access());
  machine.cpu().run([&] { program(s, what); });
  sc_core::sc_start();
  try {
    machine.cpu().rethrow();
  } catch (const std::exception& error) {
    // On a machine that breaks by order it is a result what becomes of the driver.
    if (what.faults.empty()) throw;
    result.fail(error.what());
  }
  for (const std::string& each : what.faults.report(machine))
    result.warnings.push_back({"injected", each});
  if (trace) trace->finish();
  for (auto& each : device_checkers)
    each.finish(machine.wheel().wheel().now());
  if (!s.unmapped) {
    for (const std::string& step : what.forgotten_of_unmap)
      result.warnings.push_back(
          {"forgotten-step", step + ": this run unmaps nothing, so that it cannot show"});
  }

  collect_functions(machine, s.guest != nullptr ? to_string(device.function().id()) : "", result);
  collect_units(machine, result);
  collect_findings(findings, result);
  match_faults(s);
  result.simulated_ns = vtd::platform::now_ps() / 1000;
  if (options.measure && !result.dma.verified) result.fail("the guest's DMA was not verified");
  for (const finding_result& finding : result.findings) {
    if (finding.severity == "error") result.fail(finding.rule + ": " + finding.text, finding.count);
  }
  result.host_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

} // namespace vtdsim
