// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/dram_channel.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace vtd;
using engine::cycle;
using host::dram_channel;

constexpr engine::picoseconds period = 1000;

// All different, so that a wrong one shows.
host::dram_config config() {
  host::dram_config out;
  out.timing.rcd = 14;
  out.timing.rp = 13;
  out.timing.cl = 12;
  out.timing.cwl = 9;
  out.timing.ras = 41;
  out.timing.rtp = 8;
  out.timing.wr = 15;
  out.timing.wtr = 7;
  out.timing.rrd = 6;
  out.timing.faw = 50;
  out.timing.burst = 5;
  out.timing.turnaround = 2;
  out.timing.refi = 0;
  out.timing.rfc = 100;
  out.timing.controller = 20;
  out.shape = {8, 8192, 64, 4, 3, 2};
  return out;
}

/// A channel, and what it told.
class scene : private host::dram_client {
public:
  explicit scene(const host::dram_config& what = config())
      : wheel(engine::clock{period}), channel(wheel, what, *this) {}

  /// Request number `id` arrives at a port, just before the edge that sees it.
  bool arrive(std::size_t id, unsigned port, std::uint64_t address, cycle seen, bool write = false,
              std::uint32_t bytes = 64) {
    return channel.offer(port, {address, bytes, write, as_cookie(id)}, (seen - 1) * period);
  }
  [[nodiscard]] std::uint64_t at(std::uint64_t row, unsigned bank, std::uint64_t column = 0) const {
    return channel.address_of(row, bank, column);
  }
  void until(cycle now) { wheel.advance_to(now); }
  [[nodiscard]] bool done(std::size_t id) const { return answers.contains(id); }
  /// Is request `id` done in that cycle, and not one before?
  [[nodiscard]] testing::AssertionResult is_done_at(std::size_t id, cycle when) {
    until(when - 1);
    if (done(id)) return testing::AssertionFailure() << "done at " << answers[id] << ", before " << when;
    until(when);
    if (!done(id)) {
      until(when + 1000);
      return testing::AssertionFailure()
             << "not done at " << when << ", but at " << (done(id) ? answers[id] : 0);
    }
    return testing::AssertionSuccess();
  }
  /// Opens a row in a bank and lets everything come to rest; returns the next free cycle.
  cycle open(std::uint64_t row, unsigned bank) {
    // By the last port, so that port 0 is first afterwards.
    arrive(1000 + bank, 1, at(row, bank), wheel.now() + 1);
    until(wheel.now() + 300);
    return wheel.now() + 1;
  }

  engine::wheel wheel;
  dram_channel channel;
  std::map<std::size_t, cycle> answers;
  std::map<std::size_t, cycle> acceptances;
  std::vector<std::size_t> transfers;

private:
  void* as_cookie(std::size_t id) { return &*ids_.insert(ids_.end(), id); }
  static std::size_t id_of(void* cookie) { return *static_cast<std::size_t*>(cookie); }
  void accepted(unsigned /*port*/, void* cookie) override { acceptances[id_of(cookie)] = wheel.now(); }
  void transfer(void* cookie) override { transfers.push_back(id_of(cookie)); }
  void answered(unsigned /*port*/, void* cookie) override { answers[id_of(cookie)] = wheel.now(); }

  std::deque<std::size_t> ids_;
};

constexpr cycle miss = 14 + 12 + 5 + 20;
constexpr cycle hit = 12 + 5 + 20;
constexpr cycle conflict = 13 + 14 + 12 + 5 + 20;

TEST(dram_channel, a_read_of_a_closed_bank_takes_activate_column_burst_and_controller) {
  scene s;
  s.arrive(1, 0, s.at(7, 2), 10);
  EXPECT_TRUE(s.is_done_at(1, 10 + miss));
  EXPECT_EQ(s.acceptances[1], 10U);
  EXPECT_EQ(s.channel.statistics().row_misses, 1U);
}

TEST(dram_channel, a_read_of_the_open_row_needs_no_activate) {
  scene s;
  const cycle now = s.open(7, 2);
  s.arrive(1, 0, s.at(7, 2, 4096), now);
  EXPECT_TRUE(s.is_done_at(1, now + hit));
  EXPECT_EQ(s.channel.statistics().row_hits, 1U);
}

TEST(dram_channel, a_read_of_another_row_precharges_first) {
  scene s;
  const cycle now = s.open(7, 2);
  s.arrive(1, 0, s.at(8, 2), now);
  EXPECT_TRUE(s.is_done_at(1, now + conflict));
  EXPECT_EQ(s.channel.statistics().row_conflicts, 1U);
}

TEST(dram_channel, a_row_stays_open_for_at_least_tras) {
  scene s;
  s.arrive(1, 0, s.at(7, 2), 10);
  s.arrive(2, 1, s.at(8, 2), 10);
  // ACTIVATE at 10; the second waits for its precharge until 10 + tRAS.
  EXPECT_TRUE(s.is_done_at(2, 10 + 41 + conflict));
}

TEST(dram_channel, a_read_and_a_write_keep_their_bank_from_precharging) {
  for (const bool write : {false, true}) {
    scene s;
    const cycle now = s.open(7, 2);
    s.arrive(1, 0, s.at(7, 2), now, write);
    s.arrive(2, 1, s.at(8, 2), now);
    EXPECT_TRUE(s.is_done_at(2, now + (write ? 9 + 5 + 15 : 8) + conflict)) << write;
  }
}

TEST(dram_channel, banks_work_side_by_side_and_share_only_the_data_bus) {
  scene s;
  s.arrive(1, 0, s.at(7, 2), 10);
  s.arrive(2, 1, s.at(7, 3), 10);
  EXPECT_TRUE(s.is_done_at(1, 10 + miss));
  // The second ACTIVATE waits for tRRD, which is longer than a burst.
  EXPECT_TRUE(s.is_done_at(2, 10 + 6 + miss));

  scene open;
  open.open(7, 2);
  const cycle now = open.open(7, 3);
  open.arrive(1, 0, open.at(7, 2), now);
  open.arrive(2, 1, open.at(7, 3), now);
  EXPECT_TRUE(open.is_done_at(1, now + hit));
  EXPECT_TRUE(open.is_done_at(2, now + hit + 5)) << "one burst behind the other";
}

TEST(dram_channel, five_activates_do_not_fit_into_the_window_of_four) {
  host::dram_config what = config();
  what.shape.ports = 5;
  scene s(what);
  for (unsigned i = 0; i < 5; ++i)
    s.arrive(i, i, s.at(1, i), 10);
  EXPECT_TRUE(s.is_done_at(3, 10 + 3 * 6 + miss));
  EXPECT_TRUE(s.is_done_at(4, 10 + 50 + miss));
}

TEST(dram_channel, the_bus_turns_round_between_reads_and_writes) {
  scene s;
  s.open(7, 2);
  cycle now = s.open(7, 3);
  s.arrive(1, 0, s.at(7, 2), now);
  s.arrive(2, 1, s.at(7, 3), now, true);
  EXPECT_TRUE(s.is_done_at(2, now + hit + 2 + 5)) << "read, idle bus, write";

  scene t;
  t.open(7, 2);
  now = t.open(7, 3);
  t.arrive(1, 0, t.at(7, 2), now, true);
  t.arrive(2, 1, t.at(7, 3), now);
  EXPECT_TRUE(t.is_done_at(2, now + 9 + 5 + 7 + hit)) << "write, tWTR, read";
}

TEST(dram_channel, a_hit_passes_an_older_conflict_but_not_without_end) {
  scene s;
  cycle now = s.open(7, 2);
  s.arrive(0, 0, s.at(8, 2), now + 1);
  s.arrive(1, 1, s.at(7, 2), now);
  // The conflict cannot precharge before tRTP has passed since the hit; hits that keep coming pass it.
  for (std::size_t i = 2; i < 8; ++i) {
    s.until(now);
    while (!s.arrive(i, 1, s.at(7, 2, i * 64), s.wheel.now() + 1))
      s.until(s.wheel.now() + 1);
  }
  s.until(now + 500);
  ASSERT_EQ(s.transfers.size(), 1 + 8U);
  EXPECT_EQ(std::vector<std::size_t>(s.transfers.begin() + 1, s.transfers.end()),
            (std::vector<std::size_t>{1, 2, 3, 4, 0, 5, 6, 7}));
}

TEST(dram_channel, requests_to_one_row_keep_their_order) {
  scene s;
  s.arrive(1, 0, s.at(7, 2), 10, true);
  s.arrive(2, 1, s.at(7, 2), 10);
  s.until(12);
  s.arrive(3, 0, s.at(7, 2), 13, true);
  s.until(400);
  EXPECT_EQ(s.transfers, (std::vector<std::size_t>{1, 2, 3}));
}

TEST(dram_channel, a_full_queue_holds_its_port_until_the_cycle_after_a_slot_is_free) {
  scene s;
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(s.arrive(i, 0, s.at(7, 2, i * 64), 10 + i));
    s.until(10 + i);
    EXPECT_EQ(s.acceptances[i], 10 + i);
  }
  ASSERT_TRUE(s.arrive(4, 0, s.at(7, 2, 256), 14));
  EXPECT_FALSE(s.arrive(5, 0, s.at(7, 3), 14)) << "the port holds another one";
  // ACTIVATE at 10, the first READ at 10 + tRCD.
  s.until(24);
  EXPECT_FALSE(s.acceptances.contains(4));
  s.until(25);
  EXPECT_TRUE(s.acceptances.contains(4));
  EXPECT_EQ(s.channel.statistics().admission_wait_cycles, 25U - 14U);
}

TEST(dram_channel, ports_take_turns_where_the_queue_is_short) {
  host::dram_config what = config();
  what.shape.ports = 3;
  what.shape.bank_queue = 1;
  scene s(what);
  std::vector<std::size_t> order;
  std::array<std::size_t, 3> next{0, 100, 200};
  for (cycle now = 10; order.size() < 7; ++now) {
    for (unsigned port = 0; port < 3; ++port) {
      // Ever again, as soon as the port has room.
      if (s.arrive(next[port], port, s.at(7, 2), now)) ++next[port];
    }
    s.until(now);
    for (const auto& [id, at] : s.acceptances) {
      if (at == now) order.push_back(id / 100);
    }
  }
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 0, 1, 2, 0}));
}

TEST(dram_channel, a_request_that_arrives_at_an_edge_with_work_is_seen_at_the_next) {
  scene s;
  s.arrive(1, 0, s.at(7, 2), 10);
  s.until(10 + miss - 1);
  // The answer of the first is due at the edge at which the second arrives.
  s.arrive(2, 0, s.at(7, 2), 10 + miss + 1);
  EXPECT_TRUE(s.is_done_at(2, 10 + miss + 1 + hit));
}

TEST(dram_channel, a_refresh_closes_all_rows_and_holds_all_banks) {
  host::dram_config what = config();
  what.timing.refi = 1000;
  scene s(what);
  s.open(7, 2);
  s.until(999);
  s.arrive(1, 0, s.at(7, 2), 1000);
  // Precharge of the open row, refresh, then as with a closed bank.
  EXPECT_TRUE(s.is_done_at(1, 1000 + 13 + 100 + miss));
  EXPECT_EQ(s.channel.statistics().refreshes, 1U);
  s.until(2500);
  s.arrive(2, 0, s.at(7, 2), 2501);
  EXPECT_TRUE(s.is_done_at(2, 2501 + miss)) << "the refresh of 2000 is over, the row was closed";
}

TEST(dram_channel, every_line_begun_is_a_burst) {
  scene s;
  s.arrive(1, 0, s.at(7, 2, 32), 10, false, 128);
  EXPECT_TRUE(s.is_done_at(1, 10 + miss + 2 * 5));
}

TEST(dram_channel, the_order_of_calls_within_one_time_changes_nothing) {
  const auto run = [](bool reversed) {
    host::dram_config what = config();
    what.shape.ports = 4;
    scene s(what);
    std::uint64_t x = 1;
    for (cycle now = 10; now < 2000; now += 7) {
      std::vector<std::uint64_t> addresses;
      for (unsigned i = 0; i < 4; ++i) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        addresses.push_back((x >> 40) & 0x3ffc0);
      }
      s.until(now - 1);
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned port = reversed ? 3 - i : i;
        s.arrive(now * 4 + port, port, addresses[port], now, (addresses[port] & 0x40) != 0);
      }
    }
    s.until(10000);
    return std::pair(s.answers, s.transfers);
  };
  const auto forward = run(false);
  EXPECT_GT(forward.first.size(), 300U);
  EXPECT_EQ(forward, run(true));
  EXPECT_EQ(forward, run(false));
}

TEST(dram_channel, a_loosely_timed_request_takes_what_it_would_take_alone) {
  scene s;
  EXPECT_EQ(s.channel.pass({s.at(7, 2), 64, false, nullptr}, 0), miss);
  EXPECT_EQ(s.channel.pass({s.at(7, 2, 64), 64, false, nullptr}, 0), hit);
  EXPECT_EQ(s.channel.pass({s.at(8, 2), 64, false, nullptr}, 0), conflict);
  EXPECT_EQ(s.channel.pass({s.at(8, 2), 64, true, nullptr}, 0), hit - 12 + 9);
}

TEST(dram_channel, a_shape_that_cannot_be_built_is_refused_by_name) {
  const auto text = [](auto change) -> std::string {
    host::dram_config what = config();
    change(what);
    try {
      scene s(what);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(text([](auto& c) { c.shape.banks = 6; }),
            "dram: banks is 6, expected a power of two of at most 32");
  EXPECT_EQ(text([](auto& c) { c.shape.bank_queue = 0; }), "dram: bank_queue is 0, expected at least 1");
  EXPECT_EQ(text([](auto& c) { c.timing.burst = 0; }), "dram: burst is 0, expected at least 1 cycle");
  EXPECT_EQ(text([](auto& c) { c.shape.line_bytes = 16384; }),
            "dram: line_bytes is 16384, expected a power of two, not above row_bytes");
}

} // namespace
