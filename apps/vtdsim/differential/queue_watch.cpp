// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/queue_watch.h"

#include "vtd/spec/registers.h"

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

namespace {

template <class Register>
auto value_of(const model_machine& model) {
  return model.unit().registers().read<Register>();
}

std::uint64_t queue_size(const model_machine& model) {
  return spec::queue_bytes(static_cast<unsigned>(reg::iqa::qs::get(value_of<reg::iqa>(model))));
}

std::uint64_t queue_base(const model_machine& model) {
  return value_of<reg::iqa>(model) & reg::iqa::address::mask;
}

// Descriptors of 256 bits came with modes that these units do not have.
constexpr std::uint64_t descriptor_bytes = sizeof(spec::invalidation_descriptor);

} // namespace

bool queue_watch::is_on() const { return reg::gsts::qies::get(value_of<reg::gsts>(model_)) != 0; }
bool queue_watch::has_failed() const { return reg::fsts::iqe::get(value_of<reg::fsts>(model_)) != 0; }
std::uint64_t queue_watch::head() const { return value_of<reg::iqh>(model_); }
std::uint64_t queue_watch::tail() const { return value_of<reg::iqt>(model_); }

queue_step::item queue_watch::item_at(std::uint64_t place) const {
  queue_step::item out{place, {}};
  const std::uint64_t at = queue_base(model_) + place;
  if (guest_memory::contains(at, descriptor_bytes))
    out.what = {model_.get().memory().load(at), model_.get().memory().load(at + 8)};
  return out;
}

void queue_watch::begin() {
  on_ = is_on();
  failed_ = has_failed();
  head_ = head();
  tail_ = tail();
}

std::optional<queue_step> queue_watch::end() {
  const bool on = is_on();
  if (!on && !on_) return {};
  queue_step out;
  out.was_quiet = on_ && head_ == tail_ && last_is_wait_;
  if (!on) return out;
  if (!on_) enabled_at_ = queue_base(model_);
  const std::uint64_t size = queue_size(model_);
  const std::uint64_t last = head();
  for (std::uint64_t place = on_ ? head_ : 0; place != last && out.done.size() <= size / descriptor_bytes;
       place = (place + descriptor_bytes) % size) {
    out.done.push_back(item_at(place));
    last_is_wait_ = out.done.back().what.is(spec::descriptor_type::wait);
  }
  // With a tail that is beyond the queue nothing is looked at.
  if (has_failed() && last != tail() && tail() < size) {
    out.refused = item_at(last);
    last_is_wait_ = out.refused->what.is(spec::descriptor_type::wait);
  }
  return out;
}

void queue_writer::append(const model_machine& model, const spec::invalidation_descriptor& what,
                          const std::function<void(std::uint64_t, std::uint64_t)>& store) {
  const std::uint64_t size = queue_size(model);
  const std::uint64_t place = tail_ % size;
  const std::uint64_t at = queue_base(model) + place;
  if (at >= layout::queue && at + descriptor_bytes <= layout::data) {
    store(at, what.lo);
    store(at + 8, what.hi);
  }
  tail_ = (place + descriptor_bytes) % size;
}

void queue_writer::follow(const model_machine& model) { tail_ = value_of<reg::iqt>(model); }

} // namespace vtdsim::differential
