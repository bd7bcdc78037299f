// SPDX-License-Identifier: Apache-2.0
// Translation requests of devices (PCIe ATS, VT-d 4.1): what they are answered, by every way in.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <optional>

namespace vtd::test {
namespace {

using dmar::completion;
using remap::access_kind;
using remap::address_type;
using spec::ats::translation;
using way = dmar::pipeline::passage::way;
namespace reg = spec::reg;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t two_mb = spec::level_size(2);
constexpr std::uint64_t one_gb = spec::level_size(3);

remap::capabilities part(bool snoop_control = false) {
  remap::capabilities caps = wide_part();
  caps.ecap.set_dt(true).set_sc(snoop_control);
  return caps;
}

/// An answer, or how the request was refused.
struct reply {
  std::optional<translation> word;
  completion how = completion::done;
};

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = part()) : unit_world(caps) {
    tables.attach(nic, 3, 3, spec::translation_type::with_device_tlb);
    enable();
  }
  static dmar::request question(std::uint64_t address, spec::source_id source = nic) {
    dmar::request what;
    what.access = {source, access_kind::read, address_type::translation_request, address};
    what.length = spec::ats::translation_bytes;
    return what;
  }
  /// Asked cycle by cycle, at once and without effect: all three agree.
  reply ask(const dmar::request& what) {
    const auto foreseen = unit.probe_translation(what, memory);
    const auto at_once = unit.pass(what, memory, now_ps());
    answers.clear();
    unit.offer(0, what, now_ps());
    settle();
    reply out{{}, responses.back().how};
    if (!answers.empty()) out.word = translation{answers.back().address};
    EXPECT_EQ(out.word.has_value(), out.how == completion::done);
    EXPECT_EQ(foreseen, out.word);
    EXPECT_EQ(at_once.leads == way::answered, out.how == completion::done);
    EXPECT_EQ(at_once.leads == way::aborted, out.how == completion::aborted);
    if (out.word) {
      EXPECT_EQ(at_once.address, out.word->value);
    }
    EXPECT_TRUE(forwards.empty()) << "it never reaches memory";
    return out;
  }
  translation answer_for(std::uint64_t address) {
    const reply out = ask(question(address));
    EXPECT_EQ(out.how, completion::done);
    return out.word.value_or(translation{});
  }
};

TEST(translation_requests, are_answered_with_the_page_and_its_rights) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.tables.map(nic, iova + 0x1000, frame + 0x5000, read_only);
  s.tables.map(nic, iova + 0x2000, frame + 0x9000, write_only);
  EXPECT_EQ(s.answer_for(iova), translation{}.set_read(true).set_write(true).set_pages(frame, 0));
  EXPECT_EQ(s.answer_for(iova + 0x1000), translation{}.set_read(true).set_pages(frame + 0x5000, 0));
  EXPECT_EQ(s.answer_for(iova + 0x2000), translation{}.set_write(true).set_pages(frame + 0x9000, 0));
  EXPECT_EQ(s.answer_for(iova + 0xff8), s.answer_for(iova)) << "the offset in the page does not count";
  EXPECT_GT(s.unit.statistics().translations, 0U);
}

TEST(translation_requests, tell_the_size_of_a_large_page) {
  scene s;
  s.tables.map(nic, iova, two_mb * 8, read_write, 2);
  s.tables.map(nic, iova + one_gb, one_gb * 5, read_write, 3);
  const translation large = s.answer_for(iova + 5 * spec::page_size);
  EXPECT_EQ(large.page_mask(), 9U);
  EXPECT_EQ(large.address(), two_mb * 8);
  const translation huge = s.answer_for(iova + one_gb + two_mb);
  EXPECT_EQ(huge.page_mask(), 18U);
  EXPECT_EQ(huge.address(), one_gb * 5);
}

TEST(translation_requests, get_a_piece_of_a_large_page_that_meets_the_interrupt_range) {
  scene s;
  const std::uint64_t around = spec::interrupt_range_first & ~(one_gb - 1);
  s.tables.map(nic, around, one_gb * 3, read_write, 3);
  const translation below = s.answer_for(around + 7 * spec::page_size);
  EXPECT_EQ(below.page_mask(), 0U) << "the page also covers addresses that are no memory";
  EXPECT_EQ(below.address(), one_gb * 3 + 7 * spec::page_size);
  // The same by its output.
  s.tables.map(nic, iova, around, read_write, 3);
  EXPECT_EQ(s.answer_for(iova).page_mask(), 0U);
}

TEST(translation_requests, for_interrupt_addresses_are_told_to_go_there_untranslated) {
  scene s;
  s.read(nic, iova);
  const auto reads = s.memory.reads.size();
  const translation told = s.answer_for(spec::interrupt_range_first + 0x1000);
  EXPECT_TRUE(told.untranslated_only() && told.write());
  EXPECT_FALSE(told.read());
  EXPECT_EQ(told.address(), spec::interrupt_range_first + 0x1000);
  EXPECT_EQ(s.memory.reads.size(), reads) << "the context is cached, and its tables are not asked";
}

TEST(translation_requests, get_no_rights_and_no_fault_for_what_is_wrong_with_the_address) {
  scene s;
  s.tables.map(nic, iova + 0x1000, spec::interrupt_range_first);
  const std::uint64_t absent = iova;
  const std::uint64_t beyond = std::uint64_t{1} << 39;
  const std::uint64_t into_interrupts = iova + 0x1000;
  for (const std::uint64_t address : {absent, beyond, into_interrupts})
    EXPECT_EQ(s.answer_for(address), translation{}) << std::hex << address;
  EXPECT_TRUE(s.faults.empty());
  EXPECT_EQ(s.read_register<reg::fsts>(), 0U);
  s.tables.map(nic, absent, frame);
  EXPECT_TRUE(s.answer_for(absent).granted()) << "nothing was kept of the page that was not there";
}

TEST(translation_requests, say_that_snooping_is_not_needed_only_where_the_unit_controls_it) {
  for (const bool controls : {false, true}) {
    scene s(part(controls));
    s.tables.map(nic, iova, frame);
    s.tables.map(nic, iova + 0x1000, frame);
    EXPECT_EQ(s.answer_for(iova).non_snooped(), controls);
    if (!controls) continue;
    const std::uint64_t leaf = s.tables.entry_of(nic, iova + 0x1000, 1, false);
    s.memory.store(leaf, spec::second_level_entry{s.memory.load(leaf)}.set_snoop(true).value);
    EXPECT_FALSE(s.answer_for(iova + 0x1000).non_snooped()) << "the page forces it";
  }
}

TEST(translation_requests, to_read_only_are_given_no_right_to_write_where_the_part_heeds_them) {
  for (const bool heeds : {false, true}) {
    remap::capabilities caps = part();
    caps.ecap.set_nwfs(heeds);
    scene s(caps);
    s.tables.map(nic, iova, frame);
    s.tables.map(nic, iova + 0x1000, frame + 0x5000, read_only);
    s.tables.map(nic, iova + 0x2000, frame + 0x9000, write_only);
    s.tables.map(nic, iova + one_gb, one_gb * 5, read_write, 3);
    const auto to_read = [&s](std::uint64_t address) {
      return s.answer_for(spec::ats::question{address}.set_no_write(true).value);
    };
    EXPECT_EQ(to_read(iova), translation{}.set_read(true).set_write(!heeds).set_pages(frame, 0));
    EXPECT_EQ(to_read(iova + 0x1000), s.answer_for(iova + 0x1000)) << "there was none to withhold";
    EXPECT_EQ(to_read(iova + 0x2000), heeds ? translation{} : s.answer_for(iova + 0x2000));
    EXPECT_EQ(to_read(iova + one_gb + two_mb),
              translation{}.set_read(true).set_write(!heeds).set_pages(one_gb * 5, 18));
    // The flag is no part of the address: the last translation of a page is asked for as the first.
    EXPECT_EQ(to_read(iova + 0xff8), to_read(iova));
    const std::uint64_t message = spec::interrupt_range_first;
    EXPECT_EQ(to_read(message), heeds ? translation{} : s.answer_for(message));
    // What was asked to read only is not kept so.
    EXPECT_TRUE(s.answer_for(iova).write());
    EXPECT_EQ(s.write(nic, iova).address, frame);
    EXPECT_TRUE(s.faults.empty());
  }
}

TEST(translation_requests, that_the_device_may_not_make_are_unsupported_and_a_fault) {
  scene s;
  s.tables.attach(disk, 4);
  s.tables.map(disk, iova, frame);
  EXPECT_EQ(s.ask(scene::question(iova, disk)).how, completion::blocked);
  ASSERT_FALSE(s.faults.empty());
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_5);
  EXPECT_EQ(s.faults.back().access.source, disk);
  // Pass-through, and no context at all.
  auto context = s.tables.context(disk);
  s.tables.set_context(disk, context.set_translation_type(spec::translation_type::pass_through));
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.ask(scene::question(iova, disk)).how, completion::blocked);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_5);
  s.tables.set_context(disk, {});
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.ask(scene::question(iova, disk)).how, completion::blocked);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_2);
}

TEST(translation_requests, are_aborted_with_a_fault_where_a_table_is_wrong_or_cannot_be_read) {
  scene s;
  s.tables.map(nic, iova, frame);
  const std::uint64_t leaf = s.tables.entry_of(nic, iova, 1, false);
  s.memory.store(leaf, s.memory.load(leaf) | std::uint64_t{1} << 50);
  EXPECT_EQ(s.ask(scene::question(iova)).how, completion::aborted);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lsl_2);
  s.memory.fail(leaf);
  EXPECT_EQ(s.ask(scene::question(iova)).how, completion::aborted);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lsl_1);
  EXPECT_EQ(reg::frcd_hi::at::get(s.read_register<reg::frcd_hi>()),
            static_cast<std::uint64_t>(address_type::translation_request));
}

TEST(translation_requests, are_unsupported_where_the_context_is_of_no_kind_that_the_part_has) {
  scene s;
  s.tables.map(nic, iova, frame);
  // A width that SAGAW does not name, and a top table that cannot be read: reason 03h both.
  auto context = s.tables.context(nic);
  s.tables.set_context(nic, spec::context_entry{context}.set_address_width(0));
  EXPECT_EQ(s.ask(scene::question(iova)).how, completion::blocked);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_4_1);
  s.tables.set_context(nic, context);
  s.memory.fail(s.tables.entry_of(nic, iova, 3, false));
  EXPECT_EQ(s.ask(scene::question(iova)).how, completion::blocked);
  EXPECT_EQ(s.faults.back().condition, spec::fault_condition::lct_4_3);
}

TEST(translation_requests, for_a_page_that_grants_nothing_leave_nothing_behind) {
  scene s;
  s.tables.map(nic, iova, frame, write_only);
  const std::uint64_t table = s.tables.entry_of(nic, iova, 2, false);
  spec::second_level_entry above{s.memory.load(table)};
  // The table grants R, the page W: together nothing.
  s.memory.store(table, above.set_write(false).value);
  EXPECT_EQ(s.answer_for(iova), translation{});
  EXPECT_EQ(s.unit.translator().caches().iotlb().occupancy(), 0U) << "CAP.CM = 0 (VT-d 6.1)";
}

TEST(translation_requests, of_a_shape_that_does_not_exist_are_unsupported) {
  scene s;
  s.tables.map(nic, iova, frame);
  dmar::request what = scene::question(iova);
  what.length = 16;
  EXPECT_EQ(s.ask(what).how, completion::blocked) << "one translation at a time";
  what = scene::question(iova);
  what.access.kind = access_kind::write;
  EXPECT_EQ(s.ask(what).how, completion::blocked);
  what.access.kind = access_kind::zero_length_read;
  EXPECT_EQ(s.ask(what).how, completion::blocked);
  EXPECT_TRUE(s.faults.empty());
}

TEST(translation_requests, share_iotlb_and_walks_with_other_requests) {
  scene s;
  s.tables.map(nic, iova, frame);
  EXPECT_TRUE(s.answer_for(iova).granted());
  const auto reads = s.table_reads.size();
  EXPECT_EQ(s.read(nic, iova).address, frame);
  EXPECT_EQ(s.table_reads.size(), reads) << "the page is in the IOTLB";
}

// --- Translated requests

TEST(translated_requests, go_where_they_say_with_the_contexts_consent_and_no_walk) {
  scene s;
  dmar::request what;
  what.access = {nic, access_kind::write, address_type::translated, frame + 0x40};
  what.length = 64;
  s.unit.offer(0, what, s.now_ps());
  s.settle();
  EXPECT_EQ(s.responses.back().how, completion::done);
  EXPECT_EQ(s.forwards.back().address, frame + 0x40);
  EXPECT_EQ(s.table_reads.size(), 2U) << "root and context entry";
  // To the interrupt range, or beyond the host's addresses, they do not go.
  for (const std::uint64_t address : {spec::interrupt_range_first, std::uint64_t{1} << 46}) {
    what.access.address = address;
    s.unit.offer(0, what, s.now_ps());
    s.settle();
    EXPECT_EQ(s.responses.back().how, completion::blocked);
  }
  EXPECT_EQ(s.faults.size(), 2U);
  EXPECT_EQ(s.forwards.size(), 1U);
}

} // namespace
} // namespace vtd::test
