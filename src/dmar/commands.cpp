// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/commands.h"

#include "vtd/spec/invalidation.h"

#include <algorithm>
#include <optional>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;

namespace {
constexpr std::uint64_t last_address = ~std::uint64_t{0};
}

commands::commands(const unit_config& config, const engine::clock& timebase, register_file& registers,
                   remap::translator& translator, unit_state& state, pipeline& requests,
                   protected_memory& protection, fault_recorder& faults, unit_ports& ports)
    : config_(config), timebase_(timebase), registers_(registers), translator_(translator), state_(state),
      requests_(requests), protection_(protection), faults_(faults), ports_(ports) {}

void commands::reset() {
  state_.translation_enabled = false;
  state_.root_table = 0;
  command_at_ = root_at_ = write_buffer_at_ = enable_at_ = never;
  context_at_ = iotlb_at_ = protect_at_ = never;
  iotlb_draining_ = protect_draining_ = false;
  protection_.latch(false);
  ports_.withdraw(0, last_address);
}

template <class Field>
void commands::set_status(bool on) {
  registers_.store<reg::gsts>(Field::set(registers_.read<reg::gsts>(), on ? 1U : 0U));
}

// Register-based invalidations drain the write buffer first where that is needed at all (VT-d 6.8).
cycle commands::write_buffer_cycles() const {
  return config_.needs_write_buffer_flush() ? timebase_.cycles_for(ports_.write_buffer_drain_time()) : 0;
}

// --- What software orders

void commands::global_command(std::uint32_t value, cycle seen) {
  quiet_ = false;
  const bool busy =
      command_at_ != never || root_at_ != never || write_buffer_at_ != never || enable_at_ != never;
  if (busy) {
    ++ignored_;
    return;
  }
  command_value_ = value;
  command_at_ = seen;
}

void commands::context_command(cycle seen) {
  quiet_ = false;
  context_at_ = seen + config_.timing.context_invalidation + write_buffer_cycles();
  tell(unit_command::context_invalidation, command_step::begun, seen);
}

// What is done for an order. Without page-selective invalidation the whole domain goes; hardware may always
// do more than was asked (VT-d 10.4.8).
spec::iotlb_granularity commands::iotlb_granularity_of(std::uint64_t order) const {
  const auto wanted = static_cast<spec::iotlb_granularity>(reg::iotlb::iirg::get(order));
  return wanted == spec::iotlb_granularity::page && !config_.caps.cap.psi() ? spec::iotlb_granularity::domain
                                                                            : wanted;
}

void commands::iotlb_command(cycle seen) {
  quiet_ = false;
  const auto& timing = config_.timing;
  cycle latency = timing.iotlb_invalidation_global;
  switch (iotlb_granularity_of(registers_.read<reg::iotlb>())) {
  case spec::iotlb_granularity::domain:
    latency = timing.iotlb_invalidation_domain;
    break;
  case spec::iotlb_granularity::page:
    latency = timing.iotlb_invalidation_page;
    break;
  default:
    break;
  }
  iotlb_at_ = seen + latency + write_buffer_cycles();
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
    finish_iotlb();
    tell(unit_command::iotlb_invalidation, command_step::ended, now);
  }
  if (protect_at_ <= now) {
    protect_at_ = never;
    protection_.latch(reg::pmen::epm::get(registers_.read<reg::pmen>()) != 0);
    ports_.withdraw(0, last_address);
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
  const bool enable = reg::gcmd::te::get(value) != 0;
  if (enable != state_.translation_enabled) {
    state_.translation_enabled = enable;
    enable_mark_ = requests_.admission_mark();
    enable_at_ = now + config_.timing.command;
    tell(unit_command::translation, command_step::begun, now);
    tell(unit_command::translation, command_step::effective, now);
    ports_.withdraw(0, last_address);
  }
}

void commands::finish_global_command(cycle now) {
  if (root_at_ <= now) {
    root_at_ = never;
    state_.root_table = spec::page_base(registers_.read<reg::rtaddr>());
    if (config_.caps.cap.esrtps()) {
      requests_.poison_all();
      translator_.caches().invalidate_all_contexts();
      translator_.caches().invalidate_all_pages();
    }
    ports_.withdraw(0, last_address);
    set_status<reg::gsts::rtps>(true);
    tell(unit_command::set_root_table, command_step::effective, now);
    tell(unit_command::set_root_table, command_step::ended, now);
  }
  if (write_buffer_at_ <= now) {
    write_buffer_at_ = never;
    ports_.drain_write_buffer();
    set_status<reg::gsts::wbfs>(false);
    tell(unit_command::write_buffer_flush, command_step::effective, now);
    tell(unit_command::write_buffer_flush, command_step::ended, now);
  }
  if (enable_at_ <= now && requests_.drained(enable_mark_, true, true)) {
    enable_at_ = never;
    set_status<reg::gsts::tes>(state_.translation_enabled);
    const auto status = registers_.read<reg::gsts>();
    if (reg::gsts::tes::get(status) == 0 && reg::gsts::ires::get(status) == 0) faults_.remapping_is_off();
    tell(unit_command::translation, command_step::ended, now);
  }
}

// VT-d 6.5.1.1 and 10.4.7: CAIG tells what was done; 0: nothing.
void commands::invalidate_contexts() {
  const auto command = registers_.read<reg::ccmd>();
  const auto domain =
      static_cast<std::uint16_t>(reg::ccmd::did::get(command) & (config_.caps.cap.domain_count() - 1));
  const auto wanted = static_cast<spec::context_granularity>(reg::ccmd::cirg::get(command));
  remap::translation_caches& caches = translator_.caches();
  if (config_.needs_write_buffer_flush()) ports_.drain_write_buffer();
  switch (wanted) {
  case spec::context_granularity::global:
    requests_.poison_all();
    caches.invalidate_all_contexts();
    break;
  case spec::context_granularity::domain:
    requests_.poison_domain(domain);
    caches.invalidate_contexts_of_domain(domain);
    break;
  case spec::context_granularity::device: {
    const spec::source_id source{static_cast<std::uint16_t>(reg::ccmd::sid::get(command))};
    const std::uint16_t ignored =
        spec::function_mask_bits(static_cast<unsigned>(reg::ccmd::fm::get(command)));
    requests_.poison_source(source, ignored);
    caches.invalidate_contexts_of_source(
        source, ignored, config_.context_domain_compared ? std::optional(domain) : std::nullopt);
    break;
  }
  default:
    break;
  }
  ++invalidations_;
  ports_.withdraw(0, last_address);
  const auto done = reg::ccmd::caig::set(command, reg::ccmd::cirg::get(command));
  registers_.store<reg::ccmd>(reg::ccmd::icc::set(done, 0));
}

// VT-d 6.5.1.2 and 10.4.8.
void commands::invalidate_iotlb() {
  using granularity = spec::iotlb_granularity;
  const auto command = registers_.read<reg::iotlb>();
  const spec::cap cap = config_.caps.cap;
  const auto domain = static_cast<std::uint16_t>(reg::iotlb::did::get(command) & (cap.domain_count() - 1));
  auto wanted = iotlb_granularity_of(command);
  const auto order = registers_.read<reg::iva>();
  const auto mask = static_cast<unsigned>(reg::iva::am::get(order));
  if (wanted == granularity::page && mask > cap.mamv()) wanted = granularity::none;
  if (config_.needs_write_buffer_flush()) ports_.drain_write_buffer();
  remap::translation_caches& caches = translator_.caches();
  std::uint64_t first = 0;
  std::uint64_t last = last_address;
  switch (wanted) {
  case granularity::global:
    requests_.poison_all();
    caches.invalidate_all_pages();
    break;
  case granularity::domain:
    requests_.poison_domain(domain);
    caches.invalidate_pages_of_domain(domain);
    break;
  case granularity::page: {
    const auto range = spec::covers(reg::iva::addr::get(order) << spec::page_shift, mask);
    first = range.first;
    last = range.last;
    requests_.poison_domain(domain);
    caches.invalidate_pages(domain, {spec::page_number(first), spec::page_number(last)},
                            reg::iva::ih::get(order) != 0, config_.whole_domain_tables);
    break;
  }
  case granularity::none:
    break;
  }
  ++invalidations_;
  ports_.withdraw(first, last);
  iotlb_granularity_ = static_cast<std::uint64_t>(wanted);
  iotlb_mark_ = requests_.admission_mark();
  iotlb_draining_ = true;
}

void commands::finish_iotlb() {
  iotlb_draining_ = false;
  const auto done = reg::iotlb::iaig::set(registers_.read<reg::iotlb>(), iotlb_granularity_);
  registers_.store<reg::iotlb>(reg::iotlb::ivt::set(done, 0));
}

cycle commands::next_work(cycle now) const {
  cycle next = std::min({command_at_, root_at_, write_buffer_at_, context_at_, iotlb_at_, protect_at_});
  if (enable_at_ != never && enable_at_ > now) next = std::min(next, enable_at_);
  // A drain ends one cycle after the last request left.
  const bool ends = (enable_at_ <= now && requests_.drained(enable_mark_, true, true)) ||
                    (protect_draining_ && requests_.drained(protect_mark_, true, true)) ||
                    (iotlb_draining_ && iotlb_drained());
  return ends ? now + 1 : next;
}

bool commands::iotlb_drained() const {
  const auto command = registers_.read<reg::iotlb>();
  // Parts of VER 2 and later drain always (VT-d 10.4.2, DRD and DWD).
  const bool always = config_.caps.major_version() >= 2;
  const bool reads = always || (reg::iotlb::dr::get(command) != 0 && config_.caps.cap.drd());
  const bool writes = always || (reg::iotlb::dw::get(command) != 0 && config_.caps.cap.dwd());
  return requests_.drained(iotlb_mark_, reads, writes);
}

} // namespace vtd::dmar
