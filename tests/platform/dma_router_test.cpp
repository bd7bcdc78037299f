// SPDX-License-Identifier: Apache-2.0
// The choice of unit by source-id, and the phases of several units on one port.

#include "vtd/platform/dma_router.h"

#include "support/parts.h"
#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace vtd::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto read = tlm::TLM_READ_COMMAND;

// Two ports, two units: the NIC belongs to unit 0, the disk to unit 1.
struct scene {
  platform::dma_router router{"router", 2, 2};
  std::array<probe_initiator, 2> device{probe_initiator("device_0"), probe_initiator("device_1")};
  // unit[u][p]: port p of unit u.
  std::array<std::array<probe_target, 2>, 2> unit{{{probe_target("unit_0_0"), probe_target("unit_0_1")},
                                                   {probe_target("unit_1_0"), probe_target("unit_1_1")}}};
  probe_payload from_nic;
  probe_payload from_disk;

  scene() {
    for (unsigned port = 0; port < 2; ++port) {
      device[port].socket.bind(router.upstream[port]);
      for (unsigned u = 0; u < 2; ++u)
        router.to_unit(u, port).bind(unit[u][port].socket);
    }
    router.assign(disk, 1);
    from_nic.set(read, 0x1000, bytes(8)).of(nic);
    from_disk.set(read, 0x2000, bytes(8)).of(disk);
  }
  [[nodiscard]] std::vector<std::string> phases_at(unsigned u, unsigned port) const {
    std::vector<std::string> out;
    for (const auto& each : unit[u][port].phases)
      out.push_back(each.phase);
    return out;
  }
};
using names = std::vector<std::string>;

TEST(dma_router, sends_every_request_to_the_unit_of_its_source_id) {
  scene s;
  EXPECT_EQ(s.router.unit_of(nic), 0U) << "as all do at first";
  s.device[0].loosely(s.from_nic);
  s.device[0].loosely(s.from_disk);
  EXPECT_EQ(s.unit[0][0].loosely.size(), 1U);
  EXPECT_EQ(s.unit[1][0].loosely.size(), 1U);
  s.router.assign(nic, 1);
  s.device[0].loosely(s.from_nic);
  EXPECT_EQ(s.unit[1][0].loosely.size(), 2U);
  s.router.assign_all(0);
  s.device[0].loosely(s.from_disk);
  EXPECT_EQ(s.unit[0][0].loosely.size(), 2U);
}

TEST(dma_router, a_port_has_a_port_of_its_own_at_every_unit) {
  scene s;
  s.device[1].loosely(s.from_disk);
  EXPECT_EQ(s.unit[1][1].loosely.size(), 1U);
  EXPECT_EQ(s.unit[1][0].loosely.size(), 0U);
}

TEST(dma_router, a_request_that_names_nobody_is_that_of_the_port_s_default) {
  scene s;
  s.router.set_default_source(1, disk);
  probe_payload plain;
  s.device[1].loosely(plain.set(read, 0, bytes(8)));
  EXPECT_EQ(s.unit[1][1].loosely.size(), 1U);
  s.device[0].loosely(plain.set(read, 0, bytes(8)));
  EXPECT_EQ(s.unit[0][0].loosely.size(), 1U) << "the other port's default is another";
}

TEST(dma_router, debug_and_direct_access_go_the_same_way) {
  scene s;
  EXPECT_EQ(s.device[0].socket->transport_dbg(s.from_disk), 8U);
  EXPECT_EQ(s.unit[1][0].debugged, (std::vector<std::uint64_t>{0x2000}));
  tlm::tlm_dmi dmi;
  EXPECT_TRUE(s.device[0].socket->get_direct_mem_ptr(s.from_disk, dmi));
  EXPECT_EQ(s.unit[1][0].asked, (std::vector<std::uint64_t>{0x2000}));
  s.unit[1][0].gives_direct = false;
  EXPECT_FALSE(s.device[0].socket->get_direct_mem_ptr(s.from_disk, dmi));
  EXPECT_THAT(s.unit[0][0].asked, IsEmpty());
}

TEST(dma_router, a_withdrawal_of_either_unit_reaches_the_port_that_was_granted) {
  scene s;
  in_thread([&] {
    s.unit[1][0].socket->invalidate_direct_mem_ptr(0x5000, 0x5fff);
    EXPECT_EQ(s.device[0].withdrawn.size(), 1U);
    EXPECT_EQ(s.device[0].withdrawn[0].first, 0x5000U);
    EXPECT_EQ(s.device[0].withdrawn[0].second, 0x5fffU);
    EXPECT_THAT(s.device[1].withdrawn, IsEmpty());
    s.unit[0][1].socket->invalidate_direct_mem_ptr(0, 0xfff);
    EXPECT_EQ(s.device[1].withdrawn.size(), 1U);
  });
}

TEST(dma_router, takes_no_time) {
  scene s;
  s.unit[0][0].takes = 123;
  EXPECT_EQ(s.device[0].loosely(s.from_nic, 7), 130U);
  s.unit[0][0].completes = true;
  EXPECT_EQ(s.device[0].send(s.from_nic, tlm::BEGIN_REQ, 7).delay, 130U);
}

TEST(dma_router, requests_of_one_port_reach_their_units_in_the_order_in_which_they_came) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.unit[0][0].respond(s.from_nic, tlm::END_REQ);
    s.device[0].send(s.from_disk);
    s.unit[1][0].respond(s.from_disk, tlm::END_REQ);
    ASSERT_EQ(s.device[0].phases.size(), 2U);
    EXPECT_EQ(s.device[0].phases[0].phase, "END_REQ");
    EXPECT_EQ(s.device[0].phases[0].trans, &s.from_nic);
    EXPECT_EQ(s.device[0].phases[1].trans, &s.from_disk);
  });
}

TEST(dma_router, a_second_response_waits_for_the_end_of_the_first_and_each_end_goes_to_its_own_unit) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[0].send(s.from_disk);
    EXPECT_EQ(s.unit[1][0].respond(s.from_disk), tlm::TLM_ACCEPTED);
    EXPECT_EQ(s.unit[0][0].respond(s.from_nic), tlm::TLM_ACCEPTED);
    ASSERT_EQ(s.device[0].phases.size(), 1U) << "one response at a time";
    EXPECT_EQ(s.device[0].phases[0].trans, &s.from_disk) << "the first that came";
    wait_ps(5000);
    EXPECT_EQ(s.device[0].phases.size(), 1U);
    s.device[0].send(s.from_disk, tlm::END_RESP);
    EXPECT_EQ(s.phases_at(1, 0), (names{"BEGIN_REQ", "END_RESP"}));
    EXPECT_EQ(s.phases_at(0, 0), (names{"BEGIN_REQ"})) << "its end has not come";
    ASSERT_EQ(s.device[0].phases.size(), 2U);
    EXPECT_EQ(s.device[0].phases[1].trans, &s.from_nic);
    EXPECT_EQ(s.device[0].phases[1].when, 5000U);
    s.device[0].send(s.from_nic, tlm::END_RESP);
    EXPECT_EQ(s.phases_at(0, 0), (names{"BEGIN_REQ", "END_RESP"}));
    EXPECT_EQ(s.phases_at(1, 0).size(), 2U);
  });
}

TEST(dma_router, responses_of_different_ports_do_not_wait_for_each_other) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[1].send(s.from_disk);
    s.unit[0][0].respond(s.from_nic);
    s.unit[1][1].respond(s.from_disk);
    EXPECT_EQ(s.device[0].phases.size(), 1U);
    EXPECT_EQ(s.device[1].phases.size(), 1U);
  });
}

TEST(dma_router, an_end_with_a_time_ahead_keeps_the_next_response_back_until_then) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[0].send(s.from_disk);
    s.unit[0][0].respond(s.from_nic);
    s.unit[1][0].respond(s.from_disk, tlm::BEGIN_RESP, 100);
    s.device[0].send(s.from_nic, tlm::END_RESP, 700);
    ASSERT_EQ(s.device[0].phases.size(), 2U);
    EXPECT_EQ(s.device[0].phases[1].when, 700U) << "not while the first still lasts";
  });
}

TEST(dma_router, a_response_with_a_time_ahead_does_not_begin_before_it) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[0].send(s.from_disk);
    s.unit[0][0].respond(s.from_nic);
    s.unit[1][0].respond(s.from_disk, tlm::BEGIN_RESP, 900);
    s.device[0].send(s.from_nic, tlm::END_RESP, 700);
    ASSERT_EQ(s.device[0].phases.size(), 2U);
    EXPECT_EQ(s.device[0].phases[1].when, 900U);
  });
}

TEST(dma_router, a_device_that_ends_responses_at_once_frees_the_port_at_once) {
  scene s;
  s.device[0].ends_at_once = true;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[0].send(s.from_disk);
    EXPECT_EQ(s.unit[0][0].respond(s.from_nic), tlm::TLM_COMPLETED);
    EXPECT_EQ(s.unit[1][0].respond(s.from_disk), tlm::TLM_COMPLETED);
    EXPECT_EQ(s.device[0].phases.size(), 2U);
  });
}

TEST(dma_router, a_unit_that_was_told_to_wait_learns_of_an_end_that_came_at_once) {
  scene s;
  in_thread([&] {
    s.device[0].send(s.from_nic);
    s.device[0].send(s.from_disk);
    s.unit[0][0].respond(s.from_nic);
    EXPECT_EQ(s.unit[1][0].respond(s.from_disk), tlm::TLM_ACCEPTED);
    s.device[0].ends_at_once = true;
    s.device[0].send(s.from_nic, tlm::END_RESP);
    EXPECT_EQ(s.phases_at(1, 0), (names{"BEGIN_REQ", "END_RESP"}));
    // And the port is free again.
    s.device[0].send(s.from_nic);
    EXPECT_EQ(s.unit[0][0].respond(s.from_nic), tlm::TLM_COMPLETED);
  });
}

TEST(dma_router, a_response_that_begins_on_the_return_path_takes_its_turn_too) {
  scene s;
  s.unit[1][0].begins_response_at_once = true;
  in_thread([&] {
    const auto alone = s.device[0].send(s.from_disk);
    EXPECT_EQ(alone.status, tlm::TLM_UPDATED);
    EXPECT_EQ(alone.phase, "BEGIN_RESP");
    s.device[0].send(s.from_disk, tlm::END_RESP);
    EXPECT_EQ(s.phases_at(1, 0), (names{"BEGIN_REQ", "END_RESP"})) << "the end finds its unit";
    s.device[0].send(s.from_nic);
    s.unit[0][0].respond(s.from_nic);
    const auto behind = s.device[0].send(s.from_disk);
    EXPECT_EQ(behind.status, tlm::TLM_UPDATED);
    EXPECT_EQ(behind.phase, "END_REQ") << "taken, but its response waits";
    EXPECT_EQ(s.device[0].phases.size(), 1U);
    s.device[0].send(s.from_nic, tlm::END_RESP);
    ASSERT_EQ(s.device[0].phases.size(), 2U);
    EXPECT_EQ(s.device[0].phases[1].phase, "BEGIN_RESP");
    EXPECT_EQ(s.device[0].phases[1].trans, &s.from_disk);
  });
}

TEST(dma_router, an_end_without_a_response_is_an_error_that_names_the_port) {
  scene s;
  std::string said;
  try {
    s.device[1].send(s.from_nic, tlm::END_RESP);
  } catch (const std::exception& error) {
    said = error.what();
  }
  EXPECT_THAT(said, HasSubstr("router.upstream_1: END_RESP without a BEGIN_RESP"));
}

TEST(dma_router, refuses_units_that_are_not_there) {
  scene s;
  EXPECT_THROW(s.router.assign(nic, 2), std::invalid_argument);
  EXPECT_THROW(s.router.assign_all(2), std::invalid_argument);
  EXPECT_THROW(platform::dma_router("no_unit", 1, 0), std::invalid_argument);
  EXPECT_THROW(platform::dma_router("no_port", 0, 1), std::invalid_argument);
  EXPECT_THROW(platform::dma_router("too_many", 1, 257), std::invalid_argument);
}

TEST(dma_router, names_the_sockets_that_nobody_bound_by_unit_and_port) {
  platform::dma_router router("my_router", 2, 2);
  probe_initiator device("device");
  device.socket.bind(router.upstream[1]);
  probe_target unit("unit");
  router.to_unit(1, 0).bind(unit.socket);
  const std::string said = elaboration_error();
  EXPECT_THAT(said, HasSubstr("my_router.upstream[0] is not bound, expected an initiator of DMA"));
  EXPECT_THAT(said, HasSubstr("my_router.to_unit(0, 0) is not bound, expected upstream[0] of unit 0"));
  EXPECT_THAT(said, HasSubstr("my_router.to_unit(1, 1) is not bound, expected upstream[1] of unit 1"));
  EXPECT_EQ(said.find("to_unit(1, 0)"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
