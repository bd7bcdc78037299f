// SPDX-License-Identifier: Apache-2.0
// What initiators do at one time reaches the unit in any order of calls, before or after the kernel has woken
// it: docs/microarchitecture.md, section 1. Two units see the same traffic, in opposite orders.

#include "support/platform_world.h"
#include "vtd/platform/payload_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

namespace vtd::test {
namespace {

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr unsigned mapped_pages = 48;
constexpr unsigned agents = 3;

dmar::unit_config busy_part() {
  dmar::unit_config out = config_of(plain_part());
  out.timing.requests = 4; // fewer than there is traffic for, so that ports wait for each other
  out.ports = 1 + agents;
  return out;
}

/// A bus master that does what it is told, and writes down when each phase came.
struct agent : sc_core::sc_module {
  explicit agent(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &agent::backward_phase);
  }

  void begin(tlm::tlm_command command, std::uint64_t address) {
    tlm::tlm_generic_payload& trans = pool.take();
    trans.set_command(command);
    trans.set_address(address);
    trans.set_data_ptr(data.data());
    trans.set_data_length(static_cast<unsigned>(data.size()));
    trans.set_streaming_width(static_cast<unsigned>(data.size()));
    trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    diary.emplace_back("BEGIN_REQ", platform::now_ps(), address);
    waits = true;
    if (socket->nb_transport_fw(trans, phase, delay) == tlm::TLM_UPDATED) note(trans, phase, delay);
  }
  /// Whether the request before was taken at an earlier time. Of one taken just now an initiator that is
  /// called early could not know.
  [[nodiscard]] bool may_begin() const { return !waits && taken < platform::now_ps(); }

  tlm_utils::simple_initiator_socket<agent> socket;
  platform::payload_pool<tlm::tlm_generic_payload> pool;
  std::vector<unsigned char> data = std::vector<unsigned char>(64);
  std::vector<std::tuple<std::string, engine::picoseconds, std::uint64_t>> diary;
  bool waits = false;
  engine::picoseconds taken = 0;

private:
  void note(const tlm::tlm_generic_payload& trans, const tlm::tlm_phase& phase,
            const sc_core::sc_time& delay) {
    const engine::picoseconds when = platform::now_ps() + platform::to_ps(delay);
    diary.emplace_back(phase.get_name(), when, trans.get_address());
    if (waits) taken = when;
    waits = false;
  }
  tlm::tlm_sync_enum backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay) {
    if (phase == tlm::END_REQ) {
      note(trans, phase, delay);
      return tlm::TLM_ACCEPTED;
    }
    const engine::picoseconds when = platform::now_ps() + platform::to_ps(delay);
    diary.emplace_back(tlm::tlm_phase(phase).get_name(), when, trans.get_response_status());
    trans.release();
    return tlm::TLM_COMPLETED;
  }
};

struct lane : platform_world {
  explicit lane(const std::string& name) : platform_world(busy_part(), name.c_str()) {
    tables.attach(nic, 3);
    for (std::uint64_t n = 0; n < mapped_pages; ++n)
      tables.map(nic, iova + n * spec::page_size, frame + n * spec::page_size);
    for (unsigned n = 0; n < agents; ++n) {
      masters.push_back(std::make_unique<agent>((name + "_agent_" + std::to_string(n)).c_str()));
      masters.back()->socket.bind(unit.upstream[1 + n]);
      unit.set_default_source(1 + n, nic);
    }
  }
  /// A global IOTLB invalidation, without waiting for its end (VT-d 10.4.8).
  void invalidate() {
    namespace reg = spec::reg;
    reg::iotlb::word value = reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1);
    tlm::tlm_generic_payload trans;
    trans.set_command(tlm::TLM_WRITE_COMMAND);
    trans.set_address(unit.hardware().registers().offset_of<reg::iotlb>());
    trans.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    trans.set_data_length(sizeof value);
    trans.set_streaming_width(sizeof value);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    cpu->b_transport(trans, delay);
    EXPECT_TRUE(trans.is_response_ok());
  }

  std::vector<std::unique_ptr<agent>> masters;
};

struct wish {
  bool wanted = false;
  tlm::tlm_command command = tlm::TLM_READ_COMMAND;
  std::uint64_t address = 0;
};

TEST(call_order, of_one_time_changes_no_cycle_at_the_sockets) {
  lane early("early");
  lane late("late");
  std::mt19937_64 random(11);
  early.run([&] {
    early.enable();
    late.enable();
    const auto start = sc_core::sc_time(100, sc_core::SC_US);
    ASSERT_LT(sc_core::sc_time_stamp(), start);
    sc_core::wait(start - sc_core::sc_time_stamp());
    for (unsigned step = 0; step < 40000; ++step) {
      // Every other step falls between two edges of the clock.
      sc_core::wait(platform::to_sc_time(lane::period / 2));
      std::array<wish, agents> wishes;
      for (wish& next : wishes) {
        next.wanted = random() % 4 == 0;
        next.command = random() % 2 == 0 ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND;
        next.address = iova + random() % (mapped_pages + 2) * spec::page_size; // the last two are not mapped
      }
      const bool invalidates = random() % 2000 == 0;
      const auto ask = [&wishes](lane& where, unsigned n) {
        agent& master = *where.masters[n];
        if (wishes[n].wanted && master.may_begin()) master.begin(wishes[n].command, wishes[n].address);
      };
      if (invalidates) early.invalidate();
      for (unsigned n = 0; n < agents; ++n)
        ask(early, n);
      // Whatever the kernel still had to do at this time is done first.
      for (unsigned n = 0; n < 3; ++n)
        sc_core::wait(sc_core::SC_ZERO_TIME);
      for (unsigned n = agents; n-- > 0;)
        ask(late, n);
      if (invalidates) late.invalidate();
    }
    sc_core::wait(sc_core::sc_time(10, sc_core::SC_US));
  });
  for (unsigned n = 0; n < agents; ++n) {
    SCOPED_TRACE(n);
    EXPECT_GT(early.masters[n]->diary.size(), 300U);
    EXPECT_EQ(early.masters[n]->pool.out(), 0U) << "a request never ended";
    EXPECT_EQ(early.masters[n]->diary, late.masters[n]->diary);
  }
  EXPECT_FALSE(early.faults.empty());
  EXPECT_EQ(early.faults.size(), late.faults.size());
}

} // namespace
} // namespace vtd::test
