// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "conformance/naive_status.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

/// An invalidation under way: when it removes, and for whom it waits then.
struct naive_removal {
  naive_order what;
  std::uint64_t at = 0;
  std::vector<std::uint64_t> drained;
  // When the last of them was found gone.
  std::optional<std::uint64_t> gone{};
};

/// The invalidation queue of a naive clock: docs/microarchitecture.md, sections 5 (device-TLB descriptors)
/// and 6.
class naive_queue {
public:
  /// What an invalidation costs, and whether it has ended (it removes when it is due).
  naive_queue(const dmar::unit_config& config, naive_surroundings around,
              std::function<std::uint64_t(const naive_order&)> cost, std::function<bool(naive_removal&)> ends)
      : config_(config), around_(std::move(around)), cost_(std::move(cost)), ends_(std::move(ends)) {}

  /// They stand in the queue, and IQT is written at `time`.
  void submits(const std::vector<naive_descriptor>& what, std::uint64_t time) {
    queue_.insert(queue_.end(), what.begin(), what.end());
    tails_.emplace_back(first_edge_after(time), queue_.size());
  }
  /// IQT is written with a value beyond the end.
  void gets_wrong_tail(std::uint64_t time) { tails_.emplace_back(first_edge_after(time), beyond); }
  /// And with that of the last descriptor.
  void gets_good_tail(std::uint64_t time) { tails_.emplace_back(first_edge_after(time), queue_.size()); }
  [[nodiscard]] bool has_wrong_tail() const { return tail_ == beyond; }
  /// Another stands in its place.
  void mend(std::size_t index, const naive_descriptor& what) { queue_[index] = what; }
  [[nodiscard]] const naive_descriptor& at(std::size_t index) const { return queue_[index]; }
  [[nodiscard]] bool is_empty() const { return head_ == queue_.size(); }
  /// IQH, in descriptors since the beginning.
  [[nodiscard]] std::size_t head() const { return head_; }
  [[nodiscard]] bool at_rest() const {
    return is_empty() && tails_.empty() && tail_ == head_ && judged_.empty() && !executing_ && !device_ &&
           !status_ && open_.empty() && completions_.empty() && !errors.iqe && !errors.ite;
  }
  std::uint64_t base = 0;
  std::vector<naive_moment> descriptor_reads;
  /// `number`: the data.
  std::vector<naive_moment> status_writes;
  /// Requests to devices; `number`: the device, from bit 16 on how many pages, as a power of two, and from
  /// bit 32 on the ITag.
  std::vector<naive_moment> device_requests;
  /// Invalidation events.
  std::vector<std::uint64_t> messages;
  /// ICS.IWC; software clears it.
  bool iwc = false;
  naive_status errors;
  /// Cycles in which a device had enough to do.
  unsigned throttled = 0;
  unsigned wrong = 0;
  unsigned lost_status = 0;
  unsigned late = 0;
  unsigned unexpected = 0;
  unsigned dropped = 0;

  // C4.
  void step(std::uint64_t now) {
    now_ = now;
    while (!tails_.empty() && tails_.front().first <= now_) {
      tail_ = tails_.front().second;
      tails_.pop_front();
    }
    devices_complete();
    devices_are_late();
    if (status_ && status_->seen == now_) status_answered();
    if (fetch_ && fetch_->seen == now_) fetch_->decoded = now_ + config_.timing.descriptor_decode;
    if (fetch_ && fetch_->decoded == now_) {
      if (!fetch_->ok || queue_[head_].wrong) {
        stops();
      } else {
        judged_.push_back(head_++);
      }
      fetch_.reset();
    }
    while (nothing_executes() && begins_next()) {
    }
    if (fetch_ || head_ == tail_ || errors.iqe || errors.ite) return;
    // Without prefetch the next is fetched when nothing keeps it from beginning.
    const bool fenced = status_ && queue_[status_->index].fence;
    const bool room = config_.timing.queue_prefetch == 0
                          ? !executing_ && !device_ && judged_.empty() && !fenced
                          : judged_.size() < config_.timing.queue_prefetch;
    if (!room) return;
    if (tail_ == beyond) return stops();
    fetch_ = fetch{now_ + config_.timing.descriptor_fetch, false, true, never, never};
  }
  // E: since when it asks for the way to memory; behind all others when it just had it.
  [[nodiscard]] std::optional<std::uint64_t> asks(std::uint64_t now) const {
    std::uint64_t since = never;
    if (status_ && !status_->sent) since = std::min(since, status_->asks);
    if (fetch_ && !fetch_->sent) since = std::min(since, fetch_->asks);
    if (since > now) return {};
    return std::max(since, had_port_);
  }
  // The address of what takes it.
  std::optional<std::uint64_t> take_port(std::uint64_t now) {
    now_ = now;
    if (status_ && !status_->sent && status_->asks <= now_) {
      const naive_descriptor& what = queue_[status_->index];
      status_->sent = true;
      had_port_ = now_;
      status_->ok = !around_.queue_fails(what.address);
      status_->seen = first_edge_after(time() + around_.table_delay(what.address));
      status_writes.push_back({now_, what.data, what.address, {}});
      return what.address;
    }
    if (!fetch_ || fetch_->sent || fetch_->asks > now_) return {};
    const std::uint64_t address = base + 16 * (head_ % 256);
    fetch_->sent = true;
    had_port_ = now_;
    fetch_->ok = !around_.queue_fails(address);
    fetch_->seen = first_edge_after(time() + around_.table_delay(address));
    descriptor_reads.push_back({now_, 0, address, {}});
    return address;
  }

private:
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  static constexpr std::size_t beyond = ~std::size_t{0};
  struct status {
    std::size_t index = 0;
    std::uint64_t asks = 0;
    bool sent = false;
    bool ok = true;
    std::uint64_t seen = never;
  };
  struct fetch {
    std::uint64_t asks = 0;
    bool sent = false;
    bool ok = true;
    std::uint64_t seen = never;
    std::uint64_t decoded = never;
  };

  [[nodiscard]] std::uint64_t first_edge_after(std::uint64_t time) const { return time / around_.period + 1; }
  [[nodiscard]] std::uint64_t time() const { return now_ * around_.period; }

  void stops() {
    ++wrong;
    errors.set(errors.iqe, now_, config_.timing.event_message, true);
  }
  void status_answered() {
    if (status_->ok) {
      wait_ends(queue_[status_->index]);
    } else {
      ++lost_status;
      head_ = status_->index;
      judged_.clear();
      fetch_.reset();
      errors.set(errors.iqe, now_, config_.timing.event_message, true);
    }
    status_.reset();
  }
  void devices_complete() {
    for (auto each = completions_.begin(); each != completions_.end();) {
      if (each->deadline != now_) {
        ++each;
        continue;
      }
      const auto found = std::find_if(open_.begin(), open_.end(), [&](const owed& one) {
        return one.device == each->device && one.tag == each->tag;
      });
      if (found != open_.end()) {
        open_.erase(found);
      } else {
        ++unexpected;
        errors.set(errors.ice, now_, config_.timing.event_message, true);
      }
      each = completions_.erase(each);
    }
  }
  void devices_are_late() {
    const auto count = std::erase_if(open_, [&](const owed& each) { return each.deadline == now_; });
    if (count == 0) return;
    late += static_cast<unsigned>(count);
    errors.set(errors.ite, now_, config_.timing.event_message, true);
    dropped += static_cast<unsigned>(std::erase_if(
        judged_, [&](std::size_t index) { return queue_[index].kind == naive_descriptor::what::wait; }));
    fetch_.reset();
  }
  // In this cycle, or not any more.
  bool nothing_executes() {
    if (executing_ && !ends_(*executing_)) return false;
    executing_.reset();
    if (!device_) return true;
    const naive_descriptor& it = queue_[device_->first];
    if (device_->second > now_) return false;
    const auto mine =
        std::count_if(open_.begin(), open_.end(), [&](const owed& each) { return each.device == it.device; });
    if (open_.size() == 32 || mine >= static_cast<std::ptrdiff_t>(it.max_pending)) {
      ++throttled;
      return false;
    }
    const std::uint64_t first = it.address >> (12 + it.address_mask) << (12 + it.address_mask);
    unsigned tag = 0;
    while (std::any_of(open_.begin(), open_.end(), [&](const owed& each) { return each.tag == tag; }))
      ++tag;
    for (const std::uint64_t delay : around_.completions(device_requests.size()))
      completions_.push_back({it.device, tag, first_edge_after(time() + delay)});
    open_.push_back({it.device, tag, now_ + config_.timing.device_timeout});
    device_requests.push_back(
        {now_, it.device + (std::uint64_t{it.address_mask} << 16) + (std::uint64_t{tag} << 32), first, {}});
    device_.reset();
    return true;
  }
  bool begins_next() {
    if (judged_.empty()) return false;
    const std::size_t index = judged_.front();
    const naive_descriptor& next = queue_[index];
    const bool waits = next.kind == naive_descriptor::what::wait;
    // A wait waits for the one before it and for all devices; behind a fence everything waits.
    if (status_ && (waits || queue_[status_->index].fence)) return false;
    if (waits && !open_.empty()) return false;
    judged_.pop_front();
    if (next.kind == naive_descriptor::what::removal) {
      executing_ = naive_removal{next.removes, now_ + cost_(next.removes), {}};
    } else if (!waits) {
      device_.emplace(index, now_ + config_.timing.device_invalidation);
    } else if (next.writes_status) {
      status_ = status{index, now_ + config_.timing.status_write, false, true, never};
    } else {
      wait_ends(next);
    }
    return true;
  }
  void wait_ends(const naive_descriptor& what) {
    if (!what.interrupt || iwc) return;
    iwc = true;
    // A message that has not gone yet tells of this event, too.
    if (messages.empty() || messages.back() < now_) messages.push_back(now_ + config_.timing.event_message);
  }

  const dmar::unit_config& config_;
  naive_surroundings around_;
  std::function<std::uint64_t(const naive_order&)> cost_;
  std::function<bool(naive_removal&)> ends_;
  std::uint64_t now_ = 0;
  std::uint64_t had_port_ = 0;
  std::vector<naive_descriptor> queue_;
  // When a tail is seen, and which.
  std::deque<std::pair<std::uint64_t, std::size_t>> tails_;
  std::size_t tail_ = 0;
  std::size_t head_ = 0;
  std::optional<fetch> fetch_;
  std::deque<std::size_t> judged_;
  std::optional<naive_removal> executing_;
  // A device-TLB descriptor in execution, and when its request may leave.
  std::optional<std::pair<std::size_t, std::uint64_t>> device_;
  // A request that is open, and when it is late; or a completion, and when it is seen.
  struct owed {
    std::uint16_t device = 0;
    unsigned tag = 0;
    std::uint64_t deadline = 0;
  };
  std::vector<owed> open_;
  std::vector<owed> completions_;
  std::optional<status> status_;
};

} // namespace vtd::test
