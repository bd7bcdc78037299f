// SPDX-License-Identifier: Apache-2.0
// The reference driver on a machine whose invalidation queue breaks under it: what it is told, and how it
// gives up or goes on.

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

/// A machine with a queue, and a guest with two pages mapped and one of them cached.
struct queue_machine {
  /// `tells`: its units say why their queue stopped (IQERCD, revision 3).
  explicit queue_machine(bool tells = false) : s("synthetic-wide", options(tells)) {}
  void run(const std::function<void(driver::driver&, driver::domain&)>& body) {
    s.run([&](driver::driver& d) {
      d.start();
      auto& guest = d.create_domain("guest");
      d.map(guest, iova, frame, 2 * page);
      d.attach(guest, {0, nic});
      EXPECT_TRUE(s.read(nic, iova));
      body(d, guest);
    });
  }
  void inject(const host::fault_rule& rule) { s.memory_of(nic).add(rule); }
  /// What the driver says of an unmapping; empty: nothing.
  std::string unmap(driver::driver& d, driver::domain& guest) {
    try {
      d.unmap(guest, iova, page);
    } catch (const driver::unit_error& error) {
      return error.what();
    }
    return {};
  }
  machine_scene s;

private:
  static scene_options options(bool tells) {
    scene_options out;
    if (tells) {
      out.change_board = [](models::board& board) {
        for (models::unit_description& unit : board.units)
          unit.version.value = 0x30;
      };
    }
    out.injectors = true;
    out.driving.unit.timeout_ns = 200'000;
    // One invalidation, one wait.
    out.driving.use_ats = false;
    return out;
  }
};

TEST(injected_queue_faults, a_fetch_error_is_told_with_the_descriptors_place) {
  queue_machine m;
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.of = access_class::queue_fetch, .count = 1});
    const std::string told = m.unmap(d, guest);
    EXPECT_THAT(told, HasSubstr("the unit stopped at the descriptor at IQH"));
    EXPECT_THAT(told, HasSubstr("no IQERCD to say why; expected one that it knows and can read"));
  });
}

TEST(injected_queue_faults, a_fetch_that_failed_once_is_tried_again_where_the_unit_says_that_it_failed) {
  queue_machine m(true);
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.of = access_class::queue_fetch, .count = 1});
    EXPECT_EQ(m.unmap(d, guest), "");
    EXPECT_FALSE(m.s.read(nic, iova)) << "the invalidation was done";
    EXPECT_THAT(m.s.log,
                HasSubstr("the descriptor could not be read (IQERCD.IQEI = 2); it is let try again"));
  });
}

TEST(injected_queue_faults, a_fetch_that_fails_always_is_given_up_with_its_cause) {
  queue_machine m(true);
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.of = access_class::queue_fetch});
    EXPECT_THAT(
        m.unmap(d, guest),
        HasSubstr("the descriptor could not be read (IQERCD.IQEI = 2); tried 3 times, expected memory "
                  "that the unit can reach"));
  });
}

TEST(injected_queue_faults, a_status_write_that_failed_once_is_tried_again) {
  queue_machine m;
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.of = access_class::status_write, .count = 1});
    EXPECT_EQ(m.unmap(d, guest), "");
    EXPECT_FALSE(m.s.read(nic, iova));
    EXPECT_THAT(m.s.log, HasSubstr("the unit stopped at the wait at IQH"));
    d.unmap(guest, iova + page, page);
    EXPECT_FALSE(m.s.read(nic, iova + page)) << "the queue is whole";
  });
}

TEST(injected_queue_faults, a_status_write_that_gets_lost_makes_the_wait_time_out) {
  queue_machine m;
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.effect = fault_effect::all_ones, .of = access_class::status_write, .count = 1});
    EXPECT_THAT(m.unmap(d, guest), HasSubstr("the status of the wait is"));
  });
}

TEST(injected_queue_faults, a_completion_that_never_comes_stops_the_next_invalidation) {
  queue_machine m;
  m.run([&](driver::driver& d, driver::domain& guest) {
    m.inject({.effect = fault_effect::withhold,
              .of = access_class::status_write,
              .count = 1,
              .span = engine::never});
    EXPECT_EQ(m.unmap(d, guest), "") << "its status was written";
    EXPECT_FALSE(m.s.read(nic, iova));
    EXPECT_THAT(
        [&] {
          try {
            d.unmap(guest, iova + page, page);
          } catch (const driver::unit_error& error) {
            return std::string(error.what());
          }
          return std::string();
        }(),
        HasSubstr("the status of the wait is"));
    EXPECT_EQ(m.s.memory_of(nic).withheld(), 1U);
  });
}

TEST(injected_queue_faults, a_fetch_that_is_only_late_makes_the_driver_wait_and_no_more) {
  queue_machine m;
  m.run([&](driver::driver& d, driver::domain& guest) {
    constexpr engine::picoseconds late = 100'000'000;
    m.inject({.effect = fault_effect::latency, .of = access_class::queue_fetch, .count = 1, .span = late});
    const auto begin = platform::now_ps();
    EXPECT_EQ(m.unmap(d, guest), "");
    EXPECT_GE(platform::now_ps() - begin, late);
    EXPECT_FALSE(m.s.read(nic, iova));
  });
}

} // namespace
} // namespace vtd::test
