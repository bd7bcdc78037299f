// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_hardware.h"
#include "vtd/spec/invalidation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Which call of the driver, by what it means, and in what order: tests of order are lists of these.

namespace vtd::test {

/// A kind of event, with a name for messages.
struct pattern {
  std::string text;
  std::function<bool(const event&)> fits;
};

/// Any write of the register.
template <class Register>
[[nodiscard]] pattern write_of(unsigned unit = 0) {
  return {"write of " + std::string(Register::layout.name) + " of dmar" + std::to_string(unit),
          [unit](const event& e) {
            return e.what == action::write && e.unit == unit && e.reg != nullptr &&
                   e.reg->name == Register::layout.name;
          }};
}
/// A write of the register with this value of one field.
template <class Register, class Field>
[[nodiscard]] pattern write_of(std::uint64_t value, unsigned unit = 0) {
  const pattern any = write_of<Register>(unit);
  return {
      any.text + " with " + std::string(Field::row.name) + " = " + std::to_string(value),
      [any, value](const event& e) { return any.fits(e) && (e.value & Field::mask) >> Field::lsb == value; }};
}
template <class Register>
[[nodiscard]] pattern read_of(unsigned unit = 0) {
  return {"read of " + std::string(Register::layout.name) + " of dmar" + std::to_string(unit),
          [unit](const event& e) {
            return e.what == action::read && e.unit == unit && e.reg != nullptr &&
                   e.reg->name == Register::layout.name;
          }};
}
/// A read that found this value in the field: the end of a wait.
template <class Register, class Field>
[[nodiscard]] pattern answer(std::uint64_t value, unsigned unit = 0) {
  const pattern any = read_of<Register>(unit);
  return {
      any.text + " that finds " + std::string(Field::row.name) + " = " + std::to_string(value),
      [any, value](const event& e) { return any.fits(e) && (e.value & Field::mask) >> Field::lsb == value; }};
}

/// GCMD with this bit, and the end of its wait.
template <class Command>
[[nodiscard]] pattern command(unsigned unit = 0) {
  return write_of<spec::reg::gcmd, Command>(1, unit);
}
template <class Command>
[[nodiscard]] pattern command_off(unsigned unit = 0) {
  return write_of<spec::reg::gcmd, Command>(0, unit);
}
template <class Status>
[[nodiscard]] pattern status(unsigned value, unsigned unit = 0) {
  return answer<spec::reg::gsts, Status>(value, unit);
}
[[nodiscard]] inline pattern context_invalidation(spec::context_granularity how, unsigned unit = 0) {
  return write_of<spec::reg::ccmd, spec::reg::ccmd::cirg>(static_cast<std::uint64_t>(how), unit);
}
[[nodiscard]] inline pattern context_done(unsigned unit = 0) {
  return answer<spec::reg::ccmd, spec::reg::ccmd::icc>(0, unit);
}
[[nodiscard]] inline pattern iotlb_invalidation(spec::iotlb_granularity how, unsigned unit = 0) {
  return write_of<spec::reg::iotlb, spec::reg::iotlb::iirg>(static_cast<std::uint64_t>(how), unit);
}
[[nodiscard]] inline pattern iotlb_done(unsigned unit = 0) {
  return answer<spec::reg::iotlb, spec::reg::iotlb::ivt>(0, unit);
}
/// A batch of the queue: the tail is written, and the status of its wait read until it is there.
[[nodiscard]] inline pattern queue_submitted(unsigned unit = 0) { return write_of<spec::reg::iqt>(unit); }
[[nodiscard]] inline pattern load_of(std::uint64_t address) {
  return {"load of " + std::to_string(address),
          [address](const event& e) { return e.what == action::load && e.address == address; }};
}
[[nodiscard]] inline pattern store_to(std::uint64_t address) {
  return {"store to " + std::to_string(address),
          [address](const event& e) { return e.what == action::store && e.address == address; }};
}
[[nodiscard]] inline pattern any_store() {
  return {"store", [](const event& e) { return e.what == action::store; }};
}
[[nodiscard]] inline pattern flush_of(std::uint64_t address) {
  return {"flush of the line of " + std::to_string(address), [address](const event& e) {
            const std::uint64_t line = fake_hardware::line_size;
            return e.what == action::flush && e.address / line <= address / line &&
                   address / line <= (e.address + e.size - 1) / line;
          }};
}
[[nodiscard]] inline pattern any_flush() {
  return {"flush", [](const event& e) { return e.what == action::flush; }};
}
[[nodiscard]] inline pattern any_free() {
  return {"page given back", [](const event& e) { return e.what == action::free; }};
}
[[nodiscard]] inline pattern interrupt_registered() {
  return {"registration of an interrupt",
          [](const event& e) { return e.what == action::register_interrupt; }};
}
[[nodiscard]] inline pattern interrupt_given_back() {
  return {"return of an interrupt", [](const event& e) { return e.what == action::unregister_interrupt; }};
}
[[nodiscard]] inline pattern log_line(const std::string& part) {
  return {"log line with \"" + part + "\"",
          [part](const event& e) { return e.what == action::log && e.text.find(part) != std::string::npos; }};
}
/// Anything the unit can notice: a register write.
[[nodiscard]] inline pattern any_write(unsigned unit) {
  return {"register write of dmar" + std::to_string(unit),
          [unit](const event& e) { return e.what == action::write && e.reg != nullptr && e.unit == unit; }};
}

[[nodiscard]] inline std::string text_of(const std::vector<event>& events) {
  std::string text;
  for (const event& e : events)
    text += "\n  " + describe(e);
  return text;
}

[[nodiscard]] inline std::size_t count(const fake_hardware& hw, const pattern& what) {
  return static_cast<std::size_t>(std::ranges::count_if(hw.events, what.fits));
}

/// All of these are in the log, each after the one before it. Others may lie between.
[[nodiscard]] inline testing::AssertionResult in_order(const fake_hardware& hw,
                                                       const std::vector<pattern>& wanted) {
  auto from = hw.events.begin();
  for (const pattern& each : wanted) {
    const auto found = std::find_if(from, hw.events.end(), each.fits);
    if (found == hw.events.end()) {
      return testing::AssertionFailure()
             << "no " << each.text << " after event " << std::distance(hw.events.begin(), from) << " of"
             << text_of(hw.events);
    }
    from = std::next(found);
  }
  return testing::AssertionSuccess();
}

/// Both are there, and every `first` comes before every `second`.
[[nodiscard]] inline testing::AssertionResult before(const fake_hardware& hw, const pattern& first,
                                                     const pattern& second) {
  const auto last_first = std::find_if(hw.events.rbegin(), hw.events.rend(), first.fits);
  const auto first_second = std::ranges::find_if(hw.events, second.fits);
  if (last_first == hw.events.rend() || first_second == hw.events.end()) {
    return testing::AssertionFailure()
           << "expected a " << first.text << " and a " << second.text << " in" << text_of(hw.events);
  }
  if (last_first.base() > first_second + 1) {
    return testing::AssertionFailure()
           << "a " << first.text << " comes after a " << second.text << " in" << text_of(hw.events);
  }
  return testing::AssertionSuccess();
}

/// Both are there, and the first `earlier` comes before the first `later`.
[[nodiscard]] inline testing::AssertionResult first_before(const fake_hardware& hw, const pattern& earlier,
                                                           const pattern& later) {
  const auto a = std::ranges::find_if(hw.events, earlier.fits);
  const auto b = std::ranges::find_if(hw.events, later.fits);
  if (a != hw.events.end() && b != hw.events.end() && a < b) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected a " << earlier.text << " before the first " << later.text
                                     << " in" << text_of(hw.events);
}

/// The writes of all registers of a unit are these and no others.
[[nodiscard]] inline testing::AssertionResult writes_are(const fake_hardware& hw, unsigned unit,
                                                         const std::vector<pattern>& wanted) {
  std::vector<event> writes;
  std::ranges::copy_if(hw.events, std::back_inserter(writes), any_write(unit).fits);
  for (std::size_t i = 0; i < writes.size() || i < wanted.size(); ++i) {
    if (i < writes.size() && i < wanted.size() && wanted[i].fits(writes[i])) continue;
    return testing::AssertionFailure()
           << "write " << i << " is no " << (i < wanted.size() ? wanted[i].text : "expected one") << " in"
           << text_of(writes);
  }
  return testing::AssertionSuccess();
}

/// What reached the hardware or the machine: all but reads, loads and the passing of time.
[[nodiscard]] inline std::vector<event> effects(const fake_hardware& hw) {
  std::vector<event> out;
  std::ranges::copy_if(hw.events, std::back_inserter(out), [](const event& e) {
    return e.what != action::read && e.what != action::load && e.what != action::delay;
  });
  return out;
}

/// The run of `other` is that of `full` after `edit` of each event; `edit` gives nothing where it must be
/// missing. Fails also when `edit` changes nothing.
using edit_of_event = std::function<std::optional<event>(const event&)>;
[[nodiscard]] inline testing::AssertionResult same_but(const fake_hardware& full, const fake_hardware& other,
                                                       const edit_of_event& edit) {
  std::vector<std::string> wanted;
  std::size_t edited = 0;
  for (const event& e : effects(full)) {
    const auto now = edit(e);
    if (!now || describe(*now) != describe(e)) ++edited;
    if (now) wanted.push_back(describe(*now));
  }
  std::vector<std::string> found;
  for (const event& e : effects(other))
    found.push_back(describe(e));
  if (edited == 0) return testing::AssertionFailure() << "the correct driver never takes that step";
  const auto [w, f] = std::mismatch(wanted.begin(), wanted.end(), found.begin(), found.end());
  if (w == wanted.end() && f == found.end()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "at effect " << std::distance(wanted.begin(), w) << ": expected \""
                                     << (w == wanted.end() ? "nothing" : *w) << "\", found \""
                                     << (f == found.end() ? "nothing" : *f) << '"';
}
/// As same_but, with all events of a kind missing.
[[nodiscard]] inline testing::AssertionResult only_missing(const fake_hardware& full,
                                                           const fake_hardware& other, const pattern& what) {
  return same_but(full, other,
                  [&](const event& e) { return what.fits(e) ? std::nullopt : std::optional(e); });
}

} // namespace vtd::test
