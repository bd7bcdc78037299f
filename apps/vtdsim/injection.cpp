// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/injection.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <stdexcept>

namespace vtdsim {

using vtd::host::access_class;
using vtd::host::fault_effect;
using vtd::host::fault_rule;

namespace {

constexpr std::string_view prefix = "inject.";
constexpr std::uint64_t ps_per_ns = 1000;
constexpr std::uint64_t longest_ns = 1'000'000'000;
constexpr std::array classes{access_class::table_read, access_class::queue_fetch, access_class::status_write,
                             access_class::read, access_class::write};
constexpr std::array effects{fault_effect::error, fault_effect::latency, fault_effect::withhold,
                             fault_effect::all_ones};
constexpr std::string_view of_registers = "register";

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view expected) {
  throw std::invalid_argument(fmt::format("{}: got \"{}\", expected {}", key, value, expected));
}

std::uint64_t number(std::string_view key, std::string_view value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc{} || end != value.data() + value.size() || out < least || out > most)
    refuse(key, value, fmt::format("a number from {} to {}", least, most));
  return out;
}

} // namespace

void injection::set(std::string_view key, std::string_view value) {
  const std::string_view name = key.substr(prefix.size());
  if (name == "span_ns") {
    common_.span = number(key, value, 0, longest_ns) * ps_per_ns;
  } else if (name == "from_ns") {
    common_.from = number(key, value, 0, longest_ns) * ps_per_ns;
  } else if (name == "skip") {
    common_.skip = number(key, value, 0, fault_rule::unlimited);
  } else if (name == "count") {
    common_.count = number(key, value, 1, fault_rule::unlimited);
  } else {
    const std::size_t dot = name.find('.');
    const std::string_view what = name.substr(0, dot);
    const std::string_view how = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
    rule out;
    out.name = std::string(name);
    out.of_registers = what == of_registers;
    bool known = out.of_registers;
    for (const access_class each : classes) {
      if (to_string(each) != what) continue;
      out.what.of = each;
      known = true;
    }
    bool effect = false;
    for (const fault_effect each : effects) {
      if (to_string(each) != how) continue;
      out.what.effect = each;
      effect = true;
    }
    if (!known || !effect) {
      throw std::invalid_argument(fmt::format(
          "unknown setting \"{}\", expected inject.CLASS.EFFECT (CLASS: table_read, queue_fetch, "
          "status_write, read, write, register; EFFECT: error, latency, withhold, all_ones), inject.span_ns, "
          "inject.from_ns, inject.skip or inject.count",
          key));
    }
    out.what.per_million = static_cast<std::uint32_t>(number(key, value, 0, fault_rule::always));
    rules_.push_back(out);
  }
}

void injection::apply(vtd::models::root_complex& machine) const {
  for (std::size_t unit = 0; unit < machine.unit_count(); ++unit) {
    for (const rule& each : rules_) {
      fault_rule out = each.what;
      out.span = common_.span;
      out.from = common_.from;
      out.skip = common_.skip;
      out.count = common_.count;
      (each.of_registers ? machine.register_faults(unit) : machine.memory_faults(unit)).add(out);
    }
  }
}

std::size_t injection::number_of(std::size_t place) const {
  std::size_t before = 0;
  for (std::size_t i = 0; i < place; ++i)
    before += rules_[i].of_registers == rules_[place].of_registers ? 1 : 0;
  return before;
}

std::vector<std::string> injection::report(vtd::models::root_complex& machine) const {
  std::vector<std::string> out;
  for (std::size_t unit = 0; unit < machine.unit_count(); ++unit) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const auto& injector =
          rules_[i].of_registers ? machine.register_faults(unit) : machine.memory_faults(unit);
      out.push_back(fmt::format("{}: {} in a million: {} accesses of {} were hit", rules_[i].name,
                                rules_[i].what.per_million, injector.plan().hits(number_of(i)),
                                machine.unit_data(unit).name));
    }
  }
  return out;
}

} // namespace vtdsim
