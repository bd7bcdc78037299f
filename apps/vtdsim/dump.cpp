// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/dump.h"

#include "vtdsim/session.h"

#include "vtd/models/board_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace vtdsim {

namespace spec = vtd::spec;

namespace {

/// Reads tables as the hardware would find them in memory.
class dumper {
public:
  dumper(session& s, std::optional<spec::source_id> only) : s_(s), only_(only) {}

  std::string run() {
    if (!s_.result.translation_off.empty()) line("Not translated: " + s_.result.translation_off);
    // Units that firmware switched off show nothing.
    const bool visible = s_.machine.description().vtd_enabled;
    for (std::size_t i = 0; visible && i < s_.machine.unit_count(); ++i) {
      if (!only_ || i == unit_of_device()) dump_unit(i);
    }
    if (visible && only_ && unit_of_device() == s_.machine.unit_count())
      line(to_string(*only_) + " is in the scope of no remapping unit");
    return std::move(out_);
  }

  /// The unit that covers the device, or the number of units. Throws when there is no such device.
  std::size_t unit_of_device() {
    const auto* const device = s_.machine.pci().find(*only_);
    if (device == nullptr) {
      throw vtd::models::board_error("--device " + to_string(*only_) + ": board " +
                                     s_.machine.description().name +
                                     " has no such function, expected one that lspci lists");
    }
    return s_.machine.unit_of(vtd::pci_topology::topology::requester_id(*device));
  }

private:
  void line(const std::string& text) { out_ += text + '\n'; }

  /// Whose context entries are shown: the device's, under each of its source-ids.
  bool is_wanted(spec::source_id id) {
    if (!only_) return true;
    const auto ids = vtd::pci_topology::topology::aliases(*s_.machine.pci().find(*only_));
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  std::uint64_t word(std::uint64_t address) {
    std::uint64_t value = 0;
    (void)s_.machine.stores().debug_read(address, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  void dump_unit(std::size_t index) {
    const auto& unit = s_.machine.unit(index).hardware();
    const auto& data = s_.machine.unit_data(index);
    line(fmt::format("IOMMU: dmar{} ({})  Register Base Address: {:#x}", index, data.name, data.base.value));
    line("Name          Offset  Contents");
    unit.registers().for_each(
        [this](const auto& layout, unsigned record, std::uint32_t offset, std::uint64_t value) {
          const std::string name =
              record == 0 ? std::string(layout.name) : fmt::format("{} {}", layout.name, record);
          line(fmt::format("{:<13} {:#05x}   {:#0{}x}", name, offset, value, layout.size_bits / 4 + 2));
        });
    dump_tables(unit);
    dump_caches(unit);
    dump_queue(unit);
    line("");
  }

  void dump_tables(const vtd::dmar::unit& unit) {
    const std::uint64_t root = unit.root_table();
    line(fmt::format("Root Table Address: {:#x}", root));
    if (root == 0) return;
    bus_shown_ = -1;
    for (unsigned bus = 0; bus < 256; ++bus) {
      const spec::root_entry entry{word(root + bus * sizeof(spec::root_entry)), 0};
      if (!entry.present()) continue;
      for (unsigned devfn = 0; devfn < 256; ++devfn) {
        const std::uint64_t at = entry.context_table() + devfn * sizeof(spec::context_entry);
        const spec::context_entry context{word(at), word(at + 8)};
        const spec::source_id id{static_cast<std::uint16_t>(bus << 8 | devfn)};
        if (!context.present() || !is_wanted(id)) continue;
        if (std::exchange(bus_shown_, static_cast<int>(bus)) != static_cast<int>(bus))
          line(fmt::format("B.D.F    Root_entry: {:#018x}", entry.lo));
        line(fmt::format("{}  Context_entry: {:#018x}:{:#018x}  domain {}, {} levels, table {:#x}",
                         to_string(id), context.hi, context.lo, context.domain_id(),
                         spec::levels_of_agaw(context.address_width()), context.second_level_table()));
        if (!only_ && listed_ == context.second_level_table()) continue;
        listed_ = context.second_level_table();
        dump_pages(context);
      }
    }
  }

  // Runs of pages that follow each other on both sides are one line.
  void dump_pages(const spec::context_entry& context) {
    run_ = {};
    walk(context.second_level_table(), spec::levels_of_agaw(context.address_width()), 0);
    flush_run();
  }

  void walk(std::uint64_t table, unsigned level, std::uint64_t address) {
    for (unsigned index = 0; index < spec::entries_per_table; ++index) {
      const spec::second_level_entry entry{word(table + index * sizeof(spec::second_level_entry))};
      if (!entry.present()) continue;
      const std::uint64_t here = address + index * spec::level_size(level);
      if (level > 1 && !entry.page_size()) {
        walk(entry.address(), level - 1, here);
      } else {
        add(here, entry, level);
      }
    }
  }

  void add(std::uint64_t address, const spec::second_level_entry& entry, unsigned level) {
    const std::uint64_t size = spec::level_size(level);
    const bool follows = run_.size != 0 && run_.first + run_.size == address &&
                         run_.host + run_.size == entry.address() && run_.read == entry.read() &&
                         run_.write == entry.write() && run_.level == level;
    if (!follows) {
      flush_run();
      run_ = {address, entry.address(), 0, level, entry.read(), entry.write()};
    }
    run_.size += size;
  }

  void flush_run() {
    if (run_.size == 0) return;
    line(fmt::format("    {:#014x}-{:#014x} -> {:#014x}  {}{}  {} KB pages", run_.first,
                     run_.first + run_.size - 1, run_.host, run_.read ? 'r' : '-', run_.write ? 'w' : '-',
                     spec::level_size(run_.level) >> 10));
    run_ = {};
  }

  void dump_caches(const vtd::dmar::unit& unit) {
    const auto& caches = unit.translator().caches();
    line(fmt::format("Context cache: {} of {} entries", caches.contexts().occupancy(),
                     caches.contexts().shape().entries));
    caches.contexts().for_each([this](std::uint64_t packed, const vtd::remap::context_value& value) {
      line(fmt::format("    {} domain {}{}", to_string(vtd::remap::context_tag::source_of(packed)),
                       value.domain_id, absence(value.absent)));
    });
    dump_pages("IOTLB", caches.iotlb());
    if (caches.large_iotlb().shape().entries != 0) dump_pages("IOTLB of large pages", caches.large_iotlb());
  }

  void dump_pages(std::string_view name, const vtd::remap::translation_caches::page_cache& pages) {
    line(fmt::format("{}: {} of {} entries", name, pages.occupancy(), pages.shape().entries));
    pages.for_each([this](std::uint64_t packed, const vtd::remap::page_value& value) {
      using tag = vtd::remap::page_tag;
      line(fmt::format("    domain {} {:#x} -> {:#x} {}{}{}", tag::domain_of(packed),
                       tag::number_of(packed) << spec::level_shift(value.level), value.page,
                       value.read ? 'r' : '-', value.write ? 'w' : '-', absence(value.absent)));
    });
  }

  // What caching mode keeps of an entry that is not there.
  static std::string absence(spec::fault_condition condition) {
    if (condition == spec::fault_condition::none) return {};
    return fmt::format(" (absent: {})", spec::condition_info(condition).name);
  }

  // The last few descriptors before IQH, which were fetched, and those up to IQT, which were not.
  void dump_queue(const vtd::dmar::unit& unit) {
    namespace reg = spec::reg;
    const auto& registers = unit.registers();
    if (reg::gsts::qies::get(registers.read<reg::gsts>()) == 0) return;
    const auto address = registers.read<reg::iqa>();
    const std::uint64_t base = address & reg::iqa::address::mask;
    const std::uint64_t size = spec::queue_bytes(static_cast<unsigned>(reg::iqa::qs::get(address)));
    const std::uint64_t step = sizeof(spec::invalidation_descriptor) << reg::iqa::dw::get(address);
    const std::uint64_t head = registers.read<reg::iqh>();
    const std::uint64_t tail = registers.read<reg::iqt>();
    const auto counts = unit.statistics();
    line(fmt::format(
        "Invalidation queue: {:#x}, {} places, head {:#x}, tail {:#x}; {} descriptors begun, {} waits", base,
        size / step, head, tail, counts.descriptors, counts.waits));
    constexpr std::uint64_t shown_before = 8;
    for (std::uint64_t back = shown_before; back != 0; --back)
      dump_descriptor(base, (head + size - back * step) % size, "fetched");
    if (tail >= size || tail % step != 0) return;
    for (std::uint64_t at = head; at != tail; at = (at + step) % size)
      dump_descriptor(base, at, "to be fetched");
  }

  void dump_descriptor(std::uint64_t base, std::uint64_t at, std::string_view state) {
    const std::uint64_t lo = word(base + at);
    const std::uint64_t hi = word(base + at + sizeof(lo));
    if (lo == 0 && hi == 0) return;
    line(fmt::format("    {:#06x}  {:016x} {:016x}  {}", at, hi, lo, state));
  }

  struct run_of_pages {
    std::uint64_t first = 0;
    std::uint64_t host = 0;
    std::uint64_t size = 0;
    unsigned level = 1;
    bool read = false;
    bool write = false;
  };
  session& s_;
  std::optional<spec::source_id> only_;
  std::uint64_t listed_ = 0;
  int bus_shown_ = -1;
  run_of_pages run_;
  std::string out_;
};

} // namespace

std::string dump_machine(const dump_options& what) {
  std::optional<spec::source_id> only;
  if (!what.device.empty()) {
    only = spec::parse_source_id(what.device);
    if (!only) {
      throw vtd::models::board_error("--device " + what.device +
                                     ": expected bus:device.function such as 01:00.0");
    }
  }
  std::string text;
  run_options options;
  options.board = what.board;
  options.data_directory = what.data_directory;
  options.settings = what.settings;
  options.measure = false;
  options.inspect = [&](session& s) {
    dumper dump(s, only);
    if (only) (void)dump.unit_of_device();
    text = dump.run();
  };
  (void)run(options, [](const std::string&) {});
  return text;
}

} // namespace vtdsim
