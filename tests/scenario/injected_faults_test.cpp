// SPDX-License-Identifier: Apache-2.0
// The reference driver on a machine that breaks under it: what it is told, and how it gives up.

#include "scenario/machine_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace vtd::test {
namespace {

using host::access_class;
using host::fault_effect;
using testing::HasSubstr;

constexpr source_id nic = nic_of_machine;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x20000000;
constexpr std::uint64_t page = spec::page_size;

scene_options with_injectors() {
  scene_options options;
  options.injectors = true;
  // Short, so that nobody has to simulate a second.
  options.driving.unit.timeout_ns = 200'000;
  return options;
}

/// The driver's complaint about `action`, and the step it was at.
struct complaint {
  driver::unit_step step{};
  std::string text;
};
template <class Action>
complaint complaint_of(Action&& action) {
  try {
    action();
  } catch (const driver::unit_error& error) {
    return {error.step(), error.what()};
  }
  ADD_FAILURE() << "no complaint";
  return {};
}

TEST(injected_faults, a_completion_that_never_comes_makes_the_drivers_invalidation_time_out) {
  machine_scene s("dq35jo", with_injectors());
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 2 * page);
    d.attach(guest, {0, nic});
    EXPECT_TRUE(s.read(nic, iova));
    s.memory_of(nic).add(
        {.effect = fault_effect::withhold, .of = access_class::read, .count = 1, .span = engine::never});
    s.begin_read(nic, iova);
    // Drain waits for the read, which is in flight for ever.
    const auto said = complaint_of([&] { d.unmap(guest, iova, page); });
    EXPECT_EQ(said.step, driver::unit_step::iotlb_invalidation);
    EXPECT_THAT(said.text, HasSubstr("IOTLB.IVT is 1 after 200000 ns, expected 0"));
    EXPECT_EQ(s.memory_of(nic).withheld(), 1U);
  });
}

TEST(injected_faults, a_completion_that_is_only_late_makes_the_driver_wait_and_no_more) {
  machine_scene s("dq35jo", with_injectors());
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 2 * page);
    d.attach(guest, {0, nic});
    EXPECT_TRUE(s.read(nic, iova));
    constexpr engine::picoseconds late = 100'000'000;
    s.memory_of(nic).add(
        {.effect = fault_effect::withhold, .of = access_class::read, .count = 1, .span = late});
    s.begin_read(nic, iova);
    const auto begin = platform::now_ps();
    EXPECT_NO_THROW(d.unmap(guest, iova, page));
    EXPECT_GE(platform::now_ps() - begin, late - 1'000'000) << "not before the read was answered";
    EXPECT_FALSE(s.read(nic, iova));
  });
}

TEST(injected_faults, without_drain_the_driver_does_not_notice) {
  auto options = with_injectors();
  options.forget.drain = true;
  machine_scene s("dq35jo", options);
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 2 * page);
    d.attach(guest, {0, nic});
    s.memory_of(nic).add(
        {.effect = fault_effect::withhold, .of = access_class::read, .count = 1, .span = engine::never});
    s.begin_read(nic, iova);
    EXPECT_NO_THROW(d.unmap(guest, iova, page));
  });
}

TEST(injected_faults, a_unit_that_dies_is_reported_as_reading_all_ones) {
  machine_scene s("dq35jo", with_injectors());
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 2 * page);
    d.attach(guest, {0, nic});
    s.registers_of(nic).add({.effect = fault_effect::all_ones, .from = platform::now_ps()});
    const auto said = complaint_of([&] { d.unmap(guest, iova, page); });
    EXPECT_THAT(said.text, HasSubstr("reads all ones, the unit has stopped answering"));
    EXPECT_TRUE(s.read(nic, iova + page)) << "DMA goes on: only its registers are gone";
  });
}

TEST(injected_faults, a_unit_that_is_gone_from_the_beginning_is_left_alone) {
  machine_scene s("dq35jo", with_injectors());
  s.registers_of(nic).add({.effect = fault_effect::all_ones});
  s.run([&](driver::driver& d) {
    EXPECT_THAT(s.log, HasSubstr("its registers return all ones; the unit is left alone"));
    d.start();
    EXPECT_TRUE(s.unit_of(audio).translation_enabled());
    EXPECT_FALSE(s.unit_of(nic).translation_enabled());
  });
}

struct expected_fault {
  const char* name;
  unsigned skip;
  spec::fault_reason reason;
};

class walk_error : public testing::TestWithParam<expected_fault> {};

// The tables of the board have three levels: root, context, then three paging entries.
TEST_P(walk_error, reaches_the_driver_with_reason_source_and_address) {
  machine_scene s("dq35jo", with_injectors());
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    d.attach(guest, {0, nic});
    s.memory_of(nic).add({.of = access_class::table_read, .skip = GetParam().skip, .count = 1});
    EXPECT_FALSE(s.read(nic, iova + 0x458));
    d.handle_faults();
    ASSERT_EQ(d.faults().size(), 1U);
    EXPECT_EQ(d.faults()[0].fault.reason, GetParam().reason);
    EXPECT_EQ(d.faults()[0].fault.source, nic);
    EXPECT_EQ(d.faults()[0].fault.address, iova);
    EXPECT_TRUE(s.read(nic, iova + 0x458)) << "the error came once, and nothing of it is kept";
  });
}

INSTANTIATE_TEST_SUITE_P(
    injected_faults, walk_error,
    testing::Values(expected_fault{"root", 0, spec::fault_reason::root_table_access},
                    expected_fault{"context", 1, spec::fault_reason::context_table_access},
                    expected_fault{"top_table", 2, spec::fault_reason::context_entry_invalid},
                    expected_fault{"middle_table", 3, spec::fault_reason::paging_entry_access},
                    expected_fault{"leaf", 4, spec::fault_reason::paging_entry_access}),
    [](const auto& one) { return std::string(one.param.name); });

} // namespace
} // namespace vtd::test
