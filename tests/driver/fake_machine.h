// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_hardware.h"
#include "vtd/driver/driver.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vtd::test {

using driver::function_address;
using spec::source_id;

/// A part like that of Q35: 39 bits, not coherent, a write buffer, one fault record, protected regions.
[[nodiscard]] inline spec::cap narrow_cap() {
  return spec::cap{}
      .set_nd(0)
      .set_rwbf(true)
      .set_sagaw(2)
      .set_mgaw(39)
      .set_fault_record_offset(0x200)
      .set_psi(true)
      .set_mamv(9)
      .set_dwd(true)
      .set_drd(true)
      .set_plmr(true)
      .set_phmr(true);
}
[[nodiscard]] inline spec::ecap narrow_ecap() { return spec::ecap{}.set_iotlb_offset(0x100); }

/// A part like that of X58: 48 bits, coherent, snoop control, 2 MB and 1 GB pages, eight fault records.
[[nodiscard]] inline spec::cap wide_cap() {
  return spec::cap{}
      .set_nd(2)
      .set_sagaw(6)
      .set_mgaw(48)
      .set_fault_record_offset(0x200)
      .set_sps(3)
      .set_psi(true)
      .set_fault_records(8)
      .set_mamv(18)
      .set_dwd(true)
      .set_drd(true);
}
[[nodiscard]] inline spec::ecap wide_ecap() {
  return spec::ecap{}.set_iotlb_offset(0x100).set_c(true).set_sc(true).set_eim(true);
}

inline constexpr std::uint64_t first_unit_base = 0xfed90000;
inline constexpr std::uint64_t unit_stride = 0x1000;

// The functions of the machine.
inline constexpr function_address root_port{0, source_id::from_bdf(0, 1, 0)};
inline constexpr function_address nic{0, source_id::from_bdf(1, 0, 0)};
inline constexpr function_address usb{0, source_id::from_bdf(0, 0x1d, 0)};
inline constexpr function_address disk{0, source_id::from_bdf(0, 0x1f, 2)};
inline constexpr function_address audio{0, source_id::from_bdf(0, 0x1b, 0)};
inline constexpr function_address pci_bridge{0, source_id::from_bdf(0, 0x1e, 0)};
inline constexpr function_address old_card{0, source_id::from_bdf(5, 3, 0)};
inline constexpr function_address old_card_2{0, source_id::from_bdf(5, 4, 0)};
inline constexpr source_id bridge_alias = source_id::from_bdf(5, 0, 0);

inline std::vector<driver::pci_function> all_functions() {
  const auto plain = [](function_address who) {
    driver::pci_function f;
    f.address = who;
    return f;
  };
  std::vector<driver::pci_function> out{plain(root_port), plain(nic),       plain(usb),
                                        plain(disk),      plain(audio),     plain(pci_bridge),
                                        plain(old_card),  plain(old_card_2)};
  out[0].bridge = true;
  out[0].secondary_bus = nic.id.bus();
  out[1].parent = root_port.id;
  out[5].bridge = true;
  out[5].secondary_bus = old_card.id.bus();
  for (const std::size_t i : {6U, 7U}) {
    out[i].parent = pci_bridge.id;
    out[i].aliases = {bridge_alias};
  }
  return out;
}

/// A scope entry for a function on bus 0, or one bus below a bridge on it.
[[nodiscard]] inline driver::scope_info
scope_of(const function_address& who, spec::acpi::scope_type type = spec::acpi::scope_type::pci_endpoint) {
  driver::scope_info scope;
  scope.type = static_cast<std::uint8_t>(type);
  for (const driver::pci_function& f : all_functions()) {
    if (f.address == who && f.parent) scope.path.push_back({f.parent->device(), f.parent->function()});
  }
  scope.path.push_back({who.id.device(), who.id.function()});
  return scope;
}
[[nodiscard]] inline driver::scope_info hierarchy_below(const function_address& bridge) {
  return scope_of(bridge, spec::acpi::scope_type::pci_sub_hierarchy);
}

/// A machine of fake units, and the driver on it.
class fake_machine {
public:
  fake_machine() { table.host_address_width = 36; }

  /// A unit of the table and its hardware; without scopes it covers the rest of its segment.
  fake_unit& add_unit(spec::cap cap, spec::ecap ecap, std::vector<driver::scope_info> scopes = {}) {
    driver::unit_info info;
    info.base = first_unit_base + hw.unit_count() * unit_stride;
    info.include_all = scopes.empty();
    info.flags = info.include_all ? 1 : 0;
    info.scopes = std::move(scopes);
    table.units.push_back(info);
    return hw.add_unit(info.base, cap, ecap);
  }
  void add_region(std::uint64_t base, std::uint64_t limit, const function_address& user) {
    driver::reserved_region_info region;
    region.base = base;
    region.limit = limit;
    region.scopes = {scope_of(user)};
    table.reserved_regions.push_back(region);
  }
  /// The driver, made at the first call with the options and omissions as they are then.
  driver::driver& drv() {
    if (!driver_) {
      machine_ = std::make_unique<driver::hardware>(hw.access());
      driver_ = std::make_unique<driver::driver>(*machine_, table, all_functions(), options, forget);
    }
    return *driver_;
  }
  /// Started, and the log begins after that.
  driver::driver& started() {
    drv().start();
    hw.forget_events();
    return drv();
  }
  driver::root_table& tables(std::size_t unit = 0) { return drv().unit_at(unit).tables(); }
  [[nodiscard]] std::uint64_t root_slot(source_id id, std::size_t unit = 0) {
    return tables(unit).address() + id.bus() * sizeof(spec::root_entry);
  }
  /// Address of the context entry; the device's bus must have a context table.
  [[nodiscard]] std::uint64_t context_slot(source_id id, std::size_t unit = 0) {
    const spec::root_entry root{hw.seen_by_cpu(root_slot(id, unit)), 0};
    EXPECT_TRUE(root.present());
    return root.context_table() + id.devfn() * sizeof(spec::context_entry);
  }
  /// The context entry as a unit that does not snoop reads it; not present where a table is missing.
  [[nodiscard]] spec::context_entry context_in_memory(source_id id, std::size_t unit = 0) {
    const spec::root_entry root{hw.seen_by_hardware(root_slot(id, unit)), 0};
    if (!root.present()) return {};
    const std::uint64_t at = root.context_table() + id.devfn() * sizeof(spec::context_entry);
    return {hw.seen_by_hardware(at), hw.seen_by_hardware(at + sizeof(std::uint64_t))};
  }
  /// What a unit that does not snoop finds for a device's address; nothing: blocked.
  [[nodiscard]] std::optional<std::uint64_t> translate(source_id id, std::uint64_t address,
                                                       std::size_t unit = 0) {
    const spec::context_entry context = context_in_memory(id, unit);
    if (!context.present()) return std::nullopt;
    std::uint64_t table_address = context.second_level_table();
    for (unsigned level = spec::levels_of_agaw(context.address_width()); level > 0; --level) {
      const spec::second_level_entry entry{
          hw.seen_by_hardware(table_address + spec::level_index(address, level) * sizeof(std::uint64_t))};
      if (!entry.present()) return std::nullopt;
      if (level == 1 || entry.page_size()) return entry.address() + address % spec::level_size(level);
      table_address = entry.address();
    }
    return std::nullopt;
  }

  fake_hardware hw;
  driver::dmar_info table;
  driver::driver_options options;
  driver::omit forget;

private:
  std::unique_ptr<driver::hardware> machine_;
  std::unique_ptr<driver::driver> driver_;
};

/// One narrow unit that covers the machine.
struct narrow_machine : fake_machine {
  fake_unit& unit = add_unit(narrow_cap(), narrow_ecap());
};
/// One wide unit that covers the machine.
struct wide_machine : fake_machine {
  fake_unit& unit = add_unit(wide_cap(), wide_ecap());
};
/// A wide unit for what is behind the root port, a narrow one for the rest.
struct mixed_machine : fake_machine {
  fake_unit& wide = add_unit(wide_cap(), wide_ecap(), {hierarchy_below(root_port)});
  fake_unit& narrow = add_unit(narrow_cap(), narrow_ecap());
};

/// Text that an exception of this type carries; fails when none comes.
template <class Error, class Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

} // namespace vtd::test
