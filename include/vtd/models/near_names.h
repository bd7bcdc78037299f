// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// Up to three candidates that are close to `name` (spelling distance, or one contains the other), closest
/// first.
[[nodiscard]] std::vector<std::string> near_names(std::string_view name,
                                                  const std::vector<std::string>& candidates);

/// The end of an error line about an unknown name: "did you mean a or b?", or else what would be right, at
/// most `limit` names.
[[nodiscard]] std::string name_hint(std::string_view name, const std::vector<std::string>& candidates,
                                    std::size_t limit = 24);

} // namespace vtd::models
