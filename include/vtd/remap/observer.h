// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"
#include "vtd/remap/memory_port.h"
#include "vtd/spec/address.h"

#include <cstdint>
#include <string_view>

namespace vtd::remap {

/// What kind of entry a table read fetched.
enum class table_kind : std::uint8_t { root, context, paging };

/// Which part of its entry a table read fetches: entries of 16 bytes may be read in two beats.
enum class entry_part : std::uint8_t { whole, lower_half, upper_half };

/// One read of a table by the hardware, as it happened.
struct table_read {
  table_kind kind = table_kind::root;
  /// Paging level of the entry: 1 = the 4 KB leaf table, up to 5. 0 for root and context entries.
  unsigned level = 0;
  /// The requester and the address whose translation needed the entry.
  spec::source_id source{};
  std::uint64_t input_address = 0;
  /// Host physical address and length in bytes (8 or 16) of the read.
  std::uint64_t address = 0;
  unsigned bytes = 0;
  entry_part part = entry_part::whole;
  /// What the hardware knows of the entry, from its beginning, unless the read failed: of a lower half the
  /// second word is 0, with an upper half come both.
  table_words seen{};
  bool failed = false;
  /// The remapping unit, by its instance name, and when (cycle of the wheel).
  std::string_view unit;
  engine::cycle when = 0;
  /// An invalidation overtook the walk: nothing of it is used.
  bool overtaken = false;

  /// Where the entry begins.
  [[nodiscard]] std::uint64_t entry_address() const {
    return part == entry_part::upper_half ? address - sizeof(std::uint64_t) : address;
  }
};

/// Who wants to see the hardware's table reads (the driver checker, a trace). Called after the read, never
/// changes it.
struct walk_observer {
  walk_observer() = default;
  walk_observer(const walk_observer&) = delete;
  walk_observer& operator=(const walk_observer&) = delete;
  virtual ~walk_observer() = default;
  virtual void on_table_read(const table_read& read) = 0;
  /// The read of an entry's lower half leaves for memory: what memory holds now is what it will see. `seen`
  /// and `failed` mean nothing yet.
  virtual void on_first_beat(const table_read& /*read*/) {}
};

} // namespace vtd::remap
