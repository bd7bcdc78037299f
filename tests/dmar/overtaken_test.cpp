// SPDX-License-Identifier: Apache-2.0
// Walks that an invalidation overtakes, by every granularity, by register and by queue: what they read before
// it is neither used nor kept (VT-d 6.5.1, 6.5.2). And what of the caches each of them leaves alone.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace vtd::test::queue_tests {
namespace {

namespace reg = spec::reg;
using iotlb = spec::iotlb_granularity;

constexpr std::uint16_t other_domain = domain + 1;

struct order {
  std::string name;
  bool of_contexts;
  spec::invalidation_descriptor what;
  // Does it concern a walk of the nic, and one of the disk?
  bool nic_walk;
  bool disk_walk;
};

// The walks stand behind the read of their context, so that their domain is known.
std::vector<order> orders() {
  return {
      {"contexts, global", true, all_contexts(), true, true},
      {"contexts of the domain", true, contexts_of(domain), true, false},
      {"contexts of the other domain", true, contexts_of(other_domain), false, true},
      {"context of the device", true, context_of(nic, domain), true, false},
      {"context of the other device", true, context_of(disk, other_domain), false, true},
      {"pages, global", false, all_pages(), true, true},
      {"pages of the domain", false, pages_of(domain), true, false},
      {"pages of the other domain", false, pages_of(other_domain), false, true},
      {"the page", false, page_of(domain, page(3)), true, false},
      {"the page, leaf only", false, page_of(domain, page(3), 0, true), true, false},
  };
}

/// As a register order, what a descriptor says. The queue is off.
void by_register(scene& s, const order& what) {
  if (what.of_contexts) {
    const spec::context_cache_descriptor d(what.what);
    s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) |
                                reg::ccmd::cirg::of(static_cast<std::uint64_t>(d.granularity())) |
                                reg::ccmd::did::of(d.domain_id()) | reg::ccmd::sid::of(d.source().value()));
  } else {
    const spec::iotlb_descriptor d(what.what);
    s.write_register<reg::iva>(d.address() | reg::iva::am::of(d.address_mask()) |
                               reg::iva::ih::of(d.hint() ? 1 : 0));
    s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::did::of(d.domain_id()) |
                                 reg::iotlb::iirg::of(static_cast<std::uint64_t>(d.granularity())));
  }
}

class overtaken : public testing::TestWithParam<bool> {};

TEST_P(overtaken, a_walk_keeps_nothing_of_what_it_read_if_the_order_concerns_it) {
  const bool queued = GetParam();
  for (const order& each : orders()) {
    for (const spec::source_id device : {nic, disk}) {
      const bool concerns = device == nic ? each.nic_walk : each.disk_walk;
      SCOPED_TRACE(each.name + (device == nic ? ", nic" : ", disk"));
      auto config = config_of(queue_part());
      config.timing.context_invalidation = config.timing.iotlb_invalidation_global = 1;
      config.timing.iotlb_invalidation_domain = config.timing.iotlb_invalidation_page = 1;
      scene s(config);
      s.memory.set_delay(400 * unit_world::period);
      s.offer(1, device, remap::access_kind::read, page(3));
      // The leaf is read, its data are on their way: they show the frame of before.
      while (s.table_reads.size() < 5)
        s.run_to(s.wheel.now() + 1);
      s.tables.map(device, page(3), frame(103));
      s.memory.set_delay(unit_world::period);
      if (queued) {
        s.queue.submit(each.what);
      } else {
        // Off without waiting for the walk.
        s.queue.disable();
        s.run_to(s.wheel.now() + 50);
        by_register(s, each);
      }
      s.run_to(s.wheel.now() + 60);
      ASSERT_EQ(s.unit.statistics().invalidations, 1U);
      EXPECT_TRUE(s.forwards.empty()) << "the walk is still under way";
      s.settle();
      EXPECT_EQ(s.unit.statistics().poisoned, concerns ? 1U : 0U);
      ASSERT_EQ(s.forwards.size(), 1U);
      EXPECT_EQ(s.forwards[0].address, concerns ? frame(103) : frame(3));
      EXPECT_EQ(s.read(device, page(3)).address, concerns ? frame(103) : frame(3)) << "as it was kept";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(by, overtaken, testing::Bool(),
                         [](const auto& how) { return std::string(how.param ? "queue" : "registers"); });

TEST(overtaken_nothing, each_order_takes_from_the_caches_what_it_names_and_no_more) {
  // A third device whose source-id and domain-id are what an order leaves at 0.
  const spec::source_id zero{0};
  for (const bool queued : {false, true}) {
    for (const order& each : orders()) {
      SCOPED_TRACE(each.name + (queued ? ", queue" : ", register"));
      scene s;
      s.tables.attach(zero, 0);
      s.tables.map(zero, page(3), frame(3));
      for (const spec::source_id device : {nic, disk, zero})
        EXPECT_EQ(s.read(device, page(3)).address, frame(3));
      s.read(nic, page(4));
      if (queued) {
        s.queue.run(each.what);
      } else {
        s.queue.disable();
        s.settle();
        by_register(s, each);
        s.settle();
      }
      const auto& contexts = s.caches().contexts();
      const auto has_context = [&](spec::source_id who) {
        return contexts.peek(remap::context_tag{who}) != nullptr;
      };
      const auto has_page = [&](std::uint16_t of, std::uint64_t n) {
        return s.caches().peek_page(of, page(n)) != nullptr;
      };
      const bool all = each.name.ends_with("global");
      EXPECT_EQ(has_context(nic), !each.of_contexts || !each.nic_walk);
      EXPECT_EQ(has_context(disk), !each.of_contexts || !each.disk_walk);
      EXPECT_EQ(has_context(zero), !each.of_contexts || !all);
      EXPECT_EQ(has_page(domain, 3), each.of_contexts || !each.nic_walk);
      EXPECT_EQ(has_page(other_domain, 3), each.of_contexts || !each.disk_walk);
      EXPECT_EQ(has_page(0, 3), each.of_contexts || !all);
      const bool one_page = each.name.starts_with("the page");
      EXPECT_EQ(has_page(domain, 4), each.of_contexts || !each.nic_walk || one_page);
    }
  }
}

// VT-d 6.8: with RWBF the write buffer is drained first, and the order takes so much longer.
TEST(overtaken_nothing, an_order_takes_its_time_and_that_of_the_write_buffer) {
  for (const bool buffer : {false, true}) {
    for (const order& each : orders()) {
      auto caps = small_part();
      caps.cap.set_rwbf(buffer);
      auto config = config_of(caps);
      config.timing.context_invalidation = 40;
      config.timing.iotlb_invalidation_global = 50;
      config.timing.iotlb_invalidation_domain = 60;
      config.timing.iotlb_invalidation_page = 70;
      unit_world s(config);
      const auto busy = [&] {
        return each.of_contexts ? reg::ccmd::icc::get(s.read_register<reg::ccmd>()) != 0
                                : reg::iotlb::ivt::get(s.read_register<reg::iotlb>()) != 0;
      };
      std::uint64_t cycles = 40;
      if (each.of_contexts) {
        const spec::context_cache_descriptor d(each.what);
        s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) |
                                    reg::ccmd::cirg::of(static_cast<std::uint64_t>(d.granularity())));
      } else {
        const spec::iotlb_descriptor d(each.what);
        cycles = d.granularity() == iotlb::global ? 50 : d.granularity() == iotlb::domain ? 60 : 70;
        s.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) |
                                     reg::iotlb::iirg::of(static_cast<std::uint64_t>(d.granularity())));
      }
      cycles += buffer ? 10 : 0;
      s.run_to(s.wheel.now() + cycles);
      EXPECT_TRUE(busy()) << each.name;
      s.run_to(s.wheel.now() + 1);
      EXPECT_FALSE(busy()) << each.name;
      EXPECT_EQ(s.drains.size(), buffer ? 1U : 0U) << each.name;
    }
  }
}

} // namespace
} // namespace vtd::test::queue_tests
