// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/fault_log.h"

#include "vtd/dmar/pipeline.h"

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;

void fault_log::latch() {
  const auto where = registers_.read<reg::aflog>();
  base_ = reg::aflog::fla::get(where) << spec::page_shift;
  records_ = spec::fault_log_records(static_cast<unsigned>(reg::aflog::fls::get(where)));
  restart();
}

// Off, it begins again at the first record; what is under way ends all the
// same, where its place was found free.
void fault_log::enable(bool on) {
  enabled_ = on;
  if (!on) restart();
}

void fault_log::restart() {
  next_ = 0;
  restarted_ = true;
}

void fault_log::begin(const spec::fault_log_record& what) {
  record_ = what;
  state_ = state::wants_read;
  requests_.want_port(*this);
}

bool fault_log::take_port(cycle /*now*/) {
  tag_ = next_tag_++;
  if (state_ == state::wants_read) {
    state_ = state::reading;
    restarted_ = false;
    place_ = base_ + next_ * sizeof(spec::fault_log_record);
    return ports_.read_log(tag_, place_);
  }
  state_ = state::writing;
  return ports_.write_log(tag_, place_, record_);
}

void fault_log::read_answered(unsigned tag, bool ok, const descriptor_words& words, cycle seen) {
  if (state_ != state::reading || tag != tag_) return;
  due_ = seen;
  const spec::fault_log_record there{words[0], words[1]};
  // *Assumed:* a place that cannot be read is as good as one that is taken.
  if (!ok || there.pending()) {
    outcome_ = outcome::full;
  } else {
    state_ = state::wants_write;
  }
}

void fault_log::write_answered(unsigned tag, bool ok, cycle seen) {
  if (state_ != state::writing || tag != tag_) return;
  due_ = seen;
  if (ok && !restarted_) next_ = (next_ + 1) % records_;
  outcome_ = ok ? outcome::written : outcome::full;
}

fault_log::outcome fault_log::take_outcome(cycle now) {
  if (due_ > now) return outcome::none;
  due_ = never;
  if (state_ == state::wants_write) {
    requests_.want_port(*this);
    return outcome::none;
  }
  state_ = state::idle;
  return outcome_;
}

void fault_log::reset() {
  enabled_ = false;
  // As AFLOG reads then: one page at 0.
  base_ = 0;
  records_ = spec::fault_log_records(0);
  next_ = 0;
  state_ = state::idle;
  due_ = never;
}

} // namespace vtd::dmar
