// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/timing_preset.h"

#include "json_reader.h"
#include "vtd/dmar/config.h"
#include "vtd/models/board_error.h"
#include "vtd/models/data_files.h"
#include "vtd/models/near_names.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace vtd::models {

namespace {

/// What a parameter may be: its unit, and its range where it is a number.
struct rule {
  std::string_view unit;
  double least = 0;
  double most = 0;
};

constexpr double most_ns = 1e9;
constexpr rule duration{"ns", 0, most_ns};
constexpr rule long_duration{"ns", 1, 100 * most_ns};
constexpr rule period{"ps", 1, 1e9};
constexpr rule entry_count{"entries", 0, 1 << 20};
constexpr rule way_count{"ways", 0, 1 << 20};
constexpr rule policy_name{"policy", 0, 0};
constexpr rule yes_or_no{"flag", 0, 0};
constexpr rule request_count{"requests", 1, dmar::most_requests};
constexpr rule walk_count{"walks", 1, dmar::most_walkers};
constexpr rule beat_count{"beats", 1, 2};
constexpr rule descriptor_count{"descriptors", 0, 256};
constexpr rule line_count{"lines", 0, 1 << 20};
constexpr rule bandwidth{"MB/s", 1, 1e6};
constexpr rule payload_size{"bytes", 128, 4096};
constexpr rule credit_count{"credits", 1, 4096};

template <class Cache, class Visit>
void visit_cache(std::string_view name, Cache& cache, Visit& visit) {
  visit(std::string(name) + ".entries", entry_count, cache.entries);
  visit(std::string(name) + ".ways", way_count, cache.ways);
  visit(std::string(name) + ".policy", policy_name, cache.policy);
}

/// The one list of parameters: `visit(name, rule, field)` for each, in the order of the contract.
template <class Preset, class Visit>
void visit_parameters(Preset& p, Visit visit) {
  using text = std::string;
  visit(text("clock.period"), period, p.clock_period);
  visit_cache("context", p.context, visit);
  visit_cache("iotlb", p.iotlb, visit);
  visit_cache("large_iotlb", p.large_iotlb, visit);
  visit(text("large_pages_in_pieces"), yes_or_no, p.large_pages_in_pieces);
  visit_cache("pml5", p.pml5, visit);
  visit_cache("pml4", p.pml4, visit);
  visit_cache("pdpe", p.pdpe, visit);
  visit_cache("pde", p.pde, visit);
  visit_cache("device_tlb", p.device_tlb, visit);
  visit(text("context_lookup"), duration, p.context_lookup);
  visit(text("iotlb_lookup"), duration, p.iotlb_lookup);
  visit(text("structure_lookup"), duration, p.structure_lookup);
  visit(text("requests"), request_count, p.requests);
  visit(text("walkers"), walk_count, p.walkers);
  visit(text("memory_interval"), duration, p.memory_interval);
  visit(text("walk_read"), duration, p.walk_read);
  visit(text("entry_beats"), beat_count, p.entry_beats);
  visit(text("memory_read"), duration, p.memory_read);
  visit(text("register_access"), duration, p.register_access);
  visit(text("command"), duration, p.command);
  visit(text("context_invalidation"), duration, p.context_invalidation);
  visit(text("iotlb_invalidation_global"), duration, p.iotlb_invalidation_global);
  visit(text("iotlb_invalidation_domain"), duration, p.iotlb_invalidation_domain);
  visit(text("iotlb_invalidation_page"), duration, p.iotlb_invalidation_page);
  visit(text("drain"), duration, p.drain);
  visit(text("descriptor_fetch"), duration, p.descriptor_fetch);
  visit(text("descriptor_decode"), duration, p.descriptor_decode);
  visit(text("queue_prefetch"), descriptor_count, p.queue_prefetch);
  visit(text("status_write"), duration, p.status_write);
  visit(text("device_invalidation"), duration, p.device_invalidation);
  visit(text("device_timeout"), long_duration, p.device_timeout);
  visit(text("device_tlb_lookup"), duration, p.device_tlb_lookup);
  visit(text("device_tlb_invalidation"), duration, p.device_tlb_invalidation);
  visit(text("whole_domain_tables"), yes_or_no, p.whole_domain_tables);
  visit(text("fault_recording"), duration, p.fault_recording);
  visit(text("event_message"), duration, p.event_message);
  visit(text("write_buffer.entries"), line_count, p.write_buffer_entries);
  visit(text("link.request"), duration, p.link_request);
  visit(text("link.completion"), duration, p.link_completion);
  visit(text("link.bandwidth"), bandwidth, p.link_bandwidth);
  visit(text("link.max_payload"), payload_size, p.max_payload);
  visit(text("link.max_read_request"), payload_size, p.max_read_request);
  visit(text("link.posted_credits"), credit_count, p.posted_credits);
}

std::string number_text(double value) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

std::string text_of(double value) { return number_text(value); }
std::string text_of(std::uint64_t value) { return std::to_string(value); }
std::string text_of(unsigned value) { return std::to_string(value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(remap::replacement value) { return std::string(remap::to_string(value)); }

std::string expectation(const rule& r) {
  if (r.unit == policy_name.unit) return "lru, pseudo_lru, fifo or random";
  if (r.unit == yes_or_no.unit) return "true or false";
  return "a number of " + std::string(r.unit) + " from " + number_text(r.least) + " to " +
         number_text(r.most);
}

// Each reads a text into a value; false: not of that type or range.

bool read_text(std::string_view text, const rule& r, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= r.least && value <= r.most;
}

bool read_text(std::string_view text, const rule& r, std::uint64_t& value) {
  const auto whole = parse_whole(text);
  if (!whole || static_cast<double>(*whole) < r.least || static_cast<double>(*whole) > r.most) return false;
  value = *whole;
  return true;
}

bool read_text(std::string_view text, const rule& r, unsigned& value) {
  std::uint64_t wide = 0;
  if (!read_text(text, r, wide)) return false;
  value = static_cast<unsigned>(wide);
  return true;
}

bool read_text(std::string_view text, const rule&, bool& value) {
  value = text == "true" || text == "on" || text == "1";
  return value || text == "false" || text == "off" || text == "0";
}

bool read_text(std::string_view text, const rule&, remap::replacement& value) {
  const auto policy = remap::parse_replacement(text);
  if (policy) value = *policy;
  return policy.has_value();
}

// The same from JSON; the node is the plain value.

void read_json(const json_node& node, const rule& r, double& value) { value = node.real(r.least, r.most); }

void read_json(const json_node& node, const rule& r, std::uint64_t& value) {
  value = node.whole(static_cast<std::uint64_t>(r.least), static_cast<std::uint64_t>(r.most));
}

void read_json(const json_node& node, const rule& r, unsigned& value) {
  value = static_cast<unsigned>(
      node.whole(static_cast<std::uint64_t>(r.least), static_cast<std::uint64_t>(r.most)));
}

void read_json(const json_node& node, const rule&, bool& value) { value = node.boolean(); }

void read_json(const json_node& node, const rule& r, remap::replacement& value) {
  if (!read_text(node.text(), r, value)) node.reject(expectation(r));
}

template <class T>
known<T> read_parameter(json_object& parameters, const std::string& name, const rule& r) {
  const json_node node = parameters.at(name);
  json_object given(node);
  known<T> result;
  const json_node value = given.at("value");
  read_json(value, r, result.value);
  result.how = value.how();
  result.why = value.why();
  if (const auto unit = given.find("unit")) {
    if (unit->text() != r.unit) unit->reject("\"" + std::string(r.unit) + "\"");
  } else if (r.least != r.most) {
    node.reject("a \"unit\": \"" + std::string(r.unit) + "\"");
  }
  given.finish();
  return result;
}

void check_cache(const std::string& place, std::string_view name, const cache_parameters& cache) {
  const unsigned entries = cache.entries;
  const unsigned ways = cache.ways == 0 ? entries : cache.ways.value;
  const auto reject = [&](const std::string& expected) {
    throw board_error(place + ": " + std::string(name) + ": got " + std::to_string(entries) + " entries, " +
                      std::to_string(ways) + " ways, " + text_of(cache.policy.value) + ", expected " +
                      expected);
  };
  if (entries == 0) return;
  if (entries % ways != 0) reject("entries that are a multiple of the ways");
  if (!std::has_single_bit(entries / ways))
    reject("a number of sets (entries / ways) that is a power of two");
  constexpr unsigned most_pseudo_ways = 64;
  if (cache.policy == remap::replacement::pseudo_lru &&
      (ways > most_pseudo_ways || !std::has_single_bit(ways))) {
    reject("a power of two of at most 64 ways for pseudo_lru");
  }
}

} // namespace

engine::cycle timing_preset::cycles(double nanoseconds) const {
  // Presets are written in decimal nanoseconds; whole picoseconds keep the rounding exact.
  constexpr double ps_per_ns = 1000.0;
  const auto span = static_cast<engine::picoseconds>(std::llround(nanoseconds * ps_per_ns));
  return engine::clock(clock_period).cycles_for(span);
}

std::vector<parameter_info> list_parameters(const timing_preset& preset) {
  std::vector<parameter_info> result;
  visit_parameters(preset, [&](const std::string& name, const rule& r, const auto& field) {
    result.push_back({name, std::string(r.unit), text_of(field.value), field.how, field.why});
  });
  return result;
}

std::vector<std::string> parameter_names() {
  std::vector<std::string> result;
  const timing_preset any;
  visit_parameters(any, [&](const std::string& name, const rule&, const auto&) { result.push_back(name); });
  return result;
}

void set_parameter(timing_preset& preset, std::string_view name, std::string_view value, confidence how,
                   std::string why) {
  bool found = false;
  visit_parameters(preset, [&](const std::string& candidate, const rule& r, auto& field) {
    if (candidate != name) return;
    found = true;
    if (!read_text(value, r, field.value)) {
      throw board_error(candidate + ": got \"" + std::string(value) + "\", expected " + expectation(r));
    }
    field.how = how;
    field.why = why;
  });
  if (!found) {
    throw board_error("unknown parameter \"" + std::string(name) + "\", " +
                      name_hint(name, parameter_names(), 64));
  }
}

void check_preset(const timing_preset& preset) {
  const std::string place = "preset " + preset.name;
  check_cache(place, "context", preset.context);
  check_cache(place, "iotlb", preset.iotlb);
  check_cache(place, "large_iotlb", preset.large_iotlb);
  check_cache(place, "pml5", preset.pml5);
  check_cache(place, "pml4", preset.pml4);
  check_cache(place, "pdpe", preset.pdpe);
  check_cache(place, "pde", preset.pde);
  check_cache(place, "device_tlb", preset.device_tlb);
}

timing_preset parse_preset(std::string_view json, const std::string& file) {
  const json_document document = json_document::from_text(json, file);
  json_object top(document.root());
  timing_preset preset;
  preset.name = top.at("name").text();
  preset.title = top.at("title").text();
  preset.calibrated = top.at("calibrated").boolean();
  if (const auto notes = top.find("notes")) {
    for (const json_node& note : notes->items())
      preset.notes.push_back(note.text());
  }
  json_object parameters(top.at("parameters"));
  visit_parameters(preset, [&]<class T>(const std::string& name, const rule& r, known<T>& field) {
    field = read_parameter<T>(parameters, name, r);
  });
  parameters.finish();
  top.finish();
  try {
    check_preset(preset);
  } catch (const board_error& error) {
    throw board_error(file + ": " + error.what());
  }
  return preset;
}

timing_preset load_preset(std::string_view name_or_path,
                          const std::vector<std::filesystem::path>& directories) {
  const std::filesystem::path file = find_data_file("presets", name_or_path, directories);
  return parse_preset(read_file(file), file.string());
}

} // namespace vtd::models
