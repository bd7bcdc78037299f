// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/dram_preset.h"

#include "source_dir.h"
#include "vtd/models/board_error.h"
#include "vtd/models/data_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace vtd::models {
namespace {

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

std::string text_of(const std::string& name) {
  std::ifstream in(std::string(VTD_SOURCE_DIR) + "/models/drams/" + name + ".json");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string error_of(const std::string& from, const std::string& to) {
  std::string json = text_of("ddr3-1600");
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  try {
    (void)parse_dram_preset(json, "x.json");
  } catch (const board_error& error) {
    return error.what();
  }
  return "";
}

TEST(dram_preset, the_times_of_ddr3_round_up_to_cycles_one_by_one) {
  const host::dram_config c = load_dram_preset("ddr3-1600", data).config(2000, 3);
  EXPECT_EQ(c.timing.rcd, 7U);
  EXPECT_EQ(c.timing.cwl, 5U);
  EXPECT_EQ(c.timing.ras, 18U);
  EXPECT_EQ(c.timing.burst, 3U);
  EXPECT_EQ(c.timing.refi, 3900U);
  EXPECT_EQ(c.shape.banks, 8U);
  EXPECT_EQ(c.shape.row_bytes, 8192U);
  EXPECT_EQ(c.shape.ports, 3U);
}

TEST(dram_preset, every_type_can_be_built_and_says_where_its_values_come_from) {
  const auto files = list_data_files("drams", data);
  ASSERT_GE(files.size(), 2U);
  for (const data_file& file : files) {
    const dram_preset p = load_dram_preset(file.name, data);
    EXPECT_EQ(p.name, file.name);
    EXPECT_FALSE(p.rcd.why.empty());
    EXPECT_TRUE(p.controller.assumed());
    EXPECT_GE(p.ras.value, p.rcd.value) << "a row must be open long enough to be read";
    EXPECT_GT(p.config(1000, 1).timing.burst, 0U);
  }
}

TEST(dram_preset, bad_data_is_named_with_file_place_and_expectation) {
  EXPECT_EQ(error_of("\"banks\": {\"value\": 8", "\"banks\": {\"value\": 6"),
            "x.json: parameters.banks.value: got 6, expected a power of two");
  EXPECT_NE(error_of("13.75, \"unit\": \"ns\"", "13.75, \"unit\": \"ps\"").find("expected \"ns\""),
            std::string::npos);
  EXPECT_NE(error_of("\"rcd\"", "\"tRCD\"").find("rcd"), std::string::npos);
  EXPECT_THROW((void)load_dram_preset("ddr9", data), board_error);
}

} // namespace
} // namespace vtd::models
