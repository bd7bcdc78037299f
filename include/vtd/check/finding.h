// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::check {

/// How bad a finding is.
enum class severity : std::uint8_t {
  note,    ///< legal, but worth knowing
  warning, ///< works here by luck: legal hardware may behave otherwise
  error    ///< the hardware worked with something else than the driver meant
};
/// "note", "warning" or "error".
[[nodiscard]] std::string_view to_string(severity s);

/// What a rule of the checker is about. Rules are listed in `rules()`; their ids are stable names that
/// scripts may rely on: "GROUP.WHAT".
struct rule {
  std::string_view id;
  severity level;
  /// What was found, without the particulars.
  std::string_view title;
  /// What the driver has to do.
  std::string_view advice;
  /// Where the VT-d specification (rev 3.x numbering) says so.
  std::string_view section;
};
/// All rules, sorted by id.
[[nodiscard]] std::span<const rule> rules();
/// The rule of that id, or nullptr.
[[nodiscard]] const rule* find_rule(std::string_view id);

/// What makes two findings the same one: the rule, the unit, the thing in question (an address, a source-id,
/// a domain: the rule decides) and a number that changes when the circumstances do. They are counted, not
/// repeated.
struct finding_key {
  std::string rule;
  std::string unit;
  std::uint64_t subject = 0;
  std::uint64_t variant = 0;
  auto operator<=>(const finding_key&) const = default;
};

/// One particular of a finding, ready to print.
struct detail {
  std::string key;
  std::string value;
};

/// Something the checker has to say about the driver.
struct finding {
  finding_key key;
  severity level = severity::error;
  /// One line, complete in itself.
  std::string text;
  /// The particulars, in the order in which they are to be read. With count > 1: of the first time.
  std::vector<detail> details;
  /// First and last time it happened (cycles of the wheel), and how often.
  engine::cycle first = 0;
  engine::cycle last = 0;
  std::uint64_t count = 1;

  [[nodiscard]] const std::string& rule() const { return key.rule; }
  [[nodiscard]] const std::string& unit() const { return key.unit; }
  /// The value of a particular, or "" when there is none of that key.
  [[nodiscard]] std::string_view find(std::string_view detail_key) const;
};

/// Where rules report to.
struct finding_sink {
  finding_sink() = default;
  finding_sink(const finding_sink&) = delete;
  finding_sink& operator=(const finding_sink&) = delete;
  virtual ~finding_sink() = default;
  /// Counts another case of a finding that was reported before, or one for which there is no room. False: it
  /// is wanted, so make it and report it. Rules ask this first: a device that runs into one mistake a million
  /// times must not cost a million texts.
  virtual bool repeat(const finding_key& key, engine::cycle when) = 0;
  /// Takes a new finding; one with a known key is merged into it.
  virtual void report(finding found) = 0;
};

/// Keeps findings in the order in which each was first reported. Bounded: what comes when it is full is
/// counted and dropped.
class finding_log final : public finding_sink {
public:
  explicit finding_log(std::size_t capacity = 1000) : capacity_(capacity) {}

  bool repeat(const finding_key& key, engine::cycle when) override;
  void report(finding found) override;

  /// Different findings, oldest first.
  [[nodiscard]] const std::deque<finding>& findings() const { return findings_; }
  [[nodiscard]] bool empty() const { return findings_.empty() && dropped_ == 0; }
  [[nodiscard]] std::size_t size() const { return findings_.size(); }
  /// How often a rule fired, repetitions included.
  [[nodiscard]] std::uint64_t count(std::string_view rule_id) const;
  /// Reports of findings that found no room; a repeated one counts each time.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  void clear();

private:
  [[nodiscard]] bool full() const { return findings_.size() >= capacity_; }

  std::size_t capacity_;
  std::deque<finding> findings_;
  std::map<finding_key, std::size_t> index_;
  std::uint64_t dropped_ = 0;
};

/// A finding as text: a headline, then one indented line per particular. Times in cycles, or in nanoseconds
/// too when `timebase` is given.
[[nodiscard]] std::string render(const finding& f, const engine::clock* timebase = nullptr);
/// All findings and a last line with the sums; "no findings" when there are none.
[[nodiscard]] std::string render(const finding_log& log, const engine::clock* timebase = nullptr);

} // namespace vtd::check
