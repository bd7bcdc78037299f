// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/root_complex.h"

#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/spec/dmar_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace vtd::models {

namespace {

engine::picoseconds ps_of(double nanoseconds) {
  return static_cast<engine::picoseconds>(std::llround(nanoseconds * 1000.0));
}

remap::cache_shape shape_of(const cache_parameters& cache, std::uint64_t seed) {
  return {cache.entries, cache.ways, cache.policy, seed};
}

bool needs_write_buffer(const board& from) {
  return std::any_of(from.units.begin(), from.units.end(), [](const unit_description& unit) {
    return spec::cap{unit.cap.value}.rwbf() || unit.hidden_write_buffer.value;
  });
}

host::store_path_config store_configuration(const board& from, const timing_preset& timing) {
  host::store_path_config out;
  out.write_buffer_entries = needs_write_buffer(from) ? timing.write_buffer_entries.value : 0;
  return out;
}

platform::memory_timing memory_timing_of(const timing_preset& timing) {
  platform::memory_timing out;
  out.read = ps_of(timing.memory_read);
  out.write = ps_of(timing.memory_read);
  out.table_read = ps_of(timing.walk_read);
  return out;
}

platform::device_tlb_config device_tlb_of(const timing_preset& timing, std::uint64_t seed) {
  return {shape_of(timing.device_tlb, seed), ps_of(timing.device_tlb_lookup),
          ps_of(timing.device_tlb_invalidation)};
}

unsigned count_endpoints(const pci_topology::topology& pci) {
  unsigned count = 0;
  pci.for_each([&count](const pci_topology::function& f) {
    if (f.description().model == "dma_engine") ++count;
  });
  return count;
}

std::vector<pci_topology::topology::step> steps_of(const scope_description& scope) {
  std::vector<pci_topology::topology::step> out;
  for (const auto& each : scope.path)
    out.push_back({each.device, each.function});
  return out;
}

} // namespace

dmar::unit_config unit_configuration(const board& from, const unit_description& unit,
                                     const timing_preset& timing, unsigned ports, std::uint64_t seed) {
  dmar::unit_config out;
  out.name = unit.name;
  out.caps.cap = advertised(spec::cap{unit.cap.value});
  out.caps.ecap =
      advertised(spec::ecap{unit.ecap.value}, nullptr, static_cast<spec::spec_revision>(unit.revision.value));
  out.caps.host_address_width = from.host_address_width;
  out.caps.version = unit.version;
  out.caps.entry_beats = timing.entry_beats;
  // Each cache draws from its own generator; the place in this list is part of its seed.
  out.caches.context = shape_of(timing.context, seed * 8 + 0);
  out.caches.iotlb = shape_of(timing.iotlb, seed * 8 + 1);
  out.caches.large_iotlb = shape_of(timing.large_iotlb, seed * 8 + 6);
  out.caches.large_pages_in_pieces = timing.large_pages_in_pieces.value;
  out.caches.pde = shape_of(timing.pde, seed * 8 + 2);
  out.caches.pdpe = shape_of(timing.pdpe, seed * 8 + 3);
  out.caches.pml4 = shape_of(timing.pml4, seed * 8 + 4);
  out.caches.pml5 = shape_of(timing.pml5, seed * 8 + 5);
  dmar::unit_timing& t = out.timing;
  t.lookup = {timing.cycles(timing.context_lookup), timing.cycles(timing.iotlb_lookup),
              timing.cycles(timing.structure_lookup)};
  t.requests = timing.requests;
  t.walkers = timing.walkers;
  t.memory_interval = timing.cycles(timing.memory_interval);
  t.register_access = timing.cycles(timing.register_access);
  t.command = timing.cycles(timing.command);
  t.context_invalidation = timing.cycles(timing.context_invalidation);
  t.iotlb_invalidation_global = timing.cycles(timing.iotlb_invalidation_global);
  t.iotlb_invalidation_domain = timing.cycles(timing.iotlb_invalidation_domain);
  t.iotlb_invalidation_page = timing.cycles(timing.iotlb_invalidation_page);
  t.drain = timing.cycles(timing.drain);
  t.descriptor_fetch = timing.cycles(timing.descriptor_fetch);
  t.descriptor_decode = timing.cycles(timing.descriptor_decode);
  t.queue_prefetch = timing.queue_prefetch;
  t.status_write = timing.cycles(timing.status_write);
  t.device_invalidation = timing.cycles(timing.device_invalidation);
  t.device_timeout = timing.cycles(timing.device_timeout);
  t.fault_recording = timing.cycles(timing.fault_recording);
  t.event_message = timing.cycles(timing.event_message);
  out.whole_domain_tables = timing.whole_domain_tables;
  out.protect_translated = unit.protect_translated;
  out.protected_region_shift = static_cast<unsigned>(std::countr_zero(unit.protected_region_size.value));
  out.hidden_write_buffer = unit.hidden_write_buffer;
  out.caps.output_range_check = unit.choices.output_range_check;
  out.caps.caches_absent = unit.choices.caches_absent;
  out.caps.pass_through_checks_width = unit.choices.pass_through_checks_width;
  out.context_domain_compared = unit.choices.context_domain_compared;
  out.compress_faults = unit.choices.compress_faults;
  out.queue_address_clears_pointers = unit.choices.queue_address_clears_pointers;
  out.queue_flushes_write_buffer = unit.choices.queue_flushes_write_buffer;
  out.ports = ports;
  return out;
}

std::uint64_t root_complex::memory_size(const board& from) {
  constexpr std::uint64_t four_gb = std::uint64_t{1} << 32;
  return from.high_memory.value == 0 ? from.low_memory_end.value : four_gb + from.high_memory.value;
}

root_complex::root_complex(const sc_core::sc_module_name& name, const board& from,
                           const timing_preset& timing, std::uint64_t seed, unsigned extra_ports,
                           bool injectors)
    : sc_module(name), board_(from), timing_(timing), wheel_("wheel", engine::clock{timing.clock_period}),
      store_(memory_size(from)), stores_(store_, store_configuration(from, timing)), pci_(from.pci),
      ports_mechanism_(pci_), ecam_(pci_, from.pci.ecam_base, from.pci.ecam_last_bus),
      upstream_ports_(count_endpoints(pci_) + extra_ports),
      memory_("memory", stores_, memory_timing_of(timing),
              static_cast<unsigned>(from.units.size()) + std::max(upstream_ports_, 1U)),
      interrupts_("interrupts", static_cast<unsigned>(from.units.size()) + std::max(upstream_ports_, 1U)),
      cpu_("cpu", wheel_, stores_, platform::cpu_timing{}),
      router_("router", std::max(upstream_ports_, 1U), static_cast<unsigned>(from.units.size()) + 1),
      bypass_("bypass", std::max(upstream_ports_, 1U)),
      messages_("messages", static_cast<unsigned>(from.units.size()), count_endpoints(pci_)), bus_("bus"),
      to_registers_("to_registers", from.units.size()) {
  if (board_.high_memory.value != 0) {
    // Between the end of low memory and 4 GB there is none, but for the regions that firmware kept.
    constexpr std::uint64_t four_gb = std::uint64_t{1} << 32;
    std::uint64_t end = board_.low_memory_end;
    for (const reserved_region& region : board_.reserved_regions) {
      if (region.limit < four_gb) end = std::max(end, region.limit + 1);
    }
    // Holes are made of pages.
    end = spec::page_base(end + spec::page_size - 1);
    if (end < four_gb) store_.add_hole(end, four_gb - 1);
  }
  pci_.set_up_as_firmware();
  bus_.register_b_transport(this, &root_complex::bus_transport);
  cpu_.bus.bind(bus_);
  build_units(seed, std::max(upstream_ports_, 1U), injectors);
  build_bypass(std::max(upstream_ports_, 1U));
  pci_.for_each([this, seed](pci_topology::function& f) {
    if (f.description().model != "dma_engine") return;
    std::string text = "endpoint_" + to_string(f.id());
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == ':' || c == '.'; }, '_');
    const auto index = static_cast<unsigned>(endpoints_.size());
    endpoints_.push_back(std::make_unique<platform::endpoint>(text.c_str(), f, link(),
                                                              device_tlb_of(timing_, seed * 64 + index)));
    messages_.to_devices[index].bind(endpoints_.back()->messages);
    messages_.assign(endpoints_.back()->port.source(), index);
    endpoints_.back()->port.socket.bind(router_.upstream[endpoints_.size() - 1]);
    router_.set_default_source(static_cast<unsigned>(endpoints_.size() - 1),
                               endpoints_.back()->port.source());
  });
  if (upstream_ports_ == 0) {
    // A machine without any device of ours still elaborates.
    unused_ = std::make_unique<tlm_utils::simple_initiator_socket<root_complex>>("unused");
    unused_->bind(router_.upstream[0]);
  }
  route_scopes();
}

void root_complex::build_units(std::uint64_t seed, unsigned upstream_ports, bool injectors) {
  for (std::size_t index = 0; index < board_.units.size(); ++index) {
    const unit_description& data = board_.units[index];
    const std::string name = "unit_" + std::to_string(index) + "_" + data.name;
    units_.push_back(std::make_unique<platform::remapping_unit>(
        name.c_str(), wheel_, unit_configuration(board_, data, timing_, upstream_ports, seed * 64 + index)));
    platform::remapping_unit& unit = *units_.back();
    for (unsigned port = 0; port < upstream_ports; ++port) {
      router_.to_unit(static_cast<unsigned>(index), port).bind(unit.upstream[port]);
    }
    unit.interrupts.bind(interrupts_.ports[index]);
    if (data.hidden_incoherent) memory_.never_snoop(static_cast<unsigned>(index));
    if (injectors) {
      const std::uint64_t first_seed = seed * 128 + 2 * index;
      memory_faults_.push_back(std::make_unique<platform::fault_injector>((name + "_memory_faults").c_str(),
                                                                          host::fault_plan{first_seed}));
      register_faults_.push_back(std::make_unique<platform::fault_injector>(
          (name + "_register_faults").c_str(), host::fault_plan{first_seed + 1}));
      unit.memory.bind(memory_faults_.back()->port);
      memory_faults_.back()->next.bind(memory_.ports[index]);
      to_registers_[index].bind(register_faults_.back()->port);
      register_faults_.back()->next.bind(unit.registers);
    } else {
      unit.memory.bind(memory_.ports[index]);
      to_registers_[index].bind(unit.registers);
    }
    unit.devices.bind(messages_.from_units[index]);
    unit.set_write_buffer(&cpu_);
  }
}

void root_complex::build_bypass(unsigned upstream_ports) {
  const auto units = static_cast<unsigned>(units_.size());
  for (unsigned port = 0; port < upstream_ports; ++port) {
    router_.to_unit(units, port).bind(bypass_.upstream[port]);
    bypass_.memory[port].bind(memory_.ports[units + port]);
    bypass_.interrupts[port].bind(interrupts_.ports[units + port]);
  }
}

platform::link_timing root_complex::link() const {
  platform::link_timing out;
  out.request = ps_of(timing_.link_request);
  out.completion = ps_of(timing_.link_completion);
  // 1 MB/s is 1 byte per microsecond.
  out.per_byte = 1000000 / std::max(1U, timing_.link_bandwidth.value);
  return out;
}

platform::endpoint* root_complex::endpoint_at(spec::source_id id) {
  for (const auto& each : endpoints_) {
    if (each->function().id() == id) return each.get();
  }
  return nullptr;
}

// --- Which unit serves whom
// ------------------------------------------------------------------------------------------

// The order is that of a driver: the first unit that names a function has it, then the first include-all
// unit; whom nobody names goes past all units (VT-d 8.3). Units of other segments have no function here.
void root_complex::route_scopes() {
  const auto serves_here = [this](std::size_t index) {
    return board_.units[index].segment == board_.pci.segment;
  };
  router_.assign_all(static_cast<unsigned>(units_.size()));
  for (std::size_t index = units_.size(); index-- > 0;) {
    if (serves_here(index) && board_.units[index].include_all)
      router_.assign_all(static_cast<unsigned>(index));
  }
  for (std::size_t index = units_.size(); index-- > 0;) {
    for (const scope_description& scope : board_.units[index].scopes) {
      if (serves_here(index)) route_scope(scope, static_cast<unsigned>(index));
    }
  }
  for (const reserved_region& region : board_.reserved_regions) {
    for (const scope_description& scope : region.scopes) {
      if (pci_.follow(scope.start_bus, steps_of(scope)) == nullptr) {
        unresolved_.push_back({"reserved region", scope});
      }
    }
  }
}

void root_complex::route_scope(const scope_description& scope, unsigned unit) {
  using spec::acpi::scope_type;
  const auto type = static_cast<scope_type>(scope.type);
  if (type != scope_type::pci_endpoint && type != scope_type::pci_sub_hierarchy) return;
  const auto path = steps_of(scope);
  const pci_topology::function* const who = pci_.follow(scope.start_bus, path);
  if (who == nullptr) {
    unresolved_.push_back({"unit " + board_.units[unit].name, scope});
    return;
  }
  router_.assign(who->id(), unit);
  if (type != scope_type::pci_sub_hierarchy || !who->is_bridge()) return;
  const pci_topology::bus_range below = who->buses();
  for (unsigned bus = below.secondary; bus <= below.subordinate; ++bus) {
    for (unsigned devfn = 0; devfn < 256; ++devfn)
      router_.assign(spec::source_id{static_cast<std::uint16_t>(bus << 8 | devfn)}, unit);
  }
}

// --- The CPU's uncached accesses
// -------------------------------------------------------------------------------------

void root_complex::bus_transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  const std::uint64_t address = trans.get_address();
  if (trans.get_extension<platform::io_space_extension>() != nullptr) {
    delay += platform::to_sc_time(ps_of(timing_.register_access));
    trans.set_response_status(access_port(trans) ? tlm::TLM_OK_RESPONSE : tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  for (std::size_t index = 0; board_.vtd_enabled && index < units_.size(); ++index) {
    const std::uint64_t base = board_.units[index].base;
    if (address < base || address - base >= units_[index]->hardware().register_space()) continue;
    trans.set_address(address - base);
    to_registers_[index]->b_transport(trans, delay);
    trans.set_address(address);
    return;
  }
  delay += platform::to_sc_time(ps_of(timing_.register_access));
  trans.set_response_status(access_ecam(trans) || access_bar(trans) ? tlm::TLM_OK_RESPONSE
                                                                    : tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

bool root_complex::access_port(tlm::tlm_generic_payload& trans) {
  const auto port = static_cast<std::uint16_t>(trans.get_address());
  const unsigned bytes = trans.get_data_length();
  if (trans.get_address() > 0xffff || bytes > 4 || !pci_topology::port_mechanism::claims(port)) return false;
  std::uint32_t value = 0;
  if (trans.is_read()) {
    value = ports_mechanism_.read(port, bytes);
    std::memcpy(trans.get_data_ptr(), &value, bytes);
  } else {
    std::memcpy(&value, trans.get_data_ptr(), bytes);
    ports_mechanism_.write(port, bytes, value);
  }
  return true;
}

bool root_complex::access_ecam(tlm::tlm_generic_payload& trans) {
  if (!ecam_.claims(trans.get_address())) return false;
  const unsigned bytes = trans.get_data_length();
  std::uint32_t value = 0;
  if (bytes > sizeof(value)) {
    // As whatever crosses a dword.
    if (trans.is_read()) std::memset(trans.get_data_ptr(), 0xff, bytes);
  } else if (trans.is_read()) {
    value = ecam_.read(trans.get_address(), bytes);
    std::memcpy(trans.get_data_ptr(), &value, bytes);
  } else {
    std::memcpy(&value, trans.get_data_ptr(), bytes);
    ecam_.write(trans.get_address(), bytes, value);
  }
  return true;
}

bool root_complex::access_bar(tlm::tlm_generic_payload& trans) {
  const auto target = pci_.claim(trans.get_address());
  if (!target || trans.get_data_length() != 4) return false;
  for (const auto& each : endpoints_) {
    if (&each->function() != target->owner) continue;
    std::uint32_t value = 0;
    if (trans.is_read()) {
      value = each->read(target->offset);
      std::memcpy(trans.get_data_ptr(), &value, 4);
    } else {
      std::memcpy(&value, trans.get_data_ptr(), 4);
      each->write(target->offset, value);
    }
    return true;
  }
  return false;
}

} // namespace vtd::models
