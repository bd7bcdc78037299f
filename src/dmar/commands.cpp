// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/commands.h"

#include "vtd/spec/invalidation.h"

#include <algorithm>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;

commands::commands(const unit_config& config, const engine::clock& timebase, register_file& registers,
                   remap::translator& translator, unit_state& state, pipeline& requests,
                   protected_memory& protection, fault_recorder& faults, invalidator& removal,
                   invalidation_queue& queue, unit_ports& ports)
    : config_(config), timebase_(timebase), registers_(registers), translator_(translator), state_(state),
      requests_(requests), protection_(protection), faults_(faults), removal_(removal), queue_(queue),
      ports_(ports) {}

void commands::reset() {
  state_.translation_enabled = false;
  state_.root_table = 0;
  state_.table_mode = 0;
  command_at_ = root_at_ = write_buffer_at_ = enable_at_ = queue_at_ = never;
  log_at_ = log_enable_at_ = never;
  context_at_ = iotlb_at_ = protect_at_ = never;
  iotlb_draining_ = protect_draining_ = false;
  iotlb_end_ = never;
  protection_.latch(false);
  ports_.withdraw_all();
}

template <class Field>
void commands::set_status(bool on) {
  registers_.store<reg::gsts>(Field::set(registers_.read<reg::gsts>(), on ? 1U : 0U));
}

// --- What software orders

void commands::global_command(std::uint32_t value, cycle seen) {
  quiet_ = false;
  const bool busy = command_at_ != never || root_at_ != never || write_buffer_at_ != never ||
                    enable_at_ != never || queue_at_ != never || log_at_ != never || log_enable_at_ != never;
  if (busy) {
    ++ignored_;
    return;
  }
  command_value_ = value;
  command_at_ = seen;
}

void commands::context_command(cycle seen) {
  quiet_ = false;
  context_at_ = seen + removal_.cycles(ordered_contexts());
  tell(unit_command::context_invalidation, command_step::begun, seen);
}

void commands::iotlb_command(cycle seen) {
  quiet_ = false;
  iotlb_at_ = seen + removal_.cycles(ordered_pages());
  tell(unit_command::iotlb_invalidation, command_step::begun, seen);
}

void commands::protection_command(cycle seen) {
  quiet_ = false;
  protect_at_ = seen;
  tell(unit_command::protected_memory, command_step::begun, seen);
}

// --- What hardware does

void commands::step(cycle now) {
  if (command_at_ <= now) start_global_command(now);
  finish_global_command(now);
  if (context_at_ <= now) {
    context_at_ = never;
    invalidate_contexts();
    tell(unit_command::context_invalidation, command_step::effective, now);
    tell(unit_command::context_invalidation, command_step::ended, now);
  }
  if (iotlb_at_ <= now) {
    iotlb_at_ = never;
    invalidate_iotlb();
    tell(unit_command::iotlb_invalidation, command_step::effective, now);
  }
  if (iotlb_draining_ && iotlb_drained()) {
    iotlb_draining_ = false;
    iotlb_end_ = now + removal_.drain_cycles(ordered_pages());
  }
  if (iotlb_end_ <= now) {
    finish_iotlb();
    tell(unit_command::iotlb_invalidation, command_step::ended, now);
  }
  if (protect_at_ <= now) {
    protect_at_ = never;
    protection_.latch(reg::pmen::epm::get(registers_.read<reg::pmen>()) != 0);
    ports_.withdraw_all();
    protect_mark_ = requests_.admission_mark();
    protect_draining_ = true;
    tell(unit_command::protected_memory, command_step::effective, now);
  }
  if (protect_draining_ && requests_.drained(protect_mark_, true, true)) {
    protect_draining_ = false;
    registers_.store<reg::pmen>(
        reg::pmen::prs::set(registers_.read<reg::pmen>(), protection_.active() ? 1U : 0U));
    tell(unit_command::protected_memory, command_step::ended, now);
  }
  quiet_ = !drains() && next_work(now) == never;
}

void commands::start_global_command(cycle now) {
  command_at_ = never;
  const std::uint32_t value = command_value_;
  if (reg::gcmd::srtp::get(value) != 0) {
    set_status<reg::gsts::rtps>(false);
    root_at_ = now + config_.timing.command;
    tell(unit_command::set_root_table, command_step::begun, now);
  }
  // Ignored where no flush is ever required (VT-d 10.4.4).
  if (reg::gcmd::wbf::get(value) != 0 && config_.needs_write_buffer_flush()) {
    set_status<reg::gsts::wbfs>(true);
    tell(unit_command::write_buffer_flush, command_step::begun, now);
    write_buffer_at_ = now + std::max<cycle>(timebase_.cycles_for(ports_.write_buffer_drain_time()), 1);
  }
  const bool queue = reg::gcmd::qie::get(value) != 0 && registers_.has<reg::iqa>();
  if (queue != queue_.enabled()) {
    queue_at_ = now + config_.timing.command;
    if (!queue) queue_.stop();
    tell(unit_command::invalidation_queue, command_step::begun, now);
  }
  // Without CAP.AFL both bits are reserved (VT-d 10.4.4).
  if (registers_.has<reg::aflog>()) {
    if (reg::gcmd::sfl::get(value) != 0) {
      set_status<reg::gsts::fls>(false);
      log_at_ = now + config_.timing.command;
      tell(unit_command::fault_log_pointer, command_step::begun, now);
    }
    const bool on = reg::gsts::afls::get(registers_.read<reg::gsts>()) != 0;
    if ((reg::gcmd::eafl::get(value) != 0) != on) {
      log_enable_at_ = now + config_.timing.command;
      tell(unit_command::fault_log, command_step::begun, now);
    }
  }
  const bool enable = reg::gcmd::te::get(value) != 0;
  if (enable != state_.translation_enabled) {
    state_.translation_enabled = enable;
    enable_mark_ = requests_.admission_mark();
    enable_at_ = now + config_.timing.command;
    tell(unit_command::translation, command_step::begun, now);
    tell(unit_command::translation, command_step::effective, now);
    ports_.withdraw_all();
  }
}

void commands::finish_global_command(cycle now) {
  if (root_at_ <= now) {
    root_at_ = never;
    state_.root_table = spec::page_base(registers_.read<reg::rtaddr>());
    state_.table_mode = static_cast<std::uint8_t>(reg::rtaddr::ttm::get(registers_.read<reg::rtaddr>()));
    if (config_.caps.cap.esrtps()) {
      requests_.poison_all();
      translator_.caches().invalidate_all_contexts();
      translator_.caches().invalidate_all_pages();
    }
    ports_.withdraw_all();
    set_status<reg::gsts::rtps>(true);
    tell(unit_command::set_root_table, command_step::effective, now);
    tell(unit_command::set_root_table, command_step::ended, now);
  }
  if (log_at_ <= now) {
    log_at_ = never;
    faults_.log().latch();
    set_status<reg::gsts::fls>(true);
    tell(unit_command::fault_log_pointer, command_step::effective, now);
    tell(unit_command::fault_log_pointer, command_step::ended, now);
  }
  if (log_enable_at_ <= now) {
    log_enable_at_ = never;
    const bool on = reg::gcmd::eafl::get(command_value_) != 0;
    faults_.log().enable(on);
    set_status<reg::gsts::afls>(on);
    tell(unit_command::fault_log, command_step::effective, now);
    tell(unit_command::fault_log, command_step::ended, now);
  }
  if (write_buffer_at_ <= now) {
    write_buffer_at_ = never;
    ports_.drain_write_buffer();
    set_status<reg::gsts::wbfs>(false);
    tell(unit_command::write_buffer_flush, command_step::effective, now);
    tell(unit_command::write_buffer_flush, command_step::ended, now);
  }
  if (queue_at_ <= now && queue_.at_rest()) {
    queue_at_ = never;
    const bool on = reg::gsts::qies::get(registers_.read<reg::gsts>()) == 0;
    if (on) {
      queue_.start(now);
    } else {
      queue_.reset_head();
    }
    set_status<reg::gsts::qies>(on);
    tell(unit_command::invalidation_queue, command_step::effective, now);
    tell(unit_command::invalidation_queue, command_step::ended, now);
  }
  if (enable_at_ <= now && requests_.drained(enable_mark_, true, true)) {
    enable_at_ = never;
    set_status<reg::gsts::tes>(state_.translation_enabled);
    const auto status = registers_.read<reg::gsts>();
    if (reg::gsts::tes::get(status) == 0 && reg::gsts::ires::get(status) == 0) faults_.remapping_is_off();
    tell(unit_command::translation, command_step::ended, now);
  }
}

// Neither parts of VER 6 and later nor those whose tables are not of legacy mode take orders by these
// registers (VT-d 10.4.7, 10.4.8): nothing is done, and CAIG and IAIG say so.
bool commands::take_invalidations() const {
  return config_.caps.major_version() < first_version_without_register_invalidation && state_.table_mode == 0;
}

context_order commands::ordered_contexts() const {
  const auto order = registers_.read<reg::ccmd>();
  const auto wanted = static_cast<spec::context_granularity>(reg::ccmd::cirg::get(order));
  return {take_invalidations() ? wanted : spec::context_granularity::none,
          static_cast<std::uint16_t>(reg::ccmd::did::get(order)),
          spec::source_id{static_cast<std::uint16_t>(reg::ccmd::sid::get(order))},
          static_cast<unsigned>(reg::ccmd::fm::get(order))};
}

page_order commands::ordered_pages() const {
  const auto order = registers_.read<reg::iotlb>();
  const auto range = registers_.read<reg::iva>();
  const auto wanted = static_cast<spec::iotlb_granularity>(reg::iotlb::iirg::get(order));
  return {take_invalidations() ? wanted : spec::iotlb_granularity::none,
          static_cast<std::uint16_t>(reg::iotlb::did::get(order)),
          reg::iva::addr::get(range) << spec::page_shift,
          static_cast<unsigned>(reg::iva::am::get(range)),
          reg::iva::ih::get(range) != 0,
          reg::iotlb::dr::get(order) != 0,
          reg::iotlb::dw::get(order) != 0};
}

// VT-d 10.4.7: CAIG tells what was done; 0: nothing.
void commands::invalidate_contexts() {
  const auto done = static_cast<std::uint64_t>(removal_.remove(ordered_contexts()));
  const auto command = reg::ccmd::caig::set(registers_.read<reg::ccmd>(), done);
  registers_.store<reg::ccmd>(reg::ccmd::icc::set(command, 0));
}

void commands::refuse_context_command() {
  ++ignored_;
  const auto command = reg::ccmd::caig::set(registers_.read<reg::ccmd>(), 0);
  registers_.store<reg::ccmd>(reg::ccmd::icc::set(command, 0));
}

void commands::refuse_iotlb_command() {
  ++ignored_;
  const auto command = reg::iotlb::iaig::set(registers_.read<reg::iotlb>(), 0);
  registers_.store<reg::iotlb>(reg::iotlb::ivt::set(command, 0));
}

// VT-d 10.4.8.
void commands::invalidate_iotlb() {
  iotlb_granularity_ = static_cast<std::uint64_t>(removal_.remove(ordered_pages()));
  iotlb_mark_ = requests_.admission_mark();
  iotlb_draining_ = true;
}

void commands::finish_iotlb() {
  iotlb_end_ = never;
  const auto done = reg::iotlb::iaig::set(registers_.read<reg::iotlb>(), iotlb_granularity_);
  registers_.store<reg::iotlb>(reg::iotlb::ivt::set(done, 0));
}

cycle commands::next_work(cycle now) const {
  cycle next = std::min({command_at_, root_at_, write_buffer_at_, log_at_, log_enable_at_, context_at_,
                         iotlb_at_, iotlb_end_, protect_at_});
  if (enable_at_ > now) next = std::min(next, enable_at_);
  if (queue_at_ > now) next = std::min(next, queue_at_);
  // A drain ends one cycle after the last request left.
  const bool ends = (enable_at_ <= now && requests_.drained(enable_mark_, true, true)) ||
                    (queue_at_ <= now && queue_.at_rest()) ||
                    (protect_draining_ && requests_.drained(protect_mark_, true, true)) ||
                    (iotlb_draining_ && iotlb_drained());
  return ends ? now + 1 : next;
}

bool commands::iotlb_drained() const { return removal_.drained(ordered_pages(), iotlb_mark_); }

} // namespace vtd::dmar
