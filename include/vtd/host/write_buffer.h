// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/line.h"
#include "vtd/host/sparse_memory.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vtd::host {

/// Why a write buffer was emptied.
enum class drain_cause : std::uint8_t {
  command, ///< GCMD.WBF (VT-d 10.4.4)
  implicit ///< something that empties it on the way, as a register-based invalidation does (VT-d 6.8)
};

/// What happened in a write buffer since it was made; the unit is the entry.
struct write_buffer_counts {
  std::uint64_t writes = 0;          ///< writes taken
  std::uint64_t merges = 0;          ///< of them, into an entry that was there
  std::uint64_t forced_drains = 0;   ///< entries written because the buffer was full
  std::uint64_t snoop_drains = 0;    ///< entries written because a device wrote to their line
  std::uint64_t commands = 0;        ///< drain orders with drain_cause::command
  std::uint64_t command_drains = 0;  ///< entries they wrote
  std::uint64_t implicit_drains = 0; ///< entries written by drain_cause::implicit
};

/// The chipset's posted-write buffer between CPU and memory: a first-in first-out queue of lines. A write to
/// a line that waits already merges into its entry. It empties only when told, or entry by entry when it is
/// full: the worst that hardware may do, so that a forgotten flush shows (CAP.RWBF, VT-d 6.8).
class write_buffer final : public line_port {
public:
  /// `entries` 0: there is no such buffer, all writes go straight to memory.
  write_buffer(sparse_memory& memory, std::size_t entries);

  bool read_line(std::uint64_t line, line_data& out) override;
  bool write_line(std::uint64_t line, const line_content& content) override;

  /// Takes an uncached write within one line. False: no memory there.
  bool write(std::uint64_t address, std::span<const std::byte> data, store_stamp stamp);
  /// Reads memory as it will be when all is drained. False: not all of it is memory, `out` is unchanged.
  bool read(std::uint64_t address, std::span<std::byte> out) const;

  /// Writes everything to memory, oldest first.
  void drain(drain_cause cause);
  /// A device writes to the line: its entry and all older ones go to memory first, order is kept.
  void snoop_write(std::uint64_t address);

  /// The entry of a line, or nullptr. Valid until the next call that changes something.
  [[nodiscard]] const line_content* peek(std::uint64_t address) const;
  /// Changes bytes that an entry holds without a trace (debug access).
  void poke(std::uint64_t address, std::span<const std::byte> data);

  [[nodiscard]] bool present() const { return limit_ != 0; }
  [[nodiscard]] std::size_t capacity() const { return limit_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] const write_buffer_counts& counts() const { return counts_; }

private:
  struct entry {
    std::uint64_t line;
    line_content content;
  };

  void write_to_memory(std::uint64_t line, const line_content& content);
  void drain_oldest(std::size_t count);

  sparse_memory& memory_;
  std::size_t limit_;
  std::vector<entry> entries_; // oldest first; a handful, so a search is a short scan
  write_buffer_counts counts_;
};

} // namespace vtd::host
