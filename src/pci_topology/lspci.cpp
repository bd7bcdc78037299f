// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/lspci.h"

#include "vtd/pci_topology/registers.h"

#include <array>
#include <cstdio>

namespace vtd::pci_topology {

namespace {

struct class_row {
  std::uint16_t code;
  std::string_view name;
};
// PCI Code and ID Assignment 1.9, in the words of the usual lists.
constexpr std::array<class_row, 32> class_rows{{
    {0x0000, "Non-VGA unclassified device"},
    {0x0100, "SCSI storage controller"},
    {0x0101, "IDE interface"},
    {0x0104, "RAID bus controller"},
    {0x0106, "SATA controller"},
    {0x0108, "Non-Volatile memory controller"},
    {0x0180, "Mass storage controller"},
    {0x0200, "Ethernet controller"},
    {0x0280, "Network controller"},
    {0x0300, "VGA compatible controller"},
    {0x0302, "3D controller"},
    {0x0380, "Display controller"},
    {0x0400, "Multimedia video controller"},
    {0x0401, "Multimedia audio controller"},
    {0x0403, "Audio device"},
    {0x0480, "Multimedia controller"},
    {0x0500, "RAM memory"},
    {0x0580, "Memory controller"},
    {0x0600, "Host bridge"},
    {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},
    {0x0680, "Bridge"},
    {0x0700, "Serial controller"},
    {0x0701, "Parallel controller"},
    {0x0780, "Communication controller"},
    {0x0800, "PIC"},
    {0x0880, "System peripheral"},
    {0x0c00, "FireWire (IEEE 1394)"},
    {0x0c03, "USB controller"},
    {0x0c05, "SMBus"},
    {0x1101, "Performance counters"},
    {0x1180, "Signal processing controller"},
}};

struct interface_row {
  std::uint32_t code;
  std::string_view name;
};
constexpr std::array<interface_row, 8> interface_rows{{
    {0x0c0300, "UHCI"},
    {0x0c0310, "OHCI"},
    {0x0c0320, "EHCI"},
    {0x0c0330, "XHCI"},
    {0x060400, "Normal decode"},
    {0x060401, "Subtractive decode"},
    {0x010601, "AHCI 1.0"},
    {0x070002, "16550"},
}};

std::string hex(std::uint64_t value, int digits) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%0*llx", digits, static_cast<unsigned long long>(value));
  return text.data();
}

std::uint32_t class_of(const function& who) {
  return who.read(reg::class_code, 1) | who.read(reg::class_code + 1, 2) << 8;
}

std::string name_of(const function& who) {
  const auto& d = who.description();
  std::string out = d.vendor_name.empty() ? "Vendor " + hex(who.read(reg::vendor_id, 2), 4) : d.vendor_name;
  out += ' ';
  out += d.device_name.empty() ? "Device " + hex(who.read(reg::device_id, 2), 4) : d.device_name;
  return out;
}

std::string line_of(const function& who, lspci_style style) {
  const std::uint32_t code = class_of(who);
  const auto& d = who.description();
  std::string out = to_string(who.id()) + ' ';
  out += d.class_name.empty() ? std::string(class_name(code)) : d.class_name;
  if (style != lspci_style::names) out += " [" + hex(code >> 8, 4) + ']';
  out += ": " + name_of(who);
  if (style != lspci_style::names) {
    out += " [" + hex(who.read(reg::vendor_id, 2), 4) + ':' + hex(who.read(reg::device_id, 2), 4) + ']';
  }
  if (const std::uint32_t revision = who.read(reg::revision, 1); revision != 0)
    out += " (rev " + hex(revision, 2) + ')';
  if (style == lspci_style::verbose && (code & 0xff) != 0) {
    out += " (prog-if " + hex(code & 0xff, 2);
    for (const interface_row& row : interface_rows) {
      if (row.code == code) out += " [" + std::string(row.name) + ']';
    }
    out += ')';
  }
  return out + '\n';
}

std::string sign(std::string_view name, bool on) { return std::string(name) + (on ? '+' : '-'); }

std::string size_text(std::uint64_t size) {
  if (size >= std::uint64_t{1} << 20) return std::to_string(size >> 20) + 'M';
  return size >= 1024 ? std::to_string(size >> 10) + 'K' : std::to_string(size);
}

std::string_view capability_text(const function& who, const capability_description& what) {
  switch (what.kind) {
  case capability_kind::power_management:
    return "Power Management";
  case capability_kind::msi:
    return "MSI";
  case capability_kind::msix:
    return "MSI-X";
  case capability_kind::pci_express:
    return who.description().kind == function_kind::root_port ? "Express Root Port" : "Express Endpoint";
  case capability_kind::subsystem_id:
    return "Subsystem";
  case capability_kind::sata:
    return "SATA HBA";
  case capability_kind::advanced_features:
    return "PCI Advanced Features";
  case capability_kind::vital_product_data:
    return "Vital Product Data";
  case capability_kind::hot_plug:
    return "Hot-plug capable";
  case capability_kind::vendor:
    return "Vendor Specific Information";
  case capability_kind::advanced_error_reporting:
    return "Advanced Error Reporting";
  case capability_kind::virtual_channel:
    return "Virtual Channel";
  case capability_kind::access_control:
    return "Access Control Services";
  case capability_kind::address_translation_services:
    return "Address Translation Service";
  case capability_kind::device_serial_number:
    return "Device Serial Number";
  case capability_kind::root_complex_link:
    return "Root Complex Link";
  case capability_kind::other:
  case capability_kind::extended_other:
    break;
  }
  return "Capability";
}

void add_details(std::string& out, const function& who) {
  const std::uint32_t command = who.read(reg::command, 2);
  out += "\tControl: " + sign("I/O", (command & reg::command_io) != 0) + ' ' +
         sign("Mem", (command & reg::command_memory) != 0) + ' ' +
         sign("BusMaster", (command & reg::command_bus_master) != 0) + '\n';
  if (const std::uint32_t pin = who.read(reg::interrupt_pin, 1); pin != 0) {
    out += "\tInterrupt: pin " + std::string(1, static_cast<char>('A' + pin - 1)) + '\n';
  }
  if (who.is_bridge()) {
    out += "\tBus: primary=" + hex(who.read(reg::primary_bus, 1), 2) +
           ", secondary=" + hex(who.read(reg::secondary_bus, 1), 2) +
           ", subordinate=" + hex(who.read(reg::subordinate_bus, 1), 2) + '\n';
  }
  for (const bar_description& bar : who.description().bars) {
    const auto address = who.bar_address(bar.index);
    if (!address) continue;
    out += "\tRegion " + std::to_string(bar.index) + ": " + (bar.io ? "I/O ports at " : "Memory at ") +
           hex(*address, bar.io ? 4 : 8);
    if (!bar.io) {
      out += std::string(" (") + (bar.is_64_bit ? "64" : "32") + "-bit, " +
             (bar.prefetchable ? "prefetchable)" : "non-prefetchable)");
    }
    out += " [size=" + size_text(bar.size) + "]\n";
  }
  for (const capability_description& what : who.description().capabilities) {
    const bool extended = what.offset >= reg::extended_capabilities;
    out += "\tCapabilities: [" + hex(what.offset, extended ? 3 : 2);
    if (extended) out += " v" + std::to_string(what.version);
    out += "] " + std::string(capability_text(who, what)) + '\n';
  }
  out += '\n';
}

void add_branch(std::string& out, const topology& tree, std::uint8_t bus, const std::string& indent) {
  std::vector<const function*> here;
  tree.for_each([&](const function& who) {
    if (who.bus() == bus) here.push_back(&who);
  });
  for (std::size_t i = 0; i < here.size(); ++i) {
    const function& who = *here[i];
    const bool last = i + 1 == here.size();
    std::string text = hex(who.description().device, 2) + '.' + hex(who.description().function, 1);
    const char* const branch = here.size() == 1 ? "--" : last ? "\\-" : "+-";
    out += (i == 0 ? "" : indent) + branch + text;
    if (who.is_bridge()) {
      const bus_range below = who.buses();
      std::string range = "-[" + hex(below.secondary, 2);
      if (below.subordinate != below.secondary) range += '-' + hex(below.subordinate, 2);
      range += "]--";
      out += range;
      if (who.children().empty()) {
        out += '\n';
      } else {
        add_branch(out, tree, below.secondary,
                   indent + (last ? "  " : "| ") + std::string(text.size() + range.size(), ' '));
      }
    } else {
      out += "  " + name_of(who) + '\n';
    }
  }
}

} // namespace

std::string_view class_name(std::uint32_t class_code) {
  for (const class_row& row : class_rows) {
    if (row.code == class_code >> 8) return row.name;
  }
  return "Class";
}

std::string lspci(const topology& tree, lspci_style style) {
  std::string out;
  tree.for_each([&](const function& who) {
    out += line_of(who, style);
    if (style == lspci_style::verbose) add_details(out, who);
  });
  return out;
}

std::string lspci_tree(const topology& tree) {
  std::string out = "-[0000:00]-";
  add_branch(out, tree, 0, std::string(out.size(), ' '));
  return out;
}

} // namespace vtd::pci_topology
