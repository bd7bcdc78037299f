// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/board_loader.h"

#include "board_parts.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/models/board_error.h"
#include "vtd/models/data_files.h"
#include "vtd/models/near_names.h"
#include "vtd/pci_topology/function.h"
#include "vtd/remap/config.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace vtd::models {

namespace pci = pci_topology;

namespace {

template <class Enum, std::size_t Count>
Enum one_of(const json_node& node, const std::array<std::pair<std::string_view, Enum>, Count>& names) {
  const std::string text = node.text();
  std::string expected;
  for (const auto& [name, value] : names) {
    if (text == name) return value;
    expected += (expected.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  node.reject("one of " + expected);
}

constexpr std::array<std::pair<std::string_view, pci::function_kind>, 8> kinds{{
    {"endpoint", pci::function_kind::endpoint},
    {"host_bridge", pci::function_kind::host_bridge},
    {"isa_bridge", pci::function_kind::isa_bridge},
    {"root_port", pci::function_kind::root_port},
    {"pci_bridge", pci::function_kind::pci_bridge},
    {"pcie_to_pci_bridge", pci::function_kind::pcie_to_pci_bridge},
    {"upstream_port", pci::function_kind::upstream_port},
    {"downstream_port", pci::function_kind::downstream_port},
}};

constexpr std::array<std::pair<std::string_view, pci::capability_kind>, 18> capability_kinds{{
    {"pm", pci::capability_kind::power_management},
    {"msi", pci::capability_kind::msi},
    {"msix", pci::capability_kind::msix},
    {"pcie", pci::capability_kind::pci_express},
    {"ssvid", pci::capability_kind::subsystem_id},
    {"sata", pci::capability_kind::sata},
    {"af", pci::capability_kind::advanced_features},
    {"vpd", pci::capability_kind::vital_product_data},
    {"hotplug", pci::capability_kind::hot_plug},
    {"vendor", pci::capability_kind::vendor},
    {"other", pci::capability_kind::other},
    {"aer", pci::capability_kind::advanced_error_reporting},
    {"vc", pci::capability_kind::virtual_channel},
    {"acs", pci::capability_kind::access_control},
    {"ats", pci::capability_kind::address_translation_services},
    {"dsn", pci::capability_kind::device_serial_number},
    {"rclink", pci::capability_kind::root_complex_link},
    {"extended", pci::capability_kind::extended_other},
}};

constexpr std::array<std::pair<std::string_view, vtd_off>, 3> off_looks{{
    {"no_table", vtd_off::no_table},
    {"dead_registers", vtd_off::dead_registers},
    {"renamed_table", vtd_off::renamed_table},
}};

std::string optional_text(json_object& object, std::string_view key) {
  const auto node = object.find(key);
  return node ? node->text() : std::string();
}

spec::source_id source_of(const json_node& node) {
  const auto id = spec::parse_source_id(node.text());
  if (!id) node.reject("bus:device.function such as \"00:1f.2\"");
  return *id;
}

// --- PCI
// -------------------------------------------------------------------------------------------------------------

pci::capability_description capability_of(const json_node& node) {
  json_object o(node);
  pci::capability_description out;
  out.kind = one_of(o.at("kind"), capability_kinds);
  out.offset = static_cast<std::uint16_t>(o.at("at").whole(0x40, 0xffc));
  out.id = optional_whole<std::uint16_t>(o, "id", 0xffff, 0);
  out.version = optional_whole<std::uint8_t>(o, "version", 15, 1);
  out.length = optional_whole<std::uint16_t>(o, "length", 0xfff, 0);
  out.address_64 = optional_flag(o, "address_64");
  out.maskable = optional_flag(o, "maskable");
  out.vectors = optional_whole<std::uint16_t>(o, "vectors", 2047, 0);
  out.slot = optional_flag(o, "slot");
  out.function_level_reset = optional_flag(o, "flr");
  out.port_number = optional_whole<std::uint8_t>(o, "port", 255, 0);
  out.link_width = optional_whole<std::uint8_t>(o, "width", 32, 1);
  out.queue_depth = optional_whole<std::uint8_t>(o, "queue_depth", 32, 32);
  out.no_write = optional_flag(o, "no_write");
  out.link_speed = optional_whole<std::uint8_t>(o, "speed", 5, 1);
  out.max_payload = optional_whole<std::uint16_t>(o, "max_payload", 4096, 128);
  o.finish();
  return out;
}

pci::bar_description bar_of(const json_node& node) {
  json_object o(node);
  pci::bar_description out;
  out.index = static_cast<std::uint8_t>(o.at("index").whole(0, 6));
  const json_node size = o.at("size");
  out.size = size.whole(4, std::uint64_t{1} << 40);
  if (!std::has_single_bit(out.size)) size.reject("a power of two");
  out.io = optional_flag(o, "io");
  out.is_64_bit = optional_flag(o, "bits_64");
  out.prefetchable = optional_flag(o, "prefetchable");
  if (const auto address = o.find("address")) out.address = address->whole();
  o.finish();
  return out;
}

struct placed_function {
  spec::source_id id{};
  pci::function_description what;
  std::vector<std::size_t> below;
  std::string path;
};

// "8086:29b0"; `example` is said where it is something else.
std::pair<std::uint16_t, std::uint16_t> ids_of(const json_node& node, const std::string& example) {
  const std::string text = node.text();
  const std::size_t colon = text.find(':');
  constexpr std::size_t most_digits = 4;
  const auto number = [&](const std::string& digits) {
    return digits.empty() || digits.size() > most_digits ? std::nullopt : parse_whole("0x" + digits);
  };
  const auto vendor = number(text.substr(0, colon));
  const auto device = colon == std::string::npos ? std::nullopt : number(text.substr(colon + 1));
  if (!vendor || !device) node.reject("vendor and device in hexadecimal such as \"" + example + "\"");
  return {static_cast<std::uint16_t>(*vendor), static_cast<std::uint16_t>(*device)};
}

bool is_bridge(pci::function_kind kind) {
  return kind != pci::function_kind::endpoint && kind != pci::function_kind::host_bridge &&
         kind != pci::function_kind::isa_bridge;
}

placed_function function_of(const json_node& node) {
  json_object o(node);
  placed_function out;
  out.path = node.path();
  out.id = source_of(o.at("at"));
  pci::function_description& f = out.what;
  f.device = out.id.device();
  f.function = out.id.function();
  std::tie(f.vendor_id, f.device_id) = ids_of(o.at("id"), "8086:29b0");
  if (const auto subsystem = o.find("subsystem"))
    std::tie(f.subsystem_vendor_id, f.subsystem_id) = ids_of(*subsystem, "8086:4f4a");
  const auto kind = o.find("kind");
  f.kind = kind ? one_of(*kind, kinds) : pci::function_kind::endpoint;
  f.class_code = static_cast<std::uint32_t>(o.at("class").whole(0, 0xffffff));
  f.revision = optional_whole<std::uint8_t>(o, "revision", 0xff, 0);
  f.vendor_name = optional_text(o, "vendor");
  f.device_name = optional_text(o, "name");
  f.class_name = optional_text(o, "class_name");
  f.interrupt_pin = optional_whole<std::uint8_t>(o, "pin", 4, 0);
  f.multifunction = optional_flag(o, "multifunction");
  if (const auto model = o.find("model")) {
    f.model = model->text();
    if (f.model != "dma_engine") model->reject("\"dma_engine\", or no \"model\"");
  }
  f.present = optional_flag(o, "present", true);
  if (const auto buses = o.find("buses")) {
    const auto items = buses->items();
    if (items.size() != 2) buses->reject("[secondary, subordinate]");
    f.buses = pci::bus_range{static_cast<std::uint8_t>(items[0].whole(1, 255)),
                             static_cast<std::uint8_t>(items[1].whole(1, 255))};
    if (f.buses->subordinate < f.buses->secondary) buses->reject("subordinate not below secondary");
    if (f.buses->secondary <= out.id.bus()) buses->reject("a secondary bus above the bridge's own");
    if (!is_bridge(f.kind)) buses->reject("a \"kind\" that is a bridge");
  }
  if (const auto capabilities = o.find("capabilities")) {
    for (const json_node& each : capabilities->items())
      f.capabilities.push_back(capability_of(each));
  }
  if (const auto bars = o.find("bars")) {
    for (const json_node& each : bars->items())
      f.bars.push_back(bar_of(each));
  }
  o.finish();
  try {
    (void)pci::function(f, nullptr);
  } catch (const std::invalid_argument& error) {
    throw board_error(node.file() + ": " + node.path() + ": " + error.what());
  }
  return out;
}

pci::function_description assemble(std::vector<placed_function>& all, std::size_t index) {
  pci::function_description out = all[index].what;
  for (const std::size_t child : all[index].below)
    out.children.push_back(assemble(all, child));
  return out;
}

// The file lists functions as a system would; the tree follows from the bus numbers of the bridges.
void read_functions(const json_node& node, pci::topology_description& out) {
  std::vector<placed_function> all;
  for (const json_node& each : node.items())
    all.push_back(function_of(each));
  std::vector<std::size_t> roots;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (all[i].id == all[j].id) {
        throw board_error(node.file() + ": " + all[i].path + ".at: " + to_string(all[i].id) +
                          " is there twice, expected one function in each place");
      }
      if (all[i].what.buses && all[j].what.buses &&
          all[i].what.buses->secondary == all[j].what.buses->secondary) {
        throw board_error(node.file() + ": " + all[i].path + ".buses: bus " +
                          std::to_string(all[i].what.buses->secondary) + " is also that of " + all[j].path +
                          ", expected one bridge for each bus");
      }
    }
    if (all[i].id.bus() == 0) {
      roots.push_back(i);
      continue;
    }
    const auto bridge = std::find_if(all.begin(), all.end(), [&](const placed_function& candidate) {
      return candidate.what.buses && candidate.what.buses->secondary == all[i].id.bus();
    });
    if (bridge == all.end()) {
      throw board_error(node.file() + ": " + all[i].path + ".at: no bridge leads to bus " +
                        std::to_string(all[i].id.bus()) + ", expected one with that secondary bus");
    }
    bridge->below.push_back(i);
  }
  for (const std::size_t root : roots)
    out.functions.push_back(assemble(all, root));
}

// --- Values that must fit each other
// ---------------------------------------------------------------------------------

constexpr std::array<std::string_view, 5> chipsets{"q35", "q45", "x38", "x48", "x58"};
std::string chipset_of(const json_node& node) {
  std::string text = node.text();
  const std::vector<std::string> names(chipsets.begin(), chipsets.end());
  if (std::find(names.begin(), names.end(), text) == names.end())
    node.reject("a chipset with VT-d (" + name_hint(text, names) + ")");
  return text;
}

void check_memory(const board& b, const json_node& high_memory) {
  const std::uint64_t addresses = std::uint64_t{1} << b.host_address_width.value;
  if (b.high_memory.value == 0) return;
  if (addresses <= four_gb || b.high_memory.value > addresses - four_gb) {
    high_memory.plain().reject("memory above 4 GB that ends within the " +
                               std::to_string(b.host_address_width.value) +
                               " bits of \"host_address_width\"");
  }
}

void read_table(const json_node& node, board& out) {
  json_object o(node);
  const auto field = [](const json_node& text, std::size_t most) {
    if (text.text().size() > most) text.reject("at most " + std::to_string(most) + " characters");
    return text.text();
  };
  out.table.oem_id = field(o.at("oem_id"), 6);
  out.table.oem_table_id = field(o.at("oem_table_id"), 8);
  out.table.oem_revision = optional_whole<std::uint32_t>(o, "oem_revision", 0xffffffff, 0);
  if (const auto creator = o.find("creator_id")) out.table.creator_id = field(*creator, 4);
  out.table.creator_revision = optional_whole<std::uint32_t>(o, "creator_revision", 0xffffffff, 0);
  out.table.flags = optional_whole<std::uint8_t>(o, "flags", 0xff, 0);
  out.table.address = o.at("address").whole();
  o.finish();
}

} // namespace

namespace {
constexpr std::size_t most_units = 256;

known<std::uint64_t> memory_amount(const json_node& node, std::uint64_t least, std::uint64_t most) {
  known<std::uint64_t> out = node.known_whole(least, most);
  if (out.value % spec::page_size != 0) node.reject("a multiple of 4 KB");
  return out;
}
} // namespace

board parse_board(std::string_view text, const std::string& file) {
  const json_document document = json_document::from_text(text, file);
  json_object o(document.root());
  board out;
  out.how = o.node().how();
  out.why = o.node().why();
  out.name = o.at("name").text();
  out.title = o.at("title").text();
  out.maker = o.at("maker").text();
  out.chipset = chipset_of(o.at("chipset"));
  out.preset = o.at("preset").text();
  out.host_address_width =
      o.at("host_address_width").known_count(remap::least_host_address_width, remap::most_host_address_width);
  out.low_memory_end = memory_amount(o.at("low_memory_end"), 0x100000, four_gb);
  out.high_memory = memory_amount(o.at("high_memory"), 0, host::sparse_memory::max_size - four_gb);
  check_memory(out, o.at("high_memory"));
  out.vtd_enabled = optional_flag(o, "vtd", true);
  out.off_looks = o.at("vtd_off").known_as([](const json_node& node) { return one_of(node, off_looks); });
  const json_node units = o.at("units");
  for (const json_node& each : units.items()) {
    out.units.push_back(unit_of(each));
    check_unit_place(out, out.units.size() - 1, each);
  }
  if (out.units.size() > most_units) units.reject("at most 256 units");
  if (const auto regions = o.find("reserved_regions")) {
    for (const json_node& each : regions->items()) {
      json_object region(each);
      reserved_region read;
      read.base = region.at("base").whole();
      // A reversed region is firmware's mistake, which a board may have.
      read.limit = region.at("limit").whole();
      read.scopes = scopes_of(region);
      region.finish();
      out.reserved_regions.push_back(read);
    }
  }
  if (const auto list = o.find("ats")) {
    for (const json_node& each : list->items()) {
      json_object ats(each);
      ats_description read;
      read.all_ports = optional_flag(ats, "all_ports");
      read.scopes = scopes_of(ats);
      ats.finish();
      out.ats.push_back(read);
    }
  }
  read_table(o.at("table"), out);
  if (const auto ecam = o.find("ecam")) {
    json_object e(*ecam);
    out.pci.ecam_base = e.at("base").whole();
    out.pci.ecam_last_bus = static_cast<std::uint8_t>(e.at("last_bus").whole(0, 255));
    e.finish();
  }
  if (const auto window = o.find("memory_window")) {
    json_object w(*window);
    out.pci.memory_window_base = w.at("base").whole();
    out.pci.memory_window_limit = w.at("limit").whole();
    w.finish();
  }
  read_functions(o.at("functions"), out.pci);
  o.finish();
  return out;
}

void set_in_bios(board& which, std::string_view key, std::string_view value) {
  constexpr std::string_view vtd_switch = "bios.vtd";
  if (key != vtd_switch) {
    throw board_error("unknown setting \"" + std::string(key) + "\", " +
                      name_hint(key, {std::string(vtd_switch)}));
  }
  if (value != "on" && value != "off")
    throw board_error(std::string(key) + ": got \"" + std::string(value) + "\", expected on or off");
  which.vtd_enabled = value == "on";
}

board load_board(std::string_view name_or_path, const std::vector<std::filesystem::path>& directories) {
  const std::filesystem::path file = find_data_file("boards", name_or_path, directories);
  return parse_board(read_file(file), file.string());
}

} // namespace vtd::models
