// SPDX-License-Identifier: Apache-2.0
// Memory behind its ports: data, time, what is refused, what a table read sees, direct access.

#include "vtd/platform/memory.h"

#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace vtd::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;
constexpr std::uint64_t at = 0x12340;
constexpr platform::memory_timing timing{40000, 30000, 20000, 0};

struct scene {
  host::sparse_memory store;
  host::store_path path;
  platform::memory ram;
  probe_initiator first{"first"};
  probe_initiator second{"second"};
  probe_payload trans;

  explicit scene(const platform::memory_timing& t = timing,
                 std::uint64_t size = host::sparse_memory::max_size, std::size_t buffer = 0)
      : store(size), path(store, {.cache = {}, .write_buffer_entries = buffer}), ram("ram", path, t, 2) {
    first.socket.bind(ram.ports[0]);
    second.socket.bind(ram.ports[1]);
  }
  tlm::tlm_response_status write_bytes(std::uint64_t address, bytes data) {
    first.loosely(trans.set(write, address, std::move(data)));
    return trans.get_response_status();
  }
  bytes read_bytes(std::uint64_t address, std::size_t count) {
    second.loosely(trans.set(read, address, bytes(count)));
    EXPECT_EQ(trans.get_response_status(), tlm::TLM_OK_RESPONSE);
    return trans.data;
  }
  std::uint64_t stored(std::uint64_t address) { return store.load<std::uint64_t>(address).value_or(0); }
  bool gives_direct(std::uint64_t address) {
    tlm::tlm_dmi dmi;
    return first.socket->get_direct_mem_ptr(trans.set(read, address, bytes(1)), dmi);
  }
};

TEST(memory, what_one_port_writes_another_reads_up_to_the_last_byte_of_52_bits) {
  scene s;
  for (const std::uint64_t address : {std::uint64_t{0}, at, host::sparse_memory::max_size - 8}) {
    EXPECT_EQ(s.write_bytes(address, {1, 2, 3, 4, 5, 6, 7, 8}), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.read_bytes(address, 8), (bytes{1, 2, 3, 4, 5, 6, 7, 8}));
  }
  EXPECT_EQ(s.store.allocated_pages(), 3U) << "only touched pages are there";
}

TEST(memory, what_lies_beyond_its_end_is_an_address_error_and_changes_nothing) {
  scene s(timing, 1U << 20);
  EXPECT_EQ(s.write_bytes((1U << 20) - 4, bytes(8, 0xaa)), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(s.stored((1U << 20) - 8), 0U);
  EXPECT_EQ(s.write_bytes((1U << 20) - 8, bytes(8, 0xaa)), tlm::TLM_OK_RESPONSE);
}

TEST(memory, reads_writes_and_table_reads_take_their_own_times) {
  scene s;
  EXPECT_EQ(s.first.loosely(s.trans.set(read, at, bytes(64))), timing.read);
  EXPECT_EQ(s.first.loosely(s.trans.set(write, at, bytes(64)), 5), timing.write + 5)
      << "added to what was there";
  EXPECT_EQ(s.first.loosely(s.trans.set(read, at, bytes(8)).as_table_read(false)), timing.table_read);
  EXPECT_EQ(s.ram.reads(), 1U);
  EXPECT_EQ(s.ram.writes(), 1U);
  EXPECT_EQ(s.ram.table_reads(), 1U);
}

TEST(memory, nb_transport_completes_at_once_with_the_same_times) {
  scene s;
  const auto got = s.first.send(s.trans.set(write, at, bytes(8, 7)), tlm::BEGIN_REQ, 100);
  EXPECT_EQ(got.status, tlm::TLM_COMPLETED);
  EXPECT_EQ(got.delay, timing.write + 100);
  EXPECT_EQ(s.stored(at), 0x0707070707070707U);
  EXPECT_EQ(s.first.send(s.trans.set(read, at, bytes(8))).delay, timing.read);
}

TEST(memory, only_enabled_bytes_move) {
  scene s;
  s.write_bytes(at, bytes(8, 0x11));
  std::array<unsigned char, 3> enables{0xff, 0, 0xff};
  s.trans.set(write, at, bytes(8, 0x22));
  s.trans.set_byte_enable_ptr(enables.data());
  s.trans.set_byte_enable_length(3);
  EXPECT_EQ(s.first.loosely(s.trans), timing.write) << "a write is a write";
  EXPECT_EQ(s.read_bytes(at, 8), (bytes{0x22, 0x11, 0x22, 0x22, 0x11, 0x22, 0x22, 0x11}));
  s.trans.set(read, at, bytes(4, 0x99));
  s.trans.set_byte_enable_ptr(enables.data());
  s.trans.set_byte_enable_length(3);
  EXPECT_EQ(s.first.loosely(s.trans), timing.read);
  EXPECT_EQ(s.trans.data, (bytes{0x22, 0x99, 0x22, 0x22}));
}

TEST(memory, an_access_with_byte_enables_that_is_not_all_memory_changes_nothing) {
  scene s(timing, 1U << 20);
  std::array<unsigned char, 8> enables{0xff, 0xff, 0, 0, 0, 0, 0, 0};
  s.trans.set(write, (1U << 20) - 4, bytes(8, 0xaa));
  s.trans.set_byte_enable_ptr(enables.data());
  s.trans.set_byte_enable_length(8);
  s.first.loosely(s.trans);
  EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(s.stored((1U << 20) - 8), 0U);
}

TEST(memory, what_no_access_can_be_is_refused_by_the_rules_of_tlm) {
  scene s;
  s.trans.set(write, at, bytes(8, 1)).set_streaming_width(4);
  EXPECT_EQ(s.first.loosely(s.trans), 0U);
  EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_BURST_ERROR_RESPONSE);
  EXPECT_EQ(s.stored(at), 0U);
  s.first.loosely(s.trans.set(read, at, {}));
  EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_BURST_ERROR_RESPONSE);
  unsigned char enable = 0xff;
  s.trans.set(read, at, bytes(8)).set_byte_enable_ptr(&enable);
  s.first.loosely(s.trans);
  EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
}

TEST(memory, an_access_that_touches_a_failing_range_fails_and_its_neighbours_do_not) {
  scene s;
  s.write_bytes(at, bytes(8, 1));
  s.ram.fail(at + 8, at + 15);
  EXPECT_EQ(s.write_bytes(at, bytes(8, 2)), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(s.write_bytes(at, bytes(9, 3)), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(s.stored(at), 0x0202020202020202U) << "not a byte of it";
  EXPECT_EQ(s.write_bytes(at + 15, bytes(1, 3)), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(s.write_bytes(at + 16, bytes(1, 3)), tlm::TLM_OK_RESPONSE);
  s.first.loosely(s.trans.set(read, at + 8, bytes(8)).as_table_read(true));
  EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  s.trans.clear_extension(&s.trans.table);
  s.ram.heal();
  EXPECT_EQ(s.write_bytes(at, bytes(9, 4)), tlm::TLM_OK_RESPONSE);
}

TEST(memory, a_table_read_meets_the_cpu_s_cache_only_where_it_is_coherent) {
  scene s;
  s.path.cpu_store(at, std::uint64_t{0xabcd});
  s.first.loosely(s.trans.set(read, at, bytes(8)).as_table_read(false));
  EXPECT_EQ(s.trans.data, bytes(8)) << "still in the cache";
  s.first.loosely(s.trans.set(read, at, bytes(8)).as_table_read(true));
  EXPECT_EQ(s.trans.data, (bytes{0xcd, 0xab, 0, 0, 0, 0, 0, 0}));
  s.path.cpu_store(at, std::uint64_t{0x77});
  s.path.clflush(at);
  s.first.loosely(s.trans.set(read, at, bytes(8)).as_table_read(false));
  EXPECT_EQ(s.trans.data[0], 0x77) << "flushed: everyone sees it";
}

TEST(memory, a_device_meets_what_the_cpu_has_in_cache_and_write_buffer) {
  scene s(timing, 1U << 20, 4);
  s.path.cpu_store(at, std::uint64_t{0x11});
  EXPECT_EQ(s.read_bytes(at, 1)[0], 0x11);
  s.path.cpu_store(at + 0x40, std::uint64_t{0x22});
  s.path.clflush(at + 0x40);
  ASSERT_EQ(s.stored(at + 0x40), 0U) << "in the write buffer";
  EXPECT_EQ(s.read_bytes(at + 0x40, 1)[0], 0x22);
  s.first.loosely(s.trans.set(read, at + 0x40, bytes(8)).as_table_read(false));
  EXPECT_EQ(s.trans.data[0], 0) << "which a table read does not see";
}

TEST(memory, a_debug_read_sees_what_the_cpu_sees_and_that_of_a_table_what_a_walk_would) {
  scene s;
  s.path.cpu_store(at, std::uint64_t{0x55});
  EXPECT_EQ(s.first.socket->transport_dbg(s.trans.set(read, at, bytes(8))), 8U);
  EXPECT_EQ(s.trans.data[0], 0x55);
  EXPECT_EQ(s.first.socket->transport_dbg(s.trans.set(read, at, bytes(8)).as_table_read(false)), 8U);
  EXPECT_EQ(s.trans.data[0], 0);
  EXPECT_EQ(s.first.socket->transport_dbg(s.trans.set(read, at, bytes(8)).as_table_read(true)), 8U);
  EXPECT_EQ(s.trans.data[0], 0x55);
  EXPECT_EQ(s.stored(at), 0U) << "and nothing was written back by looking";
  EXPECT_EQ(s.ram.reads() + s.ram.table_reads(), 0U);
}

TEST(memory, a_debug_write_changes_every_copy) {
  scene s;
  s.path.cpu_store(at, std::uint64_t{0x55});
  EXPECT_EQ(s.first.socket->transport_dbg(s.trans.set(write, at, bytes(8, 0x66))), 8U);
  EXPECT_EQ(s.path.cpu_load<std::uint64_t>(at), 0x6666666666666666U);
  EXPECT_EQ(s.stored(at), 0x6666666666666666U);
}

TEST(memory, one_access_an_interval_and_the_next_waits_for_its_turn) {
  platform::memory_timing slow = timing;
  slow.interval = 10000;
  scene s(slow);
  in_thread([&] {
    EXPECT_EQ(s.first.send(s.trans.set(read, at, bytes(64))).delay, timing.read);
    EXPECT_EQ(s.second.send(s.trans.set(read, at, bytes(64))).delay, 10000 + timing.read)
        << "whatever the port";
    wait_ps(19999);
    EXPECT_EQ(s.first.send(s.trans.set(read, at, bytes(64))).delay, 1 + timing.read) << "a picosecond early";
    wait_ps(10001);
    EXPECT_EQ(s.first.send(s.trans.set(read, at, bytes(64))).delay, timing.read) << "just in time";
    EXPECT_EQ(s.first.loosely(s.trans.set(read, at, bytes(64))), timing.read)
        << "no turns when loosely timed";
  });
}

TEST(memory, gives_pages_directly_only_when_told_to) {
  scene s;
  EXPECT_FALSE(s.gives_direct(at));
  s.write_bytes(at, bytes(1, 1));
  EXPECT_FALSE(s.trans.is_dmi_allowed());
  s.ram.allow_dmi(true);
  s.write_bytes(at, bytes(1, 1));
  EXPECT_TRUE(s.trans.is_dmi_allowed());
  tlm::tlm_dmi dmi;
  ASSERT_TRUE(s.first.socket->get_direct_mem_ptr(s.trans.set(read, at, bytes(1)), dmi));
  EXPECT_EQ(dmi.get_start_address(), spec::page_base(at));
  EXPECT_EQ(dmi.get_end_address(), spec::page_base(at) + spec::page_size - 1);
  EXPECT_TRUE(dmi.is_read_write_allowed());
  EXPECT_EQ(platform::to_ps(dmi.get_read_latency()), timing.read);
  EXPECT_EQ(platform::to_ps(dmi.get_write_latency()), timing.write);
  dmi.get_dmi_ptr()[at - spec::page_base(at)] = 0x42;
  EXPECT_EQ(s.read_bytes(at, 1)[0], 0x42);
}

TEST(memory, gives_nothing_directly_where_there_is_no_memory_or_a_byte_that_fails) {
  scene s(timing, 1U << 20);
  s.ram.allow_dmi(true);
  EXPECT_FALSE(s.gives_direct(1U << 20));
  s.ram.fail(at, at);
  EXPECT_FALSE(s.gives_direct(at + 8)) << "the same page";
  EXPECT_TRUE(s.gives_direct(at + spec::page_size));
}

TEST(memory, takes_back_what_it_gave_when_it_fails_or_is_told_to) {
  scene s;
  s.ram.allow_dmi(true);
  in_thread([&] {
    ASSERT_TRUE(s.gives_direct(at));
    s.ram.fail(at, at + 1);
    ASSERT_EQ(s.first.withdrawn.size(), 1U);
    EXPECT_EQ(s.first.withdrawn[0].first, spec::page_base(at));
    EXPECT_EQ(s.first.withdrawn[0].second, spec::page_base(at) + spec::page_size - 1);
    EXPECT_THAT(s.second.withdrawn, IsEmpty()) << "it was given nothing";
    s.ram.allow_dmi(false);
    EXPECT_EQ(s.first.withdrawn.size(), 2U);
    EXPECT_FALSE(s.gives_direct(0));
  });
}

TEST(memory, names_the_ports_that_nobody_bound) {
  host::sparse_memory store(1U << 20);
  host::store_path path(store, {});
  platform::memory ram("my_memory", path, timing, 3);
  probe_initiator only("only");
  only.socket.bind(ram.ports[1]);
  const std::string said = elaboration_error();
  EXPECT_THAT(said, HasSubstr("my_memory.ports[0] is not bound, expected an initiator"));
  EXPECT_THAT(said, HasSubstr("my_memory.ports[2] is not bound"));
  EXPECT_EQ(said.find("ports[1]"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
