// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/interruption.h"

#include <ctime>

namespace vtdsim::differential {

interruption::interruption() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
}

interruption::~interruption() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

bool interruption::came() const {
  constexpr timespec patience{0, 50'000'000};
  return sigtimedwait(&signals_, nullptr, &patience) > 0;
}

} // namespace vtdsim::differential
