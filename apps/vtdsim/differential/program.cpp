// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/program.h"

#include "vtd/spec/invalidation.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>
#include <stdexcept>

namespace vtdsim::differential {

namespace {

// As many as the smallest queue holds.
constexpr unsigned most_appended = vtd::spec::queue_descriptors(0);

/// The words of one line, taken one by one.
class line_reader {
public:
  line_reader(const std::string& line, std::size_t number) : words_(line), number_(number) {}

  std::string word() {
    std::string out;
    words_ >> out;
    return out;
  }
  std::uint64_t number(std::uint64_t limit = ~std::uint64_t{0}) {
    const std::string text = word();
    std::string_view digits = text;
    int base = 10;
    if (digits.starts_with("0x")) {
      digits.remove_prefix(2);
      base = 16;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size() || value > limit)
      fail(fmt::format("'{}', expected a number up to {:#x}", text, limit));
    return value;
  }
  bool flag(const std::string& name) {
    const std::string text = word();
    if (text != name + "=0" && text != name + "=1") fail(fmt::format("'{}', expected {}=0 or 1", text, name));
    return text.back() == '1';
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(fmt::format("program, line {}: {}", number_, what));
  }

private:
  std::istringstream words_;
  std::size_t number_;
};

step parse_dma(line_reader& in) {
  step out;
  out.kind = step_kind::dma;
  out.what.device = static_cast<unsigned>(in.number(device_count - 1));
  const std::string direction = in.word();
  if (direction != "read" && direction != "write")
    in.fail(fmt::format("'{}', expected read or write", direction));
  out.what.to_memory = direction == "write";
  out.what.address = in.number();
  out.what.buffer = static_cast<std::uint32_t>(in.number(device_buffer - 1));
  out.what.bytes = static_cast<std::uint32_t>(in.number(device_buffer - out.what.buffer));
  return out;
}

step parse_step(const std::string& kind, line_reader& in) {
  step out;
  if (kind == "dma") return parse_dma(in);
  if (kind == "store") {
    out.kind = step_kind::store;
    out.address = in.number(layout::memory - 8);
    out.value = in.number();
  } else if (kind == "write" || kind == "read") {
    out.kind = kind == "write" ? step_kind::write_register : step_kind::read_register;
    out.address = in.number(layout::page - 1);
    out.bytes = static_cast<unsigned>(in.number(8));
    if (kind == "write") out.value = in.number();
  } else if (kind == "append" || kind == "submit") {
    out.kind = kind == "append" ? step_kind::append : step_kind::submit;
    if (kind == "append") out.times = static_cast<unsigned>(in.number(most_appended));
    out.address = in.number();
    out.value = in.number();
  } else if (kind == "reset") {
    out.kind = step_kind::reset;
  } else {
    in.fail(
        fmt::format("'{}', expected variant, model, store, write, read, dma, append, submit or reset", kind));
  }
  return out;
}

model_choice parse_choice(line_reader& in) {
  model_choice out;
  const std::string way = in.word();
  if (way != "by_cycles" && way != "at_once")
    in.fail(fmt::format("'{}', expected by_cycles or at_once", way));
  out.by_cycles = way == "by_cycles";
  out.context_cache = in.flag("context_cache");
  out.iotlb = in.flag("iotlb");
  out.structure_caches = in.flag("structure_caches");
  out.tiny = in.flag("tiny");
  return out;
}

} // namespace

std::string to_string(const step& what) {
  std::string out;
  switch (what.kind) {
  case step_kind::store:
    out = fmt::format("store {:#x} {:#x}", what.address, what.value);
    break;
  case step_kind::write_register:
    out = fmt::format("write {:#x} {} {:#x}", what.address, what.bytes, what.value);
    break;
  case step_kind::read_register:
    out = fmt::format("read {:#x} {}", what.address, what.bytes);
    break;
  case step_kind::dma:
    out = fmt::format("dma {} {} {:#x} {:#x} {}", what.what.device, what.what.to_memory ? "write" : "read",
                      what.what.address, what.what.buffer, what.what.bytes);
    break;
  case step_kind::append:
    out = fmt::format("append {} {:#x} {:#x}", what.times, what.address, what.value);
    break;
  case step_kind::submit:
    out = fmt::format("submit {:#x} {:#x}", what.address, what.value);
    break;
  case step_kind::reset:
    out = "reset";
    break;
  }
  return what.note.empty() ? out : fmt::format("{:<44} # {}", out, what.note);
}

std::string to_string(const program& what) {
  std::string out = fmt::format("variant {}\nmodel {}\n", what.how->name, what.choice.text());
  for (const step& each : what.steps)
    out += to_string(each) + '\n';
  return out;
}

program parse_program(std::string_view text) {
  program out;
  std::istringstream lines{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::string note;
    if (const auto at = line.find('#'); at != std::string::npos) {
      note = line.substr(std::min(at + 2, line.size()));
      line.resize(at);
    }
    line_reader in(line, number);
    const std::string kind = in.word();
    if (kind.empty()) continue;
    if (kind == "variant") {
      const std::string name = in.word();
      out.how = find_variant(name);
      if (out.how == nullptr) in.fail(fmt::format("'{}', expected the name of a variant", name));
    } else if (kind == "model") {
      out.choice = parse_choice(in);
    } else {
      out.steps.push_back(parse_step(kind, in));
      out.steps.back().note = note;
    }
    if (const std::string rest = in.word(); !rest.empty())
      in.fail(fmt::format("'{}', expected nothing more", rest));
  }
  if (out.how == nullptr) throw std::invalid_argument("program: no variant, expected a line 'variant NAME'");
  return out;
}

} // namespace vtdsim::differential
