// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/event_message.h"

#include "vtd/dmar/observer.h"

#include <algorithm>

namespace vtd::dmar {

using engine::cycle;
using engine::never;

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
    // What has not gone out yet waits (VT-d 7.4).
    if (message_at_ == never) return;
    message_at_ = never;
    registers_.store<Control>(Control::ip::set(control, 1));
  } else if (Control::ip::get(control) != 0) {
    registers_.store<Control>(Control::ip::set(control, 0));
    message_at_ = std::min(message_at_, seen + config_.timing.event_message);
  }
}

template <class Control, class Data, class Address, class UpperAddress>
void event_message<Control, Data, Address, UpperAddress>::cause_cleared() {
  registers_.store<Control>(Control::ip::set(registers_.read<Control>(), 0));
}

template class event_message<spec::reg::fectl, spec::reg::fedata, spec::reg::feaddr, spec::reg::feuaddr>;
template class event_message<spec::reg::iectl, spec::reg::iedata, spec::reg::ieaddr, spec::reg::ieuaddr>;

} // namespace vtd::dmar
