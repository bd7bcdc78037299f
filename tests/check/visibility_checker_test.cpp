// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/visibility_checker.h"

#include "vtd/host/sparse_memory.h"
#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <gtest/gtest.h>

#include <array>
#include <span>

namespace vtd::check {
namespace {

constexpr std::uint64_t memory_size = std::uint64_t{1} << 20;
constexpr std::uint64_t context_address = 0x3010; // the second entry of its line
constexpr std::uint64_t leaf_address = 0x5008;
constexpr std::uint64_t buffer_line = 0x7000;

class visibility_checker_test : public testing::Test {
protected:
  visibility_checker_test() = default;
  explicit visibility_checker_test(std::size_t buffer_entries)
      : path(ram, {.cache = {}, .write_buffer_entries = buffer_entries}) {}

  void driver_writes(std::uint64_t address, const spec::context_entry& entry, engine::cycle when) {
    ASSERT_TRUE(path.cpu_store(address + 8, entry.hi, when));
    ASSERT_TRUE(path.cpu_store(address, entry.lo, when));
  }

  // Reads an entry as a remapping unit does and shows the read to the checker.
  void unit_reads(remap::table_kind kind, std::uint64_t address, unsigned bytes, engine::cycle when,
                  bool coherent = false, unsigned level = 0) {
    remap::table_read read;
    read.kind = kind;
    read.level = level;
    read.source = spec::source_id::from_bdf(1, 0, 0);
    read.input_address = 0x200000;
    read.address = address;
    read.bytes = bytes;
    read.failed = !path.table_read(address, std::span(read.seen.words).first(bytes / 8), coherent);
    read.unit = "DRHD1";
    read.when = when;
    checker.on_table_read(read);
  }
  void unit_reads_context(engine::cycle when, bool coherent = false) {
    unit_reads(remap::table_kind::context, context_address, 16, when, coherent);
  }
  void unit_reads_leaf(engine::cycle when) {
    unit_reads(remap::table_kind::paging, leaf_address, 8, when, false, 1);
  }

  static spec::context_entry context(unsigned domain = 5) {
    spec::context_entry entry;
    entry.set_present(true)
        .set_domain_id(static_cast<std::uint16_t>(domain))
        .set_address_width(1)
        .set_second_level_table(0x4000);
    return entry;
  }
  static std::uint64_t leaf(std::uint64_t page) {
    spec::second_level_entry entry;
    entry.set_read(true).set_write(true).set_address(page);
    return entry.value;
  }
  [[nodiscard]] const finding& only() const { return log.findings().at(0); }

  host::sparse_memory ram{memory_size};
  host::store_path path{ram, {}};
  finding_log log;
  visibility_checker checker{path, log};
};

class write_buffer_checker_test : public visibility_checker_test {
protected:
  write_buffer_checker_test() : visibility_checker_test(4) {}
};

TEST_F(visibility_checker_test, names_entry_values_line_and_the_forgotten_cache_flush) {
  driver_writes(context_address, context(), 100);
  unit_reads_context(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().rule(), "visibility.cache-line");
  EXPECT_EQ(only().unit(), "DRHD1");
  EXPECT_EQ(only().level, severity::error);
  EXPECT_EQ(only().text,
            "context entry 01:00.0: saw not present; driver wrote present, domain 5, table 0x4000, "
            "3 levels; forgotten: flush of the cache line");
  EXPECT_EQ(only().find("entry address"), "0x3010");
  EXPECT_EQ(only().find("line"), "0x3000");
  EXPECT_EQ(only().find("request"), "from 01:00.0, input address 0x200000");
  EXPECT_EQ(only().find("hardware saw"), "not present [0000000000000000_0000000000000000]");
  EXPECT_EQ(only().find("waits in"), "CPU cache");
  EXPECT_EQ(only().find("stored"), "at cycle 100 (store 2)");
  EXPECT_EQ(only().find("forgotten"), "flush of the cache line");
  EXPECT_NE(only().find("remedy").find("10.4.3"), std::string_view::npos);
  EXPECT_EQ(only().first, 250U);
}

TEST_F(visibility_checker_test, is_silent_when_the_line_was_flushed) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(checker.reads(), 1U);
  EXPECT_EQ(checker.bypasses(), 0U);
}

TEST_F(visibility_checker_test, is_silent_when_the_unit_is_coherent) {
  driver_writes(context_address, context(), 100);
  unit_reads_context(250, true);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, does_not_look_at_units_declared_coherent) {
  checker.declare_coherent("DRHD1");
  driver_writes(context_address, context(), 100);
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(checker.reads(), 0U);
}

TEST_F(visibility_checker_test, is_silent_about_a_neighbour_in_a_dirty_line) {
  driver_writes(context_address + 16, context(), 100);
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, is_silent_when_the_same_bytes_were_stored_again) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  driver_writes(context_address, context(), 200);
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, is_silent_while_an_entry_is_being_prepared) {
  path.cpu_store(context_address + 8, context().hi, 100); // the present bit comes last
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, is_silent_when_the_store_came_after_the_read) {
  driver_writes(context_address, context(), 251);
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, is_silent_about_a_read_that_failed) {
  driver_writes(context_address, context(), 100);
  remap::table_read read;
  read.kind = remap::table_kind::context;
  read.address = context_address;
  read.bytes = 16;
  read.failed = true;
  read.when = 250;
  checker.on_table_read(read);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, is_silent_when_the_hardware_saw_neither_memory_nor_the_store) {
  ASSERT_TRUE(ram.store(leaf_address, leaf(0x8000)));
  path.cpu_store(leaf_address, leaf(0x9000), 100);
  remap::table_read read; // fetched earlier, when memory showed another page still
  read.kind = remap::table_kind::paging;
  read.level = 1;
  read.address = leaf_address;
  read.bytes = 8;
  read.seen.words[0] = leaf(0xa000);
  read.when = 250;
  checker.on_table_read(read);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, takes_words_that_no_store_changed_for_no_bypass) {
  ASSERT_TRUE(ram.store(context_address + 8, context().hi));
  path.cpu_store(context_address, context().lo, 100);
  remap::table_read read; // its low word is older than memory, its high word is the same everywhere
  read.kind = remap::table_kind::context;
  read.address = context_address;
  read.bytes = 16;
  read.seen = {{context().set_second_level_table(0x6000).lo, context().hi}};
  read.when = 250;
  checker.on_table_read(read);
  EXPECT_TRUE(log.empty());
}

TEST_F(visibility_checker_test, reports_a_mapping_that_the_driver_took_away) {
  ASSERT_TRUE(ram.store(leaf_address, leaf(0x8000)));
  path.cpu_store(leaf_address, std::uint64_t{0}, 100);
  unit_reads_leaf(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().text,
            "level-1 paging entry of 01:00.0 for 0x200000: saw present, read-write, 4 KB page 0x8000; "
            "driver wrote not present; forgotten: flush of the cache line");
  EXPECT_EQ(only().find("driver wrote"), "not present [0000000000000000]");
}

TEST_F(visibility_checker_test, reports_an_old_root_entry) {
  spec::root_entry root;
  root.set_present(true).set_context_table(0x3000);
  path.cpu_store(0x2010, root.lo, 100);
  unit_reads(remap::table_kind::root, 0x2010, 16, 250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().text, "root entry of bus 01: saw not present; driver wrote present, context table 0x3000; "
                         "forgotten: flush of the cache line");
}

TEST_F(visibility_checker_test, makes_a_note_where_hardware_takes_the_same_from_both) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  driver_writes(context_address, context().set_available(3), 200);
  unit_reads_context(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().level, severity::note);
  EXPECT_NE(only().text.find("driver wrote other ignored or reserved bits"), std::string::npos);
}

TEST_F(visibility_checker_test, counts_the_same_mistake_instead_of_repeating_it) {
  driver_writes(context_address, context(), 100);
  for (const engine::cycle when : {250U, 300U, 350U})
    unit_reads_context(when);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().count, 3U);
  EXPECT_EQ(only().first, 250U);
  EXPECT_EQ(only().last, 350U);
  EXPECT_EQ(checker.bypasses(), 3U);
}

TEST_F(visibility_checker_test, makes_no_text_for_a_mistake_that_is_known) {
  struct counting_sink final : finding_sink {
    unsigned reports = 0;
    unsigned repeats = 0;
    bool repeat(const finding_key& /*key*/, engine::cycle /*when*/) override {
      return reports != 0 && ++repeats != 0;
    }
    void report(finding /*found*/) override { ++reports; }
  };
  counting_sink sink;
  visibility_checker other(path, sink);
  driver_writes(context_address, context(), 100);
  remap::table_read read;
  read.kind = remap::table_kind::context;
  read.address = context_address;
  read.bytes = 16;
  read.when = 250;
  other.on_table_read(read);
  other.on_table_read(read);
  EXPECT_EQ(sink.reports, 1U);
  EXPECT_EQ(sink.repeats, 1U);
}

TEST_F(visibility_checker_test, reports_again_when_the_driver_wrote_something_else) {
  driver_writes(context_address, context(5), 100);
  unit_reads_context(250);
  driver_writes(context_address, context(6), 300);
  unit_reads_context(350);
  EXPECT_EQ(log.size(), 2U);
}

TEST_F(visibility_checker_test, gives_the_driver_time_to_flush_when_told_to) {
  checker.set_patience(50);
  driver_writes(context_address, context(), 100);
  unit_reads_context(149);
  EXPECT_TRUE(log.empty());
  unit_reads_context(150);
  EXPECT_EQ(log.size(), 1U);
}

TEST_F(visibility_checker_test, leaves_the_store_where_it_waits) {
  driver_writes(context_address, context(), 100);
  unit_reads_context(250);
  EXPECT_EQ(path.cache().dirty_lines(), 1U);
  EXPECT_EQ(ram.load<std::uint64_t>(context_address), 0U);
}

TEST_F(write_buffer_checker_test, names_the_write_buffer_flush_when_the_line_was_flushed_that_far) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  unit_reads_context(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().rule(), "visibility.write-buffer");
  EXPECT_EQ(only().find("waits in"), "chipset write buffer");
  EXPECT_EQ(only().find("forgotten"), "GCMD.WBF write-buffer flush");
  EXPECT_EQ(only().find("stored"), "at cycle 100 (store 2)");
  EXPECT_NE(only().find("remedy").find("6.8"), std::string_view::npos);
}

TEST_F(write_buffer_checker_test, names_both_steps_when_the_store_is_still_in_the_cache) {
  driver_writes(context_address, context(), 100);
  unit_reads_context(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().rule(), "visibility.cache-line");
  EXPECT_EQ(only().find("forgotten"), "flush of the cache line, then GCMD.WBF write-buffer flush");
}

TEST_F(write_buffer_checker_test, is_silent_after_flush_and_drain) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  path.drain();
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(write_buffer_checker_test, is_silent_when_a_full_buffer_pushed_the_entry_out) {
  driver_writes(context_address, context(), 100);
  path.clflush(context_address);
  for (std::uint64_t i = 0; i < path.buffer().capacity(); ++i) {
    path.cpu_store(buffer_line + i * host::line_size, i + 1);
    path.clflush(buffer_line + i * host::line_size);
  }
  unit_reads_context(250);
  EXPECT_TRUE(log.empty());
}

TEST_F(write_buffer_checker_test, tells_that_an_entry_waits_in_both_places) {
  path.cpu_store(context_address + 8, context().hi, 100);
  path.clflush(context_address);
  path.cpu_store(context_address, context().lo, 110);
  unit_reads_context(250);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(only().find("waits in"), "CPU cache, and in part the chipset write buffer");
  EXPECT_NE(only().text.find("driver wrote present, domain 5, table 0x4000"), std::string::npos);
}

} // namespace
} // namespace vtd::check
