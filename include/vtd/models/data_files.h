// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// Where boards and presets are looked for, in this order: `option` (when not empty), the environment
/// variable VTD_DATA_DIR, share/vtd beside the running program's bin directory, the install prefix, the build
/// tree. Directories that do not exist are left out. A given option that is no directory throws board_error.
[[nodiscard]] std::vector<std::filesystem::path> data_directories(const std::filesystem::path& option = {});

/// One JSON file that was found: its name without ".json".
struct data_file {
  std::string name;
  std::filesystem::path path;
};

/// All JSON files in the folder `kind` ("boards", "presets", "drams") of the directories, by name; of two
/// files with one name the first directory's.
[[nodiscard]] std::vector<data_file> list_data_files(std::string_view kind,
                                                     const std::vector<std::filesystem::path>& directories);

/// The file that `name` means: a path when it ends in ".json" or has a slash, else a file of that name in the
/// folder `kind`. Throws board_error with near matches when there is none.
[[nodiscard]] std::filesystem::path find_data_file(std::string_view kind, std::string_view name,
                                                   const std::vector<std::filesystem::path>& directories);

} // namespace vtd::models
