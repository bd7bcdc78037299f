// SPDX-License-Identifier: Apache-2.0
// The DRAM behind its sockets: between a unit and a memory, and with an initiator that takes its time.

#include "vtd/platform/dram.h"

#include "support/platform_world.h"
#include "support/tlm_probe.h"
#include "vtd/platform/payload_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

host::dram_config config() {
  host::dram_config out;
  out.shape.ports = 2;
  out.shape.bank_queue = 2;
  return out;
}
constexpr engine::picoseconds ns = 1000;
// From the edge that sees it, for the default times.
constexpr engine::picoseconds miss = (14 + 14 + 5 + 20) * ns;

/// Two initiators before a DRAM before a memory.
struct scene : sc_core::sc_module {
  explicit scene(const sc_core::sc_module_name& name = "world")
      : sc_module(name), wheel("wheel", engine::clock{ns}), store(1 << 30),
        path(store, host::store_path_config{}), dram("dram", wheel, config()),
        ram("memory", path, platform::memory_timing{}, 1), initiators("initiator", 2) {
    for (int i = 0; i < 2; ++i) {
      initiators[static_cast<unsigned>(i)].register_nb_transport_bw(this, &scene::backward, i);
      initiators[static_cast<unsigned>(i)].bind(dram.ports[static_cast<unsigned>(i)]);
    }
    dram.memory.bind(ram.ports[0]);
  }
  struct request final : tlm::tlm_generic_payload {
    std::array<unsigned char, 64> data{};
    unsigned id = 0;
  };
  request& make(unsigned id, tlm::tlm_command command, std::uint64_t address) {
    request& r = pool.take();
    r.id = id;
    r.set_command(command);
    r.set_address(address);
    r.set_data_ptr(r.data.data());
    r.set_data_length(64);
    r.set_streaming_width(64);
    r.set_byte_enable_ptr(nullptr);
    r.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    return r;
  }
  tlm::tlm_sync_enum begin(unsigned port, request& r) {
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay;
    return initiators[port]->nb_transport_fw(r, phase, delay);
  }
  void end(unsigned port, request& r) {
    tlm::tlm_phase phase = tlm::END_RESP;
    sc_core::sc_time delay;
    initiators[port]->nb_transport_fw(r, phase, delay);
  }
  tlm::tlm_sync_enum backward(int /*port*/, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                              sc_core::sc_time& /*delay*/) {
    const auto& r = static_cast<request&>(trans);
    if (phase == tlm::END_REQ) {
      accepted[r.id] = platform::now_ps();
      return tlm::TLM_ACCEPTED;
    }
    answered[r.id] = platform::now_ps();
    if (!end_at_once) return tlm::TLM_ACCEPTED;
    trans.release();
    return tlm::TLM_COMPLETED;
  }
  void run(std::function<void()> body) {
    sc_core::sc_spawn([body = std::move(body)] {
      body();
      sc_core::sc_stop();
    });
    sc_core::sc_start();
  }
  static void pass(engine::picoseconds span) { sc_core::wait(platform::to_sc_time(span)); }

  platform::kernel_wheel wheel;
  host::sparse_memory store;
  host::store_path path;
  platform::dram dram;
  platform::memory ram;
  sc_core::sc_vector<tlm_utils::simple_initiator_socket_tagged<scene>> initiators;
  platform::payload_pool<request> pool;
  std::map<unsigned, engine::picoseconds> accepted;
  std::map<unsigned, engine::picoseconds> answered;
  bool end_at_once = true;
};

constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

TEST(dram, a_request_goes_through_four_phases_in_the_time_of_its_row) {
  scene s;
  s.run([&] {
    scene::pass(10 * ns + 300);
    scene::request& r = s.make(1, read, 0x2000);
    EXPECT_EQ(s.begin(0, r), tlm::TLM_ACCEPTED);
    EXPECT_EQ(r.get_ref_count(), 2) << "the initiator's, and one as long as the channel has it";
    scene::pass(200 * ns);
    EXPECT_EQ(s.accepted[1], 11 * ns);
    EXPECT_EQ(s.answered[1], 11 * ns + miss);
    EXPECT_EQ(r.get_ref_count(), 0);
  });
}

TEST(dram, data_and_errors_are_those_of_the_memory_behind) {
  scene s;
  s.run([&] {
    scene::request& w = s.make(1, write, 0x2000);
    w.data.fill(0x5a);
    w.acquire();
    s.begin(0, w);
    scene::pass(200 * ns);
    EXPECT_TRUE(w.is_response_ok());
    std::array<std::byte, 64> there{};
    ASSERT_TRUE(s.path.debug_read(0x2000, there));
    EXPECT_EQ(std::memcmp(there.data(), w.data.data(), 64), 0);
    scene::request& r = s.make(2, read, 0x2000);
    r.acquire();
    s.begin(1, r);
    scene::pass(200 * ns);
    EXPECT_EQ(r.data, w.data);
    s.ram.fail(0x3000, 0x3fff);
    scene::request& bad = s.make(3, read, 0x3000);
    bad.acquire();
    s.begin(1, bad);
    scene::pass(200 * ns);
    EXPECT_EQ(bad.get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
}

TEST(dram, a_full_bank_queue_holds_back_its_port_and_no_other) {
  scene s;
  s.run([&] {
    scene::pass(10 * ns);
    for (unsigned id = 1; id <= 3; ++id) {
      s.begin(0, s.make(id, read, 0x2000 + id * 64));
      scene::pass(2 * ns);
    }
    s.begin(1, s.make(4, read, 0x4000));
    scene::pass(5 * ns);
    EXPECT_TRUE(s.accepted.contains(2));
    EXPECT_FALSE(s.accepted.contains(3)) << "two wait for that bank already";
    EXPECT_TRUE(s.accepted.contains(4)) << "another bank, another port";
    scene::pass(300 * ns);
    // ACTIVATE at 11, READ at 25, so there is room from 26 on.
    EXPECT_EQ(s.accepted[3], 26 * ns);
    EXPECT_TRUE(s.answered.contains(3));
  });
}

TEST(dram, a_response_waits_for_the_end_of_the_one_before) {
  scene s;
  s.end_at_once = false;
  s.run([&] {
    scene::request& a = s.make(1, read, 0x2000);
    scene::request& b = s.make(2, read, 0x2040);
    s.begin(0, a);
    scene::pass(3 * ns);
    s.begin(0, b);
    scene::pass(500 * ns);
    EXPECT_TRUE(s.answered.contains(1));
    EXPECT_FALSE(s.answered.contains(2));
    s.end(0, a);
    EXPECT_TRUE(s.answered.contains(2));
    s.end(0, b);
  });
}

TEST(dram, a_blocking_request_annotates_the_time_of_its_row) {
  scene s;
  s.run([&] {
    scene::pass(10 * ns);
    const auto latency = [&](std::uint64_t address) {
      tlm::tlm_generic_payload trans;
      std::array<unsigned char, 64> data{};
      trans.set_command(read);
      trans.set_address(address);
      trans.set_data_ptr(data.data());
      trans.set_data_length(64);
      trans.set_streaming_width(64);
      sc_core::sc_time delay;
      s.initiators[0]->b_transport(trans, delay);
      EXPECT_TRUE(trans.is_response_ok());
      return platform::to_ps(delay);
    };
    EXPECT_EQ(latency(0x2000), ns + miss);
    EXPECT_EQ(latency(0x2040), ns + miss - 14 * ns);
  });
}

TEST(dram, behind_a_unit_table_reads_and_requests_take_the_time_of_their_rows) {
  dmar::unit_config unit;
  unit.caps = small_part();
  unit.caps.cap.set_rwbf(false);
  unit.caches = small_caches();
  unit.timing.lookup = {1, 2, 1};

  struct world : sc_core::sc_module {
    world(const sc_core::sc_module_name& name, const dmar::unit_config& what)
        : sc_module(name), wheel("wheel", engine::clock{ns}), store(std::uint64_t{1} << 40),
          path(store, host::store_path_config{}), tables(words), unit("unit", wheel, what),
          dram("dram", wheel, host::dram_config{}), ram("memory", path, platform::memory_timing{}, 1),
          sink("sink", 1), device("device"), cpu("cpu") {
      device.register_nb_transport_bw(this, &world::backward);
      device.bind(unit.upstream[0]);
      unit.memory.bind(dram.ports[0]);
      dram.memory.bind(ram.ports[0]);
      unit.interrupts.bind(sink.ports[0]);
      cpu.bind(unit.registers);
      unit.set_default_source(0, nic);
    }
    tlm::tlm_sync_enum backward(tlm::tlm_generic_payload&, tlm::tlm_phase& phase, sc_core::sc_time&) {
      if (phase == tlm::BEGIN_RESP) done = platform::now_ps();
      return phase == tlm::BEGIN_RESP ? tlm::TLM_COMPLETED : tlm::TLM_ACCEPTED;
    }
    platform::kernel_wheel wheel;
    host::sparse_memory store;
    host::store_path path;
    fake_memory words;
    table_builder tables;
    platform::remapping_unit unit;
    platform::dram dram;
    platform::memory ram;
    platform::interrupt_sink sink;
    tlm_utils::simple_initiator_socket<world> device;
    tlm_utils::simple_initiator_socket<world> cpu;
    engine::picoseconds done = 0;
  };
  world w("world", unit);
  constexpr std::uint64_t iova = 0x40000000;
  constexpr std::uint64_t frame = 0x7000000;
  w.tables.attach(nic, 3);
  w.tables.map(nic, iova, frame);
  for (const auto& [address, value] : w.words.words())
    w.store.store<std::uint64_t>(address, value);
  w.store.store<std::uint64_t>(frame, 0x1234);

  sc_core::sc_spawn([&] {
    namespace reg = spec::reg;
    w.unit.hardware().write_register(reg::rtaddr::offset, 8, w.tables.root(), platform::now_ps());
    w.unit.hardware().write_register(reg::gcmd::offset, 4, reg::gcmd::srtp::mask, platform::now_ps());
    scene::pass(1000 * ns);
    w.unit.hardware().write_register(reg::gcmd::offset, 4, reg::gcmd::te::mask, platform::now_ps());
    scene::pass(1000 * ns);
    std::uint64_t word = 0;
    const auto latency = [&] {
      tlm::tlm_generic_payload trans;
      trans.set_command(read);
      trans.set_address(iova);
      trans.set_data_ptr(reinterpret_cast<unsigned char*>(&word));
      trans.set_data_length(8);
      trans.set_streaming_width(8);
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay;
      w.done = 0;
      const engine::picoseconds begin = platform::now_ps();
      w.device->nb_transport_fw(trans, phase, delay);
      scene::pass(2000 * ns);
      EXPECT_TRUE(trans.is_response_ok());
      return w.done - begin;
    };
    const engine::picoseconds walked = latency();
    EXPECT_EQ(word, 0x1234U);
    const auto first = w.dram.channel().statistics();
    EXPECT_EQ(first.reads, 5 + 1U) << "root, context, three levels, data";
    // Edge, look-ups, edge of the memory, a hit in the open row, edge of the unit.
    EXPECT_EQ(latency(), (1 + 3 + 1 + 14 + 5 + 20 + 1) * ns);
    EXPECT_EQ(w.dram.channel().statistics().row_hits, first.row_hits + 1);
    EXPECT_GT(walked, 6 * (14 + 5 + 20) * ns);
    sc_core::sc_stop();
  });
  sc_core::sc_start();
}

// --- What a builder may get wrong

TEST(dram, an_end_without_a_response_is_an_error_that_names_the_port) {
  scene s;
  scene::request& r = s.make(1, read, 0x2000);
  std::string said;
  try {
    s.end(1, r);
  } catch (const std::exception& error) {
    said = error.what();
  }
  EXPECT_NE(said.find("port_1: END_RESP without a BEGIN_RESP"), std::string::npos) << said;
}

TEST(dram, names_the_sockets_that_nobody_bound) {
  platform::kernel_wheel wheel("wheel", engine::clock{ns});
  platform::dram lonely("my_dram", wheel, config());
  const std::string said = elaboration_error();
  for (const char* member : {"ports[0]", "ports[1]", "memory"})
    EXPECT_NE(said.find(std::string("my_dram.") + member + " is not bound"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
