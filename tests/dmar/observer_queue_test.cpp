// SPDX-License-Identifier: Apache-2.0
// What an observer is told of the invalidation queue: each descriptor step by step, with what it asked and
// what was done, and the queue's own turns on the way to memory.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace vtd::test::queue_tests {
namespace {

namespace reg = spec::reg;
using context = spec::context_granularity;
using dmar::command_step;
using dmar::unit_command;
using iotlb = spec::iotlb_granularity;

struct listener final : dmar::unit_observer {
  void on_command(const dmar::command_event& e) override { commands.push_back(e); }
  void on_queue_access(const dmar::queue_access_event& e) override { accesses.push_back(e); }
  void on_message(const spec::msi_message& message, engine::cycle at) override {
    messages.emplace_back(at, message);
  }
  std::vector<dmar::command_event> commands;
  std::vector<dmar::queue_access_event> accesses;
  std::vector<std::pair<engine::cycle, spec::msi_message>> messages;
};

/// What is told of one descriptor in an empty queue.
struct told {
  explicit told(const spec::invalidation_descriptor& d) : zero(s.wheel.now()), what(d) {
    s.unit.set_observer(&heard);
    s.queue.run(d);
    s.unit.set_observer(nullptr);
  }
  void expect_steps(unit_command command, const std::vector<command_step>& steps) const {
    ASSERT_EQ(heard.commands.size(), steps.size());
    for (std::size_t n = 0; n < steps.size(); ++n) {
      EXPECT_EQ(heard.commands[n].what, command);
      EXPECT_EQ(heard.commands[n].step, steps[n]);
      EXPECT_EQ(heard.commands[n].descriptor, what);
      EXPECT_GT(heard.commands[n].at, zero);
      if (n != 0) {
        EXPECT_GE(heard.commands[n].at, heard.commands[n - 1].at);
      }
    }
  }
  scene s;
  engine::cycle zero;
  spec::invalidation_descriptor what;
  listener heard;
};

const std::vector<command_step> all_steps{command_step::begun, command_step::effective, command_step::ended};

TEST(observer_of_the_queue, is_told_of_a_context_invalidation_what_it_names_and_what_was_done) {
  const told t(context_of(nic, domain).set_function_mask(2));
  t.expect_steps(unit_command::queued_invalidation, all_steps);
  for (const auto& e : t.heard.commands) {
    EXPECT_EQ(e.context_asked, context::device);
    EXPECT_EQ(e.context_done, e.step == command_step::effective ? context::device : context::none);
    EXPECT_EQ(e.domain, domain);
    EXPECT_EQ(e.source, nic);
    EXPECT_EQ(e.function_mask, 2U);
    EXPECT_EQ(e.iotlb_asked, iotlb::none);
    EXPECT_EQ(e.iotlb_done, iotlb::none);
    EXPECT_EQ(e.address, 0U);
  }
  EXPECT_EQ(t.heard.commands[1].at - t.heard.commands[0].at, t.s.unit.config().timing.context_invalidation);
}

TEST(observer_of_the_queue, is_told_of_an_iotlb_invalidation_what_it_names_and_what_was_done) {
  const told t(page_of(domain, page(8), 2, true));
  t.expect_steps(unit_command::queued_invalidation, all_steps);
  for (const auto& e : t.heard.commands) {
    EXPECT_EQ(e.iotlb_asked, iotlb::page);
    EXPECT_EQ(e.iotlb_done, e.step == command_step::effective ? iotlb::page : iotlb::none);
    EXPECT_EQ(e.domain, domain);
    EXPECT_EQ(e.address, page(8));
    EXPECT_EQ(e.address_mask, 2U);
    EXPECT_TRUE(e.leaf_only);
    EXPECT_EQ(e.context_asked, context::none);
    EXPECT_EQ(e.context_done, context::none);
    EXPECT_EQ(e.source, spec::source_id{});
  }
  EXPECT_FALSE(told(page_of(domain, page(8))).heard.commands.at(0).leaf_only);
}

TEST(observer_of_the_queue, is_told_of_a_wait_when_it_begins_and_when_it_is_over) {
  const told status(status_wait(status_word, 5));
  status.expect_steps(unit_command::queued_wait, {command_step::begun, command_step::ended});
  const auto& accesses = status.heard.accesses;
  ASSERT_EQ(accesses.size(), 2U);
  EXPECT_FALSE(accesses[0].write);
  EXPECT_EQ(accesses[0].address, status.s.queue.base());
  EXPECT_TRUE(accesses[1].write);
  EXPECT_EQ(accesses[1].address, status_word);
  EXPECT_EQ(accesses[1].at, status.s.status_writes.at(0).at);
  EXPECT_EQ(accesses[0].at, status.s.descriptor_reads.at(0).at);
  EXPECT_GT(status.heard.commands[1].at, accesses[1].at) << "over when it is answered";
  const told plain(interrupt_wait());
  plain.expect_steps(unit_command::queued_wait, {command_step::begun, command_step::ended});
  EXPECT_EQ(plain.heard.commands[0].at, plain.heard.commands[1].at);
}

TEST(observer_of_the_queue, is_told_of_the_message_of_its_event) {
  scene s;
  listener heard;
  s.unit.set_observer(&heard);
  s.write_register<reg::iedata>(0x41);
  s.write_register<reg::ieaddr>(spec::interrupt_range_first);
  s.write_register<reg::iectl>(0);
  s.queue.run(interrupt_wait());
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(heard.messages, s.messages);
}

TEST(observer_of_the_queue, is_told_when_it_goes_on_and_off) {
  scene s;
  listener heard;
  s.unit.set_observer(&heard);
  s.queue.disable();
  s.settle();
  s.queue.enable();
  ASSERT_EQ(heard.commands.size(), 6U);
  for (std::size_t n = 0; n < 6; ++n) {
    EXPECT_EQ(heard.commands[n].what, unit_command::invalidation_queue);
    EXPECT_EQ(heard.commands[n].step, all_steps[n % 3]);
    EXPECT_EQ(heard.commands[n].on, n >= 3);
  }
}

TEST(observer_of_the_queue, hears_of_drains_as_of_the_time_in_between) {
  scene s;
  listener heard;
  s.hold_answers = true;
  s.offer(1, nic, remap::access_kind::read, page(1));
  s.settle();
  ASSERT_EQ(s.held.size(), 1U);
  s.hold_answers = false;
  s.unit.set_observer(&heard);
  s.queue.run(all_pages().set_drain_reads(true));
  ASSERT_EQ(heard.commands.size(), 2U) << "effective, not ended";
  s.unit.answered(s.held[0], true, s.now_ps());
  s.settle();
  ASSERT_EQ(heard.commands.size(), 3U);
  EXPECT_EQ(heard.commands[2].step, command_step::ended);
  EXPECT_GT(heard.commands[2].at, heard.commands[1].at);
}

TEST(observer_of_registers, is_told_of_each_order_what_belongs_to_it_and_nothing_else) {
  auto caps = small_part();
  caps.cap.set_esrtps(false);
  unit_world s(caps);
  s.enable();
  listener heard;
  s.unit.set_observer(&heard);
  const auto order = [&](const auto& write) {
    heard.commands.clear();
    write();
    s.settle();
    EXPECT_EQ(heard.commands.size(), 3U);
    return heard.commands;
  };
  constexpr std::uint32_t on = reg::gcmd::te::mask;
  for (const auto& e : order([&] { s.write_register<reg::gcmd>(on | reg::gcmd::srtp::mask); })) {
    EXPECT_EQ(e.what, unit_command::set_root_table);
    EXPECT_EQ(e.root_table, s.tables.root());
    EXPECT_FALSE(e.on);
  }
  for (const auto& e : order([&] { s.write_register<reg::gcmd>(on | reg::gcmd::wbf::mask); })) {
    EXPECT_EQ(e.what, unit_command::write_buffer_flush);
    EXPECT_EQ(e.root_table, 0U);
    EXPECT_FALSE(e.on);
  }
  for (const auto& e : order([&] { s.write_register<reg::pmen>(reg::pmen::epm::of(1)); })) {
    EXPECT_EQ(e.what, unit_command::protected_memory);
    EXPECT_TRUE(e.on);
  }
  for (const auto& e : order([&] { s.write_register<reg::pmen>(0); }))
    EXPECT_FALSE(e.on) << "although translation is on";
  s.write_register<reg::iva>(0x5000 | reg::iva::am::of(1) | reg::iva::ih::of(1));
  for (const auto& e : order([&] {
         s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::did::of(5) |
                                     reg::ccmd::sid::of(nic.value()) | reg::ccmd::fm::of(1));
       })) {
    EXPECT_EQ(e.what, unit_command::context_invalidation);
    EXPECT_EQ(e.context_asked, context::device);
    EXPECT_EQ(e.context_done, e.step == command_step::begun ? context::none : context::device);
    EXPECT_EQ(e.domain, 5U);
    EXPECT_EQ(e.source, nic);
    EXPECT_EQ(e.function_mask, 1U);
    EXPECT_EQ(e.iotlb_asked, iotlb::none);
    EXPECT_EQ(e.address, 0U);
    EXPECT_FALSE(e.on);
  }
  for (const auto& e : order([&] {
         s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(3) |
                                      reg::iotlb::did::of(6));
       })) {
    EXPECT_EQ(e.what, unit_command::iotlb_invalidation);
    EXPECT_EQ(e.iotlb_asked, iotlb::page);
    EXPECT_EQ(e.iotlb_done, e.step == command_step::begun ? iotlb::none : iotlb::page);
    EXPECT_EQ(e.domain, 6U);
    EXPECT_EQ(e.address, 0x5000U);
    EXPECT_EQ(e.address_mask, 1U);
    EXPECT_TRUE(e.leaf_only);
    EXPECT_EQ(e.context_asked, context::none);
    EXPECT_EQ(e.source, spec::source_id{});
  }
  for (const auto& e : order([&] { s.write_register<reg::gcmd>(0); })) {
    EXPECT_EQ(e.what, unit_command::translation);
    EXPECT_FALSE(e.on) << "no request is translated from the order on";
  }
}

} // namespace
} // namespace vtd::test::queue_tests
