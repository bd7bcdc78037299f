// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of all tests, for pages and tables that say which test watches what.

#include "source_dir.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace vtd::test {

[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "ROOM.SUITE.NAME" of every test in tests/.
[[nodiscard]] inline const std::set<std::string>& all_tests() {
  static const std::set<std::string> tests = [] {
    std::set<std::string> out;
    const std::regex declaration("TEST(?:_[FP])?\\(\\s*(\\w+),\\s*(\\w+)\\s*\\)");
    for (const auto& file : std::filesystem::recursive_directory_iterator(VTD_SOURCE_DIR "/tests")) {
      if (!file.path().filename().string().ends_with("_test.cpp")) continue;
      const std::string room = file.path().parent_path().filename().string();
      const std::string text = text_of(file.path());
      for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i)
        out.insert(room + '.' + (*i)[1].str() + '.' + (*i)[2].str());
    }
    return out;
  }();
  return tests;
}

} // namespace vtd::test
