// SPDX-License-Identifier: Apache-2.0
// The invalidation queue when memory errs, is late or never answers: fetches of descriptors, and the status
// writes of waits.

#include "vtd/platform/fault_injector.h"

#include "support/platform_world.h"
#include "support/queue_driver.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using host::access_class;
using host::fault_effect;

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t queue_base = 0x900000;
constexpr std::uint64_t status_word = 0x800000;
constexpr std::uint64_t descriptor_bytes = sizeof(spec::invalidation_descriptor);
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr engine::picoseconds us = 1'000'000;

dmar::unit_config config() {
  dmar::unit_config out;
  out.caps = plain_part();
  // Of revision 3, which says why the queue stopped (IQERCD).
  out.caps.version = 0x30;
  out.caps.ecap.set_qi(true).set_smts(true);
  out.caches = small_caches();
  return out;
}

struct faulty_queue : platform_world {
  faulty_queue() : platform_world(config(), "world", true) {
    tables.attach(nic, domain);
    tables.map(nic, iova, frame);
  }
  void start() {
    enable();
    write_register<reg::iqt>(0);
    write_register<reg::iqa>(queue_base);
    write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    while (reg::gsts::qies::get(read_register<reg::gsts>()) == 0) {
    }
  }
  void store_word(std::uint64_t address, std::uint64_t value) {
    std::array<std::byte, sizeof(value)> raw;
    std::memcpy(raw.data(), &value, sizeof(value));
    path.debug_write(address, raw);
  }
  template <class... Descriptors>
  void submit(const Descriptors&... each) {
    (put(each), ...);
    write_register<reg::iqt>(tail_);
  }
  std::uint32_t status() { return store.load<std::uint32_t>(status_word).value_or(0); }
  bool failed() { return reg::fsts::iqe::get(read_register<reg::fsts>()) != 0; }
  bool completion_pending() { return reg::ics::iwc::get(read_register<reg::ics>()) != 0; }
  /// The page is cached, and not mapped any more.
  void make_stale() {
    EXPECT_EQ(accurately(read, iova, std::vector<unsigned char>(8)).status, tlm::TLM_OK_RESPONSE);
    store_word(tables.entry_of(nic, iova, 1, false), 0);
    EXPECT_TRUE(is_stale());
  }
  bool is_stale() {
    return accurately(read, iova, std::vector<unsigned char>(8)).status == tlm::TLM_OK_RESPONSE;
  }

private:
  void put(const spec::invalidation_descriptor& what) {
    store_word(queue_base + tail_, what.lo);
    store_word(queue_base + tail_ + sizeof(what.lo), what.hi);
    tail_ += descriptor_bytes;
  }
  std::uint64_t tail_ = 0;
};

TEST(queue_faults, an_error_of_a_fetch_stops_the_queue_at_its_descriptor_and_nothing_is_done) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.make_stale();
    s.memory_faults->add({.of = access_class::queue_fetch, .skip = 1, .count = 1});
    s.submit(all_contexts(), page_of(domain, iova), status_wait(status_word, 1));
    wait_ps(10 * us);
    EXPECT_TRUE(s.failed());
    EXPECT_EQ(reg::iqercd::iqei::get(s.read_register<reg::iqercd>()),
              static_cast<std::uint64_t>(spec::queue_error::fetch_failed));
    EXPECT_EQ(s.read_register<reg::iqh>(), descriptor_bytes) << "at the second";
    EXPECT_TRUE(s.is_stale());
    EXPECT_EQ(s.status(), 0U);
    // The error came once: the queue goes on where it stopped.
    s.write_register<reg::fsts>(reg::fsts::iqe::mask);
    wait_ps(10 * us);
    EXPECT_FALSE(s.failed());
    EXPECT_FALSE(s.is_stale());
    EXPECT_EQ(s.status(), 1U);
  });
}

TEST(queue_faults, a_fetch_that_reads_ones_is_a_descriptor_of_no_type) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.memory_faults->add({.effect = fault_effect::all_ones, .of = access_class::queue_fetch, .count = 1});
    s.submit(all_contexts(), status_wait(status_word, 1));
    wait_ps(10 * us);
    EXPECT_TRUE(s.failed());
    EXPECT_EQ(reg::iqercd::iqei::get(s.read_register<reg::iqercd>()),
              static_cast<std::uint64_t>(spec::queue_error::invalid_type));
    EXPECT_EQ(s.read_register<reg::iqh>(), 0U);
  });
}

TEST(queue_faults, a_late_fetch_makes_the_invalidation_late_by_exactly_that) {
  faulty_queue s;
  s.run([&] {
    s.start();
    // From the tail's write to the interrupt of the wait's end.
    const auto time = [&](std::uint32_t data) {
      const auto begin = platform::now_ps();
      s.submit(all_contexts(), status_wait(status_word, data).set_interrupt(true));
      while (!s.completion_pending())
        wait_ps(platform_world::period);
      s.write_register<reg::ics>(reg::ics::iwc::mask);
      return platform::now_ps() - begin;
    };
    const auto usual = time(1);
    constexpr engine::picoseconds extra = 70 * platform_world::period;
    s.memory_faults->add(
        {.effect = fault_effect::latency, .of = access_class::queue_fetch, .count = 1, .span = extra});
    const auto late = time(2);
    // As often as the loop looks.
    constexpr engine::picoseconds step = 40 * platform_world::period;
    EXPECT_GT(late, usual + extra - step);
    EXPECT_LT(late, usual + extra + step);
    EXPECT_EQ(time(3), usual);
  });
}

TEST(queue_faults, a_fetch_that_is_never_answered_holds_the_queue_until_it_is_switched_off) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.make_stale();
    s.memory_faults->add({.effect = fault_effect::withhold,
                          .of = access_class::queue_fetch,
                          .count = 1,
                          .span = engine::never});
    s.submit(page_of(domain, iova), status_wait(status_word, 1));
    wait_ps(100 * us);
    EXPECT_EQ(s.read_register<reg::iqh>(), 0U);
    EXPECT_FALSE(s.failed());
    EXPECT_TRUE(s.is_stale());
    s.write_register<reg::gcmd>(reg::gcmd::te::mask);
    wait_ps(us);
    EXPECT_EQ(reg::gsts::qies::get(s.read_register<reg::gsts>()), 0U);
    s.invalidate_iotlb_global();
    EXPECT_FALSE(s.is_stale()) << "by register";
    EXPECT_EQ(s.status(), 0U);
  });
}

TEST(queue_faults, an_error_of_a_status_write_is_an_error_of_the_queue_and_the_wait_never_ends) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.make_stale();
    s.memory_faults->add({.of = access_class::status_write, .count = 1});
    s.submit(page_of(domain, iova), status_wait(status_word, 1).set_interrupt(true));
    wait_ps(10 * us);
    EXPECT_TRUE(s.failed());
    EXPECT_EQ(s.status(), 0U);
    EXPECT_FALSE(s.completion_pending());
    EXPECT_FALSE(s.is_stale()) << "what stood before the wait was done";
    s.write_register<reg::fsts>(reg::fsts::iqe::mask);
    s.submit(status_wait(status_word, 2).set_interrupt(true));
    wait_ps(10 * us);
    EXPECT_EQ(s.status(), 2U);
    EXPECT_TRUE(s.completion_pending());
  });
}

TEST(queue_faults, a_completion_that_is_withheld_comes_at_its_end_and_what_stands_behind_waits) {
  faulty_queue s;
  s.run([&] {
    s.start();
    constexpr engine::picoseconds span = 50 * us;
    s.memory_faults->add(
        {.effect = fault_effect::withhold, .of = access_class::status_write, .count = 1, .span = span});
    s.submit(status_wait(status_word, 1).set_interrupt(true), status_wait(status_word, 2));
    wait_ps(span - us);
    EXPECT_EQ(s.status(), 1U) << "the write itself was done";
    EXPECT_FALSE(s.completion_pending());
    wait_ps(4 * us);
    EXPECT_TRUE(s.completion_pending());
    EXPECT_EQ(s.status(), 2U);
  });
}

TEST(queue_faults, a_status_write_that_gets_lost_is_missed_by_software_alone) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.memory_faults->add({.effect = fault_effect::all_ones, .of = access_class::status_write});
    s.submit(status_wait(status_word, 1).set_interrupt(true));
    wait_ps(10 * us);
    EXPECT_EQ(s.status(), 0U);
    EXPECT_TRUE(s.completion_pending());
    EXPECT_FALSE(s.failed());
  });
}

TEST(queue_faults, a_rule_for_tables_or_data_leaves_the_queue_alone) {
  faulty_queue s;
  s.run([&] {
    s.start();
    s.memory_faults->add({.of = access_class::table_read | access_class::read | access_class::write});
    s.submit(all_contexts(), status_wait(status_word, 1));
    wait_ps(10 * us);
    EXPECT_EQ(s.status(), 1U);
  });
}

} // namespace
} // namespace vtd::test
