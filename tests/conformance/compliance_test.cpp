// SPDX-License-Identifier: Apache-2.0
// What models/compliance says, against the declarations and the tests that there are.

#include "vtd/models/compliance.h"

#include "conformance/test_names.h"
#include "source_dir.h"
#include "vtd/spec/fault.h"
#include "vtd/spec/outline.h"
#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>

namespace vtd::models {
namespace {

using test::all_tests;
using test::text_of;
using kind = compliance_kind;
using status = compliance_status;

TEST(compliance, every_declared_thing_has_a_row_and_every_row_is_declared) {
  const auto rows = compliance_rows(); // throws when not
  std::set<std::string> names;
  std::size_t counts[4]{};
  for (const compliance_row& row : rows) {
    EXPECT_TRUE(names.insert(std::string(to_string(row.kind)) + ' ' + row.name).second) << row.name;
    EXPECT_FALSE(row.section.empty() || row.text.empty()) << row.name;
    ++counts[static_cast<std::size_t>(row.kind)];
  }
  EXPECT_GT(counts[0], spec::fault_conditions.size());
  const auto earlier = std::count_if(spec::earlier_fields.begin(), spec::earlier_fields.end(),
                                     [](const auto& row) { return row.register_name == "ECAP"; });
  EXPECT_EQ(counts[1], spec::reg::cap_reg::layout.fields.size() + spec::reg::ecap_reg::layout.fields.size() +
                           static_cast<std::size_t>(earlier));
}

TEST(compliance, every_implemented_row_names_a_test_that_there_is) {
  for (const compliance_row& row : compliance_rows()) {
    const bool wanted = row.status != status::absent || row.kind == kind::capability;
    EXPECT_EQ(!row.test.empty(), wanted) << row.name << " is " << to_string(row.status);
    if (!row.test.empty()) {
      EXPECT_TRUE(all_tests().contains(std::string(row.test))) << row.name << ": no test " << row.test;
    }
    if (row.status == status::absent) {
      EXPECT_EQ(row.witness, compliance_witness::none) << row.name;
    }
  }
}

TEST(compliance, nothing_of_legacy_mode_is_absent) {
  std::set<std::string> stored_only;
  for (const compliance_row& row : compliance_rows()) {
    if (row.mode != compliance_mode::legacy) continue;
    EXPECT_NE(row.status, status::absent) << row.name;
    if (row.status == status::stored_only) stored_only.insert(row.name);
  }
  // Advice to software, on which no behaviour of the hardware hangs; and a number of registers of which the
  // unit has one set.
  EXPECT_EQ(stored_only, (std::set<std::string>{"CAP.ISOCH", "ECAP.NIU"}));
}

TEST(compliance, every_capability_is_watched_over_random_configurations) {
  for (const compliance_row& row : compliance_rows()) {
    if (row.kind != kind::capability) continue;
    EXPECT_TRUE(row.test.starts_with("conformance.capability_bits.")) << row.name;
    EXPECT_EQ(row.test.find("behaves_as_absent") != std::string_view::npos, row.status == status::absent)
        << row.name << ": what is built needs a probe of its own";
  }
}

TEST(compliance, every_field_of_the_table_entries_names_a_test_and_a_witness) {
  const auto rows = table_entries();
  for (const table_entry_row& row : rows) {
    EXPECT_TRUE(all_tests().contains(std::string(row.test)))
        << row.entry << ' ' << row.name << ": no test " << row.test;
    EXPECT_NE(row.witness, compliance_witness::none) << row.name;
  }
  // As many as are declared; EH and ALH are one row, the reserved and the ignored bits are no fields.
  const std::string text = text_of(VTD_SOURCE_DIR "/include/vtd/spec/entries.h");
  const std::regex declaration("using \\w+_field = field<");
  const auto declared = std::distance(std::sregex_iterator(text.begin(), text.end(), declaration), {});
  const auto listed = std::count_if(rows.begin(), rows.end(),
                                    [](const table_entry_row& row) { return !row.name.ends_with(" bits"); });
  EXPECT_EQ(declared, listed + 1);
}

TEST(compliance, what_qemu_cannot_witness_names_another_witness_or_none) {
  const auto rows = beyond_qemu();
  std::set<std::string_view> named;
  for (const beyond_qemu_row& row : rows)
    named.insert(row.what);
  EXPECT_EQ(named,
            (std::set<std::string_view>{
                "2- and 5-level tables", "512 GB pages", "ATS through edu", "PLMR and PHMR",
                "advanced fault logging", "bytes of event messages", "caching mode", "causes of queue errors",
                "device-TLB invalidation that is not answered, or answered wrongly", "drain under load",
                "non-coherent walks", "other domain widths", "paging-structure caches and IH",
                "registers of the event messages", "several fault registers", "time",
                "units without page-selective invalidation, coarser granularity", "write-buffer flush",
                "zero-length reads"}));
  for (const beyond_qemu_row& row : rows) {
    EXPECT_NE(row.witness, compliance_witness::qemu) << row.what;
    EXPECT_FALSE(row.how.empty()) << row.what;
    EXPECT_EQ(row.test.empty(), row.witness == compliance_witness::none) << row.what;
    if (!row.test.empty()) {
      EXPECT_TRUE(all_tests().contains(std::string(row.test))) << row.what << ": no test " << row.test;
    }
  }
}

// The language cannot list a struct's members: the source can.
TEST(compliance, no_field_of_a_register_is_declared_and_then_forgotten) {
  const std::string text = text_of(VTD_SOURCE_DIR "/include/vtd/spec/registers.h");
  const std::regex declaration("struct (\\w+) : register_at<|= bits<\"(\\w+)\", (\\d+), (\\d+)");
  std::vector<std::vector<std::string>> declared;
  for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i) {
    if ((*i)[1].matched) {
      declared.emplace_back();
    } else {
      ASSERT_FALSE(declared.empty());
      declared.back().push_back((*i)[2].str() + ' ' + (*i)[3].str() + ':' + (*i)[4].str());
    }
  }
  std::vector<std::vector<std::string>> listed;
  for (const spec::register_layout& layout : spec::reg::all_registers()) {
    listed.emplace_back();
    for (const spec::field_row& field : layout.fields) {
      listed.back().push_back(std::string(field.name) + ' ' + std::to_string(field.msb) + ':' +
                              std::to_string(field.lsb));
    }
  }
  EXPECT_EQ(declared, listed);
}

} // namespace
} // namespace vtd::models
