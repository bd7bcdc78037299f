// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/compare.h"

#include "vtd/spec/invalidation.h"
#include "vtd/spec/registers.h"

#include <algorithm>
#include <array>
#include <map>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace remap = vtd::remap;
namespace spec = vtd::spec;

namespace {
std::uint32_t record_high(const remap::capabilities& caps) {
  return caps.cap.fault_record_offset() + reg::frcd_hi::offset;
}

// Memory where the machines are not the same, or where something else than memory answers.
bool is_off_limits(std::uint64_t host) {
  constexpr std::uint64_t registers = 0xe0000000;
  constexpr std::uint64_t four_giga = std::uint64_t{1} << 32;
  return host < layout::tables || (host >= layout::exchange && host < layout::large) ||
         (host >= registers && host < four_giga);
}
} // namespace

namespace {
std::string_view kind_of(const spec::invalidation_descriptor& what) {
  switch (static_cast<spec::descriptor_type>(what.type())) {
  case spec::descriptor_type::context_cache:
    return "context cache";
  case spec::descriptor_type::iotlb:
    return "IOTLB";
  case spec::descriptor_type::device_tlb:
    return "device-TLB";
  case spec::descriptor_type::interrupt_entry_cache:
    return "interrupt entry cache";
  case spec::descriptor_type::wait:
    return spec::wait_descriptor(what).status_write() ? "wait, status" : "wait";
  }
  return "?";
}

// The tail goes behind what was appended, in either way that software may write a register (VT-d 10.2).
step told(const queue_writer& software) {
  const bool odd = software.tail() / sizeof(spec::invalidation_descriptor) % 2 != 0;
  return {.kind = step_kind::write_register,
          .address = reg::iqt::offset,
          .value = software.tail(),
          .bytes = odd ? 4U : 8U,
          .note = ""};
}
} // namespace

/// What is known while a program runs.
struct comparer::run_state {
  run_state(const program& p, const model_machine& model, staleness::load load)
      : run(p), caps(p.how->capabilities()), memory(caps, std::move(load)), queue(model) {}

  const program& run;
  remap::capabilities caps;
  staleness memory;
  comparison out;
  std::vector<sample> samples;
  std::size_t judged = 0;
  // The step whose faults these are.
  std::size_t faulted_step = ~std::size_t{0};
  std::vector<vtd::dmar::fault_report> faults;
  std::uint64_t iva = 0;
  std::uint64_t ccmd = 0;
  std::uint64_t iotlb = 0;
  queue_watch queue;
  queue_writer software;
  std::map<std::size_t, queue_step> queue_steps;
  // The last order of the register was given while the queue was on.
  bool contexts_refused = false;
  bool iotlb_refused = false;
  // DMAs that were not run.
  std::vector<std::size_t> left_out;
  std::optional<difference> explained_record;
  bool stale = false;
  bool cached = false;
  bool ended = false;
};

void comparer::read_both(run_state& now, std::size_t index, std::uint32_t offset, unsigned bytes) {
  const std::uint32_t iotlb = now.caps.ecap.iotlb_offset() + reg::iotlb::offset;
  const bool refused =
      (now.contexts_refused && offset - reg::ccmd::offset < 8) || (now.iotlb_refused && offset - iotlb < 8);
  sample& s = now.samples.emplace_back(sample{index, offset, bytes, 0, 0, refused, now.queue.enabled_at()});
  model_.read_register(offset, bytes, &s.ours);
  qemu_.read_register(offset, bytes, &s.theirs);
}

void comparer::read_everything(run_state& now, std::size_t index) {
  const std::uint32_t record = now.caps.cap.fault_record_offset();
  for (std::uint32_t offset = 0; offset < now.caps.ecap.iotlb_offset() + 16; offset += 8)
    read_both(now, index, offset, 8);
  read_both(now, index, record, 8);
  read_both(now, index, record + 8, 8);
}

void comparer::read_ahead(run_state& now) {
  if (model_.unit().translation_enabled()) now.memory.add_contexts(devices, model_.unit().root_table());
}

// Register writes that matter to what caches may hold.
void comparer::follow_register(run_state& now, const step& what) {
  const std::uint32_t iotlb_base = now.caps.ecap.iotlb_offset();
  const auto follow = [&](std::uint64_t& value, std::uint32_t offset) {
    if (what.bytes < 4 || what.address % what.bytes != 0) return false;
    if (what.address == offset && what.bytes == 8) value = what.value;
    if (what.bytes == 4 && what.address == offset)
      value = (value & ~std::uint64_t{0xffffffff}) | (what.value & 0xffffffff);
    if (what.bytes == 4 && what.address == offset + 4) value = (value & 0xffffffff) | (what.value << 32);
    return what.address == (what.bytes == 8 ? offset : offset + 4);
  };
  follow(now.iva, iotlb_base + reg::iva::offset);
  if (follow(now.ccmd, reg::ccmd::offset) && reg::ccmd::icc::get(now.ccmd) != 0) {
    now.contexts_refused = now.queue.is_on();
    if (now.contexts_refused) return;
    now.memory.invalidate_contexts(
        static_cast<spec::context_granularity>(reg::ccmd::cirg::get(now.ccmd)),
        static_cast<std::uint16_t>(reg::ccmd::did::get(now.ccmd)),
        spec::source_id{static_cast<std::uint16_t>(reg::ccmd::sid::get(now.ccmd))},
        spec::function_mask_bits(static_cast<unsigned>(reg::ccmd::fm::get(now.ccmd))));
  }
  if (follow(now.iotlb, iotlb_base + reg::iotlb::offset) && reg::iotlb::ivt::get(now.iotlb) != 0) {
    now.iotlb_refused = now.queue.is_on();
    if (now.iotlb_refused) return;
    auto wanted = static_cast<spec::iotlb_granularity>(reg::iotlb::iirg::get(now.iotlb));
    const auto mask = static_cast<unsigned>(reg::iva::am::get(now.iva));
    if (wanted == spec::iotlb_granularity::page && mask > now.caps.cap.mamv())
      wanted = spec::iotlb_granularity::none;
    now.memory.invalidate_pages(wanted, static_cast<std::uint16_t>(reg::iotlb::did::get(now.iotlb)),
                                spec::covers(reg::iva::addr::get(now.iva) << spec::page_shift, mask),
                                reg::iva::ih::get(now.iva) != 0);
  }
}

void comparer::append(run_state& now, const step& what) {
  for (unsigned count = what.kind == step_kind::append ? what.times : 1; count != 0; --count) {
    now.software.append(model_, {what.address, what.value}, [this](std::uint64_t at, std::uint64_t word) {
      qemu_.store(at, word);
      model_.store(at, word);
    });
  }
}

// What our queue has executed is forgotten by now.
void comparer::follow_queue(run_state& now, std::size_t index, bool resumed) {
  auto seen = now.queue.end();
  if (!seen) return;
  if (seen->refused && (!now.queue.was_stuck() || resumed)) ++now.out.descriptors["refused"];
  for (const queue_step::item& item : seen->done) {
    ++now.out.descriptors[kind_of(item.what)];
    if (item.what.is(spec::descriptor_type::context_cache)) {
      const spec::context_cache_descriptor d(item.what);
      now.memory.invalidate_contexts(d.granularity(), d.domain_id(), d.source(),
                                     spec::function_mask_bits(d.function_mask()));
      read_ahead(now);
    } else if (item.what.is(spec::descriptor_type::iotlb)) {
      const spec::iotlb_descriptor d(item.what);
      now.memory.invalidate_pages(d.granularity(), d.domain_id(), d.range(), d.hint());
    }
  }
  now.queue_steps.emplace(index, *std::move(seen));
}

void comparer::read_queue(run_state& now, std::size_t index) {
  read_both(now, index, reg::iqh::offset, 8);
  read_both(now, index, reg::ics::offset, 4);
  read_both(now, index, reg::iectl::offset, 4);
}

void comparer::write_register(run_state& now, std::size_t index, const step& what) {
  const auto offset = static_cast<std::uint32_t>(what.address);
  now.queue.begin();
  qemu_.write_register(offset, what.bytes, what.value);
  model_.write_register(offset, what.bytes, what.value);
  const bool resumes = offset == reg::fsts::offset && what.bytes == 4 && now.queue.was_stuck() &&
                       reg::fsts::iqe::get(static_cast<std::uint32_t>(what.value)) != 0;
  if (resumes) {
    // QEMU looks at the queue again only when it is told that there is more of it.
    qemu_.write_register(reg::iqt::offset, 8, model_.unit().registers().read<reg::iqt>());
    ++now.out.explained[name::queue_resumes];
  }
  follow_register(now, what);
  follow_queue(now, index, resumes);
  if (offset == reg::gcmd::offset || offset == reg::ccmd::offset || offset == reg::ccmd::offset + 4)
    read_ahead(now);
  read_both(now, index, offset & ~7U, 8);
  read_both(now, index, reg::gsts::offset, 4);
  read_both(now, index, reg::fsts::offset, 4);
  read_both(now, index, reg::fectl::offset, 4);
  read_both(now, index, now.caps.cap.fault_record_offset() + 8, 8);
  if (now.queue_steps.contains(index) || offset >= reg::iqh::offset) read_queue(now, index);
}

// Only if all of it goes to what is the same in both machines.
bool comparer::may_run(const transfer& what) {
  for (std::uint64_t done = 0; done < what.bytes;) {
    const std::uint64_t address = what.address + done;
    const auto host = model_.destination(what.device, what.to_memory, address);
    if (host && is_off_limits(*host)) return false;
    done += spec::page_piece(address, what.bytes - done);
  }
  return true;
}

void comparer::perform(run_state& now, std::size_t index) {
  const step& what = now.run.steps[index];
  const std::uint32_t record = now.caps.cap.fault_record_offset();
  const auto offset = static_cast<std::uint32_t>(what.address);
  model_.forget();
  switch (what.kind) {
  case step_kind::store:
    qemu_.store(what.address, what.value);
    model_.store(what.address, what.value);
    return;
  case step_kind::read_register:
    read_both(now, index, offset, what.bytes);
    return;
  case step_kind::write_register:
    write_register(now, index, what);
    if (offset == reg::iqt::offset || offset == reg::iqt::offset + 4) now.software.follow(model_);
    return;
  case step_kind::append:
    return append(now, what);
  case step_kind::submit:
    append(now, what);
    return write_register(now, index, told(now.software));
  case step_kind::reset:
    qemu_.reset();
    model_.reset();
    now.memory.clear();
    now.queue.clear();
    now.software.follow(model_);
    now.contexts_refused = now.iotlb_refused = false;
    read_everything(now, index);
    return;
  case step_kind::dma:
    break;
  }
  if (!may_run(what.what)) {
    now.left_out.push_back(index);
    return;
  }
  now.cached = false;
  for (std::uint64_t done = 0; done < what.what.bytes && model_.unit().translation_enabled();) {
    const std::uint64_t address = what.what.address + done;
    const remap::dma_access access{devices[what.what.device],
                                   what.what.to_memory ? remap::access_kind::write : remap::access_kind::read,
                                   remap::address_type::untranslated, address};
    now.cached |= now.memory.may_hold_page(access.source, address);
    now.stale |= now.memory.may_be_stale(access, model_.unit().root_table());
    now.memory.add(access, model_.unit().root_table());
    done += spec::page_piece(address, what.what.bytes - done);
  }
  qemu_.dma(what.what);
  model_.dma(what.what);
  ++now.out.dmas;
  now.faulted_step = index;
  now.faults = model_.faults();
  read_both(now, index, reg::fsts::offset, 4);
  read_both(now, index, reg::fectl::offset, 4);
  read_both(now, index, record, 8);
  read_both(now, index, record + 8, 8);
}

// A record that was explained when it was made stays as it is, but for its F.
bool comparer::is_explained_record(const run_state& now, const difference& what) {
  if (what.what != difference::kind::register_value || !now.explained_record) return false;
  const std::uint64_t first = record_high(now.caps);
  if (what.address < first || what.address + what.bytes > first + 8) return false;
  const auto shift = static_cast<unsigned>(8 * (what.address - first));
  const auto part = [&](std::uint64_t value) {
    return ((value & ~reg::frcd_hi::f::mask) >> shift) & spec::low_bits(8 * what.bytes);
  };
  const std::uint64_t f = (reg::frcd_hi::f::mask >> shift) & spec::low_bits(8 * what.bytes);
  return ((what.ours ^ what.theirs) & f) == 0 && (what.ours & ~f) == part(now.explained_record->ours) &&
         (what.theirs & ~f) == part(now.explained_record->theirs);
}

bool comparer::judge(run_state& now, const difference& what) {
  if (is_explained_record(now, what)) return true;
  const auto of_step = [&](const sample& s) { return s.step == what.step; };
  const auto first = std::find_if(now.samples.begin(), now.samples.end(), of_step);
  const auto end = std::find_if_not(first, now.samples.end(), of_step);
  circumstances when;
  when.run = &now.run;
  when.at = &now.run.steps[what.step];
  when.samples = {first, end};
  if (const auto queue = now.queue_steps.find(what.step); queue != now.queue_steps.end())
    when.queue = &queue->second;
  if (what.step == now.faulted_step) {
    when.faults = now.faults;
    when.cached = now.cached;
  }
  for (const deviation& each : all_deviations()) {
    if (each.explains == nullptr || !each.explains(what, when)) continue;
    ++now.out.explained[each.name];
    now.ended |= each.parts_ways;
    if (what.what == difference::kind::register_value && what.bytes == 8 &&
        what.address == record_high(now.caps))
      now.explained_record = what;
    return !each.parts_ways;
  }
  now.out.unexplained = what;
  now.ended = true;
  return false;
}

bool comparer::judge(run_state& now) {
  qemu_.sync();
  for (; now.judged < now.samples.size(); ++now.judged) {
    const sample& s = now.samples[now.judged];
    if (s.ours == s.theirs) continue;
    if (!judge(now, {difference::kind::register_value, s.offset, s.bytes, s.ours, s.theirs, s.step}))
      return false;
  }
  return true;
}

std::optional<difference> comparer::compare_contents(std::size_t index, bool everywhere, bool buffers) {
  if (const auto at = model_.memory().first_difference(qemu_.memory(), everywhere)) {
    return difference{difference::kind::memory,
                      *at,
                      1,
                      static_cast<std::uint64_t>(*model_.memory().at(*at)),
                      static_cast<std::uint64_t>(*qemu_.memory().at(*at)),
                      index};
  }
  if (!buffers) return {};
  for (unsigned device = 0; device < device_count; ++device) {
    const auto ours = model_.buffer(device);
    const auto theirs = qemu_.buffer(device);
    const auto [mine, other] = std::mismatch(ours.begin(), ours.end(), theirs.begin());
    if (mine == ours.end()) continue;
    return difference{
        difference::kind::buffer, device, 1, static_cast<std::uint64_t>(mine - ours.begin()), 0, index};
  }
  return {};
}

void comparer::replay_on_model(const run_state& now, std::size_t last, const model_choice& choice) {
  queue_writer software;
  const auto store = [this](std::uint64_t at, std::uint64_t word) { model_.store(at, word); };
  model_.restart(choice);
  for (std::size_t i = 0; i <= last; ++i) {
    const step& each = now.run.steps[i];
    if (std::find(now.left_out.begin(), now.left_out.end(), i) != now.left_out.end()) continue;
    model_.forget();
    switch (each.kind) {
    case step_kind::store:
      model_.store(each.address, each.value);
      break;
    case step_kind::write_register:
      model_.write_register(static_cast<std::uint32_t>(each.address), each.bytes, each.value);
      if (each.address == reg::iqt::offset || each.address == reg::iqt::offset + 4) software.follow(model_);
      break;
    case step_kind::read_register:
      break;
    case step_kind::dma:
      model_.dma(each.what);
      break;
    case step_kind::append:
      for (unsigned count = each.times; count != 0; --count)
        software.append(model_, {each.address, each.value}, store);
      break;
    case step_kind::submit:
      software.append(model_, {each.address, each.value}, store);
      model_.write_register(reg::iqt::offset, 8, software.tail());
      break;
    case step_kind::reset:
      model_.reset();
      software.follow(model_);
      break;
    }
  }
}

// Is what QEMU shows now what one of our other configurations of caches would show?
bool comparer::matches_another_choice(const run_state& now, std::size_t last) {
  std::vector<sample> seen(
      std::find_if(now.samples.begin(), now.samples.end(), [=](const sample& s) { return s.step == last; }),
      now.samples.end());
  for (unsigned bits = 0; bits < 8; ++bits) {
    model_choice choice;
    choice.context_cache = (bits & 1) != 0;
    choice.iotlb = (bits & 2) != 0;
    choice.structure_caches = (bits & 4) != 0;
    replay_on_model(now, last, choice);
    for (sample& s : seen)
      model_.read_register(s.offset, s.bytes, &s.ours);
    const circumstances when{&now.run, &now.run.steps[last], model_.faults(), now.cached, seen, nullptr};
    const bool same = std::all_of(seen.begin(), seen.end(), [&](const sample& s) {
      if (s.ours == s.theirs) return true;
      const difference d{difference::kind::register_value, s.offset, s.bytes, s.ours, s.theirs, last};
      if (is_explained_record(now, d)) return true;
      return std::any_of(all_deviations().begin(), all_deviations().end(), [&](const deviation& each) {
        return each.explains != nullptr && each.explains(d, when);
      });
    });
    if (same && !compare_contents(last, false, true)) return true;
  }
  return false;
}

// Old or new are both right, and the next steps would depend on which it was.
void comparer::end_stale(run_state& now, std::size_t index) {
  judge(now);
  std::optional<difference> found = now.out.unexplained;
  if (!found && !now.ended) found = compare_contents(index, false, true);
  if (!found) return;
  now.out.unexplained.reset();
  if (matches_another_choice(now, index)) {
    ++now.out.explained[name::stale];
  } else if (now.memory.may_pass_through(devices[now.run.steps[index].what.device])) {
    ++now.out.explained[name::early_pass_through];
  } else if (now.cached) {
    ++now.out.explained[name::iotlb_by_requester];
  } else {
    now.out.unexplained = found;
  }
}

void comparer::finish(run_state& now, std::size_t last) {
  if (now.out.unexplained) return;
  if (!now.ended) {
    read_everything(now, last);
    if (!judge(now)) return;
  }
  if (now.ended) return;
  if (const auto different = compare_contents(last, true, true)) judge(now, *different);
}

comparison comparer::run(const program& what) {
  model_.restart(what.choice);
  qemu_.restart();
  run_state now(what, model_, [this](std::uint64_t address, unsigned bytes, remap::table_words& out) {
    if (!guest_memory::contains(address, bytes)) return false;
    out.words[0] = model_.memory().load(address);
    out.words[1] = bytes == 16 ? model_.memory().load(address + 8) : 0;
    return true;
  });
  // Answers are written into it later, so it must not move.
  now.samples.reserve(what.steps.size() * 8 +
                      100 * (1 + static_cast<std::size_t>(
                                     std::count_if(what.steps.begin(), what.steps.end(), [](const step& s) {
                                       return s.kind == step_kind::reset;
                                     }))));
  std::size_t index = 0;
  for (; index < what.steps.size() && !now.ended; ++index) {
    perform(now, index);
    ++now.out.operations;
    if (what.steps[index].kind != step_kind::dma) continue;
    if (now.faulted_step != index) continue; // it was left out
    for (const auto& fault : now.faults)
      ++now.out.faults[spec::condition_info(fault.condition).name];
    const bool overflow = reg::fsts::pfo::get(model_.unit().registers().read<reg::fsts>()) != 0;
    for (const auto& fault : now.faults) {
      if (!fault.recorded && !fault.suppressed && !overflow) ++now.out.explained[name::compression];
    }
    if (now.stale) {
      end_stale(now, index);
      qemu_.sync();
      return now.out;
    }
    if (!judge(now)) break;
    if (const auto different = compare_contents(index, false, false); different && !judge(now, *different))
      break;
  }
  if (!what.steps.empty()) finish(now, std::min(index, what.steps.size() - 1));
  qemu_.sync();
  return now.out;
}

} // namespace vtdsim::differential
