// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/fault_recorder.h"
#include "vtd/dmar/ports.h"
#include "vtd/remap/access.h"
#include "vtd/remap/observer.h"
#include "vtd/remap/translator.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>
#include <string_view>

namespace vtd::dmar {

/// A request's way through the pipeline, step by step; the letters are the steps of a cycle in
/// docs/microarchitecture.md, section 3.
enum class request_step : std::uint8_t {
  /// It stands at its port; `at` is the edge that sees it. It has no number yet, `request_event::number` is
  /// 0.
  offered,
  /// It took a slot (D) and has its number from now on.
  admitted,
  /// It enters the look-up (D): for the first time, with its next page, or again after a walk.
  looking_up,
  /// The look-up ended (A): `found`.
  looked_up,
  /// It missed, and waits for the walk that `walker` does for another request already (A, E).
  joined,
  /// The unit refused it (A, C1, D): `condition`.
  blocked,
  /// A translation request (ATS) has its answer (A, C1): `host_address` is that word.
  translated,
  /// Its piece leaves for memory, or as an interrupt message (E): `host_address`.
  forwarded,
  /// The answer of memory is seen (F): `ok`.
  answered,
  /// Its response starts (F): `how`. The piece is the whole request.
  responded
};

/// One step of one request. What is not named in the step's line above is set in all steps.
struct request_event {
  request_step step = request_step::offered;
  engine::cycle at = 0;
  /// Requests of a unit are numbered from 1 in the order of their admission.
  std::uint64_t number = 0;
  unsigned port = 0;
  /// The piece that is under way, its address included; `offset` and `length`: where it lies in the request,
  /// of `total` bytes.
  remap::dma_access access{};
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t total = 0;
  remap::translator::outcome found = remap::translator::outcome::translated;
  /// The look-up is a repeated one: not counted as hit or miss.
  bool again = false;
  unsigned walker = 0;
  /// none: blocked without a fault condition (protected region, interrupt range, translation off).
  spec::fault_condition condition = spec::fault_condition::none;
  std::uint64_t host_address = 0;
  bool interrupt = false;
  bool ok = false;
  completion how = completion::done;
};

/// A walk on its walker.
enum class walk_step : std::uint8_t {
  /// The walker begins with it (E).
  granted,
  /// The look-up of the paging-structure caches ended (B); `level` is that of the table to read next, 0: the
  /// walk needs none.
  structures_looked_up,
  /// A table read leaves for memory (E).
  read_issued,
  /// Its data are seen (B): `ok`, `seen`.
  read_answered,
  /// The walk is over (C1) and its walker free: `poisoned`, `condition`, `reads`.
  ended
};

/// One step of one walk.
struct walk_event {
  walk_step step = walk_step::granted;
  engine::cycle at = 0;
  unsigned walker = 0;
  /// The request that the walk was started for.
  std::uint64_t request = 0;
  remap::dma_access access{};
  /// Of the entry that is read: kind, paging level (0 for root and context entries), host physical address,
  /// bytes.
  remap::table_kind kind = remap::table_kind::root;
  unsigned level = 0;
  std::uint64_t address = 0;
  unsigned bytes = 0;
  bool ok = false;
  remap::table_words seen{};
  /// An invalidation overtook it: nothing is kept, and its requests look up again.
  bool poisoned = false;
  spec::fault_condition condition = spec::fault_condition::none;
  unsigned reads = 0;
};

/// The way to memory was taken at `at`, by what was told last before (a table read, a request or the queue),
/// or became free at `until`. Both are told of one turn only when its end was not known at its beginning.
struct memory_port_event {
  bool taken = false;
  engine::cycle at = 0;
  /// The edge from which on it is free; `never`: not known yet.
  engine::cycle until = engine::never;
};

/// The invalidation queue takes its turn on the way to memory: a descriptor is fetched, or the status of a
/// wait is written.
struct queue_access_event {
  bool write = false;
  engine::cycle at = 0;
  std::uint64_t address = 0;
};

/// A request, or a page's worth of it, that passed at once (loosely timed). It has no number and takes no
/// slot.
struct passage_event {
  /// The first edge after its arrival, and the cycles until it leaves or is blocked.
  engine::cycle at = 0;
  engine::cycle cycles = 0;
  remap::dma_access access{};
  std::uint32_t length = 0;
  /// The caches were asked; if not, `found` and `reads` mean nothing.
  bool translated = false;
  remap::translator::outcome found = remap::translator::outcome::translated;
  unsigned reads = 0;
  bool blocked = false;
  spec::fault_condition condition = spec::fault_condition::none;
  bool interrupt = false;
  /// A translation request (ATS) that is answered by the word in `host_address`.
  bool answered = false;
  std::uint64_t host_address = 0;
};

/// What software can order through registers and the invalidation queue.
enum class unit_command : std::uint8_t {
  set_root_table,
  write_buffer_flush,
  translation,
  protected_memory,
  context_invalidation,
  iotlb_invalidation,
  /// Of the advanced fault log (CAP.AFL): SFL and EAFL.
  fault_log_pointer,
  fault_log,
  invalidation_queue,
  /// Descriptors of the queue: all but waits, and waits.
  queued_invalidation,
  queued_wait
};

inline constexpr std::size_t unit_commands = static_cast<std::size_t>(unit_command::queued_wait) + 1;

enum class command_step : std::uint8_t {
  /// The edge that sees the order.
  begun,
  /// Entries are removed, or the new setting holds; requests from before may still have to leave.
  effective,
  /// The register shows that it is done.
  ended
};

/// One step of one command (docs/microarchitecture.md, section 5).
struct command_event {
  unit_command what = unit_command::translation;
  command_step step = command_step::begun;
  engine::cycle at = 0;
  /// `translation`, `protected_memory`, `fault_log`, `invalidation_queue`: what it is switched to.
  /// `set_root_table`: the table's address; `fault_log_pointer`: the log's, and its size in bytes.
  bool on = false;
  std::uint64_t root_table = 0;
  std::uint64_t log_address = 0;
  std::uint64_t log_bytes = 0;
  /// `queued_invalidation`, `queued_wait`: the descriptor.
  spec::invalidation_descriptor descriptor{};
  /// Invalidations: CIRG or IIRG as ordered; from `effective` on also what was done (CAIG, IAIG; `none`:
  /// nothing). The one that does not belong to the command is `none`.
  spec::context_granularity context_asked = spec::context_granularity::none;
  spec::context_granularity context_done = spec::context_granularity::none;
  spec::iotlb_granularity iotlb_asked = spec::iotlb_granularity::none;
  spec::iotlb_granularity iotlb_done = spec::iotlb_granularity::none;
  std::uint16_t domain = 0;
  /// Of a device-selective order: SID, FM.
  spec::source_id source{};
  unsigned function_mask = 0;
  /// Of a page-selective order: ADDR, AM, IH.
  std::uint64_t address = 0;
  unsigned address_mask = 0;
  bool leaf_only = false;
};

/// What becomes of an invalidation request to a device.
enum class device_step : std::uint8_t {
  /// It leaves for the device.
  requested,
  /// Its last completion is seen.
  completed,
  /// It was not completed in time (FSTS.ITE).
  timed_out,
  /// A completion that nobody waits for (FSTS.ICE); only the device is known.
  unexpected
};
struct device_invalidation_event {
  device_step step = device_step::requested;
  engine::cycle at = 0;
  spec::ats::invalidation_request what{};
};

/// Who wants to see what one unit does: a trace, a test. Off unless `unit::set_observer` was called; costs a
/// branch a step then, and no allocation. The calls are made while the unit works: they must not wait, call
/// the unit, or throw. They come in the order of time, except that what arrives with an annotated delay, and
/// what passes at once, is told when the call is made, ahead of its time.
struct unit_observer {
  unit_observer() = default;
  unit_observer(const unit_observer&) = delete;
  unit_observer& operator=(const unit_observer&) = delete;
  virtual ~unit_observer() = default;
  virtual void on_request(const request_event& /*event*/) {}
  virtual void on_walk(const walk_event& /*event*/) {}
  virtual void on_memory_port(const memory_port_event& /*event*/) {}
  virtual void on_queue_access(const queue_access_event& /*event*/) {}
  virtual void on_passage(const passage_event& /*event*/) {}
  virtual void on_command(const command_event& /*event*/) {}
  virtual void on_device_invalidation(const device_invalidation_event& /*event*/) {}
  /// A fault record was due; as `fault_observer::on_fault`.
  virtual void on_fault_recorded(const fault_report& /*report*/) {}
  /// The unit's own interrupt message (a fault event) leaves at `at`.
  virtual void on_message(const spec::msi_message& /*message*/, engine::cycle /*at*/) {}
  /// The unit was reset: requests, walks and commands under way are forgotten.
  virtual void on_reset(engine::cycle /*at*/) {}
};

[[nodiscard]] std::string_view to_string(request_step step);
[[nodiscard]] std::string_view to_string(walk_step step);
[[nodiscard]] std::string_view to_string(unit_command what);
[[nodiscard]] std::string_view to_string(command_step step);

} // namespace vtd::dmar
