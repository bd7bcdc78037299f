// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/topology.h"

#include "vtd/pci_topology/registers.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace vtd::pci_topology {

namespace {

using function_list = std::vector<std::unique_ptr<function>>;

void check_places(const function_list& siblings) {
  for (std::size_t i = 0; i < siblings.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto& a = siblings[i]->description();
      const auto& b = siblings[j]->description();
      if (a.device == b.device && a.function == b.function) {
        throw std::invalid_argument("two functions at device " + std::to_string(a.device) + " function " +
                                    std::to_string(a.function) + " of one bus");
      }
    }
    check_places(siblings[i]->children());
  }
}

template <class Visitor>
void visit_all(const function_list& siblings, Visitor&& visit) {
  for (const auto& each : siblings) {
    visit(*each);
    visit_all(each->children(), visit);
  }
}

} // namespace

topology::topology(topology_description description) : description_(std::move(description)) {
  for (const function_description& each : description_.functions) {
    if (each.present) roots_.push_back(std::make_unique<function>(each, nullptr));
  }
  check_places(roots_);
}

// --- What firmware does

void topology::set_up_as_firmware() {
  number_buses(roots_, 0, 1);
  std::uint64_t next = description_.memory_window_base;
  visit_all(roots_, [&](function& who) { place_bars(who, next); });
  for (const auto& root : roots_)
    open_windows(*root);
  visit_all(roots_, [](function& who) {
    who.write(reg::command, 2, reg::command_io | reg::command_memory | reg::command_bus_master);
  });
}

std::uint8_t topology::number_buses(function_list& siblings, std::uint8_t bus, std::uint8_t next) {
  for (const auto& each : siblings) {
    if (!each->is_bridge()) continue;
    const auto given = each->description().buses;
    const std::uint8_t secondary = given ? given->secondary : next;
    each->write(reg::primary_bus, 1, bus);
    each->write(reg::secondary_bus, 1, secondary);
    // Open to the end while what is below is numbered.
    each->write(reg::subordinate_bus, 1, 0xff);
    auto& children = const_cast<function_list&>(each->children());
    const std::uint8_t after = number_buses(children, secondary, static_cast<std::uint8_t>(secondary + 1));
    const auto last = static_cast<std::uint8_t>(given ? given->subordinate : after - 1);
    each->write(reg::subordinate_bus, 1, last);
    next = std::max(next, static_cast<std::uint8_t>(last + 1));
  }
  return next;
}

// Where the BAR with an address of its own ends that lies in [at, at + size); nothing: the range is free.
std::optional<std::uint64_t> topology::taken_until(std::uint64_t at, std::uint64_t size) const {
  std::optional<std::uint64_t> end;
  visit_all(roots_, [&](const function& who) {
    for (const bar_description& bar : who.description().bars) {
      if (bar.index > 5 || bar.io || !bar.address) continue;
      if (at < *bar.address + bar.size && *bar.address < at + size) end = *bar.address + bar.size;
    }
  });
  return end;
}

void topology::place_bars(function& who, std::uint64_t& next) {
  for (const bar_description& bar : who.description().bars) {
    if (bar.index > 5) continue;
    if (bar.address) {
      who.set_bar_address(bar.index, *bar.address);
    } else if (!bar.io && next != 0) {
      const std::uint64_t align = std::max<std::uint64_t>(bar.size, spec::page_size);
      std::uint64_t at = (next + align - 1) & ~(align - 1);
      while (const auto end = taken_until(at, bar.size))
        at = (*end + align - 1) & ~(align - 1);
      if (at + bar.size - 1 > description_.memory_window_limit) continue;
      who.set_bar_address(bar.index, at);
      next = at + bar.size;
    }
  }
}

// The window of a bridge covers the BARs of everything below it.
void topology::open_windows(function& who) {
  if (!who.is_bridge()) return;
  for (const auto& child : who.children())
    open_windows(*child);
  constexpr std::uint64_t unit = std::uint64_t{1} << 20;
  std::uint64_t first[2] = {~std::uint64_t{0}, ~std::uint64_t{0}};
  std::uint64_t last[2] = {0, 0};
  visit_all(who.children(), [&](const function& below) {
    for (const bar_description& bar : below.description().bars) {
      if (bar.index > 5 || bar.io) continue;
      const unsigned at = reg::bar0 + 4 * bar.index;
      std::uint64_t address = below.read(at, 4) & ~15U;
      if (bar.is_64_bit) address |= std::uint64_t{below.read(at + 4, 4)} << 32;
      if (address == 0) continue;
      const unsigned kind = bar.prefetchable && bar.is_64_bit ? 1 : 0;
      first[kind] = std::min(first[kind], address & ~(unit - 1));
      last[kind] = std::max(last[kind], address + bar.size - 1);
    }
  });
  if (first[0] <= last[0]) {
    who.write(reg::memory_base, 2, static_cast<std::uint32_t>(first[0] >> 16));
    who.write(reg::memory_limit, 2, static_cast<std::uint32_t>(last[0] >> 16));
  }
  if (first[1] <= last[1]) {
    who.write(reg::prefetchable_base, 2, static_cast<std::uint32_t>(first[1] >> 16) & 0xffff);
    who.write(reg::prefetchable_limit, 2, static_cast<std::uint32_t>(last[1] >> 16) & 0xffff);
    who.write(reg::prefetchable_base_upper, 4, static_cast<std::uint32_t>(first[1] >> 32));
    who.write(reg::prefetchable_limit_upper, 4, static_cast<std::uint32_t>(last[1] >> 32));
  }
}

// --- Functions

const function* topology::find_on(const function_list& siblings, std::uint8_t bus, spec::source_id id) const {
  for (const auto& each : siblings) {
    if (bus == id.bus()) {
      if (each->description().device == id.device() && each->description().function == id.function())
        return each.get();
      continue;
    }
    if (!each->is_bridge()) continue;
    const bus_range below = each->buses();
    if (below.secondary == 0 || id.bus() < below.secondary || id.bus() > below.subordinate) continue;
    return find_on(each->children(), below.secondary, id);
  }
  return nullptr;
}

const function* topology::find(spec::source_id id) const { return find_on(roots_, 0, id); }
function* topology::find(spec::source_id id) { return const_cast<function*>(find_on(roots_, 0, id)); }

const function* topology::follow(std::uint8_t start_bus, std::span<const step> path) const {
  std::uint8_t bus = start_bus;
  const function* at = nullptr;
  for (const step& each : path) {
    if (at != nullptr) {
      if (!at->is_bridge()) return nullptr;
      bus = at->buses().secondary;
    }
    at = find(spec::source_id::from_bdf(bus, each.device, each.function));
    if (at == nullptr) return nullptr;
  }
  return at;
}

void topology::for_each(const std::function<void(function&)>& visit) {
  // By id; equal ones, which only misprogrammed bridges make, in the order of the tree.
  std::vector<std::pair<spec::source_id, function*>> all;
  visit_all(roots_, [&](function& who) { all.emplace_back(who.id(), &who); });
  for (std::size_t end = 1; end < all.size(); ++end) {
    const auto at =
        std::upper_bound(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(end), all[end].first,
                         [](spec::source_id id, const auto& other) { return id < other.first; });
    std::rotate(at, all.begin() + static_cast<std::ptrdiff_t>(end),
                all.begin() + static_cast<std::ptrdiff_t>(end) + 1);
  }
  for (const auto& [id, each] : all)
    visit(*each);
}

void topology::for_each(const std::function<void(const function&)>& visit) const {
  const_cast<topology*>(this)->for_each([&](function& who) { visit(who); });
}

// --- Configuration space

std::uint32_t topology::read(spec::source_id id, unsigned offset, unsigned bytes) const {
  const function* const who = find(id);
  if (who == nullptr || offset + bytes > config_space::size)
    return static_cast<std::uint32_t>(spec::low_bits(8 * bytes));
  return who->read(offset, bytes);
}

void topology::write(spec::source_id id, unsigned offset, unsigned bytes, std::uint32_t value) {
  function* const who = find(id);
  if (who != nullptr && offset + bytes <= config_space::size) who->write(offset, bytes, value);
}

// --- Requests

spec::source_id topology::requester_id(const function& who) {
  spec::source_id id = who.id();
  for (const function* bridge = who.parent(); bridge != nullptr; bridge = bridge->parent()) {
    if (bridge->description().kind == function_kind::pci_bridge) {
      // Below another conventional bridge nothing changes: the topmost one decides.
      id = bridge->id();
    } else if (bridge->description().kind == function_kind::pcie_to_pci_bridge) {
      id = spec::source_id::from_bdf(bridge->buses().secondary, 0, 0);
    }
  }
  return id;
}

std::vector<spec::source_id> topology::aliases(const function& who) {
  std::vector<spec::source_id> ids{who.id()};
  for (const function* bridge = who.parent(); bridge != nullptr; bridge = bridge->parent()) {
    if (bridge->description().kind == function_kind::pci_bridge) {
      ids.push_back(bridge->id());
    } else if (bridge->description().kind == function_kind::pcie_to_pci_bridge) {
      // The bridge takes ownership with the secondary bus, and may use its own id for its own requests.
      ids.push_back(spec::source_id::from_bdf(bridge->buses().secondary, 0, 0));
      ids.push_back(bridge->id());
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<const function*> topology::isolation_group(const function& who) const {
  // The topmost point from which requests cannot be kept apart: a conventional bridge, or a port without
  // access control that has several devices or functions behind it.
  const auto keeps_apart = [](const function& f) {
    return f.capability(capability_kind::access_control) != 0;
  };
  const function* top = &who;
  for (const function* bridge = who.parent(); bridge != nullptr; bridge = bridge->parent()) {
    const bool conventional = bridge->description().kind == function_kind::pci_bridge ||
                              bridge->description().kind == function_kind::pcie_to_pci_bridge;
    if (conventional || !keeps_apart(*bridge)) top = bridge;
  }
  const auto is_below = [top](const function& f) {
    for (const function* at = &f; at != nullptr; at = at->parent()) {
      if (at == top) return true;
    }
    return false;
  };
  std::vector<const function*> group;
  for_each([&](const function& each) {
    const bool same_device =
        each.parent() == top->parent() && each.description().device == top->description().device;
    // Functions of one device may reach each other, unless each keeps its requests apart. Integrated
    // functions of the chipset are taken as separate where they are not ports.
    const bool together =
        same_device && top->parent() != nullptr && !(keeps_apart(each) && keeps_apart(*top));
    if (is_below(each) || together) group.push_back(&each);
  });
  return group;
}

// --- Memory-mapped registers

std::optional<topology::target> topology::claim(std::uint64_t address) {
  const auto passes = [address](const function& bridge) {
    if (!bridge.memory_enabled()) return false;
    // The subtractive bridge of the south bridge takes what nobody else takes.
    if (bridge.description().kind == function_kind::pci_bridge && bridge.description().class_code == 0x060401)
      return true;
    const std::uint64_t base = std::uint64_t{bridge.read(reg::memory_base, 2) & 0xfff0} << 16;
    const std::uint64_t limit = (std::uint64_t{bridge.read(reg::memory_limit, 2) & 0xfff0} << 16) + 0xfffff;
    const std::uint64_t wide_base = std::uint64_t{bridge.read(reg::prefetchable_base_upper, 4)} << 32 |
                                    std::uint64_t{bridge.read(reg::prefetchable_base, 2) & 0xfff0} << 16;
    const std::uint64_t wide_limit = (std::uint64_t{bridge.read(reg::prefetchable_limit_upper, 4)} << 32 |
                                      std::uint64_t{bridge.read(reg::prefetchable_limit, 2) & 0xfff0} << 16) +
                                     0xfffff;
    return (address >= base && address <= limit) || (address >= wide_base && address <= wide_limit);
  };
  std::optional<target> found;
  visit_all(roots_, [&](function& who) {
    if (found) return;
    for (const bar_description& bar : who.description().bars) {
      if (bar.io) continue;
      const auto base = who.bar_address(bar.index);
      if (!base || *base == 0 || address < *base || address - *base >= bar.size) continue;
      bool reached = true;
      for (const function* bridge = who.parent(); bridge != nullptr; bridge = bridge->parent()) {
        reached = reached && passes(*bridge);
      }
      if (reached) found = target{&who, bar.index, address - *base};
    }
  });
  return found;
}

} // namespace vtd::pci_topology
