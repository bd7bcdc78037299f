// SPDX-License-Identifier: Apache-2.0
// Requests that are no plain reads or writes: interrupt messages, ATS, requests across pages (VT-d 3.13, 4).

#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using dmar::completion;
using way = dmar::pipeline::passage::way;
using remap::access_kind;
using remap::address_type;
namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t unmapped = 0x51234000;

remap::capabilities part_with_device_tlb() {
  remap::capabilities caps = wide_part();
  caps.ecap.set_dt(true);
  return caps;
}

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = part_with_device_tlb(), bool on = true)
      : unit_world(caps) {
    tables.attach(nic, 3, 3,
                  caps.ecap.dt() ? spec::translation_type::with_device_tlb
                                 : spec::translation_type::untranslated_only);
    tables.map(nic, iova, frame);
    tables.attach(disk, 4);
    tables.map(disk, iova, frame);
    if (on) enable();
  }
  bool forward(const dmar::forwarded& piece) override {
    message = piece.interrupt;
    return unit_world::forward(piece);
  }
  /// Was the piece that left last for an interrupt?
  bool message = false;
  /// The same request by both ways: how it ended cycle by cycle, after it was seen that the other way agrees.
  completion ask(const dmar::request& what) {
    const auto probed = unit.probe(what, memory);
    const auto before = unit.statistics();
    const std::size_t answered = answers.size();
    const auto at_once = unit.pass(what, memory, now_ps());
    const auto between = unit.statistics();
    unit.offer(0, what, now_ps());
    settle();
    const auto after = unit.statistics();
    const completion how = responses.back().how;
    const bool passes = at_once.leads != way::blocked && at_once.leads != way::aborted;
    EXPECT_EQ(passes, how == completion::done);
    EXPECT_EQ(at_once.leads == way::aborted, how == completion::aborted);
    if (at_once.leads != way::interrupt) {
      EXPECT_EQ(probed.has_value(), at_once.leads == way::memory);
    }
    if (what.access.type == address_type::translation_request) {
      const auto foreseen = unit.probe_translation(what, memory);
      EXPECT_EQ(foreseen.has_value(), at_once.leads == way::answered);
      EXPECT_EQ(answers.size(), answered + (how == completion::done ? 1U : 0U));
      if (foreseen && !answers.empty()) {
        EXPECT_EQ(foreseen->value, at_once.address);
        EXPECT_EQ(foreseen->value, answers.back().address);
      }
    }
    EXPECT_EQ(after.interrupts - between.interrupts, between.interrupts - before.interrupts);
    EXPECT_EQ(after.faults - between.faults, between.faults - before.faults);
    EXPECT_EQ(after.blocked_unlogged - between.blocked_unlogged,
              between.blocked_unlogged - before.blocked_unlogged);
    return how;
  }
  static dmar::request request(access_kind kind, std::uint64_t address, std::uint32_t length = 4,
                               address_type type = address_type::untranslated, spec::source_id source = nic) {
    dmar::request what;
    what.access = {source, kind, type, address};
    what.length = length;
    what.is_dword_write = kind == access_kind::write && length == 4;
    return what;
  }
  completion question(std::uint64_t address, spec::source_id source = nic) {
    return ask(request(access_kind::read, address, 8, address_type::translation_request, source));
  }
};

// --- Interrupt messages

TEST(request_kinds, a_write_of_one_aligned_dword_to_the_interrupt_range_is_a_message) {
  for (const bool on : {false, true}) {
    for (const std::uint64_t address : {spec::interrupt_range_first, spec::interrupt_range_last - 3}) {
      scene s(part_with_device_tlb(), on);
      EXPECT_EQ(s.ask(scene::request(access_kind::write, address)), completion::done);
      EXPECT_EQ(s.unit.statistics().interrupts, 2U);
      EXPECT_EQ(s.forwards.back().address, address);
      EXPECT_TRUE(s.message);
      EXPECT_EQ(s.ask(scene::request(access_kind::write, iova)), completion::done);
      EXPECT_FALSE(s.message) << "in the slot of the one before";
    }
  }
}

TEST(request_kinds, nothing_else_goes_to_the_interrupt_range) {
  for (const bool on : {false, true}) {
    scene s(part_with_device_tlb(), on);
    const std::uint64_t range = spec::interrupt_range_first;
    EXPECT_EQ(s.ask(scene::request(access_kind::write, range, 8)), completion::blocked);
    EXPECT_EQ(s.ask(scene::request(access_kind::write, range, 2)), completion::blocked);
    EXPECT_EQ(s.ask(scene::request(access_kind::read, range)), completion::blocked);
    EXPECT_EQ(s.ask(scene::request(access_kind::zero_length_read, range)), completion::blocked);
    for (const unsigned misaligned : {1U, 2U, 3U})
      EXPECT_EQ(s.ask(scene::request(access_kind::write, range + misaligned)), completion::blocked);
    dmar::request partly = scene::request(access_kind::write, range);
    partly.is_dword_write = false;
    EXPECT_EQ(s.ask(partly), completion::blocked) << "not all bytes are enabled";
    EXPECT_EQ(s.unit.statistics().interrupts, 0U);
    EXPECT_EQ(s.unit.statistics().blocked_unlogged, 16U);
    EXPECT_TRUE(s.forwards.empty() && s.faults.empty());
  }
}

TEST(request_kinds, a_dword_that_runs_into_the_interrupt_range_is_no_message) {
  scene s(small_part(), false);
  dmar::request across = scene::request(access_kind::write, spec::interrupt_range_first - 2);
  s.unit.offer(0, across, s.now_ps());
  s.settle();
  EXPECT_EQ(s.responses.back().how, completion::blocked);
  EXPECT_EQ(s.unit.statistics().interrupts, 0U);
  ASSERT_EQ(s.forwards.size(), 1U) << "the two bytes before it are memory";
  EXPECT_EQ(s.forwards[0].address, spec::interrupt_range_first - 2);
  // The second piece alone, as the loosely-timed way asks.
  across.access.address = spec::interrupt_range_first;
  across.length = 2;
  EXPECT_EQ(s.ask(across), completion::blocked);
}

// --- ATS

TEST(request_kinds, with_translation_off_only_untranslated_requests_pass) {
  scene s(part_with_device_tlb(), false);
  for (const auto type : {address_type::translation_request, address_type::translated})
    EXPECT_EQ(s.ask(scene::request(access_kind::read, 0x1000, 8, type)), completion::blocked);
  EXPECT_TRUE(s.forwards.empty() && s.faults.empty() && s.table_reads.empty());
  EXPECT_EQ(s.ask(scene::request(access_kind::read, 0x1000, 8)), completion::done);
}

TEST(request_kinds, a_translation_request_never_reaches_memory) {
  scene s;
  const std::uint64_t range = iova + 0x1000;
  const std::uint64_t beyond = std::uint64_t{1} << 39;
  s.tables.map(nic, range, spec::interrupt_range_first);
  for (const std::uint64_t address : {iova, unmapped, range, beyond, spec::interrupt_range_first}) {
    EXPECT_EQ(s.question(address), completion::done);
    EXPECT_EQ(s.question(address), completion::done) << "nor with all in the caches";
  }
  EXPECT_TRUE(s.forwards.empty());
  EXPECT_TRUE(s.faults.empty()) << "what is wrong with an address is an answer, not a fault";
  EXPECT_EQ(s.read_register<reg::fsts>(), 0U);
}

TEST(request_kinds, a_translation_request_that_the_context_blocks_is_a_fault) {
  scene s;
  EXPECT_EQ(s.question(iova, disk), completion::blocked);
  ASSERT_EQ(s.faults.size(), 2U) << "one by each way";
  EXPECT_EQ(s.faults[0].condition, spec::fault_condition::lct_5);
  EXPECT_EQ(reg::frcd_hi::at::get(s.read_register<reg::frcd_hi>()),
            static_cast<std::uint64_t>(address_type::translation_request));
}

TEST(request_kinds, a_translated_request_goes_where_it_says_or_is_a_fault) {
  scene s;
  EXPECT_EQ(s.ask(scene::request(access_kind::read, 0x12345678, 8, address_type::translated)),
            completion::done);
  EXPECT_EQ(s.forwards.back().address, 0x12345678U);
  EXPECT_EQ(s.ask(scene::request(access_kind::write, iova, 8, address_type::translated, disk)),
            completion::blocked);
  EXPECT_EQ(reg::frcd_hi::at::get(s.read_register<reg::frcd_hi>()),
            static_cast<std::uint64_t>(address_type::translated));
  EXPECT_EQ(s.forwards.size(), 1U);
}

TEST(request_kinds, a_part_without_device_tlbs_records_no_address_type) {
  for (const bool logs : {false, true}) {
    remap::capabilities caps = wide_part();
    caps.cap.set_afl(logs);
    scene s(caps);
    constexpr std::uint64_t log = 0xa00000;
    if (logs) {
      s.write_register<reg::aflog>(log);
      s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::sfl::mask);
      s.settle();
      s.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::eafl::mask);
      s.settle();
    }
    EXPECT_EQ(s.ask(scene::request(access_kind::write, iova, 8, address_type::translated)),
              completion::blocked);
    EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_5);
    const std::uint64_t recorded = logs ? s.memory.load(log + 8) : s.read_register<reg::frcd_hi>();
    EXPECT_NE(reg::frcd_hi::fr::get(recorded), 0U);
    EXPECT_EQ(reg::frcd_hi::at::get(recorded), 0U);
  }
}

// --- Counts

TEST(request_kinds, each_page_of_a_request_is_counted_as_a_look_up_of_its_own) {
  scene s;
  s.tables.map(nic, iova + spec::page_size, frame + 0x5000);
  const std::uint64_t across = iova + spec::page_size - 32;
  s.dma(nic, access_kind::read, across, 64);
  EXPECT_EQ(s.unit.statistics().context_misses, 1U);
  EXPECT_EQ(s.unit.statistics().context_hits, 1U);
  EXPECT_EQ(s.unit.statistics().iotlb_misses, 2U);
  EXPECT_EQ(s.unit.statistics().requests, 1U);
  EXPECT_EQ(s.unit.statistics().replays, 0U);
  s.unit.clear_statistics();
  s.dma(nic, access_kind::read, across, 64);
  EXPECT_EQ(s.unit.statistics().context_hits, 2U);
  EXPECT_EQ(s.unit.statistics().iotlb_hits, 2U);
}

TEST(request_kinds, the_cycles_at_the_port_are_counted) {
  auto config = config_of(small_part());
  config.timing.requests = 1;
  unit_world s(config);
  s.offer(1, nic, access_kind::read, 0x1000);
  s.run_to(s.wheel.now() + 1);
  const engine::cycle t = s.wheel.now();
  s.offer(2, nic, access_kind::read, 0x1000);
  s.settle();
  EXPECT_EQ(s.unit.statistics().admission_wait_cycles, unit_world::find(s.admissions, 2).at - (t + 1));
  EXPECT_GT(s.unit.statistics().admission_wait_cycles, 40U);
}

} // namespace
} // namespace vtd::test
