// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vtdsim {

/// Registers, root, context and page tables, and caches after the driver's bring-up and assignment, as text.
/// `device`
/// ("BB:DD.F", or empty for all) limits the tables to one function. Throws for input that cannot be used.
[[nodiscard]] std::string dump_machine(const std::string& board, const std::string& device,
                                       const std::string& data);

} // namespace vtdsim
