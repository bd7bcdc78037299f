// SPDX-License-Identifier: Apache-2.0
#pragma once

// printf into a std::string: the log lines and messages of the driver are formats people know from other
// drivers.

#include <string>

namespace vtd::driver {

/// The text that printf would print.
[[nodiscard]] [[gnu::format(printf, 1, 2)]] std::string printed(const char* format, ...);

} // namespace vtd::driver
