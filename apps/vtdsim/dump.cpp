// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/dump.h"

#include "vtdsim/session.h"

#include "vtd/models/board_error.h"

#include <fmt/format.h>

#include <optional>

namespace vtdsim {

namespace spec = vtd::spec;

namespace {

/// Reads tables as the hardware would find them in memory.
class dumper {
public:
  dumper(session& s, std::optional<spec::source_id> only) : s_(s), only_(only) {}

  std::string run() {
    for (std::size_t i = 0; i < s_.machine.unit_count(); ++i)
      dump_unit(i);
    return std::move(out_);
  }

private:
  void line(const std::string& text) { out_ += text + '\n'; }

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
    line("");
  }

  void dump_tables(const vtd::dmar::unit& unit) {
    const std::uint64_t root = unit.root_table();
    line(fmt::format("Root Table Address: {:#x}", root));
    if (root == 0) return;
    for (unsigned bus = 0; bus < 256; ++bus) {
      const spec::root_entry entry{word(root + bus * sizeof(spec::root_entry)), 0};
      if (!entry.present()) continue;
      line(fmt::format("B.D.F    Root_entry: {:#018x}", entry.lo));
      for (unsigned devfn = 0; devfn < 256; ++devfn) {
        const std::uint64_t at = entry.context_table() + devfn * sizeof(spec::context_entry);
        const spec::context_entry context{word(at), word(at + 8)};
        const spec::source_id id{static_cast<std::uint16_t>(bus << 8 | devfn)};
        if (!context.present() || (only_ && *only_ != id)) continue;
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
      line(fmt::format("    {} domain {}", to_string(vtd::remap::context_tag::source_of(packed)),
                       value.domain_id));
    });
    line(fmt::format("IOTLB: {} of {} entries", caches.iotlb().occupancy(), caches.iotlb().shape().entries));
    caches.iotlb().for_each([this](std::uint64_t packed, const vtd::remap::page_value& value) {
      using tag = vtd::remap::page_tag;
      line(fmt::format("    domain {} {:#x} -> {:#x} {}{}", tag::domain_of(packed),
                       tag::number_of(packed) << spec::level_shift(value.level), value.page,
                       value.read ? 'r' : '-', value.write ? 'w' : '-'));
    });
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
  run_of_pages run_;
  std::string out_;
};

} // namespace

std::string dump_machine(const std::string& board, const std::string& device, const std::string& data) {
  std::optional<spec::source_id> only;
  if (!device.empty()) {
    only = spec::parse_source_id(device);
    if (!only)
      throw vtd::models::board_error("--device " + device + ": expected bus:device.function such as 01:00.0");
  }
  std::string text;
  run_options options;
  options.board = board;
  options.data_directory = data;
  options.measure = false;
  options.inspect = [&](session& s) { text = dumper(s, only).run(); };
  (void)run(options, [](const std::string&) {});
  return text;
}

} // namespace vtdsim
