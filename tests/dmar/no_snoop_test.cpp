// SPDX-License-Identifier: Apache-2.0
// The No Snoop attribute of requests and the snoop bit of pages (VT-d 9.8, SNP; 10.4.3, SC).

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace vtd::test {
namespace {

using remap::access_kind;
using remap::address_type;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t other_iova = iova + spec::page_size;
constexpr std::uint64_t frame = 0x7000000;

remap::capabilities part(bool snoop_control) {
  remap::capabilities caps = wide_part();
  caps.ecap.set_sc(snoop_control).set_dt(true);
  return caps;
}

struct scene : unit_world {
  explicit scene(bool snoop_control, spec::translation_type type = spec::translation_type::untranslated_only)
      : unit_world(part(snoop_control)) {
    tables.attach(nic, 3, 3, type);
    if (type == spec::translation_type::pass_through) return;
    tables.map(nic, iova, frame);
    tables.map(nic, other_iova, frame + 0x10000);
  }
  void force_snooping(std::uint64_t page) {
    const std::uint64_t leaf = tables.entry_of(nic, page, 1, false);
    memory.store(leaf, spec::second_level_entry{memory.load(leaf)}.set_snoop(true).value);
  }
  [[nodiscard]] static dmar::request request(std::uint64_t address, bool no_snoop,
                                             address_type type = address_type::untranslated,
                                             std::uint32_t length = 64) {
    dmar::request out;
    out.access = {nic, access_kind::read, type, address};
    out.length = length;
    out.no_snoop = no_snoop;
    return out;
  }
  /// The attribute with which a request goes to memory, on both ways, as a miss and as a hit (the hot one
  /// last).
  [[nodiscard]] bool leaves_unsnooped(std::uint64_t address, bool no_snoop,
                                      address_type type = address_type::untranslated) {
    std::optional<bool> seen;
    for (unsigned turn = 0; turn < 6; ++turn) {
      const dmar::request what = request(address, no_snoop, type);
      if (turn == 2) {
        invalidate_iotlb_global();
        settle();
      }
      bool now = false;
      if (turn < 2) {
        pieces.clear();
        EXPECT_TRUE(unit.offer(0, what, now_ps()));
        settle();
        EXPECT_EQ(pieces.size(), 1U);
        if (pieces.empty()) return false;
        now = pieces[0].no_snoop;
        EXPECT_EQ(pieces[0].whole, now == no_snoop) << "as it came only if nothing of it has changed";
      } else {
        const auto way = unit.pass(what, memory, now_ps());
        EXPECT_EQ(way.leads, dmar::pipeline::passage::way::memory);
        now = way.no_snoop;
      }
      EXPECT_EQ(seen.value_or(now), now) << "turn " << turn;
      seen = now;
    }
    return *seen;
  }
  bool forward(const dmar::forwarded& piece) override {
    pieces.push_back(piece);
    return unit_world::forward(piece);
  }
  std::vector<dmar::forwarded> pieces;
};

TEST(no_snoop, counts_but_where_a_page_forces_snooping) {
  scene s(true);
  s.force_snooping(other_iova);
  s.enable();
  EXPECT_TRUE(s.leaves_unsnooped(iova, true));
  EXPECT_FALSE(s.leaves_unsnooped(other_iova, true));
  EXPECT_FALSE(s.leaves_unsnooped(iova, false));
  EXPECT_FALSE(s.leaves_unsnooped(other_iova, false));
}

TEST(no_snoop, counts_without_snoop_control) {
  scene s(false);
  s.enable();
  EXPECT_TRUE(s.leaves_unsnooped(iova, true));
  EXPECT_FALSE(s.leaves_unsnooped(iova, false));
}

TEST(no_snoop, counts_for_what_no_page_translates) {
  scene off(true);
  EXPECT_TRUE(off.leaves_unsnooped(iova, true));
  scene passing(true, spec::translation_type::pass_through);
  passing.enable();
  EXPECT_TRUE(passing.leaves_unsnooped(iova, true));
  scene translated(true, spec::translation_type::with_device_tlb);
  translated.force_snooping(iova);
  translated.enable();
  EXPECT_TRUE(translated.leaves_unsnooped(frame, true, address_type::translated))
      << "the device has been told whether it may";
}

TEST(no_snoop, stays_with_an_interrupt_message) {
  scene s(true);
  s.enable();
  dmar::request what = scene::request(spec::interrupt_range_first, true, address_type::untranslated, 4);
  what.access.kind = access_kind::write;
  what.is_dword_write = true;
  ASSERT_TRUE(s.unit.offer(0, what, s.now_ps()));
  s.settle();
  ASSERT_EQ(s.pieces.size(), 1U);
  EXPECT_TRUE(s.pieces[0].interrupt);
  EXPECT_TRUE(s.pieces[0].no_snoop);
  EXPECT_TRUE(s.unit.pass(what, s.memory, s.now_ps()).no_snoop);
}

TEST(no_snoop, is_decided_for_each_piece_of_a_request) {
  scene s(true);
  s.force_snooping(other_iova);
  s.enable();
  ASSERT_TRUE(
      s.unit.offer(0, scene::request(other_iova - 32, true, address_type::untranslated, 64), s.now_ps()));
  s.settle();
  ASSERT_EQ(s.pieces.size(), 2U);
  EXPECT_TRUE(s.pieces[0].no_snoop);
  EXPECT_FALSE(s.pieces[1].no_snoop);
}

} // namespace
} // namespace vtd::test
