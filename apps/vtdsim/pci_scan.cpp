// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/pci_scan.h"

#include "vtdsim/machine_adapter.h"

#include "vtd/pci_topology/config_access.h"
#include "vtd/pci_topology/registers.h"
#include "vtd/spec/ats.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace vtdsim {

namespace reg = vtd::pci_topology::reg;
using vtd::driver::pci_function;
using vtd::pci_topology::port_mechanism;
using vtd::spec::source_id;

namespace {

constexpr std::uint32_t nobody = 0xffff;
constexpr unsigned functions_of_a_device = 8;
constexpr unsigned devices_of_a_bus = 32;
/// PCI Express capability: its id, and its device/port type of a bridge to conventional PCI (PCIe 2.0 7.8.2).
constexpr unsigned express_capability = 0x10;
constexpr unsigned type_express_to_pci = 7;

class scanner {
public:
  explicit scanner(vtd::models::root_complex& machine) : machine_(machine) {}

  scan_result run() {
    scan_bus(0, std::nullopt, {});
    std::sort(out_.functions.begin(), out_.functions.end(),
              [](const pci_function& a, const pci_function& b) { return a.address.id < b.address.id; });
    return std::move(out_);
  }

private:
  std::uint32_t read(source_id id, unsigned offset, unsigned bytes) {
    constexpr std::uint32_t enable = 1U << 31;
    machine_.cpu().write_port(port_mechanism::address_port, 4,
                              enable | std::uint32_t{id.value()} << 8 | (offset & 0xfcU));
    return machine_.cpu().read_port(static_cast<std::uint16_t>(port_mechanism::data_port + offset % 4),
                                    bytes);
  }

  void scan_bus(std::uint8_t bus, std::optional<source_id> parent, const std::vector<source_id>& aliases) {
    ++out_.buses;
    for (unsigned device = 0; device < devices_of_a_bus; ++device) {
      for (unsigned number = 0; number < functions_of_a_device; ++number) {
        const source_id id =
            source_id::from_bdf(bus, static_cast<std::uint8_t>(device), static_cast<std::uint8_t>(number));
        const bool there = read(id, reg::vendor_id, 2) != nobody;
        if (there) add(id, parent, aliases);
        // PCI 3.0 3.2.2.3.4: without function 0 there is no device, and without its mark no other function.
        if (number == 0 && (!there || (read(id, reg::header_type, 1) & reg::header_multifunction) == 0))
          break;
      }
    }
  }

  void add(source_id id, std::optional<source_id> parent, const std::vector<source_id>& aliases) {
    pci_function found;
    found.address = {machine_.pci().description().segment, id};
    found.vendor = static_cast<std::uint16_t>(read(id, reg::vendor_id, 2));
    found.device = static_cast<std::uint16_t>(read(id, reg::device_id, 2));
    found.class_code = read(id, reg::revision, 4) >> 8;
    found.bridge = (read(id, reg::header_type, 1) & ~reg::header_multifunction) == reg::header_bridge;
    found.parent = parent;
    found.aliases = aliases;
    if (found.bridge) found.secondary_bus = static_cast<std::uint8_t>(read(id, reg::secondary_bus, 1));
    found.ats_registers = ats_registers(id);
    compare_memory_mapped(id);
    const std::uint8_t below = found.secondary_bus;
    const bool open = found.bridge && below > id.bus();
    out_.functions.push_back(std::move(found));
    if (open) scan_bus(below, id, aliases_below(id, below, aliases));
  }

  /// A conventional bridge, which has no PCI Express capability, puts its own id in; one from PCI Express to
  /// PCI its secondary bus, and may use its own (VT-d 3.4.1).
  std::vector<source_id> aliases_below(source_id bridge, std::uint8_t secondary,
                                       std::vector<source_id> above) {
    const unsigned express = capability(bridge, express_capability);
    const bool to_pci = express != 0 && (read(bridge, express + 2, 2) >> 4 & 0xf) == type_express_to_pci;
    if (to_pci) above.push_back(source_id::from_bdf(secondary, 0, 0));
    if (to_pci || express == 0) above.push_back(bridge);
    return above;
  }

  unsigned capability(source_id id, unsigned wanted) {
    if ((read(id, reg::status, 2) & reg::status_capabilities) == 0) return 0;
    unsigned at = read(id, reg::capability_pointer, 1) & 0xfcU;
    // A list that bites its tail ends, too: no more than one capability in each dword.
    for (unsigned i = 0; at != 0 && i < 48; ++i) {
      if (read(id, at, 1) == wanted) return at;
      at = read(id, at + 1, 1) & 0xfcU;
    }
    return 0;
  }

  /// Extended capabilities are reached by memory alone (PCIe 2.0 7.9).
  std::uint64_t ats_registers(source_id id) {
    const auto& place = machine_.pci().description();
    if (place.ecam_base == 0 || id.bus() > place.ecam_last_bus) return 0;
    const std::uint64_t base = place.ecam_base + (std::uint64_t{id.value()} << 12);
    unsigned at = reg::extended_capabilities;
    constexpr unsigned most = 960; // dwords there
    for (unsigned i = 0; at >= reg::extended_capabilities && i < most; ++i) {
      const auto head = static_cast<std::uint32_t>(machine_.cpu().read(base + at, 4));
      if ((head & 0xffff) == reg::ats_id) return base + at + vtd::spec::ats::function_registers::offset;
      at = head >> 20 & 0xffcU;
    }
    return 0;
  }

  void compare_memory_mapped(source_id id) {
    const auto& place = machine_.pci().description();
    if (place.ecam_base == 0 || id.bus() > place.ecam_last_bus) return;
    ++out_.compared;
    for (const unsigned offset : {reg::vendor_id, reg::revision, reg::cache_line_size}) {
      const std::uint64_t address = place.ecam_base + (std::uint64_t{id.value()} << 12) + offset;
      const auto mapped = static_cast<std::uint32_t>(machine_.cpu().read(address, 4));
      const std::uint32_t by_port = read(id, offset, 4);
      if (mapped == by_port) continue;
      out_.differences.push_back(
          fmt::format("{} register {:#x}: {:#010x} by ports, {:#010x} in memory at {:#x}", to_string(id),
                      offset, by_port, mapped, address));
    }
  }

  vtd::models::root_complex& machine_;
  scan_result out_;
};

std::string place_of(const pci_function& f) {
  std::vector<source_id> sorted = f.aliases;
  std::sort(sorted.begin(), sorted.end());
  std::string out = fmt::format("{:04x}:{:04x} class {:06x}", f.vendor, f.device, f.class_code);
  if (f.bridge) out += fmt::format(", bridge to bus {}", f.secondary_bus);
  if (f.parent) out += ", behind " + to_string(*f.parent);
  for (const source_id alias : sorted)
    out += ", also as " + to_string(alias);
  return out;
}

} // namespace

scan_result scan_functions(vtd::models::root_complex& machine) { return scanner(machine).run(); }

std::vector<std::string> compare_with_tree(const scan_result& found,
                                           const vtd::pci_topology::topology& tree) {
  std::vector<std::string> out = found.differences;
  const std::vector<pci_function> there = function_list(tree);
  for (const pci_function& each : there) {
    const auto same = std::find_if(found.functions.begin(), found.functions.end(),
                                   [&](const pci_function& f) { return f.address == each.address; });
    if (same == found.functions.end()) {
      out.push_back(to_string(each.address) +
                    " is not found: function 0 of its device must be there and be "
                    "marked as one of several, and every bridge above must be found");
    } else if (place_of(*same) != place_of(each)) {
      out.push_back(to_string(each.address) + ": found " + place_of(*same) + ", is " + place_of(each));
    }
  }
  for (const pci_function& each : found.functions) {
    const bool known = std::any_of(there.begin(), there.end(),
                                   [&](const pci_function& f) { return f.address == each.address; });
    if (!known) out.push_back(to_string(each.address) + " was found, and is not there");
  }
  return out;
}

} // namespace vtdsim
