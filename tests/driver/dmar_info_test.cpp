// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/dmar_info.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace vtd::driver {
namespace {

TEST(dmar_info, every_warning_has_a_name_of_its_own_in_small_letters_and_dashes) {
  std::set<std::string> names;
  constexpr auto last = static_cast<unsigned>(dmar_warning_kind::region_over_interrupts);
  for (unsigned i = 0; i <= last; ++i) {
    const std::string name(warning_name(static_cast<dmar_warning_kind>(i)));
    EXPECT_TRUE(std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; })) << name;
    EXPECT_NE(name, "unknown");
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(warning_name(static_cast<dmar_warning_kind>(last + 1)), "unknown");
  EXPECT_EQ(warning_name(dmar_warning_kind::region_reversed), "region-reversed");
}

TEST(dmar_info, has_finds_a_warning_by_its_kind) {
  dmar_info info;
  EXPECT_FALSE(info.has(dmar_warning_kind::empty_scope));
  info.warnings.push_back({dmar_warning_kind::empty_scope, "DRHD at 48: covers nothing"});
  EXPECT_TRUE(info.has(dmar_warning_kind::empty_scope));
  EXPECT_FALSE(info.has(dmar_warning_kind::no_units));
}

TEST(dmar_info, the_flags_of_the_header_are_told_apart) {
  dmar_info info;
  EXPECT_FALSE(info.interrupt_remapping() || info.x2apic_opt_out() || info.dma_opt_in());
  info.flags = 1;
  EXPECT_TRUE(info.interrupt_remapping() && !info.x2apic_opt_out() && !info.dma_opt_in());
  info.flags = 2;
  EXPECT_TRUE(!info.interrupt_remapping() && info.x2apic_opt_out() && !info.dma_opt_in());
  info.flags = 4;
  EXPECT_TRUE(!info.interrupt_remapping() && !info.x2apic_opt_out() && info.dma_opt_in());
}

} // namespace
} // namespace vtd::driver
