// SPDX-License-Identifier: Apache-2.0
// Programs and what is done with them, without QEMU.

#include "source_dir.h"
#include "vtdsim/differential/generator.h"
#include "vtdsim/differential/minimise.h"
#include "vtdsim/differential/verb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

namespace {

using namespace vtdsim::differential; // NOLINT(google-build-using-namespace)

TEST(program, a_seed_and_a_number_always_give_the_same_program) {
  for (std::uint64_t index = 0; index < 60; ++index)
    EXPECT_EQ(to_string(generate(5, index)), to_string(generate(5, index)));
  EXPECT_NE(to_string(generate(5, 1)), to_string(generate(5, 2)));
  EXPECT_NE(to_string(generate(5, 1)), to_string(generate(6, 1)));
}

TEST(program, a_series_visits_every_variant_and_every_kind_of_step) {
  std::set<std::string_view> variants;
  std::set<step_kind> kinds;
  for (std::uint64_t index = 0; index < programs_per_variant * all_variants().size(); ++index) {
    const program made = generate(1, index);
    variants.insert(made.how->name);
    for (const step& each : made.steps)
      kinds.insert(each.kind);
  }
  EXPECT_EQ(variants.size(), all_variants().size());
  EXPECT_EQ(kinds.size(), 7U);
}

TEST(program, what_is_printed_can_be_read_again) {
  for (std::uint64_t index = 0; index < 400; index += 7) {
    const std::string text = to_string(generate(3, index));
    EXPECT_EQ(to_string(parse_program(text)), text);
  }
}

TEST(program, a_line_that_is_no_step_is_refused_with_its_place) {
  const auto refused = [](const std::string& line, const std::string& named) {
    try {
      (void)parse_program("variant wide\n" + line + "\n");
      ADD_FAILURE() << line;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  };
  refused("hop 1", "hop");
  refused("store 0x10000000 1", "0x10000000");
  refused("store 0x1000", "''");
  refused("dma 9 read 0 0 1", "'9'");
  refused("dma 0 copy 0 0 1", "copy");
  refused("dma 0 read 0 0xff0 64", "'64'");
  refused("append 257 0x5 0x0", "'257'");
  refused("reset now", "now");
  refused("variant tall", "tall");
  EXPECT_THROW((void)parse_program("reset\n"), std::invalid_argument);
}

TEST(minimise, keeps_only_what_the_difference_needs) {
  program whole = generate(1, 0);
  ASSERT_GT(whole.steps.size(), 20U);
  const std::string first = to_string(whole.steps[3]);
  const std::string second = to_string(whole.steps[17]);
  const auto needs_both = [&](const program& tried) {
    const auto has = [&](const std::string& text) {
      return std::any_of(tried.steps.begin(), tried.steps.end(),
                         [&](const step& each) { return to_string(each) == text; });
    };
    return has(first) && has(second);
  };
  const program small = minimise(whole, needs_both);
  ASSERT_EQ(small.steps.size(), 2U);
  EXPECT_EQ(to_string(small.steps[0]), first);
  EXPECT_EQ(to_string(small.steps[1]), second);
}

TEST(deviations, the_page_lists_exactly_what_the_program_knows) {
  std::ifstream in(std::string(VTD_SOURCE_DIR) + "/docs/differential.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find(deviations_table()), std::string::npos)
      << "docs/differential.md must hold what vtdsim differential --deviations prints:\n"
      << deviations_table();
}

} // namespace
