// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/omit.h"
#include "vtd/driver/table_memory.h"
#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <cstdint>
#include <map>

namespace vtd::driver {

/// The root table of one unit with its context tables. VT-d 9.1, 9.3
/// Only writes memory: what has to be invalidated afterwards is the caller's business.
class root_table {
public:
  /// `flush`: the unit is not coherent. `forget` and the machine must outlive this.
  root_table(hardware& machine, bool flush, const omit& forget);
  ~root_table();
  root_table(const root_table&) = delete;
  root_table& operator=(const root_table&) = delete;

  /// Physical address of the root table, for RTADDR.
  [[nodiscard]] std::uint64_t address() const { return root_; }
  /// The context entry in memory for a source-id; all zero when its bus has no context table.
  [[nodiscard]] spec::context_entry entry(spec::source_id id);
  /// Writes a present entry where none is present: high word first, so that P comes last. Flushed on return.
  void install(spec::source_id id, const spec::context_entry& entry);
  /// Takes P away, then the rest. Returns the entry as it was. Flushed on return.
  spec::context_entry clear(spec::source_id id);
  /// Overwrites a present entry: P away, high word, low word with P. Flushed on return.
  void replace(spec::source_id id, const spec::context_entry& entry);

private:
  [[nodiscard]] std::uint64_t slot(std::uint64_t context_table, spec::source_id id) const;
  std::uint64_t context_table(spec::source_id id);
  void store(std::uint64_t address, std::uint64_t value);

  const omit& forget_;
  table_memory memory_;
  std::uint64_t root_;
  std::map<std::uint8_t, std::uint64_t> context_tables_; // by bus
};

} // namespace vtd::driver
