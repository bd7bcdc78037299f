// SPDX-License-Identifier: Apache-2.0
// Random descriptors and registers of the invalidation queue, and those that the fuzzer found worth keeping
// (tests/fuzz/queue_fuzz.cpp).

#include "support/queue_program.h"

#include "source_dir.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace vtd::test {
namespace {

TEST(queue_program, no_random_orders_break_a_rule) {
  std::mt19937_64 draw(1);
  std::uint64_t status_writes = 0;
  for (unsigned n = 0; n < 1000; ++n) {
    std::vector<std::uint8_t> bytes(400);
    for (auto& each : bytes)
      each = static_cast<std::uint8_t>(draw());
    queue_program program(bytes);
    ASSERT_EQ(program.run(), "") << n;
    status_writes += program.world().status_writes_judged;
  }
  // A thousand of them are of the proofs at the end.
  EXPECT_GT(status_writes, 1300U);
}

TEST(queue_program, the_seeds_of_the_fuzzer_hold) {
  unsigned seeds = 0;
  for (const auto& file : std::filesystem::directory_iterator(VTD_SOURCE_DIR "/tests/fuzz/corpus/queue")) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(queue_program(bytes).run(), "") << file.path();
    ++seeds;
  }
  EXPECT_GT(seeds, 0U);
}

TEST(queue_program, tells_of_a_status_write_that_no_wait_asked_for) {
  const std::vector<std::uint8_t> nothing;
  queue_program program(nothing);
  program.world().write_status(0, 0x800000, 1);
  EXPECT_NE(program.run(), "");
}

TEST(queue_program, tells_of_a_page_that_stays_where_it_was) {
  const std::vector<std::uint8_t> nothing;
  queue_program program(nothing);
  // Behind its back: the tables that it writes again at the end are not asked any more.
  program.world().write_register<spec::reg::rtaddr>(0xb000000);
  program.world().write_register<spec::reg::gcmd>(spec::reg::gcmd::te::mask | spec::reg::gcmd::qie::mask |
                                                  spec::reg::gcmd::srtp::mask);
  EXPECT_NE(program.run(), "");
}

} // namespace
} // namespace vtd::test
