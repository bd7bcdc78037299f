// SPDX-License-Identifier: Apache-2.0
// Random accesses to registers, and those that the fuzzer found worth keeping
// (tests/fuzz/registers_fuzz.cpp).

#include "source_dir.h"
#include "support/register_program.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace vtd::test {
namespace {

TEST(register_program, no_random_accesses_break_a_rule) {
  std::mt19937_64 draw(1);
  std::uint64_t status_writes = 0;
  std::uint64_t log_writes = 0;
  for (unsigned n = 0; n < 2000; ++n) {
    std::vector<std::uint8_t> bytes(400);
    for (auto& each : bytes)
      each = static_cast<std::uint8_t>(draw());
    register_program program(bytes);
    ASSERT_EQ(program.run(), "") << n;
    status_writes += program.world().status_writes_judged;
    log_writes += program.world().log_writes_judged;
  }
  EXPECT_GT(status_writes, 500U);
  EXPECT_GT(log_writes, 500U);
}

TEST(register_program, the_seeds_of_the_fuzzer_hold) {
  unsigned seeds = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(VTD_SOURCE_DIR "/tests/fuzz/corpus/registers")) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(register_program(bytes).run(), "") << file.path();
    ++seeds;
  }
  EXPECT_GT(seeds, 0U);
}

// What it says of the unit's own writes is what the judge of its world says (reach_test.cpp).
TEST(register_program, tells_of_a_write_outside) {
  const std::vector<std::uint8_t> nothing;
  register_program status(nothing);
  status.world().write_status(0, 0x800000, 1);
  EXPECT_NE(status.run(), "");
  register_program log(nothing);
  log.world().read_log(0, 0x100000);
  EXPECT_NE(log.run(), "");
}

} // namespace
} // namespace vtd::test
