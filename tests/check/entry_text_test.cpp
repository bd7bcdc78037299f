// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/entry_text.h"

#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <gtest/gtest.h>

namespace vtd::check {
namespace {

using remap::table_kind;

remap::table_words words_of(const spec::root_entry& entry) { return {{entry.lo, entry.hi}}; }
remap::table_words words_of(const spec::context_entry& entry) { return {{entry.lo, entry.hi}}; }
remap::table_words words_of(const spec::second_level_entry& entry) { return {{entry.value, 0}}; }

std::string text(const spec::root_entry& entry) { return entry_text(table_kind::root, 0, words_of(entry)); }
std::string text(const spec::context_entry& entry) {
  return entry_text(table_kind::context, 0, words_of(entry));
}
std::string text(const spec::second_level_entry& entry, unsigned level) {
  return entry_text(table_kind::paging, level, words_of(entry));
}

spec::context_entry present_context() {
  spec::context_entry entry;
  entry.set_present(true).set_domain_id(5).set_address_width(1).set_second_level_table(0x7000);
  return entry;
}

TEST(entry_text, says_what_a_root_entry_points_to) {
  spec::root_entry entry;
  EXPECT_EQ(text(entry), "not present");
  entry.set_present(true).set_context_table(0x1f000);
  EXPECT_EQ(text(entry), "present, context table 0x1f000");
}

TEST(entry_text, says_domain_table_and_levels_of_a_context_entry) {
  EXPECT_EQ(text(present_context()), "present, domain 5, table 0x7000, 3 levels");
}

TEST(entry_text, leaves_the_table_out_where_a_context_entry_passes_through) {
  auto entry = present_context();
  entry.set_translation_type(spec::translation_type::pass_through);
  EXPECT_EQ(text(entry), "present, domain 5, pass-through, 3 levels");
}

TEST(entry_text, names_the_other_translation_types_and_silenced_faults) {
  auto entry = present_context();
  entry.set_translation_type(spec::translation_type::with_device_tlb).set_fault_processing_disable(true);
  EXPECT_EQ(text(entry),
            "present, domain 5, device-TLB allowed, table 0x7000, 3 levels, faults not reported");
  entry.set_translation_type(spec::translation_type::reserved);
  EXPECT_NE(text(entry).find("reserved translation type"), std::string::npos);
}

TEST(entry_text, names_an_address_width_that_is_reserved) {
  auto entry = present_context();
  entry.set_address_width(4);
  EXPECT_EQ(text(entry), "present, domain 5, table 0x7000, reserved address width 4");
}

TEST(entry_text, tells_pages_from_tables_by_level_and_page_size) {
  spec::second_level_entry entry;
  entry.set_read(true).set_write(true).set_address(spec::level_size(3));
  EXPECT_EQ(text(entry, 1), "present, read-write, 4 KB page 0x40000000");
  EXPECT_EQ(text(entry, 2), "present, read-write, level-1 table 0x40000000");
  entry.set_page_size(true);
  EXPECT_EQ(text(entry, 2), "present, read-write, 2 MB page 0x40000000");
  EXPECT_EQ(text(entry, 3), "present, read-write, 1 GB page 0x40000000");
}

TEST(entry_text, takes_a_paging_entry_with_either_right_as_present) {
  spec::second_level_entry entry;
  entry.set_address(0x5000);
  EXPECT_EQ(text(entry, 1), "not present");
  entry.set_read(true).set_snoop(true);
  EXPECT_EQ(text(entry, 1), "present, read-only, 4 KB page 0x5000, snooped");
  entry.set_read(false).set_write(true).set_snoop(false);
  EXPECT_EQ(text(entry, 1), "present, write-only, 4 KB page 0x5000");
}

TEST(entry_name, names_bus_function_or_level_and_address) {
  remap::table_read read;
  read.source = spec::source_id::from_bdf(1, 0, 0);
  EXPECT_EQ(entry_name(read), "root entry of bus 01");
  read.kind = table_kind::context;
  EXPECT_EQ(entry_name(read), "context entry 01:00.0");
  read.kind = table_kind::paging;
  read.level = 2;
  read.input_address = 0x200000;
  EXPECT_EQ(entry_name(read), "level-2 paging entry of 01:00.0 for 0x200000");
}

} // namespace
} // namespace vtd::check
