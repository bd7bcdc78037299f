// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/unit.h"

#include <algorithm>
#include <utility>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::picoseconds;

unit::unit(engine::wheel& wheel, unit_config config, unit_ports& ports)
    : component(wheel), config_(checked(std::move(config))), timebase_(wheel.timebase()),
      registers_(config_.caps, config_.protected_region_shift),
      translator_(config_.name, config_.caps, config_.caches), protection_(registers_),
      state_(protection_, config_.checks_translated()),
      pipeline_(config_, timebase_, translator_, state_, *this, ports),
      faults_(config_, registers_, pipeline_, ports),
      removal_(config_, timebase_, translator_, pipeline_, ports),
      queue_(config_, registers_, state_, removal_, pipeline_, faults_, ports),
      commands_(config_, timebase_, registers_, translator_, state_, pipeline_, protection_, faults_,
                removal_, queue_, ports) {}

// The order of the steps is the contract: docs/microarchitecture.md, section 3.
void unit::step(cycle now) {
  stepping_ = true;
  pipeline_.look_and_fill(now);
  if (faults_.next_work() <= now) faults_.step(now);
  if (!commands_.quiet()) commands_.step(now);
  if (!queue_.quiet()) queue_.step(now);
  cycle next = pipeline_.admit_and_respond(now);
  while (!posted_.empty() && posted_.front().at <= now) {
    write_now(posted_.front());
    posted_.pop_front();
  }
  next = std::min(next, faults_.next_work());
  if (!commands_.quiet()) next = std::min(next, commands_.next_work(now));
  if (!queue_.quiet()) next = std::min(next, queue_.next_work(now));
  if (!posted_.empty()) next = std::min(next, posted_.front().at);
  stepping_ = false;
  if (next != engine::never) wake_at(next);
}

// --- Registers

std::uint64_t unit::read_register(std::uint32_t offset, unsigned bytes, picoseconds now, picoseconds ahead) {
  catch_up(now);
  const cycle at = timebase_.last_edge_until(now + ahead);
  if (posted_.empty() || posted_.front().at > at) return registers_.read_bytes(offset, bytes);
  register_file then = registers_;
  for (const posted_write& write : posted_) {
    if (write.at > at) break;
    for (unsigned at_byte = 0; at_byte < write.bytes; at_byte += 4)
      then.write_dword(write.offset + at_byte, write.half(at_byte));
  }
  return then.read_bytes(offset, bytes);
}

void unit::write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value, picoseconds now,
                          picoseconds ahead) {
  catch_up(now);
  if (!registers_.is_legal(offset, bytes)) return;
  const posted_write write{timebase_.last_edge_until(now + ahead), offset, bytes, value};
  if (write.at <= owning_wheel().now()) return write_now(write);
  const auto after = std::upper_bound(posted_.begin(), posted_.end(), write.at,
                                      [](cycle at, const posted_write& other) { return at < other.at; });
  posted_.insert(after, write);
  wake_at(write.at);
}

void unit::write_now(const posted_write& write) {
  // A 64-bit access is two of 32 bits, lower half first; the half that holds a trigger bit triggers
  // (VT-d 10.2).
  const std::uint64_t before = commands_.ignored();
  bool dropped = false;
  for (unsigned at_byte = 0; at_byte < write.bytes; at_byte += 4)
    dropped |= !write_dword(write.offset + at_byte, write.half(at_byte), write.at + 1);
  if (dropped && commands_.ignored() == before) commands_.count_ignored();
}

// False: dropped, because the command of that register is under way.
bool unit::write_dword(std::uint32_t offset, std::uint32_t value, cycle at) {
  // Software may not touch a command register while its command runs; hardware ignores it
  // (VT-d 10.4.7, 10.4.8).
  const bool is_context_command = registers_.is<reg::ccmd>(offset);
  const bool is_iotlb = registers_.is<reg::iotlb>(offset) || registers_.is<reg::iva>(offset);
  if ((is_context_command && commands_.context_busy()) || (is_iotlb && commands_.iotlb_busy())) return false;
  // The queue lies where it lay when it was enabled (VT-d 10.4.23).
  const bool queue_on = reg::gsts::qies::get(registers_.read<reg::gsts>()) != 0;
  if (registers_.is<reg::iqa>(offset) && queue_on) return false;
  registers_.write_dword(offset, value);
  if (offset == reg::gcmd::offset) {
    commands_.global_command(value, at);
  } else if (is_context_command) {
    if (offset == reg::ccmd::offset + 4 && reg::ccmd::icc::get(registers_.read<reg::ccmd>()) != 0) {
      queue_on ? commands_.refuse_context_command() : commands_.context_command(at);
    }
  } else if (is_iotlb) {
    if (registers_.is_upper_half_of<reg::iotlb>(offset) &&
        reg::iotlb::ivt::get(registers_.read<reg::iotlb>()) != 0) {
      queue_on ? commands_.refuse_iotlb_command() : commands_.iotlb_command(at);
    }
  } else if (offset == reg::pmen::offset) {
    if (registers_.has<reg::pmen>()) commands_.protection_command(at);
  } else if (offset == reg::fectl::offset) {
    faults_.control_written(at);
  } else if (offset == reg::fsts::offset || registers_.is<reg::frcd_hi>(offset)) {
    faults_.status_written();
    queue_.look_again(at);
  } else if (registers_.has<reg::iqa>()) {
    queue_register_written(offset, at);
  }
  wake_for(at);
  return true;
}

void unit::queue_register_written(std::uint32_t offset, cycle at) {
  if (registers_.is<reg::iqt>(offset)) {
    queue_.look_again(at);
  } else if (registers_.is<reg::iqa>(offset)) {
    queue_.address_written();
  } else if (offset == reg::ics::offset) {
    queue_.completion_status_written();
  } else if (offset == reg::iectl::offset) {
    queue_.control_written(at);
  }
}

// --- Requests, cycle by cycle

bool unit::offer(unsigned port, const request& what, picoseconds now) {
  const cycle at = seen(now);
  if (!pipeline_.offer(port, what, at)) return false;
  wake_for(at);
  return true;
}

void unit::answered(unsigned slot, bool ok, picoseconds now) {
  const cycle at = seen(now);
  pipeline_.answered(slot, ok, at);
  wake_for(at);
}

void unit::table_answered(unsigned walker, bool ok, const remap::table_words& words, picoseconds now) {
  const cycle at = seen(now);
  pipeline_.table_answered(walker, ok, words, at);
  wake_for(at);
}

void unit::descriptor_answered(unsigned tag, bool ok, const descriptor_words& words, picoseconds now) {
  const cycle at = seen(now);
  queue_.fetched(tag, ok, words, at);
  wake_for(at);
}

void unit::status_answered(unsigned tag, bool ok, picoseconds now) {
  const cycle at = seen(now);
  queue_.status_answered(tag, ok, at);
  wake_for(at);
}

void unit::log_read_answered(unsigned tag, bool ok, const descriptor_words& words, picoseconds now) {
  const cycle at = seen(now);
  faults_.log().read_answered(tag, ok, words, at);
  wake_for(at);
}

void unit::log_write_answered(unsigned tag, bool ok, picoseconds now) {
  const cycle at = seen(now);
  faults_.log().write_answered(tag, ok, at);
  wake_for(at);
}

void unit::device_completed(const spec::ats::invalidation_completion& what, picoseconds now) {
  const cycle at = seen(now);
  queue_.device_completed(what, at);
  wake_for(at);
}

void unit::memory_port_free(picoseconds now) {
  const cycle at = seen(now);
  pipeline_.memory_port_free(at);
  wake_for(at);
}

bool unit::response_taken(unsigned port, picoseconds now) {
  const cycle at = seen(now);
  if (!pipeline_.response_taken(port, at)) return false;
  wake_for(at);
  return true;
}

// --- Requests, at once

std::optional<std::uint64_t> unit::probe(const request& piece, remap::memory_port& memory) const {
  return pipeline_.probe(piece, memory);
}

std::optional<unit::direct_page> unit::direct(const remap::dma_access& access) {
  if (access.type != remap::address_type::untranslated || spec::in_interrupt_range(access.address)) return {};
  if (!translation_enabled()) {
    // All but the interrupt range and what is protected: a page at a time keeps it simple.
    const std::uint64_t first = spec::page_base(access.address);
    if (protection_.touches(first, spec::page_size)) return {};
    return direct_page{first, first + spec::page_size - 1, first, true, true};
  }
  const remap::translation_caches& caches = translator_.caches();
  const remap::context_value* context = caches.contexts().peek(remap::context_tag{access.source});
  if (context == nullptr || context->absent != spec::fault_condition::none ||
      context->type == spec::translation_type::pass_through || access.address >> context->input_width != 0) {
    return {};
  }
  const remap::page_value* page = caches.peek_page(context->domain_id, access.address);
  if (page == nullptr || page->absent != spec::fault_condition::none) return {};
  const bool checks_output = translator_.rules().caps().output_range_check;
  // The page whole, or what of it holds the address.
  for (const std::uint64_t bytes : {spec::level_size(page->level), spec::page_size}) {
    const std::uint64_t first = access.address & ~(bytes - 1);
    const std::uint64_t host = page->page + (first & (spec::level_size(page->level) - 1));
    if (spec::touches_interrupt_range(first, bytes) ||
        (checks_output && spec::touches_interrupt_range(host, bytes)) || state_.forbids(host, bytes, true)) {
      continue;
    }
    pipeline_.direct_was_given();
    return direct_page{first, first + (bytes - 1), host, page->read, page->write};
  }
  return {};
}

// --- State

void unit::on_fault(const remap::dma_access& access, const remap::translation& result, cycle now) {
  faults_.log(access, result, now);
  wake_for(faults_.next_work());
}

unit_statistics unit::statistics() const {
  unit_statistics all = pipeline_.statistics();
  all.invalidations = removal_.count();
  all.descriptors = queue_.statistics().descriptors;
  all.waits = queue_.statistics().waits;
  all.interrupt_entry_invalidations = queue_.statistics().interrupt_entries;
  all.queue_errors = queue_.statistics().errors;
  all.device_invalidations = queue_.devices().statistics().requests;
  all.device_timeouts = queue_.devices().statistics().timeouts;
  all.unexpected_completions = queue_.devices().statistics().unexpected;
  all.ignored_orders = commands_.ignored();
  return all;
}

void unit::clear_statistics() {
  pipeline_.statistics() = {};
  commands_.clear_statistics();
  removal_.clear_statistics();
  queue_.clear_statistics();
  translator_.caches().clear_statistics();
}

void unit::set_observer(unit_observer* observer) {
  observer_ = observer;
  pipeline_.set_observer(observer);
  faults_.set_unit_observer(observer);
  commands_.set_observer(observer);
  queue_.set_observer(observer);
}

void unit::reset(bool power_on) {
  posted_.clear();
  registers_.reset(power_on);
  translator_.caches().invalidate_all_contexts();
  translator_.caches().invalidate_all_pages();
  pipeline_.reset();
  faults_.reset();
  queue_.reset();
  commands_.reset();
  if (observer_ != nullptr) observer_->on_reset(owning_wheel().now());
  // Requests that were inside are to be answered.
  wake_for(owning_wheel().now() + 1);
}

} // namespace vtd::dmar
