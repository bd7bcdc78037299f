// SPDX-License-Identifier: Apache-2.0
// A trace is a whole document at any time, and what is under way at its end is ended and marked.

#include "support/queue_driver.h"
#include "vtdsim/trace.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace vtd::test {
namespace {

using json = nlohmann::json;
using remap::access_kind;

constexpr std::uint64_t first_page = 0x40000000;

class trace_file : public testing::Test {
public:
  trace_file()
      : path(std::filesystem::temp_directory_path() / ("vtd_trace_" + std::to_string(::getpid()) + ".json")) {
  }
  ~trace_file() override { std::filesystem::remove(path); }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;

protected:
  [[nodiscard]] json contents() const {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return json::parse(text.str(), nullptr, false);
  }
  std::filesystem::path path;
};

TEST_F(trace_file, is_a_whole_document_while_it_grows) {
  vtdsim::trace_file out(path, {{"schema", R"("vtd.trace/1")"}});
  EXPECT_EQ(contents()["otherData"]["schema"], "vtd.trace/1") << "with no event yet";
  EXPECT_EQ(contents()["traceEvents"].size(), 0U);
  std::size_t seen = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20000; ++i)
      out.add(R"({"ph":"i","name":"something that happened","ts":0.000000})");
    const json now = contents();
    ASSERT_FALSE(now.is_discarded()) << round;
    EXPECT_GT(now["traceEvents"].size(), seen) << "it is streamed, not kept";
    seen = now["traceEvents"].size();
  }
  out.finish();
  EXPECT_EQ(contents()["traceEvents"].size(), 60000U);
}

TEST_F(trace_file, is_complete_when_nobody_finished_it) {
  {
    vtdsim::trace_file out(path, {{"schema", R"("vtd.trace/1")"}});
    out.add(R"({"ph":"i"})");
  }
  EXPECT_EQ(contents()["traceEvents"].size(), 1U);
}

/// A unit that a trace watches.
struct traced : unit_world {
  traced(const std::filesystem::path& file, const dmar::unit_config& config)
      : unit_world(config), out(file, {{"schema", R"("vtd.trace/1")"}}),
        events(out, wheel.timebase(),
               {1, R"(unit "quoted")", std::vector<std::string>(config.ports, "nic"), config.timing.walkers,
                config.caps.ecap.qi(), config.caps.cap.afl()}) {
    tables.attach(nic, 3);
    for (std::uint64_t n = 0; n < 8; ++n)
      tables.map(nic, first_page + n * spec::page_size, 0x7000000 + n * spec::page_size);
    enable();
    unit.set_observer(&events);
  }
  bool forward(const dmar::forwarded& piece) override {
    (void)unit_world::forward(piece);
    return !memory_port_is_slow;
  }
  void finish() {
    unit.set_observer(nullptr);
    events.finish(wheel.now());
    out.finish();
  }
  vtdsim::trace_file out;
  vtdsim::unit_trace events;
  bool memory_port_is_slow = false;
};

// How often each phase occurs, and that what begins also ends.
void expect_balanced(const json& document) {
  ASSERT_FALSE(document.is_discarded());
  std::map<std::string, int> phases;
  for (const json& event : document["traceEvents"])
    ++phases[event["ph"]];
  EXPECT_EQ(phases["B"], phases["E"]);
  EXPECT_EQ(phases["b"], phases["e"]);
}

std::vector<json> named(const json& document, const std::string& name) {
  std::vector<json> out;
  for (const json& event : document["traceEvents"]) {
    if (event.value("name", "") == name && event["ph"] != "e") out.push_back(event);
  }
  return out;
}

TEST_F(trace_file, ends_what_is_under_way_and_marks_it) {
  traced s(path, config_of(small_part()));
  s.offer(1, nic, access_kind::read, first_page);
  s.run_to(s.wheel.now() + 30);
  s.invalidate_iotlb_global();
  s.offer(2, nic, access_kind::write, first_page + spec::page_size);
  s.finish();
  const json t = contents();
  expect_balanced(t);
  ASSERT_EQ(named(t, "walk").size(), 2U) << "on the walker's track, and as a stage of the request";
  EXPECT_EQ(named(t, "walk")[0]["args"]["unfinished"], true);
  ASSERT_EQ(named(t, "read 01:00.0").size(), 1U);
  EXPECT_EQ(named(t, "read 01:00.0")[0]["args"]["unfinished"], true);
  EXPECT_EQ(named(t, "read 01:00.0")[0]["args"]["walk_reads"], 2);
  ASSERT_EQ(named(t, "write").size(), 1U) << "it stood at its port";
  EXPECT_EQ(named(t, "write")[0]["args"]["unfinished"], true);
  ASSERT_EQ(named(t, "IOTLB invalidation").size(), 1U);
  EXPECT_EQ(named(t, "IOTLB invalidation")[0]["args"]["unfinished"], true);
  EXPECT_EQ(named(t, "requests inside").back()["args"]["slots"], 0);
  EXPECT_EQ(named(t, "walkers busy").back()["args"]["walkers"], 0);
  EXPECT_EQ(named(t, "process_name")[0]["args"]["name"], R"(unit "quoted")");
}

TEST_F(trace_file, ends_what_a_reset_threw_away) {
  traced s(path, config_of(small_part()));
  s.hold_answers = true;
  s.memory_port_is_slow = true;
  s.read(nic, first_page);
  s.unit.reset(false);
  s.read(nic, 0x12340);
  s.finish();
  const json t = contents();
  expect_balanced(t);
  ASSERT_EQ(named(t, "read 01:00.0").size(), 2U);
  EXPECT_EQ(named(t, "read 01:00.0")[0]["args"]["request"], 1);
  EXPECT_EQ(named(t, "read 01:00.0")[0]["args"]["unfinished"], true);
}

TEST_F(trace_file, shows_how_long_a_slow_memory_port_was_taken) {
  traced s(path, config_of(small_part()));
  s.read(nic, first_page);
  s.memory_port_is_slow = true;
  const engine::cycle t0 = s.wheel.now();
  s.offer(1, nic, access_kind::read, first_page);
  s.run_to(t0 + 10);
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  s.finish();
  const json t = contents();
  std::vector<json> of_port;
  const std::string track = "memory port";
  int id = 0;
  for (const json& event : t["traceEvents"]) {
    if (event["ph"] == "M" && event["args"].value("name", "") == track) id = event["tid"];
    if (event.value("tid", 0) == id && (event["ph"] == "B" || event["ph"] == "E")) of_port.push_back(event);
  }
  ASSERT_GE(of_port.size(), 2U);
  // Taken at t0 + 4, seen free at t0 + 11; a cycle is 1 ns.
  EXPECT_NEAR(of_port.back()["ts"].get<double>(), static_cast<double>(t0 + 11) / 1000, 1e-7);
  EXPECT_NEAR(of_port[of_port.size() - 2]["ts"].get<double>(), static_cast<double>(t0 + 4) / 1000, 1e-7);
}

TEST_F(trace_file, shows_joined_and_repeated_walks_and_what_passed_at_once) {
  auto caps = small_part();
  caps.cap.set_rwbf(false);
  traced s(path, config_of(caps));
  s.read(nic, first_page);
  const engine::cycle t0 = s.wheel.now();
  s.offer(1, nic, access_kind::read, first_page + spec::page_size);
  s.run_to(t0 + 1);
  s.offer(2, nic, access_kind::read, first_page + spec::page_size);
  s.run_to(t0 + 6);
  s.invalidate_contexts_global();
  s.settle();
  dmar::request piece;
  piece.access = {nic, access_kind::read, remap::address_type::untranslated, first_page};
  piece.length = 64;
  s.unit.pass(piece, s.memory, s.now_ps());
  s.finish();
  const json t = contents();
  expect_balanced(t);
  const auto reads = named(t, "read 01:00.0");
  ASSERT_EQ(reads.size(), 3U);
  // In the order of their ends: the first to look up again walks again, the second joins that walk too.
  EXPECT_EQ(reads[1]["args"]["walks"], 2);
  EXPECT_EQ(reads[2]["args"]["joined_walks"], 2);
  const auto walks = named(t, "walk");
  EXPECT_EQ(
      std::count_if(walks.begin(), walks.end(),
                    [](const json& w) { return w.contains("args") && w["args"]["result"] == "poisoned"; }),
      1);
  ASSERT_EQ(named(t, "read 01:00.0 (at once)").size(), 1U);
  EXPECT_EQ(named(t, "read 01:00.0 (at once)")[0]["args"]["lookup"], "hit");
  EXPECT_EQ(named(t, "context invalidation").size(), 1U);
}

// Names of the tracks that show commands.
std::set<std::string> command_tracks(const json& document) {
  std::set<std::string> out;
  for (const json& event : named(document, "thread_name")) {
    const std::string name = event["args"]["name"];
    if (name.starts_with("command: ")) out.insert(name.substr(9));
  }
  return out;
}

TEST_F(trace_file, shows_the_orders_of_the_fault_log_where_there_is_one) {
  auto caps = small_part();
  for (const bool afl : {false, true}) {
    caps.cap.set_afl(afl);
    traced s(path, config_of(caps));
    namespace reg = spec::reg;
    s.write_register<reg::aflog>(0xb00000 | reg::aflog::fls::of(2));
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::sfl::mask);
    s.settle();
    const engine::cycle begin = s.wheel.now();
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::eafl::mask);
    s.settle();
    s.write_register<reg::gcmd>(reg::gcmd::te::mask);
    s.run_to(s.wheel.now() + 1);
    s.finish();
    const json t = contents();
    expect_balanced(t);
    EXPECT_EQ(command_tracks(t).contains("fault log pointer"), afl);
    EXPECT_EQ(command_tracks(t).contains("fault log"), afl);
    EXPECT_FALSE(command_tracks(t).contains("queued wait"));
    ASSERT_EQ(named(t, "fault log pointer").size(), afl ? 1U : 0U);
    ASSERT_EQ(named(t, "fault log").size(), afl ? 2U : 0U);
    if (!afl) continue;
    EXPECT_EQ(named(t, "fault log pointer")[0]["args"]["log"], "0xb00000");
    EXPECT_EQ(named(t, "fault log pointer")[0]["args"]["bytes"], 4 * spec::page_size);
    const json on = named(t, "fault log")[0];
    EXPECT_EQ(on["args"]["on"], true);
    // The edge that sees the order is the next; a cycle is 1 ns.
    EXPECT_NEAR(on["ts"].get<double>(), static_cast<double>(begin + 1) / 1000, 1e-7);
    EXPECT_EQ(named(t, "fault log")[1]["args"]["on"], false);
    EXPECT_EQ(named(t, "fault log")[1]["args"]["unfinished"], true);
  }
}

TEST_F(trace_file, shows_invalidation_requests_to_devices_and_what_became_of_them) {
  auto caps = wide_part();
  caps.ecap.set_qi(true).set_dt(true);
  dmar::unit_config config = config_of(caps);
  config.timing.device_timeout = 500;
  traced s(path, config);
  queue_driver queue(s);
  queue.enable();
  spec::device_tlb_descriptor what;
  what.set_source(nic).set_max_pending(4).set_range(first_page, 3);
  const engine::cycle begin = s.wheel.now();
  queue.run(what, status_wait(0x800000, 1));
  const auto sent = s.invalidations.front().first;
  s.devices_answer = false;
  queue.run(what);
  s.unit.device_completed({disk, 1, 1}, s.now_ps());
  s.settle();
  s.write_register<spec::reg::fsts>(spec::reg::fsts::ite::mask | spec::reg::fsts::ice::mask);
  queue.submit(what);
  s.run_to(s.wheel.now() + 200);
  s.finish();
  const json t = contents();
  expect_balanced(t);
  const auto requests = named(t, "device-TLB invalidation 01:00.0");
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0]["cat"], "device invalidation");
  EXPECT_EQ(requests[0]["args"]["source_id"], "01:00.0");
  EXPECT_EQ(requests[0]["args"]["iova"], "0x40000000");
  EXPECT_EQ(requests[0]["args"]["address_mask"], 3);
  EXPECT_EQ(requests[0]["args"]["result"], "completed");
  EXPECT_GT(sent, begin);
  EXPECT_NEAR(requests[0]["ts"].get<double>(), static_cast<double>(sent) / 1000, 1e-7);
  EXPECT_EQ(requests[1]["args"]["result"], "timed out");
  EXPECT_EQ(requests[2]["args"]["unfinished"], true);
  ASSERT_EQ(named(t, "unexpected invalidation completion").size(), 1U);
  EXPECT_EQ(named(t, "unexpected invalidation completion")[0]["args"]["source_id"], "00:1f.2");
  // The descriptors say whose cache they are about.
  const auto descriptors = named(t, "queued invalidation");
  ASSERT_EQ(descriptors.size(), 3U);
  EXPECT_EQ(descriptors[0]["args"]["caches"], "device-TLB");
  EXPECT_EQ(descriptors[0]["args"]["source_id"], "01:00.0");
}

TEST_F(trace_file, shows_a_translation_request_by_its_page_and_its_flag) {
  auto caps = wide_part();
  caps.ecap.set_qi(true).set_dt(true).set_nwfs(true);
  traced s(path, config_of(caps));
  s.tables.attach(disk, 4, 3, spec::translation_type::with_device_tlb);
  s.tables.map(disk, first_page, 0x7000000);
  dmar::request ask;
  ask.access = {disk, access_kind::read, remap::address_type::translation_request,
                spec::ats::question{first_page}.set_no_write(true).value};
  ask.length = spec::ats::translation_bytes;
  s.unit.offer(0, ask, s.now_ps());
  s.settle();
  s.finish();
  const auto asked = named(contents(), "read 00:1f.2");
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0]["args"]["iova"], "0x40000000");
  EXPECT_EQ(asked[0]["args"]["no_write"], true);
  EXPECT_EQ(asked[0]["args"]["translation"], "0x7000001");
}

} // namespace
} // namespace vtd::test
