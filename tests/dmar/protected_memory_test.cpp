// SPDX-License-Identifier: Apache-2.0
// Protected memory regions to the byte (VT-d 10.4.16 to 10.4.20).

#include "vtd/dmar/protected_memory.h"

#include "support/parts.h"

#include <gtest/gtest.h>

namespace vtd::dmar {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t high = std::uint64_t{1} << 32;

struct bench {
  bench() {
    registers.store<reg::plmbase>(0x200000);
    registers.store<reg::plmlimit>(0x200000);
    registers.store<reg::phmbase>(high);
    registers.store<reg::phmlimit>(high + 0x200000);
  }
  register_file registers{test::small_part()};
  protected_memory regions{registers};
};

TEST(protected_memory, covers_each_byte_of_its_regions_and_no_other) {
  bench b;
  b.regions.latch(true);
  EXPECT_TRUE(b.regions.active());
  struct region {
    std::uint64_t first;
    std::uint64_t last;
  };
  for (const region each : {region{0x200000, 0x3fffff}, region{high, high + 0x3fffff}}) {
    for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}}) {
      EXPECT_TRUE(b.regions.touches(each.first, length)) << length;
      EXPECT_TRUE(b.regions.touches(each.last, length)) << length;
      EXPECT_FALSE(b.regions.touches(each.first - 1, length)) << length;
      EXPECT_FALSE(b.regions.touches(each.last + 1, length)) << length;
    }
    EXPECT_TRUE(b.regions.touches(each.first - 1, 2)) << "its last byte";
    EXPECT_TRUE(b.regions.touches(each.last, 100));
    EXPECT_TRUE(b.regions.touches(0, high + 1)) << "round it";
    EXPECT_FALSE(b.regions.touches(each.first - 64, 64));
  }
}

TEST(protected_memory, is_nothing_while_it_is_off_and_forgets_what_it_was) {
  bench b;
  EXPECT_FALSE(b.regions.active());
  EXPECT_FALSE(b.regions.touches(0x200000, 4));
  b.regions.latch(true);
  EXPECT_TRUE(b.regions.touches(0x200000, 4));
  b.regions.latch(false);
  EXPECT_FALSE(b.regions.active());
  EXPECT_FALSE(b.regions.touches(0x200000, 4));
  EXPECT_FALSE(b.regions.touches(high, 4));
}

TEST(protected_memory, with_the_limit_below_the_base_is_empty) {
  bench b;
  b.registers.store<reg::plmbase>(0x400000);
  b.regions.latch(true);
  EXPECT_FALSE(b.regions.touches(0x200000, 0x300000));
  EXPECT_TRUE(b.regions.touches(high, 4)) << "the other one";
}

TEST(protected_memory, has_only_the_regions_that_the_part_has) {
  for (const bool low_there : {false, true}) {
    remap::capabilities caps = test::small_part();
    caps.cap.set_plmr(low_there).set_phmr(!low_there);
    register_file registers(caps);
    // Whatever stands where the registers would be.
    registers.store<reg::plmbase>(0);
    registers.store<reg::plmlimit>(0);
    registers.store<reg::phmbase>(high);
    registers.store<reg::phmlimit>(high);
    protected_memory regions(registers);
    regions.latch(true);
    EXPECT_EQ(regions.touches(0, 4), low_there);
    EXPECT_EQ(regions.touches(high, 4), !low_there);
  }
}

} // namespace
} // namespace vtd::dmar
