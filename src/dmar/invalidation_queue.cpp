// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/invalidation_queue.h"

#include <algorithm>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;
using spec::descriptor_type;
using spec::queue_error;

namespace {

// RTADDR.TTM of the modes that are not built (VT-d 10.4.6).
constexpr unsigned scalable_mode = 1;
constexpr unsigned abort_mode = 3;

// What is wrong with a queue of legacy descriptors in another mode: a mode that the part has needs the wide
// ones (VT-d 6.5.2, 10.4.29), and then its descriptors are not built.
queue_error error_of_mode(unsigned mode, bool wide, spec::ecap ecap) {
  const bool known = (mode == scalable_mode && ecap.smts()) || (mode == abort_mode && ecap.adms());
  return known && !wide ? queue_error::invalid_width : queue_error::invalid_translation_mode;
}

} // namespace

invalidation_queue::invalidation_queue(const unit_config& config, register_file& registers,
                                       const unit_state& state, invalidator& removal, pipeline& requests,
                                       fault_recorder& faults, unit_ports& ports)
    : config_(config), registers_(registers), state_(state), removal_(removal), requests_(requests),
      faults_(faults), ports_(ports), event_(config, registers, ports), devices_(config, faults, ports),
      ready_(std::max(config.timing.queue_prefetch, 1U)) {}

void invalidation_queue::reset() {
  enabled_ = false;
  quiet_ = true;
  look_at_ = never;
  incoming_ = {};
  writer_ = {};
  running_ = {};
  ready_.clear();
  event_.reset();
  devices_.reset();
}

context_order invalidation_queue::order_of(const spec::context_cache_descriptor& d) const {
  return {d.granularity(), d.domain_id(), d.source(), d.function_mask(), config_.queue_flushes_write_buffer};
}

page_order invalidation_queue::order_of(const spec::iotlb_descriptor& d) const {
  return {d.granularity(), d.domain_id(),   d.address(),      d.address_mask(),
          d.hint(),        d.drain_reads(), d.drain_writes(), config_.queue_flushes_write_buffer};
}

// --- On and off

void invalidation_queue::start(cycle now) {
  const auto address = registers_.read<reg::iqa>();
  base_ = reg::iqa::address::get(address) << spec::page_shift;
  size_ = spec::queue_bytes(static_cast<unsigned>(reg::iqa::qs::get(address)));
  wide_ = reg::iqa::dw::get(address) != 0;
  enabled_ = true;
  look_again(now);
}

void invalidation_queue::stop() {
  enabled_ = false;
  incoming_ = {};
  ready_.clear();
  if (writer_.state != write_state::wants_port) requests_.leave_port(*this);
}

// --- From software and memory

void invalidation_queue::address_written() {
  // IQH is 0 already: the queue is off.
  if (config_.queue_address_clears_pointers) registers_.store<reg::iqt>(0);
}

void invalidation_queue::completion_status_written() {
  if (reg::ics::iwc::get(registers_.read<reg::ics>()) == 0) event_.cause_cleared();
}

void invalidation_queue::control_written(cycle seen) {
  event_.control_written(seen);
  look_again(seen);
}

void invalidation_queue::fetched(unsigned tag, bool ok, const descriptor_words& words, cycle seen) {
  if (incoming_.state != fetch_state::reading || tag != incoming_.tag) return;
  incoming_.state = fetch_state::decoding;
  incoming_.ok = ok;
  incoming_.words = words;
  incoming_.due = seen + config_.timing.descriptor_decode;
}

void invalidation_queue::status_answered(unsigned tag, bool ok, cycle seen) {
  if (writer_.state != write_state::writing || tag != writer_.tag) return;
  writer_.state = write_state::answered;
  writer_.ok = ok;
  writer_.due = seen;
}

// --- The steps of a cycle

void invalidation_queue::step(cycle now) {
  if (look_at_ <= now) look_at_ = never;
  if (devices_.step(now)) drop_waits();
  finish_write(now);
  take_fetched(now);
  run(now);
  fetch(now);
  event_.step(now);
  quiet_ =
      at_rest() && devices_.at_rest() && incoming_.state == fetch_state::idle && event_.next_work() == never;
}

// A device did not answer (VT-d 10.4.9, ITE): no wait that was fetched will be over, and the descriptor on
// its way is fetched again later.
void invalidation_queue::drop_waits() {
  for (std::size_t left = ready_.size(); left != 0; --left) {
    const queued item = ready_.pop();
    if (!item.what.is(descriptor_type::wait)) ready_.push(item);
  }
  drop_incoming();
}

void invalidation_queue::drop_incoming() {
  if (incoming_.state == fetch_state::wants_port && writer_.state != write_state::wants_port)
    requests_.leave_port(*this);
  incoming_ = {};
}

// The status write of a wait: when it is due it asks for the way to memory; answered, the wait is over.
void invalidation_queue::finish_write(cycle now) {
  if (writer_.due > now) return;
  writer_.due = never;
  if (writer_.state == write_state::delayed) {
    writer_.state = write_state::wants_port;
    requests_.want_port(*this);
  } else if (writer_.state == write_state::answered) {
    if (writer_.ok) {
      finish_wait(now);
    } else {
      lose_status(now);
    }
  }
}

// *Assumed:* a queue error, as of a descriptor that is wrong: IQH stands at it (VT-d 6.5.2.10), and all from
// there on is fetched when software has cleared the error. What stood behind the wait and is done already is
// done again, which changes nothing. Only if software has used the wait's place for something else by then,
// IQH stays, and the wait is lost.
void invalidation_queue::lose_status(cycle now) {
  writer_.state = write_state::idle;
  end_fence();
  const std::uint64_t since = (fetched_ - writer_.number) * descriptor_bytes();
  const std::uint64_t tail = (registers_.read<reg::iqt>() + size_ - writer_.place) % size_;
  const bool still_there = tail >= since;
  // Switched off meanwhile: IQH is about to be 0.
  if (enabled_ && still_there) {
    ready_.clear();
    drop_incoming();
    registers_.store<reg::iqh>(writer_.place);
  }
  fail(queue_error::unknown, now);
}

void invalidation_queue::take_fetched(cycle now) {
  if (incoming_.due > now) return;
  incoming_.due = never;
  if (incoming_.state == fetch_state::delayed) {
    incoming_.state = fetch_state::wants_port;
    requests_.want_port(*this);
    return;
  }
  incoming_.state = fetch_state::idle;
  if (const auto error = judge(incoming_.words)) return fail(*error, now);
  // VT-d 10.4.21: past a descriptor that was fetched and found valid.
  const std::uint64_t place = registers_.read<reg::iqh>();
  registers_.store<reg::iqh>((place + descriptor_bytes()) % size_);
  ready_.push({{incoming_.words[0], incoming_.words[1]}, place, fetched_++});
}

// Executes what is due, and begins what is ready, in order.
void invalidation_queue::run(cycle now) {
  for (;;) {
    if (running_.busy && !finish(now)) return;
    if (ready_.empty()) return;
    // A wait begins when the one before it is over: their status writes keep their order. And when all
    // devices have answered.
    if (ready_.front().what.is(descriptor_type::wait) &&
        (writer_.state != write_state::idle || devices_.any_pending())) {
      return;
    }
    begin(now);
  }
}

void invalidation_queue::begin(cycle now) {
  const queued item = ready_.pop();
  const spec::invalidation_descriptor& what = item.what;
  running_ = {};
  running_.busy = true;
  running_.what = what;
  running_.due = now;
  ++counts_.descriptors;
  tell(what, command_step::begun, now);
  switch (static_cast<descriptor_type>(what.type())) {
  case descriptor_type::context_cache:
    running_.due = now + removal_.cycles(order_of(spec::context_cache_descriptor(what)));
    break;
  case descriptor_type::iotlb:
    running_.due = now + removal_.cycles(order_of(spec::iotlb_descriptor(what)));
    break;
  case descriptor_type::wait:
    begin_wait(item, now);
    break;
  case descriptor_type::device_tlb:
    running_.due = now + config_.timing.device_invalidation;
    break;
  case descriptor_type::interrupt_entry_cache:
    break;
  }
}

// True: the descriptor in execution is done.
bool invalidation_queue::finish(cycle now) {
  if (running_.waiting) return false;
  const spec::invalidation_descriptor& what = running_.what;
  if (running_.due <= now) {
    running_.due = never;
    switch (static_cast<descriptor_type>(what.type())) {
    case descriptor_type::context_cache: {
      const auto done = removal_.remove(order_of(spec::context_cache_descriptor(what)));
      tell(what, command_step::effective, now, done);
      break;
    }
    case descriptor_type::iotlb: {
      const auto done = removal_.remove(order_of(spec::iotlb_descriptor(what)));
      tell(what, command_step::effective, now, {}, done);
      running_.mark = requests_.admission_mark();
      running_.draining = true;
      break;
    }
    case descriptor_type::interrupt_entry_cache:
      ++counts_.interrupt_entries;
      break;
    case descriptor_type::device_tlb:
      running_.throttled = true;
      break;
    case descriptor_type::wait:
      break;
    }
  }
  if (running_.due != never) return false;
  if (running_.throttled) {
    const spec::device_tlb_descriptor d(what);
    if (!devices_.may_send(d)) return false;
    running_.throttled = false;
    devices_.send(d, now);
    tell(what, command_step::effective, now);
  }
  if (running_.draining) {
    const page_order order = order_of(spec::iotlb_descriptor(what));
    if (!removal_.drained(order, running_.mark)) return false;
    running_.draining = false;
    running_.end = now + removal_.drain_cycles(order);
  }
  if (running_.end > now) return false;
  running_.busy = false;
  // A wait tells its end itself.
  if (!what.is(descriptor_type::wait)) tell(what, command_step::ended, now);
  return true;
}

void invalidation_queue::begin_wait(const queued& item, cycle now) {
  const spec::wait_descriptor wait(item.what);
  writer_.what = item.what;
  writer_.place = item.place;
  writer_.number = item.number;
  ++counts_.waits;
  if (!wait.status_write()) return finish_wait(now);
  writer_.state = write_state::delayed;
  writer_.due = now + config_.timing.status_write;
  if (wait.fence()) {
    running_.waiting = true;
    running_.due = never;
  }
  if (writer_.due <= now) finish_write(now);
}

// What stands behind a fence may begin.
void invalidation_queue::end_fence() {
  if (running_.waiting) running_.busy = running_.waiting = false;
}

// VT-d 6.5.2.8: the interrupt after the status, and only if no completion is pending already.
void invalidation_queue::finish_wait(cycle now) {
  writer_.state = write_state::idle;
  end_fence();
  tell(writer_.what, command_step::ended, now);
  if (!spec::wait_descriptor(writer_.what).interrupt()) return;
  const auto status = registers_.read<reg::ics>();
  if (reg::ics::iwc::get(status) != 0) return;
  registers_.store<reg::ics>(reg::ics::iwc::set(status, 1));
  event_.raise(now);
}

// --- Fetching

bool invalidation_queue::failed() const {
  return (registers_.read<reg::fsts>() & (reg::fsts::iqe::mask | reg::fsts::ite::mask)) != 0;
}

bool invalidation_queue::has_room() const {
  if (config_.timing.queue_prefetch == 0) return ready_.empty() && !running_.busy;
  return !ready_.full();
}

void invalidation_queue::fetch(cycle now) {
  if (!enabled_ || incoming_.state != fetch_state::idle || failed()) return;
  const std::uint64_t tail = registers_.read<reg::iqt>();
  if (registers_.read<reg::iqh>() == tail || !has_room()) return;
  if (state_.table_mode != 0) return fail(error_of_mode(state_.table_mode, wide_, config_.caps.ecap), now);
  if (const auto error = judge_tail(tail)) return fail(*error, now);
  incoming_.state = fetch_state::delayed;
  incoming_.due = now + config_.timing.descriptor_fetch;
  if (incoming_.due <= now) take_fetched(now);
}

bool invalidation_queue::take_port(cycle now) {
  const bool write = writer_.state == write_state::wants_port;
  const std::uint64_t descriptor = base_ + registers_.read<reg::iqh>();
  if (observer_ != nullptr) {
    const auto status = spec::wait_descriptor(writer_.what).status_address();
    observer_->on_queue_access({write, now, write ? status : descriptor});
  }
  if (write) {
    if (incoming_.state == fetch_state::wants_port) requests_.want_port(*this);
    writer_.state = write_state::writing;
    writer_.tag = next_tag_++;
    const spec::wait_descriptor wait(writer_.what);
    return ports_.write_status(writer_.tag, wait.status_address(), wait.status_data());
  }
  incoming_.state = fetch_state::reading;
  incoming_.tag = next_tag_++;
  return ports_.read_descriptor(incoming_.tag, descriptor, descriptor_bytes());
}

cycle invalidation_queue::next_work(cycle now) const {
  if (running_.draining && removal_.drained(order_of(spec::iotlb_descriptor(running_.what)), running_.mark))
    return now + 1;
  const cycle end = running_.end > now ? running_.end : never;
  return std::min(
      {look_at_, incoming_.due, writer_.due, running_.due, end, event_.next_work(), devices_.next_work()});
}

// --- What is wrong

void invalidation_queue::fail(queue_error why, cycle now) {
  ++counts_.errors;
  if (registers_.has<reg::iqercd>()) {
    registers_.store<reg::iqercd>(
        reg::iqercd::iqei::set(registers_.read<reg::iqercd>(), static_cast<std::uint64_t>(why)));
  }
  faults_.queue_failed(now);
}

std::optional<queue_error> invalidation_queue::judge_tail(std::uint64_t tail) const {
  if (tail >= size_) return queue_error::tail_out_of_range;
  if (tail % descriptor_bytes() != 0) return queue_error::tail_misaligned;
  return {};
}

std::optional<queue_error> invalidation_queue::judge(const descriptor_words& words) const {
  if (!incoming_.ok) return queue_error::fetch_failed;
  const spec::invalidation_descriptor raw{words[0], words[1]};
  const spec::ecap ecap = config_.caps.ecap;
  const bool known = raw.is(descriptor_type::context_cache) || raw.is(descriptor_type::iotlb) ||
                     raw.is(descriptor_type::wait) || (raw.is(descriptor_type::device_tlb) && ecap.dt()) ||
                     (raw.is(descriptor_type::interrupt_entry_cache) && ecap.ir());
  if (!known) return queue_error::invalid_type;
  if (wide_ && (words[2] != 0 || words[3] != 0)) return queue_error::reserved_field;
  if (has_reserved_bits(raw)) return queue_error::reserved_field;
  return {};
}

// Reserved bits, and values that the fields of this part do not have.
bool invalidation_queue::has_reserved_bits(const spec::invalidation_descriptor& raw) const {
  const spec::cap cap = config_.caps.cap;
  const spec::ecap ecap = config_.caps.ecap;
  switch (static_cast<descriptor_type>(raw.type())) {
  case descriptor_type::context_cache: {
    using type = spec::context_cache_descriptor;
    const type d(raw);
    return d.touches(type::reserved()) || d.granularity() == spec::context_granularity::none;
  }
  case descriptor_type::iotlb: {
    using type = spec::iotlb_descriptor;
    const type d(raw);
    if (d.touches(type::reserved()) || d.granularity() == spec::iotlb_granularity::none) return true;
    return d.granularity() == spec::iotlb_granularity::page && (!cap.psi() || d.address_mask() > cap.mamv());
  }
  case descriptor_type::interrupt_entry_cache: {
    using type = spec::interrupt_entry_cache_descriptor;
    const type d(raw);
    return d.touches(type::reserved()) || (d.index_selective() && d.index_mask() > ecap.mhmv());
  }
  case descriptor_type::wait: {
    using type = spec::wait_descriptor;
    const type d(raw);
    if (d.touches(type::reserved(ecap.pds()))) return true;
    return d.status_write() && (d.status_address() & ~spec::low_bits(config_.caps.host_address_width)) != 0;
  }
  case descriptor_type::device_tlb: {
    using type = spec::device_tlb_descriptor;
    const type d(raw);
    return d.touches(type::reserved(ecap.dit()));
  }
  }
  return true;
}

} // namespace vtd::dmar
