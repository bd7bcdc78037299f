// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/acpi_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace vtdsim {

namespace models = vtd::models;
namespace pci = vtd::pci_topology;
using vtd::spec::acpi::scope_type;

std::vector<std::byte> read_bytes(const std::filesystem::path& file) {
  constexpr std::size_t most = std::size_t{1} << 20;
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    throw std::runtime_error(file.string() + ": is a directory, expected a file");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read, expected a file");
  // One byte more than allowed shows that there are more; devices never end.
  std::vector<char> raw(most + 1);
  in.read(raw.data(), static_cast<std::streamsize>(raw.size()));
  if (in.bad()) throw std::runtime_error(file.string() + ": cannot be read");
  raw.resize(static_cast<std::size_t>(in.gcount()));
  if (raw.size() > most) {
    throw std::runtime_error(
        fmt::format("{}: longer than {} bytes, expected an ACPI table", file.string(), most));
  }
  std::vector<std::byte> out(raw.size());
  std::transform(raw.begin(), raw.end(), out.begin(), [](char c) { return static_cast<std::byte>(c); });
  return out;
}

models::scope_description scope_of(const vtd::driver::scope_info& from) {
  models::scope_description out;
  out.type = from.type;
  out.enumeration_id = from.enumeration_id;
  out.start_bus = from.start_bus;
  for (const auto& step : from.path)
    out.path.push_back({step.device, step.function});
  return out;
}

namespace {

/// Puts the functions that scopes name into a PCI tree.
class tree_builder {
public:
  explicit tree_builder(pci::topology_description& tree)
      : tree_(tree), next_bus_(highest_bus(tree.functions) + 1) {}

  void add(const vtd::driver::scope_info& scope) {
    const auto type = static_cast<scope_type>(scope.type);
    const bool pci_scope = type == scope_type::pci_endpoint || type == scope_type::pci_sub_hierarchy;
    // Which bridge leads to another start bus a table does not say.
    if (!pci_scope || scope.start_bus != 0) return;
    std::vector<pci::function_description>* level = &tree_.functions;
    for (std::size_t i = 0; i < scope.path.size(); ++i) {
      const bool bridge = i + 1 < scope.path.size() || type == scope_type::pci_sub_hierarchy;
      auto found = std::find_if(level->begin(), level->end(), [&](const pci::function_description& f) {
        return f.device == scope.path[i].device && f.function == scope.path[i].function;
      });
      if (found == level->end()) {
        level->push_back(make(scope.path[i], bridge, level == &tree_.functions));
        found = level->end() - 1;
      }
      if (bridge && !found->buses) return;
      level = &found->children;
    }
  }

private:
  static int highest_bus(const std::vector<pci::function_description>& list) {
    int highest = 0;
    for (const auto& f : list) {
      if (f.buses) highest = std::max<int>(highest, f.buses->subordinate);
      highest = std::max(highest, highest_bus(f.children));
    }
    return highest;
  }

  pci::function_description make(const vtd::driver::path_step& at, bool bridge, bool on_root) {
    pci::function_description out;
    out.device = at.device;
    out.function = at.function;
    out.vendor_id = 0x8086;
    out.vendor_name = "Imported";
    out.device_name = bridge ? "bridge named by a scope" : "function named by a scope";
    out.class_code = bridge ? 0x060400 : 0x088000;
    out.kind = bridge ? (on_root ? pci::function_kind::root_port : pci::function_kind::downstream_port)
                      : pci::function_kind::endpoint;
    if (bridge) {
      // Without it software would take it for a conventional bridge.
      pci::capability_description express;
      express.kind = pci::capability_kind::pci_express;
      express.offset = 0x40;
      express.version = 2;
      out.capabilities.push_back(express);
    }
    if (bridge && next_bus_ < 255) {
      const auto bus = static_cast<std::uint8_t>(next_bus_++);
      out.buses = pci::bus_range{bus, bus};
    }
    return out;
  }

  pci::topology_description& tree_;
  int next_bus_;
};

/// Software finds a function 1 to 7 only where function 0 is there and says that it is one of several.
void complete_devices(std::vector<pci::function_description>& level) {
  for (std::size_t i = 0; i < level.size(); ++i) {
    complete_devices(level[i].children);
    if (level[i].function == 0) continue;
    const auto first = std::find_if(level.begin(), level.end(), [&](const pci::function_description& f) {
      return f.device == level[i].device && f.function == 0;
    });
    if (first != level.end()) {
      first->multifunction = true;
      continue;
    }
    pci::function_description placeholder;
    placeholder.device = level[i].device;
    placeholder.vendor_id = 0x8086;
    placeholder.vendor_name = "Imported";
    placeholder.device_name = "first function of a device that a scope names";
    placeholder.class_code = 0x088000;
    placeholder.multifunction = true;
    level.push_back(std::move(placeholder));
  }
}

/// Bus numbers depth first, so that every bridge's range holds what is below it and nothing else.
int number_buses(std::vector<pci::function_description>& level, int next) {
  for (auto& f : level) {
    if (!f.buses) continue;
    const int secondary = next;
    next = number_buses(f.children, secondary + 1);
    f.buses = pci::bus_range{static_cast<std::uint8_t>(secondary), static_cast<std::uint8_t>(next - 1)};
  }
  return next;
}

/// Gives the behaviour of the device under test to a function.
void make_device(pci::function_description& f, const pci::topology_description& tree) {
  f.model = "dma_engine";
  f.bars = {{0, 0x10000, false, false, false, tree.memory_window_base}};
}

void remove_models(std::vector<pci::function_description>& list) {
  for (auto& f : list) {
    f.model.clear();
    f.bars.clear();
    remove_models(f.children);
  }
}

/// Where no unit covers all devices, the device under test is the first function that a usable unit names.
bool move_device(const vtd::driver::dmar_info& table, pci::topology_description& tree) {
  for (const auto& unit : table.units) {
    for (const auto& scope : unit.scopes) {
      const bool is_bridge = static_cast<scope_type>(scope.type) == scope_type::pci_sub_hierarchy;
      const bool is_endpoint = static_cast<scope_type>(scope.type) == scope_type::pci_endpoint;
      if (unit.segment != 0 || scope.start_bus != 0 || scope.path.size() != 1 || !(is_bridge || is_endpoint))
        continue;
      for (auto& f : tree.functions) {
        if (f.device != scope.path[0].device || f.function != scope.path[0].function) continue;
        remove_models(tree.functions);
        if (is_endpoint) {
          make_device(f, tree);
        } else if (f.buses) {
          f.children.emplace_back();
          f.children.back().vendor_name = "Imported";
          f.children.back().device_name = "device under test";
          f.children.back().class_code = 0x020000;
          make_device(f.children.back(), tree);
        }
        return true;
      }
    }
  }
  return false;
}

/// Memory below 4 GB ends where the first unit's registers are, if not before.
void make_room(models::board& out, const vtd::driver::dmar_info& table, std::vector<std::string>& notes) {
  constexpr std::uint64_t four_gb = std::uint64_t{1} << 32;
  constexpr std::uint64_t least = std::uint64_t{1} << 29;
  constexpr std::uint64_t for_tables = 0x10000;
  for (const auto& unit : table.units) {
    if (unit.base < least || (unit.base >= four_gb && unit.base < four_gb + out.high_memory.value)) {
      throw std::runtime_error(
          fmt::format("offset {:#x}: register base {:#x} lies in the memory of board {}, "
                      "expected one above {:#x}",
                      unit.offset, unit.base, out.name, least));
    }
    if (unit.base >= out.low_memory_end.value) continue;
    out.low_memory_end = {unit.base, models::confidence::derived, "a unit's registers are here"};
    out.table.address = unit.base - for_tables;
    notes.push_back(fmt::format("memory ends at {:#x}, where the table puts a unit's registers", unit.base));
  }
}

bool is_covered(const vtd::driver::dmar_info& table) {
  return std::any_of(table.units.begin(), table.units.end(),
                     [](const vtd::driver::unit_info& u) { return u.include_all && u.segment == 0; });
}

} // namespace

models::board import_board(const models::board& base, const vtd::driver::dmar_info& table,
                           std::vector<std::string>& notes) {
  models::board out = base;
  out.host_address_width = {table.host_address_width, models::confidence::measured, "DMAR table"};
  out.title = fmt::format("units of the table {} {} on {}", table.oem_id, table.oem_table_id, base.title);
  if (base.units.empty())
    throw std::runtime_error("board " + base.name + " has no unit to take capabilities from");
  const models::unit_description model = base.units.back();
  out.units.clear();
  out.reserved_regions.clear();
  out.ats.clear();
  tree_builder tree(out.pci);
  for (const auto& info : table.units) {
    models::unit_description unit = model;
    unit.name = fmt::format("dmar{}", out.units.size());
    unit.segment = info.segment;
    unit.base = {info.base, models::confidence::measured, "DMAR table"};
    unit.include_all = info.include_all;
    unit.scopes.clear();
    for (const auto& scope : info.scopes) {
      unit.scopes.push_back(scope_of(scope));
      if (info.segment == 0) tree.add(scope);
    }
    out.units.push_back(std::move(unit));
  }
  for (const auto& region : table.reserved_regions) {
    models::reserved_region copy{region.base, region.limit, {}};
    for (const auto& scope : region.scopes) {
      copy.scopes.push_back(scope_of(scope));
      if (region.segment == 0) tree.add(scope);
    }
    // What lies beyond the machine's addresses, or is no region at all, the machine has no memory for.
    if (region.usable && region.limit >> table.host_address_width == 0)
      out.reserved_regions.push_back(std::move(copy));
  }
  notes.push_back(fmt::format(
      "cap 0x{:x} and ecap 0x{:x} of every unit: a DMAR table does not say them, taken from board {}",
      model.cap.value, model.ecap.value, base.name));
  complete_devices(out.pci.functions);
  (void)number_buses(out.pci.functions, 1);
  make_room(out, table, notes);
  notes.push_back(fmt::format("memory, timing and the device under test: taken from board {}", base.name));
  if (std::any_of(table.units.begin(), table.units.end(),
                  [&](const vtd::driver::unit_info& u) { return u.segment != out.pci.segment; }))
    notes.emplace_back("units of other segments stand alone: only segment 0 has functions here");
  if (out.units.empty()) {
    // The machine has a unit all the same; only its table does not say where.
    out.units.push_back(model);
    notes.emplace_back("the table names no usable unit: the driver will leave translation off");
  } else if (!is_covered(table)) {
    notes.emplace_back(
        move_device(table, out.pci)
            ? "no usable unit covers all devices: the device under test is the first that a unit names"
            : "no usable unit covers the device under test");
  }
  return out;
}

} // namespace vtdsim
