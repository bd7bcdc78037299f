// SPDX-License-Identifier: Apache-2.0
// What an observer is told: each step in its cycle (docs/microarchitecture.md, section 3), in order.

#include "dmar/observer_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtd::test {
namespace {

using namespace observer_tests; // NOLINT(google-build-using-namespace)
using testing::ElementsAre;
using testing::IsEmpty;

TEST(observer, a_hit_is_told_step_by_step_each_in_its_cycle) {
  scene s;
  s.read(nic, page(0));
  s.watch();
  s.request(page(0) + 0x80);
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: hit", "4 request 2 forwarded", "4 memory port taken for 1",
                          "55 request 2 answered", "55 request 2 responded"));
  for (const dmar::request_event& e : s.told.requests) {
    EXPECT_EQ(e.access.source, nic);
    EXPECT_EQ(e.access.address, page(0) + 0x80);
    EXPECT_EQ(e.length, 64U);
    EXPECT_EQ(e.total, 64U);
    EXPECT_EQ(e.port, 0U);
    EXPECT_FALSE(e.again);
  }
  EXPECT_EQ(s.told.requests[4].host_address, frame(0) + 0x80);
  EXPECT_FALSE(s.told.requests[4].interrupt);
  EXPECT_TRUE(s.told.requests[5].ok);
  EXPECT_EQ(s.told.requests[6].how, dmar::completion::done);
}

TEST(observer, a_context_miss_tells_every_table_read_with_kind_level_and_address) {
  scene s;
  s.watch();
  s.request(page(0));
  s.settle();
  EXPECT_THAT(
      s.told.lines,
      ElementsAre(
          "1 request 0 offered", "1 request 1 admitted", "1 request 1 looking up",
          "4 request 1 looked up: miss", "4 walker 0 granted", "4 walker 0 read issued: root",
          "4 memory port taken for 1", "25 walker 0 read answered", "25 walker 0 read issued: context",
          "25 memory port taken for 1", "46 walker 0 read answered", "47 walker 0 structures looked up",
          "47 walker 0 read issued: level 3", "47 memory port taken for 1", "68 walker 0 read answered",
          "68 walker 0 read issued: level 2", "68 memory port taken for 1", "89 walker 0 read answered",
          "89 walker 0 read issued: level 1", "89 memory port taken for 1", "110 walker 0 read answered",
          "110 walker 0 ended", "110 request 1 forwarded", "110 memory port taken for 1",
          "161 request 1 answered", "161 request 1 responded"));
  EXPECT_EQ(s.told.requests[3].found, outcome::context_miss);
  std::vector<std::uint64_t> addresses;
  for (const dmar::walk_event& e : s.told.walks) {
    EXPECT_EQ(e.request, 1U);
    EXPECT_EQ(e.access.address, page(0));
    if (e.step == walk_step::read_issued) addresses.push_back(e.address);
    if (e.step == walk_step::read_answered) {
      EXPECT_TRUE(e.ok);
      EXPECT_EQ(e.seen.lo(), s.memory.load(e.address));
      EXPECT_EQ(e.address, addresses.back());
      EXPECT_EQ(e.bytes, e.kind == remap::table_kind::paging ? 8U : 16U);
    }
  }
  EXPECT_THAT(addresses, ElementsAre(s.tables.root_entry_of(nic), s.tables.context_entry_of(nic),
                                     s.tables.entry_of(nic, page(0), 3, false),
                                     s.tables.entry_of(nic, page(0), 2, false),
                                     s.tables.entry_of(nic, page(0), 1, false)));
  EXPECT_EQ(s.told.walks.back().reads, 5U);
  EXPECT_EQ(s.told.walks.back().condition, spec::fault_condition::none);
}

TEST(observer, a_miss_next_to_a_cached_page_says_which_level_the_structures_gave) {
  scene s;
  s.read(nic, page(0));
  s.watch();
  s.request(page(1));
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: miss", "4 walker 0 granted",
                          "5 walker 0 structures looked up", "5 walker 0 read issued: level 1",
                          "5 memory port taken for 1", "26 walker 0 read answered", "26 walker 0 ended",
                          "26 request 2 forwarded", "26 memory port taken for 1", "77 request 2 answered",
                          "77 request 2 responded"));
  EXPECT_EQ(s.told.requests[3].found, outcome::page_miss);
  EXPECT_EQ(s.told.walks[1].level, 1U);
}

TEST(observer, structures_that_are_looked_up_in_no_time_are_told_too) {
  auto config = config_of(plain_part());
  config.timing.lookup.structure_lookup = 0;
  scene s(config);
  s.read(nic, page(0));
  s.watch();
  s.request(page(1));
  s.settle();
  ASSERT_GE(s.told.lines.size(), 7U);
  EXPECT_EQ(s.told.lines[4], "4 walker 0 granted");
  EXPECT_EQ(s.told.lines[5], "4 walker 0 structures looked up");
  EXPECT_EQ(s.told.lines[6], "4 walker 0 read issued: level 1");
}

TEST(observer, a_fault_is_told_at_the_decision_at_the_record_and_at_the_message) {
  scene s;
  s.read(nic, page(0));
  s.write_register<reg::fedata>(0x41);
  s.write_register<reg::feaddr>(static_cast<std::uint32_t>(spec::interrupt_range_first));
  s.write_register<reg::fectl>(0);
  s.settle();
  s.watch();
  s.request(unmapped, 64, access_kind::write);
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: miss", "4 walker 0 granted",
                          "5 walker 0 structures looked up", "5 walker 0 read issued: level 2",
                          "5 memory port taken for 1", "26 walker 0 read answered", "26 walker 0 ended",
                          "26 request 2 blocked", "26 request 2 responded", "27 fault recorded",
                          "31 message"));
  EXPECT_EQ(s.told.walks.back().condition, spec::fault_condition::lgn_2_np);
  EXPECT_EQ(s.told.requests[4].condition, spec::fault_condition::lgn_2_np);
  EXPECT_EQ(s.told.requests[5].how, dmar::completion::blocked);
  ASSERT_EQ(s.told.faults.size(), 1U);
  EXPECT_EQ(s.told.faults[0].condition, spec::fault_condition::lgn_2_np);
  EXPECT_EQ(s.told.faults[0].access.source, nic);
  EXPECT_EQ(s.told.faults[0].access.address, unmapped);
  EXPECT_TRUE(s.told.faults[0].recorded);
  ASSERT_EQ(s.told.messages.size(), 1U);
  EXPECT_EQ(s.told.messages[0].data, 0x41U);
  EXPECT_EQ(s.faults.size(), 1U) << "the fault observer is told as well";
}

TEST(observer, a_hit_without_the_right_is_refused_by_the_look_up) {
  scene s;
  s.tables.map(nic, page(9), frame(9), read_only);
  s.read(nic, page(9));
  s.watch();
  s.request(page(9), 64, access_kind::write);
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 request 0 offered", "1 request 2 admitted",
                                        "1 request 2 looking up", "4 request 2 looked up: refused",
                                        "4 request 2 blocked", "4 request 2 responded", "5 fault recorded"));
}

TEST(observer, a_request_to_the_interrupt_range_is_blocked_before_any_look_up) {
  scene s;
  s.watch();
  s.request(spec::interrupt_range_first);
  s.settle();
  EXPECT_THAT(s.told.lines, ElementsAre("1 request 0 offered", "1 request 1 admitted", "1 request 1 blocked",
                                        "1 request 1 responded"));
  EXPECT_EQ(s.told.requests[2].condition, spec::fault_condition::none);
}

TEST(observer, a_poisoned_walk_is_told_and_its_request_walks_again) {
  scene s;
  s.read(nic, page(0));
  s.watch();
  s.request(page(1));
  s.run_to(s.told.zero + 6);
  // Seen at 7, 16 cycles: removes at 23, before the walk ends at 26.
  s.invalidate_iotlb_page(domain, page(1), 0, true);
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: miss", "4 walker 0 granted",
                          "5 walker 0 structures looked up", "5 walker 0 read issued: level 1",
                          "5 memory port taken for 1", "7 IOTLB invalidation begun",
                          "23 IOTLB invalidation effective", "26 walker 0 read answered",
                          "26 walker 0 ended: poisoned", "26 request 2 looking up",
                          "29 request 2 looked up: miss", "29 walker 0 granted",
                          "30 walker 0 structures looked up", "30 walker 0 read issued: level 1",
                          "30 memory port taken for 1", "51 walker 0 read answered", "51 walker 0 ended",
                          "51 request 2 forwarded", "51 memory port taken for 1", "102 request 2 answered",
                          "102 request 2 responded", "103 IOTLB invalidation ended"));
  EXPECT_TRUE(s.told.requests[4].again);
  EXPECT_TRUE(s.told.requests[5].again);
}

TEST(observer, a_second_miss_to_a_page_joins_the_walk) {
  scene s;
  s.read(nic, page(0));
  s.watch();
  s.request(page(1));
  s.run_to(s.told.zero + 1);
  s.request(page(1) + 64);
  s.settle();
  std::vector<std::string> second;
  for (const std::string& line : s.told.lines) {
    if (line.find("request 3") != std::string::npos) second.push_back(line);
  }
  EXPECT_THAT(second,
              ElementsAre("2 request 3 admitted", "2 request 3 looking up", "5 request 3 looked up: miss",
                          "5 request 3 joined", "26 request 3 looking up", "29 request 3 looked up: hit",
                          "29 request 3 forwarded", "80 request 3 answered", "80 request 3 responded"));
}

TEST(observer, the_pieces_of_a_request_over_two_pages_are_told_one_by_one) {
  scene s;
  s.read(nic, page(0));
  s.read(nic, page(1));
  s.watch();
  s.request(page(1) - 16, 48);
  s.settle();
  std::vector<dmar::request_event> forwards;
  for (const dmar::request_event& e : s.told.requests) {
    if (e.step == request_step::forwarded) forwards.push_back(e);
    EXPECT_EQ(e.total, 48U);
  }
  ASSERT_EQ(forwards.size(), 2U);
  EXPECT_EQ(forwards[0].offset, 0U);
  EXPECT_EQ(forwards[0].length, 16U);
  EXPECT_EQ(forwards[0].host_address, frame(1) - 16);
  EXPECT_EQ(forwards[1].offset, 16U);
  EXPECT_EQ(forwards[1].length, 32U);
  EXPECT_EQ(forwards[1].access.address, page(1));
  EXPECT_EQ(forwards[1].host_address, frame(1));
}

TEST(observer, a_memory_port_that_stays_busy_is_told_free_when_it_is) {
  scene s;
  s.read(nic, page(0));
  s.memory_port_is_slow = true;
  s.watch();
  s.request(page(0));
  s.run_to(s.told.zero + 10);
  s.unit.memory_port_free(s.now_ps());
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: hit", "4 request 2 forwarded", "4 memory port taken",
                          "11 memory port free", "55 request 2 answered", "55 request 2 responded"));
}

TEST(observer, what_passes_at_once_is_told_whole) {
  scene s;
  s.watch();
  s.pass(page(0));
  s.pass(page(0) + 64);
  s.pass(page(1));
  s.pass(unmapped);
  s.pass(spec::interrupt_range_first);
  ASSERT_EQ(s.told.passages.size(), 5U);
  const auto& seen = s.told.passages;
  for (const dmar::passage_event& e : seen) {
    EXPECT_EQ(e.access.source, nic);
    EXPECT_EQ(e.length, 64U);
    EXPECT_FALSE(e.interrupt);
  }
  EXPECT_TRUE(seen[0].translated);
  EXPECT_EQ(seen[0].access.address, page(0));
  EXPECT_EQ(seen[0].found, outcome::context_miss);
  EXPECT_EQ(seen[0].reads, 5U);
  EXPECT_EQ(seen[0].at, s.told.zero + 1);
  EXPECT_EQ(seen[0].cycles, 3U + 5 * 21 + 1);
  EXPECT_EQ(seen[0].host_address, frame(0));
  EXPECT_EQ(seen[1].found, outcome::translated);
  EXPECT_EQ(seen[1].reads, 0U);
  EXPECT_EQ(seen[1].cycles, 3U);
  EXPECT_EQ(seen[1].host_address, frame(0) + 64);
  EXPECT_EQ(seen[2].found, outcome::page_miss);
  EXPECT_EQ(seen[2].reads, 1U);
  EXPECT_TRUE(seen[3].blocked);
  EXPECT_EQ(seen[3].condition, spec::fault_condition::lgn_3_np);
  EXPECT_EQ(seen[3].host_address, 0U);
  EXPECT_TRUE(seen[4].blocked);
  EXPECT_FALSE(seen[4].translated);
  EXPECT_EQ(seen[4].condition, spec::fault_condition::none);
}

TEST(observer, what_passes_at_once_without_a_look_up_is_told_too) {
  scene s;
  s.tables.map(nic, page(9), frame(9), write_only);
  s.pass(page(9));
  s.watch();
  dmar::request message;
  message.access = {nic, access_kind::write, remap::address_type::untranslated, spec::interrupt_range_first};
  message.length = 4;
  message.is_dword_write = true;
  s.unit.pass(message, s.memory, s.now_ps());
  dmar::request refused;
  refused.access = {nic, access_kind::write, remap::address_type::untranslated, page(9)};
  refused.length = 64;
  s.unit.pass(refused, s.memory, s.now_ps());
  refused.access.kind = access_kind::read;
  s.unit.pass(refused, s.memory, s.now_ps());
  s.write_register<reg::gcmd>(0);
  s.settle();
  s.pass(0x12340);
  ASSERT_EQ(s.told.passages.size(), 4U);
  EXPECT_TRUE(s.told.passages[0].interrupt);
  EXPECT_FALSE(s.told.passages[0].blocked);
  EXPECT_EQ(s.told.passages[0].host_address, spec::interrupt_range_first);
  EXPECT_EQ(s.told.passages[1].found, outcome::page_miss) << "a walk that ended in a fault is not kept";
  EXPECT_EQ(s.told.passages[2].found, outcome::blocked);
  EXPECT_EQ(s.told.passages[2].condition, spec::fault_condition::lgn_3);
  EXPECT_FALSE(s.told.passages[3].translated);
  EXPECT_FALSE(s.told.passages[3].blocked);
  EXPECT_EQ(s.told.passages[3].host_address, 0x12340U);
}

TEST(observer, a_translation_into_a_protected_region_is_told_as_blocked_without_a_condition) {
  auto config = config_of(plain_part());
  config.protect_translated = true;
  scene s(config);
  s.write_register<reg::plmbase>(static_cast<std::uint32_t>(first_frame & ~std::uint64_t{0x1fffff}));
  s.write_register<reg::plmlimit>(static_cast<std::uint32_t>(first_frame & ~std::uint64_t{0x1fffff}));
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.settle();
  s.read(nic, page(0));
  s.watch();
  s.request(page(0));
  s.settle();
  EXPECT_THAT(s.told.lines,
              ElementsAre("1 request 0 offered", "1 request 2 admitted", "1 request 2 looking up",
                          "4 request 2 looked up: hit", "4 request 2 blocked", "4 request 2 responded"));
  EXPECT_EQ(s.told.requests[4].condition, spec::fault_condition::none);
  s.pass(page(0));
  ASSERT_EQ(s.told.passages.size(), 1U);
  EXPECT_TRUE(s.told.passages[0].blocked);
  EXPECT_EQ(s.told.passages[0].condition, spec::fault_condition::none);
}

TEST(observer, an_interrupt_message_of_a_device_is_told_as_one) {
  scene s;
  s.watch();
  s.request(spec::interrupt_range_first, 4, access_kind::write);
  s.settle();
  EXPECT_FALSE(s.told.requests.back().interrupt) << "not a dword write: blocked";
  dmar::request message;
  message.access = {nic, access_kind::write, remap::address_type::untranslated, spec::interrupt_range_first};
  message.length = 4;
  message.is_dword_write = true;
  s.unit.offer(0, message, s.now_ps());
  s.settle();
  EXPECT_EQ(s.told.requests.back().how, dmar::completion::done);
  EXPECT_TRUE(s.told.requests.back().interrupt);
}

TEST(observer, ports_and_walkers_are_told_apart) {
  auto config = config_of(plain_part());
  config.ports = 2;
  scene s(config);
  s.read(nic, page(0));
  s.watch();
  ASSERT_TRUE(s.offer(1, nic, access_kind::read, page(1), 64, 0));
  ASSERT_TRUE(s.offer(2, nic, access_kind::read, page(2), 64, 1));
  s.run_to(s.told.zero + 3);
  ASSERT_TRUE(s.offer(3, nic, access_kind::read, page(1) + 64, 64, 0));
  s.settle();
  std::vector<unsigned> offers;
  std::vector<unsigned> admissions;
  for (const dmar::request_event& e : s.told.requests) {
    if (e.step == request_step::offered) offers.push_back(e.port);
    if (e.step == request_step::admitted) admissions.push_back(e.port);
    if (e.step == request_step::joined) {
      EXPECT_EQ(e.number, 4U);
      EXPECT_EQ(e.walker, 1U);
    }
  }
  // After the request that warmed the caches, port 1 is first.
  EXPECT_THAT(offers, ElementsAre(0, 1, 0));
  EXPECT_THAT(admissions, ElementsAre(1, 0, 0));
  for (const dmar::walk_event& e : s.told.walks)
    EXPECT_EQ(e.walker, e.request == 2 ? 0U : 1U);
  EXPECT_EQ(s.unit.statistics().merged, 1U);
}

TEST(observer, a_reset_is_told) {
  scene s;
  s.watch();
  s.request(page(0));
  s.run_to(s.told.zero + 10);
  s.unit.reset(false);
  EXPECT_EQ(s.told.lines.back(), "10 reset");
}

TEST(observer, watching_changes_nothing_and_ends_when_told_so) {
  scene watched;
  scene alone;
  watched.watch();
  for (scene* s : {&watched, &alone}) {
    s->request(page(0));
    s->settle();
    s->request(unmapped);
    s->settle();
  }
  EXPECT_EQ(watched.forwards, alone.forwards);
  EXPECT_EQ(watched.responses, alone.responses);
  EXPECT_EQ(watched.table_reads, alone.table_reads);
  EXPECT_FALSE(watched.told.lines.empty());
  watched.told.lines.clear();
  watched.unit.set_observer(nullptr);
  watched.request(page(0));
  watched.settle();
  watched.request(unmapped);
  watched.settle();
  watched.invalidate_iotlb_global();
  watched.settle();
  watched.pass(page(0));
  watched.unit.reset(true);
  EXPECT_THAT(watched.told.lines, IsEmpty());
  EXPECT_THAT(watched.told.passages, IsEmpty());
}

} // namespace
} // namespace vtd::test
