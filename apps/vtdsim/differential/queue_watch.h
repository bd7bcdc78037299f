// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/model_machine.h"

#include "vtd/spec/invalidation.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace vtdsim::differential {

/// What our unit's invalidation queue did in one step of a program.
struct queue_step {
  /// A descriptor, and its offset into the queue.
  struct item {
    std::uint64_t place = 0;
    vtd::spec::invalidation_descriptor what{};
  };
  /// IQH went past these.
  std::vector<item> done;
  /// IQH stands at this one, and FSTS.IQE is set.
  std::optional<item> refused;
  /// Before the step it was empty, and what it looked at last was a wait: it may be switched off
  /// (VT-d 10.4.4).
  bool was_quiet = false;
};

/// Watches the registers of our unit and what is in memory, and shares no code with the unit's queue.
class queue_watch {
public:
  explicit queue_watch(const model_machine& model) : model_(model) {}

  /// A step begins, and has ended. Nothing is noted of the descriptor of a step that moved no queue.
  void begin();
  [[nodiscard]] std::optional<queue_step> end();
  /// The machine was reset.
  void clear() { *this = queue_watch(model_); }

  [[nodiscard]] bool is_on() const;
  /// Where the queue lay when it was enabled last; 0: never since the reset.
  [[nodiscard]] std::uint64_t enabled_at() const { return enabled_at_; }
  /// Before the step there was something to fetch, and FSTS.IQE held it back.
  [[nodiscard]] bool was_stuck() const { return on_ && failed_ && head_ != tail_; }

private:
  [[nodiscard]] bool has_failed() const;
  [[nodiscard]] std::uint64_t head() const;
  [[nodiscard]] std::uint64_t tail() const;
  [[nodiscard]] queue_step::item item_at(std::uint64_t place) const;

  std::reference_wrapper<const model_machine> model_;
  // Before the step.
  bool on_ = false;
  bool failed_ = false;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t enabled_at_ = 0;
  // It was looked at last, whether it was valid or not.
  bool last_is_wait_ = false;
};

/// Software's side of the queue: where the next descriptor goes.
class queue_writer {
public:
  /// Writes a descriptor behind the last one, by `store(address, word)`, if there is memory for queues.
  void append(const model_machine& model, const vtd::spec::invalidation_descriptor& what,
              const std::function<void(std::uint64_t, std::uint64_t)>& store);
  /// Software wrote IQT itself, or the machine was reset.
  void follow(const model_machine& model);
  [[nodiscard]] std::uint64_t tail() const { return tail_; }

private:
  std::uint64_t tail_ = 0;
};

} // namespace vtdsim::differential
