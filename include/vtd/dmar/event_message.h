// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/register_file.h"

namespace vtd::dmar {

struct unit_observer;

/// The interrupt message of an event and its mask and pending bits (VT-d 7.4, 10.4.10 to 10.4.13, 10.4.25 to
/// 10.4.28). The fault event and the invalidation event are this machine with registers of their own.
template <class Control, class Data, class Address, class UpperAddress>
class event_message {
public:
  event_message(const unit_config& config, register_file& registers, unit_ports& ports)
      : config_(config), registers_(registers), ports_(ports) {}

  /// The event happened in cycle `now`: its message leaves `unit_timing::event_message` later, or it waits as
  /// pending (IP) while it is masked (IM).
  void raise(engine::cycle now);
  /// Sends the message that is due.
  void step(engine::cycle now);
  [[nodiscard]] engine::cycle next_work() const { return message_at_; }

  /// Software wrote the control register: with IM cleared a pending event goes out, with IM set a message
  /// that has not gone yet stays pending. `seen`: the first edge after the write.
  void control_written(engine::cycle seen);
  /// Software cleared what caused the event: nothing is pending any more.
  void cause_cleared();

  void set_observer(unit_observer* observer) { observer_ = observer; }
  void reset() { message_at_ = engine::never; }

private:
  const unit_config& config_;
  register_file& registers_;
  unit_ports& ports_;
  unit_observer* observer_ = nullptr;
  engine::cycle message_at_ = engine::never;
};

using fault_event = event_message<spec::reg::fectl, spec::reg::fedata, spec::reg::feaddr, spec::reg::feuaddr>;
using invalidation_event =
    event_message<spec::reg::iectl, spec::reg::iedata, spec::reg::ieaddr, spec::reg::ieuaddr>;

} // namespace vtd::dmar
