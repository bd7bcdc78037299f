// SPDX-License-Identifier: Apache-2.0
// The CPU's port: what each access costs, what it sees, and how its program ends.

#include "vtd/platform/cpu.h"

#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace vtd::test {
namespace {

using platform::now_ps;
using testing::HasSubstr;

constexpr std::uint64_t at = 0x4000;
constexpr platform::cpu_timing timing{1100, 1300, 41000, 23000};

std::array<std::byte, 8> word(std::uint64_t value) { return host::bytes_from(value); }

struct scene {
  platform::kernel_wheel wheel{"wheel", engine::clock{3000}};
  host::sparse_memory store{1U << 20};
  host::store_path path{store, {.cache = {}, .write_buffer_entries = 4}};
  platform::cpu cpu{"cpu", wheel, path, timing};
  probe_target registers{"registers"};

  scene() { cpu.bus.bind(registers.socket); }
  void run(std::function<void()> program) {
    cpu.run(std::move(program));
    sc_core::sc_start();
    cpu.rethrow();
  }
  // What an action takes.
  static engine::picoseconds time_of(const std::function<void()>& action) {
    const engine::picoseconds begin = now_ps();
    action();
    return now_ps() - begin;
  }
  std::uint64_t stored(std::uint64_t address) { return store.load<std::uint64_t>(address).value_or(~0ULL); }
};

TEST(cpu, loads_stores_and_flushes_take_their_time) {
  scene s;
  s.run([&] {
    std::array<std::byte, 8> data{};
    EXPECT_EQ(s.time_of([&] { s.cpu.load(at, data); }), timing.load);
    EXPECT_EQ(s.time_of([&] { s.cpu.store(at, word(1)); }), timing.store);
    EXPECT_EQ(s.time_of([&] { s.cpu.flush(at, 8); }), timing.flush_line);
    EXPECT_EQ(s.time_of([&] { s.cpu.delay(777); }), 777U);
  });
}

TEST(cpu, a_flush_takes_time_for_every_line_that_it_touches) {
  scene s;
  s.run([&] {
    EXPECT_EQ(s.time_of([&] { s.cpu.flush(at + 60, 4); }), timing.flush_line);
    EXPECT_EQ(s.time_of([&] { s.cpu.flush(at + 60, 5); }), 2 * timing.flush_line);
    EXPECT_EQ(s.time_of([&] { s.cpu.flush(at, 4096); }), 64 * timing.flush_line);
    EXPECT_EQ(s.time_of([&] { s.cpu.flush(at, 0); }), 0U);
  });
}

TEST(cpu, a_store_is_seen_after_its_time_and_not_before) {
  scene s;
  sc_core::sc_spawn([&] {
    wait_ps(timing.store - 1);
    EXPECT_EQ(s.path.cpu_load<std::uint64_t>(at), 0U);
    wait_ps(2);
    EXPECT_EQ(s.path.cpu_load<std::uint64_t>(at), 0x99U);
  });
  s.run([&] {
    s.cpu.store(at, word(0x99));
    s.cpu.delay(1000000);
  });
}

TEST(cpu, a_store_lies_in_the_cache_then_in_the_write_buffer_then_in_memory) {
  scene s;
  s.run([&] {
    EXPECT_TRUE(s.cpu.store(at, word(0x1234)));
    EXPECT_EQ(s.stored(at), 0U);
    EXPECT_EQ(s.cpu.drain_time(), 0U) << "nothing is in the buffer yet";
    s.cpu.flush(at, 8);
    EXPECT_EQ(s.stored(at), 0U);
    EXPECT_EQ(s.cpu.drain_time(), timing.drain_line);
    s.cpu.store(at + 64, word(1));
    s.cpu.flush(at + 64, 8);
    EXPECT_EQ(s.cpu.drain_time(), 2 * timing.drain_line);
    std::array<std::byte, 8> seen{};
    EXPECT_TRUE(s.cpu.load(at, seen));
    EXPECT_EQ(seen, word(0x1234)) << "the CPU sees its own store wherever it lies";
    s.cpu.drain();
    EXPECT_EQ(s.stored(at), 0x1234U);
    EXPECT_EQ(s.cpu.drain_time(), 0U);
  });
}

TEST(cpu, a_full_write_buffer_lets_its_oldest_line_through) {
  scene s;
  s.run([&] {
    for (unsigned line = 0; line < 5; ++line) {
      s.cpu.store(at + line * 64, word(line + 1));
      s.cpu.flush(at + line * 64, 8);
    }
    EXPECT_EQ(s.stored(at), 1U);
    EXPECT_EQ(s.stored(at + 64), 0U);
    EXPECT_EQ(s.cpu.drain_time(), 4 * timing.drain_line);
  });
}

TEST(cpu, a_store_is_stamped_with_the_last_edge_before_it) {
  scene s;
  s.run([&] {
    s.cpu.delay(9 * 3000 - timing.store);
    s.cpu.store(at, word(1));
    EXPECT_EQ(s.path.pending(at, 8)->last.time, 9U) << "exactly at the edge";
    s.cpu.delay(3000 - timing.store - 1);
    s.cpu.store(at, word(2));
    EXPECT_EQ(s.path.pending(at, 8)->last.time, 9U) << "a picosecond before edge 10";
  });
}

TEST(cpu, what_is_no_memory_is_told_and_changes_nothing) {
  scene s;
  s.run([&] {
    std::array<std::byte, 8> data = word(7);
    EXPECT_FALSE(s.cpu.load((1U << 20) - 4, data));
    EXPECT_EQ(data, word(7));
    EXPECT_FALSE(s.cpu.store(1U << 20, data));
  });
}

TEST(cpu, uncached_accesses_take_the_time_that_their_target_annotates) {
  scene s;
  s.registers.takes = 150000;
  s.registers.on_request = [](tlm::tlm_generic_payload& trans) {
    if (trans.is_read()) std::memset(trans.get_data_ptr(), 0x5a, trans.get_data_length());
  };
  s.run([&] {
    std::uint64_t value = 0;
    EXPECT_EQ(s.time_of([&] { value = s.cpu.read(0xfed90000, 4); }), 150000U);
    EXPECT_EQ(value, 0x5a5a5a5aU);
    EXPECT_EQ(s.cpu.read(0xfed90000, 1), 0x5aU);
    EXPECT_EQ(s.cpu.read(0xfed90000, 8), 0x5a5a5a5a5a5a5a5aU);
    EXPECT_EQ(s.time_of([&] { s.cpu.write(0xfed90000, 4, 1); }), 150000U);
  });
}

TEST(cpu, an_uncached_write_carries_address_bytes_and_value) {
  scene s;
  std::uint64_t address = 0;
  unsigned length = 0;
  std::uint64_t value = 0;
  s.registers.on_request = [&](tlm::tlm_generic_payload& trans) {
    EXPECT_TRUE(trans.is_write());
    address = trans.get_address();
    length = trans.get_data_length();
    std::memcpy(&value, trans.get_data_ptr(), length);
  };
  s.run([&] { s.cpu.write(0xfed91018, 2, 0xbeef); });
  EXPECT_EQ(address, 0xfed91018U);
  EXPECT_EQ(length, 2U);
  EXPECT_EQ(value, 0xbeefU);
}

TEST(cpu, a_read_that_nobody_answers_is_all_ones_of_its_width) {
  scene s;
  s.registers.status = tlm::TLM_ADDRESS_ERROR_RESPONSE;
  s.run([&] {
    EXPECT_EQ(s.cpu.read(0x1, 1), 0xffU);
    EXPECT_EQ(s.cpu.read(0x2, 2), 0xffffU);
    EXPECT_EQ(s.cpu.read(0x4, 4), 0xffffffffU);
    EXPECT_EQ(s.cpu.read(0x8, 8), ~0ULL);
  });
}

TEST(cpu, accesses_take_no_time_before_and_after_its_program) {
  scene s;
  s.cpu.store(at, word(5));
  s.run([&] { EXPECT_EQ(s.path.cpu_load<std::uint64_t>(at), 5U); });
  EXPECT_TRUE(s.cpu.finished());
  std::array<std::byte, 8> seen{};
  EXPECT_EQ(s.time_of([&] { s.cpu.load(at, seen); }), 0U);
  EXPECT_EQ(seen, word(5));
}

TEST(cpu, the_end_of_its_program_ends_the_simulation) {
  scene s;
  bool too_late = false;
  sc_core::sc_spawn([&] {
    wait_ps(5001);
    too_late = true;
  });
  s.run([&] {
    EXPECT_FALSE(s.cpu.finished());
    s.cpu.delay(5000);
  });
  EXPECT_TRUE(s.cpu.finished());
  EXPECT_FALSE(too_late);
}

TEST(cpu, an_exception_of_its_program_ends_the_simulation_and_can_be_thrown_again) {
  scene s;
  EXPECT_THROW(s.run([&] { throw std::runtime_error("the driver gave up"); }), std::runtime_error);
  EXPECT_TRUE(s.cpu.finished());
}

TEST(cpu, names_its_bus_when_nobody_bound_it) {
  platform::kernel_wheel wheel("wheel", engine::clock{3000});
  host::sparse_memory store(1U << 20);
  host::store_path path(store, {});
  platform::cpu cpu("my_cpu", wheel, path, timing);
  EXPECT_THAT(elaboration_error(),
              HasSubstr("my_cpu.bus is not bound, expected a target for uncached accesses"));
}

} // namespace
} // namespace vtd::test
