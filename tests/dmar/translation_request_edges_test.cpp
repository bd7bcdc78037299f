// SPDX-License-Identifier: Apache-2.0
// Edges of translation requests: which of them there are, what counts as what, and what an observer is told.

#include "support/unit_world.h"
#include "vtd/dmar/observer.h"

#include <gtest/gtest.h>

#include <vector>

namespace vtd::test {
namespace {

using dmar::completion;
using remap::access_kind;
using remap::address_type;
using spec::ats::translation;
using way = dmar::pipeline::passage::way;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t one_gb = spec::level_size(3);

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = part()) : unit_world(caps) {
    tables.attach(nic, 3, 3, spec::translation_type::with_device_tlb);
    tables.map(nic, iova, frame);
    enable();
  }
  static remap::capabilities part() {
    remap::capabilities caps = wide_part();
    caps.ecap.set_dt(true);
    return caps;
  }
  static dmar::request question(std::uint64_t address) {
    dmar::request what;
    what.access = {nic, access_kind::read, address_type::translation_request, address};
    what.length = spec::ats::translation_bytes;
    return what;
  }
  completion ask(const dmar::request& what) {
    unit.offer(0, what, now_ps());
    settle();
    return responses.back().how;
  }
  translation answer_for(std::uint64_t address) {
    EXPECT_EQ(ask(question(address)), completion::done);
    return translation{answers.back().address};
  }
};

TEST(translation_request_edges, across_the_end_of_a_page_there_is_none) {
  scene s;
  s.tables.map(nic, iova + 0x1000, frame + 0x1000);
  EXPECT_EQ(s.ask(scene::question(iova + 0xff8)), completion::done) << "the last one inside";
  const dmar::request across = scene::question(iova + 0xffc);
  EXPECT_EQ(s.ask(across), completion::blocked);
  EXPECT_EQ(s.unit.probe_translation(across, s.memory), std::nullopt);
}

TEST(translation_request_edges, a_page_that_grants_nothing_is_answered_with_nothing) {
  scene s;
  s.tables.map(nic, iova, frame, write_only);
  const std::uint64_t above = s.tables.entry_of(nic, iova, 2, false);
  s.memory.store(above, spec::second_level_entry{s.memory.load(above)}.set_write(false).value);
  EXPECT_EQ(s.answer_for(iova), translation{}) << "its address is nobody's business";
}

TEST(translation_request_edges, a_page_with_one_right_is_kept) {
  for (const auto& right : {read_only, write_only}) {
    scene s;
    s.tables.map(nic, iova, frame, right);
    const translation first = s.answer_for(iova);
    EXPECT_NE(first.read(), first.write());
    const std::size_t reads = s.table_reads.size();
    EXPECT_EQ(s.answer_for(iova), first);
    EXPECT_EQ(s.table_reads.size(), reads);
  }
}

TEST(translation_request_edges, a_page_that_is_known_to_be_wrong_aborts_whether_the_context_is_known_or_not) {
  remap::capabilities caps = scene::part();
  caps.cap.set_cm(true);
  scene s(caps);
  const std::uint64_t leaf = s.tables.entry_of(nic, iova, 1, false);
  s.memory.store(leaf, s.memory.load(leaf) | std::uint64_t{1} << caps.host_address_width);
  EXPECT_EQ(s.read(nic, iova).how, completion::blocked);
  const std::size_t all = s.table_reads.size();
  EXPECT_EQ(s.ask(scene::question(iova)), completion::aborted);
  EXPECT_EQ(s.table_reads.size(), all) << "the page is kept";
  s.invalidate_contexts_global();
  s.settle();
  EXPECT_EQ(s.ask(scene::question(iova)), completion::aborted);
  EXPECT_EQ(s.table_reads.size(), all + 2) << "root and context alone";
}

TEST(translation_request_edges, a_large_page_over_the_interrupt_range_comes_in_pieces_wherever_it_leads) {
  scene s;
  const std::uint64_t around = spec::interrupt_range_first & ~(one_gb - 1);
  s.tables.map(nic, around, one_gb * 5, read_write, 3);
  const translation piece = s.answer_for(around + 7 * spec::page_size);
  EXPECT_EQ(piece.page_mask(), 0U);
  EXPECT_EQ(piece.address(), one_gb * 5 + 7 * spec::page_size);
  // One next to it comes whole.
  s.tables.map(nic, around - one_gb, one_gb * 6, read_write, 3);
  EXPECT_EQ(s.answer_for(around - spec::page_size).page_mask(), 18U);
}

TEST(translation_request_edges, answers_and_refusals_are_counted_by_both_ways) {
  scene s;
  dmar::request wrong = scene::question(iova);
  wrong.length = 16;
  EXPECT_EQ(s.ask(scene::question(iova)), completion::done);
  EXPECT_EQ(s.unit.statistics().translations, 1U);
  EXPECT_EQ(s.unit.pass(scene::question(iova), s.memory, s.now_ps()).leads, way::answered);
  EXPECT_EQ(s.unit.statistics().translations, 2U);
  EXPECT_EQ(s.unit.statistics().blocked_unlogged, 0U);
  EXPECT_EQ(s.ask(wrong), completion::blocked);
  EXPECT_EQ(s.unit.statistics().blocked_unlogged, 1U);
  EXPECT_EQ(s.unit.pass(wrong, s.memory, s.now_ps()).leads, way::blocked);
  EXPECT_EQ(s.unit.statistics().blocked_unlogged, 2U);
  EXPECT_EQ(s.unit.statistics().translations, 2U);
}

TEST(translation_request_edges, an_observer_is_told_the_answer_or_that_there_is_none) {
  struct listener final : dmar::unit_observer {
    void on_request(const dmar::request_event& e) override { requests.push_back(e); }
    void on_passage(const dmar::passage_event& e) override { passages.push_back(e); }
    std::vector<dmar::request_event> requests;
    std::vector<dmar::passage_event> passages;
  } heard;
  scene s;
  s.read(nic, iova);
  s.unit.set_observer(&heard);
  dmar::request wrong = scene::question(iova);
  wrong.length = 16;
  const translation answer = s.answer_for(iova);
  s.ask(wrong);
  const auto told = [&](dmar::request_step step) {
    std::vector<dmar::request_event> out;
    for (const dmar::request_event& e : heard.requests) {
      if (e.step == step) out.push_back(e);
    }
    return out;
  };
  const auto translated = told(dmar::request_step::translated);
  ASSERT_EQ(translated.size(), 1U);
  EXPECT_EQ(translated[0].host_address, answer.value);
  EXPECT_EQ(told(dmar::request_step::blocked).size(), 1U);
  EXPECT_TRUE(told(dmar::request_step::forwarded).empty());
  s.unit.pass(scene::question(iova), s.memory, s.now_ps());
  s.unit.pass(wrong, s.memory, s.now_ps());
  dmar::request plain = wrong;
  plain.access.type = address_type::untranslated;
  s.unit.pass(plain, s.memory, s.now_ps());
  ASSERT_EQ(heard.passages.size(), 3U);
  EXPECT_TRUE(heard.passages[0].answered && !heard.passages[0].blocked);
  EXPECT_EQ(heard.passages[0].host_address, answer.value);
  EXPECT_TRUE(!heard.passages[1].answered && heard.passages[1].blocked);
  EXPECT_TRUE(!heard.passages[2].answered && !heard.passages[2].blocked);
}

} // namespace
} // namespace vtd::test
