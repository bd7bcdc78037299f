// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/unit.h"

#include "vtd/driver/text.h"
#include "vtd/spec/ats.h"
#include "vtd/spec/invalidation.h"
#include "vtd/spec/registers.h"

#include <algorithm>
#include <cinttypes>
#include <span>
#include <utility>

namespace vtd::driver {

namespace reg = spec::reg;

namespace {

// GSTS bits that are answers to one-shot commands: written back to GCMD they would order again. VT-d 10.4.4
constexpr std::uint32_t one_shot =
    reg::gcmd::srtp::mask | reg::gcmd::sfl::mask | reg::gcmd::wbf::mask | reg::gcmd::sirtp::mask;

/// "GSTS" for GSTS_REG.
template <class Register>
std::string short_name() {
  constexpr std::string_view name = Register::layout.name;
  return std::string(name.substr(0, name.find("_REG")));
}

} // namespace

unit::unit(hardware& machine, unsigned index, const unit_info& info, unsigned host_address_width,
           const unit_options& options, const omit& forget)
    : machine_(machine), index_(index), info_(info), options_(options), forget_(forget),
      registers_(machine, info.base), version_(registers_.read<reg::version>()),
      capability_{registers_.read<reg::cap_reg>()}, extended_{registers_.read<reg::ecap_reg>()},
      tables_(machine, !extended_.c(), forget) {
  check_capabilities(host_address_width);
}

std::string unit::name() const { return printed("dmar%u", index_); }

unit_error unit::failure(unit_step step, const std::string& text) const {
  return {step, printed("%s at 0x%" PRIx64 ": %s: %s", name().c_str(), info_.base,
                        std::string(step_name(step)).c_str(), text.c_str())};
}

void unit::check_capabilities(unsigned host_address_width) const {
  constexpr std::uint64_t all_ones = ~std::uint64_t{0};
  if (capability_.value == all_ones && extended_.value == all_ones) {
    throw failure(unit_step::probe, "[Firmware Bug]: the table names it and its registers return all ones");
  }
  // Each of the two has reserved bits, and neither is 0 on a unit that can do anything.
  const auto no_answer = [](std::uint64_t value) { return value == all_ones || value == 0; };
  if (no_answer(capability_.value) || extended_.value == all_ones) {
    throw failure(unit_step::probe,
                  printed("CAP reads 0x%" PRIx64 ", ECAP 0x%" PRIx64 ", expected a remapping unit",
                          capability_.value, extended_.value));
  }
  if (capability_.largest_agaw() < 0) {
    throw failure(unit_step::probe,
                  printed("SAGAW is 0x%x, expected at least one width", capability_.sagaw()));
  }
  if (host_address_width == 0) throw failure(unit_step::probe, "host address width is 0, expected 1 to 64");
  // Both offsets come from the unit: one that leads into the fixed registers would make commands of fault
  // records.
  constexpr std::uint32_t fixed_registers = reg::phmlimit::offset + reg::phmlimit::size_bits / 8;
  if (capability_.fault_record_offset() < fixed_registers) {
    throw failure(unit_step::probe,
                  printed("FRO is 0x%x, fault records at 0x%x; expected 0x%x or above", capability_.fro(),
                          capability_.fault_record_offset(), fixed_registers));
  }
  if (extended_.iotlb_offset() < fixed_registers) {
    throw failure(unit_step::probe, printed("IRO is 0x%x, IOTLB registers at 0x%x; expected 0x%x or above",
                                            extended_.iro(), extended_.iotlb_offset(), fixed_registers));
  }
}

unsigned unit::input_width() const {
  return std::min(capability_.mgaw(), spec::width_of_agaw(static_cast<unsigned>(capability_.largest_agaw())));
}

bool unit::supports_levels(unsigned levels) const {
  return levels >= 2 && capability_.supports_agaw(spec::agaw_of_levels(levels));
}

// --- Commands

// Every wait of the driver. The registers waited for have reserved bits that read 0, so all ones is no answer
// of theirs: whatever was there has gone, and no field of the value means anything.
template <class Register, class Field>
void unit::await(unit_step step, register_word<Register> wanted, std::uint64_t block) {
  using word = register_word<Register>;
  constexpr word all_ones = static_cast<word>(~word{0});
  word value = 0;
  const auto answered = [&] {
    value = registers_.read<Register>(block);
    return Field::get(value) == wanted || value == all_ones;
  };
  const bool in_time = machine_.wait_until(answered, options_.timeout_ns);
  const std::string name = short_name<Register>();
  const std::string field = name + "." + std::string(Field::row.name);
  if (value == all_ones) {
    throw failure(step, printed("%s reads all ones, the unit has stopped answering; expected %s = %u",
                                name.c_str(), field.c_str(), static_cast<unsigned>(wanted)));
  }
  if (!in_time) {
    throw failure(step, printed("%s is %u after %" PRIu64 " ns, expected %u (%s reads 0x%" PRIx64 ")",
                                field.c_str(), static_cast<unsigned>(Field::get(value)), options_.timeout_ns,
                                static_cast<unsigned>(wanted), name.c_str(), std::uint64_t{value}));
  }
}

// VT-d 10.4.4: the new value is the status without its one-shot bits, with one bit changed.
template <class Status>
void unit::command(unit_step step, std::uint32_t bit, bool on, bool status_on) {
  std::uint32_t value = forget_.status_in_command ? 0 : registers_.read<reg::gsts>();
  if (!forget_.command_mask) value &= ~one_shot;
  if (on) unanswered_ |= bit;
  registers_.write<reg::gcmd>(on ? value | bit : value & ~bit);
  await<reg::gsts, Status>(step, status_on ? 1 : 0);
  unanswered_ &= ~bit;
}

// A status of 0 is no "off" while the order to switch on has no answer: it may still take effect. VT-d 10.4.4
template <class Status>
void unit::switch_off(unit_step step, std::uint32_t bit) {
  const bool is_on = Status::get(registers_.read<reg::gsts>()) != 0;
  if (is_on || (unanswered_ & bit) != 0) command<Status>(step, bit, false, false);
}

// The other bits of FECTL are reserved and keep their value. VT-d 10.4.10
void unit::mask_fault_event(bool masked) {
  registers_.write<reg::fectl>(reg::fectl::im::set(registers_.read<reg::fectl>(), masked ? 1 : 0));
}

void unit::quiesce() {
  if (!forget_.translation_off_first)
    switch_off<reg::gsts::tes>(unit_step::translation_off, reg::gcmd::te::mask);
  switch_off<reg::gsts::ires>(unit_step::interrupt_remapping_off, reg::gcmd::ire::mask);
  switch_off<reg::gsts::qies>(unit_step::queue_off, reg::gcmd::qie::mask);
  // After all that still reports to it: left on, it would get the faults instead of the records. VT-d 7.3.2
  if (capability_.afl()) switch_off<reg::gsts::afls>(unit_step::fault_log, reg::gcmd::eafl::mask);
  mask_fault_event(true);
  // What a start or stop that failed could not take back: nothing uses it now.
  queue_.reset();
  fault_log_.reset();
  const fault_batch old = take_faults();
  // A status bit of the old log would hold back the event of every later fault. VT-d 7.4
  constexpr std::uint32_t of_the_log = reg::fsts::apf::mask | reg::fsts::afo::mask;
  if (old.answered && (old.status & of_the_log) != 0) registers_.write<reg::fsts>(of_the_log);
}

void unit::prepare(std::function<void()> on_fault) {
  flush_write_buffer();
  enable_queue();
  if (!forget_.root_table_pointer) {
    registers_.write<reg::rtaddr>(tables_.address());
    command<reg::gsts::rtps>(unit_step::root_table_pointer, reg::gcmd::srtp::mask, true, true);
  }
  if (!forget_.context_invalidation_at_start) invalidate_context_global();
  if (!forget_.iotlb_invalidation_at_start) invalidate_iotlb_global();
  enable_fault_log();
  set_up_fault_event(std::move(on_fault));
}

// VT-d 10.4.4: the log is taken over, then used.
void unit::enable_fault_log() {
  if (fault_log_ || !capability_.afl() || !options_.use_fault_log) return;
  fault_log_ = std::make_unique<fault_log>(machine_);
  registers_.write<reg::aflog>(fault_log_->address());
  command<reg::gsts::fls>(unit_step::fault_log, reg::gcmd::sfl::mask, true, true);
  command<reg::gsts::afls>(unit_step::fault_log, reg::gcmd::eafl::mask, true, true);
}

void unit::disable_fault_log() {
  if (!fault_log_) return;
  switch_off<reg::gsts::afls>(unit_step::fault_log, reg::gcmd::eafl::mask);
  fault_log_.reset();
}

void unit::set_up_fault_event(std::function<void()> on_fault) {
  if (forget_.fault_interrupt || !on_fault) return;
  try {
    fault_vector_ = std::make_unique<interrupt_vector>(machine_, std::move(on_fault));
  } catch (const driver_error& error) {
    throw failure(unit_step::fault_interrupt, error.what());
  }
  const vtd_interrupt_message& message = fault_vector_->message();
  registers_.write<reg::fedata>(message.data);
  registers_.write<reg::feaddr>(static_cast<std::uint32_t>(message.address));
  if (extended_.eim()) registers_.write<reg::feuaddr>(static_cast<std::uint32_t>(message.address >> 32));
  mask_fault_event(false);
}

void unit::enable() {
  command<reg::gsts::tes>(unit_step::translation_on, reg::gcmd::te::mask, true, true);
  enabled_ = true;
  protected_memory_off();
}

void unit::protected_memory_off() {
  if (!capability_.plmr() && !capability_.phmr()) return;
  registers_.write<reg::pmen>(registers_.read<reg::pmen>() & ~reg::pmen::epm::mask);
  await<reg::pmen, reg::pmen::prs>(unit_step::protected_memory_off, 0);
}

void unit::disable() {
  switch_off<reg::gsts::tes>(unit_step::translation_off, reg::gcmd::te::mask);
  mask_fault_event(true);
  fault_vector_.reset();
  enabled_ = false;
  disable_fault_log();
  disable_queue();
}

void unit::enable_queue() {
  if (queue_ || !extended_.qi() || !options_.use_queue) return;
  const bool tells_causes = reg::iqercd::layout.exists_in(reg::newest_revision(version_, extended_),
                                                          capability_.value, extended_.value);
  // Held before the order: its pages stay until it is switched off, also where the answer does not come.
  queue_ = std::make_unique<invalidation_queue>(machine_, registers_, tells_causes);
  queue_->program();
  command<reg::gsts::qies>(unit_step::queue_on, reg::gcmd::qie::mask, true, true);
}

// Every batch was waited for: the queue is empty. VT-d 10.4.4
void unit::disable_queue() {
  if (!queue_) return;
  switch_off<reg::gsts::qies>(unit_step::queue_off, reg::gcmd::qie::mask);
  queue_.reset();
}

void unit::flush_write_buffer() {
  if (!needs_write_buffer_flush() || forget_.write_buffer_flush) return;
  command<reg::gsts::wbfs>(unit_step::write_buffer_flush, reg::gcmd::wbf::mask, true, false);
}

// --- Invalidation

void unit::submit(const spec::invalidation_descriptor& what) {
  const auto error = queue_->submit_sync(std::span(&what, 1), options_.timeout_ns);
  if (error) throw failure(unit_step::queued_invalidation, *error);
}

void unit::invalidate_context(const spec::context_cache_descriptor& what) {
  queue_ ? submit(what) : invalidate_context_by_register(what);
}

void unit::invalidate_context_by_register(const spec::context_cache_descriptor& what) {
  const auto asked = static_cast<std::uint64_t>(what.granularity());
  registers_.write<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(asked) |
                              reg::ccmd::did::of(what.domain_id()) |
                              reg::ccmd::sid::of(what.source().value()));
  await<reg::ccmd, reg::ccmd::icc>(unit_step::context_invalidation, 0);
  const auto did = reg::ccmd::caig::get(registers_.read<reg::ccmd>());
  // Hardware may do more than was asked, which has the smaller number. VT-d 10.4.7
  if (did == 0 || did > asked) {
    throw failure(unit_step::context_invalidation,
                  printed("CCMD.CAIG is %u, expected 1 to %u", static_cast<unsigned>(did),
                          static_cast<unsigned>(asked)));
  }
}

void unit::invalidate_context_global() {
  invalidate_context(spec::context_cache_descriptor{}.set_granularity(spec::context_granularity::global));
}

void unit::invalidate_context_device(std::uint16_t domain_id, spec::source_id id) {
  invalidate_context(spec::context_cache_descriptor{}
                         .set_granularity(spec::context_granularity::device)
                         .set_domain_id(domain_id)
                         .set_source(id));
}

void unit::invalidate_iotlb(spec::iotlb_descriptor what) {
  if (!forget_.drain) what.set_drain_reads(capability_.drd()).set_drain_writes(capability_.dwd());
  queue_ ? submit(what) : invalidate_iotlb_by_register(what);
}

void unit::invalidate_iotlb_by_register(const spec::iotlb_descriptor& what) {
  const std::uint64_t block = extended_.iotlb_offset();
  const auto asked = static_cast<std::uint64_t>(what.granularity());
  if (what.granularity() == spec::iotlb_granularity::page) {
    registers_.write<reg::iva>(what.address() | reg::iva::am::of(what.address_mask()) |
                                   reg::iva::ih::of(what.hint() ? 1 : 0),
                               block);
  }
  registers_.write<reg::iotlb>(
      reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(asked) | reg::iotlb::did::of(what.domain_id()) |
          reg::iotlb::dr::of(what.drain_reads() ? 1 : 0) | reg::iotlb::dw::of(what.drain_writes() ? 1 : 0),
      block);
  await<reg::iotlb, reg::iotlb::ivt>(unit_step::iotlb_invalidation, 0, block);
  const auto did = reg::iotlb::iaig::get(registers_.read<reg::iotlb>(block));
  if (did == 0 || did > asked) {
    throw failure(unit_step::iotlb_invalidation,
                  printed("IOTLB.IAIG is %u, expected 1 to %u", static_cast<unsigned>(did),
                          static_cast<unsigned>(asked)));
  }
}

void unit::invalidate_iotlb_global() {
  invalidate_iotlb(spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::global));
}

void unit::invalidate_iotlb_domain(std::uint16_t domain_id) {
  invalidate_iotlb(
      spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::domain).set_domain_id(domain_id));
}

void unit::invalidate_iotlb_range(std::uint16_t domain_id, std::uint64_t begin, std::uint64_t end,
                                  bool leaves_only) {
  const std::uint64_t first = begin >> spec::page_shift;
  const std::uint64_t pages = (end - begin + spec::page_size - 1) >> spec::page_shift;
  // The mistake: a mask that fits the size, whatever the address is aligned to.
  const unsigned mask = forget_.invalidation_alignment ? spec::address_mask_for(0, pages)
                                                       : spec::address_mask_for(first, pages);
  if (!capability_.psi() || mask > capability_.mamv()) return invalidate_iotlb_domain(domain_id);
  invalidate_iotlb(spec::iotlb_descriptor{}
                       .set_granularity(spec::iotlb_granularity::page)
                       .set_domain_id(domain_id)
                       .set_address((first >> mask) << mask << spec::page_shift)
                       .set_address_mask(mask)
                       .set_hint(leaves_only || forget_.invalidation_of_tables));
}

void unit::invalidate_device(spec::source_id id, unsigned queue_depth, std::uint64_t begin,
                             std::uint64_t end) {
  const std::uint64_t first = begin >> spec::page_shift;
  const std::uint64_t pages = (end - begin + spec::page_size - 1) >> spec::page_shift;
  spec::device_tlb_descriptor what;
  what.set_source(id).set_max_pending(queue_depth % spec::ats::tags);
  if (extended_.dit()) what.set_physical_source(id);
  submit(what.set_range(begin, spec::address_mask_for(first, pages)));
}

void unit::invalidate_device(spec::source_id id, unsigned queue_depth) {
  invalidate_device(id, queue_depth, 0, spec::page_base(~std::uint64_t{0}));
}

fault_batch unit::take_faults() {
  fault_batch batch = driver::take_faults(registers_, capability_, forget_);
  if (fault_log_) fault_log_->take(registers_, batch);
  return batch;
}

} // namespace vtd::driver
