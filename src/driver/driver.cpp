// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/driver.h"

#include "vtd/driver/error.h"
#include "vtd/driver/text.h"
#include "vtd/spec/ats.h"
#include "vtd/spec/registers.h"

#include <algorithm>
#include <cinttypes>
#include <exception>
#include <utility>

namespace vtd::driver {

std::optional<std::uint16_t> domain::id_on(unsigned unit_index) const {
  const auto found = uses_.find(unit_index);
  if (found == uses_.end()) return std::nullopt;
  return found->second.id;
}

std::vector<function_address> domain::members() const {
  std::vector<function_address> out;
  for (const auto& [index, use] : uses_) {
    for (const spec::source_id id : use.sources)
      out.push_back({use.segment, id});
  }
  return out;
}

driver::driver(hardware& machine, dmar_info table, std::vector<pci_function> functions,
               const driver_options& options, const omit& forget)
    : machine_(machine), table_(std::move(table)), functions_(std::move(functions)), options_(options),
      forget_(forget) {
  log_table();
  probe_units();
}

driver::~driver() = default;

void driver::log_table() {
  machine_.log(printed("DMAR: Host address width %u", table_.host_address_width));
  for (const dmar_warning& warning : table_.warnings)
    machine_.log("DMAR: [Firmware Bug]: " + warning.text);
  for (const reserved_region_info& region : table_.reserved_regions) {
    machine_.log(printed("DMAR: RMRR base: 0x%014" PRIx64 " end: 0x%014" PRIx64 "%s", region.base,
                         region.limit, region.usable ? "" : " (left out)"));
  }
}

void driver::probe_units() {
  for (const unit_info& info : table_.units) {
    machine_.log(printed("DMAR: DRHD base: 0x%014" PRIx64 " flags: 0x%x", info.base, info.flags));
    try {
      const auto index = static_cast<unsigned>(units_.size());
      units_.push_back(
          std::make_unique<unit>(machine_, index, info, table_.host_address_width, options_.unit, forget_));
      const unit& found = *units_.back();
      machine_.log(printed("DMAR: %s: reg_base_addr %" PRIx64 " ver %x:%x cap %" PRIx64 " ecap %" PRIx64,
                           found.name().c_str(), info.base, spec::reg::version::max::get(found.version()),
                           spec::reg::version::min::get(found.version()), found.capability().value,
                           found.extended_capability().value));
    } catch (const unit_error& error) {
      machine_.log(std::string("DMAR: ") + error.what() + "; the unit is left alone");
    }
  }
  if (units_.empty()) throw driver_error("DMAR: no remapping unit answers, expected at least one");
}

// --- Who is where

const pci_function* driver::find(const function_address& who) const {
  const auto found = std::find_if(functions_.begin(), functions_.end(),
                                  [&](const pci_function& f) { return f.address == who; });
  return found == functions_.end() ? nullptr : &*found;
}

// The functions that a scope entry names: the one at the end of its path, and for a bridge all below it.
std::vector<function_address> driver::resolve(std::uint16_t segment, const scope_info& scope) const {
  std::uint8_t bus = scope.start_bus;
  const pci_function* at = nullptr;
  for (const path_step& step : scope.path) {
    if (at != nullptr) {
      if (!at->bridge) return {};
      bus = at->secondary_bus;
    }
    at = find({segment, spec::source_id::from_bdf(bus, step.device, step.function)});
    if (at == nullptr) return {};
  }
  if (at == nullptr) return {};
  std::vector<function_address> out{at->address};
  if (scope.type != static_cast<unsigned>(spec::acpi::scope_type::pci_sub_hierarchy)) return out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const pci_function& f : functions_) {
      if (f.address.segment == segment && f.parent && *f.parent == out[i].id) out.push_back(f.address);
    }
  }
  return out;
}

bool driver::in_scope(const pci_function& who, const unit_info& info) const {
  if (info.segment != who.address.segment) return false;
  return std::any_of(info.scopes.begin(), info.scopes.end(), [&](const scope_info& scope) {
    const auto type = static_cast<spec::acpi::scope_type>(scope.type);
    if (type != spec::acpi::scope_type::pci_endpoint && type != spec::acpi::scope_type::pci_sub_hierarchy) {
      return false;
    }
    const auto named = resolve(info.segment, scope);
    return std::find(named.begin(), named.end(), who.address) != named.end();
  });
}

// Also units that are left alone are asked: a function behind one of those is behind no other.
unit* driver::unit_for(const function_address& who) {
  const pci_function* const function = find(who);
  if (function == nullptr) return nullptr;
  const auto running = [&](const unit_info& info) -> unit* {
    const auto found =
        std::ranges::find_if(units_, [&](const auto& each) { return each->info().base == info.base; });
    return found == units_.end() ? nullptr : found->get();
  };
  for (const unit_info& info : table_.units) {
    if (in_scope(*function, info)) return running(info);
  }
  for (const unit_info& info : table_.units) {
    if (info.include_all && info.segment == who.segment) return running(info);
  }
  return nullptr;
}

std::vector<spec::source_id> driver::ids_of(const pci_function& who) const {
  std::vector<spec::source_id> ids{who.address.id};
  if (forget_.aliases) return ids;
  for (const spec::source_id alias : who.aliases) {
    if (std::find(ids.begin(), ids.end(), alias) == ids.end()) ids.push_back(alias);
  }
  return ids;
}

std::vector<domain*> driver::domains() {
  std::vector<domain*> out;
  for (const auto& each : domains_)
    out.push_back(each.get());
  return out;
}

// --- Start and stop

namespace {

/// Does one thing after another and lets none be left out because an earlier one failed; the first error
/// comes at the end.
class all_of_them {
public:
  template <class Body>
  void run(const Body& body) {
    try {
      body();
    } catch (const driver_error&) {
      if (!first_) first_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

private:
  std::exception_ptr first_;
};

} // namespace

void driver::start() {
  if (started_) throw driver_error("start: translation is on already, expected stop first");
  for (const auto& each : units_)
    each->quiesce();
  // Before any unit translates, so that no device loses memory that firmware makes it use. VT-d 8.4
  if (!forget_.reserved_regions) map_reserved_regions();
  try {
    // The queue on in every unit before any gets a root table, as other drivers do: on some chipsets the
    // register interface of one unit waits for the others.
    for (const auto& each : units_)
      each->enable_queue();
    for (const auto& each : units_) {
      each->prepare([this] { handle_faults(); });
      each->enable();
      machine_.log(printed("DMAR: %s: translation enabled, %s invalidation, root table at 0x%" PRIx64,
                           each->name().c_str(), each->queue() != nullptr ? "queued" : "register-based",
                           each->tables().address()));
    }
  } catch (const driver_error&) {
    // Half a machine that translates is nobody's wish: all go off, as far as they answer. Also the one that
    // failed, which may hold an interrupt and a fault log already.
    all_of_them units;
    for (const auto& each : units_)
      units.run([&] { each->disable(); });
    throw;
  }
  started_ = true;
  // Functions of reserved regions: nothing may ask before the unit translates.
  for (const auto& [key, owner] : attached_) {
    const function_address who{key.first, key.second};
    if (may_use_ats(who)) enable_ats(*unit_for(who), *find(who));
  }
}

void driver::stop() {
  all_of_them units;
  while (!ats_.empty()) {
    const auto [index, id] = ats_.begin()->first;
    units.run([&] { disable_ats(*units_[index], id); });
    ats_.erase({index, id});
  }
  for (const auto& each : units_)
    units.run([&] { each->disable(); });
  started_ = false;
  units.rethrow();
}

void driver::map_reserved_regions() {
  for (const reserved_region_info& region : table_.reserved_regions) {
    if (!region.usable) continue;
    const std::vector<function_address> users = users_of(region);
    if (users.empty()) {
      machine_.log(
          printed("DMAR: RMRR 0x%" PRIx64 ": no device of its scope is there, left out", region.base));
      continue;
    }
    if (firmware_ == nullptr) firmware_ = &create_domain("firmware");
    const std::uint64_t begin = spec::page_base(region.base);
    const std::uint64_t end = spec::page_base(region.limit) + spec::page_size;
    try {
      for (std::uint64_t at = begin; at < end; at += spec::page_size) {
        // Regions may overlap: what is mapped is mapped to itself already.
        if (firmware_->tables().find(at)) continue;
        (void)firmware_->tables().map(at, at, spec::page_size, {});
      }
    } catch (const driver_error& error) {
      // Beyond what the units' addresses reach, or no memory for tables. Firmware's mistake ends no driver.
      machine_.log(printed("DMAR: RMRR 0x%" PRIx64 ": ", region.base) + error.what() +
                   "; mapped up to there");
    }
    for (const function_address& user : users) {
      if (unit_for(user) == nullptr) continue;
      if (domain_of(user) == nullptr) attach(*firmware_, user);
    }
  }
}

// --- Domains

table_shape driver::shape_for_all() const {
  table_shape shape;
  shape.host_address_width = table_.host_address_width;
  constexpr unsigned most_levels = 5;
  unsigned wanted = options_.levels;
  if (wanted == 0) {
    wanted = most_levels;
    for (const auto& each : units_) {
      wanted =
          std::min(wanted, spec::levels_of_agaw(static_cast<unsigned>(each->capability().largest_agaw())));
    }
  }
  shape.levels = 0;
  shape.fewest_levels = most_levels;
  shape.input_width = spec::width_of_agaw(spec::agaw_of_levels(most_levels));
  shape.page_sizes = ~0U;
  shape.snoop = true;
  shape.flush = false;
  for (const auto& each : units_) {
    unsigned levels = wanted;
    while (levels <= most_levels && !each->supports_levels(levels))
      ++levels;
    if (levels > most_levels) {
      throw driver_error(each->name() + printed(": no width of SAGAW 0x%x fits tables of %u levels",
                                                each->capability().sagaw(), wanted));
    }
    shape.levels = std::max(shape.levels, levels);
    shape.fewest_levels = std::min(shape.fewest_levels, levels);
    shape.input_width =
        std::min({shape.input_width, each->input_width(), spec::width_of_agaw(spec::agaw_of_levels(levels))});
    shape.page_sizes &= each->capability().sps();
    shape.snoop = shape.snoop && each->extended_capability().sc();
    shape.flush = shape.flush || !each->coherent();
  }
  return shape;
}

unsigned driver::levels_on(const unit& which, const table_shape& shape) const {
  for (unsigned levels = shape.fewest_levels; levels <= shape.levels; ++levels) {
    if (which.supports_levels(levels)) return levels;
  }
  throw driver_error(which.name() + ": cannot walk the tables of this domain");
}

domain& driver::create_domain(const std::string& name) {
  domains_.push_back(std::make_unique<domain>(machine_, name, shape_for_all(), forget_));
  return *domains_.back();
}

void driver::destroy_domain(domain& which) {
  std::vector<function_address> attached;
  for (const auto& [key, owner] : attached_) {
    if (owner == &which) attached.push_back({key.first, key.second});
  }
  for (const function_address& each : attached)
    detach(each);
  // A unit that did not confirm an invalidation may still walk the tables: they must stay.
  if (!which.uses_.empty()) {
    throw driver_error(printed("domain %s: %s did not confirm that it has left it, its tables are kept",
                               which.name().c_str(), units_[which.uses_.begin()->first]->name().c_str()));
  }
  if (firmware_ == &which) firmware_ = nullptr;
  std::erase_if(domains_, [&](const auto& each) { return each.get() == &which; });
}

// Id 0 stays unused: with caching mode hardware tags what is not present with it. VT-d 6.1
std::uint16_t driver::take_id(unit& which) {
  std::vector<bool>& used = ids_[which.index()];
  used.resize(which.capability().domain_count());
  for (std::size_t id = 1; id < used.size(); ++id) {
    if (used[id]) continue;
    used[id] = true;
    return static_cast<std::uint16_t>(id);
  }
  throw driver_error(which.name() +
                     printed(": all %u domain-ids are taken", which.capability().domain_count()));
}

domain* driver::domain_of(const function_address& who) {
  const auto found = attached_.find({who.segment, who.id});
  return found == attached_.end() ? nullptr : found->second;
}

void driver::attach(domain& to, const function_address& who) {
  const pci_function* const function = find(who);
  if (function == nullptr) throw driver_error(to_string(who) + ": no such function");
  unit* const which = unit_for(who);
  if (which == nullptr) throw driver_error(to_string(who) + ": no remapping unit covers it");
  if (domain_of(who) == &to) return;
  const auto ids = ids_of(*function);
  // A source-id that several functions share can serve one domain only.
  for (const auto& [key, owner] : attached_) {
    if (owner == &to || (key.first == who.segment && key.second == who.id)) continue;
    const pci_function* const other = find({key.first, key.second});
    if (other == nullptr || unit_for(other->address) != which) continue;
    for (const spec::source_id shared : ids_of(*other)) {
      if (std::find(ids.begin(), ids.end(), shared) == ids.end()) continue;
      throw driver_error(to_string(who) + ": shares source-id " + to_string(shared) + " with " +
                         to_string(other->address) + ", which is in domain " + owner->name());
    }
  }
  const page_ranges brought = bring_regions(to, who);
  std::vector<spec::source_id> installed;
  try {
    if (domain_of(who) != nullptr) detach(who);
    for (const spec::source_id id : ids) {
      if (owners_.contains({which->index(), id})) continue;
      installed.push_back(id);
      // Aliases are those of bridges, which do not translate.
      const bool translates = id == who.id && may_use_ats(who);
      install(to, *which, id,
              translates ? spec::translation_type::with_device_tlb
                         : spec::translation_type::untranslated_only);
    }
  } catch (const driver_error&) {
    // All source-ids of a function or none.
    all_of_them entries;
    for (const spec::source_id id : installed)
      entries.run([&] { remove(*which, id); });
    entries.run([&] { unmap_regions(to, brought); });
    throw;
  }
  attached_[{who.segment, who.id}] = &to;
  if (started_ && may_use_ats(who)) enable_ats(*which, *function);
  machine_.log(printed("DMAR: %s: %s attached to domain %s, id %u", which->name().c_str(),
                       to_string(who).c_str(), to.name().c_str(), to.uses_.at(which->index()).id));
}

void driver::install(domain& to, unit& which, spec::source_id id, spec::translation_type type) {
  const auto [use, is_new] = to.uses_.try_emplace(which.index());
  if (is_new) {
    use->second.segment = which.info().segment;
    try {
      use->second.id = take_id(which);
    } catch (...) {
      to.uses_.erase(use);
      throw;
    }
  }
  try {
    const unsigned levels = levels_on(which, to.tables().shape());
    spec::context_entry entry;
    entry.set_domain_id(use->second.id).set_address_width(spec::agaw_of_levels(levels));
    entry.set_translation_type(type);
    entry.set_second_level_table(to.tables().table_for(levels)).set_present(true);
    which.tables().install(id, entry);
  } catch (const driver_error&) {
    if (is_new) {
      ids_[which.index()][use->second.id] = false;
      to.uses_.erase(use);
    }
    throw;
  }
  use->second.sources.push_back(id);
  owners_[{which.index(), id}] = &to;
  if (!started_) return;
  // Nothing was cached for an entry that was not present, unless caching mode says so. VT-d 6.1
  if (which.capability().cm()) {
    which.invalidate_context_device(0, id);
    which.invalidate_iotlb_domain(use->second.id);
  } else {
    which.flush_write_buffer();
  }
}

void driver::detach(const function_address& who) {
  const pci_function* const function = find(who);
  const auto found = attached_.find({who.segment, who.id});
  if (function == nullptr || found == attached_.end()) return;
  domain& from = *found->second;
  attached_.erase(found);
  unit* const which = unit_for(who);
  all_of_them entries; // the device must not keep an alias because the unit did not answer for another
  for (const spec::source_id id : ids_of(*function)) {
    // Another function that is still attached may need the id.
    const bool needed = std::any_of(attached_.begin(), attached_.end(), [&](const auto& each) {
      const pci_function* const other = find({each.first.first, each.first.second});
      if (other == nullptr || unit_for(other->address) != which) return false;
      const auto ids = ids_of(*other);
      return std::find(ids.begin(), ids.end(), id) != ids.end();
    });
    if (!needed) entries.run([&] { remove(*which, id); });
  }
  entries.rethrow();
  take_regions(from, who);
  machine_.log(printed("DMAR: %s: %s detached", which->name().c_str(), to_string(who).c_str()));
}

void driver::remove(unit& which, spec::source_id id) {
  const auto owner = owners_.find({which.index(), id});
  if (owner == owners_.end()) return;
  domain& from = *owner->second;
  owners_.erase(owner);
  const auto use = from.uses_.find(which.index());
  const std::uint16_t domain_id = use->second.id;
  which.tables().clear(id);
  if (started_) {
    which.flush_write_buffer();
    // The context first: until it is gone it can bring translations back. VT-d 6.5.1
    if (!forget_.context_invalidation_on_detach) which.invalidate_context_device(domain_id, id);
    if (!forget_.iotlb_invalidation_on_detach) which.invalidate_iotlb_domain(domain_id);
    disable_ats(which, id);
  }
  std::erase(use->second.sources, id);
  if (use->second.sources.empty()) {
    ids_[which.index()][domain_id] = false;
    from.uses_.erase(use);
  }
}

// --- Address translation services

bool driver::may_use_ats(const function_address& who) {
  const pci_function* const function = find(who);
  if (!options_.use_ats || function == nullptr || function->ats_registers == 0) return false;
  const unit* const which = unit_for(who);
  if (which == nullptr || !which->has_device_tlbs()) return false;
  if (!function->parent) return true;
  // The root port, and with it all below, or all root ports of the segment.
  const pci_function* port = function;
  while (port->parent) {
    const pci_function* const above = find({who.segment, *port->parent});
    if (above == nullptr) return false;
    port = above;
  }
  return std::ranges::any_of(table_.ats, [&](const ats_info& allowed) {
    if (allowed.segment != who.segment) return false;
    if (allowed.all_ports) return true;
    return std::ranges::any_of(allowed.scopes, [&](const scope_info& scope) {
      const auto named = resolve(allowed.segment, scope);
      return !named.empty() && named.front() == port->address;
    });
  });
}

bool driver::uses_ats(const function_address& who) const {
  return std::ranges::any_of(ats_, [&](const auto& each) {
    return each.first.second == who.id && units_[each.first.first]->info().segment == who.segment;
  });
}

// The context entry allows it already: a device that asks too early is told never to ask again.
void driver::enable_ats(unit& which, const pci_function& who) {
  using registers = spec::ats::function_registers;
  const std::uint32_t value = machine_.read32(who.ats_registers);
  constexpr std::uint32_t all_ones = ~std::uint32_t{0};
  if (value == all_ones) return;
  const unsigned depth = registers::queue_depth(value);
  machine_.write32(who.ats_registers,
                   registers::enable_field::set(registers::smallest_unit_field::set(value, 0), 1));
  ats_[{which.index(), who.address.id}] = {who.ats_registers, depth};
  machine_.log(
      printed("DMAR: %s: ATS enabled, invalidate queue depth %u", to_string(who.address).c_str(), depth));
}

// Nothing it holds may be used again, then it may not translate any more.
void driver::disable_ats(unit& which, spec::source_id id) {
  const auto user = ats_.find({which.index(), id});
  if (user == ats_.end()) return;
  const ats_user was = user->second;
  ats_.erase(user);
  all_of_them steps; // a device that does not answer must not keep it
  if (!forget_.device_tlb_invalidation) steps.run([&] { which.invalidate_device(id, was.queue_depth); });
  const std::uint32_t value = machine_.read32(was.registers);
  machine_.write32(was.registers, spec::ats::function_registers::enable_field::set(value, 0));
  steps.rethrow();
}

void driver::invalidate_devices(unit& which, const domain& in, std::uint64_t begin, std::uint64_t end) {
  if (forget_.device_tlb_invalidation) return;
  for (const auto& [key, user] : ats_) {
    if (key.first != which.index()) continue;
    const auto owner = owners_.find(key);
    if (owner != owners_.end() && owner->second == &in)
      which.invalidate_device(key.second, user.queue_depth, begin, end);
  }
}

// --- Mappings

void driver::map(domain& in, std::uint64_t address, std::uint64_t physical, std::uint64_t size,
                 page_rights rights) {
  const table_change change = in.tables().map(address, physical, size, rights);
  after_change(in, change, true);
}

void driver::unmap(domain& in, std::uint64_t address, std::uint64_t size) {
  table_change change = in.tables().unmap(address, size);
  if (forget_.invalidation_before_free) in.tables().release(change);
  // When it throws, the freed tables stay out of use: a unit may still read them.
  after_change(in, change, false);
  in.tables().release(change);
}

void driver::after_change(domain& in, const table_change& change, bool mapped) {
  if (!started_ || change.begin == change.end) return;
  bool first = true;
  all_of_them units;
  for (const auto& each : in.uses_) {
    const auto& use = each.second;
    unit& which = *units_[each.first];
    if (!first && forget_.invalidation_of_other_units) break;
    first = false;
    const bool invalidate = mapped ? which.capability().cm() && !forget_.invalidation_on_map
                                   : !forget_.iotlb_invalidation_on_unmap;
    units.run([&] {
      which.flush_write_buffer();
      if (invalidate) which.invalidate_iotlb_range(use.id, change.begin, change.end, !change.tables_changed);
      // Last, or a device could learn from the IOTLB what it has just forgotten. Devices keep nothing that
      // was not there. VT-d 6.5.2.5
      if (!mapped) invalidate_devices(which, in, change.begin, change.end);
    });
  }
  units.rethrow();
}

// --- Faults

void driver::handle_faults() {
  for (const auto& each : units_) {
    const fault_batch batch = each->take_faults();
    if (!batch.answered)
      machine_.log("DMAR: " + each->name() + ": FSTS reads all ones, the unit has stopped answering");
    for (const fault_report& fault : batch.faults) {
      seen_fault seen{each->index(), fault, fault_line(each->info().segment, fault)};
      machine_.log("DMAR: " + seen.line);
      faults_.push_back(std::move(seen));
    }
    if (batch.overflow) machine_.log("DMAR: " + each->name() + ": more faults than records, some are lost");
    if (batch.more)
      machine_.log("DMAR: " + each->name() + ": faults come as fast as they are read, some are left");
  }
}

} // namespace vtd::driver
