// SPDX-License-Identifier: Apache-2.0
#include "fake_unit.h"

#include <algorithm>
#include <utility>

namespace vtd::test {

namespace reg = spec::reg;

fake_unit::fake_unit(unsigned number, std::uint64_t base, spec::cap cap, spec::ecap ecap)
    : capability(cap), extended(ecap), number_(number), base_(base), records_(cap.fault_records()) {
  for (const spec::register_layout& each : reg::all_registers())
    values_[each.name] = each.reset();
}

std::optional<fake_unit::place> fake_unit::find(std::uint64_t address) const {
  if (address < base_) return std::nullopt;
  const std::uint64_t offset = address - base_;
  for (const spec::register_layout& each : reg::all_registers()) {
    if (!each.exists(capability.value, extended.value)) continue;
    if (each.base == spec::register_base::block && offset == each.offset) return place{&each, 0};
    if (each.base == spec::register_base::iotlb && offset == extended.iotlb_offset() + each.offset)
      return place{&each, 0};
    if (each.base != spec::register_base::fault || offset < capability.fault_record_offset() + each.offset)
      continue;
    constexpr std::uint64_t record_bytes = 16;
    const std::uint64_t from_first = offset - capability.fault_record_offset() - each.offset;
    if (from_first % record_bytes == 0 && from_first / record_bytes < records_.size())
      return place{&each, static_cast<unsigned>(from_first / record_bytes)};
  }
  return std::nullopt;
}

std::uint64_t fake_unit::read(const place& at_place, std::uint64_t now_ns) {
  advance(now_ns);
  const auto is = [&](const spec::register_layout& layout) { return at_place.reg->name == layout.name; };
  if (silent) return spec::low_bits(at_place.reg->size_bits);
  if (is(reg::cap_reg::layout)) return capability.value;
  if (is(reg::ecap_reg::layout)) return extended.value;
  if (is(reg::fsts::layout)) return fault_status();
  if (is(reg::frcd_lo::layout)) return records_[at_place.index].first;
  if (is(reg::frcd_hi::layout)) return records_[at_place.index].second;
  if (is(reg::gcmd::layout)) return 0;
  return values_[at_place.reg->name];
}

void fake_unit::write(const place& at_place, std::uint64_t value, std::uint64_t now_ns) {
  advance(now_ns);
  const auto is = [&](const spec::register_layout& layout) { return at_place.reg->name == layout.name; };
  if (silent) return;
  if (is(reg::gcmd::layout)) {
    global_command(static_cast<std::uint32_t>(value), now_ns);
  } else if (is(reg::ccmd::layout)) {
    if (waits_for("ICC")) return violation("CCMD written while ICC = 1");
    if (reg::gsts::qies::get(static_cast<std::uint32_t>(at<reg::gsts>())) != 0)
      violation("CCMD used while the queue is on");
    at<reg::ccmd>() = value;
    if (reg::ccmd::icc::get(value) == 0) return;
    answer("ICC", withhold.icc, now_ns, [this] {
      auto& ccmd = at<reg::ccmd>();
      ccmd = reg::ccmd::caig::set(reg::ccmd::icc::set(ccmd, 0), caig.value_or(reg::ccmd::cirg::get(ccmd)));
    });
  } else if (is(reg::iotlb::layout)) {
    if (waits_for("IVT")) return violation("IOTLB written while IVT = 1");
    if (waits_for("ICC")) violation("IOTLB invalidation while a context invalidation is pending");
    if (reg::gsts::qies::get(static_cast<std::uint32_t>(at<reg::gsts>())) != 0)
      violation("IOTLB used while the queue is on");
    at<reg::iotlb>() = value;
    if (reg::iotlb::ivt::get(value) == 0) return;
    answer("IVT", withhold.ivt, now_ns, [this] {
      auto& iotlb = at<reg::iotlb>();
      iotlb =
          reg::iotlb::iaig::set(reg::iotlb::ivt::set(iotlb, 0), iaig.value_or(reg::iotlb::iirg::get(iotlb)));
    });
  } else if (is(reg::iva::layout)) {
    if (waits_for("IVT")) return violation("IVA written while IVT = 1");
    at<reg::iva>() = value;
  } else if (is(reg::pmen::layout)) {
    at<reg::pmen>() = (at<reg::pmen>() & reg::pmen::prs::mask) | (value & ~reg::pmen::prs::mask);
    const bool on = reg::pmen::epm::get(static_cast<std::uint32_t>(value)) != 0;
    answer("PRS", withhold.prs, now_ns, [this, on] {
      at<reg::pmen>() = reg::pmen::prs::set(static_cast<std::uint32_t>(at<reg::pmen>()), on ? 1 : 0);
    });
  } else if (is(reg::fsts::layout)) {
    if (reg::fsts::pfo::get(static_cast<std::uint32_t>(value)) != 0) overflow_ = false;
    at<reg::fsts>() &= ~(value & reg::fsts::layout.write_one_to_clear());
    run_queue(now_ns);
  } else if (is(reg::iqt::layout)) {
    at<reg::iqt>() = value;
    run_queue(now_ns);
  } else if (is(reg::iqa::layout)) {
    if (reg::gsts::qies::get(static_cast<std::uint32_t>(at<reg::gsts>())) != 0)
      return violation("IQA written while the queue is on");
    if (at<reg::iqt>() != 0) violation("IQA written while IQT is not 0");
    at<reg::iqa>() = value;
  } else if (is(reg::frcd_hi::layout)) {
    if (reg::frcd_hi::f::get(value) == 0) return;
    auto& hi = records_[at_place.index].second;
    hi = reg::frcd_hi::f::set(hi, 0);
    if (after_clear) after_clear();
  } else if (is(reg::fectl::layout)) {
    auto& fectl = at<reg::fectl>();
    // FECTL's gaps are RsvdP: here they hold what firmware put there, so that a driver that drops them shows.
    const std::uint64_t gaps = reg::fectl::layout.reserved();
    if ((value & gaps) != (fectl & gaps)) violation("FECTL's reserved bits were changed");
    fectl = (fectl & ~reg::fectl::im::mask) | (value & reg::fectl::im::mask);
    if (reg::fectl::im::get(static_cast<std::uint32_t>(fectl)) == 0 &&
        reg::fectl::ip::get(static_cast<std::uint32_t>(fectl)) != 0)
      send_event();
  } else if (!is(reg::frcd_lo::layout)) {
    at_place.reg->writable() != 0
        ? void(values_[at_place.reg->name] = value)
        : violation(std::string(at_place.reg->name) + " is read-only and was written");
  }
}

// VT-d 10.4.4: one command at a time, and the next one after the answer.
void fake_unit::global_command(std::uint32_t value, std::uint64_t now_ns) {
  struct level {
    std::uint32_t command;
    std::uint32_t status;
    std::string_view name;
    bool withheld;
  };
  struct one_shot {
    std::uint32_t command;
    std::uint32_t status;
    std::string_view name;
    bool withheld;
    bool until_done; ///< the status is 1 while it goes on, else from its end on
  };
  const level levels[] = {
      {reg::gcmd::te::mask, reg::gsts::tes::mask, "TES", withhold.tes},
      {reg::gcmd::ire::mask, reg::gsts::ires::mask, "IRES", withhold.ires},
      {reg::gcmd::qie::mask, reg::gsts::qies::mask, "QIES", withhold.qies},
      {reg::gcmd::eafl::mask, reg::gsts::afls::mask, "AFLS", withhold.afls},
      {reg::gcmd::cfi::mask, reg::gsts::cfis::mask, "CFIS", false},
  };
  const one_shot shots[] = {
      {reg::gcmd::srtp::mask, reg::gsts::rtps::mask, "RTPS", withhold.rtps, false},
      {reg::gcmd::wbf::mask, reg::gsts::wbfs::mask, "WBFS", withhold.wbfs, true},
      {reg::gcmd::sirtp::mask, reg::gsts::irtps::mask, "IRTPS", false, false},
      {reg::gcmd::sfl::mask, reg::gsts::fls::mask, "FLS", false, false},
  };
  auto& status = at<reg::gsts>();
  for (const level& each : levels) {
    if (waits_for(each.name)) violation("GCMD written before GSTS." + std::string(each.name) + " answered");
  }
  for (const one_shot& each : shots) {
    if (waits_for(each.name)) violation("GCMD written before GSTS." + std::string(each.name) + " answered");
  }
  unsigned commands = 0;
  for (const level& each : levels) {
    const bool on = (value & each.command) != 0;
    if (on == ((status & each.status) != 0)) continue;
    ++commands;
    if (on && each.status == reg::gsts::tes::mask && (status & reg::gsts::rtps::mask) == 0)
      violation("TE set while RTPS = 0");
    const bool is_queue = each.status == reg::gsts::qies::mask;
    if (is_queue && on && at<reg::iqa>() == 0) violation("QIE set without IQA");
    if (is_queue && !on && at<reg::iqh>() != at<reg::iqt>()) violation("QIE cleared while IQH is not IQT");
    answer(each.name, each.withheld, now_ns, [this, &status, on, is_queue, bit = each.status] {
      status = on ? status | bit : status & ~std::uint64_t{bit};
      if (is_queue) at<reg::iqh>() = 0;
    });
  }
  for (const one_shot& each : shots) {
    if ((value & each.command) == 0) continue;
    ++commands;
    status = each.until_done ? status | each.status : status & ~std::uint64_t{each.status};
    answer(each.name, each.withheld, now_ns, [&status, bit = each.status, until_done = each.until_done] {
      status = until_done ? status & ~std::uint64_t{bit} : status | bit;
    });
  }
  if (commands > 1) violation("GCMD gives several commands at once");
}

bool fake_unit::waits_for(std::string_view what) const {
  return std::ranges::any_of(pending_, [&](const pending& each) { return each.what == what; });
}

void fake_unit::answer(std::string_view what, bool withheld, std::uint64_t now_ns,
                       std::function<void()> apply) {
  constexpr std::uint64_t never = ~std::uint64_t{0};
  pending_.push_back({withheld ? never : now_ns + latency_ns, what, std::move(apply)});
}

void fake_unit::advance(std::uint64_t now_ns) {
  for (std::size_t i = 0; i < pending_.size();) {
    if (pending_[i].due_ns > now_ns) {
      ++i;
      continue;
    }
    const pending due = std::move(pending_[i]);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    due.apply();
  }
}

// --- The invalidation queue

// VT-d 6.5.2: descriptors are executed some time after the tail was written.
void fake_unit::run_queue(std::uint64_t now_ns) {
  if (reg::gsts::qies::get(static_cast<std::uint32_t>(at<reg::gsts>())) == 0 || waits_for("queue")) return;
  answer("queue", false, now_ns, [this] { look_at_queue(); });
}

void fake_unit::look_at_queue() {
  const auto has = [this](std::uint32_t bit) { return (at<reg::fsts>() & bit) != 0; };
  const std::uint64_t base = at<reg::iqa>() & reg::iqa::address::mask;
  while (at<reg::iqh>() != at<reg::iqt>() && !has(reg::fsts::iqe::mask) && !has(reg::fsts::ite::mask)) {
    const std::uint64_t where = base + at<reg::iqh>();
    const spec::invalidation_descriptor found{load(where), load(where + sizeof(std::uint64_t))};
    if (unreadable_descriptors != 0) {
      --unreadable_descriptors;
      return queue_error(spec::queue_error::fetch_failed);
    }
    if (wrong_descriptors != 0 && !found.is(spec::descriptor_type::wait)) {
      --wrong_descriptors;
      return queue_error(spec::queue_error::invalid_type);
    }
    if (found.is(spec::descriptor_type::wait)) {
      if (lost_status_writes != 0) {
        --lost_status_writes;
        return queue_error(spec::queue_error::unknown);
      }
      if (withhold.wait_status) return;
      if (std::exchange(unexpected_completion, false)) status_event(reg::fsts::ice::mask);
      const spec::wait_descriptor wait(found);
      if (timed_out_devices != 0) {
        --timed_out_devices;
        status_event(reg::fsts::ite::mask);
      } else if (wait.status_write()) {
        store(wait.status_address(), wait.status_data());
      }
    }
    descriptors.push_back(found);
    at<reg::iqh>() = (at<reg::iqh>() + sizeof(found)) % spec::queue_bytes(0);
  }
}

// The cause stands in IQERCD where there is one. VT-d 10.4.29
void fake_unit::queue_error(spec::queue_error why) {
  const auto revision = reg::newest_revision(static_cast<std::uint32_t>(at<reg::version>()), extended);
  if (reg::iqercd::layout.exists_in(revision, capability.value, extended.value))
    at<reg::iqercd>() = reg::iqercd::iqei::of(static_cast<std::uint64_t>(why));
  status_event(reg::fsts::iqe::mask);
}

void fake_unit::status_event(std::uint32_t bit) {
  const bool pending_before = fault_status() != 0;
  at<reg::fsts>() |= bit;
  if (!pending_before) event();
}

// --- Faults

unsigned fake_unit::full_records() const {
  return static_cast<unsigned>(std::ranges::count_if(
      records_, [](const auto& each) { return reg::frcd_hi::f::get(each.second) != 0; }));
}

std::uint32_t fake_unit::fault_status() const {
  auto status = static_cast<std::uint32_t>(values_.at(reg::fsts::layout.name));
  if (overflow_) status = reg::fsts::pfo::set(status, 1);
  if (full_records() == 0) return status;
  // The first pending one: going back from the next to be written, the last one of the run that is full.
  const auto count = static_cast<unsigned>(records_.size());
  unsigned first = next_record_;
  for (unsigned back = 1; back <= count; ++back) {
    const unsigned index = (next_record_ + count - back) % count;
    if (reg::frcd_hi::f::get(records_[index].second) == 0) {
      if (first != next_record_) break;
      continue; // cleared out of order: what is older may be full
    }
    first = index;
  }
  return reg::fsts::fri::set(reg::fsts::ppf::set(status, 1), first);
}

void fake_unit::fault(spec::source_id source, spec::fault_reason reason, std::uint64_t address, bool read) {
  fault_record(address & reg::frcd_lo::fi::mask,
               reg::frcd_hi::sid::of(source.value()) |
                   reg::frcd_hi::fr::of(static_cast<std::uint64_t>(reason)) |
                   reg::frcd_hi::t1::of(read ? 1 : 0));
}

void fake_unit::fault_record(std::uint64_t lo, std::uint64_t hi) {
  if (reg::gsts::afls::get(static_cast<std::uint32_t>(at<reg::gsts>())) != 0)
    return status_event(reg::fsts::apf::mask);
  if (overflow_) return;
  const bool pending_before = fault_status() != 0;
  auto& record = records_[next_record_];
  if (reg::frcd_hi::f::get(record.second) != 0) {
    overflow_ = true;
    return;
  }
  record = {lo, reg::frcd_hi::f::set(hi, 1)};
  next_record_ = (next_record_ + 1) % static_cast<unsigned>(records_.size());
  if (!pending_before) event();
}

void fake_unit::event() {
  auto& fectl = at<reg::fectl>();
  if (reg::fectl::im::get(static_cast<std::uint32_t>(fectl)) == 0)
    send_event();
  else
    fectl |= reg::fectl::ip::mask;
}

void fake_unit::send_event() {
  at<reg::fectl>() &= ~std::uint64_t{reg::fectl::ip::mask};
  messages.emplace_back(at<reg::feaddr>() | at<reg::feuaddr>() << 32,
                        static_cast<std::uint32_t>(at<reg::fedata>()));
}

} // namespace vtd::test
