// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/device_invalidations.h"

#include <algorithm>
#include <bit>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;

void device_invalidations::reset() {
  pending_ = 0;
  arrived_.clear();
}

bool device_invalidations::may_send(const spec::device_tlb_descriptor& what) const {
  if (pending_ == ~std::uint32_t{0}) return false;
  const spec::source_id owner = owner_of(what);
  unsigned open = 0;
  for (std::uint32_t rest = pending_; rest != 0; rest &= rest - 1)
    open += requests_[static_cast<unsigned>(std::countr_zero(rest))].owner == owner ? 1 : 0;
  return open < what.max_pending();
}

// The lowest free ITag.
void device_invalidations::send(const spec::device_tlb_descriptor& what, cycle now) {
  const auto tag = static_cast<unsigned>(std::countr_one(pending_));
  request& r = requests_[tag];
  const spec::address_range range = what.range();
  r.sent = {what.source(), tag, spec::ats::invalidation::of(range.first, what.address_mask())};
  r.owner = owner_of(what);
  r.owed = 0;
  r.until = now + config_.timing.device_timeout;
  pending_ |= bit(tag);
  ++counts_.requests;
  tell(device_step::requested, r.sent, now);
  ports_.invalidate_device(r.sent);
}

void device_invalidations::completed(const spec::ats::invalidation_completion& what, cycle seen) {
  arrived_.push_back({seen, what});
}

bool device_invalidations::step(cycle now) {
  // In the order in which they came.
  for (std::size_t at = 0; at < arrived_.size();) {
    if (arrived_[at].at > now) {
      ++at;
      continue;
    }
    const spec::ats::invalidation_completion what = arrived_[at].what;
    arrived_.erase(arrived_.begin() + static_cast<std::ptrdiff_t>(at));
    take(what, now);
  }
  bool late = false;
  for (std::uint32_t rest = pending_; rest != 0; rest &= rest - 1) {
    const auto tag = static_cast<unsigned>(std::countr_zero(rest));
    const request& r = requests_[tag];
    if (r.until > now) continue;
    late = true;
    ++counts_.timeouts;
    end(tag);
    tell(device_step::timed_out, r.sent, now);
    faults_.invalidation_failed<reg::fsts::ite, reg::iqercd::itesid>(r.sent.device, now);
  }
  return late;
}

// A bit for each ITag; one message may answer several requests.
void device_invalidations::take(const spec::ats::invalidation_completion& what, cycle now) {
  bool unexpected = what.tags == 0;
  for (std::uint32_t rest = what.tags; rest != 0; rest &= rest - 1) {
    const auto tag = static_cast<unsigned>(std::countr_zero(rest));
    request& r = requests_[tag];
    if ((pending_ & bit(tag)) == 0 || r.sent.device != what.device) {
      unexpected = true;
      continue;
    }
    r.owed = (r.owed == 0 ? what.count : r.owed) - 1;
    if (r.owed != 0) continue;
    end(tag);
    tell(device_step::completed, r.sent, now);
  }
  if (!unexpected) return;
  ++counts_.unexpected;
  tell(device_step::unexpected, {what.device, 0, {}}, now);
  faults_.invalidation_failed<reg::fsts::ice, reg::iqercd::icesid>(what.device, now);
}

cycle device_invalidations::next_work() const {
  cycle next = engine::never;
  for (const arrival& each : arrived_)
    next = std::min(next, each.at);
  for (std::uint32_t rest = pending_; rest != 0; rest &= rest - 1)
    next = std::min(next, requests_[static_cast<unsigned>(std::countr_zero(rest))].until);
  return next;
}

} // namespace vtd::dmar
