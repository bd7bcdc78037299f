// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/outline.h"

#include "vtd/spec/fault.h"
#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

namespace vtd::spec {
namespace {

TEST(granularities, have_names_in_the_order_of_their_values) {
  std::ostringstream text;
  for (const auto& table : {context_granularities, iotlb_granularities}) {
    for (const granularity_info& row : table)
      text << row.value << ' ' << row.name << ' ';
  }
  EXPECT_EQ(text.str(), "0 none 1 global 2 domain 3 device 0 none 1 global 2 domain 3 page ");
}

// VT-d 6.5.2 and 7.7, in our own form.
TEST(descriptors, are_listed_by_type_with_all_that_they_can_ask_for) {
  const std::string expected = "1 context-cache (6.5.2.1): global, domain, device\n"
                               "2 IOTLB (6.5.2.3): global, domain, page\n"
                               "3 device-TLB (6.5.2.5): one page, range\n"
                               "4 interrupt-entry-cache (6.5.2.7): global, index\n"
                               "5 wait (6.5.2.8): interrupt, status write, fence, page-request drain\n"
                               "6 PASID-based IOTLB (6.5.2.4): all pages, page\n"
                               "7 PASID-cache (6.5.2.2): domain, PASID, global\n"
                               "8 PASID-based device-TLB (6.5.2.6): one page, range\n"
                               "9 page-group response (7.7): any\n"
                               "10 page-stream response (rev 2.x) (7.7): any\n";
  std::ostringstream text;
  for (const descriptor_info& row : all_descriptors) {
    text << row.type << ' ' << row.name << " (" << row.section << "):";
    for (std::size_t i = 0; i < row.forms.size(); ++i)
      text << (i == 0 ? " " : ", ") << row.forms[i];
    text << '\n';
    EXPECT_EQ(row.since, row.type <= 5 ? rev_1_0 : row.type == 10 ? rev_2_1 : rev_3_0);
  }
  EXPECT_EQ(text.str(), expected);
}

// The groups of VT-d 7.1.3 begin at these codes, and count up; SFS goes on where there was room.
TEST(later_reasons, have_the_codes_of_their_group_and_number) {
  const std::map<std::string, unsigned> groups{{"IR", 0x20},  {"RTA", 0x30}, {"SRT", 0x38},
                                               {"SCT", 0x40}, {"SPD", 0x50}, {"SPT", 0x58},
                                               {"SFS", 0x70}, {"SSS", 0x78}, {"SGN", 0x80}};
  unsigned last = 0;
  for (const reason_outline& row : later_reasons) {
    const std::string name(row.name);
    const std::size_t dot = name.find('.');
    ASSERT_NE(dot, std::string::npos) << name;
    const auto number = static_cast<unsigned>(std::stoul(name.substr(dot + 1)));
    unsigned code = groups.at(name.substr(0, dot)) + number - 1;
    if (name == "SFS.9" || name == "SFS.10") code = 0x90 + number - 9;
    EXPECT_EQ(row.code, code) << name;
    EXPECT_GT(row.code, last) << name;
    last = row.code;
    EXPECT_EQ(reason_text(static_cast<fault_reason>(row.code)), "reason code that is not assigned")
        << name << " has a condition of its own";
    EXPECT_FALSE(parse_condition(row.name).has_value()) << name;
    EXPECT_FALSE(row.text.empty()) << name;
  }
}

TEST(undeclared_registers, stand_where_the_specification_has_them_and_nothing_else_stands) {
  const std::string expected =
      "PQH 0c0 8, PQT 0c8 8, PQA 0d0 8, PRS 0dc 4, PECTL 0e0 4, PEDATA 0e4 4, PEADDR 0e8 4, PEUADDR 0ec 4, "
      "MTRRCAP 100 8, MTRRDEF 108 8, MTRR_FIX 120 88, MTRR_PHYS 180 160, PERFCAP 300 8, PERFCFGOFF 310 4, "
      "PERFFRZOFF 314 4, PERFOVFOFF 318 4, PERFCNTROFF 31c 4, PERFINTRSTS 324 4, PERFINTRCTL 328 4, "
      "PERFINTRDATA 32c 4, PERFINTRADDR 330 4, PERFINTRUADDR 334 4, PERFEVNTCAP 380 8, ECMD 400 8, ECEO 408 "
      "8, "
      "ECRSP 410 8, ECCAP 430 32, VCMD e00 8, VCMD_EO e08 8, VCRSP e10 8, VCCAP e30 8, ";
  std::ostringstream text;
  std::uint32_t end = 0;
  for (const register_layout& layout : reg::all_registers()) {
    if (layout.base == register_base::block) end = std::max(end, layout.offset + layout.size_bits / 8);
  }
  for (const register_outline& row : undeclared_registers) {
    text << row.name.substr(0, row.name.find("_REG")) << ' ' << std::hex << (row.offset < 0x100 ? "0" : "")
         << row.offset << std::dec << ' ' << row.bytes << ", ";
    EXPECT_GE(row.offset, end) << row.name;
    EXPECT_GE(row.since, rev_3_0) << row.name;
    EXPECT_FALSE(row.text.empty()) << row.name;
    end = row.offset + row.bytes;
  }
  EXPECT_EQ(text.str(), expected);
}

TEST(earlier_fields, stand_at_bits_that_later_revisions_use_otherwise_or_not_at_all) {
  std::ostringstream text;
  EXPECT_EQ(earlier_fields[0].name, "NIU");
  EXPECT_EQ(earlier_fields[0].mask(), 0xff000000U);
  for (const earlier_field& row : earlier_fields) {
    text << row.register_name << '.' << row.name << ' ' << row.msb << ':' << row.lsb << ' ' << std::hex
         << unsigned{row.since} << '-' << unsigned{row.until} << std::dec << ", ";
    const auto layouts = reg::all_registers();
    const auto layout = std::find_if(layouts.begin(), layouts.end(), [&](const register_layout& each) {
      return each.base == register_base::block && each.offset == row.offset;
    });
    ASSERT_NE(layout, layouts.end()) << row.name;
    EXPECT_EQ(layout->name.substr(0, row.register_name.size()), row.register_name);
    EXPECT_EQ(layout->section, row.section);
    for (const field_row& field : layout->fields) {
      if ((field.mask() & row.mask()) != 0) {
        EXPECT_GT(field.since, row.until) << row.name << " and " << field.name;
      }
    }
  }
  EXPECT_EQ(text.str(), "ECAP.NIU 31:24 10-11, ECAP.PASID_OLD 28:28 20-23, RTADDR_REG.RTT 11:11 20-25, "
                        "FSTS_REG.PRO 7:7 20-25, ");
}

} // namespace
} // namespace vtd::spec
