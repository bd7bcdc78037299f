// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/generator_state.h"

#include "vtd/spec/registers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

namespace {
constexpr std::uint64_t giga = std::uint64_t{1} << 30;
constexpr std::uint64_t mega2 = std::uint64_t{1} << 21;
} // namespace

program generator_state::make() {
  draw_choices();
  if (random_.chance(95)) {
    bring_up();
  } else {
    queued_ = false;
  }
  for (std::uint64_t events = random_.between(8, 30); events != 0; --events)
    event();
  return std::move(out_);
}

void generator_state::event() {
  struct choice {
    unsigned weight;
    void (generator_state::*what)();
  };
  static constexpr choice choices[] = {{36, &generator_state::dma},
                                       {9, &generator_state::map_something},
                                       {10, &generator_state::change_mapping},
                                       {8, &generator_state::spoil_entry},
                                       {4, &generator_state::spoil_context},
                                       {5, &generator_state::change_context},
                                       {5, &generator_state::random_invalidation},
                                       {6, &generator_state::poke_register},
                                       {3, &generator_state::peek_register},
                                       {2, &generator_state::toggle_translation},
                                       {2, &generator_state::mask_events},
                                       {1, &generator_state::new_root_table},
                                       {10, &generator_state::handle_faults},
                                       {10, &generator_state::queue_event},
                                       {1, &generator_state::reset}};
  unsigned total = 0;
  for (const choice& each : choices)
    total += each.weight;
  std::uint64_t drawn = random_.below(total);
  for (const choice& each : choices) {
    if (drawn < each.weight) return (this->*each.what)();
    drawn -= each.weight;
  }
}

// --- Addresses

std::uint64_t generator_state::random_host(unsigned level) {
  if (level == 3) return 0;
  if (level == 2) return layout::large + random_.below(layout::large_pages) * layout::large_size;
  if (random_.chance(4)) return layout::nowhere + random_.below(256) * layout::page;
  if (random_.chance(1)) return spec::interrupt_range_first + random_.below(256) * layout::page;
  if (random_.chance(15)) {
    return layout::large + random_.below(layout::large_pages) * layout::large_size +
           random_.pick({std::uint64_t{0}, layout::large_size - layout::page});
  }
  return layout::data + random_.below(layout::data_pages) * layout::page;
}

domain::mapping generator_state::random_mapping(const domain& in) {
  domain::mapping made;
  made.level = random_.chance(75) ? 1 : random_.chance(70) ? 2 : 3;
  const unsigned width = std::min(spec::width_of_agaw(spec::agaw_of_levels(in.levels)), caps_.cap.mgaw());
  switch (random_.below(6)) {
  case 0:
    made.iova = random_.below(16) * spec::page_size;
    break;
  case 1:
    made.iova = random_.next() & spec::low_bits(width);
    break;
  case 2:
    made.iova = spec::low_bits(width) - random_.below(4) * spec::page_size;
    break;
  case 3:
    if (!in.mappings.empty()) {
      made.iova = in.mappings[random_.below(in.mappings.size())].iova + spec::page_size;
      break;
    }
    [[fallthrough]];
  default:
    made.iova = random_.below(4) * giga + random_.below(3) * mega2 + random_.below(6) * spec::page_size;
  }
  made.iova &= spec::low_bits(width) & ~(spec::level_size(made.level) - 1);
  made.host = random_host(made.level);
  const std::uint64_t rights = random_.below(10);
  made.read = rights != 0;
  made.write = rights > 1;
  return made;
}

std::uint64_t generator_state::dma_address(unsigned device) {
  const int index = domain_of_[device];
  const domain* in = index >= 0 ? &domains_[static_cast<std::size_t>(index)] : &random_.pick(domains_);
  const std::uint64_t kind = random_.below(100);
  if (kind < 78 && !in->mappings.empty()) {
    const domain::mapping& m = random_.chance(35) ? in->mappings.back() : random_.pick(in->mappings);
    std::uint64_t offset = random_.below(spec::page_size);
    if (m.level == 2) offset += random_.pick({std::uint64_t{0}, layout::large_size - layout::page});
    if (m.level == 3) offset += random_host(1) % layout::nowhere;
    if (random_.chance(15)) offset |= 0xfc0; // it runs over the page's end
    return m.iova + offset;
  }
  const unsigned width = spec::width_of_agaw(spec::agaw_of_levels(in->levels));
  if (kind < 86) return random_.below(8) * giga + random_.below(0x10000);
  if (kind < 92) return (std::uint64_t{1} << random_.between(width, 62)) + random_.below(spec::page_size);
  if (kind < 96) return layout::data + random_.below(layout::data_pages * layout::page - 4096);
  return random_.next() & spec::low_bits(width);
}

void generator_state::dma() {
  transfer what;
  what.device = static_cast<unsigned>(random_.below(device_count));
  what.to_memory = random_.chance(55);
  if (domains_.empty()) make_domain();
  what.address = dma_address(what.device);
  what.bytes = static_cast<std::uint32_t>(random_.chance(70)   ? random_.between(1, 64)
                                          : random_.chance(80) ? random_.between(1, 300)
                                                               : random_.between(1, device_buffer));
  const bool untranslated = (command_ & reg::gcmd::te::mask) == 0 || random_.chance(2);
  // Untranslated, it must hit the pages of data: all else is the program itself, or devices.
  if (untranslated) {
    what.address = layout::data + random_.below(layout::data_pages * layout::page - device_buffer);
  }
  what.buffer = static_cast<std::uint32_t>(random_.below(device_buffer - what.bytes + 1));
  // The interrupt range is no memory (VT-d 3.13), and QEMU has no way to tell a message from a DMA of edu.
  const std::uint64_t end = what.address + what.bytes;
  if (what.address <= spec::interrupt_range_last && end >= spec::interrupt_range_first) return;
  out_.steps.push_back({.kind = step_kind::dma, .what = what});
}

// --- Tables

void generator_state::map_something() {
  if (domains_.empty() || !tables_.has_room(4)) return;
  domain& in = random_.pick(domains_);
  domain::mapping made = random_mapping(in);
  const std::uint64_t at = tables_.entry_of(in, made.iova, made.level);
  const bool replaces = at != 0 && tables_.load(at) != 0;
  const std::uint64_t old = replaces ? tables_.load(at) : 0;
  // A table below it goes: non-leaf entries change as well.
  const bool leaf = made.level == 1 || spec::second_level_entry{old}.page_size();
  tables_.map(in, made);
  in.mappings.push_back(made);
  if (replaces || caps_.cap.cm() || random_.chance(10)) {
    invalidate({.domain = in.id,
                .iova = made.iova,
                .mask = 9 * (made.level - 1),
                .leaf_only = leaf && replaces,
                .whole_domain = caps_.cap.cm()});
  }
}

void generator_state::change_mapping() {
  if (domains_.empty()) return;
  domain& in = random_.pick(domains_);
  if (in.mappings.empty()) return;
  domain::mapping& m = random_.pick(in.mappings);
  const std::uint64_t at = tables_.entry_of(in, m.iova, m.level);
  if (at == 0) return;
  const std::uint64_t old = tables_.load(at);
  std::string note = "unmapped";
  spec::second_level_entry entry{old};
  switch (random_.below(4)) {
  case 0:
    entry.value = random_.chance(50) ? 0 : old & ~std::uint64_t{3};
    break;
  case 1:
    m.host = random_host(m.level);
    entry.set_address(m.host).set_read(true).set_write(true).set_page_size(m.level > 1);
    note = "moved";
    break;
  default:
    m.read = random_.chance(60);
    m.write = random_.chance(60);
    entry.set_address(m.host).set_read(m.read).set_write(m.write).set_page_size(m.level > 1);
    note = "rights";
  }
  if (entry.value == old) return;
  tables_.store(at, entry.value, fmt::format("domain {}: {:#x} {}", in.id, m.iova, note));
  // Nothing is owed for a mapping that was not there.
  if (spec::second_level_entry{old}.present() || caps_.cap.cm())
    invalidate({.domain = in.id, .iova = m.iova, .mask = 9 * (m.level - 1)});
}

std::uint64_t generator_state::spoilt(spec::second_level_entry entry, unsigned level, std::string& how) {
  switch (random_.below(7)) {
  case 0:
    how = "bits beyond the host address width";
    return entry.value | std::uint64_t{1} << random_.between(caps_.host_address_width, 51);
  case 1:
    how = "SNP";
    return entry.value ^ spec::second_level_entry::snoop_field::mask;
  case 2:
    how = "TM";
    return entry.value ^ spec::second_level_entry::transient_mapping_field::mask;
  case 3:
    how = "page size";
    return entry.value ^ spec::second_level_entry::page_size_field::mask;
  case 4:
    how = "address below the page size";
    return entry.value |
           (level > 1 ? std::uint64_t{1} << random_.between(12, spec::level_shift(level) - 1) : 0);
  case 5:
    how = "ignored bits";
    return entry.value | std::uint64_t{1} << random_.pick({2U, 3U, 6U, 8U, 9U, 10U, 52U, 57U, 61U, 63U});
  default:
    how = "leads nowhere";
    return entry.set_address(layout::nowhere + random_.below(8) * layout::page).value;
  }
}

void generator_state::spoil_entry() {
  if (domains_.empty()) return;
  domain& in = random_.pick(domains_);
  if (in.mappings.empty()) return;
  const domain::mapping m = random_.pick(in.mappings);
  const auto level = static_cast<unsigned>(random_.between(m.level, in.levels));
  const std::uint64_t at = tables_.entry_of(in, m.iova, level);
  if (at == 0) return;
  const std::uint64_t old = tables_.load(at);
  std::string how;
  std::uint64_t value = random_.chance(25) ? old & ~random_.pick({std::uint64_t{1}, std::uint64_t{2}})
                                           : spoilt(spec::second_level_entry{old}, level, how);
  if (how.empty()) how = "rights";
  if (value == old) return;
  // A table of ours below it would be read as a large page: all of what it maps is within the program.
  if (how == "page size" && level > 1 && (value & spec::second_level_entry::page_size_field::mask) != 0 &&
      random_.chance(50)) {
    value = spec::second_level_entry{value}.set_address(random_host(std::min(level, 3U))).value;
  }
  const bool leaf = level == m.level;
  const invalidation owed{.domain = in.id,
                          .iova = m.iova,
                          .mask = std::min(9 * (level - 1), caps_.cap.mamv()),
                          .leaf_only = leaf,
                          .whole_domain = level > 3};
  tables_.store(at, value, fmt::format("domain {}: {:#x}, level {}: {}", in.id, m.iova, level, how));
  if (spec::second_level_entry{old}.present() || caps_.cap.cm()) invalidate(owed);
  for (std::uint64_t i = random_.below(3); i != 0; --i) {
    transfer what;
    what.device = static_cast<unsigned>(random_.below(device_count));
    what.to_memory = random_.chance(50);
    what.address = m.iova + random_.below(spec::page_size - 64);
    what.bytes = static_cast<std::uint32_t>(random_.between(1, 64));
    const bool in_interrupt_range = what.address + what.bytes >= spec::interrupt_range_first &&
                                    what.address <= spec::interrupt_range_last;
    if ((command_ & reg::gcmd::te::mask) != 0 && !in_interrupt_range)
      out_.steps.push_back({.kind = step_kind::dma, .what = what, .note = "to what was spoilt"});
  }
  if (random_.chance(60)) handle_faults();
  if (random_.chance(70)) {
    tables_.store(at, old, "mended");
    invalidate(owed);
  }
}

void generator_state::spoil_context() {
  if (root_ == 0) return;
  const auto device = static_cast<unsigned>(random_.below(device_count));
  const std::uint64_t root_at = table_writer::root_entry(root_, devices[device]);
  const std::uint64_t at = tables_.context_entry(root_, devices[device]);
  if (at == 0) return;
  const spec::context_entry old = tables_.context(at);
  const std::uint64_t old_root = tables_.load(root_at);
  spec::context_entry entry = old;
  std::uint64_t root = old_root;
  std::uint64_t root_high = 0;
  std::string how;
  switch (random_.below(10)) {
  case 0:
    how = "root entry not present";
    root &= ~std::uint64_t{1};
    break;
  case 1:
    how = "root entry, reserved bit";
    if (random_.chance(50)) {
      root |= std::uint64_t{1} << random_.between(1, 11);
    } else {
      root_high = std::uint64_t{1} << random_.below(64);
    }
    break;
  case 2:
    how = "root entry leads nowhere";
    root = spec::root_entry{root, 0}.set_context_table(layout::nowhere).lo;
    break;
  case 3:
    how = "not present";
    entry.set_present(false).set_fault_processing_disable(random_.chance(40));
    break;
  case 4:
    how = "reserved bit";
    if (random_.chance(50)) {
      entry.lo |= std::uint64_t{1} << random_.between(4, 11);
    } else {
      entry.hi |= std::uint64_t{1} << random_.pick({7U, 24U, 30U, 63U});
    }
    break;
  case 5:
    how = "address width";
    entry.set_address_width(static_cast<unsigned>(random_.below(8)));
    break;
  case 6:
    how = "translation type";
    entry.set_translation_type(static_cast<spec::translation_type>(random_.below(4)));
    break;
  case 7:
    how = "FPD";
    entry.set_fault_processing_disable(!old.fault_processing_disable());
    break;
  case 8:
    how = "bits beyond the host address width";
    entry.lo |= std::uint64_t{1} << random_.between(caps_.host_address_width, 63);
    break;
  default:
    how = "top table leads nowhere";
    entry.set_second_level_table(layout::nowhere);
  }
  const invalidation owed{.contexts = true, .source = devices[device], .domain = old.domain_id()};
  const std::string note = fmt::format("device {}: {}", device, how);
  const auto put = [&](std::uint64_t low, std::uint64_t high, const spec::context_entry& c,
                       const std::string& n) {
    if (tables_.load(root_at) != low) tables_.store(root_at, low, n);
    if (tables_.load(root_at + 8) != high) tables_.store(root_at + 8, high, n);
    tables_.set_context(at, c, n);
    invalidate(root != old_root || root_high != 0 ? invalidation{.contexts = true, .source = devices[device]}
                                                  : owed);
  };
  put(root, root_high, entry, note);
  for (std::uint64_t i = random_.between(1, 2); i != 0; --i)
    dma();
  if (random_.chance(60)) handle_faults();
  if (random_.chance(75)) put(old_root, 0, old, "mended");
}

void generator_state::change_context() {
  if (root_ == 0 || domains_.empty()) return;
  const auto device = static_cast<unsigned>(random_.below(device_count));
  const std::uint64_t at = tables_.context_entry(root_, devices[device]);
  if (at == 0) return;
  const spec::context_entry old = tables_.context(at);
  if (domains_.size() < 4 && tables_.has_room(4) && random_.chance(20)) make_domain();
  attach(device);
  if (old.present() || caps_.cap.cm())
    invalidate({.contexts = true, .source = devices[device], .domain = old.domain_id()});
}

// --- Registers

void generator_state::random_invalidation() {
  const std::uint16_t domain = domains_.empty() || random_.chance(20)
                                   ? static_cast<std::uint16_t>(random_.next())
                                   : random_.pick(domains_).id;
  if (random_.chance(40)) {
    return context_invalidation(static_cast<spec::context_granularity>(random_.below(4)), domain,
                                devices[random_.below(device_count)],
                                static_cast<unsigned>(random_.below(4)));
  }
  const auto mask =
      static_cast<unsigned>(random_.chance(85) ? random_.below(caps_.cap.mamv() + 1) : random_.below(64));
  std::uint64_t iova = random_.next();
  if (!domains_.empty() && random_.chance(70)) {
    const struct domain& in = random_.pick(domains_);
    if (!in.mappings.empty()) iova = in.mappings[random_.below(in.mappings.size())].iova;
  }
  iotlb_invalidation(static_cast<spec::iotlb_granularity>(random_.below(4)), domain, iova, mask,
                     random_.chance(50));
}

void generator_state::poke_register() {
  const std::uint32_t iotlb = caps_.ecap.iotlb_offset();
  // Those that order nothing; what orders something has its own events.
  struct target {
    std::uint32_t offset;
    unsigned bytes;
  };
  const std::array<target, 22> targets{
      {{reg::version::offset, 4},       {reg::cap_reg::offset, 8},
       {reg::ecap_reg::offset, 8},      {reg::gsts::offset, 4},
       {reg::rtaddr::offset, 8},        {reg::ccmd::offset, 4},
       {reg::fsts::offset, 4},          {reg::fsts::offset, 4},
       {reg::fectl::offset, 4},         {reg::fectl::offset, 4},
       {reg::fedata::offset, 4},        {reg::feaddr::offset, 4},
       {reg::feuaddr::offset, 4},       {reg::aflog::offset, 8},
       {reg::pmen::offset, 4},          {reg::plmbase::offset, 4},
       {reg::plmlimit::offset, 4},      {reg::phmbase::offset, 8},
       {reg::phmlimit::offset, 8},      {iotlb + reg::iva::offset, 8},
       {iotlb + reg::iotlb::offset, 4}, {caps_.cap.fault_record_offset(), 8}}};
  target what = targets[random_.below(targets.size())];
  std::uint64_t value = random_.chance(30) ? ~std::uint64_t{0} : random_.next();
  if (what.bytes == 8 && random_.chance(40)) {
    what.bytes = 4;
    what.offset += random_.chance(50) ? 4 : 0;
  }
  // Narrow and unaligned accesses are none (VT-d 10.2).
  if (random_.chance(10))
    what = {what.offset + static_cast<std::uint32_t>(random_.below(4)), random_.pick({1U, 2U})};
  if (what.bytes < 8) value &= spec::low_bits(8 * what.bytes);
  // An event must be a fixed interrupt (VT-d 5.1.6); as anything else QEMU's processor would wake up.
  constexpr std::uint64_t delivery_mode = 0x700;
  if (what.offset == reg::fedata::offset) value &= ~delivery_mode;
  write(what.offset, what.bytes, value, "some register");
}

void generator_state::peek_register() {
  const unsigned bytes = random_.pick({1U, 2U, 4U, 4U, 8U, 8U});
  auto offset = static_cast<std::uint32_t>(random_.chance(80) ? random_.below(0x240) : random_.below(0x1000));
  if (bytes >= 4) offset &= ~(bytes - 1);
  out_.steps.push_back(
      {.kind = step_kind::read_register, .address = offset, .bytes = bytes, .note = "some register"});
}

// An event that waits goes out when its mask goes; what happens then under the mask is another (VT-d 7.4).
void generator_state::mask_events() {
  const bool of_queue = queued_ && random_.chance(50);
  const std::uint32_t control = of_queue ? reg::iectl::offset : reg::fectl::offset;
  if (random_.chance(80)) write(control, 4, 0, "events unmasked");
  static_assert(reg::fectl::im::mask == reg::iectl::im::mask); // NOLINT(misc-redundant-expression): by now
  if (random_.chance(70)) write(control, 4, reg::fectl::im::mask, "events masked");
  if (!queued_ || random_.chance(50)) return;
  if (of_queue) {
    enqueue(spec::wait_descriptor{}.set_interrupt(true), "wait, interrupt");
  } else {
    wrong_batch();
  }
}

void generator_state::toggle_translation() {
  if (root_ == 0) return;
  command_ ^= reg::gcmd::te::mask;
  // What the part lacks is ignored (VT-d 10.4.4).
  order(random_.chance(80)
            ? 0
            : random_.pick({reg::gcmd::wbf::mask, reg::gcmd::sfl::mask, reg::gcmd::eafl::mask}),
        "translation on or off");
}

void generator_state::new_root_table() {
  if (root_ == 0 || !tables_.has_room(6)) return;
  const std::uint64_t old = root_;
  const auto forget_all = [this] {
    context_invalidation(spec::context_granularity::global, 0, {}, 0);
    iotlb_invalidation(spec::iotlb_granularity::global, 0, 0, 0, false);
  };
  if (random_.chance(25)) {
    root_ = layout::nowhere;
    set_root();
    forget_all();
    dma();
    root_ = old;
    set_root();
    forget_all();
    if (random_.chance(70)) handle_faults();
  }
  root_ = tables_.new_root();
  for (const spec::source_id device : devices) {
    const std::uint64_t at = tables_.context_entry(old, device);
    if (at == 0) continue;
    const spec::context_entry entry = tables_.context(at);
    if (random_.chance(80)) tables_.set_context(tables_.context_entry(root_, device), entry, "as before");
  }
  set_root();
  forget_all();
}

void generator_state::reset() {
  out_.steps.push_back({.kind = step_kind::reset});
  command_ = 0;
  if (random_.chance(20) || root_ == 0) {
    queued_ = false;
    return;
  }
  set_root();
  if (queued_) start_queue();
  command_ |= reg::gcmd::te::mask;
  order(0, "translation on");
}

} // namespace vtdsim::differential
