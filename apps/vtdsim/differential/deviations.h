// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/program.h"
#include "vtdsim/differential/queue_watch.h"

#include "vtd/dmar/fault_recorder.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vtdsim::differential {

/// Where the two machines said different things.
struct difference {
  enum class kind : std::uint8_t { register_value, memory, buffer };
  kind what = kind::register_value;
  /// Of the register (offset), the memory, or the buffer's device.
  std::uint64_t address = 0;
  /// Width of a register access.
  unsigned bytes = 8;
  std::uint64_t ours = 0;
  std::uint64_t theirs = 0;
  /// Index into the program.
  std::size_t step = 0;
};
/// One line: what, where, both values.
[[nodiscard]] std::string to_string(const difference& what);

/// One value that was read from both machines after a step.
struct sample {
  std::size_t step = 0;
  std::uint32_t offset = 0;
  unsigned bytes = 8;
  std::uint64_t ours = 0;
  std::uint64_t theirs = 0;
  /// Of CCMD and IOTLB: the last order in it was given while the invalidation queue was on.
  bool refused = false;
  /// Where the queue lay when it was enabled last.
  std::uint64_t queue = 0;
};

/// What is known about the step in which a difference was seen.
struct circumstances {
  const program* run = nullptr;
  const step* at = nullptr;
  /// Faults that our unit met in the step.
  std::span<const vtd::dmar::fault_report> faults;
  /// May QEMU have held, before a DMA, a translation that was read for this device and a page of this DMA?
  bool cached = false;
  /// Everything that was read after the step.
  std::span<const sample> samples;
  /// What our queue did in the step; null: nothing.
  const queue_step* queue = nullptr;

  /// The value of a register that is among the samples.
  [[nodiscard]] const sample* find(std::uint32_t offset) const;
};

/// Who has the other opinion.
enum class side : std::uint8_t {
  /// QEMU does what the specification does not say.
  qemu,
  /// The specification leaves it open.
  open
};
[[nodiscard]] std::string_view to_string(side who);

/// A difference that is understood.
struct deviation {
  std::string_view name;
  side who = side::qemu;
  /// Section of the VT-d specification.
  std::string_view section;
  std::string_view reason;
  /// Whether this difference is that one; null for those that are met in another way.
  bool (*explains)(const difference& what, const circumstances& when) = nullptr;
  /// The two are in different states from here on, so that comparing any further means nothing.
  bool parts_ways = false;
};

/// All of them. Names are what the report counts.
[[nodiscard]] std::span<const deviation> all_deviations();

namespace name {
// Those that the comparison itself finds out.
inline constexpr std::string_view compression = "fault_compression";
inline constexpr std::string_view stale = "stale_translation";
inline constexpr std::string_view iotlb_by_requester = "iotlb_by_requester";
inline constexpr std::string_view early_pass_through = "early_pass_through";
inline constexpr std::string_view queue_resumes = "queue_resumes";
} // namespace name

} // namespace vtdsim::differential
