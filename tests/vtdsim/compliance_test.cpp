// SPDX-License-Identifier: Apache-2.0
// `vtdsim compliance`, and the page that it writes.

#include "program.h"
#include "source_dir.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string>

namespace {

using json = nlohmann::ordered_json;
using vtd::test::contents;

class compliance : public vtd::test::program_test {};

TEST_F(compliance, is_a_document_of_rows_with_the_keys_of_the_contract) {
  const auto got = run("compliance --json");
  ASSERT_EQ(got.status, 0) << got.err;
  const json document = json::parse(got.out);
  EXPECT_EQ(document.begin().key(), "schema");
  EXPECT_EQ(document["schema"], "vtd.compliance/1");
  ASSERT_GT(document["rows"].size(), 200U);
  const std::set<std::string> kinds{"condition", "capability", "register field", "command"};
  const std::set<std::string> modes{"legacy", "interrupt", "scalable"};
  const std::set<std::string> statuses{"implemented", "stored only", "absent"};
  for (const json& row : document["rows"]) {
    EXPECT_TRUE(kinds.contains(row["kind"].get<std::string>())) << row;
    EXPECT_TRUE(modes.contains(row["mode"].get<std::string>())) << row;
    EXPECT_TRUE(statuses.contains(row["status"].get<std::string>())) << row;
    for (const char* key : {"name", "section", "test", "witness"})
      EXPECT_TRUE(row[key].is_string()) << key << ' ' << row;
  }
  EXPECT_GE(document["beyond_qemu"].size(), 18U);
}

TEST_F(compliance, lists_what_legacy_mode_lacks) {
  const auto got = run("compliance");
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.out.find("absent of legacy mode:"), std::string::npos) << got.out;
}

TEST_F(compliance, the_page_is_what_the_program_writes) {
  const auto got = run("compliance --markdown");
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, contents(VTD_SOURCE_DIR "/docs/compliance.md"))
      << "vtdsim compliance --markdown >docs/compliance.md";
}

TEST_F(compliance, refuses_what_it_does_not_know) { expect_refused("compliance --html", "--html"); }

} // namespace
