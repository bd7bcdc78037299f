// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include "source_dir.h"
#include "vtd/models/board_loader.h"
#include "vtd/pci_topology/topology.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

namespace vtd::bench {
namespace {

const std::string file = std::string(VTD_SOURCE_DIR) + "/models/traffic/dq35jo.json";

std::string error_of(const std::string& from, const std::string& to) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  std::string json = text.str();
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  const auto changed = std::filesystem::temp_directory_path() /
                       ("vtd_traffic_" + std::to_string(std::hash<std::string>{}(to)) + ".json");
  std::ofstream(changed) << json;
  std::string error;
  try {
    (void)load_traffic(changed);
  } catch (const std::runtime_error& failure) {
    error = failure.what();
  }
  std::filesystem::remove(changed);
  return error.substr(error.find(": ") + 2);
}

TEST(traffic, all_functions_of_the_board_that_can_be_bus_masters_have_a_share) {
  const traffic_mix mix = load_traffic(file);
  EXPECT_EQ(mix.outstanding, 32U);
  std::set<std::string> named;
  for (const traffic_stream& s : mix.streams) {
    named.insert(to_string(s.source));
    EXPECT_GT(s.weight(), 0) << s.what;
    EXPECT_LE(s.bytes, 64U) << s.what;
    EXPECT_FALSE(s.why.empty()) << s.what;
  }
  const models::board board = models::load_board(mix.board, {VTD_SOURCE_DIR "/models"});
  pci_topology::topology pci(board.pci);
  pci.set_up_as_firmware();
  std::set<std::string> there;
  constexpr std::uint32_t smbus = 0x0c0500;
  pci.for_each([&](const pci_topology::function& f) {
    const auto& d = f.description();
    const bool bridge = (d.class_code >> 16) == 6;
    if (!bridge && d.class_code != smbus) there.insert(to_string(f.id()));
  });
  EXPECT_EQ(named, there);
}

TEST(traffic, bad_data_is_named_with_place_value_and_expectation) {
  EXPECT_EQ(error_of("\"01:00.0\"", "\"01:00\""),
            "streams[0].function: got \"01:00\", expected a function such as \"00:19.0\"");
  EXPECT_EQ(error_of("\"bytes\": 64", "\"bytes\": 65"),
            "streams[0].bytes: got 65, expected a divisor of 4096, so that no request crosses a page");
  EXPECT_EQ(error_of("\"mb_per_s\": 400", "\"mb_per_s\": -4"),
            "streams[0].mb_per_s: got -4, expected a number from 1e-06 to 1000000.0");
  EXPECT_EQ(error_of("\"writes\": 0,", "\"writes\": 1.5,"),
            "streams[0].writes: got 1.5, expected a number from 0.0 to 1.0");
  EXPECT_EQ(error_of("\"order\": \"random\"", "\"order\": \"odd\""),
            "streams[0].order: got \"odd\", expected \"sequential\" or \"random\"");
  EXPECT_EQ(error_of("\"pages\": 512,", ""), "streams[0]: no \"pages\", expected one");
  EXPECT_THROW((void)load_traffic("/nowhere.json"), std::runtime_error);
  EXPECT_THROW((void)find_traffic("nowhere"), std::runtime_error);
}

} // namespace
} // namespace vtd::bench
