// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "conformance/naive_program.h"

#include <cstdint>
#include <vector>

namespace vtd::test {

/// FSTS, and the messages of the fault event, which is not masked (VT-d 7.4).
struct naive_status {
  bool pfo = false; // no event of its own
  bool ppf = false;
  bool afo = false;
  bool apf = false;
  bool iqe = false;
  bool ice = false;
  bool ite = false;
  std::vector<std::uint64_t> messages;

  /// In `now`, after or before the messages of that cycle have left; only the first cause is an event, and a
  /// message on its way tells of it, too.
  void set(bool& bit, std::uint64_t now, std::uint64_t delay, bool messages_left) {
    const bool first = !pfo && !ppf && !afo && !apf && !iqe && !ice && !ite;
    bit = true;
    if (!first) return;
    if (!messages.empty() && messages.back() + (messages_left ? 0 : 1) > now) return;
    messages.push_back(now + delay);
  }
};

} // namespace vtd::test
