// SPDX-License-Identifier: Apache-2.0
// Machines whose DMA is not translated: no unit, a unit that does not cover the device, VT-d off in the BIOS,
// a table that is broken as real ones were.

#include "program.h"
#include "source_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace {

using json = nlohmann::ordered_json;
using vtd::test::contents;
using vtd::test::outcome;

class machines : public vtd::test::program_test {
protected:
  /// A file with a board of ours, changed.
  [[nodiscard]] std::string board(const std::string& name, const std::function<void(json&)>& change) const {
    json b = json::parse(contents(std::string(VTD_SOURCE_DIR "/models/boards/") + name + ".json"));
    b["name"] = "changed";
    change(b);
    return file("changed.json", b.dump(2));
  }
  /// The run succeeds, moves its data untranslated, and leaves what it did not measure without a value.
  [[nodiscard]] json untranslated(const std::string& arguments) const {
    const outcome got = run("run --pages 2 --json " + arguments);
    EXPECT_EQ(got.status, 0) << arguments << '\n' << got.err;
    if (got.status != 0) return {};
    json r = json::parse(got.out);
    EXPECT_NE(r["translation_off"], "") << arguments;
    EXPECT_EQ(r["dma"]["verified"], true) << arguments;
    EXPECT_GT(r["sweep"][0]["latency_ns_off"], 0) << arguments;
    EXPECT_TRUE(r["sweep"][0]["latency_ns_on"].is_null()) << arguments;
    EXPECT_TRUE(r["faults"].empty()) << arguments;
    for (const json& unit : r["units"]) {
      EXPECT_EQ(unit["walk_reads"], 0) << arguments;
    }
    return r;
  }
  [[nodiscard]] std::string state_of(const std::string& name) const {
    const json boards = json::parse(run("--data " + scratch.string() + " boards --json").out);
    for (const json& b : boards) {
      if (b["name"] == name) return b["vtd"];
    }
    return "not listed";
  }
};

TEST_F(machines, without_a_unit_run_and_dump_and_have_no_table) {
  const std::string file = board("generic", [](json& b) { b["units"] = json::array(); });
  EXPECT_TRUE(untranslated("--board " + file)["units"].empty());
  const outcome dump = run("dump --board " + file);
  EXPECT_EQ(dump.status, 0);
  EXPECT_NE(dump.out.find("the board has no remapping unit"), std::string::npos) << dump.out;
  expect_refused("dmar --board " + file + " -o " + (scratch / "t").string(), "has no remapping unit");
}

TEST_F(machines, with_vtd_off_look_as_each_board_really_did) {
  const outcome intel = run("run --pages 2 --board dq35jo --set bios.vtd=off");
  EXPECT_EQ(intel.status, 0);
  EXPECT_NE(intel.out.find("DMAR: no DMAR table"), std::string::npos) << intel.out;
  expect_refused("dmar --board dq35jo --set bios.vtd=off -o " + (scratch / "t").string(),
                 "shows no DMAR table with VT-d off");
  // HP's firmware leaves the table, and the registers are dead.
  const outcome hp = run("run --pages 2 --board dc7800 --set bios.vtd=off");
  EXPECT_EQ(hp.status, 0);
  EXPECT_NE(hp.out.find("firmware: DMAR table at"), std::string::npos) << hp.out;
  EXPECT_NE(hp.out.find("0xfed90000: probe: [Firmware Bug]"), std::string::npos) << hp.out;
  EXPECT_EQ(run("dmar --board dc7800 --set bios.vtd=off -o " + (scratch / "t").string()).status, 0);
  // Dell's has a table of another name.
  const std::string dell = board("dq35jo", [](json& b) { b["vtd_off"] = "renamed_table"; });
  (void)untranslated("--board " + dell + " --set bios.vtd=off");
  for (const std::string name : {"dq35jo", "dc7800", "synthetic-wide", "generic"})
    (void)untranslated("--board " + name + " --set bios.vtd=off");
}

TEST_F(machines, with_vtd_off_in_their_file_can_be_switched_on) {
  const std::string off = board("dq35jo", [](json& b) { b["vtd"] = false; });
  (void)untranslated("--board " + off);
  const json on = json::parse(run("run --pages 2 --json --board " + off + " --set bios.vtd=on").out);
  EXPECT_EQ(on["translation_off"], "");
  EXPECT_TRUE(on["sweep"][0]["latency_ns_on"].is_number());
  EXPECT_NE(run("dump --board " + off).out.find("VT-d is off in the BIOS"), std::string::npos);
  EXPECT_EQ(run("lspci --board dq35jo --set bios.vtd=off").out, run("lspci --board dq35jo").out);
  EXPECT_NE(run("dump --board " + off + " --set bios.vtd=on").out.find("Context_entry"), std::string::npos);
}

TEST_F(machines, whose_device_no_unit_covers_run_and_say_who_is_behind_none) {
  const std::string file = board("generic", [](json& b) {
    b["units"][0]["include_all"] = false;
    b["units"][0]["scopes"] = json::array({"00:1f.0"});
  });
  const json r = untranslated("--board " + file);
  EXPECT_EQ(r["translation_off"], "no usable remapping unit covers 01:00.0");
  EXPECT_EQ(r["units"][0]["requests"], 0) << "its requests go past the unit";
  EXPECT_EQ(r["units"][0]["translation_enabled"], true) << "which works for others";
  const std::string report = (scratch / "report").string();
  ASSERT_EQ(run("run --pages 1 --board " + file + " --report " + report).status, 0);
  const std::string page = contents(report + "/index.html");
  const std::size_t none = page.find("<h3>no unit</h3>");
  ASSERT_NE(none, std::string::npos);
  EXPECT_NE(page.find("01:00.0", none), std::string::npos);
  EXPECT_GT(page.find("<code>00:00.0"), none) << "the host bridge, too, is behind no unit";
}

TEST_F(machines, are_listed_as_on_off_absent_or_broken) {
  std::filesystem::create_directories(scratch / "boards");
  const auto list = [&](const std::string& name, const std::string& from,
                        const std::function<void(json&)>& change) {
    std::filesystem::copy_file(board(from,
                                     [&](json& b) {
                                       b["name"] = name;
                                       change(b);
                                     }),
                               scratch / "boards" / (name + ".json"));
    return state_of(name);
  };
  EXPECT_EQ(list("a", "dq35jo", [](json&) {}), "on");
  EXPECT_EQ(list("b", "dq35jo", [](json& b) { b["vtd"] = false; }), "off");
  EXPECT_EQ(list("c", "generic", [](json& b) { b["units"] = json::array(); }), "absent");
  EXPECT_EQ(list("d", "dc7800", [](json& b) { b["vtd"] = false; }), "broken")
      << "a table, and dead registers";
  EXPECT_EQ(list("e", "dq35jo", [](json& b) { b["reserved_regions"][1]["limit"] = "0xbf5fffff"; }), "broken")
      << "a region that ends before it begins";
}

TEST_F(machines, with_a_table_as_broken_as_the_dx38bts_run_and_name_what_is_wrong) {
  const json boards = json::parse(run("boards --json").out);
  bool found = false;
  for (const json& b : boards)
    found = found || (b["name"] == "dx38bt" && b["vtd"] == "broken");
  EXPECT_TRUE(found) << boards;
  const json r = json::parse(run("run --pages 2 --board dx38bt --json").out);
  EXPECT_EQ(r["translation_off"], "");
  bool empty = false;
  bool nobody = false;
  for (const json& warning : r["warnings"]) {
    empty = empty || warning["name"] == "region-empty";
    nobody = nobody || (warning["name"] == "unresolved-scope" &&
                        warning["text"].get<std::string>().find("unit graphics") != std::string::npos);
  }
  EXPECT_TRUE(empty) << r["warnings"];
  EXPECT_TRUE(nobody) << r["warnings"];
}

TEST_F(machines, of_this_house_are_enumerated_as_they_are) {
  for (const json& b : json::parse(run("boards --json").out)) {
    const json r = json::parse(run("run --pages 1 --json --board " + b["name"].get<std::string>()).out);
    for (const json& warning : r["warnings"])
      EXPECT_NE(warning["name"], "enumeration") << b["name"] << ' ' << warning["text"];
  }
}

TEST_F(machines, whose_functions_no_enumeration_can_reach_say_so) {
  // Function 1 of a device whose function 0 does not say that there are more.
  const std::string file = board("generic", [](json& b) {
    b["functions"].push_back(json::parse(R"({"at": "00:1f.1", "id": "1234:9", "class": "0x010000"})"));
  });
  const json r = json::parse(run("run --pages 1 --json --board " + file).out);
  bool named = false;
  for (const json& warning : r["warnings"])
    named = named || (warning["name"] == "enumeration" &&
                      warning["text"].get<std::string>().starts_with("00:1f.1 is not found"));
  EXPECT_TRUE(named) << r["warnings"];
}

} // namespace
