// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/function.h"

#include "vtd/pci_topology/registers.h"
#include "vtd/spec/ats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <string>

namespace vtd::pci_topology {

namespace {

struct capability_shape {
  std::uint16_t id;
  std::uint16_t length;
};

// Ids and usual lengths (PCI Code and ID Assignment 1.9).
capability_shape shape_of(const capability_description& what, bool is_bridge) {
  capability_shape shape{0, 4};
  switch (what.kind) {
  case capability_kind::power_management:
    shape = {0x01, 8};
    break;
  case capability_kind::vital_product_data:
    shape = {0x03, 8};
    break;
  case capability_kind::msi:
    shape = {0x05, static_cast<std::uint16_t>(10 + (what.address_64 ? 4 : 0) + (what.maskable ? 10 : 0))};
    break;
  case capability_kind::vendor:
    shape = {0x09, 3};
    break;
  case capability_kind::hot_plug:
    shape = {0x0c, 8};
    break;
  case capability_kind::subsystem_id:
    shape = {0x0d, 8};
    break;
  case capability_kind::pci_express:
    // Version 1 ends where the device's registers end: only ports have slot and root registers.
    shape = {0x10, static_cast<std::uint16_t>(what.version >= 2 ? 0x3c : is_bridge ? 0x24 : 0x14)};
    break;
  case capability_kind::msix:
    shape = {0x11, 12};
    break;
  case capability_kind::sata:
    shape = {0x12, 8};
    break;
  case capability_kind::advanced_features:
    shape = {0x13, 6};
    break;
  case capability_kind::other:
    break;
  case capability_kind::advanced_error_reporting:
    shape = {0x0001, 0x38};
    break;
  case capability_kind::virtual_channel:
    shape = {0x0002, 0x1c};
    break;
  case capability_kind::device_serial_number:
    shape = {0x0003, 12};
    break;
  case capability_kind::root_complex_link:
    shape = {0x0005, 0x20};
    break;
  case capability_kind::access_control:
    shape = {0x000d, 8};
    break;
  case capability_kind::address_translation_services:
    shape = {reg::ats_id, 8};
    break;
  case capability_kind::extended_other:
    break;
  }
  if (what.id != 0) shape.id = what.id;
  if (what.length != 0) shape.length = what.length;
  return shape;
}

using ats = spec::ats::function_registers;

// Device/port type of the PCI Express capability (PCIe 2.0 7.8.2).
unsigned port_type(function_kind kind) {
  switch (kind) {
  case function_kind::root_port:
    return 4;
  case function_kind::upstream_port:
    return 5;
  case function_kind::downstream_port:
    return 6;
  case function_kind::pcie_to_pci_bridge:
    return 7;
  default:
    return 0;
  }
}

} // namespace

void function::refuse(const std::string& what) const {
  throw std::invalid_argument(
      to_string(spec::source_id::from_bdf(bus(), description_.device, description_.function)) + ": " + what);
}

function::function(const function_description& description, function* parent)
    : description_(description), parent_(parent) {
  build_header();
  build_bars();
  build_capabilities();
  for (const function_description& child : description.children) {
    if (child.present) add_child(child);
  }
  description_.children.clear();
}

function& function::add_child(const function_description& description) {
  return *children_.emplace_back(std::make_unique<function>(description, this));
}

bool function::is_bridge() const {
  switch (description_.kind) {
  case function_kind::root_port:
  case function_kind::pci_bridge:
  case function_kind::pcie_to_pci_bridge:
  case function_kind::upstream_port:
  case function_kind::downstream_port:
    return true;
  default:
    return false;
  }
}

void function::build_header() {
  const function_description& d = description_;
  config_.define(reg::vendor_id, 2, d.vendor_id);
  config_.define(reg::device_id, 2, d.device_id);
  config_.define(reg::command, 2, 0, reg::command_writable);
  config_.define(reg::status, 2, d.capabilities.empty() ? 0 : reg::status_capabilities, 0,
                 reg::status_write_one_to_clear);
  config_.define(reg::revision, 1, d.revision);
  config_.define(reg::class_code, 1, d.class_code & 0xff);
  config_.define(reg::class_code + 1, 2, d.class_code >> 8);
  config_.define(reg::cache_line_size, 1, 0, 0xff);
  config_.define(reg::latency_timer, 1, 0, is_bridge() ? 0 : 0xff);
  config_.define(reg::header_type, 1,
                 (is_bridge() ? reg::header_bridge : 0) | (d.multifunction ? reg::header_multifunction : 0));
  config_.define(reg::interrupt_line, 1, 0, 0xff);
  config_.define(reg::interrupt_pin, 1, d.interrupt_pin);
  if (is_bridge()) {
    for (const unsigned bus : {reg::primary_bus, reg::secondary_bus, reg::subordinate_bus}) {
      config_.define(bus, 1, 0, 0xff);
    }
    // Windows come up closed: the limit below the base.
    config_.define(reg::io_base, 1, 0xf0, 0xf0);
    config_.define(reg::io_limit, 1, 0, 0xf0);
    config_.define(reg::secondary_status, 2, 0, 0, reg::status_write_one_to_clear);
    config_.define(reg::memory_base, 2, 0xfff0, 0xfff0);
    config_.define(reg::memory_limit, 2, 0, 0xfff0);
    config_.define(reg::prefetchable_base, 2, 0xfff1, 0xfff0);
    config_.define(reg::prefetchable_limit, 2, 0x0001, 0xfff0);
    config_.define(reg::prefetchable_base_upper, 4, 0, ~0U);
    config_.define(reg::prefetchable_limit_upper, 4, 0, ~0U);
    config_.define(reg::bridge_control, 2, 0, reg::bridge_control_writable);
  } else {
    config_.define(reg::subsystem_vendor_id, 2, d.subsystem_vendor_id);
    config_.define(reg::subsystem_id, 2, d.subsystem_id);
  }
}

void function::build_bars() {
  std::array<bool, 7> taken{};
  for (const bar_description& bar : description_.bars) {
    const unsigned limit = is_bridge() ? 2 : 6;
    const bool is_rom = bar.index == 6;
    const unsigned last = bar.index + (bar.is_64_bit ? 1U : 0U);
    const std::string text =
        "BAR " + std::to_string(bar.index) + " of " + std::to_string(bar.size) + " bytes";
    // The low bits of a BAR say what it is (PCI 3.0 6.2.5.1).
    const std::uint64_t least = is_rom ? 2048 : bar.io ? 4 : 16;
    if (!std::has_single_bit(bar.size) || (!is_rom && last >= limit) || bar.index > 6)
      refuse(text + ": expected a power of two and an index that is there");
    if (bar.size < least) refuse(text + ": expected at least " + std::to_string(least));
    if (!bar.is_64_bit && bar.size > std::uint64_t{1} << 31)
      refuse(text + ": expected bits_64 for that size");
    for (unsigned i = bar.index; i <= last && i < taken.size(); ++i) {
      if (taken[i]) refuse(text + ": expected a place that no other BAR takes");
      taken[i] = true;
    }
    const std::uint64_t mask = ~(bar.size - 1);
    if (is_rom) {
      config_.define(is_bridge() ? reg::bridge_expansion_rom : reg::expansion_rom, 4, 0,
                     static_cast<std::uint32_t>(mask) | 1);
      continue;
    }
    const unsigned at = reg::bar0 + 4 * bar.index;
    const std::uint32_t kind =
        bar.io ? reg::bar_io
               : (bar.is_64_bit ? reg::bar_64_bit : 0) | (bar.prefetchable ? reg::bar_prefetchable : 0);
    config_.define(at, 4, kind, static_cast<std::uint32_t>(mask) & ~(bar.io ? 3U : 15U));
    if (bar.is_64_bit) config_.define(at + 4, 4, 0, static_cast<std::uint32_t>(mask >> 32));
  }
}

void function::build_capabilities() {
  std::vector<capability_description>& all = description_.capabilities;
  // The order of the chain is that of the list, as the real parts' chains are not sorted by offset.
  unsigned link = reg::capability_pointer;
  unsigned extended_link = 0;
  for (const capability_description& what : all) {
    const capability_shape shape = shape_of(what, is_bridge());
    const bool extended = what.offset >= reg::extended_capabilities;
    const unsigned end = extended ? config_space::size : config_space::conventional_size;
    if (what.offset < 0x40 || what.offset % 4 != 0 || what.offset + shape.length > end) {
      refuse("capability at offset " + std::to_string(what.offset) + " of " + std::to_string(shape.length) +
             " bytes does not fit");
    }
    for (const capability_description& other : all) {
      if (&other == &what) break;
      const unsigned other_end = other.offset + shape_of(other, is_bridge()).length;
      if (what.offset < other_end && other.offset < what.offset + shape.length) {
        refuse("capability at offset " + std::to_string(what.offset) + " of " + std::to_string(shape.length) +
               " bytes overlaps that at offset " + std::to_string(other.offset));
      }
    }
    if (extended) {
      config_.define(what.offset, 4, shape.id | std::uint32_t{what.version} << 16);
      if (extended_link != 0) {
        const std::uint32_t head = config_.read(extended_link, 4);
        config_.define(extended_link, 4, head | std::uint32_t{what.offset} << 20);
      }
      extended_link = what.offset;
    } else {
      config_.define(what.offset, 1, shape.id);
      config_.define(link, 1, what.offset);
      link = what.offset + 1U;
    }
    build_capability(what);
  }
}

void function::build_capability(const capability_description& what) {
  const unsigned at = what.offset;
  switch (what.kind) {
  case capability_kind::power_management:
    config_.define(at + 2, 2, what.version);
    config_.define(at + 4, 2, 8, 0x0103, 0x8000); // NoSoftRst
    break;
  case capability_kind::msi: {
    constexpr unsigned most_vectors = 5; // 32, as a power of two (PCI 3.0 6.8.1.3)
    if (what.vectors > most_vectors)
      refuse("MSI of 2^" + std::to_string(what.vectors) + " vectors: expected 2^5 at most");
    const std::uint32_t control = (what.address_64 ? reg::msi_64_bit : 0) |
                                  (what.maskable ? reg::msi_maskable : 0) | std::uint32_t{what.vectors} << 1;
    config_.define(at + reg::msi_control, 2, control, 0x0071);
    config_.define(at + reg::msi_address, 4, 0, ~3U);
    unsigned data = at + reg::msi_address_upper;
    if (what.address_64) {
      config_.define(data, 4, 0, ~0U);
      data += 4;
    }
    config_.define(data, 2, 0, 0xffff);
    if (what.maskable) {
      config_.define(data + 4, 4, 0, static_cast<std::uint32_t>(spec::low_bits(1U << what.vectors)));
    }
    break;
  }
  case capability_kind::msix:
    config_.define(at + 2, 2, what.vectors, 0xc000);
    break;
  case capability_kind::vendor:
    config_.define(at + 2, 1, what.length);
    break;
  case capability_kind::subsystem_id:
    config_.define(at + 4, 2, description_.subsystem_vendor_id);
    config_.define(at + 6, 2, description_.subsystem_id);
    break;
  case capability_kind::pci_express: {
    const std::uint32_t flags = what.version | port_type(description_.kind) << 4 | (what.slot ? 1U << 8 : 0);
    config_.define(at + reg::express_flags, 2, flags);
    if (!std::has_single_bit(std::uint32_t{what.max_payload}) || what.max_payload < 128 ||
        what.max_payload > 4096)
      refuse("largest payload of " + std::to_string(what.max_payload) +
             " bytes: expected 128 to 4096, a power of two");
    const auto payload = static_cast<std::uint32_t>(std::countr_zero(std::uint32_t{what.max_payload}) - 7);
    config_.define(at + reg::express_device_capabilities, 4,
                   payload | 1U << 15 | (what.function_level_reset ? reg::express_function_level_reset : 0));
    config_.define(at + reg::express_device_control, 2, 0x2810, 0x7fff);
    config_.define(at + reg::express_device_control + 2, 2, 0, 0, 0x000f);
    config_.define(at + reg::express_link_capabilities, 4,
                   what.link_speed | std::uint32_t{what.link_width} << 4 |
                       std::uint32_t{what.port_number} << 24);
    config_.define(at + reg::express_link_status - 2, 2, 0, 0x01fb);
    config_.define(at + reg::express_link_status, 2, what.link_speed | std::uint32_t{what.link_width} << 4);
    break;
  }
  case capability_kind::address_translation_services:
    if (what.queue_depth == 0 || what.queue_depth > 32)
      refuse("ATS with a queue of " + std::to_string(what.queue_depth) + " invalidations: expected 1 to 32");
    // 0 stands for 32; all translation requests of our functions are for whole pages.
    config_.define(at + ats::offset, 4,
                   ats::page_aligned_field::of(1) | (what.queue_depth & ats::queue_depth_field::mask),
                   ats::smallest_unit_field::mask | ats::enable_field::mask);
    break;
  case capability_kind::advanced_features:
    config_.define(at + 2, 1, 6);
    config_.define(at + 3, 1, 3); // transactions pending, function-level reset
    break;
  default:
    break;
  }
}

bus_range function::buses() const {
  return {static_cast<std::uint8_t>(config_.read(reg::secondary_bus, 1)),
          static_cast<std::uint8_t>(config_.read(reg::subordinate_bus, 1))};
}

std::uint8_t function::bus() const {
  return parent_ == nullptr ? std::uint8_t{0} : parent_->buses().secondary;
}

spec::source_id function::id() const {
  return spec::source_id::from_bdf(bus(), description_.device, description_.function);
}

void function::write(unsigned offset, unsigned bytes, std::uint32_t value) {
  const auto resets_below = [this] {
    return is_bridge() && (config_.read(reg::bridge_control, 2) & reg::bridge_secondary_reset) != 0;
  };
  const bool before = resets_below();
  config_.write(offset, bytes, value);
  // Secondary bus reset (PCI-to-PCI Bridge 1.2, 3.2.5.18): while the bit is set what is below stands in
  // reset.
  if (!before && resets_below()) {
    for (const auto& child : children_)
      child->reset();
  }
  // Did this write set the bit of that byte? The bits that start a reset read 0.
  const auto sets = [&](unsigned byte, unsigned bit) {
    return offset <= byte && offset + bytes > byte && (value >> (8 * (byte - offset) + bit) & 1) != 0;
  };
  // Function-level reset (PCIe 2.0 6.6.2).
  if (const unsigned express = capability(capability_kind::pci_express); express != 0) {
    const std::uint32_t able = config_.read(express + reg::express_device_capabilities, 4);
    if ((able & reg::express_function_level_reset) != 0 && sets(express + reg::express_device_control + 1, 7))
      reset();
  }
  if (const unsigned advanced = capability(capability_kind::advanced_features);
      advanced != 0 && sets(advanced + 4, 0)) {
    reset();
  }
  if (listener_) listener_();
}

bool function::memory_enabled() const { return (config_.read(reg::command, 2) & reg::command_memory) != 0; }
bool function::bus_master() const { return (config_.read(reg::command, 2) & reg::command_bus_master) != 0; }

std::optional<std::uint64_t> function::bar_address(unsigned index) const {
  for (const bar_description& bar : description_.bars) {
    if (bar.index != index || index > 5) continue;
    const std::uint32_t enable = bar.io ? reg::command_io : reg::command_memory;
    if ((config_.read(reg::command, 2) & enable) == 0) return std::nullopt;
    const unsigned at = reg::bar0 + 4 * index;
    std::uint64_t address = config_.read(at, 4) & ~(bar.io ? 3U : 15U);
    if (bar.is_64_bit) address |= std::uint64_t{config_.read(at + 4, 4)} << 32;
    return address;
  }
  return std::nullopt;
}

void function::set_bar_address(unsigned index, std::uint64_t address) {
  for (const bar_description& bar : description_.bars) {
    if (bar.index != index || index > 5) continue;
    config_.write(reg::bar0 + 4 * index, 4, static_cast<std::uint32_t>(address));
    if (bar.is_64_bit) config_.write(reg::bar0 + 4 * index + 4, 4, static_cast<std::uint32_t>(address >> 32));
  }
}

unsigned function::capability(capability_kind kind) const {
  for (const capability_description& what : description_.capabilities) {
    if (what.kind == kind) return what.offset;
  }
  return 0;
}

std::optional<spec::msi_message> function::message() const {
  const unsigned at = capability(capability_kind::msi);
  if (at == 0) return std::nullopt;
  const std::uint32_t control = config_.read(at + reg::msi_control, 2);
  if ((control & reg::msi_enable) == 0) return std::nullopt;
  const bool wide = (control & reg::msi_64_bit) != 0;
  spec::msi_message out;
  out.address = config_.read(at + reg::msi_address, 4);
  if (wide) out.address |= std::uint64_t{config_.read(at + reg::msi_address_upper, 4)} << 32;
  out.data = config_.read(at + reg::msi_address_upper + (wide ? 4 : 0), 2);
  return out;
}

void function::reset() {
  // Bus numbers of a bridge are lost, too: firmware or the system sets them again.
  config_.reset();
  ++resets_;
  for (const auto& child : children_)
    child->reset();
  if (listener_) listener_();
}

} // namespace vtd::pci_topology
