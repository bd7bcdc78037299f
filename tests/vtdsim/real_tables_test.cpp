// SPDX-License-Identifier: Apache-2.0
// `run --acpi` with the DMAR tables of real machines, which are also where the fuzzer of tables begins
// (tests/fuzz/corpus/dmar_table). VTD_DMAR_DIR names a directory of others to run instead.

#include "program.h"
#include "sanitizer.h"
#include "source_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace {

using json = nlohmann::json;
using vtd::test::outcome;

class real_tables : public vtd::test::program_test {
protected:
  static std::vector<std::filesystem::path> tables() {
    const char* const named = std::getenv("VTD_DMAR_DIR"); // NOLINT(concurrency-mt-unsafe)
    const std::filesystem::path directory =
        named != nullptr ? named : VTD_SOURCE_DIR "/tests/fuzz/corpus/dmar_table";
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == ".dmar" || entry.path().extension() == ".bin")
        out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    EXPECT_FALSE(out.empty()) << directory << ": no *.dmar or *.bin";
#ifdef VTD_ADDRESS_SANITIZER
    if (named == nullptr) { // every fourth: each takes five times as long
      for (std::size_t n = 0; n < out.size(); ++n)
        out[n / 4] = out[n];
      out.resize((out.size() + 3) / 4);
    }
#endif
    return out;
  }
};

TEST_F(real_tables, all_run_and_move_their_data) {
  std::size_t with_warnings = 0;
  const auto all = tables();
  for (const auto& table : all) {
    SCOPED_TRACE(table);
    const outcome got = run("run --pages 1 --json --acpi " + table.string());
    EXPECT_EQ(got.status, 0) << got.err;
    if (got.status != 0) continue;
    const json r = json::parse(got.out);
    EXPECT_EQ(r["dma"]["verified"], true);
    EXPECT_EQ(r["sweep"][0]["latency_ns_on"].is_null(), !r["translation_off"].get<std::string>().empty());
    bool odd = false;
    for (const json& each : r["warnings"]) {
      EXPECT_NE(each["name"], "enumeration") << each["text"];
      odd = odd || each["name"] != "default";
    }
    if (odd) ++with_warnings;
  }
  EXPECT_GT(with_warnings, 0U) << "real firmware is never so clean";
  RecordProperty("tables", static_cast<int>(all.size()));
}

} // namespace
