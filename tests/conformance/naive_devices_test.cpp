// SPDX-License-Identifier: Apache-2.0
// Invalidation of device-TLBs once more, from VT-d 6.5.2.5, 6.5.2.8, 10.4.9, 10.4.29 and PCIe ATS: which
// requests leave, who may have how many open, what waits, what a time-out takes with it, and what a
// completion says that nobody waits for. Devices answer rightly, late, for others, with other tags, in
// several messages, or never.
//
// The specification leaves open, and the naive agent chooses as docs/microarchitecture.md says:
// - the time-out itself, its cycle, and that a completion seen in that cycle is in time;
// - MIP, a hint to hardware, is kept; without ECAP.DIT by source-id;
// - descriptors begin in their order; what stands behind a wait that waits for devices does not begin;
// - how many descriptors are fetched ahead, and so which waits a time-out drops: those that were fetched;
// - ICESID is that of the first wrong completion since ICE was clear, as ITESID is that of the first
//   time-out;
// - a completion that names open and other tags counts for the open ones, and is wrong for the others; one
//   that names none is wrong;
// - a queue that is switched off waits for its devices.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <random>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using engine::cycle;

/// A descriptor as far as this is about it.
struct naive_item {
  enum class what : std::uint8_t { device, wait, pages };
  what kind = what::pages;
  // To a device: for whom it counts, how many it may have open, and the range.
  std::uint16_t source = 0;
  std::uint16_t counts_for = 0;
  unsigned most = 32;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  // A wait.
  bool interrupt = false;
  std::optional<std::uint32_t> status;
  std::uint64_t place = 0;
};

/// A request that a device owes the completions of.
struct naive_open {
  naive_item what;
  unsigned tag = 0;
  cycle deadline = 0;
  unsigned completions = 0;
};

struct naive_agent {
  unsigned ahead = 1;
  cycle timeout = 0;
  // What the unit has sent.
  const std::vector<std::pair<cycle, spec::ats::invalidation_request>>& sent;

  std::deque<naive_item> queue{}; // from the one that is fetched next
  std::deque<naive_item> fetched{};
  std::optional<naive_item> running{};
  std::vector<naive_open> open{};
  bool on = false;
  bool leaving = false; // QIE was cleared
  std::uint64_t head = 0;
  bool ite = false;
  bool ice = false;
  std::uint16_t late_device = 0;
  std::uint16_t wrong_device = 0;
  bool iwc = false;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> status{};
  bool page_cached = false;
  std::size_t requests = 0;
  // What happened.
  std::vector<std::pair<std::uint16_t, unsigned>> given_up{};
  unsigned throttled = 0;
  unsigned without_tag = 0;
  unsigned dropped = 0;
  unsigned kept_on = 0;

  [[nodiscard]] cycle first_deadline() const {
    cycle out = engine::never;
    for (const naive_open& each : open)
      out = std::min(out, each.deadline);
    return out;
  }

  /// All that can be done now. The unit has done it already: which tag a request took, and when it left, it
  /// says.
  void go() {
    while (begin_or_send() || fetch()) {
    }
    if (leaving && !running && open.empty()) {
      on = leaving = false;
      head = 0;
    }
  }
  void completed(std::uint16_t device, std::uint32_t tags, unsigned count) {
    bool wrong = tags == 0;
    for (unsigned tag = 0; tag < 32; ++tag) {
      if ((tags >> tag & 1) == 0) continue;
      const auto found = std::find_if(open.begin(), open.end(), [&](const naive_open& each) {
        return each.tag == tag && each.what.source == device;
      });
      if (found == open.end()) {
        wrong = true;
      } else if (++found->completions == count) {
        open.erase(found);
      }
    }
    if (!wrong) return;
    if (!ice) wrong_device = device;
    ice = true;
  }
  /// The time-outs of this cycle.
  void time_passes(cycle now) {
    for (std::size_t i = 0; i < open.size();) {
      if (open[i].deadline != now) {
        ++i;
        continue;
      }
      if (!ite) late_device = open[i].what.source;
      ite = true;
      given_up.emplace_back(open[i].what.source, open[i].tag);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      dropped += static_cast<unsigned>(
          std::erase_if(fetched, [](const naive_item& each) { return each.kind == naive_item::what::wait; }));
    }
  }
  void switch_off() {
    leaving = true;
    fetched.clear();
    queue.clear();
  }

private:
  bool begin_or_send() {
    if (running) return send();
    if (leaving || fetched.empty()) return false;
    const naive_item next = fetched.front();
    if (next.kind == naive_item::what::wait && !open.empty()) return false;
    fetched.pop_front();
    if (ite) ++kept_on;
    switch (next.kind) {
    case naive_item::what::device:
      running = next;
      break;
    case naive_item::what::pages:
      page_cached = false;
      break;
    case naive_item::what::wait:
      if (next.status) status.emplace_back(next.place, *next.status);
      iwc = iwc || next.interrupt;
      break;
    }
    return true;
  }
  bool send() {
    const auto mine = std::count_if(open.begin(), open.end(), [&](const naive_open& each) {
      return each.what.counts_for == running->counts_for;
    });
    if (static_cast<unsigned>(mine) >= running->most) ++throttled;
    if (open.size() == 32) ++without_tag;
    if (static_cast<unsigned>(mine) >= running->most || open.size() == 32) return false;
    check_sent();
    running.reset();
    return !testing::Test::HasFatalFailure();
  }
  void check_sent() {
    ASSERT_LT(requests, sent.size()) << "a request is due";
    const auto& [when, got] = sent[requests++];
    ASSERT_EQ(got.device.value(), running->source);
    ASSERT_EQ(got.what.first(), running->first);
    ASSERT_EQ(got.what.last(), running->last);
    ASSERT_LT(got.tag, 32U);
    for (const naive_open& each : open)
      ASSERT_NE(each.tag, got.tag) << "the tag is taken";
    open.push_back({*running, got.tag, when + timeout, 0});
  }
  bool fetch() {
    if (!on || leaving || ite || queue.empty()) return false;
    const bool room = ahead == 0 ? !running && fetched.empty() : fetched.size() < ahead;
    if (!room) return false;
    fetched.push_back(queue.front());
    queue.pop_front();
    head = (head + 16) % 4096;
    return true;
  }
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config),
        queue(world), agent{config.timing.queue_prefetch, config.timing.device_timeout, world.invalidations} {
    world.devices_answer = false;
    world.data_delay = 5 * unit_world::period;
    world.memory.set_delay(5 * unit_world::period);
    world.tables.attach(nic, queue_tests::domain);
    world.tables.map(nic, page, page);
    world.enable();
    for (auto& each : messages)
      each = static_cast<unsigned>(once_in(2) ? 1 : 1 + below(8));
    // Never, seldom, mostly.
    answers_in = std::array<std::uint64_t, 3>{0, 1, 8}[below(3)];
    switch_on();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  bool once_in(std::uint64_t n) { return below(n) == 0; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.version = once_in(2) ? 0x30 : 0x10;
    caps.ecap.set_qi(true).set_dt(true).set_dit(once_in(2));
    dmar::unit_config out = config_of(caps);
    out.timing.queue_prefetch = static_cast<unsigned>(below(6));
    out.timing.descriptor_fetch = below(4);
    out.timing.descriptor_decode = below(4);
    out.timing.status_write = below(4);
    // Two never leave in one cycle.
    out.timing.device_invalidation = 1 + below(8);
    out.timing.device_timeout = 2 * calm + below(3 * calm);
    return out;
  }

  // --- Descriptors

  naive_item to_device(spec::invalidation_descriptor& d) {
    naive_item out;
    out.kind = naive_item::what::device;
    out.source = devices[below(devices.size())].value();
    out.counts_for = out.source;
    const auto mip = many ? 0 : below(3) == 0 ? below(2) * below(32) : below(4);
    out.most = mip == 0 ? 32 : static_cast<unsigned>(mip);
    d.lo = 3 | mip << 16 | std::uint64_t{out.source} << 32;
    if (config.caps.ecap.dit()) {
      // Of any of them, to see that it is this that counts.
      out.counts_for = devices[below(2)].value();
      d.lo |= std::uint64_t{out.counts_for} % 16 << 12 | std::uint64_t{out.counts_for} / 16 << 52;
    }
    // 2^n pages: S, and ones up to the first zero.
    const auto n = below(3) == 0 ? below(52) : below(2);
    const std::uint64_t size = std::uint64_t{4096} << n;
    out.first = below(1000) * 4096 / size * size;
    out.last = out.first + size - 1;
    d.hi = n == 0 ? out.first : out.first | (size / 2 - 1) / 4096 * 4096 | 1;
    return out;
  }
  naive_item a_wait(spec::invalidation_descriptor& d) {
    naive_item out;
    out.kind = naive_item::what::wait;
    out.interrupt = once_in(2);
    if (!once_in(4)) out.status = static_cast<std::uint32_t>(below(100000));
    d.lo = 5 | (out.interrupt ? 1U << 4 : 0) | (out.status ? 1U << 5 : 0) | below(2) << 6;
    if (out.status) d.lo |= std::uint64_t{*out.status} << 32;
    d.hi = out.place = queue_tests::status_word + 4 * below(2);
    return out;
  }
  void submit() {
    if (!agent.on || agent.leaving) return;
    for (auto count = 1 + below(many ? 12 : 4); count != 0 && agent.queue.size() < 40; --count) {
      spec::invalidation_descriptor d{2 | 1 << 4, 0};
      naive_item it;
      if (const auto what = below(8); what < 5) {
        it = to_device(d);
      } else if (what < 7 && (!many || once_in(16))) {
        it = a_wait(d);
      }
      queue.push(d);
      agent.queue.push_back(it);
    }
    queue.ring();
    rest();
  }

  // --- Devices

  void answer() {
    if (agent.open.empty()) return wrong_answer();
    const naive_open one = agent.open[below(agent.open.size())];
    std::uint32_t tags = 1U << one.tag;
    // One message may answer several, and be wrong for some.
    for (const naive_open& each : agent.open) {
      if (once_in(3) && each.what.source == one.what.source) tags |= 1U << each.tag;
    }
    if (once_in(20)) tags |= 1U << below(32);
    completes(one.what.source, tags);
  }
  void wrong_answer() {
    const spec::source_id device = devices[below(devices.size())];
    // Too late: the tag may be another request's by now.
    if (once_in(3) && !agent.given_up.empty()) {
      const auto& [source, tag] = agent.given_up[below(agent.given_up.size())];
      return completes(source, 1U << tag);
    }
    // A message that names no tag at all is one that nobody waits for, too.
    std::uint32_t tags = once_in(20) ? 0 : 1U << below(32);
    if (once_in(2) && !agent.open.empty()) tags = 1U << agent.open[below(agent.open.size())].tag;
    completes(device.value(), tags);
  }
  void completes(std::uint16_t device, std::uint32_t tags) {
    const unsigned count = messages[device % messages.size()];
    world.unit.device_completed({spec::source_id{device}, tags, count}, world.now_ps());
    agent.completed(device, tags, count);
    rest();
  }

  // --- Time

  /// Until the unit has nothing more to do, but wait for devices.
  void rest() {
    for (;;) {
      const cycle next = world.wheel.next();
      cycle limit = agent.first_deadline();
      for (std::size_t i = agent.requests; i < world.invalidations.size(); ++i)
        limit = std::min(limit, world.invalidations[i].first + config.timing.device_timeout);
      if (next >= limit) break;
      world.run_to(next);
    }
    agent.go();
  }
  /// Time-outs come on the way, one by one, and a device may answer at the last moment.
  void pass(cycle cycles) {
    cycle until = world.wheel.now() + cycles;
    bool at_rest = true;
    while (agent.first_deadline() <= until && !testing::Test::HasFatalFailure()) {
      const cycle deadline = agent.first_deadline();
      world.run_to(deadline - 1);
      ASSERT_EQ(world.read_register<reg::fsts>(), errors()) << "the cycle before";
      const naive_open first = *std::find_if(agent.open.begin(), agent.open.end(),
                                             [&](const auto& each) { return each.deadline == deadline; });
      // Nothing else is about to happen.
      const bool alone =
          at_rest && std::all_of(agent.open.begin(), agent.open.end(), [&](const naive_open& each) {
            return each.tag == first.tag || each.deadline > deadline + calm;
          });
      if (alone && once_in(4)) {
        ++last_moments;
        completes(first.what.source, 1U << first.tag);
        // It may have been one of several messages.
        if (agent.first_deadline() != deadline) continue;
      }
      agent.time_passes(deadline);
      world.run_to(deadline);
      ++timeouts;
      ASSERT_EQ(world.read_register<reg::fsts>(), errors()) << "in its cycle";
      at_rest = agent.first_deadline() > deadline + calm;
      if (at_rest) {
        rest();
      } else {
        until = std::max(until, agent.first_deadline());
      }
    }
    world.run_to(std::max(until, world.wheel.now()));
    rest();
  }
  /// Whatever software or devices do ends before the next time-out.
  void make_calm() {
    while (agent.first_deadline() < world.wheel.now() + calm && !testing::Test::HasFatalFailure())
      pass(calm);
  }

  // --- Software

  [[nodiscard]] std::uint32_t errors() const {
    return (agent.ice ? 1U << 5 : 0U) | (agent.ite ? 1U << 6 : 0U);
  }
  void clear() {
    const auto which = static_cast<std::uint32_t>(1 + below(3)) << 5;
    world.write_register<reg::fsts>(which);
    if ((which & 1U << 5) != 0) agent.ice = false;
    if ((which & 1U << 6) != 0) agent.ite = false;
    rest();
  }
  void clear_wait() {
    world.write_register<reg::ics>(1);
    agent.iwc = false;
  }
  void look() {
    world.memory.reads.clear();
    world.offer(1, nic, remap::access_kind::read, page);
    rest();
    ASSERT_EQ(world.memory.reads.empty(), agent.page_cached);
    agent.page_cached = true;
  }
  void switch_on() {
    queue.set_address();
    world.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    agent.on = true;
    agent.head = 0;
    rest();
  }
  void switch_queue() {
    if (agent.leaving) return;
    if (!agent.on) return switch_on();
    world.write_register<reg::gcmd>(reg::gcmd::te::mask);
    agent.switch_off();
    rest();
  }

  void act() {
    make_calm();
    if (testing::Test::HasFatalFailure()) return;
    const auto what = below(40);
    if (what < 14) return submit();
    if (what < 24) return below(8) < answers_in ? answer() : submit();
    if (what < 26) return wrong_answer();
    if (what < 29) return pass(below(config.timing.device_timeout * 2));
    if (what < 34) return clear();
    if (what < 36) return clear_wait();
    if (what < 39) return look();
    if (once_in(4) || !agent.on) switch_queue();
  }

  void compare() {
    ASSERT_EQ(world.read_register<reg::fsts>(), errors());
    ASSERT_EQ(world.invalidations.size(), agent.requests) << "one more than was due";
    ASSERT_EQ(queue.on(), agent.on);
    ASSERT_EQ(queue.head(), agent.head);
    ASSERT_EQ(world.read_register<reg::ics>(), agent.iwc ? 1U : 0U);
    ASSERT_EQ(world.status_writes.size(), agent.status.size());
    for (; compared < agent.status.size(); ++compared) {
      ASSERT_EQ(world.status_writes[compared].address, agent.status[compared].first);
      ASSERT_EQ(world.status_writes[compared].id, agent.status[compared].second);
    }
    const std::uint64_t record = world.read_register<reg::iqercd>();
    if (config.caps.version < 0x30) {
      ASSERT_EQ(record, 0U) << "a part of before revision 3 has no IQERCD";
      return;
    }
    // Each means something while its bit is set.
    if (agent.ite) {
      ASSERT_EQ(record >> 32 & 0xffff, agent.late_device) << "ITESID";
    }
    if (agent.ice) {
      ASSERT_EQ(record >> 48, agent.wrong_device) << "ICESID";
    }
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      if (!testing::Test::HasFatalFailure()) compare();
    }
  }

  static constexpr std::uint64_t page = queue_tests::first_page;
  // Longer than anything that the unit does by itself.
  static constexpr cycle calm = 5000;

  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  queue_driver queue;
  naive_agent agent;
  // A physical function, another, and a function of each.
  std::vector<spec::source_id> devices = {nic, disk, spec::source_id::from_bdf(1, 0, 1),
                                          spec::source_id::from_bdf(1, 0, 2)};
  // So many messages are one completion.
  std::array<unsigned, 4> messages{};
  std::uint64_t answers_in = 0;
  // Hardly a wait, and each may have all tags.
  bool many = once_in(4);
  std::size_t compared = 0;
  unsigned timeouts = 0;
  unsigned last_moments = 0;
};

TEST(naive_devices, agree_with_the_unit_over_random_answers_and_silence) {
  std::array<std::size_t, 9> seen{};
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(150);
    if (testing::Test::HasFatalFailure()) return;
    const naive_agent& agent = one.agent;
    const std::array<std::size_t, 9> now = {agent.requests,   agent.throttled,     agent.without_tag,
                                            agent.dropped,    agent.kept_on,       one.timeouts,
                                            one.last_moments, agent.ice ? 1U : 0U, agent.status.size()};
    for (std::size_t i = 0; i < now.size(); ++i)
      seen[i] += now[i];
  }
  for (std::size_t i = 0; i < seen.size(); ++i)
    EXPECT_GT(seen[i], 50U) << "all of it happens, also number " << i;
}

} // namespace
} // namespace vtd::test
