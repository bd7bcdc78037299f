// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a machine's PCI hierarchy consists of, as plain data: filled in by whoever reads board files, built by
// `topology`.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vtd::pci_topology {

/// What kind of thing a function is, as far as routing and source-ids go.
enum class function_kind : std::uint8_t {
  /// A device function, conventional or PCI Express; also host bridge, ISA bridge and other integrated
  /// functions.
  endpoint,
  host_bridge,
  isa_bridge,
  /// PCI Express root port.
  root_port,
  /// Conventional bridge: also the subtractive one of the south bridge.
  pci_bridge,
  /// PCI Express to PCI/PCI-X bridge.
  pcie_to_pci_bridge,
  upstream_port,
  downstream_port
};

/// Kinds of capabilities that we lay out; `vendor` and `other` keep their length so that the chain looks
/// right.
enum class capability_kind : std::uint8_t {
  power_management,
  msi,
  msix,
  pci_express,
  subsystem_id,
  sata,
  advanced_features,
  vital_product_data,
  hot_plug,
  vendor,
  other,
  // Extended capabilities, at 0x100 and above.
  advanced_error_reporting,
  virtual_channel,
  access_control,
  address_translation_services,
  device_serial_number,
  root_complex_link,
  extended_other
};

/// One capability of a function.
struct capability_description {
  capability_kind kind = capability_kind::other;
  /// Where it stands in configuration space: below 0x100, or from 0x100 on for extended ones.
  std::uint16_t offset = 0;
  /// Capability id as it reads; 0: the one that `kind` implies.
  std::uint16_t id = 0;
  /// Version of an extended capability, of power management, or of the PCI Express capability.
  std::uint8_t version = 1;
  /// Bytes of a vendor capability; of any other only where it differs from the usual length.
  std::uint16_t length = 0;
  /// MSI: 64-bit address, per-vector mask; how many vectors as a power of two. MSI-X: table size minus one.
  bool address_64 = false;
  bool maskable = false;
  std::uint16_t vectors = 0;
  /// PCI Express: slot implemented, function-level reset, port number, link width and speed (1 = 2.5 GT/s).
  bool slot = false;
  bool function_level_reset = false;
  std::uint8_t port_number = 0;
  std::uint8_t link_width = 1;
  std::uint8_t link_speed = 1;
  /// PCI Express: the largest payload in bytes.
  std::uint16_t max_payload = 128;
  /// ATS: invalidation requests that the function takes at once, 1 to 32.
  std::uint8_t queue_depth = 32;
  /// ATS: the function's reads ask for translations to read only (NW). No register shows it.
  bool no_write = false;
};

/// A base address register.
struct bar_description {
  /// 0 to 5; 6 is the expansion ROM.
  std::uint8_t index = 0;
  /// Bytes, a power of two.
  std::uint64_t size = 0;
  bool io = false;
  bool is_64_bit = false;
  bool prefetchable = false;
  /// Where firmware left it; nothing: firmware assigns one.
  std::optional<std::uint64_t> address;
};

/// Bus numbers of a bridge as firmware leaves them.
struct bus_range {
  std::uint8_t secondary = 0;
  std::uint8_t subordinate = 0;
};

/// One function, with what hangs below it if it is a bridge.
struct function_description {
  std::uint8_t device = 0;
  std::uint8_t function = 0;
  function_kind kind = function_kind::endpoint;
  std::uint16_t vendor_id = 0;
  std::uint16_t device_id = 0;
  std::uint16_t subsystem_vendor_id = 0;
  std::uint16_t subsystem_id = 0;
  std::uint8_t revision = 0;
  /// Base class, sub-class, programming interface: 0x0c0320 = EHCI.
  std::uint32_t class_code = 0;
  bool multifunction = false;
  /// 0: none, 1 to 4: INTA to INTD.
  std::uint8_t interrupt_pin = 0;
  /// Names for people, as `lspci` prints them.
  std::string vendor_name;
  std::string device_name;
  /// Class name where it differs from the usual one.
  std::string class_name;
  std::vector<capability_description> capabilities;
  std::vector<bar_description> bars;
  /// Bridges only.
  std::optional<bus_range> buses;
  std::vector<function_description> children;
  /// Behaviour behind the registers; empty: none, the function answers configuration accesses only.
  std::string model;
  /// False: the slot is empty, or firmware hides the function.
  bool present = true;
};

/// The hierarchy below one host bridge.
struct topology_description {
  std::uint16_t segment = 0;
  /// Memory-mapped configuration space: base, and the last bus it reaches. 0: there is none.
  std::uint64_t ecam_base = 0;
  std::uint8_t ecam_last_bus = 0xff;
  /// Where firmware puts BARs that have no address.
  std::uint64_t memory_window_base = 0;
  std::uint64_t memory_window_limit = 0;
  std::vector<function_description> functions;
};

} // namespace vtd::pci_topology
