// SPDX-License-Identifier: Apache-2.0
// Where boards and presets are looked for, and what is said about names that are not there.

#include "vtd/models/data_files.h"

#include "support/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace vtd::models {
namespace {

namespace fs = std::filesystem;
using test::refusal_of;
using testing::HasSubstr;

// Directories of a test's own, which go with it.
struct scene {
  fs::path root = fs::temp_directory_path() / ("vtd_data_files_" + std::to_string(getpid()));
  fs::path first = root / "first";
  fs::path second = root / "second";

  scene() {
    for (const fs::path& directory : {first, second})
      fs::create_directories(directory / "boards");
  }
  ~scene() { fs::remove_all(root); }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  static void put(const fs::path& directory, const std::string& file) {
    std::ofstream(directory / "boards" / file) << "{}";
  }
  [[nodiscard]] std::vector<fs::path> both() const { return {first, second}; }
};

TEST(data_files, are_listed_by_name_and_the_first_directory_wins) {
  const scene s;
  scene::put(s.first, "b.json");
  scene::put(s.second, "b.json");
  scene::put(s.second, "a.json");
  scene::put(s.second, "notes.txt");
  const auto files = list_data_files("boards", s.both());
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].name, "a");
  EXPECT_EQ(files[0].path, s.second / "boards" / "a.json");
  EXPECT_EQ(files[1].name, "b");
  EXPECT_EQ(files[1].path, s.first / "boards" / "b.json");
  EXPECT_TRUE(list_data_files("presets", s.both()).empty());
}

TEST(data_files, are_found_by_name_or_by_path) {
  const scene s;
  scene::put(s.second, "mine.json");
  const fs::path file = s.second / "boards" / "mine.json";
  EXPECT_EQ(find_data_file("boards", "mine", s.both()), file);
  EXPECT_EQ(find_data_file("boards", file.string(), {}), file) << "a path needs no directory";
}

TEST(data_files, an_unknown_name_is_told_with_near_names_and_where_it_was_looked_for) {
  const scene s;
  scene::put(s.first, "dq35jo.json");
  scene::put(s.first, "dc7800.json");
  const std::string said = refusal_of([&] { (void)find_data_file("boards", "dq35j0", s.both()); });
  EXPECT_EQ(said, "board: unknown name \"dq35j0\", did you mean dq35jo? (looked in " + s.first.string() +
                      ", " + s.second.string() + ")");
  EXPECT_THAT(refusal_of([&] { (void)find_data_file("boards", "unheard-of", s.both()); }),
              HasSubstr("expected one of dc7800, dq35jo"));
  EXPECT_THAT(refusal_of([] { (void)find_data_file("presets", "g0", {}); }),
              HasSubstr("preset: unknown name \"g0\", expected one of nothing (looked in no directory: set "
                        "VTD_DATA_DIR)"));
}

TEST(data_files, a_path_that_is_no_file_is_told_as_one) {
  EXPECT_EQ(refusal_of([] { (void)find_data_file("boards", "./none.json", {}); }),
            "board: got \"./none.json\", expected a file that exists");
  const scene s;
  EXPECT_THAT(refusal_of([&] { (void)find_data_file("boards", s.first.string(), {}); }),
              HasSubstr("expected a file that exists"))
      << "a directory is none";
}

TEST(data_files, a_given_directory_comes_first_then_that_of_the_environment) {
  const scene s;
  setenv("VTD_DATA_DIR", s.second.c_str(), 1); // NOLINT(concurrency-mt-unsafe)
  const auto all = data_directories(s.first);
  ASSERT_GE(all.size(), 2U);
  EXPECT_EQ(all[0], s.first);
  EXPECT_EQ(all[1], s.second);
  EXPECT_EQ(data_directories().front(), s.second);
  EXPECT_EQ(data_directories(s.second).size(), data_directories().size()) << "none is there twice";
  setenv("VTD_DATA_DIR", "/no/such/directory", 1); // NOLINT(concurrency-mt-unsafe)
  EXPECT_THAT(data_directories(), testing::Not(testing::Contains(fs::path("/no/such/directory"))));
}

TEST(data_files, a_given_directory_that_is_none_is_refused) {
  EXPECT_EQ(refusal_of([] { (void)data_directories("/no/such/directory"); }),
            "data directory: got \"/no/such/directory\", expected a directory with boards/ and presets/");
}

TEST(data_files, of_the_source_tree_are_found_without_any_option) {
  unsetenv("VTD_DATA_DIR"); // NOLINT(concurrency-mt-unsafe)
  EXPECT_NO_THROW((void)find_data_file("boards", "dq35jo", data_directories()));
  EXPECT_NO_THROW((void)find_data_file("presets", "g0", data_directories()));
}

} // namespace
} // namespace vtd::models
