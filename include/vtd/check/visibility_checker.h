// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/check/finding.h"
#include "vtd/check/torn_entry_checker.h"
#include "vtd/engine/clock.h"
#include "vtd/host/store_path.h"
#include "vtd/remap/observer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::check {

/// Watches the hardware's table reads and reports each that went past a newer store of the driver: one that
/// still waits in the CPU cache (rule visibility.cache-line) or in the chipset's write buffer
/// (visibility.write-buffer). It only looks: neither the reads nor the stores are changed.
///
/// Nothing is reported when the hardware saw what the driver wrote (a coherent unit does), when the bytes are
/// the same, when the entry is not present before and after the store, or when the store came after the read.
/// When only bits differ that hardware ignores or reserves, the finding is a note.
///
/// Where hardware reads entries in two beats it also hands them to a `torn_entry_checker`; an entry is then
/// looked at when its second half has come.
class visibility_checker final : public remap::walk_observer {
public:
  /// Both must outlive the checker.
  visibility_checker(const host::store_path& path, finding_sink& sink)
      : path_(path), sink_(sink), torn_(path, sink) {}

  void on_table_read(const remap::table_read& read) override;
  void on_first_beat(const remap::table_read& read) override;

  /// A unit that snoops the CPU cache for its table reads (ECAP.C = 1, VT-d 10.4.3): its reads are not looked
  /// at.
  void declare_coherent(std::string_view unit);

  /// A read that follows the last store to the entry by fewer cycles than this is not reported: the driver
  /// may be on its way to the flush. 0, as at first: every read counts.
  void set_patience(engine::cycle cycles) { patience_ = cycles; }

  /// Table reads that were looked at, and those of them that went past a newer store.
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  [[nodiscard]] std::uint64_t bypasses() const { return bypasses_; }
  [[nodiscard]] const torn_entry_checker& torn_entries() const { return torn_; }

private:
  [[nodiscard]] bool is_coherent(std::string_view unit) const;
  void report(const remap::table_read& read, const host::pending_store& waiting,
              const remap::table_words& written);

  const host::store_path& path_;
  finding_sink& sink_;
  torn_entry_checker torn_;
  std::vector<std::string> coherent_units_;
  engine::cycle patience_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t bypasses_ = 0;
};

} // namespace vtd::check
