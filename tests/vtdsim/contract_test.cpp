// SPDX-License-Identifier: Apache-2.0
// The JSON documents, key by key: each is there, of its type, and in the form that scripts rely on.

#include "program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <regex>
#include <string>

namespace {

using json = nlohmann::ordered_json;
using vtd::test::contents;
using vtd::test::outcome;

bool matches(const json& value, const char* form) {
  return value.is_string() && std::regex_match(value.get<std::string>(), std::regex(form));
}
bool is_hex(const json& value) { return matches(value, "0x[0-9a-f]+"); }
bool is_source_id(const json& value) { return matches(value, "[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]"); }
bool is_count(const json& value) { return value.is_number_unsigned(); }
bool is_number_or_null(const json& value) { return value.is_number() || value.is_null(); }
bool is_lower_case(const json& value) { return matches(value, "[^A-Z]+"); }

class contract : public vtd::test::program_test {};

TEST_F(contract, a_run_begins_with_schema_seed_and_preset) {
  const json r = json::parse(run("run --pages 2 --seed 7 --json").out);
  std::vector<std::string> keys;
  for (const auto& [key, value] : r.items())
    keys.push_back(key);
  ASSERT_GE(keys.size(), 10U);
  const std::vector<std::string> wanted{"schema",       "seed",  "preset", "board", "clock_mhz",
                                        "simulated_ns", "units", "faults", "dma",   "sweep"};
  EXPECT_EQ(std::vector<std::string>(keys.begin(), keys.begin() + 10), wanted);
  EXPECT_TRUE(matches(r["schema"], "vtd\\.run/[0-9]+"));
  EXPECT_EQ(r["seed"], 7);
  EXPECT_EQ(r["preset"], "g0");
  EXPECT_EQ(r["board"], "dq35jo");
  EXPECT_TRUE(r["clock_mhz"].is_number_float());
  EXPECT_TRUE(is_count(r["simulated_ns"]));
}

TEST_F(contract, every_unit_has_its_registers_as_hex_and_its_counts_as_numbers) {
  const json r = json::parse(run("run --pages 2 --json").out);
  ASSERT_EQ(r["units"].size(), 4U);
  for (const json& unit : r["units"]) {
    for (const char* key : {"base", "cap", "ecap"})
      EXPECT_TRUE(is_hex(unit[key])) << key << ' ' << unit[key];
    for (const char* key :
         {"requests", "iotlb_hits", "iotlb_misses", "context_hits", "context_misses", "walk_reads", "faults"})
      EXPECT_TRUE(is_count(unit[key])) << key << ' ' << unit[key];
  }
  const json& last = r["units"].back();
  EXPECT_EQ(last["faults"], 1);
  EXPECT_EQ(last["context_misses"], 1);
  EXPECT_GT(last["iotlb_hits"], last["iotlb_misses"]);
}

TEST_F(contract, every_fault_says_who_where_why_and_when) {
  const json r = json::parse(run("run --pages 2 --json").out);
  ASSERT_EQ(r["faults"].size(), 1U);
  const json& fault = r["faults"][0];
  EXPECT_TRUE(fault["unit"].is_string());
  EXPECT_TRUE(is_source_id(fault["source_id"])) << fault["source_id"];
  EXPECT_TRUE(is_hex(fault["address"])) << fault["address"];
  EXPECT_TRUE(matches(fault["access"], "read|write"));
  EXPECT_TRUE(is_count(fault["reason"]));
  EXPECT_TRUE(fault["condition"].is_string());
  EXPECT_TRUE(is_count(fault["time_ns"]));
  EXPECT_LT(fault["time_ns"], r["simulated_ns"]);
}

TEST_F(contract, the_dma_check_and_every_sweep_point_are_complete) {
  const json r = json::parse(run("run --pages 32 --json").out);
  EXPECT_TRUE(is_count(r["dma"]["bytes"]));
  EXPECT_EQ(r["dma"]["verified"], true);
  EXPECT_TRUE(is_count(r["dma"]["errors"]));
  ASSERT_EQ(r["sweep"].size(), 6U);
  std::uint64_t pages = 1;
  for (const json& point : r["sweep"]) {
    EXPECT_EQ(point["pages"], pages);
    EXPECT_EQ(point["window_bytes"], pages * 4096);
    EXPECT_TRUE(point["hit_rate"].is_number());
    EXPECT_GE(point["hit_rate"], 0.0);
    EXPECT_LE(point["hit_rate"], 1.0);
    for (const char* key : {"walk_reads_per_request", "latency_ns_off", "latency_ns_on", "requests_per_s_off",
                            "requests_per_s_on"})
      EXPECT_TRUE(point[key].is_number()) << key << ' ' << point[key];
    for (const char* key : {"latency_ns_hit", "latency_ns_miss"}) {
      ASSERT_TRUE(point.contains(key)) << key;
      EXPECT_TRUE(is_number_or_null(point[key])) << key << ' ' << point[key];
    }
    pages *= 2;
  }
  EXPECT_TRUE(r["sweep"][0]["latency_ns_miss"].is_null()) << "one page: nothing misses after the warm-up";
  EXPECT_TRUE(r["sweep"][5]["latency_ns_miss"].is_number());
}

TEST_F(contract, json_with_a_file_writes_the_same_document_there_and_leaves_stdout_to_people) {
  const std::string file = (scratch / "run.json").string();
  const outcome got = run("run --pages 2 --json=" + file);
  EXPECT_EQ(got.status, 0);
  EXPECT_FALSE(json::accept(got.out));
  EXPECT_NE(got.out.find("power on"), std::string::npos);
  const outcome direct = run("run --pages 2 --json");
  EXPECT_EQ(contents(file), direct.out);
  EXPECT_NE(direct.err.find("power on"), std::string::npos) << "progress goes to stderr then";
}

TEST_F(contract, every_board_of_the_list_has_every_key) {
  const json boards = json::parse(run("boards --json").out);
  ASSERT_TRUE(boards.is_array());
  ASSERT_GE(boards.size(), 4U);
  for (const json& board : boards) {
    EXPECT_TRUE(is_lower_case(board["name"])) << board;
    EXPECT_TRUE(board["maker"].is_string()) << board;
    EXPECT_TRUE(is_lower_case(board["chipset"])) << board;
    EXPECT_TRUE(matches(board["vtd"], "on|off|absent|broken")) << board;
    EXPECT_TRUE(is_count(board["units"])) << board;
    EXPECT_TRUE(matches(board["confidence"], "measured|documented|derived|assumed")) << board;
  }
  const std::string file = (scratch / "boards.json").string();
  EXPECT_EQ(run("boards --json=" + file).out, "");
  EXPECT_EQ(json::parse(contents(file)), boards);
}

TEST_F(contract, a_decoded_table_has_every_key) {
  const std::string table = (scratch / "table").string();
  ASSERT_EQ(run("dmar --board dq35jo -o " + table).status, 0);
  const json t = json::parse(run("dmar --decode " + table + " --json").out);
  EXPECT_EQ(t.items().begin().key(), "schema");
  EXPECT_TRUE(matches(t["schema"], "vtd\\.dmar/[0-9]+"));
  EXPECT_EQ(t["valid"], true);
  EXPECT_EQ(t["length"], contents(table).size());
  EXPECT_EQ(t["host_address_width"], 36);
  EXPECT_TRUE(is_count(t["flags"]));
  ASSERT_GE(t["structures"].size(), 4U);
  std::size_t at = 48;
  for (const json& s : t["structures"]) {
    EXPECT_TRUE(is_count(s["type"])) << s;
    EXPECT_TRUE(s["name"].is_string()) << s;
    EXPECT_TRUE(is_count(s["length"])) << s;
    EXPECT_EQ(s["offset"], at) << s;
    at += s["length"].get<std::size_t>();
    if (s["type"] != 0) continue;
    EXPECT_EQ(s["name"], "DRHD");
    EXPECT_TRUE(is_hex(s["base"])) << s;
  }
  EXPECT_EQ(at, t["length"]);
  EXPECT_TRUE(t["warnings"].is_array());
}

TEST_F(contract, a_warning_of_a_decoded_table_has_its_offset_and_says_what) {
  const std::string table = (scratch / "table").string();
  ASSERT_EQ(run("dmar --board dq35jo -o " + table).status, 0);
  // A first structure of a type that nobody knows; the checksum in byte 9 is made to fit.
  std::string bytes = contents(table);
  constexpr char unknown = 0x7f;
  bytes[9] = static_cast<char>(bytes[9] - unknown + bytes[48]);
  bytes[48] = unknown;
  const json t = json::parse(run("dmar --decode " + file("odd", bytes) + " --json").out);
  EXPECT_EQ(t["valid"], true);
  ASSERT_FALSE(t["warnings"].empty());
  EXPECT_EQ(t["warnings"][0]["offset"], 48);
  EXPECT_TRUE(t["warnings"][0]["what"].is_string());
}

TEST_F(contract, a_table_that_is_not_valid_says_so_in_json_and_by_its_status) {
  const outcome got = run("dmar --decode " + file("short", "DMAR") + " --json");
  EXPECT_EQ(got.status, 2);
  EXPECT_EQ(json::parse(got.out)["valid"], false);
  EXPECT_EQ(std::count(got.err.begin(), got.err.end(), '\n'), 1) << got.err;
}

} // namespace
