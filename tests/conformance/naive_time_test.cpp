// SPDX-License-Identifier: Apache-2.0
// A second clock, written from docs/microarchitecture.md, the way of requests without a look at src/: it must
// agree with the unit to the cycle over random traffic, tables, caches and times; mistakes of software, of
// memory and of devices in the invalidation queue among it. Caches with random replacement are not: that page
// names no generator.

#include "conformance/timed_life.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace vtd::test {
namespace {

TEST(naive_time, agrees_with_the_unit_to_the_cycle_over_random_traffic) {
  std::map<std::string, std::size_t> sum;
  for (std::uint64_t seed = 1; seed <= 1200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    timed_life one(seed);
    one.traffic(100);
    one.run();
    if (testing::Test::HasFatalFailure()) return;
    const auto& counts = one.naive->counts;
    sum["joined walks"] += counts.joined;
    sum["waits for a walker"] += counts.waited_for_walker;
    sum["poisoned walks"] += counts.poisoned;
    sum["waits for a slot"] += counts.waited_for_slot;
    sum["drains"] += counts.drained;
    sum["further pieces"] += counts.further_pieces;
    sum["pages found by a walk"] += counts.found_by_walk;
    sum["forbidden in the interrupt range"] += counts.forbidden;
    sum["messages of devices"] += counts.messages;
    sum["stopped by a protected region"] += counts.protected_memory;
    sum["blocked by what caching mode keeps"] += counts.absent;
    sum["commands"] += counts.commands;
    const naive_queue& queue = one.naive->queue;
    sum["descriptors"] += queue.descriptor_reads.size();
    sum["status writes"] += queue.status_writes.size();
    sum["invalidation events"] += queue.messages.size();
    sum["device requests"] += queue.device_requests.size();
    sum["throttled"] += queue.throttled;
    sum["queue errors"] += queue.wrong;
    sum["lost statuses"] += queue.lost_status;
    sum["late devices"] += queue.late;
    sum["completions of nothing"] += queue.unexpected;
    sum["dropped waits"] += queue.dropped;
    sum["fault events"] += queue.errors.messages.size();
    const naive_recorder& recorder = one.naive->recorder;
    sum["faults"] += recorder.ended_faults.size();
    sum["lost faults"] += recorder.lost;
    sum["log reads"] += recorder.log_reads.size();
    sum["log writes"] += recorder.log_writes.size();
    for (const naive_clock::moment& each : one.naive->responses)
      sum["failed"] += each.how == dmar::completion::failed ? 1 : 0;
  }
  for (const auto& [what, count] : sum)
    EXPECT_GT(count, 100U) << what;
}

/// Tables at the speed that the naive clock thinks they have.
struct slow_tables final : remap::memory_port {
  slow_tables(fake_memory& what, const slowness& how) : memory(what), how_slow(how) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    memory.set_delay(how_slow.table(address));
    return memory.read_table(address, bytes, out, delay);
  }
  fake_memory& memory;
  const slowness& how_slow;
};

TEST(naive_time, agrees_with_what_the_loosely_timed_path_annotates) {
  std::size_t walked = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    timed_life one(seed);
    // A turn at the memory port is not annotated.
    one.config.timing.memory_interval = 1;
    one.how.busy = 0;
    slow_tables tables(one.real.memory, one.how);
    std::uint64_t now = one.start;
    for (std::uint64_t id = 1; id <= 100; ++id) {
      if (one.below(8) == 0) one.change(one.devices[one.below(2) * 2], one.pages[one.below(12)]);
      dmar::request piece;
      piece.access = {one.devices[one.below(one.devices.size())],
                      one.below(2) != 0 ? remap::access_kind::write : remap::access_kind::read,
                      remap::address_type::untranslated, one.pages[one.below(one.pages.size())]};
      piece.length = 64;
      const std::uint64_t time = now * unit_world::period + one.below(unit_world::period);
      one.real.run_to(now);
      const auto passed = one.real.unit.pass(piece, tables, time);
      one.naive->comes(0, {id, piece.access.source.value(), piece.access.kind == remap::access_kind::write,
                           piece.access.address, piece.length, time});
      while (!one.naive->idle() || !one.naive->recorder.at_rest())
        one.naive->step(++now);
      const naive_clock::moment& ended = one.naive->responses.back();
      const bool blocked = ended.how == dmar::completion::blocked;
      ASSERT_EQ(passed.leads == dmar::pipeline::passage::way::blocked, blocked) << "request " << id;
      ASSERT_EQ(passed.leaves, (blocked ? ended.at : one.naive->forwards.back().at) * unit_world::period)
          << "request " << id;
      if (!blocked) {
        ASSERT_EQ(passed.address, one.naive->forwards.back().address) << "request " << id;
      }
      if (passed.read_tables) ++walked;
    }
    ASSERT_EQ(one.real.memory.reads.size(), one.naive->table_reads.size());
  }
  EXPECT_GT(walked, 3000U);
}

} // namespace
} // namespace vtd::test
