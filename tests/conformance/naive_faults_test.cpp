// SPDX-License-Identifier: Apache-2.0
// Fault records and the advanced fault log once more, written from VT-d 7.3.1, 7.3.2, 7.4, 10.4.9, 10.4.10
// and 10.4.14 without a look at src/, over random faults and software that clears at random.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

/// 128 bits, as in FRCD without F, or in the log.
struct naive_record {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  [[nodiscard]] std::uint16_t source() const { return static_cast<std::uint16_t>(hi); }
  [[nodiscard]] bool pending() const { return (hi >> 32 & 0xff) != 0; }
  friend bool operator==(const naive_record&, const naive_record&) = default;
};

/// FSTS (PFO, PPF, AFO, APF) and FECTL, and how many messages there were.
struct naive_event {
  bool pfo = false;
  bool ppf = false;
  bool afo = false;
  bool apf = false;
  bool masked = true;
  bool pending = false;
  unsigned messages = 0;

  [[nodiscard]] bool any() const { return pfo || ppf || afo || apf; }
  /// A status bit is about to be set. 7.4: only the first of them is an event.
  void raise(bool& bit) {
    const bool first = !any();
    bit = true;
    if (!first) return;
    masked ? (void)(pending = true) : (void)++messages;
  }
  void cleared() {
    if (!any()) pending = false;
  }
  void mask(bool on) {
    masked = on;
    if (masked || !pending) return;
    pending = false;
    ++messages;
  }
};

/// FRCD: a ring of records that hardware fills in order and software frees as it likes (7.3.1).
struct naive_records {
  naive_event& event;
  std::vector<naive_record> records;
  std::vector<bool> full;
  bool compress;
  unsigned next = 0;
  unsigned first = 0;

  naive_records(naive_event& shared, unsigned count, bool compresses)
      : event(shared), records(count), full(count, false), compress(compresses) {}

  void fault(const naive_record& what) {
    if (event.pfo) return;
    for (unsigned i = 0; i < records.size(); ++i) {
      if (compress && full[i] && records[i].source() == what.source()) return;
    }
    // Not by itself an event.
    if (full[next]) return void(event.pfo = true);
    records[next] = what;
    full[next] = true;
    if (!event.ppf) {
      first = next;
      event.raise(event.ppf);
    }
    next = next + 1 == records.size() ? 0 : next + 1;
  }
  void free(unsigned index) {
    full[index] = false;
    event.ppf = false;
    for (const bool each : full)
      event.ppf = event.ppf || each;
    event.cleared();
  }
};

/// The log in memory: one record after the other, where the place is free (7.3.2).
struct naive_log {
  naive_event& event;
  std::vector<naive_record> memory;
  std::size_t size = 0;
  std::size_t next = 0;

  void fault(const naive_record& what) {
    if (event.afo) return;
    if (memory[next].pending()) return event.raise(event.afo);
    memory[next] = what;
    next = next + 1 == size ? 0 : next + 1;
    event.raise(event.apf);
  }
};

constexpr std::uint64_t log_base = 0xa00000;
constexpr unsigned largest_log = 1; // FLS

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config),
        records(event, config.caps.cap.fault_records(), config.compress_faults),
        log{event, std::vector<naive_record>(256U << largest_log), 0, 0} {
    build();
    world.write_register<reg::fedata>(0x41);
    world.write_register<reg::feaddr>(0xfee00000);
    world.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_nfr(static_cast<unsigned>(below(8))).set_mgaw(48).set_afl(below(2) != 0);
    dmar::unit_config out = config_of(caps);
    out.ports = 3;
    out.compress_faults = below(3) == 0;
    out.timing.fault_recording = below(5);
    out.timing.event_message = below(5);
    return out;
  }

  // Who asks for what, and the reason for which it is blocked (table of 7.1.3).
  struct asker {
    spec::source_id source;
    bool write;
    std::uint64_t page;
    unsigned reason;
  };
  void build() {
    const auto a = spec::source_id::from_bdf(1, 0, 0);
    const auto b = spec::source_id::from_bdf(1, 0, 1);
    const auto quiet = spec::source_id::from_bdf(1, 0, 2);
    world.tables.attach(a, 3);
    world.tables.attach(b, 4);
    world.tables.attach(quiet, 5);
    auto entry = world.tables.context(quiet);
    world.tables.set_context(quiet, entry.set_fault_processing_disable(true));
    for (const auto device : {a, b, quiet}) {
      world.tables.map(device, 0x1000, 0x7000000, read_only);
      world.tables.map(device, 0x2000, 0x7000000, write_only);
    }
    const std::uint64_t wide = std::uint64_t{1} << 50;
    askers = {{a, true, 0x1000, 0x05},        {a, false, 0x2000, 0x06},
              {b, false, 0x2000, 0x06},       {b, true, 0x3000, 0x05},
              {a, true, wide | 0x1000, 0x04}, {a, false, 0x5000, 0x06},
              {quiet, true, 0x1000, 0},       {spec::source_id::from_bdf(1, 5, 0), true, 0x1000, 0x02},
              {b, true, 0x1000, 0x05},        {spec::source_id::from_bdf(9, 0, 0), false, 0x1000, 0x01}};
  }

  /// Some requests at once; in which order they are blocked is another test's matter.
  void ask() {
    const auto count = 1 + below(3);
    for (unsigned port = 0; port < count; ++port) {
      const auto number = below(askers.size());
      const asker& one = askers[number];
      world.offer(number, one.source, one.write ? remap::access_kind::write : remap::access_kind::read,
                  one.page + below(64) * 64, 64, port);
    }
    const std::size_t before = world.faults.size();
    world.settle();
    ASSERT_EQ(world.faults.size(), before + count);
    for (std::size_t i = before; i < world.faults.size(); ++i)
      blocked(world.faults[i].access);
  }
  void blocked(const remap::dma_access& access) {
    const bool write = access.kind == remap::access_kind::write;
    for (const asker& one : askers) {
      if (one.source != access.source || one.write != write || one.page != (access.address & ~0xfffULL))
        continue;
      if (one.reason == 0) return;
      naive_record what;
      // FI has no bit at or above MGAW; T is 1 for a read.
      what.lo = one.page & 0x0000fffffffff000;
      what.hi =
          access.source.value() | std::uint64_t{one.reason} << 32 | (write ? 0 : std::uint64_t{1} << 62);
      logs ? log.fault(what) : records.fault(what);
      return;
    }
    FAIL() << "nobody asked for this";
  }

  void clear_record() {
    const auto index = static_cast<unsigned>(below(3) == 0 ? below(records.full.size()) : records.first);
    world.write_register<reg::frcd_hi>(reg::frcd_hi::f::mask | below(1000), index);
    records.free(index);
  }
  void clear_all() {
    for (unsigned i = 0; i < records.full.size(); ++i) {
      if (!records.full[i]) continue;
      world.write_register<reg::frcd_hi>(reg::frcd_hi::f::mask, i);
      records.free(i);
    }
  }
  void write_status() {
    const auto bits = static_cast<std::uint32_t>(below(16));
    world.write_register<reg::fsts>(bits);
    event.pfo = event.pfo && (bits & 1) == 0;
    event.afo = event.afo && (bits & 4) == 0;
    event.apf = event.apf && (bits & 8) == 0;
    event.cleared();
  }
  void mask() {
    const bool on = below(2) != 0;
    world.write_register<reg::fectl>(on ? reg::fectl::im::mask : 0);
    world.settle();
    event.mask(on);
  }
  void restart() {
    world.write_register<reg::gcmd>(0);
    world.settle();
    world.write_register<reg::gcmd>(reg::gcmd::te::mask);
    world.settle();
    gcmd = reg::gcmd::te::mask;
    logs = false;
    records.next = 0;
    log.next = 0;
  }
  void take_records() {
    for (auto n = below(300); n-- != 0;) {
      const std::size_t index = below(4) == 0 ? below(log.memory.size()) : (log.next + n) % log.memory.size();
      log.memory[index].hi = 0;
      world.memory.store(log_base + 16 * index + 8, 0);
    }
  }
  void new_log() {
    const auto fls = static_cast<unsigned>(below(largest_log + 1));
    world.write_register<reg::aflog>(log_base | reg::aflog::fls::of(fls));
    world.write_register<reg::gcmd>(gcmd | reg::gcmd::sfl::mask);
    world.settle();
    log.size = std::size_t{256} << fls;
    log.next = 0;
  }
  void switch_log() {
    if (log.size == 0) new_log();
    logs = !logs;
    gcmd = logs ? gcmd | reg::gcmd::eafl::mask : gcmd & ~static_cast<std::uint32_t>(reg::gcmd::eafl::mask);
    world.write_register<reg::gcmd>(gcmd);
    world.settle();
    if (!logs) log.next = 0;
  }

  void act() {
    const auto what = below(40);
    if (what < 26) return ask();
    if (what < 30) return clear_record();
    if (what < 31) return clear_all();
    if (what < 34) return write_status();
    if (what < 37) return mask();
    if (!config.caps.cap.afl()) return what == 38 ? restart() : ask();
    if (what == 37) return take_records();
    // Seldom, so that the log comes round.
    if (below(20) == 0) return restart();
    if (below(20) == 0) return new_log();
    if (below(10) == 0) switch_log();
  }

  void compare() {
    const std::uint32_t status = world.read_register<reg::fsts>();
    ASSERT_EQ(status & 0xff,
              (event.pfo ? 1U : 0U) | (event.ppf ? 2U : 0U) | (event.afo ? 4U : 0U) | (event.apf ? 8U : 0U));
    if (event.ppf) {
      ASSERT_EQ(status >> 8, records.first);
    }
    for (unsigned i = 0; i < records.full.size(); ++i) {
      const std::uint64_t high = world.read_register<reg::frcd_hi>(i);
      ASSERT_EQ(high >> 63 != 0, records.full[i]) << "F of record " << i;
      if (!records.full[i]) continue;
      ASSERT_EQ((naive_record{world.read_register<reg::frcd_lo>(i), high << 1 >> 1}), records.records[i])
          << "record " << i;
    }
    ASSERT_EQ(world.read_register<reg::fectl>() >> 30, (event.masked ? 2U : 0U) | (event.pending ? 1U : 0U));
    ASSERT_EQ(world.messages.size(), event.messages);
  }
  void compare_log() {
    for (std::size_t i = 0; i < log.memory.size(); ++i) {
      ASSERT_EQ(
          (naive_record{world.memory.load(log_base + 16 * i), world.memory.load(log_base + 16 * i + 8)}),
          log.memory[i])
          << "record " << i << " of the log";
    }
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      compare();
      if (event.pfo) ++overflows;
      if (event.afo) ++log_overflows;
      if (logs && log.next < before_) ++turns;
      before_ = log.next;
    }
    if (config.caps.cap.afl()) compare_log();
  }

  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  naive_event event;
  naive_records records;
  naive_log log;
  bool logs = false;
  std::uint32_t gcmd = reg::gcmd::te::mask;
  std::vector<asker> askers;
  unsigned overflows = 0;
  unsigned log_overflows = 0;
  unsigned turns = 0;

private:
  std::size_t before_ = 0;
};

TEST(naive_faults, agree_with_the_unit_over_random_faults_and_clearing) {
  std::array<unsigned, 5> seen{};
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(one.config.caps.cap.afl() ? 1000 : 300);
    if (testing::Test::HasFatalFailure()) return;
    seen[0] += one.event.messages;
    seen[1] += one.overflows;
    seen[2] += one.log_overflows;
    seen[3] += one.turns;
    seen[4] += one.records.full.size() == 8 ? 1 : 0;
  }
  for (const unsigned each : seen)
    EXPECT_GT(each, 5U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
