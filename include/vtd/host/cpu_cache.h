// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/flat_map.h"
#include "vtd/host/line.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vtd::host {

/// The shape of a CPU cache. `sets` 0: unlimited, a line leaves only when it is flushed or snooped away.
struct cpu_cache_config {
  std::size_t sets = 0;
  std::size_t ways = 8;
};

/// What happened in a CPU cache since it was made.
struct cpu_cache_counts {
  std::uint64_t loads = 0;           ///< line look-ups by loads
  std::uint64_t load_misses = 0;     ///< of them, fetched from below
  std::uint64_t stores = 0;          ///< line look-ups by stores
  std::uint64_t store_misses = 0;    ///< of them, fetched from below
  std::uint64_t evictions = 0;       ///< lines, clean or dirty, that made room for another
  std::uint64_t write_backs = 0;     ///< dirty lines written to below, for whatever reason
  std::uint64_t flushes = 0;         ///< clflush orders
  std::uint64_t modified_snoops = 0; ///< snoops that met a dirty line
};

/// The CPU's write-back, write-allocate cache as software sees it: function and state, no time. Replacement
/// is exact LRU within the set, so a run can be repeated. One cache stands for all processors: they are
/// coherent with each other, and only the way to memory matters here.
class cpu_cache {
public:
  /// Throws std::invalid_argument when `config.sets` is not 0 and `config.ways` is.
  cpu_cache(line_port& below, cpu_cache_config config);

  /// Reads bytes of one line. False: no memory there, `out` is unchanged.
  bool load(std::uint64_t address, std::span<std::byte> out);
  /// Writes bytes of one line; they stay here until they are written back. False: no memory there.
  bool store(std::uint64_t address, std::span<const std::byte> data, store_stamp stamp);

  /// Writes the line back if it is dirty and drops it. True when it was dirty.
  bool clflush(std::uint64_t address);
  /// Writes every dirty line back, in order of address, and drops all lines.
  void wbinvd();

  /// A coherent read by a device: a dirty line is written back and stays as a clean one. True when it was
  /// dirty.
  bool snoop_read(std::uint64_t address);
  /// A coherent write by a device: the line goes. Its dirty bytes are written back first, unless the device
  /// writes the whole line (`overwritten`). True when it was dirty.
  bool snoop_invalidate(std::uint64_t address, bool overwritten);

  /// The line as it is held here, or nullptr. Changes nothing; valid until the next call that does.
  [[nodiscard]] const line_content* peek(std::uint64_t address) const;
  /// Changes bytes of a line without a trace (debug access); nothing when the line is not held.
  void poke(std::uint64_t address, std::span<const std::byte> data);

  /// How many lines it has room for; an unlimited cache makes room as it needs it and uses it again.
  [[nodiscard]] std::size_t places() const { return slots_.size(); }
  /// Lines held, and those of them with stores that were not written back.
  [[nodiscard]] std::size_t lines() const { return lines_held_; }
  [[nodiscard]] std::size_t dirty_lines() const { return dirty_held_; }
  [[nodiscard]] const cpu_cache_counts& counts() const { return counts_; }

private:
  struct slot {
    std::uint64_t line = 0;
    std::uint64_t used = 0;
    bool valid = false;
    line_content content{};
  };

  [[nodiscard]] bool unlimited() const { return config_.sets == 0; }
  [[nodiscard]] const slot* find(std::uint64_t line) const;
  [[nodiscard]] slot* find(std::uint64_t line);
  [[nodiscard]] slot* fetch(std::uint64_t line, std::uint64_t& misses);
  [[nodiscard]] slot& place_for(std::uint64_t line);
  bool clean(slot& s);
  void drop(slot& s);

  line_port& below_;
  cpu_cache_config config_;
  std::vector<slot> slots_;
  // Unlimited only: which slot holds a line, and the slots that are free again.
  flat_map<std::size_t> index_;
  std::vector<std::size_t> free_;
  std::uint64_t clock_ = 0;
  std::size_t lines_held_ = 0;
  std::size_t dirty_held_ = 0;
  cpu_cache_counts counts_;
};

} // namespace vtd::host
