// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/fault_plan.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vtd::host {

namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the
// output.
constexpr std::uint64_t scramble(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

[[noreturn]] void reject(const std::string& what) { throw std::invalid_argument("fault rule: " + what); }

} // namespace

std::string_view to_string(access_class what) {
  switch (what) {
  case access_class::table_read:
    return "table_read";
  case access_class::queue_fetch:
    return "queue_fetch";
  case access_class::status_write:
    return "status_write";
  case access_class::read:
    return "read";
  case access_class::write:
    return "write";
  }
  return "?";
}

std::string_view to_string(fault_effect what) {
  switch (what) {
  case fault_effect::error:
    return "error";
  case fault_effect::latency:
    return "latency";
  case fault_effect::withhold:
    return "withhold";
  case fault_effect::all_ones:
    return "all_ones";
  }
  return "?";
}

std::size_t fault_plan::add(const fault_rule& rule) {
  if (rule.of == access_classes{}) reject("of: no class of access, expected at least one");
  if (rule.first > rule.last) {
    reject("addresses from " + std::to_string(rule.first) + " to " + std::to_string(rule.last) +
           ", expected the last not below the first");
  }
  if (rule.from >= rule.until) {
    reject("from " + std::to_string(rule.from) + " ps until " + std::to_string(rule.until) +
           " ps, expected a later end");
  }
  if (rule.per_million > fault_rule::always)
    reject("per_million: " + std::to_string(rule.per_million) + ", expected 0 to 1000000");
  rules_.push_back({rule});
  return rules_.size() - 1;
}

// A function of seed, rule and how many accesses matched before: nothing else moves it.
bool fault_plan::draw(std::size_t number, const state& s) const {
  if (s.what.per_million == fault_rule::always) return true;
  return scramble(scramble(seed_ + number) + s.matches) % fault_rule::always < s.what.per_million;
}

fault_decision fault_plan::decide_by_rules(const fault_access& access) {
  fault_decision out;
  const std::uint64_t end = access.bytes == 0 ? access.address : access.address + (access.bytes - 1);
  for (std::size_t number = 0; number < rules_.size(); ++number) {
    state& s = rules_[number];
    const fault_rule& r = s.what;
    if (!r.of.contains(access.what) || access.address > r.last || end < r.first) continue;
    if (access.when < r.from || access.when >= r.until) continue;
    ++s.matches;
    if (s.matches <= r.skip || s.hits >= r.count || !draw(number, s)) continue;
    ++s.hits;
    switch (r.effect) {
    case fault_effect::error:
      out.error = true;
      out.answer_after += r.span;
      break;
    case fault_effect::all_ones:
      out.all_ones = true;
      out.answer_after += r.span;
      break;
    case fault_effect::latency:
      out.later += r.span;
      break;
    case fault_effect::withhold:
      if (r.span == engine::never) {
        out.withheld_for_good = true;
      } else {
        out.not_before = std::max(out.not_before, access.when + r.span);
      }
      break;
    }
  }
  return out;
}

bool fault_plan::threatens(access_classes of, std::uint64_t first, std::uint64_t last) const {
  for (const state& s : rules_) {
    if (s.hits >= s.what.count || s.what.per_million == 0) continue;
    if (first > s.what.last || last < s.what.first) continue;
    for (std::size_t i = 0; i < access_class_count; ++i) {
      const auto one = static_cast<access_class>(i);
      if (of.contains(one) && s.what.of.contains(one)) return true;
    }
  }
  return false;
}

} // namespace vtd::host
