// SPDX-License-Identifier: Apache-2.0
// What No Snoop means where a CPU's cache holds a newer line than memory (VT-d 9.8, SNP; PCIe 2.2.6.5).

#include "support/platform_world.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace vtd::test {
namespace {

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t far_frame = 0x7100000;
constexpr std::uint64_t in_memory = 0x1111111111111111;
constexpr std::uint64_t in_cache = 0x2222222222222222;
constexpr std::uint64_t from_device = 0x3333333333333333;

enum class way : std::uint8_t { loosely, accurately };

dmar::unit_config config(bool snoop_control) {
  dmar::unit_config out = config_of(wide_part());
  out.caps.ecap.set_sc(snoop_control);
  return out;
}

struct scene : platform_world {
  explicit scene(bool snoop_control, bool forced = false) : platform_world(config(snoop_control)) {
    tables.attach(nic, 3);
    tables.map(nic, iova, frame);
    tables.map(nic, iova + spec::page_size, far_frame);
    if (!forced) return;
    for (const std::uint64_t page : {iova, iova + spec::page_size}) {
      const std::uint64_t leaf = tables.entry_of(nic, page, 1, false);
      words.store(leaf, spec::second_level_entry{words.load(leaf)}.set_snoop(true).value);
    }
  }
  /// Memory holds one value, a dirty line of the CPU's cache another.
  void dirty_lines(std::initializer_list<std::uint64_t> hosts) {
    for (const std::uint64_t host : hosts)
      path.cpu_store(host, in_memory);
    path.wbinvd();
    for (const std::uint64_t host : hosts)
      path.cpu_store(host, in_cache);
  }
  void dirty_line(std::uint64_t host) { dirty_lines({host}); }
  bytes ask(way how, tlm::tlm_command command, std::uint64_t address, bytes data, bool no_snoop = true) {
    probe_payload trans;
    trans.set(command, address, std::move(data)).of(nic).attributes.no_snoop = no_snoop;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    if (how == way::loosely) {
      device->b_transport(trans, delay);
      wait(delay);
    } else {
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      device->nb_transport_fw(trans, phase, delay);
      wait_ps(1'000'000);
      phase = tlm::END_RESP;
      device->nb_transport_fw(trans, phase, delay);
      wait_ps(2 * period);
    }
    EXPECT_TRUE(trans.is_response_ok());
    EXPECT_EQ(trans.attributes.no_snoop, no_snoop) << "the request is the initiator's";
    return trans.data;
  }
  std::uint64_t read(way how, std::uint64_t address, bool no_snoop = true) {
    const bytes data = ask(how, tlm::TLM_READ_COMMAND, address, bytes(8), no_snoop);
    std::uint64_t value = 0;
    std::memcpy(&value, data.data(), sizeof(value));
    return value;
  }
  void write(way how, std::uint64_t address, bool no_snoop = true) {
    bytes data(8);
    std::memcpy(data.data(), &from_device, sizeof(from_device));
    ask(how, tlm::TLM_WRITE_COMMAND, address, data, no_snoop);
  }
};

constexpr std::array both{way::loosely, way::accurately};

TEST(no_snoop, a_read_sees_memory_under_a_dirty_line_where_the_page_does_not_force_snooping) {
  scene s(true);
  s.run([&] {
    s.enable();
    s.dirty_line(frame);
    for (const way how : both) {
      EXPECT_EQ(s.read(how, iova), in_memory);
      EXPECT_EQ(s.path.cache().dirty_lines(), 1U) << "the line stays as it is";
    }
    EXPECT_EQ(s.read(way::loosely, iova, false), in_cache) << "without the attribute";
    s.dirty_line(frame);
    EXPECT_EQ(s.read(way::accurately, iova, false), in_cache);
  });
}

TEST(no_snoop, a_read_sees_the_dirty_line_where_the_page_forces_snooping) {
  scene s(true, true);
  s.run([&] {
    s.enable();
    for (const way how : both) {
      s.dirty_line(frame);
      EXPECT_EQ(s.read(how, iova), in_cache);
      s.dirty_line(frame);
      EXPECT_EQ(s.read(how, iova), in_cache) << "a hit";
    }
  });
}

TEST(no_snoop, a_read_obeys_its_attribute_without_snoop_control_and_without_translation) {
  scene s(false);
  s.run([&] {
    s.dirty_line(frame);
    for (const way how : both)
      EXPECT_EQ(s.read(how, frame), in_memory) << "translation is off";
    s.enable();
    s.dirty_line(frame);
    for (const way how : both)
      EXPECT_EQ(s.read(how, iova), in_memory);
  });
}

TEST(no_snoop, a_write_leaves_the_old_line_in_the_cache) {
  scene s(true);
  s.run([&] {
    s.enable();
    for (const way how : both) {
      s.dirty_line(frame);
      s.write(how, iova);
      EXPECT_EQ(s.store.load<std::uint64_t>(frame), from_device);
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(frame), in_cache);
      s.path.wbinvd();
      EXPECT_EQ(s.store.load<std::uint64_t>(frame), in_cache) << "written back over it";
      // A clean line stays, too.
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(frame), in_cache);
      s.write(how, iova);
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(frame), in_cache);
      s.write(how, iova, false);
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(frame), from_device) << "without the attribute";
    }
  });
}

TEST(no_snoop, a_write_takes_the_line_away_where_the_page_forces_snooping) {
  scene s(true, true);
  s.run([&] {
    s.enable();
    for (const way how : both) {
      s.dirty_line(frame);
      s.write(how, iova);
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(frame), from_device);
    }
  });
}

TEST(no_snoop, counts_for_both_pieces_of_a_request_across_pages) {
  scene s(true);
  s.run([&] {
    s.enable();
    constexpr std::uint64_t across = spec::page_size - 8;
    for (const way how : both) {
      s.dirty_lines({frame + across, far_frame});
      EXPECT_EQ(s.ask(how, tlm::TLM_READ_COMMAND, iova + across, bytes(16)), bytes(16, 0x11));
      EXPECT_EQ(s.ask(how, tlm::TLM_READ_COMMAND, iova + across, bytes(16), false), bytes(16, 0x22));
    }
  });
}

TEST(no_snoop, counts_for_requests_with_byte_enables) {
  scene s(true);
  s.run([&] {
    s.enable();
    s.dirty_line(frame);
    unsigned char enables[] = {0xff, 0};
    probe_payload trans;
    trans.set(tlm::TLM_READ_COMMAND, iova, bytes(4)).of(nic).attributes.no_snoop = true;
    trans.set_byte_enable_ptr(enables);
    trans.set_byte_enable_length(2);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    s.device->b_transport(trans, delay);
    EXPECT_EQ(trans.data, (bytes{0x11, 0, 0x11, 0}));
    trans.set_byte_enable_ptr(nullptr);
  });
}

} // namespace
} // namespace vtd::test
