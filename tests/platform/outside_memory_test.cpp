// SPDX-License-Identifier: Apache-2.0
// Host addresses where the board has no memory, though tables may name them: beyond its end and below the
// host address width. A request that is led there ends with an error of memory, which is no fault; a table
// that should lie there cannot be read, which is one.

#include "support/platform_world.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using spec::fault_condition;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t end_of_memory = std::uint64_t{1} << 40;
constexpr std::uint64_t last_frame = end_of_memory - spec::page_size;
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

struct scene : platform_world {
  scene() : platform_world(config_of(wide_part())) {
    ram.allow_dmi(true);
    tables.attach(nic, 3);
  }
  void expect_no_fault() {
    wait(sc_core::sc_time(1, sc_core::SC_US));
    EXPECT_TRUE(faults.empty());
    EXPECT_EQ(read_register<reg::fsts>(), 0U);
    EXPECT_EQ(unit.hardware().statistics().faults, 0U);
    EXPECT_EQ(unit.hardware().statistics().blocked_unlogged, 0U);
  }
};
static_assert(std::uint64_t{1} << 46 > 2 * end_of_memory, "the host address width of the part");

TEST(outside_memory, a_page_whose_frame_is_there_gives_an_address_error_and_no_fault) {
  scene s;
  constexpr std::uint64_t far = iova + 0x10000;
  s.tables.map(nic, iova, last_frame);
  s.tables.map(nic, iova + spec::page_size, end_of_memory);
  s.tables.map(nic, far, (std::uint64_t{1} << 46) - spec::page_size);
  s.run([&] {
    s.enable();
    const bytes sent = pattern(64);
    EXPECT_EQ(s.loosely(write, iova + 0xfc0, sent).status, tlm::TLM_OK_RESPONSE)
        << "the last bytes of memory";
    EXPECT_EQ(s.accurately(read, iova + 0xfc0, bytes(64)).data, sent);
    for (const std::uint64_t address : {iova + spec::page_size, far, far + 0xfc0}) {
      for (const auto command : {read, write}) {
        EXPECT_EQ(s.loosely(command, address, pattern(64)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
        EXPECT_EQ(s.accurately(command, address, pattern(64)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
        EXPECT_FALSE(s.gives_direct_access(address, command));
      }
    }
    EXPECT_EQ(s.accurately(read, iova + 0xfc0, bytes(64)).data, sent) << "nothing came round";
    s.expect_no_fault();
  });
}

TEST(outside_memory, a_request_that_reaches_over_the_end_fails_as_a_whole) {
  scene s;
  s.tables.map(nic, iova, last_frame);
  s.tables.map(nic, iova + spec::page_size, end_of_memory);
  s.run([&] {
    s.enable();
    for (const auto command : {read, write}) {
      EXPECT_EQ(s.loosely(command, iova + 0xfc0, bytes(128)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      EXPECT_EQ(s.accurately(command, iova + 0xfc0, bytes(128)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
    s.expect_no_fault();
  });
}

struct table {
  spec::source_id device{};
  fault_condition condition = fault_condition::none;
};

TEST(outside_memory, a_table_that_is_there_cannot_be_read_and_the_fault_says_for_whom) {
  constexpr spec::source_id top = spec::source_id::from_bdf(1, 1, 0);
  constexpr spec::source_id whole_bus = spec::source_id::from_bdf(9, 3, 1);
  constexpr std::uint64_t nowhere = 2 * end_of_memory;
  constexpr std::uint64_t address = iova + 0x5678;
  scene s;
  s.tables.map(nic, iova, 0x7000000);
  const std::uint64_t lower = s.tables.entry_of(nic, iova, 2, false);
  s.words.store(lower, spec::second_level_entry{s.words.load(lower)}.set_address(nowhere).value);
  s.tables.attach(top, 4, 3, spec::translation_type::untranslated_only, nowhere);
  s.words.store(s.tables.root_entry_of(whole_bus),
                spec::root_entry{}.set_present(true).set_context_table(nowhere).lo);
  s.run([&] {
    s.enable();
    const auto reads = s.ram.reads();
    const auto writes = s.ram.writes();
    unsigned record = 0;
    for (const auto& [device, condition] :
         {table{nic, fault_condition::lsl_1}, table{top, fault_condition::lct_4_3},
          table{whole_bus, fault_condition::lct_1}}) {
      s.unit.set_default_source(0, device);
      for (const bool cycle_by_cycle : {false, true}) {
        const auto command = cycle_by_cycle ? write : read;
        const auto got = cycle_by_cycle ? s.accurately(command, address, pattern(64))
                                        : s.loosely(command, address, pattern(64));
        EXPECT_EQ(got.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
        if (command == read) {
          EXPECT_EQ(got.data, bytes(64, 0xff)) << "a blocked read gives all ones";
        }
        sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
        ASSERT_EQ(s.faults.size(), record + 1);
        EXPECT_EQ(s.faults[record].condition, condition);
        const auto high = s.unit.hardware().registers().read<reg::frcd_hi>(record);
        EXPECT_EQ(reg::frcd_hi::f::get(high), 1U);
        EXPECT_EQ(reg::frcd_hi::sid::get(high), device.value());
        EXPECT_EQ(reg::frcd_hi::fr::get(high),
                  static_cast<std::uint64_t>(spec::condition_info(condition).reason));
        EXPECT_EQ(reg::frcd_hi::t1::get(high), command == read ? 1U : 0U);
        EXPECT_EQ(s.unit.hardware().registers().read<reg::frcd_lo>(record), spec::page_base(address));
        ++record;
      }
      EXPECT_FALSE(s.gives_direct_access(address));
    }
    EXPECT_EQ(s.ram.reads(), reads) << "nothing leaked";
    EXPECT_EQ(s.ram.writes(), writes);
    // The entry is made to lead to a table in memory, and invalidated, as it was present before.
    s.tables.map(nic, iova + spec::level_size(2), 0x7000000);
    s.words.store(lower, s.words.load(s.tables.entry_of(nic, iova + spec::level_size(2), 2, false)));
    s.tables.map(nic, iova + 0x5000, 0x7000000);
    s.write_tables();
    s.invalidate_iotlb_global();
    s.unit.set_default_source(0, nic);
    EXPECT_EQ(s.accurately(read, address, bytes(64)).status, tlm::TLM_OK_RESPONSE);
  });
}

} // namespace
} // namespace vtd::test
