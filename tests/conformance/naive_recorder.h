// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "conformance/naive_status.h"
#include "support/fake_memory.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

/// When faults are recorded, in FRCD or in the log, and when the fault event tells of them: written from
/// docs/microarchitecture.md, sections 3 to 5, and docs/dmar.md ("Advanced fault log").
class naive_recorder {
public:
  naive_recorder(const dmar::unit_config& config, naive_surroundings around, const fake_memory& memory,
                 naive_status& status)
      : full(config.caps.cap.nfr() + 1U), config_(config), around_(std::move(around)), memory_(memory),
        status_(status), sources_(full.size()) {}

  /// A request was decided against; its record is due at `due`.
  void blocked(std::uint64_t due, std::uint16_t source, std::uint64_t address) {
    const auto later = [](std::uint64_t a, const fault& b) { return a < b.due; };
    waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), due, later), {due, source, address});
  }

  // C2.
  void step(std::uint64_t now) {
    now_ = now;
    if (access_ && access_->seen == now_) {
      if (access_->writes) {
        ended(access_->of, true);
        if (access_->counts) next_in_log_ = next_in_log_ + 1 == log_records ? 0 : next_in_log_ + 1;
        access_.reset();
        raise(status_.apf);
      } else if (access_->pending) {
        // Software has not taken it.
        ended(access_->of, false);
        access_.reset();
        raise(status_.afo);
      } else {
        access_->writes = true;
        access_->asked = now_;
        access_->sent = false;
        access_->seen = never;
      }
    }
    while (!access_ && !waiting_.empty() && waiting_.front().due <= now_) {
      const fault next = waiting_.front();
      waiting_.pop_front();
      if (!logs) {
        record(next);
      } else if (status_.afo) {
        ended(next, false);
      } else {
        access_ = access{next, 0, false, now_};
      }
    }
  }
  // E: since when it asks for the way to memory.
  [[nodiscard]] std::optional<std::uint64_t> asks() const {
    if (!access_ || access_->sent) return {};
    return access_->asked;
  }
  /// It has the way; the address.
  std::uint64_t take_port(std::uint64_t now) {
    now_ = now;
    access_->sent = true;
    // Its place is the one that comes next as the read leaves.
    if (!access_->writes) {
      access_->address = log_base + 16 * next_in_log_;
      access_->counts = true;
    }
    access_->pending = (memory_.load(access_->address + 8) >> 32 & 0xff) != 0;
    access_->seen = (now * around_.period + around_.table_delay(access_->address)) / around_.period + 1;
    (access_->writes ? log_writes : log_reads).push_back({now, 0, access_->address, {}});
    return access_->address;
  }

  // Software, between two edges.
  void clear_record(std::size_t index) {
    full[index] = false;
    status_.ppf = std::any_of(full.begin(), full.end(), [](bool each) { return each; });
  }
  // C3.
  void log_begins() {
    next_in_log_ = 0;
    if (access_) access_->counts = false;
  }
  void log_switched(bool on) {
    logs = on;
    if (!on) log_begins();
  }
  void translation_is_off() { next_ = 0; }

  [[nodiscard]] bool at_rest() const { return waiting_.empty() && !access_; }
  /// FRI.
  [[nodiscard]] std::size_t first() const { return first_; }

  static constexpr std::uint64_t log_base = 0xd00000;
  static constexpr std::uint64_t log_records = 256;
  /// `number`: the source-id.
  std::vector<naive_moment> ended_faults;
  std::vector<naive_moment> log_reads;
  std::vector<naive_moment> log_writes;
  bool logs = false;
  /// F of every record.
  std::vector<bool> full;
  unsigned lost = 0;

private:
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  struct fault {
    std::uint64_t due = 0;
    std::uint16_t source = 0;
    std::uint64_t address = 0;
  };
  struct access {
    fault of;
    std::uint64_t address = 0;
    bool writes = false;
    std::uint64_t asked = 0;
    bool sent = false;
    std::uint64_t seen = never;
    // FR of what was read there.
    bool pending = false;
    // The next record goes behind it: not if the log began anew meanwhile.
    bool counts = true;
  };

  void ended(const fault& what, bool recorded) {
    if (!recorded) ++lost;
    ended_faults.push_back({now_, what.source, what.address, dmar::completion::blocked});
  }
  // Before the messages of this cycle leave.
  void raise(bool& bit) { status_.set(bit, now_, config_.timing.event_message, false); }
  void record(const fault& what) {
    const auto same = [&] {
      for (std::size_t i = 0; i < full.size(); ++i) {
        if (full[i] && sources_[i] == what.source) return true;
      }
      return false;
    };
    if (status_.pfo || (config_.compress_faults && same())) return ended(what, false);
    if (full[next_]) {
      status_.pfo = true;
      return ended(what, false);
    }
    full[next_] = true;
    sources_[next_] = what.source;
    const std::size_t place = next_;
    next_ = next_ + 1 == full.size() ? 0 : next_ + 1;
    ended(what, true);
    if (status_.ppf) return;
    first_ = place;
    raise(status_.ppf);
  }

  const dmar::unit_config& config_;
  naive_surroundings around_;
  const fake_memory& memory_;
  naive_status& status_;
  std::uint64_t now_ = 0;
  std::deque<fault> waiting_;
  std::optional<access> access_;
  std::uint64_t next_in_log_ = 0;
  std::vector<std::uint16_t> sources_;
  std::size_t next_ = 0;
  std::size_t first_ = 0;
};

} // namespace vtd::test
