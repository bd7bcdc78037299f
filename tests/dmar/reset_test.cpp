// SPDX-License-Identifier: Apache-2.0
// A reset with work inside: everything ends, nothing is answered twice, and what comes late hits nobody new.

#include "support/parts.h"
#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::completion;
using remap::access_kind;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint16_t domain = 3;

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config = config_of(wide_part())) : unit_world(config) {
    tables.attach(nic, domain, 4);
    tables.map(nic, iova, frame);
    enable();
  }
  [[nodiscard]] completion how_ended(std::uint64_t id) const { return find(responses, id).how; }
  [[nodiscard]] std::size_t answers_to(std::uint64_t id) const {
    std::size_t count = 0;
    for (const event& each : responses)
      count += each.id == id ? 1U : 0U;
    return count;
  }
};

TEST(reset, a_request_in_memory_ends_as_failed_when_memory_has_answered) {
  scene s;
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  ASSERT_EQ(s.held.size(), 1U);
  s.unit.reset(false);
  s.settle();
  EXPECT_EQ(s.answers_to(1), 0U) << "it is still in the hands of memory";
  EXPECT_TRUE(s.unit.has_work_in_flight());
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  ASSERT_EQ(s.answers_to(1), 1U);
  EXPECT_EQ(s.how_ended(1), completion::failed);
  EXPECT_FALSE(s.unit.has_work_in_flight());
}

TEST(reset, an_answer_from_before_it_does_not_end_a_request_from_after_it) {
  scene s;
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.unit.reset(false);
  s.enable();
  s.offer(2, nic, access_kind::read, iova);
  s.settle();
  ASSERT_EQ(s.held.size(), 2U);
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.answers_to(2), 0U);
  s.unit.answered(s.held[1], true, s.now_ps());
  s.settle();
  ASSERT_EQ(s.answers_to(2), 1U);
  EXPECT_EQ(s.how_ended(2), completion::done);
}

TEST(reset, an_answer_that_is_on_its_way_is_taken_and_the_request_failed) {
  scene s;
  s.data_delay = 50 * scene::period;
  s.offer(1, nic, access_kind::read, iova);
  while (s.forwards.empty())
    s.run_to(s.wheel.now() + 1);
  s.unit.reset(true);
  s.settle();
  ASSERT_EQ(s.answers_to(1), 1U);
  EXPECT_EQ(s.how_ended(1), completion::failed);
}

TEST(reset, a_request_whose_tables_are_being_read_ends_at_once) {
  scene s;
  s.hold_tables = true;
  s.offer(1, nic, access_kind::read, iova);
  s.offer(2, nic, access_kind::read, iova + 64, 64, 0);
  s.settle();
  s.offer(3, nic, access_kind::read, iova + 128);
  s.settle();
  ASSERT_FALSE(s.held_tables.empty());
  const engine::cycle at = s.wheel.now();
  s.unit.reset(false);
  s.settle();
  ASSERT_EQ(s.answers_to(1), 1U);
  EXPECT_EQ(s.how_ended(1), completion::failed);
  EXPECT_LE(unit_world::find(s.responses, 1).at, at + 2);
  EXPECT_TRUE(s.forwards.empty()) << "nothing leaked";
}

TEST(reset, the_answer_to_a_table_read_from_before_it_is_dropped) {
  scene s;
  s.hold_tables = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  ASSERT_EQ(s.held_tables.size(), 1U);
  const auto [walker, words] = s.held_tables[0];
  s.unit.reset(false);
  s.enable();
  // The walk of another request takes another walker, since that one's answer is still to come.
  s.offer(2, nic, access_kind::read, iova);
  s.settle();
  ASSERT_EQ(s.held_tables.size(), 2U);
  EXPECT_NE(s.held_tables[1].first, walker);
  s.unit.table_answered(walker, false, words, s.now_ps());
  s.settle();
  EXPECT_EQ(s.answers_to(2), 0U);
  EXPECT_TRUE(s.faults.empty());
  s.hold_tables = false;
  s.unit.table_answered(s.held_tables[1].first, true, s.held_tables[1].second, s.now_ps());
  s.settle();
  EXPECT_EQ(s.how_ended(2), completion::done);
  // And the first walker serves again.
  for (std::uint64_t id = 3; id < 6; ++id)
    EXPECT_EQ(s.read(nic, iova).how, completion::done);
}

TEST(reset, a_walker_whose_read_is_owed_takes_no_request_along) {
  scene s;
  s.hold_tables = true;
  // Page 0 of requester 00:00.0: what an empty walker would seem to walk.
  const spec::source_id nobody = spec::source_id::from_bdf(0, 0, 0);
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.unit.reset(false);
  s.hold_tables = false;
  s.enable();
  EXPECT_EQ(s.read(nobody, 0).how, completion::blocked);
}

TEST(reset, with_all_walkers_owed_new_misses_wait_for_the_answers) {
  scene s;
  s.tables.map(nic, iova + spec::page_size, frame + spec::page_size);
  s.hold_tables = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.offer(2, nic, access_kind::read, iova + spec::page_size);
  s.settle();
  ASSERT_EQ(s.held_tables.size(), 2U) << "both walkers";
  const auto owed = s.held_tables;
  s.unit.reset(false);
  s.hold_tables = false;
  s.enable();
  s.offer(3, nic, access_kind::read, iova);
  s.settle();
  EXPECT_EQ(s.answers_to(3), 0U);
  s.unit.table_answered(owed[1].first, true, owed[1].second, s.now_ps());
  s.settle();
  EXPECT_EQ(s.how_ended(3), completion::done);
  EXPECT_EQ(s.answers_to(3), 1U);
}

TEST(reset, a_request_that_stands_at_a_port_goes_in_afterwards) {
  auto config = config_of(wide_part());
  config.timing.requests = 1;
  scene s(config);
  s.hold_answers = true;
  s.offer(1, nic, access_kind::read, iova);
  s.settle();
  s.offer(2, nic, access_kind::read, iova);
  s.settle();
  s.unit.reset(false);
  s.settle();
  EXPECT_EQ(s.answers_to(2), 0U) << "the only slot is still taken";
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  ASSERT_EQ(s.held.size(), 2U);
  s.unit.answered(s.held[1], true, s.now_ps());
  s.settle();
  EXPECT_EQ(s.how_ended(2), completion::done);
}

// --- Requests that pass at once while memory waits

/// Tables that make something happen when one of their entries is read, as a memory that waits may.
class eventful_memory final : public remap::memory_port {
public:
  eventful_memory(scene& s, std::uint64_t address) : scene_(s), address_(address) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    const bool ok = scene_.memory.read_table(address, bytes, out, delay);
    if (address == address_ && event) std::exchange(event, nullptr)();
    return ok;
  }
  std::function<void()> event;

private:
  scene& scene_;
  std::uint64_t address_;
};

dmar::request at_once(std::uint64_t address) {
  dmar::request out;
  out.access = {nic, access_kind::read, remap::address_type::untranslated, address};
  out.length = 64;
  return out;
}

void expect_overtaken(const std::function<void(scene&)>& invalidate) {
  scene s;
  const std::uint64_t leaf = s.tables.entry_of(nic, iova, 1, false);
  eventful_memory memory(s, leaf);
  memory.event = [&] {
    s.tables.unmap(nic, iova);
    invalidate(s);
    s.settle();
  };
  using way = dmar::pipeline::passage::way;
  EXPECT_EQ(s.unit.pass(at_once(iova), memory, s.now_ps()).leads, way::blocked) << "it walks anew";
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 0U);
  EXPECT_EQ(s.unit.statistics().poisoned, 1U);
  EXPECT_EQ(s.unit.pass(at_once(iova), s.memory, s.now_ps()).leads, way::blocked);
}

TEST(overtaken_at_once, by_an_invalidation_of_its_page_domain_or_all) {
  expect_overtaken([](scene& s) { s.invalidate_iotlb_page(domain, iova, 0, true); });
  expect_overtaken([](scene& s) { s.invalidate_iotlb_domain(domain); });
  expect_overtaken([](scene& s) { s.invalidate_iotlb_global(); });
}

TEST(overtaken_at_once, by_nothing_it_keeps_what_it_learned) {
  scene s;
  eventful_memory memory(s, s.tables.entry_of(nic, iova, 1, false));
  bool happened = false;
  memory.event = [&] { happened = true; };
  using way = dmar::pipeline::passage::way;
  EXPECT_EQ(s.unit.pass(at_once(iova), memory, s.now_ps()).leads, way::memory);
  EXPECT_TRUE(happened);
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 1U);
  EXPECT_EQ(s.unit.statistics().poisoned, 0U);
}

TEST(overtaken_at_once, by_a_reset_it_ends_and_nothing_is_kept_or_recorded) {
  scene s;
  eventful_memory memory(s, s.tables.entry_of(nic, iova, 1, false));
  std::size_t reads = 0;
  memory.event = [&] {
    s.unit.reset(false);
    reads = s.memory.reads.size();
  };
  EXPECT_EQ(s.unit.pass(at_once(iova), memory, s.now_ps()).leads, dmar::pipeline::passage::way::aborted);
  EXPECT_EQ(s.memory.reads.size(), reads) << "no walk from a root table that there is no more";
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 0U);
  s.settle();
  EXPECT_TRUE(s.faults.empty());
}

TEST(overtaken_at_once, the_observer_is_told_that_what_was_read_is_not_used) {
  struct watcher final : remap::walk_observer {
    std::vector<bool> overtaken;
    void on_table_read(const remap::table_read& read) override { overtaken.push_back(read.overtaken); }
  } seen;
  scene s;
  s.unit.set_walk_observer(&seen);
  eventful_memory memory(s, s.tables.entry_of(nic, iova, 1, false));
  memory.event = [&] {
    s.invalidate_iotlb_global();
    s.settle();
  };
  (void)s.unit.pass(at_once(iova), memory, s.now_ps());
  s.unit.set_walk_observer(nullptr);
  // Root, context, four levels; the context that the first walk read is read again, as it kept nothing.
  ASSERT_EQ(seen.overtaken.size(), 12U);
  for (std::size_t at = 0; at < seen.overtaken.size(); ++at)
    EXPECT_EQ(seen.overtaken[at], at == 5) << at;
}

TEST(overtaken_at_once, what_waits_for_a_suspended_request_goes_on_when_it_leaves_and_not_before) {
  scene s;
  s.read(nic, iova);
  const auto inside = s.unit.enter(false);
  s.invalidate_iotlb_page(domain, iova);
  s.settle();
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  // Time passes, with nothing for the unit to do.
  const engine::picoseconds later = s.now_ps() + 1000000 * scene::period;
  s.unit.leave(inside, later);
  EXPECT_EQ(s.wheel.next(), later / scene::period + 1);
  s.run_to(later / scene::period + 1000);
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
}

// --- What cannot be built

TEST(unit_limits, accesses_at_the_end_of_the_address_space_are_none) {
  scene s;
  EXPECT_EQ(s.unit.read_register(0xfffffff8, 8, s.now_ps()), 0U);
  EXPECT_EQ(s.unit.peek_register(0xfffffffc, 4), 0U);
  s.unit.write_register(0xfffffff8, 8, ~std::uint64_t{0}, s.now_ps());
}

TEST(unit_limits, a_block_of_registers_is_as_large_as_the_offsets_in_it_need_and_at_least_a_page) {
  EXPECT_EQ(unit_world(config_of(small_part())).unit.register_space(), spec::page_size);
  auto far = small_part();
  far.ecap.set_iro(0x110);
  EXPECT_EQ(unit_world(config_of(far)).unit.register_space(), 2 * spec::page_size);
}

} // namespace
} // namespace vtd::test
