// SPDX-License-Identifier: Apache-2.0
// What an observer is told at the edges: of requests over several pages, of commands what is theirs alone,
// and of a way to memory without an interval.

#include "support/queue_scene.h"
#include "vtd/dmar/observer.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
using dmar::request_step;
using dmar::unit_command;
using remap::access_kind;
namespace reg = spec::reg;

struct told final : dmar::unit_observer {
  void on_request(const dmar::request_event& e) override { requests.push_back(e); }
  void on_memory_port(const dmar::memory_port_event& e) override { ports.push_back(e); }
  void on_command(const dmar::command_event& e) override { commands.push_back(e); }
  [[nodiscard]] std::vector<dmar::request_event> of(request_step step) const {
    std::vector<dmar::request_event> out;
    for (const dmar::request_event& e : requests) {
      if (e.step == step) out.push_back(e);
    }
    return out;
  }
  std::vector<dmar::request_event> requests;
  std::vector<dmar::memory_port_event> ports;
  std::vector<dmar::command_event> commands;
};

TEST(observer_edges, a_request_over_pages_is_offered_and_responded_as_a_whole) {
  scene s;
  told seen;
  s.unit.set_observer(&seen);
  constexpr std::uint32_t length = 0x1300;
  s.dma(nic, access_kind::read, page(1) - 16, length);
  const auto offered = seen.of(request_step::offered);
  ASSERT_EQ(offered.size(), 1U);
  EXPECT_EQ(offered[0].access.address, page(1) - 16);
  EXPECT_EQ(offered[0].total, length);
  EXPECT_EQ(offered[0].length, 16U) << "its first piece";
  const auto ended = seen.of(request_step::responded);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].access.address, page(1) - 16);
  EXPECT_EQ(ended[0].offset, 0U);
  EXPECT_EQ(ended[0].length, length);
  EXPECT_EQ(ended[0].total, length);
  const auto answered = seen.of(request_step::answered);
  ASSERT_EQ(answered.size(), 3U);
  EXPECT_EQ(answered[2].offset, 16U + 0x1000);
  EXPECT_EQ(answered[2].access.address, page(2));
}

TEST(observer_edges, a_request_shows_nothing_of_how_the_one_before_in_its_slot_ended) {
  auto config = config_of(queue_part());
  config.timing.requests = 1;
  scene s(config);
  told seen;
  s.unit.set_observer(&seen);
  EXPECT_EQ(s.read(nic, page(99)).how, dmar::completion::blocked);
  seen.requests.clear();
  EXPECT_EQ(s.read(nic, page(0)).how, dmar::completion::done);
  EXPECT_FALSE(seen.requests.empty());
  for (const dmar::request_event& e : seen.requests)
    EXPECT_EQ(e.how, dmar::completion::done);
}

TEST(observer_edges, a_way_to_memory_with_an_interval_of_nothing_is_taken_for_one_cycle) {
  auto config = config_of(queue_part());
  config.timing.memory_interval = 0;
  scene s(config);
  told seen;
  s.unit.set_observer(&seen);
  s.read(nic, page(0));
  ASSERT_FALSE(seen.ports.empty());
  for (const dmar::memory_port_event& e : seen.ports)
    EXPECT_EQ(e.until, e.at + 1);
}

TEST(observer_edges, a_command_tells_of_itself_and_of_no_other) {
  auto config = config_of(small_part());
  config.caps.ecap.set_qi(true);
  config.caps.cap.set_afl(true);
  unit_world s(config);
  s.tables.attach(nic, 3);
  s.enable();
  told seen;
  s.unit.set_observer(&seen);
  constexpr std::uint32_t on = reg::gcmd::te::mask;
  // Whatever stands in the registers of the others.
  s.write_register<reg::iva>(reg::iva::addr::of(0x123) | reg::iva::am::of(2) | reg::iva::ih::of(1));
  s.write_register<reg::aflog>(0x3000);
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  s.write_register<reg::gcmd>(on | reg::gcmd::srtp::mask | reg::gcmd::wbf::mask);
  s.settle();
  s.write_register<reg::gcmd>(on | reg::gcmd::sfl::mask | reg::gcmd::eafl::mask);
  s.settle();
  s.write_register<reg::gcmd>(on);
  s.settle();
  s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::did::of(3) |
                              reg::ccmd::sid::of(nic.value()) | reg::ccmd::fm::of(1));
  s.settle();
  s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(3) | reg::iotlb::did::of(4));
  s.settle();
  s.write_register<reg::pmen>(0);
  s.settle();
  s.write_register<reg::gcmd>(on | reg::gcmd::qie::mask);
  s.settle();
  s.write_register<reg::gcmd>(reg::gcmd::qie::mask);
  s.settle();
  unsigned roots = 0;
  unsigned buffers = 0;
  for (const dmar::command_event& e : seen.commands) {
    const bool switches = e.what == unit_command::translation || e.what == unit_command::protected_memory ||
                          e.what == unit_command::invalidation_queue || e.what == unit_command::fault_log;
    const bool contexts = e.what == unit_command::context_invalidation;
    const bool pages = e.what == unit_command::iotlb_invalidation;
    if (!switches) {
      EXPECT_FALSE(e.on) << to_string(e.what);
    }
    EXPECT_EQ(e.root_table, e.what == unit_command::set_root_table ? s.tables.root() : 0U)
        << to_string(e.what);
    const bool logs = e.what == unit_command::fault_log_pointer;
    EXPECT_EQ(e.log_address, logs ? 0x3000U : 0U) << to_string(e.what);
    EXPECT_EQ(e.log_bytes, logs ? spec::page_size : 0U) << to_string(e.what);
    EXPECT_EQ(e.context_asked,
              contexts ? spec::context_granularity::device : spec::context_granularity::none);
    EXPECT_EQ(e.source, contexts ? nic : spec::source_id{}) << to_string(e.what);
    EXPECT_EQ(e.function_mask, contexts ? 1U : 0U) << to_string(e.what);
    EXPECT_EQ(e.iotlb_asked, pages ? spec::iotlb_granularity::page : spec::iotlb_granularity::none);
    EXPECT_EQ(e.domain, contexts ? 3U : pages ? 4U : 0U) << to_string(e.what);
    EXPECT_EQ(e.address, pages ? 0x123000U : 0U) << to_string(e.what);
    EXPECT_EQ(e.address_mask, pages ? 2U : 0U) << to_string(e.what);
    EXPECT_EQ(e.leaf_only, pages) << to_string(e.what);
    roots += e.what == unit_command::set_root_table ? 1 : 0;
    buffers += e.what == unit_command::write_buffer_flush ? 1 : 0;
  }
  EXPECT_EQ(roots, 3U);
  EXPECT_EQ(buffers, 3U);
  EXPECT_EQ(seen.commands.back().what, unit_command::translation);
  EXPECT_FALSE(seen.commands.back().on);
  EXPECT_TRUE(seen.commands.front().on) << "protected memory";
}

} // namespace
} // namespace vtd::test
