// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/event_message.h"

#include "vtd/dmar/observer.h"

#include <algorithm>
#include <type_traits>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using engine::never;

namespace {

// Is a status bit set that the message would tell of (VT-d 7.4, 10.4.24)?
template <class Control>
bool has_cause(const register_file& registers) {
  if constexpr (std::is_same_v<Control, reg::fectl>) {
    return (registers.read<reg::fsts>() & ~reg::fsts::fri::mask) != 0;
  } else {
    return reg::ics::iwc::get(registers.read<reg::ics>()) != 0;
  }
}

} // namespace

template <class Control, class Data, class Address, class UpperAddress>
void event_message<Control, Data, Address, UpperAddress>::raise(cycle now) {
  const auto control = registers_.read<Control>();
  if (Control::im::get(control) != 0) {
    registers_.store<Control>(Control::ip::set(control, 1));
  } else {
    message_at_ = std::min(message_at_, now + config_.timing.event_message);
  }
}

template <class Control, class Data, class Address, class UpperAddress>
void event_message<Control, Data, Address, UpperAddress>::step(cycle now) {
  if (message_at_ > now) return;
  message_at_ = never;
  const auto upper = std::uint64_t{registers_.read<UpperAddress>()} << 32;
  const spec::msi_message message{upper | registers_.read<Address>(), registers_.read<Data>()};
  if (observer_ != nullptr) observer_->on_message(message, now);
  ports_.send_message(message);
}

template <class Control, class Data, class Address, class UpperAddress>
void event_message<Control, Data, Address, UpperAddress>::control_written(cycle seen) {
  const auto control = registers_.read<Control>();
  if (Control::im::get(control) != 0) {
    // What has not gone out yet waits (VT-d 7.4); not if software has cleared its cause meanwhile.
    if (message_at_ == never) return;
    message_at_ = never;
    registers_.store<Control>(Control::ip::set(control, has_cause<Control>(registers_) ? 1 : 0));
  } else if (Control::ip::get(control) != 0) {
    registers_.store<Control>(Control::ip::set(control, 0));
    message_at_ = std::min(message_at_, seen + config_.timing.event_message);
  }
}

template <class Control, class Data, class Address, class UpperAddress>
void event_message<Control, Data, Address, UpperAddress>::cause_cleared() {
  registers_.store<Control>(Control::ip::set(registers_.read<Control>(), 0));
}

template class event_message<reg::fectl, reg::fedata, reg::feaddr, reg::feuaddr>;
template class event_message<reg::iectl, reg::iedata, reg::ieaddr, reg::ieuaddr>;

} // namespace vtd::dmar
