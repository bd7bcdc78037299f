// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/verbs.h"

#include "vtdsim/acpi_import.h"
#include "vtdsim/compliance.h"
#include "vtdsim/differential/verb.h"
#include "vtdsim/dump.h"
#include "vtdsim/report_html.h"
#include "vtdsim/result_json.h"
#include "vtdsim/result_text.h"
#include "vtdsim/run.h"

#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/omit.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/pci_topology/lspci.h"
#include "vtd/version.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <fstream>
#include <iostream>
#include <memory>

namespace vtdsim {

namespace models = vtd::models;
using json = nlohmann::ordered_json;

namespace {

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw models::board_error(file.string() + ": cannot be written");
}

// Told before a run that may take its time, and not after it.
void check_writable(const std::filesystem::path& file) {
  const std::ofstream out(file, std::ios::binary | std::ios::app);
  if (!out) throw models::board_error(file.string() + ": cannot be written");
}

using setting = std::pair<std::string, std::string>;

setting setting_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw models::board_error("--set " + text + ": expected KEY=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

/// A board with its BIOS set: verbs without timing have no other settings.
models::board board_of(const std::string& data, const std::string& name,
                       const std::vector<std::string>& settings) {
  models::board board = models::load_board(name, models::data_directories(data));
  for (const std::string& each : settings) {
    const auto [key, value] = setting_of(each);
    models::set_in_bios(board, key, value);
  }
  return board;
}

/// `--json[=FILE]`: nothing, stdout, or a file.
struct json_option {
  const CLI::Option* option = nullptr;
  std::string file;
  void add(CLI::App& verb) {
    option = verb.add_option("--json", file, "machine-readable output, to stdout or to FILE")
                 ->expected(0, 1)
                 ->type_name("[FILE]");
  }
  [[nodiscard]] bool wanted() const { return option->count() != 0; }
  [[nodiscard]] bool to_stdout() const { return wanted() && file.empty(); }
  void check() const {
    if (!file.empty()) check_writable(file);
  }
  void write(const std::string& text) const {
    if (!wanted()) return;
    if (file.empty()) {
      std::cout << text;
    } else {
      write_text(file, text);
    }
  }
};

// --- boards ---

/// "broken": the firmware's table is there and not sound. It names units whose registers are dead, or has
/// what the driver's parser warns of.
std::string_view vtd_state(const models::board& board) {
  if (board.units.empty()) return "absent";
  if (!board.vtd_enabled) return board.off_looks.value == models::vtd_off::dead_registers ? "broken" : "off";
  return vtd::driver::parse_dmar(models::generate_dmar(board)).warnings.empty() ? "on" : "broken";
}

void list_boards(const std::string& data, const json_option& as_json) {
  const auto directories = models::data_directories(data);
  json list = json::array();
  for (const models::data_file& file : models::list_data_files("boards", directories)) {
    const models::board board = models::load_board(file.path.string(), directories);
    list.push_back({{"name", board.name},
                    {"maker", board.maker},
                    {"chipset", board.chipset},
                    {"vtd", vtd_state(board)},
                    {"units", board.units.size()},
                    {"confidence", models::to_string(board.how)},
                    {"title", board.title}});
  }
  if (as_json.wanted()) return as_json.write(list.dump(2) + "\n");
  for (const json& b : list) {
    std::cout << fmt::format("{:<16} {:<8} VT-d {:<7} {} units  {:<11} {}\n", b["name"].get<std::string>(),
                             b["chipset"].get<std::string>(), b["vtd"].get<std::string>(),
                             b["units"].get<std::size_t>(), b["confidence"].get<std::string>(),
                             b["title"].get<std::string>());
  }
}

// --- lspci ---

void list_functions(const models::board& board, bool tree, bool numbers, bool verbose) {
  vtd::pci_topology::topology topology(board.pci);
  topology.set_up_as_firmware();
  using vtd::pci_topology::lspci_style;
  if (tree) {
    std::cout << vtd::pci_topology::lspci_tree(topology);
  } else {
    std::cout << vtd::pci_topology::lspci(topology, verbose   ? lspci_style::verbose
                                                    : numbers ? lspci_style::numbers
                                                              : lspci_style::names);
  }
}

// --- dmar ---

json structures_of(const std::vector<std::byte>& table, const vtd::driver::dmar_info& info) {
  namespace acpi = vtd::spec::acpi;
  json out = json::array();
  const std::size_t end = acpi::dmar_header::length::get(table);
  for (std::size_t at = acpi::dmar_header::size; at + acpi::structure_header::size <= end;) {
    const auto s = std::span(table).subspan(at);
    const auto type = acpi::structure_header::type::get(s);
    const auto length = acpi::structure_header::length::get(s);
    json entry{{"type", type},
               {"name", to_string(static_cast<acpi::structure_type>(type))},
               {"length", length},
               {"offset", at}};
    const auto add_scopes = [&entry](const auto& scopes) {
      entry["scopes"] = json::array();
      for (const auto& scope : scopes)
        entry["scopes"].push_back(models::to_string(scope_of(scope)));
    };
    for (const auto* list : {&info.units, &info.ignored_units}) {
      for (const auto& unit : *list) {
        if (unit.offset != at) continue;
        entry["segment"] = unit.segment;
        entry["base"] = fmt::format("{:#x}", unit.base);
        entry["include_all"] = unit.include_all;
        add_scopes(unit.scopes);
      }
    }
    for (const auto& region : info.reserved_regions) {
      if (region.offset != at) continue;
      entry["segment"] = region.segment;
      entry["base"] = fmt::format("{:#x}", region.base);
      entry["limit"] = fmt::format("{:#x}", region.limit);
      add_scopes(region.scopes);
    }
    for (const auto& ats : info.ats) {
      if (ats.offset != at) continue;
      entry["segment"] = ats.segment;
      entry["all_ports"] = ats.all_ports;
      add_scopes(ats.scopes);
    }
    for (const auto& affinity : info.affinities) {
      if (affinity.offset != at) continue;
      entry["base"] = fmt::format("{:#x}", affinity.base);
      entry["proximity_domain"] = affinity.proximity_domain;
    }
    for (const auto& device : info.acpi_devices) {
      if (device.offset == at) entry["path"] = device.path;
    }
    out.push_back(std::move(entry));
    at += length;
  }
  return out;
}

void decode_table(const std::vector<std::byte>& table, const std::string& file, const json_option& as_json) {
  vtd::driver::dmar_info info;
  try {
    info = vtd::driver::parse_dmar(table);
  } catch (const std::exception& error) {
    if (as_json.wanted()) {
      const json out{{"schema", "vtd.dmar/1"}, {"valid", false}, {"error", error.what()}};
      as_json.write(out.dump(2) + "\n");
    }
    throw models::board_error(file + ": " + error.what());
  }
  json out{{"schema", "vtd.dmar/1"},
           {"valid", true},
           {"length", vtd::spec::acpi::dmar_header::length::get(table)},
           {"host_address_width", info.host_address_width},
           {"flags", info.flags}};
  out["structures"] = structures_of(table, info);
  out["warnings"] = json::array();
  for (const auto& warning : info.warnings) {
    const std::size_t offset =
        std::strtoull(warning.text.c_str() + std::string_view("offset ").size(), nullptr, 16);
    out["warnings"].push_back(
        {{"offset", offset}, {"what", warning.text}, {"name", vtd::driver::warning_name(warning.kind)}});
  }
  if (as_json.wanted()) return as_json.write(out.dump(2) + "\n");
  std::cout << fmt::format("DMAR {} {}: {} bytes, host address width {}, flags {:#x}\n", info.oem_id,
                           info.oem_table_id, out["length"].get<unsigned>(), info.host_address_width,
                           info.flags);
  for (const json& s : out["structures"]) {
    std::cout << fmt::format("{:#06x} {}", s["offset"].get<std::size_t>(), s["name"].get<std::string>());
    for (const char* key : {"base", "limit"}) {
      if (s.contains(key)) std::cout << ' ' << s[key].get<std::string>();
    }
    if (s.value("include_all", false)) std::cout << " include-all";
    if (s.contains("scopes")) {
      for (const json& scope : s["scopes"])
        std::cout << "  [" << scope.get<std::string>() << ']';
    }
    std::cout << '\n';
  }
  for (const auto& warning : info.warnings)
    std::cout << "warning: " << warning.text << '\n';
}

std::vector<std::byte> generate_table(const models::board& board, const std::string& file) {
  auto table = models::generate_dmar(board);
  if (table.empty()) {
    throw models::board_error("board " + board.name + ": " +
                              (board.units.empty() ? "has no remapping unit, and so no DMAR table"
                                                   : "shows no DMAR table with VT-d off in its BIOS"));
  }
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(table.data()), static_cast<std::streamsize>(table.size()));
  if (!out.flush()) throw models::board_error(file + ": cannot be written");
  return table;
}

// --- run ---

int run_verb(const run_options& options, const json_option& as_json, const std::string& report) {
  std::ostream& progress = as_json.to_stdout() ? std::cerr : std::cout;
  as_json.check();
  if (!report.empty()) check_report(report);
  const run_result result =
      run(options, [&progress](const std::string& line) { progress << line << '\n'
                                                                   << std::flush; });
  progress << to_text(result);
  as_json.write(to_json(result));
  if (!report.empty()) {
    write_report(report, result);
    progress << "report: " << (std::filesystem::path(report) / "index.html").string() << '\n';
  }
  return result.failures.empty() ? 0 : 1;
}

std::string steps_to_forget() {
  std::string out = "Steps that --forget takes:";
  for (const auto& each : vtd::driver::omissions()) {
    if (each.when != vtd::driver::occasion::replacement)
      out += fmt::format("\n  {:<32} {}", each.name, each.text);
  }
  return out;
}

std::uint64_t seed_of(const std::string& text) {
  const bool hex = text.starts_with("0x");
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  std::uint64_t seed = 0;
  const auto [stop, error] = std::from_chars(begin, end, seed, hex ? 16 : 10);
  if (begin == end || stop != end || error != std::errc{}) {
    throw models::board_error("--seed " + text + ": expected a number from 0 to 18446744073709551615");
  }
  return seed;
}

void add_differential_verb(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("differential", "random programs on our unit and on another model of VT-d");
  struct arguments {
    differential::options options;
    json_option as_json;
  };
  const auto args = std::make_shared<arguments>();
  auto& options = args->options;
  verb->add_option("--against", options.against, "the other model: qemu")->default_val("qemu");
  verb->add_option("--programs", options.programs, "how many")->default_val(1000);
  verb->add_option("--seed", options.seed, "of the series of programs")->default_val(1);
  verb->add_option("--first", options.first, "where in the series to begin")->default_val(0);
  verb->add_option("-j,--jobs", options.jobs, "QEMUs at the same time; 0: one per processor")->default_val(0);
  verb->add_option("--qemu", options.qemu, "QEMU's program")->default_str("qemu-system-x86_64");
  verb->add_option("--replay", options.replay, "FILE with one program, as a divergence is printed");
  verb->add_flag("--print", options.print, "only print program --first of the series");
  verb->add_flag("--deviations", options.deviations, "only print the known deviations");
  args->as_json.add(*verb);
  verb->callback([=, &status] {
    const differential::report done = differential::run(args->options);
    args->as_json.write(done.json);
    if (!args->as_json.to_stdout()) std::cout << done.text;
    status = done.status;
  });
}

} // namespace

void add_verbs(CLI::App& app, int& status) {
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "vtdsim " + std::string(vtd::version_string));
  // A verb that is not there is told by name, in main.
  app.allow_extras();
  const auto data = std::make_shared<std::string>();
  app.add_option("--data", *data, "directory with boards/ and presets/");

  auto* boards = app.add_subcommand("boards", "lists boards");
  const auto boards_json = std::make_shared<json_option>();
  boards_json->add(*boards);
  boards->callback([=] { list_boards(*data, *boards_json); });

  auto* run_command =
      app.add_subcommand("run", "powers a board on, assigns a device, asks what a miss costs");
  struct run_arguments {
    run_options options;
    std::vector<std::string> settings;
    std::string report;
    std::string trace;
    std::string seed;
    json_option as_json;
  };
  const auto args = std::make_shared<run_arguments>();
  run_command->add_option("--board", args->options.board, "name, or FILE.json")->default_str("dq35jo");
  run_command->add_option("--acpi", args->options.acpi_file, "a DMAR dump instead of the board's table");
  run_command->add_option("--preset", args->options.preset,
                          "timing parameters: g0 to g6, hypersio, or FILE.json");
  run_command
      ->add_option(
          "--set", args->settings,
          "KEY=VALUE: changes one timing parameter, bios.vtd=on|off, or a fault from outside (inject.*)")
      ->allow_extra_args(false);
  run_command->add_option("--seed", args->seed, "of all random choices")->default_val("1");
  run_command->add_option("--forget", args->options.forget, "a step that the driver shall forget, see below")
      ->allow_extra_args(false);
  run_command->add_option("--pages", args->options.largest_window, "largest window of the sweep")
      ->default_val(16384)
      ->check(CLI::Range(1, 16384));
  run_command->add_option("--report", args->report, "directory for an HTML report");
  run_command->add_option("--trace", args->trace, "file for a trace, to open in ui.perfetto.dev");
  args->as_json.add(*run_command);
  run_command->footer(steps_to_forget());
  run_command->callback([=, &status] {
    if (run_command->count("--acpi") != 0 && run_command->count("--board") == 0)
      args->options.board = "generic";
    args->options.data_directory = *data;
    args->options.seed = seed_of(args->seed);
    if (run_command->count("--trace") != 0) args->options.trace = args->trace;
    for (const std::string& each : args->settings)
      args->options.settings.push_back(setting_of(each));
    status = run_verb(args->options, args->as_json, args->report);
  });

  constexpr const char* bios_setting = "bios.vtd=on|off: the board's BIOS switch";
  auto* lspci = app.add_subcommand("lspci", "the PCI tree of a board");
  struct lspci_arguments {
    std::string board = "dq35jo";
    std::vector<std::string> settings;
    bool tree = false;
    bool numbers = false;
    bool verbose = false;
  };
  const auto list = std::make_shared<lspci_arguments>();
  lspci->add_option("--board", list->board, "name, or FILE.json");
  lspci->add_option("--set", list->settings, bios_setting)->allow_extra_args(false);
  lspci->add_flag("-t", list->tree, "as a tree");
  lspci->add_flag("-n", list->numbers, "with numbers (also -nn)");
  lspci->add_flag("-v", list->verbose, "with details (also -vv)");
  lspci->callback([=] {
    list_functions(board_of(*data, list->board, list->settings), list->tree, list->numbers, list->verbose);
  });

  auto* dmar = app.add_subcommand("dmar", "writes a board's ACPI DMAR table, or decodes one");
  struct dmar_arguments {
    std::string board;
    std::vector<std::string> settings;
    std::string output;
    std::string decode;
    json_option as_json;
  };
  const auto table = std::make_shared<dmar_arguments>();
  auto* of_board = dmar->add_option("--board", table->board, "name, or FILE.json");
  auto* output = dmar->add_option("-o", table->output, "file to write");
  auto* decode = dmar->add_option("--decode", table->decode, "a table to decode");
  auto* setting = dmar->add_option("--set", table->settings, bios_setting)->allow_extra_args(false);
  decode->excludes(of_board)->excludes(output)->excludes(setting);
  of_board->needs(output);
  table->as_json.add(*dmar);
  dmar->callback([=] {
    if (decode->count() != 0) return decode_table(read_bytes(table->decode), table->decode, table->as_json);
    if (table->board.empty()) throw CLI::RequiredError("dmar: --board NAME -o FILE or --decode FILE");
    const auto bytes = generate_table(board_of(*data, table->board, table->settings), table->output);
    if (table->as_json.wanted()) decode_table(bytes, table->output, table->as_json);
  });

  auto* dump = app.add_subcommand("dump", "tables, caches and registers after the driver's bring-up");
  struct dump_arguments {
    dump_options options;
    std::vector<std::string> settings;
  };
  const auto what = std::make_shared<dump_arguments>();
  dump->add_option("--board", what->options.board, "name, or FILE.json");
  dump->add_option("--device", what->options.device, "BB:DD.F: only this function's unit and tables");
  dump->add_option("--set", what->settings, "KEY=VALUE: as of run")->allow_extra_args(false);
  dump->callback([=] {
    what->options.data_directory = *data;
    for (const std::string& each : what->settings)
      what->options.settings.push_back(setting_of(each));
    std::cout << dump_machine(what->options);
  });

  auto* compliance =
      app.add_subcommand("compliance", "what of VT-d is implemented, and who says that it is right");
  struct compliance_arguments {
    bool markdown = false;
    json_option as_json;
  };
  const auto report = std::make_shared<compliance_arguments>();
  compliance->add_flag("--markdown", report->markdown, "the page docs/compliance.md");
  report->as_json.add(*compliance);
  compliance->callback([=] {
    if (report->as_json.wanted()) report->as_json.write(compliance_json());
    if (report->as_json.to_stdout()) return;
    std::cout << (report->markdown ? compliance_markdown() : compliance_text());
  });

  add_differential_verb(app, status);
  // Verbs inherit from the program that they take whatever comes; what they do not know is an error.
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    verb->allow_extras(false);
}

} // namespace vtdsim
