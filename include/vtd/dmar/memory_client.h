// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"

namespace vtd::dmar {

/// Another part of the unit that uses its way to memory: the invalidation
/// queue, the fault log.
struct memory_client {
  memory_client() = default;
  memory_client(const memory_client&) = delete;
  memory_client& operator=(const memory_client&) = delete;
  virtual ~memory_client() = default;
  /// It is this one's turn in cycle `now`: it sends something. Return value as
  /// of `unit_ports::forward`.
  virtual bool take_port(engine::cycle now) = 0;

  /// Who wants the way after this one; for `pipeline`.
  memory_client* behind = nullptr;
  bool waits = false;
};

} // namespace vtd::dmar
