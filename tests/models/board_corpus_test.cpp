// SPDX-License-Identifier: Apache-2.0
// The boards that the fuzzer begins with (tests/fuzz/board_json_fuzz.cpp), whole and cut short.

#include "source_dir.h"
#include "support/board_input.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace vtd::models {
namespace {

std::vector<std::filesystem::path> seeds() {
  const std::filesystem::directory_iterator all(VTD_SOURCE_DIR "/tests/fuzz/corpus/board_json");
  std::vector<std::filesystem::path> out;
  for (const auto& file : all)
    out.push_back(file.path());
  return out;
}
std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(board_corpus, the_seeds_of_the_fuzzer_hold) {
  unsigned loaded = 0;
  unsigned refused = 0;
  for (const auto& file : seeds()) {
    const auto outcome = test::load_board_input(text_of(file));
    EXPECT_EQ(outcome.violation, "") << file;
    ++(outcome.loaded ? loaded : refused);
  }
  // Of both kinds there are some.
  EXPECT_GT(loaded, 0U);
  EXPECT_GT(refused, 0U);
}

TEST(board_corpus, no_beginning_of_a_seed_breaks_a_rule) {
  for (const auto& file : seeds()) {
    const std::string whole = text_of(file);
    for (std::size_t length = 0; length < whole.size(); length += 7)
      EXPECT_EQ(test::load_board_input(whole.substr(0, length)).violation, "") << file << ' ' << length;
  }
}

// The judge can say no.

TEST(board_corpus, units_in_one_place_are_seen_whichever_comes_first) {
  board two = parse_board(text_of(VTD_SOURCE_DIR "/tests/fuzz/corpus/board_json/small.json"), "small.json");
  ASSERT_FALSE(two.units.empty());
  EXPECT_EQ(test::board_violation(two), "");
  for (const std::int64_t offset : {-8, 0, 8}) {
    two.units.resize(1, two.units.front());
    two.units.push_back(two.units.front());
    two.units.back().base.value += static_cast<std::uint64_t>(offset);
    EXPECT_NE(test::board_violation(two), "") << offset;
  }
}

TEST(board_corpus, an_error_of_two_lines_or_of_no_file_is_seen) {
  EXPECT_EQ(test::refusal_violation("a.json: wrong", "a.json"), "");
  EXPECT_NE(test::refusal_violation("a.json: wrong\nvery", "a.json"), "");
  EXPECT_NE(test::refusal_violation("wrong", "a.json"), "");
}

} // namespace
} // namespace vtd::models
