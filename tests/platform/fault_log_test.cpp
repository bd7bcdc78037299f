// SPDX-License-Identifier: Apache-2.0
// The advanced fault log on its way to memory.

#include "support/platform_world.h"
#include "support/unit_world.h"
#include "vtd/spec/fault_log.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;

TEST(platform_fault_log, stands_in_memory_and_meets_the_cpus_cache) {
  auto caps = wide_part();
  caps.cap.set_afl(true);
  caps.ecap.set_c(false);
  platform_world world(config_of(caps));
  // A chipset that does not snoop what is said to be coherent has nothing to say here, either.
  world.ram.never_snoop(0);
  world.tables.attach(nic, 3);
  constexpr std::uint64_t log = 0xa00000;
  world.run([&] {
    world.enable();
    // A record that software has not taken, in the CPU's cache alone.
    spec::fault_log_record taken;
    taken.set_reason(spec::fault_reason::no_read_permission);
    world.path.cpu_store(log + sizeof(taken.lo), taken.hi);
    world.write_register<reg::aflog>(log);
    world.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::sfl::mask);
    while (reg::gsts::fls::get(world.read_register<reg::gsts>()) == 0) {
    }
    world.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::eafl::mask);
    while (reg::gsts::afls::get(world.read_register<reg::gsts>()) == 0) {
    }
    world.accurately(tlm::TLM_READ_COMMAND, iova, std::vector<unsigned char>(8));
    world.unit.drain();
    EXPECT_EQ(world.read_register<reg::fsts>(), reg::fsts::afo::mask)
        << "the log sees the cache, though ECAP.C = 0";
    world.write_register<reg::fsts>(reg::fsts::afo::mask);
    world.path.cpu_store(log + sizeof(taken.lo), std::uint64_t{0});
    world.accurately(tlm::TLM_READ_COMMAND, iova + 0x5000, std::vector<unsigned char>(8));
    world.unit.drain();
    EXPECT_EQ(world.read_register<reg::fsts>(), reg::fsts::apf::mask);
    const spec::fault_log_record record{world.path.cpu_load<std::uint64_t>(log).value_or(0),
                                        world.path.cpu_load<std::uint64_t>(log + 8).value_or(0)};
    EXPECT_EQ(record.address(), iova + 0x5000);
    EXPECT_EQ(record.source(), nic);
    EXPECT_TRUE(record.read());
  });
}

} // namespace
} // namespace vtd::test
