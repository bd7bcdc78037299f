// SPDX-License-Identifier: Apache-2.0
// That no request reaches a page that is not mapped for it, under random tables, devices, orders and timing.
// The same programs are run by the fuzzer (tests/fuzz/unit_fuzz.cpp).

#include "source_dir.h"
#include "support/unit_program.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

std::vector<std::uint8_t> random_program(std::uint64_t seed, std::size_t bytes) {
  std::mt19937_64 draw(seed);
  std::vector<std::uint8_t> out(bytes);
  for (auto& each : out)
    each = static_cast<std::uint8_t>(draw());
  return out;
}

// What many programs did together.
struct totals {
  std::uint64_t requests = 0;
  std::uint64_t judged = 0;
  std::uint64_t answers = 0;
  std::uint64_t judged_with_regions = 0;
  std::uint64_t log_writes = 0;
  std::uint64_t status_writes = 0;
  std::uint64_t drains_under_load = 0;
  dmar::unit_statistics statistics{};
};

totals run_random(std::uint64_t first_seed, std::uint64_t programs, std::size_t bytes) {
  totals all;
  for (std::uint64_t seed = first_seed; seed < first_seed + programs; ++seed) {
    const auto result = run_unit_program(random_program(seed, bytes));
    all.requests += result.requests;
    all.judged += result.judged;
    all.answers += result.answers;
    all.judged_with_regions += result.judged_with_regions;
    all.log_writes += result.log_writes;
    all.status_writes += result.status_writes;
    all.drains_under_load += result.drains_under_load;
    all.statistics.device_invalidations += result.statistics.device_invalidations;
    all.statistics.device_timeouts += result.statistics.device_timeouts;
    all.statistics.invalidations += result.statistics.invalidations;
    all.statistics.descriptors += result.statistics.descriptors;
    all.statistics.queue_errors += result.statistics.queue_errors;
    all.statistics.poisoned += result.statistics.poisoned;
    all.statistics.faults += result.statistics.faults;
    EXPECT_EQ(result.violation, "") << "seed " << seed;
    if (!result.violation.empty()) break;
  }
  return all;
}

// A number from the environment, for runs by hand.
std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(reach, no_random_program_gets_a_request_where_nothing_is_mapped_for_it) {
  const totals all = run_random(1, 3000, 1000);
  EXPECT_GT(all.requests, 200'000U);
  EXPECT_GT(all.judged, 60'000U);
  // All that the programs are made for happens, and not rarely.
  EXPECT_GT(all.statistics.invalidations, 30'000U);
  EXPECT_GT(all.statistics.descriptors, 20'000U);
  EXPECT_GT(all.statistics.queue_errors, 3'000U);
  EXPECT_GT(all.statistics.poisoned, 10'000U);
  EXPECT_GT(all.answers, 3'000U);
  EXPECT_GT(all.judged_with_regions, 3'000U);
  EXPECT_GT(all.log_writes, 2'000U);
  EXPECT_GT(all.status_writes, 1'000U);
  EXPECT_GT(all.drains_under_load, 1'500U);
  EXPECT_GT(all.statistics.device_invalidations, 1'000U);
  EXPECT_GT(all.statistics.device_timeouts, 100U);
}

// VTD_REACH_PROGRAMS and VTD_REACH_SEED: more of them, and others (docs/dmar.md).
TEST(reach, no_request_of_a_million_gets_where_nothing_is_mapped_for_it_long) {
  const std::uint64_t programs = number_from("VTD_REACH_PROGRAMS", 60'000);
  const totals all = run_random(number_from("VTD_REACH_SEED", 1'000'000), programs, 1500);
  std::cout << programs << " programs: " << all.requests << " requests, " << all.judged
            << " pieces in memory, " << all.answers << " translations told, " << all.statistics.faults
            << " faults, " << all.statistics.invalidations << " invalidations, " << all.statistics.descriptors
            << " descriptors, " << all.statistics.queue_errors << " queue errors, " << all.statistics.poisoned
            << " poisoned walks\n";
  EXPECT_GT(all.requests, 70 * programs);
  EXPECT_GT(all.judged, 20 * programs);
}

TEST(reach, the_seeds_of_the_fuzzer_hold) {
  unsigned seeds = 0;
  for (const auto& file : std::filesystem::directory_iterator(VTD_SOURCE_DIR "/tests/fuzz/corpus/unit")) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(run_unit_program(bytes).violation, "") << file.path();
    ++seeds;
  }
  EXPECT_GT(seeds, 0U);
}

// The judge can say no.

class judge : public testing::Test {
protected:
  judge() : world(config_of(wide_part())) {
    world.tables.attach(nic, 3);
    world.tables.map(nic, iova, frame, read_only);
    world.begin();
    world.oracle.knows(nic);
    world.enable();
  }
  [[nodiscard]] bool allows(remap::access_kind kind, std::uint64_t host) {
    return world.oracle.allows({nic, kind, remap::address_type::untranslated, iova}, world.wheel.now() + 1,
                               world.wheel.now() + 1, host);
  }
  static constexpr std::uint64_t iova = 0x40000000;
  static constexpr std::uint64_t frame = 0x7000000;
  watched_world world;
};

TEST_F(judge, allows_what_is_mapped_and_nothing_else) {
  EXPECT_TRUE(allows(remap::access_kind::read, frame));
  EXPECT_FALSE(allows(remap::access_kind::write, frame)) << "read-only";
  EXPECT_FALSE(allows(remap::access_kind::read, frame + spec::page_size));
  EXPECT_FALSE(allows(remap::access_kind::read, iova)) << "translation is on";
}

TEST_F(judge, allows_the_old_mapping_until_it_is_invalidated) {
  const std::uint64_t leaf = world.tables.entry_of(nic, iova, 1, false);
  world.run_to(world.wheel.now() + 10);
  world.memory.store(leaf, 0);
  world.run_to(world.wheel.now() + 10);
  EXPECT_TRUE(allows(remap::access_kind::read, frame)) << "it may be cached";
  world.invalidate_iotlb_page(4, iova);
  world.settle();
  world.run_to(world.wheel.now() + 10);
  EXPECT_TRUE(allows(remap::access_kind::read, frame)) << "another domain";
  world.invalidate_iotlb_page(3, iova + spec::page_size);
  world.settle();
  world.run_to(world.wheel.now() + 10);
  EXPECT_TRUE(allows(remap::access_kind::read, frame)) << "another page";
  world.invalidate_iotlb_page(3, iova);
  world.settle();
  world.run_to(world.wheel.now() + 10);
  EXPECT_FALSE(allows(remap::access_kind::read, frame));
}

TEST_F(judge, a_context_that_is_gone_counts_until_it_is_invalidated) {
  world.run_to(world.wheel.now() + 10);
  world.memory.store(world.tables.context_entry_of(nic), 0);
  world.run_to(world.wheel.now() + 10);
  EXPECT_TRUE(allows(remap::access_kind::read, frame));
  world.invalidate_contexts_global();
  world.settle();
  EXPECT_FALSE(allows(remap::access_kind::read, frame));
}

TEST_F(judge, a_context_that_is_gone_counts_until_its_domain_or_its_device_is_invalidated) {
  namespace reg = spec::reg;
  const spec::context_entry kept = world.tables.context(nic);
  const std::uint64_t at = world.tables.context_entry_of(nic);
  for (const unsigned granularity : {2U, 3U}) {
    world.run_to(world.wheel.now() + 10);
    world.memory.store(at, 0);
    world.run_to(world.wheel.now() + 10);
    EXPECT_TRUE(allows(remap::access_kind::read, frame));
    world.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(granularity) |
                                    reg::ccmd::did::of(3) | reg::ccmd::sid::of(nic.value()));
    world.settle();
    world.run_to(world.wheel.now() + 10);
    EXPECT_FALSE(allows(remap::access_kind::read, frame)) << granularity;
    // It comes back as it was.
    world.memory.store(at, kept.lo);
    EXPECT_TRUE(allows(remap::access_kind::read, frame)) << granularity;
  }
}

// What the unit writes of its own.

class judge_of_writes : public testing::Test {
protected:
  judge_of_writes() : world(config_of(part())), queue(world) {
    world.tables.attach(nic, 3);
    world.begin();
    world.enable();
    queue.enable();
  }
  static remap::capabilities part() {
    remap::capabilities caps = wide_part();
    caps.ecap.set_qi(true);
    caps.cap.set_afl(true);
    return caps;
  }
  // A wait is fetched, and its status not written yet.
  void fetch_wait() {
    world.memory.set_delay(100 * unit_world::period);
    queue.submit(status_wait(status_word, 7));
    world.run_to(world.wheel.now() + 50);
    ASSERT_EQ(world.status_writes_judged, 0U);
  }
  // As if the unit did it: a record where the last one was read.
  void log(std::uint64_t address) {
    world.read_log(0, address);
    world.write_log(0, address, {});
  }
  static constexpr std::uint64_t status_word = 0x800000;
  static constexpr std::uint64_t log_pages = 0x880000;
  watched_world world;
  queue_driver queue;
};

TEST_F(judge_of_writes, lets_a_wait_write_what_it_says_once) {
  queue.run(status_wait(status_word, 7));
  EXPECT_EQ(world.status_writes_judged, 1U);
  EXPECT_EQ(world.memory.load(status_word), 7U);
  EXPECT_EQ(world.violation, "");
  world.write_status(0, status_word, 7);
  EXPECT_NE(world.violation, "") << "it is over";
}

TEST_F(judge_of_writes, sees_a_status_that_goes_elsewhere) {
  fetch_wait();
  world.write_status(0, status_word + sizeof(std::uint32_t), 7);
  EXPECT_NE(world.violation, "");
  world.violation.clear();
  world.write_status(0, status_word, 7);
  EXPECT_EQ(world.violation, "") << "where it says";
}

TEST_F(judge_of_writes, sees_a_status_of_another_value) {
  fetch_wait();
  world.write_status(0, status_word, 8);
  EXPECT_NE(world.violation, "");
}

TEST_F(judge_of_writes, sees_a_record_outside_the_log_that_was_named) {
  world.set_log(log_pages, 0, true);
  world.settle();
  log(log_pages);
  log(log_pages + spec::page_size - sizeof(spec::fault_log_record));
  EXPECT_EQ(world.violation, "") << "the first and the last place";
  log(log_pages + spec::page_size);
  EXPECT_NE(world.violation, "");
}

TEST_F(judge_of_writes, does_not_follow_aflog_without_sfl) {
  world.set_log(log_pages, 0, true);
  world.settle();
  world.write_register<spec::reg::aflog>(log_pages + spec::page_size);
  world.settle();
  log(log_pages);
  EXPECT_EQ(world.violation, "");
  log(log_pages + spec::page_size);
  EXPECT_NE(world.violation, "");
}

TEST_F(judge_of_writes, sees_a_record_over_one_that_is_pending) {
  world.set_log(log_pages, 0, true);
  world.settle();
  world.alone(nic, remap::access_kind::write, 0);
  EXPECT_EQ(world.log_writes_judged, 1U);
  EXPECT_EQ(world.violation, "");
  log(log_pages);
  EXPECT_NE(world.violation, "");
}

// Of drains: a request of 64 bytes is in memory when an invalidation begins to wait for it.

class judge_of_drains : public testing::Test {
protected:
  judge_of_drains() : world(config_of(part())) {
    world.tables.attach(nic, 3);
    world.tables.map(nic, iova, frame);
    world.begin();
    world.enable();
    world.alone(nic, remap::access_kind::read, iova);
  }
  static remap::capabilities part() {
    remap::capabilities caps = wide_part();
    caps.version = 0x10;
    caps.cap.set_drd(true).set_dwd(true);
    return caps;
  }
  void send(remap::access_kind kind) {
    const std::size_t before = world.forwards.size();
    world.request(nic, kind, iova, 64, 0);
    world.run_to(world.wheel.now() + 20);
    ASSERT_EQ(world.forwards.size(), before + 1);
  }
  // As if the unit took that order from its queue and went on to the next at once.
  void drain(bool reads, bool writes) {
    dmar::command_event told;
    told.what = dmar::unit_command::queued_invalidation;
    told.descriptor = all_pages().set_drain_reads(reads).set_drain_writes(writes);
    told.at = world.wheel.now();
    for (const auto step :
         {dmar::command_step::begun, dmar::command_step::effective, dmar::command_step::ended}) {
      told.step = step;
      world.tell_for_test(told);
    }
  }
  static constexpr std::uint64_t iova = 0x40000000;
  static constexpr std::uint64_t frame = 0x7000000;
  watched_world world;
};

TEST_F(judge_of_drains, sees_an_end_before_a_write_has_reached_memory) {
  send(remap::access_kind::write);
  drain(true, false);
  EXPECT_EQ(world.violation, "") << "reads only";
  EXPECT_EQ(world.drains_under_load, 0U);
  drain(false, true);
  EXPECT_NE(world.violation, "");
  EXPECT_EQ(world.drains_under_load, 1U);
}

TEST_F(judge_of_drains, sees_an_end_before_memory_has_answered_a_read) {
  send(remap::access_kind::read);
  drain(false, true);
  EXPECT_EQ(world.violation, "") << "writes only";
  drain(true, false);
  EXPECT_NE(world.violation, "");
}

TEST_F(judge_of_drains, lets_a_drain_end_when_all_is_in_memory) {
  send(remap::access_kind::write);
  world.settle();
  drain(true, true);
  EXPECT_EQ(world.violation, "");
  EXPECT_EQ(world.drains_under_load, 0U);
}

TEST_F(judge_of_drains, does_not_believe_a_response_that_is_ahead_of_memory) {
  send(remap::access_kind::write);
  // As if the unit answered it now, and then had nothing to wait for.
  const std::uint64_t id = world.admissions.back().id;
  void* const cookie = reinterpret_cast<void*>(id); // NOLINT(performance-no-int-to-ptr): the cookie is opaque
  world.complete(0, cookie, dmar::completion::done);
  EXPECT_NE(world.violation, "");
  world.violation.clear();
  drain(true, true);
  EXPECT_NE(world.violation, "");
}

// Of devices with a device-TLB.

class judge_of_devices : public testing::Test {
protected:
  judge_of_devices() : world(config_of(part())) {
    world.tables.attach(nic, 3, 3, spec::translation_type::with_device_tlb);
    world.tables.attach(disk, 4, 3);
    for (const spec::source_id who : {nic, disk})
      world.tables.map(who, iova, frame, read_only);
    world.begin();
    world.oracle.knows(nic);
    world.oracle.knows(disk);
    world.enable();
  }
  static remap::capabilities part() {
    remap::capabilities caps = wide_part();
    caps.ecap.set_dt(true);
    return caps;
  }
  [[nodiscard]] bool allows(spec::source_id who, remap::address_type type, std::uint64_t address,
                            remap::access_kind kind, std::uint64_t host) {
    const engine::cycle next = world.wheel.now() + 1;
    return world.oracle.allows({who, kind, type, address}, next, next, host);
  }
  static constexpr std::uint64_t iova = 0x40000000;
  static constexpr std::uint64_t frame = 0x7000000;
  watched_world world;
};

TEST_F(judge_of_devices, allows_to_tell_what_is_mapped_to_those_that_may_ask) {
  using enum remap::address_type;
  using enum remap::access_kind;
  EXPECT_TRUE(allows(nic, translation_request, iova, read, frame));
  EXPECT_FALSE(allows(nic, translation_request, iova, write, frame)) << "read-only";
  EXPECT_FALSE(allows(nic, translation_request, iova, read, frame + spec::page_size));
  EXPECT_FALSE(allows(disk, translation_request, iova, read, frame)) << "no device-TLB";
}

TEST_F(judge_of_devices, lets_a_translated_request_go_where_it_says_if_its_context_does) {
  using enum remap::address_type;
  using enum remap::access_kind;
  EXPECT_TRUE(allows(nic, translated, frame, write, frame));
  EXPECT_FALSE(allows(nic, translated, iova, read, frame));
  EXPECT_FALSE(allows(nic, translated, spec::interrupt_range_first, write, spec::interrupt_range_first));
  EXPECT_FALSE(allows(disk, translated, frame, read, frame));
}

TEST_F(judge_of_devices, sees_a_translation_kept_too_long_by_the_unit) {
  // The answer of a page that is gone from the tables, although its invalidation was long before.
  const std::uint64_t leaf = world.tables.entry_of(nic, iova, 1, false);
  world.run_to(world.wheel.now() + 10);
  world.memory.store(leaf, 0);
  world.run_to(world.wheel.now() + 10);
  world.invalidate_iotlb_page(3, iova);
  world.settle();
  world.question(nic, iova, 0);
  world.settle();
  EXPECT_EQ(world.violation, "") << "the unit says nothing";
  const auto stale = spec::ats::translation{}.set_read(true).set_pages(frame, 0);
  world.tell_for_test(nic, iova, stale);
  EXPECT_NE(world.violation, "");
}

} // namespace
} // namespace vtd::test
