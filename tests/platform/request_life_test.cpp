// SPDX-License-Identifier: Apache-2.0
// What a request keeps from its admission to its end, and what ends it, while memory waits; the same loosely
// timed and cycle by cycle (docs/microarchitecture.md, section 5; docs/dmar.md, "Reset").

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "support/tlm_probe.h"
#include "vtd/platform/remapping_unit.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr engine::picoseconds period = 1000;
constexpr engine::picoseconds microsecond = 1'000'000;
constexpr std::uint64_t iova = 0x10000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t next_frame = 0x8000000;
constexpr std::uint64_t protected_base = next_frame;
// The last eight bytes of the first page and the first eight of the next.
constexpr std::uint64_t inside = spec::page_size - 8;

/// Answers table reads at once and everything else after 5 us; keeps where the latter went.
class late_memory final : public sc_core::sc_module {
public:
  tlm_utils::simple_target_socket<late_memory> socket{"socket"};
  explicit late_memory(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_b_transport(this, &late_memory::transport);
    socket.register_nb_transport_fw(this, &late_memory::forward);
  }
  fake_memory words;
  std::vector<std::uint64_t> reached;
  tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;

private:
  // True: it takes its time.
  bool take(tlm::tlm_generic_payload& trans) {
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
    if (trans.get_extension<platform::table_read_extension>() == nullptr) {
      reached.push_back(trans.get_address());
      trans.set_response_status(status);
      return true;
    }
    for (unsigned at = 0; at < trans.get_data_length(); at += 8) {
      const std::uint64_t word = words.load(trans.get_address() + at);
      std::memcpy(trans.get_data_ptr() + at, &word, 8);
    }
    return false;
  }
  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& /*delay*/) {
    if (take(trans)) wait_ps(5 * microsecond);
  }
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& /*phase*/,
                             sc_core::sc_time& delay) {
    if (take(trans)) delay += platform::to_sc_time(5 * microsecond);
    return tlm::TLM_COMPLETED;
  }
};

struct ends final : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<ends> cpu{"cpu"};
  probe_target interrupts{"interrupts"};
  sc_core::sc_signal<bool> reset{"reset"};
  ends(const sc_core::sc_module_name& name, platform::remapping_unit& unit) : sc_module(name) {
    cpu.bind(unit.registers);
    unit.interrupts.bind(interrupts.socket);
    unit.reset.bind(reset);
  }
};

enum class way : std::uint8_t { loosely, accurately };

dmar::unit_config config() {
  dmar::unit_config out = config_of(small_part());
  out.protect_translated = true;
  return out;
}

struct scene {
  platform::kernel_wheel wheel{"wheel", engine::clock{period}};
  probe_initiator device{"device"};
  platform::remapping_unit unit{"unit", wheel, config()};
  ends other{"ends", unit};
  late_memory memory{"memory"};
  table_builder tables{memory.words};
  platform::payload_pool<probe_payload> pool;

  scene() {
    device.ends_at_once = true;
    device.socket.bind(unit.upstream[0]);
    unit.memory.bind(memory.socket);
    unit.set_default_source(0, nic);
    tables.attach(nic, 3, 3);
    tables.map(nic, iova, frame);
    tables.map(nic, iova + spec::page_size, next_frame);
  }
  template <class Register>
  void write_register(typename Register::word value) {
    unit.hardware().write_register(unit.hardware().registers().template offset_of<Register>(),
                                   Register::size_bits / 8, value, platform::now_ps());
  }
  [[nodiscard]] bool translates() {
    return reg::gsts::tes::get(unit.hardware().registers().template read<reg::gsts>()) != 0;
  }
  void set_translation(bool on) { write_register<reg::gcmd>(on ? reg::gcmd::te::mask : 0); }
  void enable() {
    write_register<reg::rtaddr>(tables.root());
    write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
    wait_ps(microsecond);
    set_translation(true);
    wait_ps(microsecond);
  }
  /// A write; 1 us after it came `meanwhile` happens, while its first piece is in memory. Returns its status.
  tlm::tlm_response_status write(way how, std::uint64_t address, std::size_t bytes,
                                 std::function<void()> meanwhile) {
    sc_core::sc_spawn([meanwhile = std::move(meanwhile)] {
      wait_ps(microsecond);
      meanwhile();
    });
    probe_payload& trans = pool.take();
    trans.set(tlm::TLM_WRITE_COMMAND, address, pattern(bytes));
    trans.set_dmi_allowed(true);
    if (how == way::loosely) {
      wait_ps(device.loosely(trans));
    } else {
      device.send(trans);
      wait_ps(20 * microsecond);
      EXPECT_EQ(device.phases.back().phase, "BEGIN_RESP");
    }
    wait_ps(microsecond);
    const auto status = trans.get_response_status();
    trans.release();
    return status;
  }
};

using addresses = std::vector<std::uint64_t>;

void expect_that_translation_switched_off_counts_for_later_requests_only(way how) {
  scene s;
  in_thread([&] {
    s.enable();
    const auto switch_off = [&] {
      s.set_translation(false);
      wait_ps(microsecond);
      EXPECT_TRUE(s.translates()) << "one that was admitted before is inside";
    };
    EXPECT_EQ(s.write(how, iova + inside, 16, switch_off), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.memory.reached, (addresses{frame + inside, next_frame}));
    EXPECT_FALSE(s.translates());
    s.memory.reached.clear();
    EXPECT_EQ(s.write(how, iova, 16, [] {}), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.memory.reached, addresses{iova});
  });
}
TEST(request_life, translation_switched_off_counts_for_later_requests_only_loosely_timed) {
  expect_that_translation_switched_off_counts_for_later_requests_only(way::loosely);
}
TEST(request_life, translation_switched_off_counts_for_later_requests_only_cycle_by_cycle) {
  expect_that_translation_switched_off_counts_for_later_requests_only(way::accurately);
}

void expect_that_translation_switched_on_counts_for_later_requests_only(way how) {
  scene s;
  in_thread([&] {
    s.enable();
    s.set_translation(false);
    wait_ps(microsecond);
    EXPECT_EQ(s.write(how, iova + inside, 16, [&] { s.set_translation(true); }), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.memory.reached, (addresses{iova + inside, iova + spec::page_size}));
    EXPECT_TRUE(s.translates());
    s.memory.reached.clear();
    EXPECT_EQ(s.write(how, iova + inside, 16, [] {}), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.memory.reached, (addresses{frame + inside, next_frame}));
  });
}
TEST(request_life, translation_switched_on_counts_for_later_requests_only_loosely_timed) {
  expect_that_translation_switched_on_counts_for_later_requests_only(way::loosely);
}
TEST(request_life, translation_switched_on_counts_for_later_requests_only_cycle_by_cycle) {
  expect_that_translation_switched_on_counts_for_later_requests_only(way::accurately);
}

void expect_that_a_reset_ends_a_request(way how, std::uint64_t address) {
  scene s;
  in_thread([&] {
    s.enable();
    EXPECT_EQ(s.write(how, address, 16, [&] { s.other.reset.write(true); }), tlm::TLM_GENERIC_ERROR_RESPONSE);
    EXPECT_EQ(s.memory.reached, addresses{frame + (address - iova)}) << "no piece after the reset";
    EXPECT_FALSE(s.unit.hardware().has_work_in_flight());
  });
}
TEST(request_life, a_reset_ends_a_request_between_its_pieces_loosely_timed) {
  expect_that_a_reset_ends_a_request(way::loosely, iova + inside);
}
TEST(request_life, a_reset_ends_a_request_between_its_pieces_cycle_by_cycle) {
  expect_that_a_reset_ends_a_request(way::accurately, iova + inside);
}
TEST(request_life, a_request_that_is_in_memory_at_a_reset_failed_loosely_timed) {
  expect_that_a_reset_ends_a_request(way::loosely, iova);
}
TEST(request_life, a_request_that_is_in_memory_at_a_reset_failed_cycle_by_cycle) {
  expect_that_a_reset_ends_a_request(way::accurately, iova);
}

void expect_that_an_error_of_memory_outlives_a_reset(way how) {
  scene s;
  in_thread([&] {
    s.enable();
    s.memory.status = tlm::TLM_COMMAND_ERROR_RESPONSE;
    EXPECT_EQ(s.write(how, iova, 16, [&] { s.other.reset.write(true); }), tlm::TLM_COMMAND_ERROR_RESPONSE);
  });
}
TEST(request_life, an_error_of_memory_outlives_a_reset_loosely_timed) {
  expect_that_an_error_of_memory_outlives_a_reset(way::loosely);
}
TEST(request_life, an_error_of_memory_outlives_a_reset_cycle_by_cycle) {
  expect_that_an_error_of_memory_outlives_a_reset(way::accurately);
}

// Regions are no part of the admission (docs/microarchitecture.md, section 5, PMEN).
void expect_that_a_region_counts_for_the_pieces_that_follow(way how) {
  scene s;
  in_thread([&] {
    s.enable();
    s.write_register<reg::plmbase>(protected_base);
    s.write_register<reg::plmlimit>(protected_base);
    EXPECT_EQ(s.write(how, iova + inside, 16, [&] { s.write_register<reg::pmen>(reg::pmen::epm::mask); }),
              tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(s.memory.reached, addresses{frame + inside});
  });
}
TEST(request_life, a_region_protected_meanwhile_counts_for_the_pieces_that_follow_loosely_timed) {
  expect_that_a_region_counts_for_the_pieces_that_follow(way::loosely);
}
TEST(request_life, a_region_protected_meanwhile_counts_for_the_pieces_that_follow_cycle_by_cycle) {
  expect_that_a_region_counts_for_the_pieces_that_follow(way::accurately);
}

} // namespace
} // namespace vtd::test
