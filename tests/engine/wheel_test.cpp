// SPDX-License-Identifier: Apache-2.0
#include "vtd/engine/wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace vtd::engine;

// Records the cycles of its steps, and asks for the wake-ups it was told to ask for.
class recorder : public component {
public:
  recorder(wheel& w, std::vector<std::pair<cycle, int>>& log, int name)
      : component(w), log_(log), name_(name) {}
  void step(cycle now) override {
    log_.emplace_back(now, name_);
    if (auto it = then_.find(now); it != then_.end()) wake_at(it->second);
  }
  void ask(cycle at) { wake_at(at); }
  void then(cycle at, cycle next) { then_[at] = next; }

private:
  std::vector<std::pair<cycle, int>>& log_;
  int name_;
  std::map<cycle, cycle> then_;
};

using log_type = std::vector<std::pair<cycle, int>>;

TEST(clock, sees_an_arrival_at_the_first_edge_strictly_after_it) {
  const vtd::engine::clock c{3000};
  EXPECT_EQ(c.first_edge_after(0), 1U);
  EXPECT_EQ(c.first_edge_after(2999), 1U);
  EXPECT_EQ(c.first_edge_after(3000), 2U);
  EXPECT_EQ(c.last_edge_until(2999), 0U);
  EXPECT_EQ(c.last_edge_until(3000), 1U);
}

TEST(clock, rounds_latencies_up_to_whole_cycles) {
  const vtd::engine::clock c{3000};
  EXPECT_EQ(c.cycles_for(0), 0U);
  EXPECT_EQ(c.cycles_for(1), 1U);
  EXPECT_EQ(c.cycles_for(3000), 1U);
  EXPECT_EQ(c.cycles_for(3001), 2U);
}

TEST(clock, refuses_a_period_of_zero) { EXPECT_THROW(vtd::engine::clock{0}, std::invalid_argument); }

TEST(wheel, steps_a_component_at_its_cycle_and_not_one_before) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  recorder a{w, log, 0};
  a.ask(7);
  EXPECT_EQ(w.next(), 7U);
  w.advance_to(6);
  EXPECT_TRUE(log.empty());
  w.advance_to(7);
  EXPECT_EQ(log, (log_type{{7, 0}}));
  EXPECT_EQ(w.next(), never);
}

TEST(wheel, keeps_the_earlier_of_two_wake_ups) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  recorder a{w, log, 0};
  a.ask(9);
  a.ask(4);
  a.ask(6);
  w.advance_to(20);
  EXPECT_EQ(log, (log_type{{4, 0}}));
}

TEST(wheel, gives_components_of_one_cycle_the_same_order_whatever_the_order_of_asking) {
  for (const bool swapped : {false, true}) {
    wheel w{vtd::engine::clock{1000}};
    log_type log;
    recorder a{w, log, 0};
    recorder b{w, log, 1};
    if (swapped) b.ask(3);
    a.ask(3);
    b.ask(3);
    w.advance_to(3);
    EXPECT_EQ(log, (log_type{{3, 0}, {3, 1}}));
  }
}

TEST(wheel, moves_a_wake_up_in_the_past_to_the_next_edge) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  recorder a{w, log, 0};
  w.advance_to(10);
  a.ask(3);
  EXPECT_EQ(w.next(), 11U);
}

TEST(wheel, finds_wake_ups_many_laps_ahead) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  recorder a{w, log, 0};
  recorder b{w, log, 1};
  a.ask(5);
  b.ask(5 + 4096 * 3);
  w.advance_to(5 + 4096 * 3 - 1);
  EXPECT_EQ(log, (log_type{{5, 0}}));
  EXPECT_EQ(w.next(), 5U + 4096 * 3);
  w.advance_to(100000);
  EXPECT_EQ(log, (log_type{{5, 0}, {5 + 4096 * 3, 1}}));
}

TEST(wheel, forgets_a_component_that_is_destroyed) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  {
    recorder a{w, log, 0};
    a.ask(5);
  }
  w.advance_to(10);
  EXPECT_TRUE(log.empty());
}

TEST(wheel, steps_nobody_in_the_cycle_of_one_that_was_destroyed) {
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  recorder c{w, log, 1};
  {
    recorder a{w, log, 0};
    a.ask(10);
  }
  c.ask(50);
  w.advance_to(20);
  EXPECT_TRUE(log.empty());
  w.advance_to(50);
  EXPECT_EQ(log.size(), 1U);
}

TEST(wheel, tells_its_driver_only_of_earlier_wake_ups) {
  struct driver : wheel_driver {
    std::vector<cycle> told;
    void next_moved_to(cycle at) override { told.push_back(at); }
  } d;
  wheel w{vtd::engine::clock{1000}};
  w.set_driver(&d);
  log_type log;
  recorder a{w, log, 0};
  recorder b{w, log, 1};
  a.ask(9);
  b.ask(12);
  b.ask(5);
  EXPECT_EQ(d.told, (std::vector<cycle>{9, 5}));
}

// Against a sorted list: random wake-ups near and far.
TEST(wheel, agrees_with_a_sorted_list_on_random_wake_ups) {
  std::mt19937_64 random{1};
  wheel w{vtd::engine::clock{1000}};
  log_type log;
  std::vector<std::unique_ptr<recorder>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(std::make_unique<recorder>(w, log, i));
  log_type expected;
  std::vector<cycle> pending(20, never);
  for (int round = 0; round < 3000; ++round) {
    const auto who = static_cast<std::size_t>(random() % 20);
    const cycle at = w.now() + 1 + random() % (round % 3 == 0 ? 20000 : 50);
    all[who]->ask(at);
    pending[who] = std::min(pending[who], at);
    const cycle until = w.now() + random() % 200;
    for (;;) {
      std::size_t first = 0;
      for (std::size_t i = 1; i < 20; ++i) {
        if (pending[i] < pending[first]) first = i;
      }
      if (pending[first] > until) break;
      expected.emplace_back(pending[first], static_cast<int>(first));
      pending[first] = never;
    }
    w.advance_to(until);
  }
  EXPECT_EQ(log, expected);
}

} // namespace
