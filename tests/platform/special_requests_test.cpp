// SPDX-License-Identifier: Apache-2.0
// What is special at the sockets of a unit: messages, zero-length reads, ATS, register accesses ahead of
// time, direct pointers into large pages.

#include "vtd/platform/remapping_unit.h"

#include "support/platform_world.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t unmapped = 0x51230000;

dmar::unit_config config() { return config_of(plain_part()); }

struct scene : platform_world {
  explicit scene(const dmar::unit_config& what = config()) : platform_world(what) {
    tables.attach(nic, 3);
    tables.map(nic, iova, frame);
  }
};

constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

TEST(special_requests, a_dword_that_is_not_aligned_or_runs_into_the_interrupt_range_is_no_message) {
  scene s;
  s.run([&] {
    for (const std::uint64_t address : {spec::interrupt_range_first + 2, spec::interrupt_range_first - 2}) {
      EXPECT_EQ(s.loosely(write, address, pattern(4)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      EXPECT_EQ(s.accurately(write, address, pattern(4)).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
    EXPECT_TRUE(s.sink.messages().empty());
  });
}

/// A request with our extension, by both ways; the data it leaves behind.
struct special {
  tlm::tlm_response_status status;
  bytes data;
};
special ask(scene& s, bool accurately, platform::dma_extension what, std::uint64_t address) {
  platform::payload_pool<tlm::tlm_generic_payload> pool;
  tlm::tlm_generic_payload& trans = pool.take();
  special out{tlm::TLM_INCOMPLETE_RESPONSE, bytes(4, 0x5a)};
  what.source = nic;
  trans.set_extension(&what);
  trans.set_command(read);
  trans.set_address(address);
  trans.set_data_ptr(out.data.data());
  trans.set_data_length(4);
  trans.set_streaming_width(4);
  trans.set_byte_enable_ptr(nullptr);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  if (accurately) {
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    s.device->nb_transport_fw(trans, phase, delay);
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    phase = tlm::END_RESP;
    delay = sc_core::SC_ZERO_TIME;
    s.device->nb_transport_fw(trans, phase, delay);
    sc_core::wait(sc_core::sc_time(10, sc_core::SC_NS));
  } else {
    s.device->b_transport(trans, delay);
    sc_core::wait(delay);
  }
  out.status = trans.get_response_status();
  trans.clear_extension(&what);
  trans.release();
  return out;
}

TEST(special_requests, a_zero_length_read_goes_to_memory_and_brings_no_data) {
  scene s;
  s.run([&] {
    s.enable();
    s.path.cpu_store(frame, std::uint64_t{0x1111111111111111});
    platform::dma_extension zero_length;
    zero_length.zero_length_read = true;
    for (const bool accurately : {false, true}) {
      const auto reads = s.ram.reads();
      const special done = ask(s, accurately, zero_length, iova);
      EXPECT_EQ(done.status, tlm::TLM_OK_RESPONSE);
      EXPECT_EQ(done.data, bytes(4, 0x5a)) << "no byte is enabled";
      EXPECT_EQ(s.ram.reads(), reads + 1) << "it went all the way";
      const special blocked = ask(s, accurately, zero_length, unmapped);
      EXPECT_EQ(blocked.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      EXPECT_EQ(blocked.data, bytes(4, 0x5a));
    }
    EXPECT_EQ(ask(s, false, {}, iova).data, bytes(4, 0x11)) << "a plain read does";
  });
}

TEST(special_requests, a_translation_request_is_refused_and_touches_no_memory) {
  auto with_device_tlb = config();
  with_device_tlb.caps.ecap.set_dt(true);
  scene s(with_device_tlb);
  s.tables.attach(nic, 3, 3, spec::translation_type::with_device_tlb,
                  s.tables.context(nic).second_level_table());
  s.run([&] {
    s.enable();
    platform::dma_extension question;
    question.type = remap::address_type::translation_request;
    const auto reads = s.ram.reads();
    for (const bool accurately : {false, true}) {
      for (const std::uint64_t address : {iova, unmapped})
        EXPECT_EQ(ask(s, accurately, question, address).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
    EXPECT_EQ(s.ram.reads(), reads);
    EXPECT_TRUE(s.faults.empty());
  });
}

TEST(special_requests, a_register_write_ahead_of_time_delays_no_dma_and_takes_effect_then) {
  namespace reg = spec::reg;
  scene s;
  s.run([&] {
    s.enable();
    s.loosely(read, iova, bytes(64));
    const auto usual = s.loosely(read, iova, bytes(64)).latency;
    ASSERT_EQ(s.accurately(read, iova, bytes(64)).latency, usual);
    const auto access = [&](tlm::tlm_command command, std::uint32_t offset, std::uint32_t value,
                            sc_core::sc_time ahead) {
      tlm::tlm_generic_payload trans;
      trans.set_command(command);
      trans.set_address(offset);
      trans.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
      trans.set_data_length(4);
      trans.set_streaming_width(4);
      s.cpu->b_transport(trans, ahead);
      EXPECT_TRUE(trans.is_response_ok());
      return value;
    };
    const sc_core::sc_time ahead(10, sc_core::SC_US);
    access(write, reg::fedata::offset, 0x77, ahead);
    access(write, reg::gcmd::offset, 0, ahead);
    EXPECT_EQ(access(read, reg::fedata::offset, 0, ahead), 0x77U) << "its own initiator sees it stored";
    EXPECT_EQ(access(read, reg::fedata::offset, 0, sc_core::SC_ZERO_TIME), 0U);
    EXPECT_EQ(s.accurately(read, iova, bytes(64)).latency, usual);
    EXPECT_EQ(s.loosely(read, iova, bytes(64)).latency, usual);
    EXPECT_TRUE(s.unit.hardware().translation_enabled());
    sc_core::wait(ahead);
    EXPECT_EQ(access(read, reg::fedata::offset, 0, sc_core::SC_ZERO_TIME), 0x77U);
    sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
    EXPECT_FALSE(s.unit.hardware().translation_enabled());
  });
}

TEST(special_requests, the_direct_pointer_of_a_piece_of_a_large_page_leads_to_its_own_bytes) {
  auto what = config();
  what.caps.cap.set_sps(1);
  scene s(what);
  // The first half of the large page is interrupt range.
  const std::uint64_t page = spec::interrupt_range_first;
  const std::uint64_t behind = spec::interrupt_range_last + 1;
  constexpr std::uint64_t host = 0x10000000;
  s.tables.map(nic, page, host, read_write, 2);
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    s.path.cpu_store(host + (behind - page) + 0x1000, std::uint64_t{0x99});
    s.path.clflush(host + (behind - page) + 0x1000, 8);
    s.loosely(read, behind, bytes(8));
    EXPECT_EQ(s.directly(read, behind + 0x1000, bytes(1)).data[0], 0x99);
    EXPECT_FALSE(s.gives_direct_access(page));
  });
}

} // namespace
} // namespace vtd::test
