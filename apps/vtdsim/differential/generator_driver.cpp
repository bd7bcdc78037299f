// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/generator_state.h"

#include "vtd/spec/registers.h"

#include <fmt/format.h>

#include <algorithm>

#include <utility>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

generator_state::generator_state(const variant& how, std::uint64_t seed)
    : how_(how), caps_(how.capabilities()), random_(seed), tables_(out_.steps) {
  out_.how = &how;
  domain_of_.fill(-1);
}

void generator_state::draw_choices() {
  out_.choice.by_cycles = random_.chance(50);
  out_.choice.context_cache = random_.chance(85);
  out_.choice.iotlb = random_.chance(85);
  out_.choice.structure_caches = random_.chance(85);
  out_.choice.tiny = random_.chance(25);
  queued_ = random_.chance(50);
}

void generator_state::write(std::uint32_t offset, unsigned bytes, std::uint64_t value, std::string note) {
  out_.steps.push_back({.kind = step_kind::write_register,
                        .address = offset,
                        .value = value,
                        .bytes = bytes,
                        .note = std::move(note)});
}

// A 64-bit register at once or in halves, the one that triggers last (VT-d 10.2).
void generator_state::write_any_way(std::uint32_t offset, std::uint64_t value, const std::string& note) {
  if (random_.chance(60)) return write(offset, 8, value, note);
  write(offset, 4, value & 0xffffffff, note);
  write(offset + 4, 4, value >> 32, note);
}

void generator_state::order(std::uint32_t one_shot, const std::string& note) {
  write(reg::gcmd::offset, 4, command_ | one_shot, note);
}

void generator_state::make_domain() {
  domain made;
  do {
    made.id =
        static_cast<std::uint16_t>(random_.chance(70) ? random_.between(1, 9) : random_.between(1, 0xffff));
  } while (std::any_of(domains_.begin(), domains_.end(), [&](const domain& d) { return d.id == made.id; }));
  made.levels = caps_.cap.supports_agaw(2) && random_.chance(50) ? 4 : 3;
  made.top = tables_.new_table();
  domains_.push_back(made);
}

void generator_state::attach(unsigned device) {
  const std::uint64_t at = tables_.context_entry(root_, devices[device]);
  if (at == 0) return;
  const std::size_t index = random_.below(domains_.size());
  const domain& in = domains_[index];
  spec::context_entry entry;
  entry.set_present(true).set_domain_id(in.id).set_second_level_table(in.top);
  entry.set_address_width(spec::agaw_of_levels(in.levels)).set_available(random_.chance(10) ? 5 : 0);
  auto type = spec::translation_type::untranslated_only;
  if (random_.chance(10)) type = spec::translation_type::pass_through;
  if (random_.chance(how_.device_tlb ? 30 : 3)) type = spec::translation_type::with_device_tlb;
  entry.set_translation_type(type).set_fault_processing_disable(random_.chance(8));
  if (type == spec::translation_type::pass_through)
    entry.set_address_width(static_cast<unsigned>(caps_.cap.largest_agaw()));
  domain_of_[device] = static_cast<int>(index);
  tables_.set_context(at, entry, fmt::format("device {}: domain {}", device, in.id));
}

void generator_state::set_root() {
  write_any_way(reg::rtaddr::offset, root_, "root table");
  order(reg::gcmd::srtp::mask, "SRTP");
}

void generator_state::bring_up() {
  root_ = tables_.new_root();
  const std::uint64_t count = random_.between(1, 3);
  for (std::uint64_t i = 0; i < count; ++i)
    make_domain();
  for (unsigned device = 0; device < device_count; ++device) {
    if (random_.chance(85)) attach(device);
  }
  for (domain& each : domains_) {
    for (std::uint64_t i = random_.between(1, 4); i != 0; --i) {
      const domain::mapping made = random_mapping(each);
      if (!tables_.has_room(4)) break;
      tables_.map(each, made);
      each.mappings.push_back(made);
    }
  }
  set_root();
  if (queued_) start_queue();
  context_invalidation(spec::context_granularity::global, 0, {}, 0);
  iotlb_invalidation(spec::iotlb_granularity::global, 0, 0, 0, false);
  command_ |= reg::gcmd::te::mask;
  order(0, "translation on");
}

void generator_state::context_invalidation(spec::context_granularity what, std::uint16_t domain,
                                           spec::source_id source, unsigned mask) {
  const auto granularity = static_cast<std::uint64_t>(what);
  if (queued_ && what != spec::context_granularity::none) {
    spec::context_cache_descriptor order;
    order.set_granularity(what).set_domain_id(domain).set_source(source).set_function_mask(mask);
    return enqueue(order, fmt::format("contexts, granularity {}", granularity));
  }
  if (queued_) return;
  write_any_way(reg::ccmd::offset,
                reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(granularity) | reg::ccmd::did::of(domain) |
                    reg::ccmd::sid::of(source.value()) | reg::ccmd::fm::of(mask),
                fmt::format("contexts, granularity {}", granularity));
}

void generator_state::iotlb_invalidation(spec::iotlb_granularity what, std::uint16_t domain,
                                         std::uint64_t iova, unsigned mask, bool leaf_only) {
  const auto granularity = static_cast<std::uint64_t>(what);
  const std::string note = fmt::format("IOTLB, granularity {}", granularity);
  const bool drain = random_.chance(60);
  if (queued_) {
    if (what == spec::iotlb_granularity::none || mask > caps_.cap.mamv()) return;
    spec::iotlb_descriptor order;
    order.set_granularity(what).set_domain_id(domain).set_drain_reads(drain).set_drain_writes(drain);
    if (what == spec::iotlb_granularity::page)
      order.set_address(iova).set_address_mask(mask).set_hint(leaf_only);
    return enqueue(order, note);
  }
  const std::uint32_t base = caps_.ecap.iotlb_offset();
  if (what == spec::iotlb_granularity::page) {
    write_any_way(base + reg::iva::offset,
                  reg::iva::addr::of(iova >> spec::page_shift) | reg::iva::am::of(mask) |
                      reg::iva::ih::of(leaf_only ? 1 : 0),
                  "address of the page");
  }
  write_any_way(base + reg::iotlb::offset,
                reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(granularity) | reg::iotlb::did::of(domain) |
                    reg::iotlb::dr::of(drain ? 1 : 0) | reg::iotlb::dw::of(drain ? 1 : 0),
                note);
}

void generator_state::invalidate(const invalidation& what) {
  using contexts = spec::context_granularity;
  using pages = spec::iotlb_granularity;
  // Now and then software forgets; what is seen then may be old or new.
  if (random_.chance(3)) return;
  if (what.contexts) {
    switch (random_.below(3)) {
    case 0:
      context_invalidation(contexts::global, 0, {}, 0);
      break;
    case 1:
      if (what.domain != 0) {
        context_invalidation(contexts::domain, what.domain, {}, 0);
        break;
      }
      [[fallthrough]];
    default: {
      // Any function number will do, as far as its bits are not compared (FM).
      const auto mask = static_cast<unsigned>(random_.chance(60) ? 0 : random_.below(4));
      const auto other = static_cast<std::uint16_t>(random_.next() & spec::function_mask_bits(mask));
      context_invalidation(contexts::device, what.domain,
                           spec::source_id{static_cast<std::uint16_t>(what.source.value() ^ other)}, mask);
    }
    }
  }
  const bool whole = what.whole_domain || what.contexts;
  if (random_.chance(15) || what.domain == 0) {
    iotlb_invalidation(pages::global, 0, 0, 0, false);
  } else if (whole || random_.chance(25)) {
    iotlb_invalidation(pages::domain, what.domain, 0, 0, false);
  } else {
    iotlb_invalidation(pages::page, what.domain, what.iova, what.mask, what.leaf_only && random_.chance(70));
  }
  if (queued_ && random_.chance(30)) enqueue(status_wait(), "wait, status write");
}

void generator_state::handle_faults() {
  const std::uint32_t record = caps_.cap.fault_record_offset() + reg::frcd_hi::offset;
  const auto free_record = [&] {
    if (random_.chance(70)) {
      write(record + 4, 4, reg::frcd_hi::f::mask >> 32, "free the fault record");
    } else {
      write(record, 8, reg::frcd_hi::f::mask, "free the fault record");
    }
  };
  const std::uint32_t more = queued_ && random_.chance(30) ? reg::fsts::iqe::mask : 0;
  const auto clear_status = [&] { write(reg::fsts::offset, 4, reg::fsts::pfo::mask | more, "clear PFO"); };
  switch (random_.below(4)) {
  case 0:
    return free_record();
  case 1:
    clear_status();
    return free_record();
  default:
    free_record();
    return clear_status();
  }
}

} // namespace vtdsim::differential
