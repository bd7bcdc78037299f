// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/check/finding.h"
#include "vtd/host/store_path.h"
#include "vtd/remap/observer.h"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace vtd::check {

/// Watches hardware that reads a root or context entry in two beats (`remap::capabilities::entry_beats`) and
/// reports an entry whose halves are of two versions (rule entry.torn): the lower half was changed after it
/// had been read, the upper half before it was read, and the hardware takes the mixture for present.
///
/// Nothing is reported when one half alone was changed, because then the entry as read is what memory held at
/// some moment; when the entry as read is not present; or when an invalidation overtook the walk, so that
/// nothing of it is used. It cannot tell a half-written entry that both beats, or one read of all 16 bytes,
/// found.
class torn_entry_checker {
public:
  /// Both must outlive the checker.
  torn_entry_checker(const host::store_path& path, finding_sink& sink) : path_(path), sink_(sink) {}

  /// `coherent`: the unit's reads meet the CPU's cache.
  void on_first_beat(const remap::table_read& read, bool coherent);
  void on_table_read(const remap::table_read& read, bool coherent);

  /// Entries that were found torn.
  [[nodiscard]] std::uint64_t torn() const { return torn_; }

private:
  // One walk's read of one entry: unit, entry, requester, address that it translates.
  using reading = std::tuple<std::string, std::uint64_t, std::uint16_t, std::uint64_t>;
  [[nodiscard]] static reading reading_of(const remap::table_read& read);
  // A word as a read of the unit would find it now.
  [[nodiscard]] std::uint64_t word(std::uint64_t address, bool coherent) const;
  void report(const remap::table_read& read, const remap::table_words& before, const remap::table_words& now);

  const host::store_path& path_;
  finding_sink& sink_;
  // What the upper half was when the lower one was read.
  std::map<reading, std::uint64_t> upper_halves_;
  std::uint64_t torn_ = 0;
};

} // namespace vtd::check
