// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/capability.h"
#include "vtd/spec/registers.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vtd::dmar {

/// Bytes of a unit's register block, counted from its base.
struct register_place {
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
};

/// Registers that a capability puts where others stand.
struct register_conflict {
  /// ECAP.IRO puts them there; else CAP.FRO and CAP.NFR do.
  bool by_ecap = false;
  register_place at{};
  /// Who stands there, and where.
  std::string_view other;
  register_place taken{};
};

/// The first conflict in a part of this revision, by the offset of who stands there; none: each register has
/// its own place. FRO and IRO say where registers stand, not where others do (VT-d 10.4.2, 10.4.3).
[[nodiscard]] std::optional<register_conflict>
find_register_conflict(const spec::cap& capability, const spec::ecap& extended, spec::spec_revision revision);

/// What is expected, and who stands there.
[[nodiscard]] std::string to_string(const register_conflict& what);

} // namespace vtd::dmar
