// SPDX-License-Identifier: Apache-2.0
// What the model does where sources disagree, as far as no other test says it, and the page that lists it
// all.

#include "conformance/random_part.h"
#include "conformance/test_names.h"
#include "source_dir.h"
#include "vtd/models/board.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using spec::fault_condition;

TEST(choices, after_a_reset_no_granularity_is_said_to_have_been_done) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    for (const bool power_on : {true, false}) {
      EXPECT_EQ(w.read_register<reg::ccmd>(), 0U);
      EXPECT_EQ(w.read_register<reg::iotlb>(), 0U);
      w.invalidate_contexts_global();
      w.invalidate_iotlb_global();
      w.settle();
      EXPECT_EQ(reg::ccmd::caig::get(w.read_register<reg::ccmd>()), 1U);
      EXPECT_EQ(reg::iotlb::iaig::get(w.read_register<reg::iotlb>()), 1U);
      w.unit.reset(power_on);
      w.settle();
    }
    return w.cap().value;
  });
}

TEST(choices, pass_through_takes_any_width_that_the_part_has) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        w.enable();
        for (unsigned aw = 0; aw < 5; ++aw) {
          const auto device = spec::source_id::from_bdf(2, static_cast<std::uint8_t>(aw), 0);
          w.tables.attach(device, random_world::domain, spec::levels_of_agaw(aw),
                          spec::translation_type::pass_through);
          EXPECT_EQ(w.ask_read(device, 0x5000),
                    w.cap().supports_agaw(aw) ? w.to(0x5000) : w.fault(fault_condition::lct_4_1))
              << "AW " << aw;
        }
        return w.cap().sagaw();
      },
      [](remap::capabilities& caps) { caps.ecap.set_pt(true); });
}

// Rights are judged at the leaf: bits that are wrong below a table without the right are found first.
TEST(choices, a_reserved_bit_counts_before_a_right_that_is_missing) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    if (w.caps().host_address_width >= 52) return 0;
    const std::uint64_t beyond = std::uint64_t{1} << w.caps().host_address_width;
    const std::uint64_t first = w.some_page();
    w.tables.attach(nic, random_world::domain, w.levels());
    w.enable();
    // Each in a table of its own: nothing wrong, the leaf, and the entry above it that lacks the right.
    for (const unsigned wrong_level : {0U, 1U, 2U}) {
      const std::uint64_t iova = first + wrong_level * spec::level_size(2);
      w.tables.map(nic, iova, random_world::frame, read_only);
      const std::uint64_t above = w.tables.entry_of(nic, iova, 2, false);
      spec::second_level_entry table{w.memory.load(above)};
      w.memory.store(above, table.set_write(false).value);
      if (wrong_level != 0) {
        const std::uint64_t wrong = w.tables.entry_of(nic, iova, wrong_level, false);
        w.memory.store(wrong, w.memory.load(wrong) | beyond);
      }
      EXPECT_EQ(w.ask_write(nic, iova),
                w.fault(wrong_level == 0 ? fault_condition::lgn_2 : fault_condition::lsl_2))
          << "level " << wrong_level;
    }
    return w.levels();
  });
}

// --- The page

const std::string& page() {
  static const std::string text = text_of(VTD_SOURCE_DIR "/docs/choices.md");
  return text;
}

TEST(choices, every_test_that_the_page_names_is_there) {
  const std::regex name("`([a-z_]+\\.[a-z_0-9]+\\.[a-z_0-9]+)`");
  std::size_t names = 0;
  for (std::sregex_iterator i(page().begin(), page().end(), name), end; i != end; ++i, ++names)
    EXPECT_TRUE(all_tests().contains((*i)[1].str())) << "no test " << (*i)[1].str();
  EXPECT_GT(names, 30U);
}

TEST(choices, every_one_that_boards_can_name_is_on_the_page) {
  for (const models::unit_choice& each : models::all_unit_choices()) {
    EXPECT_NE(page().find("`choices." + std::string(each.name) + '`'), std::string::npos) << each.name;
  }
}

} // namespace
} // namespace vtd::test
