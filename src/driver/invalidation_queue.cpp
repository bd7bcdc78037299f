// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/invalidation_queue.h"

#include "vtd/driver/text.h"
#include "vtd/spec/registers.h"

#include <cinttypes>

namespace vtd::driver {

namespace reg = spec::reg;

namespace {
constexpr std::size_t descriptor_bytes = sizeof(spec::invalidation_descriptor);
}

invalidation_queue::invalidation_queue(hardware& machine, const register_block& registers, bool tells_causes)
    : machine_(machine), registers_(registers), tells_causes_(tells_causes),
      descriptors_(machine.allocate_pages(2)), status_(descriptors_ + spec::page_size) {}

invalidation_queue::~invalidation_queue() { machine_.free_pages(descriptors_, 2); }

// The queue and the status word are read and written coherently, whatever ECAP.C says: nothing to flush.
// VT-d 6.5.2
void invalidation_queue::program() {
  registers_.write<reg::fsts>(reg::fsts::iqe::mask | reg::fsts::ice::mask | reg::fsts::ite::mask);
  tail_ = open_ = 0;
  registers_.write<reg::iqt>(0);
  registers_.write<reg::iqa>(reg::iqa::address::of(descriptors_ >> spec::page_shift));
}

bool invalidation_queue::empty() const { return registers_.read<reg::iqh>() == registers_.read<reg::iqt>(); }

void invalidation_queue::put(std::size_t place, const spec::invalidation_descriptor& what) {
  machine_.store64(descriptors_ + place * descriptor_bytes, what.lo);
  machine_.store64(descriptors_ + place * descriptor_bytes + sizeof(what.lo), what.hi);
}

spec::invalidation_descriptor invalidation_queue::get(std::size_t place) {
  return {machine_.load64(descriptors_ + place * descriptor_bytes),
          machine_.load64(descriptors_ + place * descriptor_bytes + sizeof(std::uint64_t))};
}

// The tail is written last: what stands before it belongs to the unit.
void invalidation_queue::submit(std::span<const spec::invalidation_descriptor> batch) {
  for (const spec::invalidation_descriptor& each : batch) {
    put(tail_, each);
    tail_ = (tail_ + 1) % places;
  }
  put(tail_, wait_);
  tail_ = (tail_ + 1) % places;
  open_ += batch.size() + 1;
  registers_.write<reg::iqt>(tail_ * descriptor_bytes);
}

std::optional<std::string>
invalidation_queue::submit_sync(std::span<const spec::invalidation_descriptor> batch,
                                std::uint64_t timeout_ns) {
  // A batch that was given up may still lie there; one place stays free.
  if (open_ + batch.size() + 1 >= places) {
    return printed("%zu descriptors do not fit, %zu of %zu places are taken by those that were not confirmed",
                   batch.size() + 1, open_, places);
  }
  error_.reset();
  tries_ = 0;
  given_up_ = false;
  // A number of its own, so that the late end of a wait that was given up is not taken for this one's.
  ++sequence_;
  wait_ = {};
  wait_.set_status_write(true).set_status_address(status_).set_status_data(sequence_);
  submit(batch);
  bool answers = true;
  const auto is_done = [&] {
    if (static_cast<std::uint32_t>(machine_.load64(status_)) == sequence_) return true;
    answers = look_for_errors(batch);
    return !answers || given_up_;
  };
  const bool in_time = machine_.wait_until(is_done, timeout_ns);
  if (!answers) return "FSTS reads all ones, the unit has stopped answering; expected the status of a wait";
  if (given_up_) return error_;
  if (!in_time) {
    if (error_) return error_;
    return printed("the status of the wait is %u after %" PRIu64 " ns, expected %u (IQH reads 0x%" PRIx64
                   ", IQT 0x%" PRIx64 ")",
                   static_cast<std::uint32_t>(machine_.load64(status_)), timeout_ns, sequence_,
                   registers_.read<reg::iqh>(), registers_.read<reg::iqt>());
  }
  open_ = 0;
  return error_;
}

bool invalidation_queue::look_for_errors(std::span<const spec::invalidation_descriptor> batch) {
  constexpr std::uint32_t all_ones = ~std::uint32_t{0};
  const std::uint32_t status = registers_.read<reg::fsts>();
  if (status == all_ones) return false;
  if (reg::fsts::iqe::get(status) != 0) {
    given_up_ = !mend();
    if (given_up_) return true;
    registers_.write<reg::fsts>(reg::fsts::iqe::mask);
  }
  if (reg::fsts::ite::get(status) != 0) {
    // The waits that were under way are aborted. VT-d 6.5.2.10
    machine_.log("DMAR: a device did not confirm its invalidation in time, the batch is submitted again");
    registers_.write<reg::fsts>(reg::fsts::ite::mask);
    if (open_ + batch.size() + 1 < places) submit(batch);
  }
  if (reg::fsts::ice::get(status) != 0) registers_.write<reg::fsts>(reg::fsts::ice::mask);
  return true;
}

// The unit stays at the descriptor until software has put another in its place, or cleared the error and so
// let it try again. VT-d 6.5.2.10
bool invalidation_queue::mend() {
  using cause = spec::queue_error;
  const std::uint64_t head = registers_.read<reg::iqh>();
  const std::size_t place = head / descriptor_bytes % places;
  const spec::invalidation_descriptor at_head = get(place);
  const auto why = tells_causes_ ? static_cast<cause>(reg::iqercd::iqei::get(registers_.read<reg::iqercd>()))
                                 : cause::unknown;
  const std::string said =
      tells_causes_ ? printed("%s (IQERCD.IQEI = %u)", std::string(spec::queue_error_text(why)).c_str(),
                              static_cast<unsigned>(why))
                    : std::string("the unit has no IQERCD to say why");
  const bool own_wait = at_head.lo == wait_.lo && at_head.hi == wait_.hi;
  if (why == cause::fetch_failed || (why == cause::unknown && own_wait)) {
    ++tries_;
    const std::string what = why == cause::fetch_failed
                                 ? printed("the unit stopped at the descriptor at IQH = 0x%" PRIx64
                                           ", host address 0x%" PRIx64 ": %s",
                                           head, descriptors_ + place * descriptor_bytes, said.c_str())
                                 : printed("the unit stopped at the wait at IQH = 0x%" PRIx64
                                           " whose status goes to 0x%" PRIx64 ": %s",
                                           head, status_, said.c_str());
    if (tries_ < most_tries) {
      machine_.log("DMAR: " + what + "; it is let try again");
      return true;
    }
    error_ = what + printed("; tried %u times, expected memory that the unit can reach", tries_);
    return false;
  }
  if (!error_) {
    error_ = printed("the unit stopped at the descriptor at IQH = 0x%" PRIx64 ", 0x%016" PRIx64
                     " 0x%016" PRIx64 ": %s; expected one that it knows%s",
                     head, at_head.hi, at_head.lo, said.c_str(), tells_causes_ ? "" : " and can read");
  }
  if (place != tail_) put(place, wait_);
  return true;
}

} // namespace vtd::driver
