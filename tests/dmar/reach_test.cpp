// SPDX-License-Identifier: Apache-2.0
// That no request reaches a page that is not mapped for it, under random tables, devices, orders and timing.
// The same programs are run by the fuzzer (tests/fuzz/unit_fuzz.cpp).

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
  dmar::unit_statistics statistics{};
};

totals run_random(std::uint64_t first_seed, std::uint64_t programs, std::size_t bytes) {
  totals all;
  for (std::uint64_t seed = first_seed; seed < first_seed + programs; ++seed) {
    const auto result = run_unit_program(random_program(seed, bytes));
    all.requests += result.requests;
    all.judged += result.judged;
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
}

// VTD_REACH_PROGRAMS and VTD_REACH_SEED: more of them, and others (docs/dmar.md).
TEST(reach, no_request_of_a_million_gets_where_nothing_is_mapped_for_it_long) {
  const std::uint64_t programs = number_from("VTD_REACH_PROGRAMS", 60'000);
  const totals all = run_random(number_from("VTD_REACH_SEED", 1'000'000), programs, 1500);
  std::cout << programs << " programs: " << all.requests << " requests, " << all.judged
            << " pieces in memory, " << all.statistics.faults << " faults, " << all.statistics.invalidations
            << " invalidations, " << all.statistics.descriptors << " descriptors, "
            << all.statistics.queue_errors << " queue errors, " << all.statistics.poisoned
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

} // namespace
} // namespace vtd::test
