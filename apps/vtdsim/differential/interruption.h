// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace vtdsim::differential {

/// While it lives, SIGINT and SIGTERM do not end the process: they wait for `came`. To be made before the
/// threads and processes that shall not get them.
class interruption {
public:
  interruption();
  ~interruption();
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// Whether one has come; waits for it for a twentieth of a second.
  [[nodiscard]] bool came() const;

private:
  sigset_t signals_{};
  sigset_t before_{};
};

} // namespace vtdsim::differential
