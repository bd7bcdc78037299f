// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is inside a unit, as a naive clock keeps it. Times are cycles.

#include "conformance/naive_program.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace vtd::test {

inline constexpr std::uint64_t naive_never = ~std::uint64_t{0};

/// A request in its slot.
struct naive_inside {
  naive_request what;
  unsigned port = 0;
  // Of the piece under way, which begins at `what.address`; `left` bytes follow it.
  std::uint32_t left = 0;
  bool translated = true;
  std::uint64_t look_up_ends = naive_never;
  std::uint64_t answer_seen = naive_never;
  std::uint64_t host = 0;
  dmar::completion how = dmar::completion::done;
};

/// A walk under way, or waiting for a walker.
struct naive_walk {
  std::size_t slot = 0;
  std::vector<std::size_t> joined;
  std::uint64_t missed = 0;
  std::optional<naive_context> from;
  std::uint64_t structures_end = naive_never;
  bool wants_read = false;
  std::uint64_t read_at = 0;
  std::uint64_t seen = naive_never;
  bool ok = true;
  std::uint64_t words[2] = {};
  bool upper_half = false;
  // What it reads next: 8 the root entry, 7 the context entry, then the level.
  unsigned level = 8;
  naive_mapping so_far{};
  bool ended = false;
  bool poisoned = false;
  bool allowed = false;
  bool context_is_new = false;
  std::optional<std::pair<naive_page_key, naive_mapping>> leaf;
  std::vector<std::pair<naive_page_key, naive_mapping>> through;
};

/// What stands at a port, and what waits to leave by it.
struct naive_port {
  std::deque<naive_request> coming;
  std::uint64_t free_since = 0;
  std::deque<std::size_t> responses;
  std::uint64_t response_free = 0;
};

/// A command, and the requests that were inside when it was seen.
struct naive_command_under_way {
  naive_command what;
  std::uint64_t seen = 0;
  std::uint64_t ends = naive_never;
  std::vector<std::uint64_t> before;
};

/// How often what is hard to foresee happened.
struct naive_counts {
  unsigned joined = 0;
  unsigned waited_for_walker = 0;
  unsigned poisoned = 0;
  unsigned waited_for_slot = 0;
  unsigned drained = 0;
  unsigned further_pieces = 0;
  unsigned found_by_walk = 0;
  unsigned forbidden = 0;
  unsigned commands = 0;
  unsigned messages = 0;
  unsigned protected_memory = 0;
  unsigned absent = 0;
};

} // namespace vtd::test
