// SPDX-License-Identifier: Apache-2.0
#pragma once

// The program as a user meets it: run with arguments, in a scratch directory of the test's own.

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace vtd::test {

struct outcome {
  int status = -1;
  std::string out;
  std::string err;
};

[[nodiscard]] inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class program_test : public testing::Test {
public:
  program_test() {
    scratch = std::filesystem::temp_directory_path() / ("vtdsim_test_" + std::to_string(::getpid()));
    std::filesystem::create_directories(scratch);
  }
  ~program_test() override { std::filesystem::remove_all(scratch); }
  program_test(const program_test&) = delete;
  program_test& operator=(const program_test&) = delete;

protected:
  outcome run(const std::string& arguments) const {
    const auto out = scratch / "out";
    const auto err = scratch / "err";
    const std::string command =
        std::string(VTD_PROGRAM) + " " + arguments + " >" + out.string() + " 2>" + err.string();
    const int status = std::system(command.c_str()); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, contents(out), contents(err)};
  }
  [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(scratch / name, std::ios::binary) << text;
    return (scratch / name).string();
  }
  void expect_refused(const std::string& arguments, const std::string& named) const {
    const outcome got = run(arguments);
    EXPECT_EQ(got.status, 2) << arguments << '\n' << got.err;
    EXPECT_NE(got.err.find(named), std::string::npos) << arguments << '\n' << got.err;
    EXPECT_EQ(std::count(got.err.begin(), got.err.end(), '\n'), 1) << got.err;
  }

  std::filesystem::path scratch;
};

} // namespace vtd::test
