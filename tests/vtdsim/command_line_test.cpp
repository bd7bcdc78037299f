// SPDX-License-Identifier: Apache-2.0
// The program as a user meets it: exit status, one-line errors, JSON by the contract.

#include "program.h"
#include "sanitizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string>

namespace {

using json = nlohmann::json;

using vtd::test::contents;
using vtd::test::outcome;

class command_line : public vtd::test::program_test {};

TEST_F(command_line, the_main_job_runs_and_its_json_keeps_the_contract) {
  const outcome got = run("run --board dq35jo --pages 64 --json");
  ASSERT_EQ(got.status, 0) << got.err;
  const json r = json::parse(got.out);
  EXPECT_EQ(r.begin().key().empty(), false);
  EXPECT_EQ(got.out.find("\"schema\""), got.out.find('"')) << "the document begins with its schema";
  EXPECT_EQ(r["board"], "dq35jo");
  EXPECT_EQ(r["preset"], "g0");
  EXPECT_EQ(r["seed"], 1);
  ASSERT_EQ(r["units"].size(), 4U);
  for (const json& unit : r["units"]) {
    for (const char* key : {"requests", "iotlb_hits", "iotlb_misses", "context_hits", "context_misses",
                            "walk_reads", "faults"}) {
      EXPECT_TRUE(unit[key].is_number()) << key;
    }
    EXPECT_EQ(unit["base"].get<std::string>().substr(0, 2), "0x");
  }
  ASSERT_EQ(r["faults"].size(), 1U);
  EXPECT_EQ(r["faults"][0]["source_id"], "01:00.0");
  EXPECT_EQ(r["faults"][0]["access"], "write");
  EXPECT_EQ(r["faults"][0]["reason"], 5);
  EXPECT_EQ(r["faults"][0]["condition"], "LGN.2.np");
  EXPECT_EQ(r["dma"]["verified"], true);
  EXPECT_EQ(r["dma"]["errors"], 0);
  ASSERT_EQ(r["sweep"].size(), 7U);
  const json& small = r["sweep"][0];
  EXPECT_EQ(small["pages"], 1);
  EXPECT_EQ(small["hit_rate"], 1.0);
  EXPECT_TRUE(small["latency_ns_miss"].is_null());
  const json& large = r["sweep"][6];
  EXPECT_LT(large["hit_rate"], 0.5) << "64 pages, 16 entries";
  EXPECT_GT(large["latency_ns_miss"], large["latency_ns_hit"]);
  EXPECT_GT(large["latency_ns_hit"], large["latency_ns_off"]);
  EXPECT_GT(large["walk_reads_per_request"], 0.5);
  EXPECT_EQ(got.err.find("SystemC 2"), std::string::npos) << "no banner";
}

TEST_F(command_line, equal_runs_give_equal_bytes_and_another_seed_does_not) {
  const std::string one = run("run --board dq35jo --pages 32 --json").out;
  EXPECT_EQ(one, run("run --board dq35jo --pages 32 --json").out);
  EXPECT_NE(one, run("run --board dq35jo --pages 32 --seed 2 --json").out);
}

TEST_F(command_line, every_board_runs) {
  for (const std::string board : {"dq35jo", "dc7800", "synthetic-wide", "generic"}) {
    EXPECT_EQ(run("run --pages 4 --board " + board).status, 0) << board;
  }
}

TEST_F(command_line, a_forgotten_flush_is_named_and_fails_the_run) {
  const outcome got = run("run --board dq35jo --pages 1 --forget context-entry-flush");
  EXPECT_EQ(got.status, 1);
  EXPECT_NE(got.out.find("visibility.cache-line"), std::string::npos);
  EXPECT_NE(got.out.find("context entry 01:00.0: saw not present; driver wrote present"), std::string::npos)
      << got.out;
  EXPECT_NE(
      run("run --board dq35jo --pages 1 --forget write-buffer-flush").out.find("visibility.write-buffer"),
      std::string::npos);
}

TEST_F(command_line, one_parameter_can_be_changed) {
  const json r = json::parse(run("run --board dq35jo --pages 64 --set iotlb.entries=64 --json").out);
  EXPECT_GT(r["sweep"][6]["hit_rate"], 0.8) << "16 entries give about a quarter";
}

TEST_F(command_line, a_report_is_one_page_without_network) {
  const std::string directory = (scratch / "report").string();
  ASSERT_EQ(run("run --board dq35jo --pages 16 --report " + directory).status, 0);
  const std::string page = contents(directory + "/index.html");
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_NE(page.find("assumed"), std::string::npos);
  // Nothing hits in the largest window; each number names the window that it is of.
  EXPECT_NE(page.find("(in a window of 4 KB), one that misses"), std::string::npos);
  EXPECT_NE(page.find("(in a window of 64 KB), with"), std::string::npos);
  EXPECT_NE(page.find("Not checked: whether a unit"), std::string::npos)
      << "no more is claimed than was checked";
  EXPECT_NE(page.find("<th>faults</tr>"), std::string::npos);
  EXPECT_NE(page.find("vtdsim run --board dq35jo --preset g0 --seed 1 --pages 16"), std::string::npos);
  EXPECT_TRUE(json::accept(contents(directory + "/run.json")));
}

TEST_F(command_line, a_generated_table_decodes_and_runs) {
  const std::string table = (scratch / "table").string();
  ASSERT_EQ(run("dmar --board dc7800 -o " + table).status, 0);
  const json decoded = json::parse(run("dmar --decode " + table + " --json").out);
  EXPECT_EQ(decoded["valid"], true);
  EXPECT_EQ(decoded["length"], 0x198);
  EXPECT_EQ(decoded["host_address_width"], 36);
  EXPECT_EQ(decoded["structures"].size(), 12U);
  EXPECT_TRUE(decoded["warnings"].empty());
  EXPECT_EQ(run("run --pages 4 --acpi " + table).status, 0);
}

TEST_F(command_line, boards_and_functions_are_listed) {
  const json boards = json::parse(run("boards --json").out);
  bool found = false;
  for (const json& b : boards)
    found = found || (b["name"] == "dq35jo" && b["units"] == 4 && b["vtd"] == "on");
  EXPECT_TRUE(found);
  const std::string list = run("lspci --board dq35jo -nn").out;
  EXPECT_NE(list.find("00:1e.0 PCI bridge [0604]: Intel Corporation 82801 PCI Bridge [8086:244e] (rev 92)\n"),
            std::string::npos);
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 24);
  EXPECT_NE(run("dump --board dq35jo --device 01:00.0").out.find("01:00.0  Context_entry"),
            std::string::npos);
}

TEST_F(command_line, without_qemu_the_differential_run_says_why_it_is_skipped) {
  const outcome got = run("differential --against qemu --programs 5 --qemu /does/not/exist --json");
  ASSERT_EQ(got.status, 0) << got.err;
  const json r = json::parse(got.out);
  EXPECT_EQ(r["programs"], 0);
  EXPECT_NE(r["skipped"].get<std::string>().find("not installed"), std::string::npos);
}

TEST_F(command_line, unusable_input_is_one_clear_line_and_status_2) {
  expect_refused("run --board dq35xx", "dq35xx");
  expect_refused("run --board " + file("bad.json", "{\"name\": 7}"), "name");
  expect_refused("run --board " + file("broken.json", "{"), "broken.json");
  expect_refused("run --preset g9", "g9");
  expect_refused("run --set iotlb.entris=4", "iotlb.entris");
  expect_refused("run --set iotlb.entries", "KEY=VALUE");
  expect_refused("run --forget the-milk", "the-milk");
  expect_refused("run --forget present-cleared-first", "the driver never replaces an entry that is present");
  expect_refused("run --acpi " + file("empty", ""), "48");
  expect_refused("dmar --decode " + file("short", "DMAR"), "48");
  expect_refused("dmar --decode /does/not/exist", "/does/not/exist");
  expect_refused("run --set iotlb.entries=many", "iotlb.entries: got \"many\", expected");
  expect_refused("run --set iotlb.entries=-4", "iotlb.entries: got \"-4\", expected");
  expect_refused("run --set clock.period=0", "clock.period");
  expect_refused("run --set iotlb.policy=fifth", "iotlb.policy");
  expect_refused("run --set =4", "unknown parameter");
  expect_refused("run --pages 0", "--pages");
  expect_refused("run --pages 1 --json=/does/not/exist/run.json", "/does/not/exist/run.json");
  expect_refused("run --pages 1 --report /dev/null/report", "/dev/null/report");
  expect_refused("lspci --board dq35xx", "dq35xx");
  expect_refused("dump --device 1:0", "--device 1:0");
  expect_refused("dmar", "--decode FILE");
  expect_refused("dmar --board dq35jo", "-o");
  expect_refused("fly", "unknown verb 'fly', expected one of boards, run");
  expect_refused("differential --against bochs", "bochs");
  expect_refused("differential --replay /does/not/exist", "/does/not/exist");
  expect_refused("differential --replay " + file("program", "variant wide\nstore here 0\n"), "line 2");
  expect_refused("", "no verb");
}

TEST_F(command_line, a_seed_that_is_no_number_of_64_bits_is_refused) {
  for (const std::string seed : {"x", "-1", "1.5", "12x", "0x", "18446744073709551616", "''"}) {
    expect_refused("run --pages 1 --seed " + seed, "expected a number from 0 to 18446744073709551615");
  }
  const json r = json::parse(run("run --pages 1 --seed 0xffffffffffffffff --json").out);
  EXPECT_EQ(r["seed"], ~std::uint64_t{0});
}

TEST_F(command_line, what_a_verb_does_not_know_is_refused_and_not_passed_over) {
  for (const std::string verb : {"boards", "run --pages 1", "lspci", "dump"}) {
    expect_refused(verb + " --frobnicate", "--frobnicate");
    expect_refused(verb + " more", "more");
  }
  expect_refused("run --preset= --pages 1", "--preset=: expected a value");
  expect_refused("run --trace= --pages 1", "--trace=: expected a value");
}

TEST_F(command_line, input_that_is_no_file_or_never_ends_is_refused_by_name) {
  const std::string directory = scratch.string();
  for (const std::string verb : {"run --acpi ", "dmar --decode "}) {
    expect_refused(verb + directory, directory + ": is a directory");
    expect_refused(verb + "/dev/zero", "/dev/zero: longer than 1048576 bytes");
    expect_refused(verb + file("large", std::string((1 << 20) + 1, 'x')), "large: longer than");
    expect_refused(verb + file("limit", std::string(1 << 20, 'x')), "signature");
  }
}

TEST_F(command_line, a_place_that_cannot_be_written_is_told_before_the_run) {
  for (const std::string option :
       {"--json=/proc/no/run.json", "--report /proc/no", "--trace /proc/no/t.json"}) {
    expect_refused("run --pages 1 " + option, "cannot be written");
    EXPECT_EQ(run("run --pages 1 " + option).out.find("power on"), std::string::npos) << option;
  }
}

TEST_F(command_line, version_and_the_steps_to_forget_are_told) {
  const outcome version = run("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.substr(0, 9), "vtdsim 0.") << version.out;
  const outcome help = run("run --help");
  EXPECT_EQ(help.status, 0);
  for (const std::string step : {"context-entry-flush", "drain", "overflow-clear"}) {
    EXPECT_NE(help.out.find("\n  " + step + " "), std::string::npos) << step;
    EXPECT_NE(run("run --forget nonsense").err.find(step), std::string::npos) << step;
  }
  expect_refused("run --forget context-entry-flus", "did you mean context-entry-flush");
}

TEST_F(command_line, a_step_to_forget_that_a_run_never_comes_to_is_named) {
  for (const auto& [step, text] :
       {std::pair<std::string, std::string>{"iotlb-invalidation-on-unmap",
                                            "iotlb-invalidation-on-unmap: this run unmaps nothing"},
        {"context-invalidation-on-detach", "context-invalidation-on-detach: a run takes no function back"}}) {
    const outcome got = run("run --pages 1 --forget " + step);
    EXPECT_EQ(got.status, 0);
    EXPECT_NE(got.out.find(text), std::string::npos) << got.out;
  }
  EXPECT_EQ(run("run --pages 1 --forget fault-interrupt").out.find("cannot show"), std::string::npos);
}

TEST_F(command_line, a_forgotten_device_tlb_invalidation_is_found_where_a_device_translates_for_itself) {
  const std::string machine = "run --board synthetic-wide --pages 1";
  const outcome correct = run(machine + " --json");
  EXPECT_EQ(correct.status, 0) << correct.err;
  EXPECT_EQ(json::parse(correct.out)["findings"].size(), 0U);
  const outcome got = run(machine + " --forget device-tlb-invalidation --json");
  EXPECT_EQ(got.status, 1);
  const json found = json::parse(got.out)["findings"];
  ASSERT_EQ(found.size(), 1U) << found.dump(1);
  EXPECT_EQ(found[0]["rule"], "device-tlb.stale");
  EXPECT_EQ(json::parse(got.out)["warnings"].dump().find("forgotten-step"), std::string::npos);
  EXPECT_NE(got.err.find("the device still reaches a page that was taken back"), std::string::npos)
      << got.err;
  // Without the IOTLB's invalidation the device is told, asks again, and is told the old page.
  EXPECT_EQ(run(machine + " --forget iotlb-invalidation-on-unmap").status, 1);
}

// README's own example: it used to print a line for each of its requests.
TEST_F(command_line, equal_failures_and_faults_are_counted_and_not_repeated) {
  const outcome got = run("run --board dq35jo --forget context-entry-flush --json");
  EXPECT_EQ(got.status, 1);
  EXPECT_LT(got.out.size(), 100'000U);
  EXPECT_LT(std::count(got.err.begin(), got.err.end(), '\n'), 200);
  const json r = json::parse(got.out);
  ASSERT_EQ(r["faults"].size(), 1U);
  EXPECT_GT(r["faults"][0]["count"], 1);
  EXPECT_GT(r["faults"][0]["last_time_ns"], r["faults"][0]["time_ns"]);
  bool counted = false;
  for (const json& failure : r["failures"])
    counted = counted || failure.get<std::string>().find("times)") != std::string::npos;
  EXPECT_TRUE(counted);
  // A blocked read measures nothing.
  EXPECT_TRUE(r["sweep"][0]["latency_ns_on"].is_null());
  EXPECT_TRUE(r["sweep"][0]["hit_rate"].is_null());
}

TEST_F(command_line, a_cache_of_no_entries_has_a_price_of_a_miss_and_none_of_a_hit) {
  const outcome got = run("run --pages 2 --set iotlb.entries=0 --json");
  EXPECT_EQ(got.status, 0);
  EXPECT_NE(got.err.find("Every read missed"), std::string::npos) << got.err;
  const json r = json::parse(got.out);
  EXPECT_TRUE(r["sweep"][0]["latency_ns_hit"].is_null());
  EXPECT_GT(r["sweep"][0]["latency_ns_miss"], r["sweep"][0]["latency_ns_off"]);
  EXPECT_EQ(r["sweep"][0]["hit_rate"], 0.0);
}

TEST_F(command_line, every_cache_that_a_unit_has_is_reported) {
  const auto caches = [&](const std::string& more) {
    const outcome got = run("run --board synthetic-wide --pages 2 --json " + more);
    EXPECT_EQ(got.status, 0) << got.err;
    std::set<std::string> names;
    const json document = json::parse(got.out);
    for (const json& each : document["units"][0]["caches"])
      names.insert(each["name"].get<std::string>());
    return names;
  };
  std::string all = "--set large_pages_in_pieces=false ";
  std::string none;
  for (const std::string name : {"large_iotlb", "pml5", "pml4", "pdpe", "pde"}) {
    all.append("--set ").append(name).append(".entries=4 --set ").append(name).append(".ways=4 ");
    none.append("--set ").append(name).append(".entries=0 ");
  }
  EXPECT_EQ(caches(all), (std::set<std::string>{"context_cache", "iotlb", "large_iotlb", "pml5_cache",
                                                "pml4_cache", "pdpe_cache", "pde_cache"}));
  EXPECT_EQ(caches(none), (std::set<std::string>{"context_cache", "iotlb"}));
}

TEST_F(command_line, a_verb_s_own_help_is_named_where_its_arguments_are_wrong) {
  EXPECT_NE(run("run --pages 0").err.find("see vtdsim run --help"), std::string::npos);
  EXPECT_NE(run("dmar").err.find("see vtdsim dmar --help"), std::string::npos);
  EXPECT_NE(run("--what").err.find("see vtdsim --help"), std::string::npos);
}

TEST_F(command_line, dump_of_a_device_shows_its_unit_and_tables_and_nobody_elses) {
  const outcome got = run("dump --device 01:00.0");
  EXPECT_EQ(got.status, 0);
  EXPECT_NE(got.out.find("(all-others)"), std::string::npos);
  EXPECT_EQ(got.out.find("(audio)"), std::string::npos);
  EXPECT_EQ(got.out.find("00:1d.0  Context_entry"), std::string::npos);
  EXPECT_NE(run("dump").out.find("(audio)"), std::string::npos);
#ifndef VTD_ADDRESS_SANITIZER
  // Thrown on a stack of the SystemC kernel's, which the sanitizer takes for a false one.
  expect_refused("dump --device 09:00.0", "--device 09:00.0: board dq35jo has no such function");
#endif
}

TEST_F(command_line, options_that_do_not_go_together_are_refused) {
  const std::string table = (scratch / "table").string();
  expect_refused("dmar --decode x -o " + table, "excludes");
  expect_refused("dmar --decode x --set bios.vtd=off", "excludes");
  expect_refused("dmar --board dq35jo extra -o " + table, "extra");
  expect_refused("lspci --set iotlb.entries=4", "iotlb.entries");
  // Both at once: the table, and what it says.
  const json decoded = json::parse(run("dmar --board dq35jo --json -o " + table).out);
  EXPECT_EQ(decoded["length"], contents(table).size());
}

TEST_F(command_line, a_table_that_is_truncated_or_has_a_wrong_checksum_is_refused) {
  const std::string table = (scratch / "table").string();
  ASSERT_EQ(run("dmar --board dc7800 -o " + table).status, 0);
  std::string bytes = contents(table);
  expect_refused("run --acpi " + file("cut", bytes.substr(0, 100)), "length is 408");
  bytes[20] = static_cast<char>(bytes[20] + 1);
  expect_refused("run --acpi " + file("changed", bytes), "checksum");
}

} // namespace
