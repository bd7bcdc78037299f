// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/models/board_error.h"

#include <gtest/gtest.h>

#include <string>

namespace vtd::test {

/// What `action` refuses its input with; a failure of the test when it accepts it. Errors are one line.
template <class Action>
[[nodiscard]] std::string refusal_of(Action&& action) {
  try {
    action();
  } catch (const models::board_error& error) {
    const std::string said = error.what();
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    return said;
  }
  ADD_FAILURE() << "accepted";
  return {};
}

} // namespace vtd::test
