// SPDX-License-Identifier: Apache-2.0
// `run --trace`: a document that viewers can load, whose spans are those of docs/microarchitecture.md.

#include "program.h"
#include "sanitizer.h"
#include "source_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using json = nlohmann::json;
using vtd::test::contents;
using vtd::test::outcome;
using picoseconds = std::uint64_t;

// Of preset g0: a clock of 3 ns; look-ups 1 + 2 cycles; structure look-up 1; a table read and a read of
// memory take 70 ns, which is 24 cycles to the first edge after.
constexpr picoseconds period = 3000;
constexpr picoseconds look_up = 3 * period;
constexpr picoseconds structures = 1 * period;
constexpr picoseconds memory = 24 * period;

struct span {
  std::string name;
  picoseconds begin = 0;
  picoseconds end = 0;
  json args;
  std::vector<span> inside;
  [[nodiscard]] picoseconds length() const { return end - begin; }
  [[nodiscard]] const span* find(const std::string& wanted) const {
    for (const span& each : inside) {
      if (each.name == wanted) return &each;
    }
    return nullptr;
  }
};

/// A trace as a viewer reads it; whatever does not fit is a failure.
class reading {
public:
  explicit reading(const std::string& text) {
    json document;
    // Times by their digits: a double would round them.
    std::string quoted;
    std::size_t from = 0;
    for (std::size_t at = 0; (at = text.find("\"ts\":", at)) != std::string::npos;) {
      at += 5;
      const std::size_t end = text.find_first_of(",}", at);
      quoted += text.substr(from, at - from) + '"' + text.substr(at, end - at) + '"';
      from = at = end;
    }
    quoted += text.substr(from);
    document = json::parse(quoted, nullptr, false);
    if (document.is_discarded()) {
      ADD_FAILURE() << "not JSON";
      return;
    }
    about = document["otherData"];
    begins_with_schema = text.starts_with("{\"schema\":");
    for (const json& event : document["traceEvents"])
      take(event);
    for (const auto& [track, stack] : open_)
      EXPECT_TRUE(stack.empty()) << track << ": " << stack.size() << " begun and not ended";
  }

  json about;
  bool begins_with_schema = false;
  std::map<int, std::string> processes;
  std::map<int, std::string> tracks;
  /// Spans of tracks by the track's name without the numbers of the process; requests of all units.
  std::map<std::string, std::vector<span>> spans;
  std::vector<span> requests;
  std::vector<json> instants;
  std::map<std::string, std::vector<std::uint64_t>> counters;
  std::set<picoseconds> times;

private:
  picoseconds time_of(const json& event) {
    const std::string text = event["ts"];
    const std::size_t point = text.find('.');
    EXPECT_NE(point, std::string::npos) << text;
    EXPECT_EQ(text.size() - point, 7U) << text << ": six digits, every picosecond";
    const picoseconds out =
        std::stoull(text.substr(0, point)) * 1'000'000 + std::stoull(text.substr(point + 1));
    times.insert(out);
    return out;
  }
  void take(const json& event) {
    const std::string phase = event["ph"];
    const int process = event["pid"];
    if (phase == "M") {
      if (event["name"] == "process_name") processes[process] = event["args"]["name"];
      if (event["name"] == "thread_name") tracks[event["tid"]] = event["args"]["name"];
      return;
    }
    EXPECT_TRUE(processes.contains(process)) << event;
    const picoseconds at = time_of(event);
    if (phase == "C") {
      counters[event["name"]].push_back(event["args"].begin()->get<std::uint64_t>());
      return;
    }
    const bool nested = phase == "b" || phase == "e";
    std::string track;
    if (nested) {
      EXPECT_EQ(event["cat"], "request");
      track = std::to_string(process) + " " + event["id2"]["local"].get<std::string>();
    } else {
      EXPECT_TRUE(tracks.contains(event["tid"])) << event;
      track = std::to_string(process) + " " + tracks[event["tid"]];
    }
    if (phase == "i") {
      instants.push_back(event);
      instants.back()["track"] = tracks[event["tid"]];
      return;
    }
    EXPECT_GE(at, last_[track]) << event << ": within a track in the order of time";
    last_[track] = at;
    std::vector<span>& stack = open_[track];
    if (phase == "B" || phase == "b") {
      stack.push_back({event["name"], at, 0, event.value("args", json::object()), {}});
      return;
    }
    ASSERT_TRUE(phase == "E" || phase == "e") << event;
    ASSERT_FALSE(stack.empty()) << event << ": ends and was not begun";
    span ended = stack.back();
    stack.pop_back();
    ended.end = at;
    if (nested) {
      EXPECT_EQ(event["name"], ended.name) << "spans of a request nest";
    }
    if (!stack.empty()) {
      EXPECT_GE(ended.begin, stack.back().begin);
      stack.back().inside.push_back(ended);
    } else if (nested) {
      requests.push_back(ended);
    } else {
      spans[tracks[event["tid"]]].push_back(ended);
    }
  }

  std::map<std::string, std::vector<span>> open_;
  std::map<std::string, picoseconds> last_;
};

class trace : public vtd::test::program_test {
protected:
  [[nodiscard]] std::string trace_of(const std::string& arguments) const {
    const std::string file = (scratch / "trace.json").string();
    const outcome got = run("run " + arguments + " --trace " + file);
    EXPECT_EQ(got.status, 0) << got.err;
    return contents(file);
  }
};

TEST_F(trace, says_what_it_is_of) {
  const reading t(trace_of("--pages 1 --seed 5"));
  EXPECT_TRUE(t.begins_with_schema);
  EXPECT_EQ(t.about["schema"], "vtd.trace/1");
  EXPECT_EQ(t.about["seed"], 5);
  EXPECT_EQ(t.about["preset"], "g0");
  EXPECT_EQ(t.about["board"], "dq35jo");
  ASSERT_EQ(t.processes.size(), 4U) << "one for each unit";
  EXPECT_EQ(t.processes.at(4), "unit all-others at 0xfeb03000");
  std::set<std::string> names;
  for (const auto& [id, name] : t.tracks)
    names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"port 0: 01:00.0", "port 1: measured traffic", "walker 0",
                                          "memory port", "command: set root table",
                                          "command: write-buffer flush", "command: translation",
                                          "command: protected memory", "command: context invalidation",
                                          "command: IOTLB invalidation", "faults", "interrupt messages"}));
}

TEST_F(trace, every_begin_has_its_end_and_every_time_is_an_edge_of_the_clock) {
  const reading t(trace_of("--pages 2 --set iotlb.entries=1"));
  ASSERT_GT(t.requests.size(), 10000U);
  for (const picoseconds at : t.times)
    ASSERT_EQ(at % period, 0U);
  for (const span& request : t.requests) {
    picoseconds at = request.begin;
    for (const span& stage : request.inside) {
      ASSERT_EQ(stage.begin, at) << request.args << ": one stage after the other, without gaps";
      at = stage.end;
    }
    ASSERT_EQ(at, request.end) << request.args;
  }
}

TEST_F(trace, keeps_picoseconds_that_a_double_or_a_nanosecond_would_lose) {
  const reading t(trace_of("--pages 1 --set clock.period=2501"));
  for (const picoseconds at : t.times)
    ASSERT_EQ(at % 2501, 0U);
}

TEST_F(trace, equal_seeds_give_equal_bytes) {
  const std::string one = trace_of("--pages 2 --set iotlb.entries=1");
  EXPECT_EQ(one, trace_of("--pages 2 --set iotlb.entries=1"));
  EXPECT_NE(one, trace_of("--pages 2 --set iotlb.entries=1 --seed 2"));
}

TEST_F(trace, a_run_with_a_trace_has_the_result_of_one_without) {
  const std::string file = (scratch / "trace.json").string();
  EXPECT_EQ(run("run --pages 8 --json --trace " + file).out, run("run --pages 8 --json").out);
}

TEST_F(trace, agrees_with_the_counters_of_the_run) {
  const std::string file = (scratch / "trace.json").string();
  const json result = json::parse(run("run --pages 2 --set iotlb.entries=1 --json --trace " + file).out);
  const reading t(contents(file));
  std::map<std::string, std::uint64_t> total;
  for (const json& unit : result["units"]) {
    for (const char* key : {"requests", "walks", "walk_reads", "faults", "context_misses", "invalidations"})
      total[key] += unit[key].get<std::uint64_t>();
  }
  EXPECT_EQ(t.requests.size(), total["requests"]);
  std::uint64_t context_misses = 0;
  std::uint64_t reads = 0;
  for (const span& request : t.requests) {
    context_misses += request.args["lookup"] == "context miss" ? 1 : 0;
    reads += request.args["walk_reads"].get<std::uint64_t>();
  }
  EXPECT_EQ(context_misses, total["context_misses"]);
  EXPECT_EQ(reads, total["walk_reads"]);
  const auto& walks = t.spans.at("walker 0");
  EXPECT_EQ(walks.size(), total["walks"]);
  EXPECT_EQ(t.spans.at("memory port").size(), total["requests"] - total["faults"] + total["walk_reads"]);
  EXPECT_EQ(t.spans.at("command: context invalidation").size() +
                t.spans.at("command: IOTLB invalidation").size(),
            total["invalidations"]);
  EXPECT_EQ(t.spans.at("port 0: 01:00.0").size() + t.spans.at("port 1: measured traffic").size(),
            total["requests"]);
}

TEST_F(trace, a_request_waits_for_a_slot_as_long_as_it_stands_at_its_port_and_goes_where_it_says) {
  const reading t(trace_of("--pages 2 --set iotlb.entries=1"));
  std::map<std::uint64_t, const span*> at_port;
  for (const char* port : {"port 0: 01:00.0", "port 1: measured traffic"}) {
    for (const span& each : t.spans.at(port))
      at_port[each.args["request"]] = &each;
  }
  std::uint64_t waited = 0;
  for (const span& request : t.requests) {
    const span* const stood = at_port.at(request.args["request"]);
    const span* const wait = request.find("wait for a slot");
    ASSERT_EQ(stood->begin, request.begin) << request.args;
    ASSERT_EQ(stood->length(), wait == nullptr ? 0 : wait->length()) << request.args;
    waited += wait == nullptr ? 0 : 1;
    if (request.args["result"] != "done") continue;
    ASSERT_EQ(request.find("memory")->args["host"], request.args["host"]) << request.args;
  }
  EXPECT_GT(waited, 100U) << "the sweep keeps more requests under way than there are slots";
}

TEST_F(trace, a_hit_and_a_miss_take_the_cycles_of_the_timing_contract) {
  reading t(trace_of("--pages 2 --set iotlb.entries=1"));
  std::vector<span>& all = t.requests;
  std::sort(all.begin(), all.end(), [](const span& a, const span& b) { return a.begin < b.begin; });
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  picoseconds busy_until = 0;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const span& request = all[i];
    const bool alone = request.begin >= busy_until && all[i + 1].begin >= request.end;
    busy_until = std::max(busy_until, request.end);
    if (const span* const first = request.find("look-up")) {
      ASSERT_EQ(first->length(), look_up) << request.args;
    }
    // Others would be in its way at the memory port.
    if (!alone || request.args["length"] != 64 || request.args["result"] != "done") continue;
    ASSERT_NE(request.find("memory"), nullptr) << request.args;
    ASSERT_EQ(request.find("memory")->length(), memory) << request.args;
    if (request.args["lookup"] == "hit") {
      ++hits;
      ASSERT_EQ(request.length(), look_up + memory) << request.args;
    } else if (request.args["lookup"] == "page miss" && request.args["walk_reads"] == 1) {
      ++misses;
      ASSERT_EQ(request.length(), look_up + structures + memory + memory) << request.args;
    } else if (request.args["lookup"] == "none") {
      ASSERT_EQ(request.length(), memory) << request.args << ": translation was off";
    }
  }
  EXPECT_GT(hits, 1000U);
  EXPECT_GT(misses, 500U);
}

TEST_F(trace, a_context_miss_reads_five_entries_on_its_walker_one_after_the_other) {
  const reading t(trace_of("--pages 1"));
  const auto& walks = t.spans.at("walker 0");
  const span& first = walks.front();
  EXPECT_EQ(first.args["reads"], 5);
  EXPECT_EQ(first.args["result"], "translation");
  EXPECT_EQ(first.length(), 5 * memory + structures);
  std::vector<std::string> names;
  for (const span& step : first.inside)
    names.push_back(step.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"read root entry", "read context entry", "structure look-up",
                                      "read level-3 entry", "read level-2 entry", "read level-1 entry"}));
  for (const span& step : first.inside)
    EXPECT_EQ(step.length(), step.name == "structure look-up" ? structures : memory);
  for (const span& request : t.requests) {
    if (request.args["request"] != first.args["request"] || request.args["lookup"] != "context miss")
      continue;
    const span* const walk = request.find("walk");
    ASSERT_NE(walk, nullptr);
    EXPECT_EQ(walk->begin, first.begin);
    EXPECT_EQ(walk->end, first.end);
    EXPECT_EQ(request.args["walk_reads"], 5);
  }
}

TEST_F(trace, the_stray_write_is_seen_blocked_recorded_and_announced) {
  const reading t(trace_of("--pages 1"));
  const span* blocked = nullptr;
  for (const span& request : t.requests) {
    if (request.args["result"] == "blocked") blocked = &request;
  }
  ASSERT_NE(blocked, nullptr);
  EXPECT_EQ(blocked->name, "write 01:00.0");
  EXPECT_EQ(blocked->args["blocked"], "LGN.2.np");
  EXPECT_EQ(blocked->args["source_id"], "01:00.0");
  EXPECT_EQ(blocked->args["iova"], "0x321234000");
  EXPECT_FALSE(blocked->args.contains("host"));
  ASSERT_EQ(t.instants.size(), 2U);
  EXPECT_EQ(t.instants[0]["track"], "faults");
  EXPECT_EQ(t.instants[0]["name"], "LGN.2.np");
  EXPECT_EQ(t.instants[0]["args"]["reason"], 5);
  EXPECT_EQ(t.instants[0]["args"]["recorded"], true);
  EXPECT_EQ(t.instants[1]["track"], "interrupt messages");
}

TEST_F(trace, counters_stay_within_the_resources_and_end_at_nothing) {
  const reading t(trace_of("--pages 2 --set iotlb.entries=1"));
  const auto& slots = t.counters.at("requests inside");
  const auto& walkers = t.counters.at("walkers busy");
  EXPECT_EQ(*std::max_element(slots.begin(), slots.end()), 16U)
      << "g0 has 16 slots, and the sweep fills them";
  EXPECT_EQ(*std::max_element(walkers.begin(), walkers.end()), 1U);
  EXPECT_EQ(slots.back(), 0U);
  EXPECT_EQ(walkers.back(), 0U);
}

TEST_F(trace, a_run_that_ends_early_leaves_a_whole_document) {
#ifdef VTD_ADDRESS_SANITIZER
  GTEST_SKIP()
      << "the error is thrown on a stack of the SystemC kernel's, which the sanitizer takes for a false one";
#endif
  // Units without any table width (SAGAW) are of no use to the driver, which finds out after the traffic
  // without translation.
  json board = json::parse(contents(std::string(VTD_SOURCE_DIR) + "/models/boards/dq35jo.json"));
  for (json& unit : board["units"])
    unit["cap"] = "0xc9008020230070";
  const std::string output = (scratch / "trace.json").string();
  expect_refused("run --pages 1 --board " + file("useless.json", board.dump()) + " --trace " + output,
                 "no remapping unit answers");
  const reading t(contents(output));
  EXPECT_GT(t.requests.size(), 1000U);
}

TEST_F(trace, a_pipe_gets_the_same_document) {
  const std::string output = (scratch / "piped").string();
  const std::string command = std::string(VTD_PROGRAM) +
                              " run --pages 1 --json=/dev/null --trace /dev/fd/3 3>&1 >/dev/null | cat >" +
                              output;
  ASSERT_EQ(std::system(command.c_str()), 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  EXPECT_EQ(contents(output), trace_of("--pages 1"));
}

TEST_F(trace, a_file_that_cannot_be_written_is_one_line_and_status_2) {
  expect_refused("run --pages 1 --trace /does/not/exist/trace.json",
                 "--trace /does/not/exist/trace.json: cannot");
  expect_refused("run --pages 1 --trace " + scratch.string(), "cannot be written");
  expect_refused("run --pages 1 --trace /dev/full", "--trace /dev/full: cannot be written");
  expect_refused("run --pages 1 --trace", "--trace");
}

TEST_F(trace, unusable_arguments_leave_an_older_trace_alone) {
  const std::string old = file("trace.json", "old");
  expect_refused("run --preset g9 --trace " + old, "g9");
  EXPECT_EQ(contents(old), "old");
}

} // namespace
