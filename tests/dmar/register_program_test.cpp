// SPDX-License-Identifier: Apache-2.0
// Random accesses to registers, and those that the fuzzer found worth keeping
// (tests/fuzz/registers_fuzz.cpp).

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
  for (unsigned n = 0; n < 2000; ++n) {
    std::vector<std::uint8_t> bytes(400);
    for (auto& each : bytes)
      each = static_cast<std::uint8_t>(draw());
    ASSERT_EQ(register_program(bytes).run(), "") << n;
  }
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

} // namespace
} // namespace vtd::test
