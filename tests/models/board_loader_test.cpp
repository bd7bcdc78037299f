// SPDX-License-Identifier: Apache-2.0
// Board files: scopes, what a file may say, and every way in which it can be wrong.

#include "vtd/models/board_loader.h"

#include "source_dir.h"
#include "support/refusal.h"
#include "vtd/models/data_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace vtd::models {
namespace {

using test::refusal_of;
using testing::HasSubstr;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

// A board of a host bridge, a root port with a device, and a conventional bridge, as short as it can be.
std::string text() {
  return R"({"name": "mine", "title": "My board", "maker": "me", "chipset": "q35", "preset": "g0",
 "confidence": "assumed", "why": "a test",
 "host_address_width": 36, "low_memory_end": "0x80000000", "high_memory": 0, "vtd_off": "no_table",
 "units": [{"name": "all", "base": "0xfed90000", "cap": "0xc9008020230270", "ecap": "0x1000", "include_all": true}],
 "reserved_regions": [{"base": "0x7f000000", "limit": "0x7fffffff", "scopes": ["00:02.0"]}],
 "table": {"oem_id": "ME", "oem_table_id": "MINE", "address": "0x7eff0000"},
 "functions": [
  {"at": "00:00.0", "id": "8086:29b0", "class": "0x060000", "kind": "host_bridge"},
  {"at": "00:01.0", "id": "8086:29b1", "class": "0x060400", "kind": "root_port", "buses": [1, 1]},
  {"at": "00:1e.0", "id": "8086:244e", "class": "0x060401", "kind": "pci_bridge", "buses": [2, 2]},
  {"at": "01:00.0", "id": "8086:10d3", "class": "0x020000", "model": "dma_engine", "subsystem": "8086:a01f",
   "bars": [{"index": 0, "size": 4096}], "capabilities": [{"kind": "msi", "at": "0x50"}]}]})";
}
std::string changed(const std::string& from, const std::string& to) {
  std::string out = text();
  const std::size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return out.replace(at, from.size(), to);
}
std::string refused(const std::string& from, const std::string& to) {
  return refusal_of([&] { (void)parse_board(changed(from, to), "my.json"); });
}
board accepted(const std::string& from, const std::string& to) {
  return parse_board(changed(from, to), "my.json");
}

// --- What a file says

TEST(board_loader, reads_a_short_board_with_defaults_for_what_it_does_not_say) {
  const board b = parse_board(text(), "my.json");
  EXPECT_EQ(b.name, "mine");
  EXPECT_TRUE(b.vtd_enabled);
  EXPECT_EQ(b.low_memory_end.value, 0x80000000U);
  ASSERT_EQ(b.units.size(), 1U);
  EXPECT_EQ(b.units[0].version.value, 0x10U);
  EXPECT_FALSE(b.units[0].hidden_write_buffer.value);
  EXPECT_EQ(b.units[0].protected_region_size.value, 0x200000U);
  EXPECT_TRUE(b.units[0].protected_region_size.assumed());
  EXPECT_TRUE(b.units[0].include_all);
  ASSERT_EQ(b.pci.functions.size(), 3U);
  ASSERT_EQ(b.pci.functions[1].children.size(), 1U) << "the tree follows from the bus numbers";
  const auto& nic = b.pci.functions[1].children[0];
  EXPECT_EQ(nic.vendor_id, 0x8086);
  EXPECT_EQ(nic.device_id, 0x10d3);
  EXPECT_EQ(nic.subsystem_id, 0xa01f);
  EXPECT_EQ(nic.kind, pci_topology::function_kind::endpoint);
  EXPECT_TRUE(nic.present);
  EXPECT_EQ(nic.capabilities.at(0).max_payload, 128);
  EXPECT_EQ(b.pci.ecam_base, 0U) << "no memory-mapped configuration space";
}

TEST(board_loader, every_value_can_say_how_well_it_is_known) {
  const board b =
      accepted("\"cap\": \"0xc9008020230270\"",
               "\"cap\": {\"value\": \"0xc9008020230270\", \"confidence\": \"measured\", \"why\": \"log\"}");
  EXPECT_EQ(b.units[0].cap.how, confidence::measured);
  EXPECT_EQ(b.units[0].cap.why, "log");
  EXPECT_EQ(b.units[0].ecap.how, confidence::assumed);
  EXPECT_EQ(b.units[0].ecap.why, "a test") << "what holds for the whole file";
}

TEST(board_loader, scopes_are_read_as_they_are_written) {
  for (const char* each : {"00:1b.0", "bridge 00:1c.0", "ioapic 2 at 00:1f.7", "hpet 0 at f0:0f.0",
                           "00:1c.0/00.0", "bridge 00:03.0/00.0/02.1"}) {
    const auto scope = parse_scope(each);
    ASSERT_TRUE(scope) << each;
    EXPECT_EQ(to_string(*scope), each);
  }
  const auto deep = parse_scope("bridge f0:03.1/1f.7");
  ASSERT_TRUE(deep);
  EXPECT_EQ(deep->type, 2);
  EXPECT_EQ(deep->start_bus, 0xf0);
  ASSERT_EQ(deep->path.size(), 2U);
  EXPECT_EQ(deep->path[1], (scope_description::step{0x1f, 7}));
}

TEST(board_loader, what_is_no_scope_is_none) {
  for (const char* each : {"", "00:1b", "00:20.0", "00:1b.8", "port 00:1c.0", "ioapic 00:1f.7",
                           "ioapic 256 at 00:1f.7", "00:1c.0/", "00:1c.0/00", "bridge", "00:1c.0/00.0/"}) {
    EXPECT_FALSE(parse_scope(each)) << each;
  }
}

TEST(board_loader, a_reversed_region_is_firmware_s_mistake_and_kept) {
  const board b = accepted("\"limit\": \"0x7fffffff\"", "\"limit\": \"0x7effffff\"");
  EXPECT_LT(b.reserved_regions.at(0).limit, b.reserved_regions[0].base);
}

TEST(board_loader, a_unit_says_in_which_blocks_it_protects_memory) {
  const board b = accepted("\"include_all\": true", "\"include_all\": true, \"protected_region_size\": "
                                                    "{\"value\": \"0x100000\", \"confidence\": \"measured\", "
                                                    "\"why\": \"ones were written\"}");
  EXPECT_EQ(b.units[0].protected_region_size.value, 0x100000U);
  EXPECT_FALSE(b.units[0].protected_region_size.assumed());
  for (const char* wrong : {"0x800", "0x180000", "0x100000000", "0"}) {
    EXPECT_THAT(refused("\"include_all\": true",
                        std::string("\"include_all\": true, \"protected_region_size\": \"") + wrong + '"'),
                testing::HasSubstr("a power of two, 4 KB to 2 GB"))
        << wrong;
  }
}

// --- What is refused

TEST(board_loader, an_unknown_board_is_told_with_near_names) {
  EXPECT_THAT(refusal_of([] { (void)load_board("dq35j", data); }),
              HasSubstr("board: unknown name \"dq35j\", did you mean dq35jo?"));
}

TEST(board_loader, a_missing_key_is_named) {
  EXPECT_EQ(refused("\"chipset\": \"q35\", ", ""), "my.json: top level: \"chipset\" is missing");
  EXPECT_EQ(refused("\"ecap\": \"0x1000\", ", ""), "my.json: units[0]: \"ecap\" is missing");
  EXPECT_EQ(refused("\"class\": \"0x020000\", ", ""), "my.json: functions[3]: \"class\" is missing");
}

TEST(board_loader, an_unknown_key_is_named_with_what_is_near) {
  EXPECT_THAT(refused("\"include_all\"", "\"include_al\""),
              HasSubstr("my.json: units[0]: unknown key \"include_al\", did you mean include_all?"));
  EXPECT_THAT(refused("\"kind\": \"host_bridge\"", "\"kin\": \"host_bridge\""),
              HasSubstr("my.json: functions[0]: unknown key \"kin\", did you mean "));
  EXPECT_THAT(refused("\"index\": 0", "\"index\": 0, \"adress\": 0"),
              HasSubstr("functions[3].bars[0]: unknown key \"adress\", did you mean address?"));
  EXPECT_THAT(refused("\"reserved_regions\"", "\"reserved_region\""),
              HasSubstr("top level: unknown key \"reserved_region\", did you mean reserved_regions?"));
}

TEST(board_loader, a_value_of_the_wrong_type_is_told_with_place_value_and_expectation) {
  EXPECT_EQ(refused("\"name\": \"mine\"", "\"name\": 7"), "my.json: name: got 7, expected a string");
  EXPECT_EQ(refused("\"include_all\": true", "\"include_all\": \"yes\""),
            "my.json: units[0].include_all: got \"yes\", expected true or false");
  EXPECT_EQ(
      refused("\"base\": \"0xfed90000\"", "\"base\": \"fed90000\""),
      "my.json: units[0].base: got \"fed90000\", expected a whole number or a string such as \"0xfed90000\"");
  EXPECT_EQ(refused("\"buses\": [1, 1]", "\"buses\": 1"),
            "my.json: functions[1].buses: got 1, expected a list");
  EXPECT_EQ(refused("\"scopes\": [\"00:02.0\"]", "\"scopes\": [2]"),
            "my.json: reserved_regions[0].scopes[0]: got 2, expected a string");
}

TEST(board_loader, a_value_outside_its_range_is_told_with_the_range) {
  EXPECT_EQ(refused("\"host_address_width\": 36", "\"host_address_width\": 53"),
            "my.json: host_address_width: got 53, expected a number from 30 to 52");
  EXPECT_THAT(refused("\"base\": \"0xfed90000\"", "\"base\": \"0xfed90800\""),
              HasSubstr("a multiple of 4 KB"));
  EXPECT_EQ(refused("\"low_memory_end\": \"0x80000000\"", "\"low_memory_end\": \"0x80000800\""),
            "my.json: low_memory_end: got \"0x80000800\", expected a multiple of 4 KB");
  EXPECT_THAT(refused("\"high_memory\": 0", "\"high_memory\": \"0x10000000000000\""),
              HasSubstr("high_memory: got \"0x10000000000000\", expected a number from 0 to "));
  EXPECT_THAT(refused("\"oem_id\": \"ME\"", "\"oem_id\": \"TOOLONG\""),
              HasSubstr("table.oem_id: got \"TOOLONG\", expected at most 6 characters"));
  EXPECT_THAT(refused("\"address\": \"0x7eff0000\"", "\"address\": 0, \"creator_id\": \"INTEL\""),
              HasSubstr("table.creator_id: got \"INTEL\", expected at most 4 characters"));
}

TEST(board_loader, a_choice_that_is_none_is_told_with_the_choices) {
  EXPECT_EQ(
      refused("\"vtd_off\": \"no_table\"", "\"vtd_off\": \"gone\""),
      "my.json: vtd_off: got \"gone\", expected one of \"no_table\", \"dead_registers\", \"renamed_table\"");
  EXPECT_THAT(refused("\"kind\": \"root_port\"", "\"kind\": \"port\""),
              HasSubstr("functions[1].kind: got \"port\", expected one of \"endpoint\", \"host_bridge\""));
  EXPECT_THAT(refused("\"kind\": \"msi\"", "\"kind\": \"msj\""),
              HasSubstr("functions[3].capabilities[0].kind: got \"msj\", expected one of \"pm\", \"msi\""));
  EXPECT_EQ(refused("\"model\": \"dma_engine\"", "\"model\": \"dma_engin\""),
            "my.json: functions[3].model: got \"dma_engin\", expected \"dma_engine\", or no \"model\"");
}

TEST(board_loader, ids_that_are_none_are_refused) {
  for (const char* id : {"8086", "8086:", ":10d3", "18086:10d3", "8086:110d3", "intel:10d3", "8086:10d3:1"}) {
    EXPECT_THAT(refused("\"id\": \"8086:10d3\"", "\"id\": \"" + std::string(id) + '"'),
                HasSubstr("my.json: functions[3].id: got \"" + std::string(id) +
                          "\", expected vendor and device in hexadecimal such as \"8086:29b0\""));
  }
  EXPECT_THAT(refused("\"subsystem\": \"8086:a01f\"", "\"subsystem\": \"18086:a01f\""),
              HasSubstr("functions[3].subsystem: got"));
}

TEST(board_loader, places_and_scopes_that_are_none_are_refused) {
  EXPECT_EQ(refused("\"at\": \"01:00.0\"", "\"at\": \"01:20.0\""),
            "my.json: functions[3].at: got \"01:20.0\", expected bus:device.function such as \"00:1f.2\"");
  EXPECT_THAT(
      refused("\"00:02.0\"]", "\"ioapic 00:02.0\"]"),
      HasSubstr("my.json: reserved_regions[0].scopes[0]: got \"ioapic 00:02.0\", expected a scope such as"));
}

TEST(board_loader, a_tree_that_cannot_be_is_refused) {
  EXPECT_THAT(refused("\"at\": \"00:1e.0\"", "\"at\": \"00:01.0\""),
              HasSubstr("functions[2].at: 00:01.0 is there twice, expected one function in each place"));
  EXPECT_THAT(refused("\"at\": \"01:00.0\"", "\"at\": \"09:00.0\""),
              HasSubstr("functions[3].at: no bridge leads to bus 9"));
  EXPECT_THAT(
      refused("\"buses\": [2, 2]", "\"buses\": [1, 1]"),
      HasSubstr("functions[2].buses: bus 1 is also that of functions[1], expected one bridge for each bus"));
  EXPECT_THAT(refused("\"buses\": [2, 2]", "\"buses\": [2]"), HasSubstr("expected [secondary, subordinate]"));
  EXPECT_THAT(refused("\"buses\": [2, 2]", "\"buses\": [3, 2]"),
              HasSubstr("expected subordinate not below secondary"));
  EXPECT_THAT(refused("\"at\": \"00:1e.0\"", "\"at\": \"02:1e.0\""),
              HasSubstr("functions[2].buses: got [2,2], expected a secondary bus above the bridge's own"))
      << "a bridge on its own bus would never be reached";
  EXPECT_THAT(refused("\"kind\": \"pci_bridge\"", "\"kind\": \"endpoint\""),
              HasSubstr("functions[2].buses: got [2,2], expected a \"kind\" that is a bridge"));
}

TEST(board_loader, a_function_that_cannot_be_built_is_refused_with_its_place) {
  EXPECT_THAT(refused("\"size\": 4096", "\"size\": 4097"),
              HasSubstr("functions[3].bars[0].size: got 4097, expected a power of two"));
  EXPECT_THAT(refused("\"index\": 0, \"size\": 4096", "\"index\": 5, \"size\": 4096, \"bits_64\": true"),
              HasSubstr("my.json: functions[3]: 00:00.0: BAR 5 of 4096 bytes"));
  EXPECT_THAT(
      refused("\"kind\": \"msi\", \"at\": \"0x50\"}",
              "\"kind\": \"msi\", \"at\": \"0x50\"}, {\"kind\": \"pm\", \"at\": \"0x54\"}"),
      HasSubstr(
          "my.json: functions[3]: 00:00.0: capability at offset 84 of 8 bytes overlaps that at offset 80"));
  EXPECT_THAT(
      refused("\"kind\": \"msi\", \"at\": \"0x50\"", "\"kind\": \"msi\", \"at\": \"0x50\", \"vectors\": 6"),
      HasSubstr("2^5"));
  EXPECT_THAT(refused("\"kind\": \"msi\", \"at\": \"0x50\"",
                      "\"kind\": \"pcie\", \"at\": \"0x50\", \"max_payload\": 200"),
              HasSubstr("128 to 4096"));
}

TEST(board_loader, a_board_may_have_no_unit) {
  const board b = accepted("{\"name\": \"all\", \"base\": \"0xfed90000\", \"cap\": \"0xc9008020230270\", "
                           "\"ecap\": \"0x1000\", \"include_all\": true}",
                           "");
  EXPECT_TRUE(b.units.empty());
}

TEST(board_loader, no_cut_of_a_board_brings_it_down) {
  const std::string whole = text();
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(refusal_of([&] { (void)parse_board(whole.substr(0, length), "my.json"); }),
                HasSubstr("my.json: line"));
}

} // namespace
} // namespace vtd::models
