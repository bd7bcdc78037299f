// SPDX-License-Identifier: Apache-2.0
// Device-TLB invalidation by the queue (VT-d 6.5.2.5, PCIe ATS): requests, completions, waits, and what
// happens when a device does not answer, or answers what nobody asked.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

namespace vtd::test::queue_tests {
namespace {

namespace reg = spec::reg;

remap::capabilities part_with_device_tlb(bool throttles = false) {
  remap::capabilities caps = later_part();
  caps.ecap.set_dt(true).set_dit(throttles);
  return caps;
}

constexpr engine::cycle time_out = 5000;

dmar::unit_config configuration(const remap::capabilities& caps = part_with_device_tlb()) {
  dmar::unit_config config = config_of(caps);
  config.timing.device_invalidation = 3;
  config.timing.device_timeout = time_out;
  config.timing.queue_prefetch = 8;
  return config;
}

spec::device_tlb_descriptor device_page(spec::source_id device, std::uint64_t address, unsigned mask = 0,
                                        unsigned most = 0) {
  spec::device_tlb_descriptor d;
  return d.set_source(device).set_max_pending(most).set_range(address, mask);
}

struct device_scene : scene {
  explicit device_scene(const remap::capabilities& caps = part_with_device_tlb())
      : scene(configuration(caps)) {
    devices_answer = false;
  }
  void device_completes(spec::source_id device, std::uint32_t tags, unsigned count = 1) {
    unit.device_completed({device, tags, count}, now_ps());
    run_to(wheel.now() + 100);
  }
  [[nodiscard]] std::uint64_t errors() { return read_register<reg::fsts>(); }
};

TEST(device_invalidation, asks_the_device_for_the_range_and_the_wait_waits_for_its_completion) {
  device_scene s;
  s.queue.submit(device_page(nic, page(3), 4), status_wait(status_word, 7));
  s.run_to(s.wheel.now() + 1000);
  ASSERT_EQ(s.invalidations.size(), 1U);
  const spec::ats::invalidation_request asked = s.invalidations[0].second;
  EXPECT_EQ(asked.device, nic);
  EXPECT_EQ(asked.what.first(), page(0));
  EXPECT_EQ(asked.what.last(), page(16) - 1);
  EXPECT_EQ(s.status(), 0U) << "the device has not answered";
  s.device_completes(nic, 1U << asked.tag);
  EXPECT_EQ(s.status(), 7U);
  EXPECT_EQ(s.errors(), 0U);
  EXPECT_EQ(s.unit.statistics().device_invalidations, 1U);
}

TEST(device_invalidation, leaves_its_own_cycles_after_the_descriptor_was_begun) {
  engine::cycle with = 0;
  for (const engine::cycle extra : {0U, 9U}) {
    dmar::unit_config config = configuration();
    config.timing.device_invalidation += extra;
    scene s(config);
    const engine::cycle begin = s.wheel.now();
    s.queue.submit(device_page(nic, page(0)));
    s.run_to(begin + 500);
    ASSERT_EQ(s.invalidations.size(), 1U);
    const engine::cycle took = s.invalidations[0].first - begin;
    if (extra != 0) {
      EXPECT_EQ(took, with + extra);
    }
    with = took;
  }
}

TEST(device_invalidation, comes_after_the_iotlb_invalidation_before_it) {
  device_scene s;
  s.make_stale(2);
  s.queue.submit(page_of(domain, page(2)), device_page(nic, page(2)));
  while (s.invalidations.empty())
    s.run_to(s.wheel.now() + 1);
  EXPECT_FALSE(s.is_stale(2)) << "a device that asks now must not get the old page again";
}

TEST(device_invalidation, needs_all_completions_where_the_device_sends_several) {
  device_scene s;
  s.queue.submit(device_page(nic, page(0)), status_wait(status_word, 7));
  s.run_to(s.wheel.now() + 500);
  const std::uint32_t tag = 1U << s.invalidations.at(0).second.tag;
  s.device_completes(nic, tag, 3);
  s.device_completes(nic, tag, 3);
  EXPECT_EQ(s.status(), 0U);
  s.device_completes(nic, tag, 3);
  EXPECT_EQ(s.status(), 7U);
}

TEST(device_invalidation, several_are_open_at_once_with_tags_of_their_own_and_one_message_can_answer_all) {
  device_scene s;
  for (std::uint64_t n = 0; n < 3; ++n)
    s.queue.push(device_page(n == 1 ? disk : nic, page(n)));
  s.queue.submit(status_wait(status_word, 7));
  s.run_to(s.wheel.now() + 1000);
  ASSERT_EQ(s.invalidations.size(), 3U);
  std::uint32_t of_nic = 0;
  std::uint32_t of_disk = 0;
  for (const auto& [at, asked] : s.invalidations)
    (asked.device == nic ? of_nic : of_disk) |= 1U << asked.tag;
  EXPECT_EQ(std::popcount(of_nic | of_disk), 3);
  s.device_completes(nic, of_nic);
  EXPECT_EQ(s.status(), 0U);
  s.device_completes(disk, of_disk);
  EXPECT_EQ(s.status(), 7U);
  EXPECT_EQ(s.errors(), 0U);
}

TEST(device_invalidation, no_more_are_open_than_the_descriptor_says) {
  device_scene s;
  for (std::uint64_t n = 0; n < 5; ++n)
    s.queue.push(device_page(nic, page(n), 0, 2));
  s.queue.ring();
  s.run_to(s.wheel.now() + 1000);
  ASSERT_EQ(s.invalidations.size(), 2U);
  s.device_completes(nic, 1U << s.invalidations[0].second.tag);
  ASSERT_EQ(s.invalidations.size(), 3U);
  s.device_completes(nic, 1U << s.invalidations[1].second.tag | 1U << s.invalidations[2].second.tag);
  EXPECT_EQ(s.invalidations.size(), 5U);
}

TEST(device_invalidation, another_device_has_a_number_of_its_own_and_a_physical_function_one_for_all) {
  for (const bool throttles : {false, true}) {
    device_scene s(part_with_device_tlb(throttles));
    auto one = device_page(nic, page(0), 0, 1);
    auto other = device_page(disk, page(0), 0, 1);
    if (throttles) {
      one.set_physical_source(nic);
      other.set_physical_source(nic);
    }
    s.queue.submit(one, other);
    s.run_to(s.wheel.now() + 1000);
    EXPECT_EQ(s.invalidations.size(), throttles ? 1U : 2U);
  }
}

TEST(device_invalidation, the_thirty_third_waits_for_a_tag) {
  device_scene s;
  for (std::uint64_t n = 0; n < 33; ++n)
    s.queue.push(device_page(n % 2 == 0 ? nic : disk, page(n)));
  s.queue.ring();
  s.run_to(s.wheel.now() + 3000);
  ASSERT_EQ(s.invalidations.size(), 32U);
  s.device_completes(disk, 1U << s.invalidations[7].second.tag);
  ASSERT_EQ(s.invalidations.size(), 33U);
  EXPECT_EQ(s.invalidations[32].second.tag, s.invalidations[7].second.tag);
}

TEST(device_invalidation, is_no_valid_descriptor_without_device_tlbs) {
  scene s(later_part());
  s.queue.run(device_page(nic, page(0)));
  EXPECT_NE(reg::fsts::iqe::get(s.read_register<reg::fsts>()), 0U);
  EXPECT_EQ(reg::iqercd::iqei::get(s.read_register<reg::iqercd>()),
            static_cast<std::uint64_t>(spec::queue_error::invalid_type));
  EXPECT_TRUE(s.invalidations.empty());
}

TEST(device_invalidation, has_reserved_bits_one_by_one) {
  for (unsigned bit = 0; bit < 128; ++bit) {
    for (const bool throttles : {false, true}) {
      spec::device_tlb_descriptor wrong = device_page(nic, page(0));
      const spec::invalidation_descriptor mask = spec::device_tlb_descriptor::reserved(throttles);
      std::uint64_t& word = bit < 64 ? wrong.lo : wrong.hi;
      const std::uint64_t here = std::uint64_t{1} << bit % 64;
      if (((bit < 64 ? mask.lo : mask.hi) & here) == 0) continue;
      word |= here;
      device_scene s(part_with_device_tlb(throttles));
      s.queue.submit(wrong);
      s.run_to(s.wheel.now() + 500);
      EXPECT_NE(reg::fsts::iqe::get(s.read_register<reg::fsts>()), 0U) << bit;
      EXPECT_TRUE(s.invalidations.empty()) << bit;
    }
  }
}

// --- No completion in time

struct late_scene : device_scene {
  late_scene() {
    write_register<reg::fedata>(0x41);
    write_register<reg::feaddr>(0xfee00000);
    write_register<reg::fectl>(0);
    queue.submit(device_page(nic, page(0)), status_wait(status_word, 7), page_of(domain, page(2)));
    run_to(wheel.now() + 100);
  }
  /// The edge at which the time-out happens.
  [[nodiscard]] engine::cycle end() const { return invalidations.at(0).first + time_out; }
};

TEST(device_invalidation_timeout, is_an_error_that_names_the_device_and_raises_the_fault_event) {
  late_scene s;
  s.run_to(s.end() - 1);
  EXPECT_EQ(s.errors(), 0U);
  s.run_to(s.end());
  EXPECT_EQ(s.errors(), reg::fsts::ite::mask);
  EXPECT_EQ(reg::iqercd::itesid::get(s.read_register<reg::iqercd>()), nic.value());
  s.run_to(s.end() + 100);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(s.unit.statistics().device_timeouts, 1U);
}

TEST(device_invalidation_timeout, drops_the_waits_that_were_fetched_and_does_the_other_descriptors) {
  device_scene s;
  s.make_stale(2);
  s.queue.submit(device_page(nic, page(0)), status_wait(status_word, 7), page_of(domain, page(2)));
  s.run_to(s.wheel.now() + 1000);
  ASSERT_EQ(s.invalidations.size(), 1U);
  EXPECT_EQ(s.queue.head(), s.queue.tail()) << "all were fetched";
  s.run_to(s.invalidations[0].first + time_out + 1000);
  EXPECT_EQ(s.status(), 0U) << "the wait is never over";
  EXPECT_FALSE(s.is_stale(2)) << "what stood behind it is done";
}

TEST(device_invalidation_timeout, stops_fetching_until_the_error_is_cleared) {
  late_scene s;
  s.run_to(s.end() + 100);
  const std::uint64_t head = s.queue.head();
  s.queue.submit(status_wait(status_word, 9));
  s.run_to(s.wheel.now() + 1000);
  EXPECT_EQ(s.queue.head(), head);
  EXPECT_EQ(s.status(), 0U);
  s.write_register<reg::fsts>(reg::fsts::ite::mask);
  s.run_to(s.wheel.now() + 1000);
  EXPECT_EQ(s.status(), 9U) << "software submits again what was dropped";
}

TEST(device_invalidation_timeout, a_completion_in_its_very_cycle_is_in_time) {
  late_scene s;
  s.run_to(s.end() - 1);
  s.unit.device_completed({nic, 1U << s.invalidations[0].second.tag, 1}, s.now_ps());
  s.run_to(s.end() + 100);
  EXPECT_EQ(s.errors(), 0U);
  EXPECT_EQ(s.status(), 7U);
}

TEST(device_invalidation_timeout, a_completion_that_comes_after_it_is_unexpected) {
  late_scene s;
  s.run_to(s.end() + 10);
  s.device_completes(nic, 1U << s.invalidations[0].second.tag);
  EXPECT_EQ(s.errors(), reg::fsts::ite::mask | reg::fsts::ice::mask);
}

TEST(device_invalidation_timeout, tells_the_first_device_while_the_error_stands) {
  device_scene s;
  s.queue.submit(device_page(nic, page(0)));
  s.run_to(s.wheel.now() + 50);
  s.queue.submit(device_page(disk, page(0)));
  s.run_to(s.wheel.now() + 2 * time_out);
  EXPECT_EQ(reg::iqercd::itesid::get(s.read_register<reg::iqercd>()), nic.value());
  EXPECT_EQ(s.unit.statistics().device_timeouts, 2U);
}

// --- A completion that nobody waits for

TEST(device_invalidation_completion, for_a_tag_that_is_not_open_is_an_error_and_the_queue_goes_on) {
  device_scene s;
  s.device_completes(disk, 1U << 5);
  EXPECT_EQ(s.errors(), reg::fsts::ice::mask);
  EXPECT_EQ(reg::iqercd::icesid::get(s.read_register<reg::iqercd>()), disk.value());
  s.queue.submit(status_wait(status_word, 9));
  s.run_to(s.wheel.now() + 500);
  EXPECT_EQ(s.status(), 9U);
}

TEST(device_invalidation_completion, of_another_device_does_not_count) {
  device_scene s;
  s.queue.submit(device_page(nic, page(0)), status_wait(status_word, 7));
  s.run_to(s.wheel.now() + 500);
  const std::uint32_t tag = 1U << s.invalidations.at(0).second.tag;
  s.device_completes(disk, tag);
  EXPECT_EQ(s.errors(), reg::fsts::ice::mask);
  EXPECT_EQ(s.status(), 0U);
  s.device_completes(nic, tag);
  EXPECT_EQ(s.status(), 7U);
}

TEST(device_invalidation, the_queue_goes_off_when_all_devices_have_answered) {
  device_scene s;
  s.queue.submit(device_page(nic, page(0)));
  s.run_to(s.wheel.now() + 500);
  s.queue.disable();
  s.run_to(s.wheel.now() + 500);
  EXPECT_NE(reg::gsts::qies::get(s.read_register<reg::gsts>()), 0U);
  s.device_completes(nic, 1U << s.invalidations.at(0).second.tag);
  EXPECT_EQ(reg::gsts::qies::get(s.read_register<reg::gsts>()), 0U);
}

TEST(device_invalidation, a_reset_forgets_what_was_asked) {
  device_scene s;
  s.queue.submit(device_page(nic, page(0)));
  s.run_to(s.wheel.now() + 500);
  s.unit.reset(true);
  s.run_to(s.wheel.now() + 2 * time_out);
  EXPECT_EQ(s.errors(), 0U);
  s.device_completes(nic, 1U << s.invalidations.at(0).second.tag);
  EXPECT_EQ(s.errors(), reg::fsts::ice::mask);
}

} // namespace
} // namespace vtd::test::queue_tests
