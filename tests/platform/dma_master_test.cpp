// SPDX-License-Identifier: Apache-2.0
// A device's link: when a request reaches the chipset and its completion the device, and in which order.

#include "vtd/platform/dma_master.h"

#include "support/parts.h"
#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace vtd::test {
namespace {

using platform::now_ps;
using testing::ElementsAre;
using testing::HasSubstr;

// 10 ps a byte, 20 bytes around what is carried.
constexpr platform::link_timing link{1000, 2000, 10, 20};

struct scene {
  platform::dma_master master;
  probe_target chipset{"chipset"};
  struct arrival {
    std::uint64_t tag;
    bool ok;
    engine::picoseconds when;
    engine::picoseconds latency;
    bytes data;
  };
  std::vector<arrival> arrived;

  explicit scene(const platform::link_timing& how = link) : master("master", nic, how) {
    master.socket.bind(chipset.socket);
    master.set_done([this](const platform::dma_master::result& r) {
      bytes data(r.data.size());
      if (!data.empty()) std::memcpy(data.data(), r.data.data(), data.size());
      arrived.push_back({r.tag, r.ok, now_ps(), r.latency, data});
    });
    chipset.completes = true;
  }
  std::vector<std::uint64_t> tags() const {
    std::vector<std::uint64_t> out;
    for (const auto& each : arrived)
      out.push_back(each.tag);
    return out;
  }
  void write(std::uint64_t tag, std::size_t count) {
    const std::vector<std::byte> data(count, std::byte{7});
    master.write(tag, 0x1000, data);
  }
};

TEST(dma_master, a_read_takes_the_request_s_way_the_answer_and_the_completion_s_way) {
  scene s;
  s.chipset.takes = 5000;
  in_thread([&] {
    s.master.read(1, 0x1000, 64);
    wait_ps(20 * 10 + 1000 - 1);
    EXPECT_TRUE(s.chipset.phases.empty()) << "a picosecond before the packet is there";
    wait_ps(1);
    wait_ps(1);
    ASSERT_EQ(s.chipset.phases.size(), 1U);
    EXPECT_EQ(s.chipset.phases[0].when, 20 * 10 + 1000U);
    constexpr engine::picoseconds whole = 200 + 1000 + 5000 + (20 + 64) * 10 + 2000;
    wait_ps(whole - 1201 - 1);
    EXPECT_TRUE(s.arrived.empty());
    EXPECT_EQ(s.master.outstanding(), 1U);
    wait_ps(2);
    ASSERT_EQ(s.arrived.size(), 1U);
    EXPECT_EQ(s.arrived[0].when, whole);
    EXPECT_EQ(s.arrived[0].latency, whole);
    EXPECT_EQ(s.master.outstanding(), 0U);
  });
}

TEST(dma_master, a_write_carries_its_bytes_on_the_way_out_only) {
  scene s;
  in_thread([&] {
    s.write(1, 64);
    wait_ps(100000);
    EXPECT_EQ(s.chipset.phases.at(0).when, (20 + 64) * 10 + 1000U);
    EXPECT_EQ(s.arrived.at(0).when, 1840U + 20 * 10 + 2000);
    EXPECT_TRUE(s.arrived[0].data.empty());
  });
}

TEST(dma_master, packets_leave_one_after_the_other) {
  scene s;
  in_thread([&] {
    s.write(1, 64);
    s.write(2, 64);
    s.write(3, 4);
    wait_ps(100000);
    ASSERT_EQ(s.chipset.phases.size(), 3U);
    EXPECT_EQ(s.chipset.phases[0].when, 840 + 1000U);
    EXPECT_EQ(s.chipset.phases[1].when, 2 * 840 + 1000U);
    EXPECT_EQ(s.chipset.phases[2].when, 2 * 840 + 240 + 1000U);
    EXPECT_THAT(s.tags(), ElementsAre(1, 2, 3));
  });
}

TEST(dma_master, completions_share_the_way_back) {
  scene s;
  in_thread([&] {
    s.master.read(1, 0, 1000);
    s.master.read(2, 0, 1000);
    wait_ps(1000000);
    ASSERT_EQ(s.arrived.size(), 2U);
    EXPECT_EQ(s.arrived[0].when, 200 + 1000 + 10200 + 2000U);
    EXPECT_EQ(s.arrived[1].when, s.arrived[0].when + 10200) << "behind the first on the link";
  });
}

TEST(dma_master, every_request_carries_its_source_id_and_data_comes_back) {
  scene s;
  spec::source_id who;
  s.chipset.on_request = [&](tlm::tlm_generic_payload& trans) {
    who = trans.get_extension<platform::dma_extension>()->source;
    if (trans.is_read()) std::memset(trans.get_data_ptr(), 0x3c, trans.get_data_length());
  };
  in_thread([&] {
    s.master.read(5, 0x2000, 3);
    wait_ps(100000);
    EXPECT_EQ(who, nic);
    EXPECT_EQ(s.arrived.at(0).data, bytes(3, 0x3c));
    EXPECT_TRUE(s.arrived[0].ok);
  });
}

TEST(dma_master, the_data_of_a_write_is_that_of_the_call) {
  scene s;
  bytes seen;
  s.chipset.on_request = [&](tlm::tlm_generic_payload& trans) {
    seen.assign(trans.get_data_ptr(), trans.get_data_ptr() + trans.get_data_length());
  };
  in_thread([&] {
    {
      const std::array<std::byte, 4> data{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
      s.master.write(1, 0x2000, data);
    }
    wait_ps(100000);
    EXPECT_EQ(seen, (bytes{1, 2, 3, 4}));
  });
}

TEST(dma_master, an_error_is_reported_as_one) {
  scene s;
  s.chipset.status = tlm::TLM_ADDRESS_ERROR_RESPONSE;
  in_thread([&] {
    s.master.read(1, 0, 8);
    wait_ps(100000);
    EXPECT_FALSE(s.arrived.at(0).ok);
  });
}

TEST(dma_master, the_next_request_waits_until_the_chipset_has_taken_the_last) {
  scene s;
  s.chipset.completes = false;
  in_thread([&] {
    s.write(1, 4);
    s.write(2, 4);
    wait_ps(100000);
    ASSERT_EQ(s.chipset.phases.size(), 1U);
    s.write(3, 4);
    wait_ps(100000);
    ASSERT_EQ(s.chipset.phases.size(), 1U) << "a new one does not push it through either";
    s.chipset.respond(*s.chipset.phases[0].trans, tlm::END_REQ);
    wait_ps(1);
    EXPECT_EQ(s.chipset.phases.size(), 2U);
    EXPECT_EQ(s.chipset.phases[1].when, 200000U);
  });
}

TEST(dma_master, a_response_without_an_end_of_the_request_ends_both) {
  scene s;
  s.chipset.completes = false;
  in_thread([&] {
    s.write(1, 4);
    s.write(2, 4);
    wait_ps(100000);
    ASSERT_EQ(s.chipset.phases.size(), 1U);
    s.chipset.phases[0].trans->set_response_status(tlm::TLM_OK_RESPONSE);
    s.chipset.respond(*s.chipset.phases[0].trans);
    wait_ps(1);
    EXPECT_EQ(s.chipset.phases.size(), 2U);
  });
}

TEST(dma_master, an_end_of_the_request_that_lies_ahead_holds_the_next_until_then) {
  scene s;
  s.chipset.completes = false;
  in_thread([&] {
    s.write(1, 4);
    s.write(2, 4);
    wait_ps(100000);
    s.chipset.respond(*s.chipset.phases[0].trans, tlm::END_REQ, 5000);
    s.write(3, 4);
    wait_ps(4999);
    EXPECT_EQ(s.chipset.phases.size(), 1U);
    wait_ps(1);
    EXPECT_EQ(s.chipset.phases.size(), 2U);
  });
}

TEST(dma_master, takes_responses_in_any_order_and_ends_each_at_once) {
  scene s;
  s.chipset.completes = false;
  in_thread([&] {
    s.write(1, 4);
    s.write(2, 4);
    wait_ps(10000);
    auto* const first = s.chipset.phases.at(0).trans;
    s.chipset.respond(*first, tlm::END_REQ);
    wait_ps(1);
    auto* const second = s.chipset.phases.at(1).trans;
    s.chipset.respond(*second, tlm::END_REQ);
    second->set_response_status(tlm::TLM_OK_RESPONSE);
    first->set_response_status(tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(s.chipset.respond(*second), tlm::TLM_COMPLETED);
    EXPECT_EQ(s.chipset.respond(*first), tlm::TLM_COMPLETED);
    wait_ps(100000);
    EXPECT_THAT(s.tags(), ElementsAre(2, 1));
    EXPECT_EQ(s.master.outstanding(), 0U);
  });
}

TEST(dma_master, ends_a_response_that_began_on_the_return_path) {
  scene s;
  s.chipset.completes = false;
  s.chipset.begins_response_at_once = true;
  in_thread([&] {
    s.write(1, 4);
    s.write(2, 4);
    wait_ps(100000);
    ASSERT_EQ(s.chipset.phases.size(), 4U);
    EXPECT_EQ(s.chipset.phases[1].phase, "END_RESP");
    EXPECT_EQ(s.chipset.phases[3].phase, "END_RESP");
    EXPECT_THAT(s.tags(), ElementsAre(1, 2));
  });
}

TEST(dma_master, a_request_may_be_queued_from_the_report_of_another) {
  scene s;
  s.master.set_done([&](const platform::dma_master::result& r) {
    s.arrived.push_back({r.tag, r.ok, now_ps(), r.latency, {}});
    if (r.tag < 3) s.master.read(r.tag + 1, 0, 4);
  });
  in_thread([&] {
    s.master.read(1, 0, 4);
    wait_ps(100000);
    EXPECT_THAT(s.tags(), ElementsAre(1, 2, 3));
  });
}

TEST(dma_master, refuses_lengths_that_no_request_has) {
  scene s;
  EXPECT_THROW(s.master.read(1, 0, 0), std::invalid_argument);
  EXPECT_THROW(s.master.read(1, 0, platform::dma_master::max_bytes + 1), std::invalid_argument);
  EXPECT_THROW(s.write(1, platform::dma_master::max_bytes + 1), std::invalid_argument);
  EXPECT_EQ(s.master.outstanding(), 0U);
  s.write(1, platform::dma_master::max_bytes);
  EXPECT_EQ(s.master.outstanding(), 1U);
}

TEST(dma_master, names_its_socket_when_nobody_bound_it) {
  platform::dma_master master("my_master", nic, link);
  EXPECT_THAT(elaboration_error(),
              HasSubstr("my_master.socket is not bound, expected the chipset's upstream socket"));
}

} // namespace
} // namespace vtd::test
