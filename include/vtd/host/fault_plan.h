// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace vtd::host {

/// What an access on the way to memory (or to registers) is for.
enum class access_class : std::uint8_t {
  table_read,   ///< a root, context or paging entry (VT-d 3.4, 3.7)
  queue_fetch,  ///< an invalidation descriptor (VT-d 6.5.2)
  status_write, ///< the status data of an invalidation wait (VT-d 6.5.2.8)
  read,         ///< any other read: a device's data, a register
  write         ///< any other write
};
inline constexpr std::size_t access_class_count = 5;

/// A set of access classes.
class access_classes {
public:
  constexpr access_classes() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a class is the set of itself
  constexpr access_classes(access_class one) : bits_(1U << static_cast<unsigned>(one)) {}
  [[nodiscard]] static constexpr access_classes all() {
    return access_classes(access_class::table_read) | access_class::queue_fetch | access_class::status_write |
           access_class::read | access_class::write;
  }
  [[nodiscard]] constexpr bool contains(access_class one) const {
    return (bits_ >> static_cast<unsigned>(one) & 1U) != 0;
  }
  friend constexpr access_classes operator|(access_classes a, access_classes b) {
    access_classes out;
    out.bits_ = a.bits_ | b.bits_;
    return out;
  }
  friend constexpr bool operator==(access_classes, access_classes) = default;

private:
  unsigned bits_ = 0;
};

constexpr access_classes operator|(access_class a, access_class b) { return access_classes(a) | b; }

/// What happens to an access that a rule hits.
enum class fault_effect : std::uint8_t {
  error,    ///< answered with an error; a write changes nothing
  latency,  ///< answered later, by `fault_rule::span`
  withhold, ///< done, but the answer is kept back until `fault_rule::span` after the access; `never`: for
            ///< good
  all_ones  ///< nobody is there: a read gives ones, a write is lost, and no error says so
};

[[nodiscard]] std::string_view to_string(access_class what);
[[nodiscard]] std::string_view to_string(fault_effect what);

/// Which accesses are hit, and by what.
struct fault_rule {
  static constexpr std::uint64_t unlimited = ~std::uint64_t{0};
  static constexpr std::uint32_t always = 1'000'000;

  fault_effect effect = fault_effect::error;
  access_classes of = access_classes::all();
  /// Addresses; an access that touches one of them counts. `last` is inclusive.
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  /// Times of the access, in picoseconds; from `from` on, up to but not with `until`.
  engine::picoseconds from = 0;
  engine::picoseconds until = engine::never;
  /// Accesses that count are let pass so many times before the first is hit.
  std::uint64_t skip = 0;
  /// At most so many are hit.
  std::uint64_t count = unlimited;
  /// Of those that are left, so many in a million are hit, at random.
  std::uint32_t per_million = always;
  /// `latency`, `withhold`: for how long, in picoseconds. `error`, `all_ones`: when the answer comes, if
  /// nobody is asked who could say.
  engine::picoseconds span = 0;
};

/// One access as a plan sees it.
struct fault_access {
  access_class what = access_class::read;
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  engine::picoseconds when = 0;
};

/// What is to happen to one access.
struct fault_decision {
  bool error = false;
  bool all_ones = false;
  bool withheld_for_good = false;
  /// By how much the answer comes later: the sum of all rules that hit.
  engine::picoseconds later = 0;
  /// The answer comes at this time at the earliest.
  engine::picoseconds not_before = 0;
  /// Of an answer that comes without anybody having been asked.
  engine::picoseconds answer_after = 0;

  [[nodiscard]] bool harmless() const {
    return !error && !all_ones && !withheld_for_good && later == 0 && not_before == 0;
  }
  friend bool operator==(const fault_decision&, const fault_decision&) = default;
};

/// Faults that come from outside the model, decided access by access: memory that errs, answers late or
/// never, a unit that is gone. Each rule counts for itself and draws from a generator of its own, made of the
/// seed and the rule's number: equal accesses with an equal seed give equal faults, and a further rule
/// changes nothing for those before it.
class fault_plan {
public:
  explicit fault_plan(std::uint64_t seed = 1) : seed_(seed) {}

  /// Adds a rule and returns its number. Throws std::invalid_argument for a rule that can hit nothing
  /// (reversed ranges, no class) or whose `per_million` is above a million.
  std::size_t add(const fault_rule& rule);
  /// Forgets all rules.
  void clear() { rules_.clear(); }

  [[nodiscard]] fault_decision decide(const fault_access& access) {
    return rules_.empty() ? fault_decision{} : decide_by_rules(access);
  }

  /// Could an access of one of these classes to [first, last] still be hit, now or later?
  [[nodiscard]] bool threatens(access_classes of, std::uint64_t first, std::uint64_t last) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] std::size_t size() const { return rules_.size(); }
  [[nodiscard]] const fault_rule& rule(std::size_t number) const { return rules_.at(number).what; }
  /// How many accesses a rule has hit.
  [[nodiscard]] std::uint64_t hits(std::size_t number) const { return rules_.at(number).hits; }

private:
  struct state {
    fault_rule what;
    std::uint64_t matches = 0;
    std::uint64_t hits = 0;
  };
  [[nodiscard]] fault_decision decide_by_rules(const fault_access& access);
  [[nodiscard]] bool draw(std::size_t number, const state& s) const;

  std::uint64_t seed_;
  std::vector<state> rules_;
};

} // namespace vtd::host
