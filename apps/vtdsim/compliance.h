// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vtdsim {

/// What of VT-d is there, for `vtdsim compliance`: as a document, as the page docs/compliance.md, as a
/// summary.
[[nodiscard]] std::string compliance_json();
[[nodiscard]] std::string compliance_markdown();
[[nodiscard]] std::string compliance_text();

} // namespace vtdsim
