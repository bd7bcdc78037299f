// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/data_files.h"

#include "vtd/models/board_error.h"
#include "vtd/models/near_names.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

// The build says both; a build without it has only the option and the environment.
#ifndef VTD_BUILD_DATA_DIR
#define VTD_BUILD_DATA_DIR ""
#endif
#ifndef VTD_INSTALL_DATA_DIR
#define VTD_INSTALL_DATA_DIR ""
#endif

namespace vtd::models {

namespace fs = std::filesystem;

namespace {

// A package that was moved after its installation still finds its data.
fs::path beside_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : program.parent_path().parent_path() / "share" / "vtd";
}

} // namespace

std::vector<fs::path> data_directories(const fs::path& option) {
  std::error_code error;
  std::vector<fs::path> result;
  const auto add = [&](const fs::path& directory) {
    if (directory.empty() || !fs::is_directory(directory, error)) return;
    if (std::find(result.begin(), result.end(), directory) == result.end()) result.push_back(directory);
  };
  if (!option.empty() && !fs::is_directory(option, error)) {
    throw board_error("data directory: got \"" + option.string() +
                      "\", expected a directory with boards/ and presets/");
  }
  add(option);
  if (const char* environment = std::getenv("VTD_DATA_DIR"))
    add(environment); // NOLINT(concurrency-mt-unsafe)
  add(beside_program());
  add(VTD_INSTALL_DATA_DIR);
  add(VTD_BUILD_DATA_DIR);
  return result;
}

std::vector<data_file> list_data_files(std::string_view kind, const std::vector<fs::path>& directories) {
  std::vector<data_file> result;
  for (const fs::path& directory : directories) {
    std::error_code error;
    for (fs::directory_iterator entry(directory / kind, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().extension() != ".json") continue;
      const std::string name = entry->path().stem().string();
      const bool taken =
          std::any_of(result.begin(), result.end(), [&](const data_file& f) { return f.name == name; });
      if (!taken) result.push_back({name, entry->path()});
    }
  }
  std::sort(result.begin(), result.end(),
            [](const data_file& a, const data_file& b) { return a.name < b.name; });
  return result;
}

fs::path find_data_file(std::string_view kind, std::string_view name,
                        const std::vector<fs::path>& directories) {
  const std::string what = std::string(kind.substr(0, kind.size() - 1)); // "boards" -> "board"
  if (name.ends_with(".json") || name.find('/') != std::string_view::npos) {
    std::error_code error;
    if (fs::is_regular_file(fs::path(name), error)) return {name};
    throw board_error(what + ": got \"" + std::string(name) + "\", expected a file that exists");
  }
  std::vector<std::string> names;
  for (const data_file& file : list_data_files(kind, directories)) {
    if (file.name == name) return file.path;
    names.push_back(file.name);
  }
  std::string places;
  for (const fs::path& directory : directories)
    places += (places.empty() ? "" : ", ") + directory.string();
  throw board_error(what + ": unknown name \"" + std::string(name) + "\", " + name_hint(name, names) +
                    " (looked in " + (places.empty() ? "no directory: set VTD_DATA_DIR" : places) + ")");
}

} // namespace vtd::models
