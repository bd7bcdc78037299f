// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace vtd::dmar {

/// A snapshot cannot be taken, because something is under way, or cannot be
/// used: damaged, of another version, or of a unit of another configuration.
/// The text says which, with what was found and what was expected.
struct snapshot_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The state of a unit as bytes: a head with version and configuration, then a
/// section for each part of the unit, then a checksum. Written by `unit::save`,
/// read by `unit::restore`; docs/dmar.md, "Snapshots".
namespace snapshot {

/// Changes with every change of what is saved.
inline constexpr std::uint32_t version = 1;

/// All that two units must have in common, one "name value" a line; names of
/// instances do not count.
[[nodiscard]] std::string describe(const unit_config& config);

/// The head of a snapshot, and the sections in it; for tools. Throws
/// snapshot_error for bytes that are none.
struct section {
  std::string name;
  /// In the snapshot: where its name begins, and how long it is with name and
  /// length.
  std::size_t begin = 0;
  std::size_t size = 0;
};
[[nodiscard]] std::vector<section> sections_of(std::span<const std::byte> bytes);

/// The checksum of what stands before it, 8 bytes at the end, made new.
void seal(std::vector<std::byte>& bytes);

} // namespace snapshot

} // namespace vtd::dmar
