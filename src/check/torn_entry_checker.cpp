// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/torn_entry_checker.h"

#include "vtd/check/entry_text.h"
#include "vtd/host/line.h"
#include "vtd/spec/address.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace vtd::check {

using remap::entry_part;
using remap::table_words;

namespace {
constexpr std::uint64_t half = sizeof(std::uint64_t);
}

torn_entry_checker::reading torn_entry_checker::reading_of(const remap::table_read& read) {
  return {std::string(read.unit), read.entry_address(), read.source.value(),
          spec::page_number(read.input_address)};
}

std::uint64_t torn_entry_checker::word(std::uint64_t address, bool coherent) const {
  std::array<std::byte, half> raw{};
  if (coherent) {
    (void)path_.debug_read(address, raw);
  } else {
    (void)path_.memory().read(address, raw);
  }
  return host::number_from<std::uint64_t>(std::span<const std::byte, half>(raw));
}

void torn_entry_checker::on_first_beat(const remap::table_read& read, bool coherent) {
  upper_halves_[reading_of(read)] = word(read.entry_address() + half, coherent);
}

void torn_entry_checker::on_table_read(const remap::table_read& read, bool coherent) {
  if (read.part == entry_part::whole) return;
  const auto begun = upper_halves_.find(reading_of(read));
  if (begun == upper_halves_.end()) return;
  if (read.part == entry_part::lower_half) {
    // There will be no second beat.
    if (read.failed) upper_halves_.erase(begun);
    return;
  }
  table_words before = read.seen;
  before.words[1] = begun->second;
  upper_halves_.erase(begun);
  if (read.failed || read.overtaken) return;
  const table_words now{{word(read.entry_address(), coherent), word(read.entry_address() + half, coherent)}};
  if (now.lo() == read.seen.lo() || before.hi() == read.seen.hi()) return;
  if (!entry_present(read.kind, read.seen)) return;
  ++torn_;
  report(read, before, now);
}

void torn_entry_checker::report(const remap::table_read& read, const table_words& before,
                                const table_words& now) {
  const rule& broken = *find_rule("entry.torn");
  finding f;
  f.key = {std::string(broken.id), std::string(read.unit), read.entry_address(),
           read.seen.lo() ^ (read.seen.hi() << 1)};
  if (sink_.repeat(f.key, read.when)) return;

  const std::string name = entry_name(read);
  const std::string saw = entry_text(read.kind, read.level, read.seen);
  f.level = broken.level;
  f.first = read.when;
  f.last = read.when;
  f.text = name + ": saw " + saw +
           ", its halves of two versions; forgotten: P cleared, and the context cache " +
           "invalidated, before the rest changed";
  const auto add = [&f](std::string_view key, std::string value) {
    f.details.push_back({std::string(key), std::move(value)});
  };
  add("entry", name);
  add("entry address", hex(read.entry_address()));
  add("line", hex(host::line_base(read.entry_address())));
  add("request", "from " + to_string(read.source) + ", input address " + hex(read.input_address));
  add("lower half", hex(read.seen.lo()) + ", of: " + entry_text(read.kind, read.level, before));
  add("upper half", hex(read.seen.hi()) + ", after it changed from " + hex(before.hi()));
  add("hardware saw", saw);
  add("driver wrote", entry_text(read.kind, read.level, now));
  add("remedy", std::string(broken.advice) + ", VT-d " + std::string(broken.section));
  sink_.report(std::move(f));
}

} // namespace vtd::check
