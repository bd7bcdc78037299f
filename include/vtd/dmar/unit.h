// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/commands.h"
#include "vtd/dmar/config.h"
#include "vtd/dmar/fault_recorder.h"
#include "vtd/dmar/invalidation_queue.h"
#include "vtd/dmar/invalidator.h"
#include "vtd/dmar/pipeline.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/protected_memory.h"
#include "vtd/dmar/register_file.h"
#include "vtd/engine/wheel.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vtd::dmar {

/// One DMA-remapping hardware unit, without SystemC. It is driven by its wheel and talks to the world through
/// `unit_ports`; everything that comes from the world is given with its time in picoseconds.
///
/// Times given must not be earlier than the last edge the wheel has reached. Before it looks at its state the
/// unit lets the wheel catch up with that time; register accesses alone may lie ahead of it.
class unit final : private engine::component, private fault_sink {
public:
  /// Throws std::invalid_argument when a cache or a resource cannot be built as configured (`checked`).
  unit(engine::wheel& wheel, unit_config config, unit_ports& ports);

  [[nodiscard]] const unit_config& config() const { return config_; }
  [[nodiscard]] const std::string& name() const { return config_.name; }

  // Registers (VT-d 10). Aligned accesses of 4 or 8 bytes; any other reads 0 and writes nothing (VT-d 10.2).
  // `ahead`: by how much the access lies after `now`, the present time (an initiator that has not waited
  // yet).

  /// Reads the register as the unit is at `now`; an access that lies ahead sees writes that are queued for
  /// its time or before as stored, and nothing of what they order.
  [[nodiscard]] std::uint64_t read_register(std::uint32_t offset, unsigned bytes, engine::picoseconds now,
                                            engine::picoseconds ahead = 0);
  /// What lies ahead is queued, in the order of time, and takes effect when the wheel gets there.
  void write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value, engine::picoseconds now,
                      engine::picoseconds ahead = 0);
  /// As `read_register`, with no effect on time (debug accesses).
  [[nodiscard]] std::uint64_t peek_register(std::uint32_t offset, unsigned bytes) const {
    return registers_.read_bytes(offset, bytes);
  }
  /// Bytes of the register block that the unit decodes.
  [[nodiscard]] std::uint32_t register_space() const { return registers_.size(); }

  // Requests, cycle by cycle. Answers are owed for everything that was forwarded. Ports, slots, walkers and
  // tags are those that the unit has or gave; others are the caller's mistake (asserted).

  /// A request arrives at a port. False: the port holds another one.
  bool offer(unsigned port, const request& what, engine::picoseconds now);
  void answered(unsigned slot, bool ok, engine::picoseconds now);
  void table_answered(unsigned walker, bool ok, const remap::table_words& words, engine::picoseconds now);
  /// `words` of a 16-byte descriptor: the first two.
  void descriptor_answered(unsigned tag, bool ok, const descriptor_words& words, engine::picoseconds now);
  void status_answered(unsigned tag, bool ok, engine::picoseconds now);
  /// The advanced fault log; `words`: the first two are the record.
  void log_read_answered(unsigned tag, bool ok, const descriptor_words& words, engine::picoseconds now);
  void log_write_answered(unsigned tag, bool ok, engine::picoseconds now);
  /// A device completed invalidation requests; the message takes no slot and no look-up.
  void device_completed(const spec::ats::invalidation_completion& what, engine::picoseconds now);
  void memory_port_free(engine::picoseconds now);
  /// After a `unit_ports::complete` that was answered with false. False: none is owed, and nothing happened.
  bool response_taken(unsigned port, engine::picoseconds now);

  // Requests, at once (loosely timed). Ask for one page's worth at a time: `spec::page_piece`.

  /// The request (or piece) arrives at `now`; the passage's `leaves` is when it leaves for memory, or is
  /// answered.
  struct passage {
    pipeline::passage::way leads = pipeline::passage::way::blocked;
    /// As `pipeline::passage::address`.
    std::uint64_t address = 0;
    engine::picoseconds leaves = 0;
    /// Tables were read: memory may have waited meanwhile.
    bool read_tables = false;
    /// As `forwarded::no_snoop`.
    bool no_snoop = false;
  };
  passage pass(const request& piece, const pipeline::admission& whole, remap::memory_port& memory,
               engine::picoseconds now) {
    const engine::cycle at = seen(now);
    const pipeline::passage way = pipeline_.pass(piece, whole.enabled, memory, at);
    return {way.leads, way.address, timebase_.time_of(at + way.cycles), way.read_tables, way.no_snoop};
  }
  /// A request of one piece that is over when this returns.
  passage pass(const request& piece, remap::memory_port& memory, engine::picoseconds now) {
    return pass(piece, pipeline::admission{0, state_.translation_enabled}, memory, now);
  }
  /// Brackets a request whose downstream part may wait: commands and invalidations that drain wait for it,
  /// and it keeps the translation setting of its admission.
  pipeline::admission enter(bool write) { return pipeline_.enter(write); }
  /// False: a reset has ended the request since; nothing more of it may pass.
  [[nodiscard]] bool inside(const pipeline::admission& which) const { return pipeline_.inside(which); }
  /// False: a reset has ended the request before; it failed.
  bool leave(const pipeline::admission& which, engine::picoseconds now) {
    // Somebody may be waiting for this one.
    if (commands_.drains() || queue_.drains()) wake_for(seen(now));
    return pipeline_.leave(which);
  }
  [[nodiscard]] bool has_work_in_flight() const { return !pipeline_.idle(); }
  void count_request(std::uint32_t bytes) {
    ++pipeline_.statistics().requests;
    pipeline_.statistics().bytes += bytes;
  }

  /// Where a request would go, with no effect at all (debug transport). Nothing: it would be blocked, or is a
  /// translation request.
  [[nodiscard]] std::optional<std::uint64_t> probe(const request& piece, remap::memory_port& memory) const;
  /// What a translation request (ATS) would be answered, with no effect at all. Nothing: no translation.
  [[nodiscard]] std::optional<spec::ats::translation> probe_translation(const request& what,
                                                                        remap::memory_port& memory) const {
    return pipeline_.probe_translation(what, memory);
  }
  /// A page that may be reached directly (DMI): only what is cached is granted, because its eviction ends the
  /// grant. Of a large page that touches the interrupt range or a protected region the 4 KB round the address
  /// are granted.
  struct direct_page {
    /// The first and the last byte of it, as the device addresses them.
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    /// Host physical address of `first`.
    std::uint64_t host = 0;
    bool read = false;
    bool write = false;
  };
  [[nodiscard]] std::optional<direct_page> direct(const remap::dma_access& access);

  // State, for reports and tests.

  [[nodiscard]] bool translation_enabled() const { return state_.translation_enabled; }
  [[nodiscard]] std::uint64_t root_table() const { return state_.root_table; }
  [[nodiscard]] const register_file& registers() const { return registers_; }
  [[nodiscard]] const remap::translator& translator() const { return translator_; }
  [[nodiscard]] unit_statistics statistics() const;
  [[nodiscard]] const fault_recorder& faults() const { return faults_; }
  void clear_statistics();
  void set_walk_observer(remap::walk_observer* observer) { translator_.set_observer(observer); }
  void set_fault_observer(fault_observer* observer) { faults_.set_observer(observer); }
  /// Null: nobody watches. The observer must outlive the unit, or be taken away first.
  void set_observer(unit_observer* observer);

  // Snapshots (dmar/snapshot.h): the whole state as bytes, cycle for cycle.

  /// Is nothing under way at `now`, so that a snapshot can be taken?
  [[nodiscard]] bool quiescent(engine::picoseconds now);
  /// Throws snapshot_error while something is under way.
  [[nodiscard]] std::vector<std::byte> save(engine::picoseconds now);
  /// Goes on as the unit that was saved did from then on, from `now` on. What
  /// stands in memory, and who observes, is not part of it. Throws
  /// snapshot_error: this unit is not at rest, or the bytes are damaged, of
  /// another version or of another configuration; the unit is as it was, or
  /// reset where damage was found late.
  void restore(std::span<const std::byte> bytes, engine::picoseconds now);

  /// Power-on reset, or a warm one that keeps sticky fields (VT-d 10.4, access "S").
  void reset(bool power_on);

private:
  void step(engine::cycle now) override;
  void on_fault(const remap::dma_access& access, const remap::translation& result,
                engine::cycle now) override;
  void catch_up(engine::picoseconds now) { owning_wheel().advance_to(timebase_.last_edge_until(now)); }
  [[nodiscard]] engine::cycle seen(engine::picoseconds now) const { return timebase_.first_edge_after(now); }
  // What comes in during a step needs no wake-up: the step ends with a look at all that is to be done.
  void wake_for(engine::cycle at) {
    if (!stepping_) wake_at(at);
  }
  // A register write that lies ahead: stored after the work of cycle `at`, seen in the next.
  struct posted_write {
    engine::cycle at = 0;
    std::uint32_t offset = 0;
    unsigned bytes = 0;
    std::uint64_t value = 0;
    [[nodiscard]] std::uint32_t half(unsigned at_byte) const {
      return static_cast<std::uint32_t>(at_byte == 0 ? value : value >> 32);
    }
  };
  void write_now(const posted_write& write);
  void queue_register_written(std::uint32_t offset, engine::cycle at);
  template <class Archive>
  void serialize(Archive& archive);
  // What keeps the unit from being saved; empty: nothing.
  [[nodiscard]] std::string under_way() const;
  bool write_dword(std::uint32_t offset, std::uint32_t value, engine::cycle at);

  unit_config config_;
  engine::clock timebase_;
  register_file registers_;
  remap::translator translator_;
  protected_memory protection_;
  unit_state state_;
  pipeline pipeline_;
  fault_recorder faults_;
  invalidator removal_;
  invalidation_queue queue_;
  commands commands_;
  bool stepping_ = false;
  std::deque<posted_write> posted_;
  unit_observer* observer_ = nullptr;
};

} // namespace vtd::dmar
