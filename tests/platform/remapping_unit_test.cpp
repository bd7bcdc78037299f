// SPDX-License-Identifier: Apache-2.0
// The unit behind its TLM sockets: all ways to use it agree, and follow the rules of TLM-2.0.

#include "vtd/platform/remapping_unit.h"

#include "support/platform_world.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t unmapped = 0x51230000;

dmar::unit_config config(unsigned ports = 1) {
  dmar::unit_config out = config_of(plain_part());
  out.ports = ports;
  return out;
}

struct scene : platform_world {
  explicit scene(const dmar::unit_config& what = config()) : platform_world(what) {
    tables.attach(nic, 3);
    // Neighbours in the input are apart in memory, so that a page boundary shows.
    for (std::uint64_t n = 0; n < 32; ++n)
      tables.map(nic, iova + n * spec::page_size, frame_of(n));
    tables.map(nic, iova + 40 * spec::page_size, frame_of(40), read_only);
  }
  static constexpr std::uint64_t frame_of(std::uint64_t n) { return frame + 3 * n * spec::page_size; }
};

constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

TEST(remapping_unit, the_same_dma_by_every_way_moves_the_same_bytes) {
  scene s;
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    const bytes sent = pattern(64);
    EXPECT_EQ(s.loosely(write, iova + 0x100, sent).status, tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.accurately(write, iova + 0x200, sent).status, tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.directly(write, iova + 0x300, sent).status, tlm::TLM_OK_RESPONSE);
    for (const std::uint64_t offset : {0x100U, 0x200U, 0x300U}) {
      std::array<std::byte, 64> there;
      ASSERT_TRUE(s.path.debug_read(frame + offset, there));
      EXPECT_EQ(std::memcmp(there.data(), sent.data(), 64), 0) << offset;
      EXPECT_EQ(s.loosely(read, iova + offset, bytes(64)).data, sent);
      EXPECT_EQ(s.accurately(read, iova + offset, bytes(64)).data, sent);
      EXPECT_EQ(s.directly(read, iova + offset, bytes(64)).data, sent);
    }
  });
}

TEST(remapping_unit, the_same_stray_dma_by_every_way_gives_the_same_faults_and_leaks_nothing) {
  scene s;
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    const auto writes_before = s.ram.writes();
    for (const auto& [address, command, condition] :
         {std::tuple{unmapped, read, spec::fault_condition::lgn_3_np},
          std::tuple{iova + 40 * spec::page_size, write, spec::fault_condition::lgn_2},
          std::tuple{std::uint64_t{1} << 36, read, spec::fault_condition::lgn_1_2}}) {
      s.faults.clear();
      const auto loosely = s.loosely(command, address, pattern(8));
      sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
      const auto accurately = s.accurately(command, address, pattern(8));
      sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
      EXPECT_EQ(loosely.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      EXPECT_EQ(accurately.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      if (command == read) {
        EXPECT_EQ(loosely.data, bytes(8, 0xff)) << "a blocked read gives all ones";
        EXPECT_EQ(accurately.data, bytes(8, 0xff));
      }
      EXPECT_FALSE(s.gives_direct_access(address, command));
      ASSERT_EQ(s.faults.size(), 2U);
      for (const auto& fault : s.faults) {
        EXPECT_EQ(fault.condition, condition);
        EXPECT_EQ(fault.access.source, nic);
        EXPECT_EQ(fault.access.address, address);
      }
    }
    EXPECT_EQ(s.ram.writes(), writes_before);
  });
}

TEST(remapping_unit, a_lone_request_takes_the_same_time_loosely_timed_and_cycle_by_cycle) {
  scene s;
  s.run([&] {
    s.enable();
    // A context miss, a page miss and a hit, each by both ways.
    const auto fresh = [&] {
      s.unit.hardware().reset(true);
      s.enable();
    };
    fresh();
    const auto loosely_miss = s.loosely(read, iova, bytes(64)).latency;
    const auto loosely_page = s.loosely(read, iova + spec::page_size, bytes(64)).latency;
    const auto loosely_hit = s.loosely(read, iova, bytes(64)).latency;
    fresh();
    const auto accurately_miss = s.accurately(read, iova, bytes(64)).latency;
    const auto accurately_page = s.accurately(read, iova + spec::page_size, bytes(64)).latency;
    const auto accurately_hit = s.accurately(read, iova, bytes(64)).latency;
    EXPECT_EQ(loosely_miss, accurately_miss);
    EXPECT_EQ(loosely_page, accurately_page);
    EXPECT_EQ(loosely_hit, accurately_hit);
    // First edge, look-ups 3 cycles, memory 50, first edge.
    EXPECT_EQ(accurately_hit, (1 + 3 + 51) * scene::period);
    EXPECT_EQ(accurately_page, accurately_hit + (1 + 51) * scene::period);
    EXPECT_EQ(accurately_miss, accurately_hit + (1 + 5 * 51) * scene::period);
  });
}

TEST(remapping_unit, a_request_across_pages_goes_to_both_frames) {
  scene s;
  s.run([&] {
    s.enable();
    const bytes sent = pattern(256);
    const std::uint64_t across = iova + spec::page_size - 100;
    EXPECT_EQ(s.loosely(write, across, sent).status, tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.accurately(read, across, bytes(256)).data, sent);
    std::array<std::byte, 156> second;
    ASSERT_TRUE(s.path.debug_read(scene::frame_of(1), second));
    EXPECT_EQ(std::memcmp(second.data(), sent.data() + 100, 156), 0);
    tlm::tlm_generic_payload probe;
    bytes seen(256);
    probe.set_command(read);
    probe.set_address(across);
    probe.set_data_ptr(seen.data());
    probe.set_data_length(256);
    EXPECT_EQ(s.device->transport_dbg(probe), 256U);
    EXPECT_EQ(seen, sent);
  });
}

TEST(remapping_unit, the_phases_come_in_order_and_back_pressure_holds_the_request) {
  auto one = config();
  one.timing.requests = 1;
  scene s(one);
  s.run([&] {
    s.enable();
    s.accurately(read, iova, bytes(64));
    platform::payload_pool<tlm::tlm_generic_payload> pool;
    bytes data(128);
    const auto begin = [&](unsigned offset) -> tlm::tlm_generic_payload& {
      tlm::tlm_generic_payload& trans = pool.take();
      trans.set_command(read);
      trans.set_address(iova + offset);
      trans.set_data_ptr(data.data() + offset);
      trans.set_data_length(64);
      trans.set_streaming_width(64);
      trans.set_byte_enable_ptr(nullptr);
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      EXPECT_EQ(s.device->nb_transport_fw(trans, phase, delay), tlm::TLM_ACCEPTED);
      return trans;
    };
    s.phases.clear();
    tlm::tlm_generic_payload& first = begin(0);
    const sc_core::sc_time cycle(scene::period, sc_core::SC_PS);
    sc_core::wait(3 * cycle);
    ASSERT_EQ(s.phases.size(), 1U);
    EXPECT_EQ(s.phases[0].phase, "END_REQ");
    tlm::tlm_generic_payload& second = begin(64);
    sc_core::wait(40 * cycle);
    EXPECT_EQ(s.phases.size(), 1U) << "the only slot is taken";
    sc_core::wait(20 * cycle);
    ASSERT_EQ(s.phases.size(), 3U);
    EXPECT_EQ(s.phases[1].phase, "BEGIN_RESP");
    EXPECT_EQ(s.phases[1].trans, &first);
    EXPECT_EQ(first.get_address(), iova) << "memory saw another one";
    EXPECT_EQ(s.phases[2].phase, "END_REQ");
    EXPECT_EQ(s.phases[2].trans, &second);
    EXPECT_EQ(s.phases[2].when, s.phases[1].when + scene::period);
    sc_core::wait(100 * cycle);
    EXPECT_EQ(s.phases.size(), 3U) << "the second response waits for the END_RESP of the first";
    tlm::tlm_phase phase = tlm::END_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    s.device->nb_transport_fw(first, phase, delay);
    sc_core::wait(2 * cycle);
    ASSERT_EQ(s.phases.size(), 4U);
    EXPECT_EQ(s.phases[3].phase, "BEGIN_RESP");
    EXPECT_EQ(s.phases[3].trans, &second);
  });
}

TEST(remapping_unit, the_extension_names_the_requester) {
  scene s;
  s.tables.attach(disk, 4);
  s.tables.map(disk, iova, 0x9000000);
  s.run([&] {
    s.enable();
    s.path.cpu_store(0x9000000, std::uint64_t{0x1122334455667788});
    tlm::tlm_generic_payload trans;
    bytes data(8);
    platform::dma_extension who;
    who.source = disk;
    trans.set_extension(&who);
    trans.set_command(read);
    trans.set_address(iova);
    trans.set_data_ptr(data.data());
    trans.set_data_length(8);
    trans.set_streaming_width(8);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    s.device->b_transport(trans, delay);
    trans.clear_extension(&who);
    EXPECT_EQ(data[0], 0x88);
  });
}

TEST(remapping_unit, devices_see_what_the_cpu_has_in_its_cache) {
  scene s;
  s.run([&] {
    s.enable();
    s.path.cpu_store(frame, std::uint64_t{0xabcd});
    EXPECT_EQ(s.loosely(read, iova, bytes(8)).data[0], 0xcd);
  });
}

TEST(remapping_unit, a_table_entry_that_was_not_flushed_is_not_seen_where_walks_are_not_coherent) {
  auto what = config();
  what.caps.ecap.set_c(false);
  scene s(what);
  s.run([&] {
    s.enable();
    const std::uint64_t leaf = s.tables.entry_of(nic, iova, 1, false);
    spec::second_level_entry entry;
    entry.set_read(true).set_write(true).set_address(0x9000000);
    s.path.cpu_store(0x9000000, std::uint64_t{0x77});
    s.path.cpu_store(leaf, entry.value);
    EXPECT_NE(s.loosely(read, iova, bytes(8)).data[0], 0x77) << "in the CPU's cache only";
    s.path.clflush(leaf, 8);
    s.invalidate_iotlb_global();
    EXPECT_EQ(s.loosely(read, iova, bytes(8)).data[0], 0x77);
  });
}

TEST(remapping_unit, a_table_entry_in_the_cpu_cache_is_seen_where_walks_are_coherent) {
  auto what = config();
  what.caps.ecap.set_c(true);
  scene s(what);
  s.run([&] {
    s.enable();
    spec::second_level_entry entry;
    entry.set_read(true).set_write(true).set_address(0x9000000);
    s.path.cpu_store(0x9000000, std::uint64_t{0x77});
    s.path.cpu_store(s.tables.entry_of(nic, iova, 1, false), entry.value);
    EXPECT_EQ(s.loosely(read, iova, bytes(8)).data[0], 0x77);
  });
}

TEST(remapping_unit, a_direct_pointer_is_withdrawn_by_an_invalidation_and_by_eviction) {
  auto what = config();
  what.caches.iotlb = {2, 0, remap::replacement::lru, 1};
  scene s(what);
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    s.loosely(read, iova, bytes(8));
    ASSERT_TRUE(s.gives_direct_access(iova));
    EXPECT_FALSE(s.gives_direct_access(iova + spec::page_size)) << "only what is cached is granted";
    s.withdrawn.clear();
    s.invalidate_iotlb_global();
    ASSERT_EQ(s.withdrawn.size(), 1U);
    EXPECT_EQ(s.withdrawn[0].first, 0U);
    EXPECT_FALSE(s.gives_direct_access(iova));
    s.loosely(read, iova, bytes(8));
    ASSERT_TRUE(s.gives_direct_access(iova));
    s.withdrawn.clear();
    s.loosely(read, iova + spec::page_size, bytes(8));
    EXPECT_TRUE(s.withdrawn.empty());
    s.loosely(read, iova + 2 * spec::page_size, bytes(8));
    ASSERT_EQ(s.withdrawn.size(), 1U) << "two entries: the third page evicts the first";
    EXPECT_EQ(s.withdrawn[0], (std::pair<std::uint64_t, std::uint64_t>{iova, iova + spec::page_size - 1}));
  });
}

TEST(remapping_unit, direct_access_can_be_switched_off_for_runs_that_check) {
  scene s;
  s.ram.allow_dmi(true);
  s.unit.allow_dmi(false);
  s.run([&] {
    s.enable();
    s.loosely(read, iova, bytes(8));
    EXPECT_FALSE(s.gives_direct_access(iova));
  });
}

TEST(remapping_unit, a_read_only_page_is_granted_for_reading_only) {
  scene s;
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    const std::uint64_t page = iova + 40 * spec::page_size;
    s.loosely(read, page, bytes(8));
    EXPECT_TRUE(s.gives_direct_access(page, read));
    EXPECT_FALSE(s.gives_direct_access(page, write));
  });
}

TEST(remapping_unit, an_error_of_memory_reaches_the_initiator_and_is_no_fault) {
  scene s;
  s.run([&] {
    s.enable();
    s.loosely(read, iova, bytes(8));
    s.ram.fail(frame, frame + 63);
    EXPECT_EQ(s.loosely(read, iova, bytes(8)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(s.accurately(read, iova, bytes(8)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_TRUE(s.faults.empty());
  });
}

TEST(remapping_unit, a_dword_write_to_the_interrupt_range_is_a_message) {
  scene s;
  s.run([&] {
    s.enable();
    const auto message = spec::msi_message::to_cpu(0, 0x41);
    EXPECT_EQ(s.loosely(write, message.address, {0x41, 0, 0, 0}).status, tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.accurately(write, message.address, {0x42, 0, 0, 0}).status, tlm::TLM_OK_RESPONSE);
    ASSERT_EQ(s.sink.messages().size(), 2U);
    EXPECT_EQ(s.sink.messages()[1].message.vector(), 0x42);
    EXPECT_EQ(s.loosely(read, message.address, bytes(4)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(s.loosely(write, message.address, bytes(8)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_TRUE(s.faults.empty());
  });
}

TEST(remapping_unit, a_fault_event_goes_out_by_the_interrupt_socket) {
  namespace reg = spec::reg;
  scene s;
  s.run([&] {
    s.enable();
    const auto event = spec::msi_message::to_cpu(2, 0x55);
    s.write_register<reg::fedata>(event.data);
    s.write_register<reg::feaddr>(static_cast<std::uint32_t>(event.address));
    s.write_register<reg::fectl>(0);
    s.loosely(read, unmapped, bytes(8));
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    ASSERT_EQ(s.sink.messages().size(), 1U);
    EXPECT_EQ(s.sink.messages()[0].message, event);
  });
}

// A wait with a status and an interrupt behind the invalidation of a page, stored by the CPU and not flushed.
TEST(remapping_unit, the_invalidation_queue_is_read_and_answered_through_the_memory_socket) {
  namespace reg = spec::reg;
  auto with_queue = config();
  with_queue.caps.ecap.set_qi(true);
  scene s(with_queue);
  s.run([&] {
    s.enable();
    constexpr std::uint64_t queue = 0x5000000;
    constexpr std::uint64_t status = 0x5001004;
    const auto event = spec::msi_message::to_cpu(2, 0x56);
    s.write_register<reg::iedata>(event.data);
    s.write_register<reg::ieaddr>(static_cast<std::uint32_t>(event.address));
    s.write_register<reg::iectl>(0);
    s.write_register<reg::iqa>(queue);
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    while (reg::gsts::qies::get(s.read_register<reg::gsts>()) == 0) {
    }
    s.path.cpu_store(frame, std::uint64_t{1});
    s.path.cpu_store(frame + 0x100000, std::uint64_t{2});
    ASSERT_EQ(s.loosely(read, iova, bytes(8)).data[0], 1);
    s.tables.map(nic, iova, frame + 0x100000);
    s.write_tables();
    ASSERT_EQ(s.loosely(read, iova, bytes(8)).data[0], 1) << "the IOTLB holds it";
    const spec::invalidation_descriptor program[] = {spec::iotlb_descriptor{}
                                                         .set_granularity(spec::iotlb_granularity::page)
                                                         .set_domain_id(3)
                                                         .set_address(iova)
                                                         .set_drain_reads(true),
                                                     spec::wait_descriptor{}
                                                         .set_status_write(true)
                                                         .set_status_address(status)
                                                         .set_status_data(0x12345678)
                                                         .set_interrupt(true)};
    s.path.cpu_store(status - 4, std::uint64_t{0});
    std::uint64_t at = queue;
    for (const auto& each : program) {
      s.path.cpu_store(at, each.lo);
      s.path.cpu_store(at + 8, each.hi);
      at += sizeof(each);
    }
    s.write_register<reg::iqt>(at - queue);
    for (unsigned turn = 0; turn < 100 && s.path.cpu_load<std::uint32_t>(status) != 0x12345678U; ++turn)
      sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
    EXPECT_EQ(s.path.cpu_load<std::uint64_t>(status - 4), std::uint64_t{0x12345678} << 32)
        << "a dword, coherent with the CPU's cache";
    EXPECT_EQ(s.loosely(read, iova, bytes(8)).data[0], 2);
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    EXPECT_EQ(s.read_register<reg::iqh>(), at - queue);
    ASSERT_EQ(s.sink.messages().size(), 1U);
    EXPECT_EQ(s.sink.messages()[0].message, event);
  });
}

TEST(remapping_unit, an_invalidation_queue_outside_memory_is_an_error_of_the_queue) {
  namespace reg = spec::reg;
  auto with_queue = config();
  with_queue.caps.ecap.set_qi(true);
  scene s(with_queue);
  s.run([&] {
    s.enable();
    s.ram.fail(0x5000000, 0x5000fff);
    s.write_register<reg::iqa>(0x5000000);
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    s.write_register<reg::iqt>(sizeof(spec::invalidation_descriptor));
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    EXPECT_EQ(reg::fsts::iqe::get(s.read_register<reg::fsts>()), 1U);
    EXPECT_EQ(s.read_register<reg::iqh>(), 0U);
  });
}

TEST(remapping_unit, what_no_dma_request_can_be_is_answered_by_the_rules_of_tlm) {
  scene s;
  s.run([&] {
    s.enable();
    bytes data(8);
    tlm::tlm_generic_payload trans;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto ask = [&](auto change) {
      trans.set_command(read);
      trans.set_address(iova);
      trans.set_data_ptr(data.data());
      trans.set_data_length(8);
      trans.set_streaming_width(8);
      trans.set_byte_enable_ptr(nullptr);
      trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
      change();
      s.device->b_transport(trans, delay);
      return trans.get_response_status();
    };
    EXPECT_EQ(ask([&] { trans.set_data_length(0); }), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(ask([&] { trans.set_streaming_width(4); }), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(ask([&] { trans.set_command(tlm::TLM_IGNORE_COMMAND); }), tlm::TLM_OK_RESPONSE);
    unsigned char enables[] = {0xff, 0};
    s.path.cpu_store(frame, std::uint64_t{0x1111111111111111});
    data = bytes(8, 0);
    EXPECT_EQ(ask([&] {
                trans.set_byte_enable_ptr(enables);
                trans.set_byte_enable_length(2);
              }),
              tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(data, (bytes{0x11, 0, 0x11, 0, 0x11, 0, 0x11, 0})) << "only enabled bytes move";
    EXPECT_EQ(ask([&] {
                trans.set_address(iova + spec::page_size - 4);
                trans.set_byte_enable_ptr(enables);
                trans.set_byte_enable_length(2);
              }),
              tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    trans.set_byte_enable_ptr(nullptr);
  });
}

TEST(remapping_unit, a_register_access_that_is_not_4_or_8_aligned_bytes_is_an_error) {
  scene s;
  s.run([&] {
    bytes data(16);
    const auto access = [&](std::uint64_t address, unsigned length) {
      tlm::tlm_generic_payload trans;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      trans.set_command(read);
      trans.set_address(address);
      trans.set_data_ptr(data.data());
      trans.set_data_length(length);
      trans.set_streaming_width(length);
      s.cpu->b_transport(trans, delay);
      return trans.get_response_status();
    };
    EXPECT_EQ(access(8, 8), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(access(8, 2), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(access(8, 16), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(access(4, 8), tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(access(0x1000, 4), tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(access(0xfffffffffffffff8, 8), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
}

TEST(remapping_unit, debug_reads_of_registers_have_no_effect) {
  scene s;
  s.run([&] {
    tlm::tlm_generic_payload trans;
    bytes data(4096);
    trans.set_command(read);
    trans.set_address(0);
    trans.set_data_ptr(data.data());
    trans.set_data_length(4096);
    EXPECT_EQ(s.cpu->transport_dbg(trans), 4096U);
    std::uint64_t cap = 0;
    std::memcpy(&cap, data.data() + spec::reg::cap_reg::offset, 8);
    EXPECT_EQ(cap, config().caps.cap.value);
  });
}

TEST(remapping_unit, an_end_without_a_response_is_an_error_that_names_the_port) {
  scene s;
  std::string said;
  try {
    tlm::tlm_generic_payload trans;
    tlm::tlm_phase phase = tlm::END_RESP;
    sc_core::sc_time delay;
    s.device->nb_transport_fw(trans, phase, delay);
  } catch (const std::exception& error) {
    said = error.what();
  }
  EXPECT_NE(said.find("upstream_0: END_RESP without a BEGIN_RESP"), std::string::npos) << said;
}

TEST(remapping_unit, unbound_sockets_are_named_at_elaboration) {
  platform::kernel_wheel wheel("wheel", engine::clock{1000});
  platform::remapping_unit unit("lonely_unit", wheel, config());
  std::string message;
  try {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  } catch (const std::exception& error) {
    message = error.what();
  }
  EXPECT_NE(message.find("lonely_unit"), std::string::npos) << message;
}

TEST(remapping_unit, the_reset_input_forgets_everything_but_sticky_faults) {
  scene s;
  sc_core::sc_signal<bool> line("line");
  s.unit.reset.bind(line);
  s.run([&] {
    s.enable();
    s.loosely(read, unmapped, bytes(8));
    sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
    line.write(true);
    sc_core::wait(sc_core::sc_time(10, sc_core::SC_NS));
    EXPECT_EQ(s.read_register<spec::reg::gsts>(), 0U);
    EXPECT_NE(s.read_register<spec::reg::fsts>(), 0U) << "sticky";
    EXPECT_EQ(s.unit.hardware().translator().caches().contexts().occupancy(), 0U);
  });
}

} // namespace
} // namespace vtd::test
