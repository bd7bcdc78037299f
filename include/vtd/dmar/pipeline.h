// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/memory_client.h"
#include "vtd/dmar/observer.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/statistics.h"
#include "vtd/dmar/unit_state.h"
#include "vtd/engine/archive.h"
#include "vtd/engine/delay_line.h"
#include "vtd/remap/translator.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::dmar {

/// The way of a request through one unit, cycle by cycle: admission, look-up, walk, forward, response. The
/// steps of one cycle and their order are those of docs/microarchitecture.md, section 3; one member function
/// each.
class pipeline {
public:
  pipeline(const unit_config& config, const engine::clock& timebase, remap::translator& translator,
           const unit_state& state, fault_sink& faults, unit_ports& ports);

  // From outside, between two steps; `seen` is the edge at which the unit sees it.

  /// A request stands at a port. False: another one stands there already, and nothing happened.
  bool offer(unsigned port, const request& what, engine::cycle seen);
  void table_answered(unsigned walker, bool ok, const remap::table_words& words, engine::cycle seen);
  void answered(unsigned slot, bool ok, engine::cycle seen);
  void memory_port_free(engine::cycle seen) {
    memory_port_at_ = std::max(seen, memory_interval_end_);
    tell_port(false, memory_port_at_);
  }
  /// `who` takes one turn on the way to memory, behind table reads and before
  /// requests; in the order of asking.
  void want_port(memory_client& who);
  /// It does not want it any more.
  void leave_port(memory_client& who);
  /// The initiator took the response of its port. False: none is owed, and nothing happened.
  bool response_taken(unsigned port, engine::cycle seen);

  // The steps of cycle `now`. Between the two halves the other parts of the unit take theirs.

  /// A to C1: look-ups, walks, fills.
  void look_and_fill(engine::cycle now);
  /// D to F: admission, grants, answers and responses. Returns the next cycle with work if nothing more
  /// arrives, or `never`.
  [[nodiscard]] engine::cycle admit_and_respond(engine::cycle now);

  // For invalidations: walks in flight that must not keep what they read.
  void poison_all();
  void poison_domain(std::uint16_t domain);
  void poison_source(spec::source_id source, std::uint16_t ignored);

  /// A number greater than that of every request admitted so far.
  [[nodiscard]] std::uint64_t admission_mark() const { return next_sequence_; }
  /// Are all requests admitted before `mark` gone (the reads, the writes, as asked)?
  [[nodiscard]] bool drained(std::uint64_t mark, bool reads, bool writes) const;
  [[nodiscard]] bool idle() const { return busy_slots_ == 0 && suspended_.empty(); }

  // Loosely-timed requests: they pass at once, but stay in flight while what is downstream waits.

  /// What such a request keeps from its admission to its end, as a slot does.
  struct admission {
    std::uint64_t sequence = 0;
    /// TE at the admission.
    bool enabled = false;
  };
  /// Registers such a request; what is returned is given to `pass` with each of its pieces, and to `leave`.
  admission enter(bool write) {
    suspended_.emplace_back(next_sequence_, write);
    return {next_sequence_++, state_.translation_enabled};
  }
  /// False: a reset has ended the request. None of its pieces may pass any more.
  [[nodiscard]] bool inside(const admission& which) const {
    return std::any_of(suspended_.begin(), suspended_.end(),
                       [&](const auto& one) { return one.first == which.sequence; });
  }
  /// False: a reset has ended the request while it was inside, so it failed, whatever memory answered.
  bool leave(const admission& which) {
    // Nearly always nobody else is inside; after a reset nobody at all.
    if (suspended_.empty() || suspended_.back().first != which.sequence) [[unlikely]]
      return leave_early(which.sequence);
    suspended_.pop_back();
    return true;
  }

  /// What happens to one page's worth of a request that passes at once.
  struct passage {
    /// Where it leads; from `blocked` on it ends here. `aborted`: as `completion::aborted`, or a reset came
    /// while memory waited.
    enum class way : std::uint8_t { memory, interrupt, blocked, aborted, answered } leads = way::blocked;
    /// Host physical address; `answered`: the word of `spec::ats::translation`.
    std::uint64_t address = 0;
    /// Cycles until it leaves the unit, not counting the wait for the first edge.
    engine::cycle cycles = 0;
    bool read_tables = false;
    /// As `forwarded::no_snoop`.
    bool no_snoop = false;
  };
  /// `enabled`: as at the admission of the request.
  passage pass(const request& piece, bool enabled, remap::memory_port& memory, engine::cycle now);

  /// Null: nobody watches.
  void set_observer(unit_observer* observer) { observer_ = observer; }

  /// From now on evicted pages are withdrawn: somebody holds direct pointers.
  void direct_was_given() { direct_given_ = true; }

  /// Where the piece would go, with no effect; nothing: it would be blocked, or is a translation request.
  [[nodiscard]] std::optional<std::uint64_t> probe(const request& piece, remap::memory_port& memory) const;
  /// What a translation request would be answered, with no effect; nothing: no translation.
  [[nodiscard]] std::optional<spec::ats::translation> probe_translation(const request& what,
                                                                        remap::memory_port& memory) const;

  [[nodiscard]] unit_statistics& statistics() { return statistics_; }
  [[nodiscard]] const unit_statistics& statistics() const { return statistics_; }
  /// Is nothing inside, nothing at a port, and are memory port and response
  /// channels free or about to be?
  [[nodiscard]] bool quiescent() const;
  /// Of a pipeline that is quiescent.
  template <class Archive>
  void serialize(Archive& archive, engine::cycle now) {
    archive(free_slots_, next_sequence_, next_port_, next_walker_, direct_given_);
    engine::serialize_counters(archive, statistics_);
    engine::serialize_time(archive, memory_port_at_, now);
    for (port_state& port : ports_)
      engine::serialize_time(archive, port.response_at, now);
  }
  /// Every request inside ends as failed, one that is in memory when memory has answered; walks are
  /// forgotten, and answers to their reads, too. What a port or the way to memory owes by protocol (the end
  /// of a request or of a response) stays owed. A request that stands at a port stays there.
  void reset();

private:
  // One step each; all are compiled into the two halves.
  void finish_lookups(engine::cycle now);
  void advance_walks(engine::cycle now);
  void commit_walks(engine::cycle now);
  void admit(engine::cycle now);
  void grant(engine::cycle now);
  void respond(engine::cycle now);
  [[nodiscard]] engine::cycle next_work(engine::cycle now) const;

  bool leave_early(std::uint64_t sequence);
  passage pass_any(const request& piece, bool enabled, remap::memory_port& memory, engine::cycle now);
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  enum class stage : std::uint8_t {
    free,
    looking_up,
    waiting_for_walker,
    walking,
    merged,
    leaving,
    in_memory,
    ending
  };

  struct slot {
    // `what.access` is that of the piece under way, `offset` bytes from the start of the request.
    request what{};
    std::uint64_t sequence = 0;
    std::uint64_t host_address = 0;
    std::uint32_t offset = 0;
    std::uint32_t piece = 0;
    std::uint32_t next_waiter = nobody;
    std::uint8_t port = 0;
    stage at = stage::free;
    completion how = completion::done;
    bool enabled = false;
    bool first_lookup = true;
    bool interrupt = false;
    // Of the piece on its way: as `forwarded::no_snoop`.
    bool no_snoop = false;
    // A reset came while it was in memory.
    bool abandoned = false;
  };

  enum class walker_state : std::uint8_t { structures, wants_read, reading, ended };

  struct walker {
    remap::page_walk walk{};
    remap::table_words words{};
    engine::cycle due = engine::never;
    std::uint32_t leader = nobody;
    std::uint32_t last_waiter = nobody;
    walker_state state = walker_state::ended;
    bool answer_ok = false;
    bool poisoned = false;
  };

  // Sets of walkers, a bit each.
  using walker_set = std::uint64_t;
  static constexpr walker_set only(unsigned index) { return walker_set{1} << index; }
  static unsigned first_of(walker_set set) { return static_cast<unsigned>(std::countr_zero(set)); }
  [[nodiscard]] unsigned index_of(const walker& w) const {
    return static_cast<unsigned>(&w - walkers_.data());
  }

  // A miss that waits for a walker, and behind it the misses to its page that came later.
  struct waiting_walk {
    std::uint64_t page = 0;
    std::uint32_t id = 0;
    std::uint32_t last_waiter = nobody;
    spec::source_id source{};
  };

  struct port_state {
    explicit port_state(std::size_t slots) : responses(slots) {}
    request offered{};
    // The edge at which `offered` is seen; `never`: nothing stands here.
    engine::cycle seen = engine::never;
    // From which edge on the response channel is free; `never` while a response is being taken.
    engine::cycle response_at = 0;
    engine::ring<std::uint32_t> responses;
  };

  void decide(std::uint32_t id, const remap::translation& result, engine::cycle now);
  void end(std::uint32_t id, completion how);
  // `snooped`: the page forces it.
  void leave_for_memory(slot& s, std::uint32_t id, std::uint64_t address, bool snooped);
  /// Which way a request takes before any table is asked.
  enum class lane : std::uint8_t { translate, bypass, interrupt, forbidden };
  [[nodiscard]] lane lane_of(const remap::dma_access& access, const request& what, std::uint32_t piece,
                             bool enabled) const;
  // A protected region forbids it, with nothing recorded; or it is a translation request (ATS), which has its
  // answer here and never reaches memory as a read.
  [[nodiscard]] bool may_not_leave(const remap::dma_access& access, const remap::translation& result,
                                   std::uint32_t bytes) const {
    return access.type == remap::address_type::translation_request ||
           state_.forbids(result.address, bytes, !result.identity);
  }
  // Of a request that the tables allow: what may not leave ends here; how.
  completion end_inside(std::uint32_t id, const remap::translation& result, engine::cycle now);
  [[gnu::cold]] void end_inside(const request& piece, const remap::translation& result, passage& out);
  // What a translation request is answered that the tables did not stop; nothing: it is no request that PCIe
  // knows.
  [[nodiscard]] std::optional<spec::ats::translation> answer_to(const request& what,
                                                                const remap::translation& result) const;
  void route(std::uint32_t id, engine::cycle now);
  bool join_walk(std::uint32_t id, engine::cycle now);
  void continue_walk(walker& w, engine::cycle now);
  void issue(engine::cycle now);
  void start_walks(engine::cycle now);
  void wait_for_walker(std::uint32_t id);
  void set_due(walker& w, engine::cycle at);
  void replay(std::uint32_t id);
  void withdraw_evicted(std::uint64_t packed);
  void count_lookup(bool context_hit, bool iotlb_hit);

  // For the observer: one branch where nobody watches. What is told is put together in observer.cpp.
  struct request_detail {
    remap::translator::outcome found = remap::translator::outcome::translated;
    spec::fault_condition condition = spec::fault_condition::none;
    bool ok = false;
    unsigned walker = 0;
  };
  void tell_offer(unsigned port, engine::cycle seen) const {
    if (observer_ != nullptr) [[unlikely]]
      report_offer(port, seen);
  }
  void tell(request_step step, std::uint32_t id, engine::cycle at) const {
    if (observer_ != nullptr) [[unlikely]]
      report(step, id, at, {});
  }
  void tell(request_step step, std::uint32_t id, engine::cycle at, const request_detail& more) const {
    if (observer_ != nullptr) [[unlikely]]
      report(step, id, at, more);
  }
  void tell(walk_step step, const walker& w, engine::cycle at) const {
    if (observer_ != nullptr) [[unlikely]]
      report(step, w, at);
  }
  void tell(const request& piece, const passage& out, engine::cycle at,
            const remap::translation* result = nullptr, const remap::translation_cost* cost = nullptr) const {
    if (observer_ != nullptr) [[unlikely]]
      report(piece, out, at, result, cost);
  }
  void tell_port(bool taken, engine::cycle at) const {
    if (observer_ != nullptr) [[unlikely]]
      report_port(taken, at);
  }
  [[gnu::cold]] void report(request_step step, std::uint32_t id, engine::cycle at,
                            const request_detail& more) const;
  [[gnu::cold]] void report(walk_step step, const walker& w, engine::cycle at) const;
  [[gnu::cold]] void report_offer(unsigned port, engine::cycle seen) const;
  [[gnu::cold]] void report_port(bool taken, engine::cycle at) const;
  [[gnu::cold]] void report(const request& piece, const passage& out, engine::cycle at,
                            const remap::translation* result, const remap::translation_cost* cost) const;

  const unit_config& config_;
  const engine::clock& timebase_;
  remap::translator& translator_;
  const unit_state& state_;
  fault_sink& faults_;
  unit_ports& outside_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<walker> walkers_;
  std::vector<port_state> ports_;
  unsigned port_count_;
  engine::delay_line<std::uint32_t> lookups_;
  // Requests that enter the look-up again, or with their next page: before new ones.
  engine::ring<std::uint32_t> again_;
  engine::ring<waiting_walk> walker_queue_;
  engine::ring<std::uint32_t> leaving_;
  // Answers of memory in the order in which they are taken: by edge, then by slot.
  struct answer {
    engine::cycle at = 0;
    std::uint32_t id = 0;
    bool ok = false;
  };
  engine::ring<answer> answers_;
  std::vector<std::pair<std::uint64_t, bool>> suspended_;
  std::uint64_t next_sequence_ = 1;
  engine::cycle memory_port_at_ = 0;
  // Of the latest grant; memory may be free before.
  engine::cycle memory_interval_end_ = 0;
  unsigned next_port_ = 0;
  unsigned next_walker_ = 0;
  unsigned busy_slots_ = 0;
  // Those that are not idle, that have something due, that want to read, and that have ended.
  walker_set busy_ = 0;
  // Of the busy ones those whose walk a reset ended; the answer to their read is still to come.
  walker_set abandoned_ = 0;
  walker_set due_ = 0;
  // The earliest of what is due.
  engine::cycle earliest_due_ = engine::never;
  walker_set all_walkers_ = 0;
  walker_set want_read_ = 0;
  walker_set ended_ = 0;
  unsigned waiting_ports_ = 0;
  unsigned responses_ = 0;
  bool direct_given_ = false;
  memory_client* guest_ = nullptr;
  std::uint64_t resets_ = 0;
  unit_observer* observer_ = nullptr;
  unit_statistics statistics_{};
};

// --- What every request meets, compiled into its callers

inline pipeline::lane pipeline::lane_of(const remap::dma_access& access, const request& what,
                                        std::uint32_t piece, bool enabled) const {
  const bool untranslated = access.type == remap::address_type::untranslated;
  // VT-d 3.13: a write of one aligned dword to the interrupt range is a message, whatever else is enabled;
  // nothing else may go there.
  if (untranslated && spec::in_interrupt_range(access.address)) [[unlikely]] {
    const bool message = what.is_dword_write && piece == sizeof(std::uint32_t) && access.address % piece == 0;
    return message ? lane::interrupt : lane::forbidden;
  }
  if (enabled) [[likely]]
    return lane::translate;
  // VT-d 4.2.3: without translation there is nothing a device may ask for or have translated.
  if (!untranslated || state_.forbids(access.address, piece, false)) return lane::forbidden;
  return lane::bypass;
}

inline bool pipeline::offer(unsigned at, const request& what, engine::cycle seen) {
  port_state& p = ports_[at];
  if (p.seen != engine::never) [[unlikely]]
    return false;
  p.offered = what;
  p.seen = seen;
  ++waiting_ports_;
  tell_offer(at, seen);
  return true;
}

inline void pipeline::answered(unsigned id, bool ok, engine::cycle seen) {
  assert(slots_[id].at == stage::in_memory);
  // Nearly always the latest: memory of one speed answers in order.
  answers_.push_sorted({seen, id, ok}, [seen, id](const answer& other) {
    return other.at > seen || (other.at == seen && other.id > id);
  });
}

inline void pipeline::count_lookup(bool context_hit, bool iotlb_hit) {
  ++(context_hit ? statistics_.context_hits : statistics_.context_misses);
  ++(iotlb_hit ? statistics_.iotlb_hits : statistics_.iotlb_misses);
}

} // namespace vtd::dmar
