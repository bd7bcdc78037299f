// SPDX-License-Identifier: Apache-2.0
// Several observers of one unit.

#include "vtd/dmar/observer_list.h"

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <string>

namespace vtd::test {
namespace {

// Writes its name for each request, walk and command that it is told of.
struct named_observer final : dmar::unit_observer {
  named_observer(std::string& into, char letter) : diary(into), name(letter) {}
  void on_request(const dmar::request_event& event) override {
    if (event.step == dmar::request_step::admitted) diary += name;
  }
  void on_walk(const dmar::walk_event& event) override {
    if (event.step == dmar::walk_step::ended) diary += name;
  }
  void on_fault_recorded(const dmar::fault_report& /*report*/) override { diary += name; }
  std::string& diary;
  char name;
};

TEST(observer_list, tells_all_in_the_order_in_which_they_came_and_nobody_who_left) {
  constexpr std::uint64_t address = 0x40000000;
  unit_world s(small_part());
  s.tables.attach(nic, 3);
  s.tables.map(nic, address, 0x7000000);
  s.enable();
  std::string diary;
  named_observer first(diary, 'a');
  named_observer second(diary, 'b');
  {
    dmar::observer_list both(s.unit);
    s.dma(nic, remap::access_kind::read, address);
    EXPECT_EQ(diary, "");
    both.add(first);
    both.add(second);
    s.dma(nic, remap::access_kind::read, address);
    EXPECT_EQ(diary, "ab") << "admitted; a hit walks not";
    diary.clear();
    s.dma(nic, remap::access_kind::read, address + spec::page_size);
    EXPECT_EQ(diary, "ababab") << "admitted, walked, blocked";
    diary.clear();
    both.remove(first);
    s.dma(nic, remap::access_kind::read, address);
    EXPECT_EQ(diary, "b");
    both.remove(second);
    s.dma(nic, remap::access_kind::read, address);
    EXPECT_EQ(diary, "b");
    both.add(first);
  }
  s.dma(nic, remap::access_kind::read, address);
  EXPECT_EQ(diary, "b") << "the list is gone, and with it the observer";
}

} // namespace
} // namespace vtd::test
