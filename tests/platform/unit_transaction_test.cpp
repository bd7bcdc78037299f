// SPDX-License-Identifier: Apache-2.0
// What a unit sends downstream, phase by phase, to targets that answer in every way TLM-2.0 allows.

#include "vtd/platform/unit_transaction.h"

#include "support/parts.h"
#include "support/tlm_probe.h"
#include "vtd/dmar/snapshot.h"
#include "vtd/platform/remapping_unit.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

constexpr engine::picoseconds period = 1000;
constexpr std::uint64_t address = 0x40000000;
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

dmar::unit_config config() { return config_of(small_part()); }

/// The sockets of a unit that no test here uses.
struct unit_ends final : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<unit_ends> cpu{"cpu"};
  probe_target interrupts{"interrupts"};
  unit_ends(const sc_core::sc_module_name& name, platform::remapping_unit& unit) : sc_module(name) {
    cpu.bind(unit.registers);
    unit.interrupts.bind(interrupts.socket);
  }
};

/// Device, unit, memory; translation is off, so that every request passes with the address it has.
struct scene {
  platform::kernel_wheel wheel{"wheel", engine::clock{period}};
  probe_initiator device{"device"};
  platform::remapping_unit unit{"unit", wheel, config()};
  unit_ends ends{"ends", unit};
  probe_target memory{"memory"};
  platform::payload_pool<tlm::tlm_generic_payload> pool;
  std::vector<bytes> data;

  scene() {
    device.ends_at_once = true;
    device.socket.bind(unit.upstream[0]);
    unit.memory.bind(memory.socket);
    data.reserve(16);
  }
  tlm::tlm_generic_payload& request(std::uint64_t at, std::size_t size = 64, tlm::tlm_command what = read) {
    return fill(pool.take(), at, size, what);
  }
  tlm::tlm_generic_payload& fill(tlm::tlm_generic_payload& trans, std::uint64_t at, std::size_t size,
                                 tlm::tlm_command what) {
    bytes& content = data.emplace_back(size);
    trans.set_command(what);
    trans.set_address(at);
    trans.set_data_ptr(content.data());
    trans.set_data_length(static_cast<unsigned>(size));
    trans.set_streaming_width(static_cast<unsigned>(size));
    trans.set_byte_enable_ptr(nullptr);
    trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    return trans;
  }
  template <class Register>
  void write_register(typename Register::word value) {
    unit.hardware().write_register(Register::offset, Register::size_bits / 8, value, platform::now_ps());
  }
  /// How many requests memory has been offered so far.
  [[nodiscard]] std::size_t offered() const {
    std::size_t count = 0;
    for (const auto& each : memory.phases)
      count += each.phase == "BEGIN_REQ" ? 1U : 0U;
    return count;
  }
};

TEST(unit_transaction, a_request_of_one_page_goes_on_as_it_is_and_one_of_two_pages_in_pieces) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    tlm::tlm_generic_payload& whole = s.request(address);
    tlm::tlm_generic_payload& two = s.request(address + spec::page_size - 32);
    s.device.send(whole);
    wait_ps(20 * period);
    s.device.send(two);
    wait_ps(40 * period);
    ASSERT_EQ(s.offered(), 3U);
    EXPECT_EQ(s.memory.phases[0].trans, &whole);
    EXPECT_NE(s.memory.phases[1].trans, &two);
    EXPECT_NE(s.memory.phases[2].trans, &two);
    EXPECT_EQ(whole.get_address(), address);
    EXPECT_EQ(two.get_address(), address + spec::page_size - 32);
    EXPECT_TRUE(whole.is_response_ok());
    EXPECT_TRUE(two.is_response_ok());
  });
}

TEST(unit_transaction, the_end_of_a_request_on_the_return_path_frees_the_port_once) {
  scene s;
  in_thread([&] {
    s.memory.ends_request_at_once = true;
    tlm::tlm_generic_payload& first = s.request(address);
    s.device.send(first);
    wait_ps(20 * period);
    ASSERT_EQ(s.offered(), 1U);
    // The second is not taken yet: its END_REQ is owed.
    s.memory.ends_request_at_once = false;
    tlm::tlm_generic_payload& second = s.request(address + 64);
    s.device.send(second);
    wait_ps(20 * period);
    ASSERT_EQ(s.offered(), 2U);
    tlm::tlm_generic_payload& third = s.request(address + 128);
    s.device.send(third);
    s.memory.respond(first);
    wait_ps(20 * period);
    EXPECT_EQ(s.offered(), 2U) << "a BEGIN_REQ before the END_REQ of the last request";
    s.memory.respond(second, tlm::END_REQ);
    wait_ps(20 * period);
    EXPECT_EQ(s.offered(), 3U);
  });
}

TEST(unit_transaction, a_request_that_ends_later_holds_the_port_until_then) {
  scene s;
  in_thread([&] {
    s.memory.ends_request_at_once = true;
    s.memory.takes = 10 * period;
    s.device.send(s.request(address));
    wait_ps(4 * period);
    ASSERT_EQ(s.offered(), 1U);
    const engine::picoseconds sent = s.memory.phases[0].when;
    s.device.send(s.request(address + 64));
    wait_ps(20 * period);
    ASSERT_EQ(s.offered(), 2U);
    EXPECT_EQ(s.memory.phases[1].when, sent + 11 * period) << "the first edge after the END_REQ";
  });
}

TEST(unit_transaction, answers_may_come_in_any_order) {
  scene s;
  in_thread([&] {
    std::vector<tlm::tlm_generic_payload*> all;
    for (std::uint64_t i = 0; i < 4; ++i) {
      all.push_back(&s.request(address + 64 * i));
      s.device.send(*all.back());
      wait_ps(10 * period);
      s.memory.respond(*all.back(), tlm::END_REQ);
    }
    s.device.phases.clear();
    for (const unsigned i : {2U, 0U, 3U, 1U}) {
      EXPECT_EQ(s.memory.respond(*all[i]), tlm::TLM_COMPLETED);
      wait_ps(10 * period);
      ASSERT_FALSE(s.device.phases.empty());
      EXPECT_EQ(s.device.phases.back().trans, all[i]);
      EXPECT_EQ(s.device.phases.back().phase, "BEGIN_RESP");
    }
  });
}

TEST(unit_transaction, an_error_of_memory_comes_back_with_the_request) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    s.memory.status = tlm::TLM_GENERIC_ERROR_RESPONSE;
    tlm::tlm_generic_payload& whole = s.request(address, 64, write);
    s.device.send(whole);
    wait_ps(20 * period);
    tlm::tlm_generic_payload& two = s.request(address + spec::page_size - 32, 64, write);
    s.device.send(two);
    wait_ps(20 * period);
    EXPECT_EQ(whole.get_response_status(), tlm::TLM_GENERIC_ERROR_RESPONSE);
    EXPECT_EQ(two.get_response_status(), tlm::TLM_GENERIC_ERROR_RESPONSE);
    EXPECT_EQ(s.offered(), 2U) << "the second piece is not tried";
  });
}

TEST(unit_transaction, two_units_may_stand_in_a_row) {
  platform::kernel_wheel wheel{"wheel", engine::clock{period}};
  probe_initiator device{"device"};
  platform::remapping_unit outer{"outer", wheel, config()};
  unit_ends outer_ends{"outer_ends", outer};
  platform::remapping_unit inner{"inner", wheel, config()};
  unit_ends inner_ends{"inner_ends", inner};
  probe_target memory{"memory"};
  device.ends_at_once = true;
  device.socket.bind(outer.upstream[0]);
  outer.memory.bind(inner.upstream[0]);
  inner.memory.bind(memory.socket);
  in_thread([&] {
    platform::payload_pool<tlm::tlm_generic_payload> pool;
    for (const std::uint64_t at : {address, address + spec::page_size - 32}) {
      bytes content(64);
      tlm::tlm_generic_payload& trans = pool.take();
      trans.set_command(read);
      trans.set_address(at);
      trans.set_data_ptr(content.data());
      trans.set_data_length(64);
      trans.set_streaming_width(64);
      memory.phases.clear();
      device.phases.clear();
      memory.on_request = [](tlm::tlm_generic_payload& one) { one.get_data_ptr()[0] = 0x5a; };
      device.send(trans);
      for (int i = 0; i < 40; ++i) {
        wait_ps(period);
        if (!memory.phases.empty() && memory.phases.back().phase == "BEGIN_REQ") {
          tlm::tlm_generic_payload* const one = memory.phases.back().trans;
          memory.phases.clear();
          memory.respond(*one);
        }
      }
      ASSERT_EQ(device.phases.size(), 2U);
      EXPECT_EQ(device.phases[1].trans, &trans);
      EXPECT_TRUE(trans.is_response_ok());
      EXPECT_EQ(trans.get_address(), at);
      EXPECT_EQ(content[0], 0x5a);
    }
  });
}

/// Translation is on over empty tables, a fault has been recorded and its message waits, masked.
void hold_back_a_message(scene& s) {
  namespace reg = spec::reg;
  s.memory.completes = true;
  s.write_register<reg::rtaddr>(0x1000);
  s.write_register<reg::feaddr>(spec::interrupt_range_first);
  s.write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
  wait_ps(50 * period);
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1));
  wait_ps(50 * period);
  s.device.send(s.request(address));
  wait_ps(50 * period);
  ASSERT_TRUE(s.ends.interrupts.phases.empty());
  s.memory.completes = false;
  s.memory.phases.clear();
}

TEST(unit_transaction, the_end_of_a_message_does_not_free_the_way_to_memory) {
  scene s;
  in_thread([&] {
    hold_back_a_message(s);
    s.device.send(s.request(address + 0x100000));
    wait_ps(20 * period);
    s.device.send(s.request(address + 0x200000));
    wait_ps(20 * period);
    ASSERT_EQ(s.offered(), 1U) << "a table read that memory has not taken yet; another waits";
    s.write_register<spec::reg::fectl>(0);
    wait_ps(20 * period);
    ASSERT_EQ(s.ends.interrupts.phases.size(), 1U);
    s.ends.interrupts.respond(*s.ends.interrupts.phases[0].trans, tlm::END_REQ);
    wait_ps(20 * period);
    EXPECT_EQ(s.offered(), 1U) << "a BEGIN_REQ before the END_REQ of the last request";
    s.memory.respond(*s.memory.phases[0].trans, tlm::END_REQ);
    wait_ps(20 * period);
    EXPECT_EQ(s.offered(), 2U);
  });
}

TEST(unit_transaction, a_message_waits_until_the_interrupt_of_a_device_is_taken) {
  scene s;
  in_thread([&] {
    hold_back_a_message(s);
    s.device.send(s.request(spec::interrupt_range_first, 4, write));
    wait_ps(20 * period);
    ASSERT_EQ(s.ends.interrupts.phases.size(), 1U);
    s.write_register<spec::reg::fectl>(0);
    wait_ps(20 * period);
    EXPECT_EQ(s.ends.interrupts.phases.size(), 1U) << "one request at a time";
    s.ends.interrupts.respond(*s.ends.interrupts.phases[0].trans, tlm::END_REQ);
    wait_ps(20 * period);
    EXPECT_EQ(s.ends.interrupts.phases.size(), 2U);
  });
}

TEST(unit_transaction, a_unit_is_not_at_rest_while_a_message_of_its_own_is_not_answered) {
  scene s;
  in_thread([&] {
    hold_back_a_message(s);
    EXPECT_FALSE(s.unit.save().empty());
    s.write_register<spec::reg::fectl>(0);
    wait_ps(20 * period);
    ASSERT_EQ(s.ends.interrupts.phases.size(), 1U);
    tlm::tlm_generic_payload& message = *s.ends.interrupts.phases[0].trans;
    ASSERT_TRUE(s.unit.hardware().quiescent(platform::now_ps())) << "it has left the hardware";
    const auto expect_refusal = [&] {
      try {
        (void)s.unit.save();
        ADD_FAILURE() << "saved";
      } catch (const dmar::snapshot_error& error) {
        EXPECT_NE(std::string(error.what()).find("a message on the interrupt socket"), std::string::npos)
            << error.what();
      }
      const auto at_rest = s.unit.hardware().save(platform::now_ps());
      EXPECT_THROW(s.unit.restore(at_rest), dmar::snapshot_error);
    };
    expect_refusal();
    s.ends.interrupts.respond(message, tlm::END_REQ);
    expect_refusal();
    sc_core::sc_spawn([&] {
      wait_ps(10 * period);
      s.ends.interrupts.respond(message);
    });
    const engine::picoseconds begun = platform::now_ps();
    s.unit.drain();
    EXPECT_GE(platform::now_ps(), begun + 10 * period);
    EXPECT_FALSE(s.unit.save().empty());
  });
}

TEST(unit_transaction, the_pieces_of_a_request_carry_its_attributes) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    unsigned seen = 0;
    probe_payload asked;
    s.memory.on_request = [&](tlm::tlm_generic_payload& one) {
      ++seen;
      EXPECT_NE(&one, &asked);
      const auto* const carried = one.get_extension<platform::dma_extension>();
      ASSERT_NE(carried, nullptr);
      EXPECT_EQ(carried->source, disk);
      EXPECT_EQ(carried->type, asked.attributes.type);
      EXPECT_EQ(carried->no_snoop, asked.attributes.no_snoop);
      EXPECT_EQ(carried->relaxed_ordering, asked.attributes.relaxed_ordering);
      EXPECT_EQ(carried->zero_length_read, asked.attributes.zero_length_read);
    };
    for (const bool zero_length : {false, true}) {
      for (const bool set : {true, false}) {
        asked.set(read, zero_length ? address : address + spec::page_size - 32, bytes(zero_length ? 4 : 64));
        asked.of(disk);
        asked.attributes.no_snoop = asked.attributes.relaxed_ordering = set;
        asked.attributes.zero_length_read = zero_length;
        s.device.loosely(asked);
        s.device.send(asked);
        wait_ps(100 * period);
        EXPECT_EQ(seen, zero_length ? 2U : 4U);
        seen = 0;
      }
    }
  });
}

TEST(unit_transaction, a_message_carries_nothing_of_a_piece_that_was_sent_before) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    probe_payload asked;
    asked.set(read, address + spec::page_size - 32, bytes(64)).of(disk).attributes.no_snoop = true;
    s.device.loosely(asked);
    s.ends.interrupts.completes = true;
    bool seen = false;
    s.ends.interrupts.on_request = [&](tlm::tlm_generic_payload& one) {
      seen = true;
      const auto* const carried = one.get_extension<platform::dma_extension>();
      ASSERT_NE(carried, nullptr);
      EXPECT_FALSE(carried->no_snoop);
      EXPECT_NE(carried->source, disk);
    };
    hold_back_a_message(s);
    s.write_register<spec::reg::fectl>(0);
    wait_ps(20 * period);
    EXPECT_TRUE(seen);
  });
}

TEST(unit_transaction, a_phase_of_something_that_is_not_under_way_is_an_error_that_names_the_unit) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    tlm::tlm_generic_payload& whole = s.request(address);
    s.device.send(whole);
    wait_ps(20 * period);
    sc_core::sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_CACHE_REPORT);
    s.memory.respond(whole, tlm::END_REQ);
    EXPECT_EQ(sc_core::sc_report_handler::get_count(sc_core::SC_ERROR), 1);
    const sc_core::sc_report* const said = sc_core::sc_report_handler::get_cached_report();
    ASSERT_NE(said, nullptr);
    EXPECT_NE(std::string(said->get_msg()).find(s.unit.name()), std::string::npos) << said->get_msg();
  });
}

TEST(unit_transaction, after_a_reset_the_initiator_gets_its_request_back_when_memory_has_answered) {
  scene s;
  in_thread([&] {
    tlm::tlm_generic_payload& one = s.request(address);
    s.device.send(one);
    wait_ps(20 * period);
    s.device.phases.clear();
    s.unit.hardware().reset(false);
    wait_ps(20 * period);
    EXPECT_TRUE(s.device.phases.empty());
    s.memory.respond(one);
    wait_ps(20 * period);
    ASSERT_EQ(s.device.phases.size(), 1U);
    EXPECT_EQ(s.device.phases[0].trans, &one);
    EXPECT_FALSE(one.is_response_ok());
    EXPECT_EQ(one.get_address(), address);
  });
}

TEST(unit_transaction, what_memory_says_of_direct_pointers_reaches_the_initiator) {
  scene s;
  in_thread([&] {
    s.memory.completes = true;
    for (const bool allowed : {true, false}) {
      s.memory.on_request = [allowed](tlm::tlm_generic_payload& one) { one.set_dmi_allowed(allowed); };
      for (const std::uint64_t at : {address, address + spec::page_size - 32}) {
        tlm::tlm_generic_payload& one = s.request(at);
        s.device.send(one);
        wait_ps(20 * period);
        EXPECT_TRUE(one.is_response_ok());
        EXPECT_EQ(one.is_dmi_allowed(), allowed);
      }
    }
  });
}

} // namespace
} // namespace vtd::test
