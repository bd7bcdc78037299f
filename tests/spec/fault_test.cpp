// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/fault.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::spec {
namespace {

using enum fault_condition;

struct expected_row {
  fault_condition condition;
  const char* name;
  unsigned code;
  bool qualified;
};

// Codes and the FPD column as VT-d 7.1.3 and 5.1.4 list them.
const std::vector<expected_row> expected{
    {none, "none", 0x00, false},          {lrt_1, "LRT.1", 0x08, false},
    {lrt_2, "LRT.2", 0x01, false},        {lrt_3, "LRT.3", 0x0a, false},
    {lct_1, "LCT.1", 0x09, false},        {lct_2, "LCT.2", 0x02, true},
    {lct_3, "LCT.3", 0x0b, true},         {lct_4_1, "LCT.4.1", 0x03, true},
    {lct_4_2, "LCT.4.2", 0x03, true},     {lct_4_3, "LCT.4.3", 0x03, true},
    {lct_5, "LCT.5", 0x0d, true},         {lgn_1_1, "LGN.1.1", 0x04, true},
    {lgn_1_2, "LGN.1.2", 0x04, true},     {lgn_1_3, "LGN.1.3", 0x04, true},
    {lgn_2, "LGN.2", 0x05, true},         {lgn_2_np, "LGN.2.np", 0x05, true},
    {lgn_3, "LGN.3", 0x06, true},         {lgn_3_np, "LGN.3.np", 0x06, true},
    {lgn_3_zlr, "LGN.3.zlr", 0x06, true}, {lgn_4, "LGN.4", 0x0e, true},
    {lsl_1, "LSL.1", 0x07, true},         {lsl_2, "LSL.2", 0x0c, true},
    {ir_1, "IR.1", 0x20, false},          {ir_2, "IR.2", 0x21, false},
    {ir_3, "IR.3", 0x22, true},           {ir_4, "IR.4", 0x23, false},
    {ir_5, "IR.5", 0x24, true},           {ir_6, "IR.6", 0x25, false},
    {ir_7, "IR.7", 0x26, true},           {ir_8, "IR.8", 0x27, true},
    {ir_9, "IR.9", 0x28, true},
};

TEST(fault_condition, has_the_code_and_the_qualification_of_the_specification) {
  for (const expected_row& row : expected) {
    const fault_condition_info& info = condition_info(row.condition);
    EXPECT_EQ(info.condition, row.condition) << row.name;
    EXPECT_EQ(info.name, row.name);
    EXPECT_EQ(static_cast<unsigned>(info.reason), row.code) << row.name;
    EXPECT_EQ(info.qualified, row.qualified) << row.name;
  }
  EXPECT_EQ(expected.size(), fault_conditions.size());
}

// No default: the compiler names an enumerator that was added without a row.
bool is_known(fault_condition condition) {
  switch (condition) {
  case none:
  case lrt_1:
  case lrt_2:
  case lrt_3:
  case lct_1:
  case lct_2:
  case lct_3:
  case lct_4_1:
  case lct_4_2:
  case lct_4_3:
  case lct_5:
  case lgn_1_1:
  case lgn_1_2:
  case lgn_1_3:
  case lgn_2:
  case lgn_2_np:
  case lgn_3:
  case lgn_3_np:
  case lgn_3_zlr:
  case lgn_4:
  case lsl_1:
  case lsl_2:
  case ir_1:
  case ir_2:
  case ir_3:
  case ir_4:
  case ir_5:
  case ir_6:
  case ir_7:
  case ir_8:
  case ir_9:
    return true;
  }
  return false;
}

TEST(fault_condition, table_has_exactly_one_row_for_every_enumerator) {
  for (const fault_condition_info& row : fault_conditions)
    EXPECT_TRUE(is_known(row.condition)) << row.name;
  EXPECT_FALSE(is_known(static_cast<fault_condition>(fault_conditions.size())));
}

TEST(fault_condition, says_what_was_wrong_in_words_of_its_own) {
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (const fault_condition_info& row : fault_conditions) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_TRUE(texts.insert(row.text).second) << row.text << " twice";
    EXPECT_FALSE(row.text.empty()) << row.name;
    const std::string_view section = row.condition == none        ? ""
                                     : row.name.starts_with("IR") ? "5.1.4"
                                                                  : "7.1.3";
    EXPECT_EQ(row.section, section) << row.name;
  }
}

TEST(fault_condition, is_found_by_its_name) {
  for (const fault_condition_info& row : fault_conditions)
    EXPECT_EQ(parse_condition(row.name), row.condition);
  static_assert(parse_condition("LGN.3") == lgn_3);
  for (const std::string_view name : {"", "LGN", "LGN.", "LGN.9", "lgn.3", " LGN.3", "LGN.3 ", "SGN.5"}) {
    EXPECT_EQ(parse_condition(name), std::nullopt) << name;
  }
}

TEST(fault_reason, is_reached_by_at_least_one_condition) {
  std::set<unsigned> reached;
  for (const fault_condition_info& row : fault_conditions)
    reached.insert(static_cast<unsigned>(row.reason));
  std::set<unsigned> assigned;
  for (unsigned code = 0; code <= 0x0e; ++code)
    assigned.insert(code);
  for (unsigned code = 0x20; code <= 0x28; ++code)
    assigned.insert(code);
  EXPECT_EQ(reached, assigned);
}

TEST(fault_reason, has_a_text_for_each_assigned_code_and_one_for_all_others) {
  const std::string_view unassigned = reason_text(static_cast<fault_reason>(0xff));
  std::map<std::string_view, unsigned> texts;
  for (unsigned code = 0; code <= 0xff; ++code) {
    const std::string_view text = reason_text(static_cast<fault_reason>(code));
    EXPECT_FALSE(text.empty()) << code;
    const bool assigned = code <= 0x0e || (code >= 0x20 && code <= 0x28);
    EXPECT_EQ(text != unassigned, assigned) << code << ": " << text;
    if (assigned) {
      EXPECT_TRUE(texts.emplace(text, code).second) << code << " and " << texts[text] << " share " << text;
    }
  }
}

TEST(fault_reason, names_the_permission_that_was_missing) {
  // The pair that people mix up: 5 is a write, 6 is a read.
  EXPECT_NE(reason_text(fault_reason::no_write_permission).find("write"), std::string_view::npos);
  EXPECT_NE(reason_text(fault_reason::no_read_permission).find("read"), std::string_view::npos);
  EXPECT_EQ(static_cast<unsigned>(fault_reason::no_write_permission), 5U);
  EXPECT_EQ(static_cast<unsigned>(fault_reason::no_read_permission), 6U);
}

} // namespace
} // namespace vtd::spec
