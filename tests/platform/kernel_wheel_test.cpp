// SPDX-License-Identifier: Apache-2.0
// The wheel under the SystemC kernel: when it wakes up, how often, and how it catches up.

#include "vtd/platform/kernel_wheel.h"

#include "support/tlm_probe.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

constexpr engine::picoseconds period = 3000;

struct worker final : engine::component {
  explicit worker(engine::wheel& wheel) : component(wheel) {}
  using component::wake_at;
  std::vector<engine::cycle> done;
  std::vector<engine::picoseconds> at;
  // What it orders for later when it has worked.
  std::optional<engine::cycle> again;

private:
  void step(engine::cycle now) override {
    done.push_back(now);
    at.push_back(platform::now_ps());
    if (again) wake_at(*again);
    again.reset();
  }
};

struct scene {
  platform::kernel_wheel wheel{"wheel", engine::clock{period}};
  worker first{wheel.wheel()};
  worker second{wheel.wheel()};
};

TEST(kernel_wheel, works_exactly_at_the_edge_and_not_before) {
  scene s;
  in_thread([&] {
    s.first.wake_at(7);
    wait_ps(7 * period - 1);
    EXPECT_TRUE(s.first.done.empty());
    wait_ps(2);
    EXPECT_EQ(s.first.done, (std::vector<engine::cycle>{7}));
    EXPECT_EQ(s.first.at, (std::vector<engine::picoseconds>{7 * period}));
  });
}

TEST(kernel_wheel, wakes_up_once_for_a_time_however_many_work_then) {
  scene s;
  in_thread([&] {
    s.first.wake_at(5);
    s.second.wake_at(5);
    wait_ps(10 * period);
    EXPECT_EQ(s.first.done.size(), 1U);
    EXPECT_EQ(s.second.done.size(), 1U);
    EXPECT_EQ(s.wheel.wake_ups(), 1U);
  });
}

TEST(kernel_wheel, sleeps_through_the_edges_without_work) {
  scene s;
  in_thread([&] {
    s.first.again = 100000;
    s.first.wake_at(3);
    wait_ps(200000 * period);
    EXPECT_EQ(s.first.done, (std::vector<engine::cycle>{3, 100000}));
    EXPECT_EQ(s.wheel.wake_ups(), 2U);
  });
}

TEST(kernel_wheel, an_earlier_order_goes_before_one_that_waits_already) {
  scene s;
  in_thread([&] {
    s.first.wake_at(50);
    wait_ps(10 * period);
    s.second.wake_at(20);
    wait_ps(10 * period);
    wait_ps(1);
    EXPECT_EQ(s.second.at, (std::vector<engine::picoseconds>{20 * period}));
    wait_ps(100 * period);
    EXPECT_EQ(s.first.at, (std::vector<engine::picoseconds>{50 * period}));
  });
}

TEST(kernel_wheel, whoever_asks_has_all_work_done_up_to_the_last_edge) {
  scene s;
  in_thread([&] {
    s.first.wake_at(4);
    s.second.wake_at(5);
    // The kernel runs this thread or the wheel first; after catching up it makes no difference.
    wait_ps(4 * period);
    s.wheel.catch_up();
    EXPECT_EQ(s.first.done, (std::vector<engine::cycle>{4}));
    wait_ps(period - 1);
    s.wheel.catch_up();
    EXPECT_TRUE(s.second.done.empty()) << "edge 5 is a picosecond away";
  });
}

TEST(kernel_wheel, refuses_a_kernel_that_does_not_count_picoseconds) {
  sc_core::sc_set_time_resolution(1, sc_core::SC_NS);
  std::string said;
  try {
    const platform::kernel_wheel wheel("my_wheel", engine::clock{period});
  } catch (const std::exception& error) {
    said = error.what();
  }
  EXPECT_NE(said.find("my_wheel: time resolution is 1 ns, expected 1 ps"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
