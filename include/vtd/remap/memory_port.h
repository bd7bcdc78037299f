// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

#include <array>
#include <cstdint>

namespace vtd::remap {

/// One or two 64-bit words of a table entry, little-endian as in memory; `words[1]` is 0 for an 8-byte read.
struct table_words {
  std::array<std::uint64_t, 2> words{};
  [[nodiscard]] std::uint64_t lo() const { return words[0]; }
  [[nodiscard]] std::uint64_t hi() const { return words[1]; }
};

/// Where the hardware reads its tables when it need not wait for them: host physical addresses, untranslated
/// (VT-d 3.4). Whoever implements it decides about time, coherence and injected errors.
struct memory_port {
  memory_port() = default;
  memory_port(const memory_port&) = delete;
  memory_port& operator=(const memory_port&) = delete;
  virtual ~memory_port() = default;
  /// Reads `bytes` (8 or 16) at a naturally aligned address and adds the time it takes to `delay`.
  /// False: the read failed, `out` is unchanged.
  virtual bool read_table(std::uint64_t address, unsigned bytes, table_words& out,
                          engine::picoseconds& delay) = 0;
};

} // namespace vtd::remap
