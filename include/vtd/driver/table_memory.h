// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pages and entries that hardware walks. Where hardware does not snoop the CPU's cache, every touched entry
// has to be flushed; this class remembers which ones were and flushes them together. VT-d 6.8 (coherency of
// walks)

#include <cstdint>
#include <vector>

#include "vtd/driver/hardware.h"

namespace vtd::driver {

/// Table pages of one owner: entry stores that are flushed on commit, and pages that are given back.
class table_memory {
public:
  /// `flush`: some unit that reads these tables is not coherent (ECAP.C = 0). The machine must outlive this.
  table_memory(hardware& machine, bool flush) : machine_(machine), flush_(flush) {}
  ~table_memory();
  table_memory(const table_memory&) = delete;
  table_memory& operator=(const table_memory&) = delete;

  /// A zeroed page, already flushed (unless `forget_flush`), so that it may be linked at once.
  [[nodiscard]] std::uint64_t new_page(bool forget_flush = false);
  /// Gives a page back; only when no unit can read it any more.
  void free_page(std::uint64_t page);

  [[nodiscard]] std::uint64_t load(std::uint64_t address) { return machine_.load64(address); }
  /// Stores an entry word and remembers its line for commit (unless `forget_flush`).
  void store(std::uint64_t address, std::uint64_t value, bool forget_flush = false);
  /// Flushes every entry stored since the last commit.
  void commit();

  [[nodiscard]] bool flushes() const { return flush_; }
  /// Pages taken and not given back.
  [[nodiscard]] std::size_t pages() const { return pages_; }

private:
  struct range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  hardware& machine_;
  bool flush_;
  std::size_t pages_ = 0;
  std::vector<range> dirty_;
};

} // namespace vtd::driver
