// SPDX-License-Identifier: Apache-2.0
// Presets: that all load, how durations become cycles, settings, and what is refused.

#include "vtd/models/timing_preset.h"

#include "source_dir.h"
#include "support/refusal.h"
#include "vtd/models/data_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace vtd::models {
namespace {

using test::refusal_of;
using testing::HasSubstr;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

std::string text_of(const std::string& name) {
  std::ifstream in(data[0] / "presets" / (name + ".json"));
  return {std::istreambuf_iterator<char>(in), {}};
}
// What the text of g0, changed in one place, is refused with.
std::string refused(const std::string& from, const std::string& to) {
  std::string text = text_of("g0");
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return refusal_of([&] { (void)parse_preset(text, "my.json"); });
}
timing_preset g0() { return load_preset("g0", data); }
void set(timing_preset& preset, const std::string& name, const std::string& value) {
  set_parameter(preset, name, value, confidence::assumed, "a test");
}

TEST(timing_preset, of_every_name_loads_and_every_value_says_why) {
  const auto files = list_data_files("presets", data);
  EXPECT_GE(files.size(), 7U);
  for (const data_file& file : files) {
    const timing_preset preset = load_preset(file.name, data);
    EXPECT_EQ(preset.name, file.name);
    for (const parameter_info& each : list_parameters(preset)) {
      EXPECT_FALSE(each.why.empty()) << file.name << ' ' << each.name;
      EXPECT_FALSE(each.unit.empty()) << file.name << ' ' << each.name;
    }
  }
}

TEST(timing_preset, durations_become_cycles_by_rounding_up) {
  timing_preset preset = g0();
  preset.clock_period.value = 3000;
  EXPECT_EQ(preset.cycles(0), 0U);
  EXPECT_EQ(preset.cycles(2.999), 1U);
  EXPECT_EQ(preset.cycles(3), 1U);
  EXPECT_EQ(preset.cycles(3.001), 2U);
  EXPECT_EQ(preset.cycles(0.1 + 0.2), 1U);
  preset.clock_period.value = 300;
  EXPECT_EQ(preset.cycles(0.1 + 0.2), 1U) << "0.30000000000000004 ns is 300 ps";
  EXPECT_NEAR(preset.clock_mhz(), 3333.3, 0.1);
}

TEST(timing_preset, lists_each_parameter_once_and_takes_what_it_lists) {
  timing_preset preset = g0();
  auto names = parameter_names();
  EXPECT_EQ(names.size(), list_parameters(preset).size());
  for (const parameter_info& each : list_parameters(preset))
    EXPECT_NO_THROW(set(preset, each.name, each.value)) << each.name;
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(timing_preset, a_setting_changes_one_value_and_says_where_it_is_from) {
  timing_preset preset = g0();
  const auto before = list_parameters(preset);
  set_parameter(preset, "iotlb.entries", "0x40", confidence::derived, "my reason");
  EXPECT_EQ(preset.iotlb.entries.value, 64U);
  EXPECT_EQ(preset.iotlb.entries.how, confidence::derived);
  EXPECT_EQ(preset.iotlb.entries.why, "my reason");
  const auto after = list_parameters(preset);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].value == after[i].value, before[i].name != "iotlb.entries") << before[i].name;
  }
}

TEST(timing_preset, settings_have_the_type_of_their_parameter) {
  timing_preset preset = g0();
  set(preset, "walk_read", "12.5");
  EXPECT_EQ(preset.walk_read.value, 12.5);
  set(preset, "iotlb.policy", "fifo");
  EXPECT_EQ(preset.iotlb.policy.value, remap::replacement::fifo);
  set(preset, "whole_domain_tables", "on");
  EXPECT_TRUE(preset.whole_domain_tables.value);
  set(preset, "whole_domain_tables", "0");
  EXPECT_FALSE(preset.whole_domain_tables.value);
}

TEST(timing_preset, a_setting_of_the_wrong_type_or_range_is_refused_and_changes_nothing) {
  timing_preset preset = g0();
  EXPECT_EQ(refusal_of([&] { set(preset, "walk_read", "soon"); }),
            "walk_read: got \"soon\", expected a number of ns from 0 to 1e+09");
  EXPECT_EQ(refusal_of([&] { set(preset, "requests", "0"); }),
            "requests: got \"0\", expected a number of requests from 1 to 4096");
  EXPECT_EQ(refusal_of([&] { set(preset, "requests", "4097"); }),
            "requests: got \"4097\", expected a number of requests from 1 to 4096");
  EXPECT_EQ(refusal_of([&] { set(preset, "iotlb.policy", "newest"); }),
            "iotlb.policy: got \"newest\", expected lru, pseudo_lru, fifo or random");
  EXPECT_EQ(refusal_of([&] { set(preset, "whole_domain_tables", "perhaps"); }),
            "whole_domain_tables: got \"perhaps\", expected true or false");
  for (const char* value : {"nan", "-1", "1e10", "7ns", ""})
    EXPECT_THAT(refusal_of([&] { set(preset, "walk_read", value); }), HasSubstr("expected a number of ns"))
        << value;
  EXPECT_EQ(preset.requests.value, g0().requests.value);
}

TEST(timing_preset, an_unknown_setting_is_told_with_near_names) {
  timing_preset preset = g0();
  EXPECT_EQ(refusal_of([&] { set(preset, "iotlb.entires", "4"); }),
            "unknown parameter \"iotlb.entires\", did you mean iotlb.entries?");
}

TEST(timing_preset, a_file_with_a_wrong_value_is_refused_with_its_place) {
  EXPECT_EQ(
      refused("\"clock.period\": {\"value\": 3000", "\"clock.period\": {\"value\": \"fast\""),
      "my.json: parameters.clock.period.value: got \"fast\", expected a whole number or a string such as "
      "\"0xfed90000\"");
  EXPECT_EQ(refused("\"clock.period\": {\"value\": 3000", "\"clock.period\": {\"value\": 0"),
            "my.json: parameters.clock.period.value: got 0, expected a number from 1 to 1000000000");
  EXPECT_THAT(refused("\"walkers\": {\"value\": 1", "\"walkers\": {\"value\": 1025"),
              HasSubstr("parameters.walkers.value: got 1025, expected a number from 1 to 64"));
  EXPECT_THAT(
      refused("\"value\": \"random\"", "\"value\": \"chance\""),
      HasSubstr("parameters.iotlb.policy.value: got \"chance\", expected lru, pseudo_lru, fifo or random"));
}

TEST(timing_preset, a_file_with_a_wrong_or_missing_unit_is_refused) {
  EXPECT_EQ(refused("\"value\": 3000, \"unit\": \"ps\"", "\"value\": 3, \"unit\": \"ns\""),
            "my.json: parameters.clock.period.unit: got \"ns\", expected \"ps\"");
  EXPECT_THAT(refused("\"value\": 3000, \"unit\": \"ps\"", "\"value\": 3000"),
              HasSubstr("expected a \"unit\": \"ps\""));
}

TEST(timing_preset, a_file_with_a_parameter_too_many_or_too_few_is_refused) {
  EXPECT_EQ(refused("\"parameters\": {", "\"parameters\": {\"iotlb.entires\": {\"value\": 1},"),
            "my.json: parameters: unknown key \"iotlb.entires\", did you mean iotlb.entries?");
  EXPECT_EQ(refused("\"iotlb.entries\"", "\"iotlb_entries\""),
            "my.json: parameters: \"iotlb.entries\" is missing");
  EXPECT_EQ(refused("\"calibrated\": false", "\"calibrated\": 0"),
            "my.json: calibrated: got 0, expected true or false");
}

TEST(timing_preset, a_cache_that_cannot_be_built_is_refused) {
  const auto with = [](const char* entries, const char* ways, const char* policy) {
    timing_preset preset = g0();
    set(preset, "iotlb.entries", entries);
    set(preset, "iotlb.ways", ways);
    set(preset, "iotlb.policy", policy);
    return preset;
  };
  EXPECT_EQ(
      refusal_of([&] { check_preset(with("16", "3", "lru")); }),
      "preset g0: iotlb: got 16 entries, 3 ways, lru, expected entries that are a multiple of the ways");
  EXPECT_THAT(refusal_of([&] { check_preset(with("24", "4", "lru")); }), HasSubstr("a power of two"));
  EXPECT_THAT(refusal_of([&] { check_preset(with("24", "24", "pseudo_lru")); }),
              HasSubstr("at most 64 ways"));
  EXPECT_THAT(refusal_of([&] { check_preset(with("128", "128", "pseudo_lru")); }),
              HasSubstr("at most 64 ways"));
  EXPECT_NO_THROW(check_preset(with("24", "0", "lru"))) << "fully associative";
  EXPECT_NO_THROW(check_preset(with("0", "4", "lru"))) << "not there at all";
  EXPECT_NO_THROW(check_preset(with("64", "64", "pseudo_lru")));
  EXPECT_EQ(refused("\"iotlb.ways\": {\"value\": 0", "\"iotlb.ways\": {\"value\": 5").substr(0, 28),
            "my.json: preset g0: iotlb: g")
      << "also when it comes from a file";
}

} // namespace
} // namespace vtd::models
