// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/finding.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace vtd::check {
namespace {

constexpr std::array<rule, 4> all_rules{{
    {"device-tlb.stale", severity::error,
     "a device used a translation that the driver had taken back everywhere but in the device",
     "after the IOTLB, invalidate the range in the device-TLB of every device of the domain that has ATS on, "
     "and "
     "wait for it, before the page is used for anything else",
     "6.5.2.5"},
    {"entry.torn", severity::error,
     "the hardware read the two halves of a table entry from two versions of it",
     "clear P and invalidate the context cache before anything else of a present entry changes, and set P "
     "last; "
     "or change all 16 bytes by one store",
     "9.3"},
    {"visibility.cache-line", severity::error,
     "the hardware read a table entry from memory while the CPU cache held a newer one",
     "flush the cache line of an entry after every change to it, before the hardware may use it (ECAP.C = 0)",
     "10.4.3"},
    {"visibility.write-buffer", severity::error,
     "the hardware read a table entry from memory while the chipset's write buffer held a newer one",
     "order a write-buffer flush (GCMD.WBF) after changing table entries (CAP.RWBF = 1, or a chipset that "
     "needs "
     "it without saying so)",
     "6.8"},
}};

std::string time_text(engine::cycle when, const engine::clock* timebase) {
  std::string text = "cycle " + std::to_string(when);
  if (timebase != nullptr) {
    constexpr double picoseconds_per_nanosecond = 1000.0;
    std::array<char, 48> buffer{};
    const double ns = static_cast<double>(timebase->time_of(when)) / picoseconds_per_nanosecond;
    std::snprintf(buffer.data(), buffer.size(), " (%.3f ns)", ns);
    text += buffer.data();
  }
  return text;
}

void put_line(std::string& out, std::string_view key, std::string_view value) {
  constexpr std::size_t key_width = 14;
  out += "    ";
  out += key;
  out.append(key.size() < key_width ? key_width - key.size() : 1, ' ');
  out += value;
  out += '\n';
}

std::string plural(std::uint64_t n, std::string_view noun) {
  std::string text = std::to_string(n) + ' ';
  text += noun;
  if (n != 1) text += 's';
  return text;
}

} // namespace

std::string_view to_string(severity s) {
  switch (s) {
  case severity::note:
    return "note";
  case severity::warning:
    return "warning";
  case severity::error:
    return "error";
  }
  return "?";
}

std::span<const rule> rules() { return all_rules; }

const rule* find_rule(std::string_view id) {
  for (const rule& r : all_rules) {
    if (r.id == id) return &r;
  }
  return nullptr;
}

std::string_view finding::find(std::string_view detail_key) const {
  for (const detail& d : details) {
    if (d.key == detail_key) return d.value;
  }
  return {};
}

bool finding_log::repeat(const finding_key& key, engine::cycle when) {
  const auto known = index_.find(key);
  if (known == index_.end()) {
    if (!full()) return false;
    ++dropped_;
    return true;
  }
  finding& f = findings_[known->second];
  ++f.count;
  f.first = std::min(f.first, when);
  f.last = std::max(f.last, when);
  return true;
}

void finding_log::report(finding found) {
  if (const auto known = index_.find(found.key); known != index_.end()) {
    finding& f = findings_[known->second];
    f.count += found.count;
    f.first = std::min(f.first, found.first);
    f.last = std::max(f.last, found.last);
    return;
  }
  if (full()) {
    dropped_ += found.count;
    return;
  }
  index_.emplace(found.key, findings_.size());
  findings_.push_back(std::move(found));
}

std::uint64_t finding_log::count(std::string_view rule_id) const {
  std::uint64_t sum = 0;
  for (const finding& f : findings_) {
    if (f.key.rule == rule_id) sum += f.count;
  }
  return sum;
}

void finding_log::clear() {
  findings_.clear();
  index_.clear();
  dropped_ = 0;
}

std::string render(const finding& f, const engine::clock* timebase) {
  std::string out(to_string(f.level));
  out += ' ' + f.key.rule + ": " + f.text + '\n';
  if (!f.key.unit.empty()) put_line(out, "unit", f.key.unit);
  for (const detail& d : f.details) {
    put_line(out, d.key, d.value);
  }
  if (f.count == 1) {
    put_line(out, "when", time_text(f.first, timebase));
  } else {
    put_line(out, "when",
             std::to_string(f.count) + " times, from " + time_text(f.first, timebase) + " to " +
                 time_text(f.last, timebase));
  }
  return out;
}

std::string render(const finding_log& log, const engine::clock* timebase) {
  if (log.empty()) return "no findings\n";
  std::string out;
  std::uint64_t cases = 0;
  for (const finding& f : log.findings()) {
    out += render(f, timebase);
    cases += f.count;
  }
  out += plural(log.size(), "finding") + ", " + plural(cases, "case");
  if (log.dropped() != 0) out += "; " + plural(log.dropped(), "more report") + " dropped, the log is full";
  out += '\n';
  return out;
}

} // namespace vtd::check
