// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/observer.h"

#include <cstdint>
#include <string>

namespace vtd::check {

/// "0x1f000".
[[nodiscard]] std::string hex(std::uint64_t number);
/// "2 MB": of a power of two.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// Which entry a table read was about: "root entry of bus 01", "context entry 01:00.0", "level-2 paging entry
/// of 01:00.0 for 0x200000".
[[nodiscard]] std::string entry_name(const remap::table_read& read);

/// What an entry says, for people: "not present", or "present, " and what hardware takes from it (VT-d 9.1
/// root, 9.3 context, 9.8 second-level). `level` counts for paging entries only, 1 to 5.
[[nodiscard]] std::string entry_text(remap::table_kind kind, unsigned level, const remap::table_words& words);

/// Whether hardware would use the entry. It ignores all other bits of one that is not present.
[[nodiscard]] bool entry_present(remap::table_kind kind, const remap::table_words& words);

} // namespace vtd::check
