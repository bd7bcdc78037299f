// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/trace.h"

#include "vtdsim/trace_words.h"

#include "vtd/spec/fault.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace vtdsim {

namespace spec = vtd::spec;
using vtd::dmar::command_step;
using vtd::dmar::request_step;
using vtd::dmar::unit_command;
using vtd::dmar::walk_step;
using vtd::engine::never;
using outcome = vtd::remap::translator::outcome;

namespace {

/// Tracks of one process are numbered from `process * tracks_per_process + 1`: viewers want them to differ
/// between processes.
constexpr unsigned tracks_per_process = 10000;

std::string request_id(std::uint64_t number) { return fmt::format("{:#x}", number); }

} // namespace

// --- Events as text
// -----------------------------------------------------------------------------------------------------

unit_trace::unit_trace(trace_file& out, const vtd::engine::clock& timebase, const place& where)
    : out_(out), timebase_(timebase), process_(where.process),
      first_walker_(first_port_ + static_cast<unsigned>(where.ports.size())),
      memory_track_(first_walker_ + where.walkers), first_command_(memory_track_ + 1),
      fault_track_(first_command_ + static_cast<unsigned>(vtd::dmar::unit_commands)),
      message_track_(fault_track_ + 1), ports_(where.ports.size()), walkers_(where.walkers) {
  out_.add(fmt::format(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":{}}}}})", process_,
                       nlohmann::json(where.name).dump()));
  out_.add(fmt::format(R"({{"ph":"M","pid":{},"name":"process_sort_index","args":{{"sort_index":{}}}}})",
                       process_, process_));
  for (unsigned port = 0; port < ports_.size(); ++port)
    name_track(first_port_ + port, fmt::format("port {}: {}", port, where.ports[port]));
  for (unsigned walker = 0; walker < walkers_.size(); ++walker)
    name_track(first_walker_ + walker, fmt::format("walker {}", walker));
  name_track(memory_track_, "memory port");
  for (unsigned what = 0; what < vtd::dmar::unit_commands; ++what) {
    const auto kind = static_cast<unit_command>(what);
    const bool of_log = kind == unit_command::fault_log_pointer || kind == unit_command::fault_log;
    const bool of_queue = kind >= unit_command::invalidation_queue;
    if ((of_log && !where.fault_log) || (of_queue && !where.queue)) continue;
    name_track(first_command_ + what, fmt::format("command: {}", to_string(kind)));
  }
  name_track(fault_track_, "faults");
  name_track(message_track_, "interrupt messages");
  write(slots_);
  write(busy_);
}

void unit_trace::name_track(unsigned track, const std::string& name) {
  const unsigned id = process_ * tracks_per_process + track;
  out_.add(fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":{}}}}})",
                       process_, id, nlohmann::json(name).dump()));
  out_.add(
      fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
                  process_, id, track));
}

// Microseconds, with every picosecond.
std::string unit_trace::time(cycle at) const {
  constexpr std::uint64_t ps_per_us = 1'000'000;
  const std::uint64_t ps = timebase_.time_of(at);
  return fmt::format("{}.{:06}", ps / ps_per_us, ps % ps_per_us);
}

namespace {
void add_rest(std::string& out, std::string_view name, std::string_view facts) {
  if (!name.empty()) fmt::format_to(std::back_inserter(out), R"(,"name":"{}")", name);
  if (!facts.empty())
    fmt::format_to(std::back_inserter(out), R"(,"args":{{{}}})", facts.substr(0, facts.size() - 1));
  out += '}';
}
} // namespace

std::string unit_trace::event(char phase, unsigned track, cycle at, std::string_view name,
                              std::string_view facts) const {
  std::string out = fmt::format(R"({{"ph":"{}","pid":{},"tid":{},"ts":{})", phase, process_,
                                process_ * tracks_per_process + track, time(at));
  add_rest(out, name, facts);
  return out;
}

// One of the events that carry an id instead of a track. They nest by their order.
std::string unit_trace::nested(char phase, const std::string& id, cycle at, std::string_view name,
                               std::string_view facts, std::string_view category) const {
  std::string out = fmt::format(R"({{"ph":"{}","cat":"{}","id2":{{"local":"{}"}},"pid":{},"ts":{})", phase,
                                category, id, process_, time(at));
  add_rest(out, name, facts);
  return out;
}

void unit_trace::span(unsigned track, cycle begin, cycle end, std::string_view name, std::string_view facts) {
  out_.add(event('B', track, begin, name, facts) + std::string(trace_file::separator) +
           event('E', track, end));
}

void unit_trace::write(counter& which) {
  std::string text = fmt::format(R"({{"ph":"C","pid":{},"ts":{},"name":"{}","args":{{"{}":{}}}}})", process_,
                                 time(which.at), which.name, which.series, which.value);
  out_.add(text);
  which.written = which.value;
}

// What a counter stands at in the end of a cycle counts.
void unit_trace::count(counter& which, cycle at, int change) {
  if (at != which.at && which.value != which.written) write(which);
  which.at = at;
  which.value += static_cast<unsigned>(change);
}

// --- Requests
// -----------------------------------------------------------------------------------------------------------

// The stage that was under way ends, and the next begins. Stages that took no time leave nothing.
void unit_trace::end_stage(std::uint64_t number, request& r, cycle at, std::string_view next,
                           std::string_view facts) {
  if (!r.stage.empty() && at != r.stage_begin) {
    const std::string id = request_id(number);
    r.stages += trace_file::separator;
    r.stages += nested('b', id, r.stage_begin, r.stage, facts);
    r.stages += trace_file::separator;
    r.stages += nested('e', id, at, r.stage);
  }
  r.stage = next;
  r.stage_begin = at;
}

void unit_trace::end_request(std::uint64_t number, request& r, cycle at, std::string_view result) {
  const std::string id = request_id(number);
  end_stage(number, r, at, {});
  std::string facts = r.facts + fact("lookup", r.lookup) + fact("walk_reads", r.walk_reads);
  if (r.walks > 1) facts += fact("walks", r.walks);
  if (r.joined != 0) facts += fact("joined_walks", r.joined);
  facts += fact("result", result);
  out_.add(nested('b', id, r.begin, r.name, facts) + r.stages + std::string(trace_file::separator) +
           nested('e', id, at, r.name));
}

void unit_trace::on_request(const vtd::dmar::request_event& e) {
  saw(e.at);
  if (e.step == request_step::offered) {
    ports_[e.port] = {true, e.at, std::string(access_name(e.access.kind)),
                      facts_of(e.access) + fact("length", e.total)};
    return;
  }
  if (e.step == request_step::admitted) {
    waiting& port = ports_[e.port];
    request& r = requests_[e.number];
    r.begin = r.stage_begin = port.since;
    r.stage = "wait for a slot";
    r.name = fmt::format("{} {}", port.name, to_string(e.access.source));
    r.facts = fact("request", e.number) + port.facts + fact("port", e.port);
    span(first_port_ + e.port, port.since, e.at, port.name, fact("request", e.number) + port.facts);
    port.there = false;
    end_stage(e.number, r, e.at, "wait for memory port");
    count(slots_, e.at, 1);
    return;
  }
  const auto found = requests_.find(e.number);
  // It was admitted before anybody watched.
  if (found == requests_.end()) return;
  request& r = found->second;
  switch (e.step) {
  case request_step::offered:
  case request_step::admitted:
    break;
  case request_step::looking_up:
    end_stage(e.number, r, e.at, "look-up");
    break;
  case request_step::looked_up:
    end_stage(e.number, r, e.at,
              e.found == outcome::translated || e.found == outcome::blocked ? "wait for memory port"
                                                                            : "wait for a walker",
              fact("found", lookup_name(e.found)));
    if (e.offset == 0 && !e.again) r.lookup = lookup_name(e.found);
    break;
  case request_step::joined:
    ++r.joined;
    end_stage(e.number, r, e.at, "walk of another request");
    break;
  case request_step::blocked:
    r.facts += fact_blocked(e.condition);
    end_stage(e.number, r, e.at, "wait for response");
    break;
  case request_step::translated:
    r.facts += fact_hex("translation", e.host_address);
    end_stage(e.number, r, e.at, "wait for response");
    break;
  case request_step::forwarded:
    if (e.offset == 0) r.facts += fact_hex("host", e.host_address);
    memory_.name = access_name(e.access.kind);
    memory_.facts = fact("request", e.number) + fact_hex("host", e.host_address) + fact("length", e.length);
    end_stage(e.number, r, e.at, e.interrupt ? "interrupt message" : "memory");
    break;
  case request_step::answered:
    end_stage(e.number, r, e.at,
              e.ok && e.offset + e.length < e.total ? "wait to look up the next page" : "wait for response",
              fact_hex("host", e.host_address) + fact("length", e.length) + fact_flag("ok", e.ok));
    break;
  case request_step::responded:
    end_request(e.number, r, e.at, completion_name(e.how));
    requests_.erase(found);
    count(slots_, e.at, -1);
    break;
  }
}

void unit_trace::on_queue_access(const vtd::dmar::queue_access_event& e) {
  memory_.name = e.write ? "wait status" : "queue descriptor";
  memory_.facts = fact_hex("address", e.address);
}

void unit_trace::on_passage(const vtd::dmar::passage_event& e) {
  const cycle end = e.at + e.cycles;
  saw(end);
  const std::string id = fmt::format("lt{}", ++passages_);
  std::string facts = facts_of(e.access) + fact("length", e.length);
  facts += fact("lookup", e.translated ? lookup_name(e.found) : std::string_view("none"));
  if (e.translated) facts += fact("walk_reads", e.reads);
  facts +=
      e.blocked ? fact_blocked(e.condition) : fact_hex(e.answered ? "translation" : "host", e.host_address);
  if (e.interrupt) facts += fact_flag("interrupt", true);
  const std::string name =
      fmt::format("{} {} (at once)", access_name(e.access.kind), to_string(e.access.source));
  out_.add(nested('b', id, e.at, name, facts) + std::string(trace_file::separator) +
           nested('e', id, end, name));
}

// --- Walkers and the way to memory
// --------------------------------------------------------------------------------------

void unit_trace::on_walk(const vtd::dmar::walk_event& e) {
  saw(e.at);
  walk& w = walkers_[e.walker];
  const unsigned track = first_walker_ + e.walker;
  if (!w.busy && e.step != walk_step::granted) return;
  const auto owner = requests_.find(e.request);
  const auto step = [&](cycle begin, std::string_view name, std::string_view facts) {
    w.steps += trace_file::separator;
    w.steps += event('B', track, begin, name, facts);
    w.steps += trace_file::separator;
    w.steps += event('E', track, e.at);
  };
  switch (e.step) {
  case walk_step::granted:
    w = {};
    w.busy = true;
    w.begin = w.step_begin = e.at;
    w.request = e.request;
    w.facts = fact("request", e.request) + facts_of(e.access);
    count(busy_, e.at, 1);
    if (owner == requests_.end()) break;
    ++owner->second.walks;
    end_stage(e.request, owner->second, e.at, "walk");
    break;
  case walk_step::structures_looked_up:
    step(w.step_begin, "structure look-up", fact("next_level", e.level));
    w.step_begin = e.at;
    break;
  case walk_step::read_issued:
    w.step_begin = e.at;
    w.read = e;
    memory_.name = entry_name(e.kind, e.level);
    memory_.facts = fact("walker", e.walker) + fact_hex("host", e.address);
    if (owner != requests_.end()) ++owner->second.walk_reads;
    break;
  case walk_step::read_answered:
    step(w.step_begin, entry_name(w.read.kind, w.read.level),
         fact_hex("host", w.read.address) + fact("bytes", w.read.bytes) + fact_flag("ok", e.ok) +
             fact_hex("data", e.seen.lo()) +
             (w.read.bytes == 16 ? fact_hex("data_high", e.seen.hi()) : std::string()));
    w.step_begin = e.at;
    break;
  case walk_step::ended:
    w.facts += fact("reads", e.reads);
    if (owner != requests_.end())
      end_stage(e.request, owner->second, e.at,
                e.poisoned ? "wait to look up again" : "wait for memory port");
    end_walk(e.walker, e.at,
             e.poisoned                                   ? "poisoned"
             : e.condition == spec::fault_condition::none ? "translation"
                                                          : spec::condition_info(e.condition).name);
    count(busy_, e.at, -1);
    break;
  }
}

void unit_trace::end_walk(unsigned walker, cycle at, std::string_view result) {
  walk& w = walkers_[walker];
  const unsigned track = first_walker_ + walker;
  out_.add(event('B', track, w.begin, "walk", w.facts + fact("result", result)) + w.steps +
           std::string(trace_file::separator) + event('E', track, at));
  w.busy = false;
}

void unit_trace::on_memory_port(const vtd::dmar::memory_port_event& e) {
  saw(e.at);
  if (e.taken) {
    memory_.since = e.at;
    memory_.there = e.until == never;
    if (!memory_.there) span(memory_track_, e.at, e.until, memory_.name, memory_.facts);
  } else if (memory_.there) {
    memory_.there = false;
    span(memory_track_, memory_.since, e.at, memory_.name, memory_.facts);
  }
}

// --- Commands, faults, messages
// -----------------------------------------------------------------------------------------

void unit_trace::on_command(const vtd::dmar::command_event& e) {
  saw(e.at);
  order& o = orders_[static_cast<std::size_t>(e.what)];
  switch (e.step) {
  case command_step::begun:
    o = {true, e.at, never, facts_of_order(e)};
    break;
  case command_step::effective:
    if (!o.open) break;
    o.effective = e.at;
    if (e.what == unit_command::context_invalidation)
      o.facts += fact("done", granularity_name(e.context_done));
    if (e.what == unit_command::iotlb_invalidation) o.facts += fact("done", granularity_name(e.iotlb_done));
    if (e.what == unit_command::queued_invalidation && e.iotlb_done != spec::iotlb_granularity::none)
      o.facts += fact("done", granularity_name(e.iotlb_done));
    break;
  case command_step::ended:
    if (o.open) end_order(e.what, e.at, o.facts);
    break;
  }
}

void unit_trace::end_order(unit_command what, cycle at, std::string_view facts) {
  order& o = orders_[static_cast<std::size_t>(what)];
  const unsigned track = first_command_ + static_cast<unsigned>(what);
  std::string text = event('B', track, o.begin, to_string(what), facts);
  const auto add = [&text](const std::string& next) { text.append(trace_file::separator).append(next); };
  // Requests from before are still inside.
  if (o.effective != never && o.effective != at) {
    add(event('B', track, o.effective, "wait for requests under way"));
    add(event('E', track, at));
  }
  add(event('E', track, at));
  out_.add(text);
  o.open = false;
}

void unit_trace::on_device_invalidation(const vtd::dmar::device_invalidation_event& e) {
  using vtd::dmar::device_step;
  saw(e.at);
  const std::string device = to_string(e.what.device);
  switch (e.step) {
  case device_step::requested:
    device_requests_[e.what.tag] = {
        fmt::format("ats{}", ++device_requests_seen_), fmt::format("device-TLB invalidation {}", device),
        fact("source_id", device) + fact_hex("iova", e.what.what.first()) +
            fact("address_mask", e.what.what.page_mask()) + fact("itag", e.what.tag),
        e.at};
    break;
  case device_step::completed:
    end_device_request(e.what.tag, e.at, "completed");
    break;
  case device_step::timed_out:
    end_device_request(e.what.tag, e.at, "timed out");
    break;
  case device_step::unexpected:
    instant(fault_track_, e.at, "unexpected invalidation completion", fact("source_id", device));
    break;
  }
}

void unit_trace::end_device_request(unsigned tag, cycle at, std::string_view result) {
  constexpr std::string_view category = "device invalidation";
  const auto found = device_requests_.find(tag);
  // It was sent before anybody watched.
  if (found == device_requests_.end()) return;
  const device_request& r = found->second;
  out_.add(nested('b', r.id, r.begin, r.name, r.facts + fact("result", result), category) +
           std::string(trace_file::separator) + nested('e', r.id, at, r.name, {}, category));
  device_requests_.erase(found);
}

void unit_trace::instant(unsigned track, cycle at, std::string_view name, std::string_view facts) {
  std::string text = event('i', track, at, name, facts);
  text.insert(text.size() - 1, R"(,"s":"t")");
  out_.add(text);
}

void unit_trace::on_fault_recorded(const vtd::dmar::fault_report& report) {
  saw(report.when);
  const auto& info = spec::condition_info(report.condition);
  const std::string facts = facts_of(report.access) + fact("access", access_name(report.access.kind)) +
                            fact("reason", static_cast<std::uint64_t>(info.reason)) +
                            fact_flag("recorded", report.recorded) +
                            fact_flag("suppressed", report.suppressed);
  instant(fault_track_, report.when, info.name, facts);
}

void unit_trace::on_message(const spec::msi_message& message, cycle at) {
  saw(at);
  instant(message_track_, at, "event message",
          fact_hex("address", message.address) + fact_hex("data", message.data));
}

// --- The end
// ------------------------------------------------------------------------------------------------------------

void unit_trace::on_reset(cycle at) {
  saw(at);
  end_all(last_);
}

void unit_trace::finish(cycle end) {
  saw(end);
  end_all(last_);
}

void unit_trace::end_all(cycle at) {
  for (unsigned port = 0; port < ports_.size(); ++port) {
    waiting& p = ports_[port];
    if (p.there) span(first_port_ + port, p.since, at, p.name, p.facts + fact_flag("unfinished", true));
    p.there = false;
  }
  for (unsigned walker = 0; walker < walkers_.size(); ++walker) {
    if (!walkers_[walker].busy) continue;
    walkers_[walker].facts += fact_flag("unfinished", true);
    end_walk(walker, at, "none");
    count(busy_, at, -1);
  }
  for (auto& [number, r] : requests_) {
    r.facts += fact_flag("unfinished", true);
    end_request(number, r, at, "none");
    count(slots_, at, -1);
  }
  requests_.clear();
  if (memory_.there) span(memory_track_, memory_.since, at, memory_.name, memory_.facts);
  memory_.there = false;
  for (std::size_t what = 0; what < vtd::dmar::unit_commands; ++what) {
    if (!orders_[what].open) continue;
    end_order(static_cast<unit_command>(what), at, orders_[what].facts + fact_flag("unfinished", true));
  }
  while (!device_requests_.empty()) {
    auto& [tag, r] = *device_requests_.begin();
    r.facts += fact_flag("unfinished", true);
    end_device_request(tag, at, "none");
  }
  for (counter* each : {&slots_, &busy_}) {
    if (each->value != each->written) write(*each);
  }
}

} // namespace vtdsim
