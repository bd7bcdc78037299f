// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace vtdsim {

/// Adds all verbs; the one that is called leaves its exit status in `status`. Verbs throw an exception with a
/// one-line message for input that cannot be used.
void add_verbs(CLI::App& app, int& status);

} // namespace vtdsim
