// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace vtd::models {

/// A board, preset or setting that cannot be used. The text is one line: place (file and JSON path, or key),
/// value, expectation.
class board_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

} // namespace vtd::models
