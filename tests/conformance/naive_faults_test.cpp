// SPDX-License-Identifier: Apache-2.0
// Fault records and the advanced fault log once more, written from VT-d 7.3.1, 7.3.2, 7.4, 10.4.4, 10.4.5,
// 10.4.9, 10.4.10, 10.4.14 and 10.4.15 without a look at src/, over random faults of requests of every
// address type, and software that clears and orders at random. GSTS shows each order after the cycles that
// docs/microarchitecture.md says.
//
// Open, so what is expected here is this model's choice and no witness for silicon:
// - a part without device-TLBs blocks what is not untranslated by its context entry, as others do;
// - and its records have no address type, as fields of capabilities that are not there read 0;
// - a log that is taken over while it is in use is used from its first record on;
// - while AFO is set nothing is recorded.

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

// Where a log may lie, and its largest size as FLS has it.
constexpr std::array<std::uint64_t, 2> log_bases = {0xa00000, 0xc00000};
constexpr unsigned largest_log = 1;

/// The log in memory: one record after the other, where the place is free (7.3.2).
struct naive_log {
  naive_event& event;
  std::array<std::vector<naive_record>, log_bases.size()> memory{};
  // As AFLOG says, and as it was taken over.
  std::size_t written_place = 0;
  unsigned written_size = 0;
  std::size_t place = 0;
  std::size_t size = 0;
  std::size_t next = 0;
  bool on = false;

  [[nodiscard]] std::uint64_t aflog() const { return log_bases[written_place] | written_size << 9; }
  [[nodiscard]] bool taken_over() const { return size != 0; }
  void take_over() {
    place = written_place;
    size = std::size_t{256} << written_size;
    next = 0;
  }
  void fault(const naive_record& what) {
    if (event.afo) return;
    naive_record& free = memory[place][next];
    if (free.pending()) return event.raise(event.afo);
    free = what;
    next = next + 1 == size ? 0 : next + 1;
    event.raise(event.apf);
  }
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config),
        records(event, config.caps.cap.fault_records(), config.compress_faults), log{event} {
    log.memory.fill(std::vector<naive_record>(256U << largest_log));
    world.write_register<reg::aflog>(log.aflog());
    build();
    world.write_register<reg::fedata>(0x41);
    world.write_register<reg::feaddr>(0xfee00000);
    world.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_nfr(static_cast<unsigned>(below(8))).set_mgaw(48).set_afl(below(2) != 0);
    const bool device_tlbs = below(2) != 0;
    caps.ecap.set_qi(device_tlbs).set_dt(device_tlbs);
    dmar::unit_config out = config_of(caps);
    out.ports = 3;
    out.compress_faults = below(3) == 0;
    out.timing.fault_recording = below(5);
    out.timing.command = 1 + below(9);
    out.timing.event_message = below(5);
    return out;
  }

  // Who asks for what, of which type (AT), and the reason for which it is blocked (table of 7.1.3); 0: none
  // that is recorded. Translation requests are reads.
  struct asker {
    spec::source_id source;
    bool write;
    std::uint64_t page;
    unsigned reason;
    unsigned type = 0;
    // It is no fault at all.
    bool answered = false;
  };
  void build() {
    const auto a = spec::source_id::from_bdf(1, 0, 0);
    const auto b = spec::source_id::from_bdf(1, 0, 1);
    const auto quiet = spec::source_id::from_bdf(1, 0, 2);
    const auto caching = spec::source_id::from_bdf(1, 0, 3);
    const auto nobody = spec::source_id::from_bdf(1, 5, 0);
    const auto nowhere = spec::source_id::from_bdf(9, 0, 0);
    world.tables.attach(a, 3);
    world.tables.attach(b, 4);
    world.tables.attach(quiet, 5);
    world.tables.attach(caching, 6, 3, spec::translation_type::with_device_tlb);
    auto entry = world.tables.context(quiet);
    world.tables.set_context(quiet, entry.set_fault_processing_disable(true));
    for (const auto device : {a, b, quiet, caching}) {
      world.tables.map(device, 0x1000, 0x7000000, read_only);
      world.tables.map(device, 0x2000, 0x7000000, write_only);
    }
    // A leaf with a reserved bit.
    world.memory.store(world.tables.entry_of(caching, 0x4000, 1, true), std::uint64_t{1} << 50 | 3);
    const std::uint64_t wide = std::uint64_t{1} << 50;
    const std::uint64_t beyond_host = std::uint64_t{1} << 47;
    constexpr unsigned ask = 1;
    constexpr unsigned translated = 2;
    askers = {{a, true, 0x1000, 0x05},
              {a, false, 0x2000, 0x06},
              {b, false, 0x2000, 0x06},
              {b, true, 0x3000, 0x05},
              {a, true, wide | 0x1000, 0x04},
              {a, false, 0x5000, 0x06},
              {quiet, true, 0x1000, 0},
              {nobody, true, 0x1000, 0x02},
              {b, true, 0x1000, 0x05},
              {nowhere, false, 0x1000, 0x01},
              // Only a context entry with TT = 01 lets a device ask, or go where it was told.
              {a, false, 0x1000, 0x0d, ask},
              {b, true, 0x1000, 0x0d, translated},
              {b, false, 0x6000, 0x0d, translated},
              {quiet, true, 0x1000, 0, translated},
              {nobody, false, 0x1000, 0x02, ask},
              {nowhere, true, 0x1000, 0x01, translated}};
    // There is no TT = 01 on a part without device-TLBs.
    const auto of_caching = [&](bool write, std::uint64_t page, unsigned reason, unsigned type) {
      const bool known = config.caps.ecap.dt();
      askers.push_back({caching, write, page, known ? reason : 0x03, type, known && reason == 0});
    };
    of_caching(true, 0x1000, 0x05, 0);
    of_caching(false, 0x4000, 0x0c, 0);
    of_caching(false, 0x4000, 0x0c, ask);
    // What is wrong with the address alone is an answer (7.2).
    of_caching(false, 0x3000, 0, ask);
    of_caching(false, wide | 0x1000, 0, ask);
    of_caching(true, beyond_host | 0x1000, 0x04, translated);
    of_caching(false, wide | 0x2000, 0x04, translated);
  }
  void offer(const asker& one, unsigned port) {
    dmar::request what;
    what.access = {one.source, one.write ? remap::access_kind::write : remap::access_kind::read,
                   static_cast<remap::address_type>(one.type), one.page};
    what.length = one.type == 1 ? 8 : 64;
    if (one.type != 1) what.access.address += below(64) * 64;
    ASSERT_TRUE(world.unit.offer(port, what, world.now_ps()));
  }

  /// Some requests at once; in which order they are blocked is another test's matter.
  void ask() {
    const auto count = 1 + below(3);
    std::size_t faults = world.faults.size();
    const std::size_t before = faults;
    for (unsigned port = 0; port < count; ++port) {
      const asker& one = askers[below(askers.size())];
      offer(one, port);
      if (!one.answered) ++faults;
    }
    world.settle();
    ASSERT_EQ(world.faults.size(), faults);
    for (std::size_t i = before; i < world.faults.size(); ++i)
      blocked(world.faults[i].access);
  }
  void blocked(const remap::dma_access& access) {
    const bool write = access.kind == remap::access_kind::write;
    const auto type = static_cast<unsigned>(access.type);
    for (const asker& one : askers) {
      if (one.source != access.source || one.write != write || one.page != (access.address & ~0xfffULL) ||
          one.type != type)
        continue;
      if (one.reason == 0) return;
      // FI has no bit at or above MGAW; T is 1 for a read; AT is there where there are device-TLBs.
      naive_record what{one.page & 0x0000fffffffff000, access.source.value()};
      what.hi |= std::uint64_t{one.reason} << 32;
      if (!write) what.hi |= std::uint64_t{1} << 62;
      if (config.caps.ecap.dt()) what.hi |= std::uint64_t{type} << 60;
      ++types[type];
      log.on ? log.fault(what) : records.fault(what);
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
  // --- Orders

  static constexpr std::uint32_t te = std::uint32_t{1} << 31;
  static constexpr std::uint32_t root_pointer = 1U << 30;
  static constexpr std::uint32_t fault_log_pointer = 1U << 29;
  static constexpr std::uint32_t fault_log = 1U << 28;

  /// GSTS when nothing is under way. RTPS is there from the start.
  [[nodiscard]] std::uint32_t status() const {
    return te | root_pointer | (log.taken_over() ? fault_log_pointer : 0) | (log.on ? fault_log : 0);
  }
  /// GCMD is written; until the order is done GSTS says `meanwhile`, then what the log says.
  void command(std::uint32_t value, std::uint32_t meanwhile) {
    world.write_register<reg::gcmd>(value);
    const engine::cycle done = world.wheel.now() + 1 + config.timing.command;
    while (world.wheel.now() + 1 < done) {
      world.run_to(world.wheel.now() + 1);
      ASSERT_EQ(world.read_register<reg::gsts>(), meanwhile);
    }
    world.run_to(done);
    ASSERT_EQ(world.read_register<reg::gsts>(), status());
    world.settle();
  }
  [[nodiscard]] std::uint32_t kept() const { return te | (log.on ? fault_log : 0); }

  void restart() {
    world.write_register<reg::gcmd>(0);
    world.settle();
    log.on = false;
    ASSERT_EQ(world.read_register<reg::gsts>(), status() & ~te);
    world.write_register<reg::gcmd>(te);
    world.settle();
    records.next = 0;
    log.next = 0;
  }
  void take_records() {
    for (auto n = below(300); n-- != 0;) {
      const std::size_t place = below(8) == 0 ? 1 - log.place : log.place;
      auto& memory = log.memory[place];
      const std::size_t index = below(4) == 0 ? below(memory.size()) : (log.next + n) % memory.size();
      memory[index].hi = 0;
      world.memory.store(log_bases[place] + 16 * index + 8, 0);
    }
  }
  /// Means nothing before the next SFL.
  void write_log_address() {
    log.written_place = below(log_bases.size());
    log.written_size = static_cast<unsigned>(below(largest_log + 1));
    world.write_register<reg::aflog>(log.aflog() | below(512));
  }
  void new_log() {
    const std::uint32_t meanwhile = status() & ~fault_log_pointer;
    log.take_over();
    ++taken_over;
    command(kept() | fault_log_pointer, meanwhile);
  }
  void switch_log() {
    if (!log.taken_over()) new_log();
    const std::uint32_t meanwhile = status();
    log.on = !log.on;
    if (!log.on) log.next = 0;
    command(kept(), meanwhile);
  }
  /// The same again is no order; nor is any of these to a part without a log.
  void order_nothing() {
    const std::uint32_t more = config.caps.cap.afl() ? 0 : static_cast<std::uint32_t>(below(4)) << 28;
    command(kept() | more, status());
  }

  void act() {
    const auto what = below(40);
    if (what < 26) return ask();
    if (what < 30) return clear_record();
    if (what < 31) return clear_all();
    if (what < 34) return write_status();
    if (what < 36) return mask();
    if (what == 36) return below(2) != 0 ? order_nothing() : write_log_address();
    if (!config.caps.cap.afl()) return what == 38 ? restart() : ask();
    if (what == 37) return take_records();
    // Seldom, so that the log comes round.
    if (below(20) == 0) return restart();
    if (below(20) == 0) return new_log();
    if (below(10) == 0) switch_log();
  }

  void compare() {
    ASSERT_EQ(world.read_register<reg::gsts>(), status());
    ASSERT_EQ(world.read_register<reg::aflog>(), config.caps.cap.afl() ? log.aflog() : 0);
    const std::uint32_t fsts = world.read_register<reg::fsts>();
    ASSERT_EQ(fsts & 0xff,
              (event.pfo ? 1U : 0U) | (event.ppf ? 2U : 0U) | (event.afo ? 4U : 0U) | (event.apf ? 8U : 0U));
    if (event.ppf) {
      ASSERT_EQ(fsts >> 8, records.first);
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
    for (std::size_t place = 0; place < log_bases.size(); ++place) {
      for (std::size_t i = 0; i < log.memory[place].size(); ++i) {
        const std::uint64_t at = log_bases[place] + 16 * i;
        ASSERT_EQ((naive_record{world.memory.load(at), world.memory.load(at + 8)}), log.memory[place][i])
            << "record " << i << " of the log";
      }
    }
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      compare();
      if (event.pfo) ++overflows;
      if (event.afo) ++log_overflows;
      if (log.on && log.next < before_) ++turns;
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
  std::vector<asker> askers;
  unsigned overflows = 0;
  unsigned log_overflows = 0;
  unsigned turns = 0;
  unsigned taken_over = 0;
  // Faults of untranslated requests, translation requests and translated ones.
  std::array<unsigned, 3> types{};

private:
  std::size_t before_ = 0;
};

TEST(naive_faults, agree_with_the_unit_over_random_faults_and_clearing) {
  std::array<unsigned, 9> seen{};
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(one.config.caps.cap.afl() ? 1000 : 300);
    if (testing::Test::HasFatalFailure()) return;
    seen[0] += one.event.messages;
    seen[1] += one.overflows;
    seen[2] += one.log_overflows;
    seen[3] += one.turns;
    seen[4] += one.records.full.size() == 8 ? 1 : 0;
    seen[5] += one.taken_over;
    for (std::size_t type = 0; type < one.types.size(); ++type)
      seen[6 + type] += one.types[type];
  }
  for (const unsigned each : seen)
    EXPECT_GT(each, 5U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
