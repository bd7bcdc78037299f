// SPDX-License-Identifier: Apache-2.0
// The messages of a unit's two events once more, from VT-d 7.4, 10.4.9 to 10.4.13 and 10.4.24 to 10.4.28:
// when one is sent, held back, given up, and which address and data it goes with. Both sets of registers are
// written at random, dword by dword and two at a time, while faults are recorded, descriptors are wrong,
// devices answer what nobody asked or nothing at all, and waits end; software clears at random.
//
// The specification leaves open, and the naive events choose as docs/dmar.md says:
// - PFO is no event of its own, but while it stands there is no other;
// - IWC stays until software clears it;
// - a warm reset keeps the status, masks the events and forgets that one waits;
// - a message takes its time: masked before it has gone it waits as pending; that its cause is cleared
//   meanwhile does not take it back, but masked then, it is given up;
// - without ECAP.EIM the upper halves of data and address read 0.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

/// Where the registers stand.
constexpr std::uint32_t fault_event = reg::fectl::offset;
constexpr std::uint32_t completion_event = reg::iectl::offset;

using naive_message = std::pair<std::uint64_t, std::uint32_t>;

/// Control, data, address, upper address: four dwords in a row.
struct naive_event {
  bool wide = false; // EIM
  bool masked = true;
  bool pending = false;
  bool leaving = false; // the message is on its way out
  std::uint32_t data = 0;
  std::uint32_t address = 0;
  std::uint32_t upper = 0;
  std::vector<naive_message>& messages;

  void raise() { (masked ? pending : leaving) = true; }
  void no_cause_left() { pending = false; }
  void mask(bool on, bool any_cause) {
    masked = on;
    // What has not gone waits, unless there is nothing any more that it would tell of.
    if (masked && leaving) {
      leaving = false;
      pending = any_cause;
    } else if (!masked && pending) {
      pending = false;
      leaving = true;
    }
  }
  void write(unsigned dword, std::uint32_t value, bool any_cause) {
    switch (dword) {
    case 0:
      mask(value >> 31 != 0, any_cause);
      break;
    case 1:
      data = wide ? value : value & 0xffff;
      break;
    case 2:
      address = value / 4 * 4;
      break;
    default:
      upper = wide ? value : 0;
    }
  }
  /// Enough time has passed. Address and data are those of this moment.
  void goes() {
    if (leaving) messages.emplace_back(std::uint64_t{upper} << 32 | address, data);
    leaving = false;
  }
  [[nodiscard]] std::array<std::uint32_t, 4> dwords() const {
    return {(masked ? 1U << 31 : 0U) | (pending ? 1U << 30 : 0U), data, address, upper};
  }
  void reset() {
    masked = true;
    pending = false;
    data = address = upper = 0;
  }
};

/// What is the cause of the events.
struct naive_causes {
  naive_event& faults;
  naive_event& completion;
  bool pfo = false;
  bool iqe = false;
  bool ice = false;
  bool ite = false;
  bool iwc = false;
  std::vector<bool> records{}; // F
  unsigned next = 0;
  enum class item : std::uint8_t { wait, interrupt_wait, wrong, device };
  std::vector<item> queue{}; // from IQH on
  unsigned silent = 0;

  [[nodiscard]] bool ppf() const { return std::find(records.begin(), records.end(), true) != records.end(); }
  [[nodiscard]] bool any() const { return pfo || ppf() || iqe || ice || ite; }
  [[nodiscard]] std::uint32_t status() const {
    return (pfo ? 1U : 0U) | (ppf() ? 2U : 0U) | (iqe ? 16U : 0U) | (ice ? 32U : 0U) | (ite ? 64U : 0U);
  }
  // An event, if it is the first cause.
  void set(bool& bit) {
    const bool first = !any();
    bit = true;
    if (first) {
      faults.raise();
    } else {
      ++silent;
    }
  }
  void fault() {
    if (pfo) return;
    if (records[next]) {
      pfo = true;
      return;
    }
    const bool first = !any();
    records[next] = true;
    next = next + 1 == records.size() ? 0 : next + 1;
    if (first) {
      faults.raise();
    } else {
      ++silent;
    }
  }
  void cleared() {
    if (!any()) faults.no_cause_left();
  }
  void go() {
    while (!iqe && !ite && !queue.empty()) {
      const item what = queue.front();
      if (what == item::wrong) return set(iqe);
      queue.erase(queue.begin());
      if (what == item::device) set(ite);
      if (what != item::interrupt_wait) continue;
      if (!iwc) {
        iwc = true;
        completion.raise();
      } else {
        ++silent;
      }
    }
  }
};

struct life {
  using item = naive_causes::item;

  explicit life(std::uint64_t seed) : random(seed), config(random_config()), world(config), queue(world) {
    faults.wide = completion.wide = config.caps.ecap.eim();
    causes.records.resize(config.caps.cap.fault_records());
    world.devices_answer = false;
    world.data_delay = 5 * unit_world::period;
    world.memory.set_delay(5 * unit_world::period);
    start();
  }
  void start() {
    world.enable();
    queue.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  bool once_in(std::uint64_t n) { return below(n) == 0; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    const bool wide = once_in(2);
    caps.cap.set_nfr(static_cast<unsigned>(below(3)));
    caps.ecap.set_qi(true).set_dt(true).set_ir(wide).set_eim(wide);
    dmar::unit_config out = config_of(caps);
    out.timing.event_message = below(6);
    out.timing.fault_recording = below(6);
    out.timing.queue_prefetch = static_cast<unsigned>(below(4));
    out.timing.device_timeout = 500;
    return out;
  }

  // --- Causes

  void submit(item what) {
    spec::invalidation_descriptor d{5, 0};
    if (what == item::interrupt_wait) d.lo |= 1U << 4;
    if (what == item::wrong) d.lo = 0;
    if (what == item::device) d.lo = 3;
    queue.push(d);
    causes.queue.push_back(what);
  }
  void submit_some() {
    if (causes.queue.size() > 50) return;
    for (auto count = 1 + below(3); count != 0; --count)
      submit(once_in(6) ? item::wrong : once_in(3) ? item::wait : item::interrupt_wait);
    queue.ring();
    causes.go();
  }
  void ask_device() {
    // Alone, so that nothing else is about when it does not answer.
    if (causes.iqe || causes.ite) return;
    submit(item::device);
    queue.ring();
    causes.go();
  }
  void fault() {
    const auto number = static_cast<std::uint8_t>(below(4));
    world.read(spec::source_id::from_bdf(7, number, 0), 0x1000);
    causes.fault();
  }
  void wrong_completion() {
    world.unit.device_completed({disk, 1U << below(32), 1}, world.now_ps());
    causes.set(causes.ice);
  }

  // --- Software clears

  void clear_status() {
    // Mended or not.
    if (causes.iqe && !causes.queue.empty() && !once_in(4)) {
      queue.put(queue.head(), spec::wait_descriptor{});
      causes.queue.front() = item::wait;
    }
    const auto which = static_cast<std::uint32_t>(below(128));
    world.write_register<reg::fsts>(which);
    causes.pfo = causes.pfo && (which & 1) == 0;
    causes.iqe = causes.iqe && (which & 16) == 0;
    causes.ice = causes.ice && (which & 32) == 0;
    causes.ite = causes.ite && (which & 64) == 0;
    causes.cleared();
    causes.go();
  }
  void clear_record() {
    const auto index = static_cast<unsigned>(below(causes.records.size()));
    world.write_register<reg::frcd_hi>(reg::frcd_hi::f::mask, index);
    causes.records[index] = false;
    causes.cleared();
  }
  void clear_wait() {
    world.write_register<reg::ics>(static_cast<std::uint32_t>(1 + 2 * below(8)));
    causes.iwc = false;
    completion.no_cause_left();
  }

  // --- Software writes the registers

  void write_event() {
    const bool of_faults = once_in(2);
    naive_event& event = of_faults ? faults : completion;
    const std::uint32_t base = of_faults ? fault_event : completion_event;
    const auto value = [&](unsigned dword) {
      const auto out = static_cast<std::uint32_t>(random());
      // Mostly unmasked, or nothing happens.
      return dword == 0 && !once_in(3) ? out / 2 : out;
    };
    const auto dword = static_cast<unsigned>(below(4));
    const std::uint32_t low = value(dword);
    const bool two = once_in(4) && dword % 2 == 0;
    const std::uint32_t high = two ? value(dword + 1) : 0;
    world.unit.write_register(base + 4 * dword, two ? 8 : 4, std::uint64_t{high} << 32 | low, world.now_ps());
    const bool any_cause = of_faults ? causes.any() : causes.iwc;
    event.write(dword, low, any_cause);
    if (two) event.write(dword + 1, high, any_cause);
  }
  /// A cause, and software that masks the event, or clears the cause, or both, while the message goes.
  void race() {
    const bool of_faults = once_in(2);
    naive_event& event = of_faults ? faults : completion;
    const auto seen = [&] {
      return of_faults ? reg::fsts::ice::get(world.read_register<reg::fsts>()) != 0
                       : world.read_register<reg::ics>() != 0;
    };
    if (causes.iqe || causes.ite || (of_faults ? causes.any() : causes.iwc)) return;
    if (of_faults) {
      world.unit.device_completed({disk, 1U << below(32), 1}, world.now_ps());
      causes.set(causes.ice);
    } else {
      submit(item::interrupt_wait);
      queue.ring();
      causes.go();
    }
    while (!seen())
      world.run_to(world.wheel.now() + 1);
    const auto cycles = below(config.timing.event_message + 2);
    world.run_to(world.wheel.now() + cycles);
    if (cycles >= config.timing.event_message) event.goes();
    const bool was_leaving = event.leaving;
    if (once_in(2)) {
      of_faults ? world.write_register<reg::fsts>(reg::fsts::ice::mask)
                : world.write_register<reg::ics>(reg::ics::iwc::mask);
      (of_faults ? causes.ice : causes.iwc) = false;
      event.no_cause_left();
    }
    if (once_in(2)) {
      of_faults ? world.write_register<reg::fectl>(reg::fectl::im::mask)
                : world.write_register<reg::iectl>(reg::iectl::im::mask);
      event.mask(true, of_faults ? causes.any() : causes.iwc);
      if (was_leaving && !event.pending) ++given_up;
    }
  }
  void reset() {
    const bool power_on = once_in(2);
    world.unit.reset(power_on);
    faults.reset();
    completion.reset();
    causes.queue.clear();
    causes.next = 0;
    if (power_on) {
      causes.pfo = causes.iqe = causes.ice = causes.ite = causes.iwc = false;
      causes.records.assign(causes.records.size(), false);
    }
    start();
  }

  void act() {
    const auto what = below(64);
    if (what < 14) return write_event();
    if (what < 24) return submit_some();
    if (what < 26) return ask_device();
    if (what < 30) return fault();
    if (what < 33) return wrong_completion();
    if (what < 43) return clear_status();
    if (what < 49) return clear_record();
    if (what < 59) return clear_wait();
    if (what < 63) return race();
    if (once_in(4)) reset();
  }

  void compare() {
    ASSERT_EQ(world.read_register<reg::fsts>() & 0xff, causes.status()) << "FSTS";
    ASSERT_EQ(world.read_register<reg::ics>(), causes.iwc ? 1U : 0U) << "ICS";
    compare(faults, fault_event);
    compare(completion, completion_event);
    // Two of one step may go in any order.
    std::vector<naive_message> got;
    for (std::size_t i = compared; i < world.messages.size(); ++i)
      got.emplace_back(world.messages[i].second.address, world.messages[i].second.data);
    std::vector<naive_message> expected(messages.begin() + static_cast<std::ptrdiff_t>(compared),
                                        messages.end());
    std::sort(got.begin(), got.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(got, expected) << "messages";
    compared = messages.size();
  }
  void compare(const naive_event& event, std::uint32_t base) {
    const auto expected = event.dwords();
    for (std::uint32_t n = 0; n < 4; ++n) {
      auto value = static_cast<std::uint32_t>(world.unit.read_register(base + 4 * n, 4, world.now_ps()));
      // IM and IP; the others are reserved.
      if (n == 0) value &= 3U << 30;
      ASSERT_EQ(value, expected[n]) << "register at " << base + 4 * n;
    }
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      world.settle();
      faults.goes();
      completion.goes();
      if (!testing::Test::HasFatalFailure()) compare();
      waited += (faults.pending ? 1U : 0U) + (completion.pending ? 1U : 0U);
    }
  }

  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  queue_driver queue;
  std::vector<naive_message> messages;
  naive_event faults{.messages = messages};
  naive_event completion{.messages = messages};
  naive_causes causes{faults, completion};
  std::size_t compared = 0;
  unsigned waited = 0;
  unsigned given_up = 0;
};

TEST(naive_events, agree_with_the_unit_over_random_causes_and_registers) {
  std::size_t messages = 0;
  std::size_t waited = 0;
  std::size_t silent = 0;
  std::size_t wide = 0;
  std::size_t given_up = 0;
  std::array<std::size_t, 5> standing{};
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(200);
    if (testing::Test::HasFatalFailure()) return;
    messages += one.messages.size();
    waited += one.waited;
    silent += one.causes.silent;
    given_up += one.given_up;
    wide += one.faults.wide ? 1 : 0;
    for (unsigned bit = 0;
         const bool each : {one.causes.pfo, one.causes.ppf(), one.causes.iqe, one.causes.ice, one.causes.ite})
      standing[bit++] += each ? 1 : 0;
  }
  for (const std::size_t each : {messages, waited, silent, wide, given_up})
    EXPECT_GT(each, 200U) << "all of it happens";
  for (const std::size_t each : standing)
    EXPECT_GT(each, 50U) << "so does every cause";
}

} // namespace
} // namespace vtd::test
