// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/memory_client.h"
#include "vtd/dmar/ports.h"
#include "vtd/dmar/register_file.h"
#include "vtd/spec/fault_log.h"

#include <cstddef>
#include <cstdint>

namespace vtd::dmar {

class pipeline;

/// Advanced fault logging (VT-d 7.3.2): a ring of records in memory instead of
/// those in registers. A record is written where the last one ended, if
/// software has taken what stood there: the place is read first. Both accesses
/// see what the CPU's cache holds, and take the way to memory like the
/// invalidation queue's.
class fault_log final : private memory_client {
public:
  fault_log(const register_file& registers, pipeline& requests, unit_ports& ports)
      : registers_(registers), requests_(requests), ports_(ports) {}

  /// GCMD.SFL: takes over AFLOG; the next record is the first.
  void latch();
  /// GCMD.EAFL.
  void enable(bool on);
  [[nodiscard]] bool enabled() const { return enabled_; }

  /// How the record under way has ended.
  enum class outcome : std::uint8_t {
    none,
    /// It stands in memory.
    written,
    /// Its place holds a fault that software has not taken, or cannot be
    /// reached.
    full
  };
  /// Nothing is under way: `begin` may be called.
  [[nodiscard]] bool idle() const { return state_ == state::idle; }
  void begin(const spec::fault_log_record& what);
  /// The outcome of the record under way, once; then it is idle again.
  [[nodiscard]] outcome take_outcome(engine::cycle now);

  // Answers of memory; those with an old tag are dropped.

  void read_answered(unsigned tag, bool ok, const descriptor_words& words, engine::cycle seen);
  void write_answered(unsigned tag, bool ok, engine::cycle seen);

  [[nodiscard]] engine::cycle next_work() const { return due_; }
  void reset();
  /// Of a log that is idle.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(base_, records_, next_, enabled_, next_tag_);
  }

private:
  enum class state : std::uint8_t { idle, wants_read, reading, wants_write, writing };
  bool take_port(engine::cycle now) override;
  void restart();

  const register_file& registers_;
  pipeline& requests_;
  unit_ports& ports_;

  // AFLOG as it was taken over.
  std::uint64_t base_ = 0;
  std::uint64_t records_ = 1;
  std::uint64_t next_ = 0;
  bool enabled_ = false;
  // Of the record under way: its place, and whether the log began again meanwhile.
  std::uint64_t place_ = 0;
  bool restarted_ = false;

  state state_ = state::idle;
  outcome outcome_ = outcome::none;
  // The edge that sees an answer.
  engine::cycle due_ = engine::never;
  unsigned tag_ = 0;
  unsigned next_tag_ = 1;
  spec::fault_log_record record_{};
};

} // namespace vtd::dmar
