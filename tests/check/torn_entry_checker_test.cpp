// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/torn_entry_checker.h"

#include "vtd/check/visibility_checker.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>

namespace vtd::check {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t memory_size = std::uint64_t{1} << 20;
constexpr std::uint64_t context_address = 0x3010;
constexpr std::uint64_t half = sizeof(std::uint64_t);

class torn_entry_checker_test : public testing::Test {
protected:
  static spec::context_entry context(std::uint16_t domain, std::uint64_t table) {
    spec::context_entry entry;
    entry.set_present(true).set_domain_id(domain).set_address_width(1).set_second_level_table(table);
    return entry;
  }
  void lower(const spec::context_entry& entry) { put(context_address, entry.lo); }
  void upper(const spec::context_entry& entry) { put(context_address + half, entry.hi); }

  // The unit's two beats; its first one sees what is there when it leaves.
  void first_beat(std::uint64_t input = 0x200000) {
    read_ = {};
    read_.kind = remap::table_kind::context;
    read_.part = remap::entry_part::lower_half;
    read_.source = spec::source_id::from_bdf(1, 0, 0);
    read_.input_address = input;
    read_.address = context_address;
    read_.bytes = half;
    read_.unit = "DRHD1";
    read_.when = 100;
    checker.on_first_beat(read_);
    path.table_read(read_.address, std::span(read_.seen.words).first(1), coherent_);
  }
  void second_beat(bool overtaken = false) {
    checker.on_table_read(read_);
    read_.part = remap::entry_part::upper_half;
    read_.address += half;
    read_.when = 121;
    path.table_read(read_.address, std::span(read_.seen.words).last(1), coherent_);
    end(overtaken);
  }
  // As `second_beat`, with a store between its leaving and its use.
  template <class Store>
  void second_beat_then(Store&& store) {
    checker.on_table_read(read_);
    read_.part = remap::entry_part::upper_half;
    read_.address += half;
    read_.when = 121;
    path.table_read(read_.address, std::span(read_.seen.words).last(1), coherent_);
    store();
    end(false);
  }
  void make_coherent() {
    coherent_ = true;
    checker.declare_coherent("DRHD1");
  }

  const spec::context_entry old_entry = context(5, 0x4000);
  const spec::context_entry new_entry = context(6, 0x8000);
  host::sparse_memory ram{memory_size};
  host::store_path path{ram, {}};
  finding_log log;
  visibility_checker checker{path, log};

private:
  void put(std::uint64_t address, std::uint64_t value) {
    ASSERT_TRUE(path.cpu_store(address, value, 1));
    if (!coherent_) path.clflush(address);
  }
  void end(bool overtaken) {
    read_.overtaken = overtaken;
    checker.on_table_read(read_);
  }
  remap::table_read read_;
  bool coherent_ = false;
};

TEST_F(torn_entry_checker_test, names_unit_entry_line_and_both_halves) {
  lower(old_entry), upper(old_entry);
  first_beat();
  lower(new_entry), upper(new_entry);
  second_beat();
  ASSERT_EQ(log.findings().size(), 1U);
  const finding& found = log.findings()[0];
  EXPECT_EQ(found.rule(), "entry.torn");
  EXPECT_EQ(found.unit(), "DRHD1");
  EXPECT_EQ(found.level, severity::error);
  EXPECT_EQ(found.find("entry"), "context entry 01:00.0");
  EXPECT_EQ(found.find("entry address"), "0x3010");
  EXPECT_EQ(found.find("line"), "0x3000");
  EXPECT_THAT(std::string(found.find("lower half")), HasSubstr("0x4001"));
  EXPECT_THAT(std::string(found.find("lower half")), HasSubstr("domain 5"));
  EXPECT_THAT(std::string(found.find("upper half")), HasSubstr("0x601"));
  EXPECT_THAT(std::string(found.find("hardware saw")), HasSubstr("domain 6, table 0x4000"));
  EXPECT_THAT(std::string(found.find("driver wrote")), HasSubstr("domain 6, table 0x8000"));
  EXPECT_THAT(found.text, HasSubstr("forgotten: P cleared"));
  EXPECT_EQ(checker.torn_entries().torn(), 1U);
}

TEST_F(torn_entry_checker_test, finds_it_whichever_half_the_driver_writes_first_and_on_coherent_units) {
  make_coherent();
  lower(old_entry), upper(old_entry);
  first_beat();
  upper(new_entry), lower(new_entry);
  second_beat();
  EXPECT_EQ(log.findings().size(), 1U);
}

TEST_F(torn_entry_checker_test, finds_it_when_the_lower_half_follows_after_the_second_beat) {
  lower(old_entry), upper(old_entry);
  first_beat();
  upper(new_entry);
  second_beat_then([&] { lower(new_entry); });
  EXPECT_EQ(log.findings().size(), 1U);
}

TEST_F(torn_entry_checker_test, is_silent_when_the_update_is_before_or_after_both_beats) {
  lower(old_entry), upper(old_entry);
  lower(new_entry), upper(new_entry);
  first_beat();
  second_beat();
  first_beat();
  second_beat_then([&] { lower(old_entry), upper(old_entry); });
  EXPECT_TRUE(log.empty());
}

TEST_F(torn_entry_checker_test, is_silent_when_one_half_alone_changes) {
  lower(old_entry), upper(old_entry);
  first_beat();
  upper(new_entry);
  second_beat();
  first_beat();
  lower(new_entry);
  second_beat();
  EXPECT_TRUE(log.empty());
}

TEST_F(torn_entry_checker_test, is_silent_about_an_entry_that_is_not_present) {
  upper(old_entry);
  first_beat();
  lower(new_entry), upper(new_entry);
  second_beat();
  EXPECT_TRUE(log.empty());
}

TEST_F(torn_entry_checker_test, is_silent_about_a_walk_that_an_invalidation_overtook) {
  lower(old_entry), upper(old_entry);
  first_beat();
  lower(new_entry), upper(new_entry);
  second_beat(true);
  EXPECT_TRUE(log.empty());
}

TEST_F(torn_entry_checker_test, a_half_that_waits_in_the_cpu_cache_is_still_reported_as_not_flushed) {
  lower(old_entry), upper(old_entry);
  ASSERT_TRUE(path.cpu_store(context_address, new_entry.lo, 2));
  first_beat();
  second_beat();
  ASSERT_EQ(log.findings().size(), 1U);
  EXPECT_EQ(log.findings()[0].rule(), "visibility.cache-line");
  EXPECT_EQ(log.findings()[0].find("entry address"), "0x3010");
}

} // namespace
} // namespace vtd::check
