// SPDX-License-Identifier: Apache-2.0
// Rules that go by the version of a part (VER_REG, VT-d 10.4.1) over random parts of versions 1 to 7, and the
// coherence of walks (ECAP.C, VT-d 10.4.3), which takes a platform to be seen.

#include "conformance/random_part.h"
#include "support/platform_world.h"
#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;

TEST(capability_bits, ver_says_whether_an_invalidation_drains_unasked) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const unsigned version = w.caps().major_version();
    EXPECT_EQ(w.read_register<reg::version>(), version << 4);
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova);
    for (const bool write : {false, true}) {
      decltype(w.unit.enter(write)) entered{};
      if (w.how == way::at_once) {
        entered = w.unit.enter(write);
      } else {
        w.hold_answers = true;
        w.held.clear();
        w.offer(write ? 2 : 1, nic, write ? access_kind::write : access_kind::read, iova);
        w.settle();
      }
      w.order<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1));
      EXPECT_EQ(reg::iotlb::ivt::get(w.read_register<reg::iotlb>()), version >= 2 ? 1U : 0U)
          << "write: " << write;
      if (w.how == way::at_once) {
        w.unit.leave(entered, w.now_ps());
      } else {
        for (const unsigned slot : w.held)
          w.unit.answered(slot, true, w.now_ps());
        w.hold_answers = false;
      }
      w.settle();
      EXPECT_EQ(reg::iotlb::ivt::get(w.read_register<reg::iotlb>()), 0U);
    }
    return version;
  });
}

// Those of version 1 may or may not (VT-d 10.4.16): by configuration.
TEST(capability_bits, ver_says_whether_protected_regions_stop_translated_requests) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const unsigned version = w.caps().major_version();
        const std::uint64_t region = std::uint64_t{1} << w.unit.config().protected_region_shift;
        const std::uint64_t iova = w.some_page();
        const std::uint64_t inside = 5 * region;
        w.tables.attach(nic, random_world::domain, w.levels());
        w.tables.map(nic, iova, inside);
        w.tables.map(nic, iova + spec::page_size, inside + region);
        w.order<reg::plmbase>(static_cast<std::uint32_t>(inside));
        w.order<reg::plmlimit>(static_cast<std::uint32_t>(inside));
        w.order<reg::pmen>(reg::pmen::epm::of(1));
        w.enable();
        EXPECT_EQ(w.ask_read(nic, iova).allowed, version < 2);
        EXPECT_EQ(w.ask_read(nic, iova + spec::page_size), w.to(inside + region)) << "behind it";
        EXPECT_TRUE(w.faults.empty());
        return version;
      },
      [](remap::capabilities& caps) { caps.cap.set_plmr(true); });
}

TEST(capability_bits, ver_says_whether_the_cause_of_a_queue_error_is_told) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        constexpr std::uint64_t invalid_type = 3;
        const unsigned version = w.caps().major_version();
        queue_driver queue(w);
        queue.enable();
        queue.run(spec::invalidation_descriptor{});
        EXPECT_TRUE(queue.failed());
        EXPECT_EQ(w.read_at(reg::iqercd::offset, 8), version >= 3 ? invalid_type : 0U);
        return version;
      },
      [](remap::capabilities& caps) { caps.ecap.set_qi(true); });
}

// Since version 6 the queue alone invalidates (VT-d 10.4.7, 10.4.8).
TEST(capability_bits, ver_says_whether_registers_can_invalidate) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const bool can = w.caps().major_version() < 6;
        const std::uint64_t iova = w.some_page();
        cache_two_pages(w, iova, iova + spec::page_size);
        w.invalidate_iotlb_domain(random_world::domain);
        w.settle();
        EXPECT_EQ(reg::iotlb::iaig::get(w.read_register<reg::iotlb>()), can ? 2U : 0U);
        EXPECT_EQ(reg::iotlb::ivt::get(w.read_register<reg::iotlb>()), 0U);
        EXPECT_EQ(w.ask_read(nic, iova), w.to(can ? random_world::other_frame : random_world::frame));
        w.invalidate_contexts_global();
        w.settle();
        EXPECT_EQ(reg::ccmd::caig::get(w.read_register<reg::ccmd>()), can ? 1U : 0U);
        EXPECT_EQ(reg::ccmd::icc::get(w.read_register<reg::ccmd>()), 0U);
        return can;
      },
      [](remap::capabilities& caps) { caps.version += 0x30; });
}

// A leaf that the CPU has stored and not flushed.
TEST(capability_bits, c_says_whether_walks_see_the_cpu_s_cache) {
  constexpr std::uint64_t parts = 12;
  std::vector<std::unique_ptr<platform_world>> worlds;
  for (std::uint64_t seed = 1; seed <= parts; ++seed) {
    std::mt19937_64 random(seed);
    remap::capabilities caps = random_part(random);
    caps.cap.set_cm(false);
    dmar::unit_config config = config_of(caps);
    config.caches.pml5 = config.caches.pml4;
    worlds.push_back(std::make_unique<platform_world>(config, ("part" + std::to_string(seed)).c_str()));
  }
  bool seen[2] = {false, false};
  worlds.front()->run([&] {
    for (std::uint64_t at = 0; at < parts; ++at) {
      platform_world& w = *worlds[at];
      SCOPED_TRACE("seed " + std::to_string(at + 1));
      const bool coherent = w.unit.hardware().config().caps.ecap.c();
      seen[coherent ? 1 : 0] = true;
      constexpr std::uint64_t frame = 0x9000000;
      constexpr std::uint64_t iova = 0x1000000;
      const unsigned levels =
          spec::levels_of_agaw(static_cast<unsigned>(w.unit.hardware().config().caps.cap.largest_agaw()));
      w.tables.attach(nic, random_world::domain, levels);
      // The tables above the leaves are in memory.
      for (std::uint64_t n = 0; n < 2; ++n) {
        w.tables.map(nic, iova + n * spec::page_size, frame);
        w.tables.unmap(nic, iova + n * spec::page_size);
      }
      w.enable();
      constexpr auto read = tlm::TLM_READ_COMMAND;
      const std::vector<unsigned char> eight(8);
      for (std::uint64_t n = 0; n < 2; ++n) {
        const std::uint64_t address = iova + n * spec::page_size;
        const std::uint64_t leaf = w.tables.entry_of(nic, address, 1, false);
        spec::second_level_entry entry;
        entry.set_read(true).set_address(frame);
        w.path.cpu_store(leaf, entry.value);
        const auto ask = [&] {
          const auto told = n == 0 ? w.loosely(read, address, eight) : w.accurately(read, address, eight);
          return told.status == tlm::TLM_OK_RESPONSE;
        };
        EXPECT_EQ(ask(), coherent) << "page " << n;
        w.path.clflush(leaf);
        w.path.drain();
        EXPECT_TRUE(ask()) << "page " << n << ", flushed";
      }
    }
  });
  EXPECT_TRUE(seen[0] && seen[1]) << "all parts were the same";
}

} // namespace
} // namespace vtd::test
