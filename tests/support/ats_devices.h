// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/address.h"
#include "vtd/spec/ats.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

/// The device-TLBs of all devices of a world, as simple as can be: they keep every translation until they are
/// told to forget it, throw away an answer of which an invalidation overtook any address, and complete an
/// invalidation when what used older translations has come back (PCIe ATS).
class ats_devices {
public:
  struct translation {
    spec::source_id who{};
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t host = 0;
    bool read = false;
    bool write = false;
  };

  /// A translation request leaves.
  void asked(std::uint64_t id, spec::source_id who, std::uint64_t address) {
    questions_[id] = {who, spec::page_base(address), {}};
  }
  void answered(std::uint64_t id, spec::ats::translation with) {
    const question asked = questions_[id];
    if (!with.granted() || with.untranslated_only()) return;
    const std::uint64_t inside = spec::low_bits(with.page_mask() + spec::page_shift);
    // Old, in part at least: not kept.
    if (std::any_of(asked.invalidated.begin(), asked.invalidated.end(), [&](const auto& range) {
          return (asked.address & ~inside) <= range.second && range.first <= (asked.address | inside);
        }))
      return;
    kept_.push_back({asked.who, asked.address & ~inside, asked.address | inside, with.address() & ~inside,
                     with.read(), with.write()});
  }
  /// What the device may use, with the host address of `address`.
  [[nodiscard]] std::optional<std::uint64_t> find(spec::source_id who, std::uint64_t address,
                                                  bool write) const {
    for (const translation& each : kept_) {
      if (each.who != who || address < each.first || address > each.last) continue;
      if (write ? each.write : each.read) return each.host + (address - each.first);
    }
    return {};
  }
  /// A translated request leaves.
  void used(std::uint64_t id, spec::source_id who) { flights_[id] = who; }
  /// A request ended, of whichever kind.
  void ended(std::uint64_t id) {
    questions_.erase(id);
    flights_.erase(id);
  }

  void invalidate(const spec::ats::invalidation_request& order) {
    const auto meets = [&](spec::source_id who, std::uint64_t first, std::uint64_t last) {
      return who == order.device && first <= order.what.last() && order.what.first() <= last;
    };
    std::erase_if(kept_, [&](const translation& each) { return meets(each.who, each.first, each.last); });
    for (auto& [id, each] : questions_) {
      if (each.who == order.device) each.invalidated.emplace_back(order.what.first(), order.what.last());
    }
    open_.push_back({order, flights_});
  }
  /// Those invalidations that nothing holds up any more; they are complete then.
  [[nodiscard]] std::vector<spec::ats::invalidation_completion> take_completed() {
    std::vector<spec::ats::invalidation_completion> out;
    std::erase_if(open_, [&](const open_order& each) {
      const bool waits = std::any_of(each.before.begin(), each.before.end(), [&](const auto& flight) {
        return flight.second == each.order.device && flights_.contains(flight.first);
      });
      if (!waits) out.push_back({each.order.device, std::uint32_t{1} << each.order.tag, 1});
      return !waits;
    });
    return out;
  }

  /// The link went down: nothing is kept, nothing under way.
  void reset() { *this = {}; }

private:
  struct question {
    spec::source_id who{};
    std::uint64_t address = 0;
    /// What was invalidated since it was asked, both ends inclusive.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> invalidated;
  };
  using flights = std::map<std::uint64_t, spec::source_id>;
  struct open_order {
    spec::ats::invalidation_request order{};
    /// The translated requests that were out when it came.
    flights before;
  };

  std::vector<translation> kept_;
  std::map<std::uint64_t, question> questions_;
  flights flights_;
  std::vector<open_order> open_;
};

} // namespace vtd::test
