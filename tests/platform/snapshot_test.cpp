// SPDX-License-Identifier: Apache-2.0
// Snapshots of a unit in a SystemC platform.

#include "support/platform_world.h"
#include "support/unit_world.h"
#include "vtd/dmar/snapshot.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;

TEST(platform_snapshot, a_second_unit_goes_on_where_the_first_one_was) {
  platform_world first(config_of(wide_part()), "first");
  platform_world second(config_of(wide_part()), "second");
  for (platform_world* world : {&first, &second}) {
    world->tables.attach(nic, 3);
    world->tables.map(nic, iova, frame);
  }
  first.run([&] {
    first.enable();
    second.write_tables();
    const auto miss = first.accurately(tlm::TLM_READ_COMMAND, iova, std::vector<unsigned char>(8));
    first.unit.drain();
    const auto saved = first.unit.save();
    second.unit.restore(saved);
    const auto hit = second.accurately(tlm::TLM_READ_COMMAND, iova, std::vector<unsigned char>(8));
    EXPECT_EQ(hit.status, tlm::TLM_OK_RESPONSE);
    EXPECT_LT(hit.latency, miss.latency) << "what the first one had cached";
    EXPECT_EQ(second.read_register<reg::gsts>(), first.read_register<reg::gsts>());
    EXPECT_EQ(second.unit.hardware().statistics().iotlb_hits, 1U);
  });
}

TEST(platform_snapshot, waits_for_what_is_under_way) {
  platform_world world(config_of(wide_part()));
  world.tables.attach(nic, 3);
  world.tables.map(nic, iova, frame);
  world.run([&] {
    world.enable();
    world.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
    EXPECT_THROW((void)world.unit.save(), dmar::snapshot_error);
    world.unit.drain();
    EXPECT_FALSE(world.unit.save().empty());
  });
}

} // namespace
} // namespace vtd::test
