// SPDX-License-Identifier: Apache-2.0
// Edges of a unit that no other test comes to: who watches changes nothing, counts of the quick way, what a
// reset switches off, defaults.

#include "support/queue_driver.h"
#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::completion;
using remap::access_kind;
using way = dmar::pipeline::passage::way;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint16_t domain = 3;

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config = config_of(small_part())) : unit_world(config) {
    tables.attach(nic, domain);
    for (std::uint64_t n = 0; n < 8; ++n)
      tables.map(nic, iova + n * spec::page_size, frame + n * spec::page_size,
                 n == 7 ? read_only : read_write);
  }
  dmar::unit::passage pass(std::uint64_t address, access_kind kind = access_kind::read) {
    dmar::request piece;
    piece.access = {nic, kind, remap::address_type::untranslated, address};
    piece.length = 4;
    piece.is_dword_write = kind == access_kind::write;
    return unit.pass(piece, memory, now_ps());
  }
};

std::vector<std::uint64_t> numbers(const dmar::unit_statistics& s) {
  return {s.requests,      s.bytes,         s.bypassed, s.context_hits,     s.context_misses,
          s.iotlb_hits,    s.iotlb_misses,  s.walks,    s.walk_reads,       s.merged,
          s.replays,       s.poisoned,      s.faults,   s.blocked_unlogged, s.interrupts,
          s.invalidations, s.ignored_orders};
}

TEST(unit_edges, a_request_at_once_goes_and_counts_the_same_whether_somebody_watches_or_not) {
  struct nobody final : dmar::unit_observer {
  } watcher;
  scene alone;
  scene watched;
  watched.unit.set_observer(&watcher);
  std::mt19937_64 random(1);
  dmar::unit_statistics by_hand;
  for (unsigned step = 0; step < 400; ++step) {
    if (step == 20) {
      alone.enable();
      watched.enable();
    }
    const std::uint64_t which = random() % 12;
    const std::uint64_t address = which < 10 ? iova + which * spec::page_size : spec::interrupt_range_first;
    const auto kind = random() % 3 == 0 ? access_kind::write : access_kind::read;
    const std::size_t reads = alone.memory.reads.size();
    const auto one = alone.pass(address, kind);
    const auto other = watched.pass(address, kind);
    EXPECT_EQ(one.leads, other.leads) << step;
    EXPECT_EQ(one.address, other.address) << step;
    EXPECT_EQ(one.leaves, other.leaves) << step;
    EXPECT_EQ(one.read_tables, other.read_tables) << step;
    EXPECT_EQ(one.read_tables, alone.memory.reads.size() != reads) << step;
    ASSERT_EQ(numbers(alone.unit.statistics()), numbers(watched.unit.statistics())) << step;
    if (step < 20 && address == iova) ++by_hand.bypassed;
    alone.settle();
    watched.settle();
  }
  const auto got = alone.unit.statistics();
  EXPECT_GE(got.bypassed, by_hand.bypassed);
  EXPECT_EQ(got.iotlb_hits + got.iotlb_misses, got.context_hits + got.context_misses);
  EXPECT_EQ(got.walks, got.iotlb_misses);
  EXPECT_EQ(got.walk_reads, alone.memory.reads.size());
}

TEST(unit_edges, requests_with_translation_off_are_counted_by_both_ways) {
  scene s;
  EXPECT_EQ(s.pass(0x5000).leads, way::memory);
  EXPECT_EQ(s.read(nic, 0x6000).how, completion::done);
  EXPECT_EQ(s.unit.statistics().bypassed, 2U);
  EXPECT_EQ(s.unit.statistics().requests, 1U) << "those at once are counted by whoever passes them";
  s.unit.count_request(64);
  EXPECT_EQ(s.unit.statistics().requests, 2U);
  EXPECT_EQ(s.unit.statistics().bytes, 128U);
}

TEST(unit_edges, the_counts_of_the_caches_are_cleared_with_the_others) {
  scene s;
  s.enable();
  s.read(nic, iova);
  s.read(nic, iova);
  const auto& pages = s.unit.translator().caches().iotlb();
  EXPECT_EQ(pages.statistics().hits, 1U);
  EXPECT_EQ(pages.statistics().fills, 1U);
  s.unit.clear_statistics();
  EXPECT_EQ(pages.statistics().hits, 0U);
  EXPECT_EQ(pages.statistics().misses, 0U);
  EXPECT_EQ(pages.statistics().fills, 0U);
}

TEST(unit_edges, a_register_is_read_as_it_is_at_the_time_of_the_access) {
  scene s;
  s.write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
  // Nobody drives the wheel.
  const engine::picoseconds later = s.now_ps() + 500 * unit_world::period;
  EXPECT_EQ(s.unit.read_register(reg::gsts::offset, 4, later), reg::gsts::rtps::mask);
}

TEST(unit_edges, pieces_end_at_pages) {
  EXPECT_EQ(spec::page_piece(0x1000, 64), 64U);
  EXPECT_EQ(spec::page_piece(0x1000, 4096), 4096U);
  EXPECT_EQ(spec::page_piece(0x1000, 4097), 4096U);
  EXPECT_EQ(spec::page_piece(0x1fff, 4096), 1U);
  EXPECT_EQ(spec::page_piece(0x1001, 4096), 4095U);
  EXPECT_EQ(spec::page_piece(0x1001, 4095), 4095U);
}

TEST(unit_edges, a_reset_turns_translation_off_at_once_and_forgets_the_root_table) {
  for (const bool power_on : {false, true}) {
    scene s;
    s.enable();
    EXPECT_EQ(s.read(nic, iova).address, frame);
    s.unit.reset(power_on);
    EXPECT_FALSE(s.unit.translation_enabled());
    EXPECT_EQ(s.unit.root_table(), 0U);
    EXPECT_EQ(s.read(nic, iova).address, iova) << "as it came";
    EXPECT_EQ(s.pass(iova).address, iova);
  }
}

TEST(unit_edges, an_order_that_a_reset_caught_is_never_carried_out) {
  scene s;
  s.enable();
  s.invalidate_iotlb_global();
  s.invalidate_contexts_global();
  s.write_register<reg::pmen>(reg::pmen::epm::of(1));
  s.write_register<reg::gcmd>(reg::gcmd::te::of(1) | reg::gcmd::wbf::of(1) | reg::gcmd::srtp::of(1));
  s.run_to(s.wheel.now() + 2);
  s.unit.reset(true);
  s.enable();
  s.read(nic, iova);
  const std::uint64_t count = s.unit.statistics().invalidations;
  s.settle();
  EXPECT_EQ(s.unit.statistics().invalidations, count);
  EXPECT_EQ(s.read_register<reg::pmen>(), 0U);
  EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U);
  EXPECT_EQ(reg::ccmd::icc::get(s.read_register<reg::ccmd>()), 0U);
  s.read(nic, iova);
  EXPECT_EQ(s.unit.statistics().iotlb_hits, 1U) << "nothing was removed meanwhile";
}

TEST(unit_edges, faults_are_counted_as_recorded_or_lost) {
  scene s;
  s.enable();
  for (unsigned n = 1; n <= 3; ++n) {
    EXPECT_EQ(s.read(disk, iova).how, completion::blocked);
    EXPECT_EQ(s.unit.faults().recorded(), 1U);
    EXPECT_EQ(s.unit.faults().lost(), n - 1);
  }
}

TEST(unit_edges, a_fault_stays_pending_when_something_else_is_cleared) {
  for (const bool many : {false, true}) {
    auto caps = small_part();
    caps.cap.set_nfr(many ? 3 : 0);
    scene s(config_of(caps));
    s.enable();
    s.read(disk, iova);
    s.read(disk, iova);
    s.write_register<reg::fsts>(reg::fsts::pfo::of(1));
    EXPECT_EQ(reg::fsts::ppf::get(s.read_register<reg::fsts>()), 1U);
    s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1), 0);
    EXPECT_EQ(reg::fsts::ppf::get(s.read_register<reg::fsts>()), many ? 1U : 0U);
  }
}

// As it is set if nothing is said (docs/dmar.md, what is assumed).
TEST(unit_edges, a_context_stays_if_its_domain_is_not_named_unless_the_part_does_not_look) {
  for (const bool looks : {true, false}) {
    auto config = config_of(small_part());
    EXPECT_TRUE(config.context_domain_compared);
    if (!looks) config.context_domain_compared = false;
    scene s(config);
    s.enable();
    s.read(nic, iova);
    s.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) |
                                reg::ccmd::did::of(domain + 1) | reg::ccmd::sid::of(nic.value()));
    s.settle();
    EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), looks ? 1U : 0U);
  }
}

TEST(unit_edges, a_part_of_which_nothing_is_said_has_36_bits_of_host_addresses_as_the_first_ones) {
  EXPECT_EQ(remap::capabilities{}.host_address_width, 36U);
}

TEST(unit_edges, a_large_page_next_to_the_interrupt_range_is_granted_whole) {
  auto config = config_of(wide_part());
  unit_world s(config);
  constexpr std::uint64_t size = spec::level_size(2);
  constexpr std::uint64_t below = spec::interrupt_range_first - size;
  constexpr std::uint64_t above = spec::interrupt_range_first + size;
  s.tables.attach(nic, domain, 4);
  for (const std::uint64_t host : {below, above}) {
    s.tables.map(nic, host, host, read_write, 2);
    s.tables.map(nic, iova + (host == above ? size : 0), host, read_write, 2);
  }
  s.enable();
  for (const std::uint64_t address : {below, above, iova, iova + size}) {
    s.read(nic, address);
    const auto got = s.unit.direct({nic, access_kind::read, remap::address_type::untranslated, address});
    ASSERT_TRUE(got) << std::hex << address;
    EXPECT_EQ(got->first, address);
    EXPECT_EQ(got->last, address + size - 1);
  }
}

TEST(unit_edges, a_new_queue_address_sets_head_and_tail_to_nothing) {
  auto caps = small_part();
  caps.ecap.set_qi(true);
  unit_world s(caps);
  queue_driver queue(s);
  queue.enable();
  queue.run(all_pages(), all_contexts());
  EXPECT_EQ(s.read_register<reg::iqh>(), 32U);
  queue.disable();
  s.settle();
  EXPECT_EQ(s.read_register<reg::iqt>(), 32U);
  s.write_register<reg::iqa>(reg::iqa::address::of(0x800));
  EXPECT_EQ(s.read_register<reg::iqh>(), 0U);
  EXPECT_EQ(s.read_register<reg::iqt>(), 0U);
}

// A write of memory failed, or one of the device: told as such, and the slot is free again.
TEST(unit_edges, an_error_of_memory_ends_the_request_as_failed_after_any_of_its_pieces) {
  for (const unsigned failing : {0U, 1U, 2U}) {
    scene s;
    s.enable();
    s.hold_answers = true;
    s.offer(1, nic, access_kind::read, iova, 3 * 4096);
    for (unsigned piece = 0; piece <= failing; ++piece) {
      s.settle();
      ASSERT_EQ(s.held.size(), piece + 1);
      s.unit.answered(s.held.back(), piece != failing, s.now_ps());
    }
    s.settle();
    ASSERT_EQ(s.responses.size(), 1U);
    EXPECT_EQ(s.responses[0].how, completion::failed);
    EXPECT_EQ(s.forwards.size(), failing + 1U) << "nothing is sent behind an error";
    EXPECT_FALSE(s.unit.has_work_in_flight());
  }
}

TEST(unit_edges, a_new_root_table_empties_both_caches_where_the_part_does_so) {
  for (const bool empties : {false, true}) {
    auto caps = small_part();
    caps.cap.set_esrtps(empties);
    scene s(config_of(caps));
    s.enable();
    s.read(nic, iova);
    s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::srtp::mask);
    s.settle();
    EXPECT_EQ(s.unit.translator().caches().contexts().occupancy(), empties ? 0U : 1U);
    EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), empties ? 0U : 1U);
  }
}

// VT-d 10.4.4: TES goes off when what was translated has left, reads and writes.
TEST(unit_edges, translation_is_off_when_all_requests_of_before_have_ended) {
  for (const auto kind : {access_kind::read, access_kind::write}) {
    scene s;
    s.enable();
    s.hold_answers = true;
    s.offer(1, nic, kind, iova);
    s.settle();
    s.write_register<reg::gcmd>(0);
    s.settle();
    EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 1U);
    s.unit.answered(s.held.at(0), true, s.now_ps());
    s.settle();
    EXPECT_EQ(reg::gsts::tes::get(s.read_register<reg::gsts>()), 0U);
  }
}

TEST(unit_edges, fault_records_begin_again_at_the_first_when_translation_was_off) {
  for (const bool off : {false, true}) {
    auto caps = small_part();
    caps.cap.set_nfr(3);
    scene s(config_of(caps));
    s.enable();
    s.read(disk, iova);
    s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1), 0);
    if (off) {
      s.write_register<reg::gcmd>(0);
      s.settle();
      s.enable();
    }
    s.read(disk, iova);
    EXPECT_EQ(reg::fsts::fri::get(s.read_register<reg::fsts>()), off ? 0U : 1U);
    EXPECT_EQ(reg::frcd_hi::f::get(s.read_register<reg::frcd_hi>(off ? 0 : 1)), 1U);
  }
}

TEST(unit_edges, a_compressed_fault_counts_as_lost) {
  auto config = config_of(small_part());
  config.caps.cap.set_nfr(3);
  config.compress_faults = true;
  scene s(config);
  s.enable();
  s.read(disk, iova);
  s.read(disk, iova);
  EXPECT_EQ(s.unit.faults().recorded(), 1U);
  EXPECT_EQ(s.unit.faults().lost(), 1U);
}

TEST(unit_edges, a_fault_withdraws_no_direct_pointer) {
  scene s;
  s.enable();
  s.read(nic, iova);
  ASSERT_TRUE(s.unit.direct({nic, access_kind::read, remap::address_type::untranslated, iova}));
  s.withdrawn.clear();
  EXPECT_EQ(s.read(nic, iova + 64 * spec::page_size).how, completion::blocked);
  EXPECT_EQ(s.pass(iova + 65 * spec::page_size).leads, way::blocked);
  EXPECT_TRUE(s.withdrawn.empty());
}

} // namespace
} // namespace vtd::test
