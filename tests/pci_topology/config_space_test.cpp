// SPDX-License-Identifier: Apache-2.0
// Registers of a configuration space: widths, writable bits, bits that a 1 clears, reset values.

#include "vtd/pci_topology/config_space.h"

#include <gtest/gtest.h>

namespace vtd::pci_topology {
namespace {

TEST(config_space, what_was_never_defined_reads_zero_and_ignores_writes) {
  config_space space;
  space.write(0x40, 4, ~0U);
  EXPECT_EQ(space.read(0x40, 4), 0U);
  EXPECT_EQ(space.read(config_space::size - 4, 4), 0U);
}

TEST(config_space, a_write_changes_writable_bits_only) {
  config_space space;
  space.define(0x10, 4, 0x12345678, 0x0000ff00);
  space.write(0x10, 4, ~0U);
  EXPECT_EQ(space.read(0x10, 4), 0x1234ff78U);
  space.write(0x10, 4, 0);
  EXPECT_EQ(space.read(0x10, 4), 0x12340078U);
}

TEST(config_space, is_little_endian_at_every_width) {
  config_space space;
  space.define(0x10, 4, 0x44332211);
  EXPECT_EQ(space.read(0x10, 1), 0x11U);
  EXPECT_EQ(space.read(0x13, 1), 0x44U);
  EXPECT_EQ(space.read(0x12, 2), 0x4433U);
}

TEST(config_space, a_narrow_write_leaves_its_neighbours_alone) {
  config_space space;
  space.define(0x10, 4, 0, ~0U);
  space.write(0x11, 1, 0xab);
  EXPECT_EQ(space.read(0x10, 4), 0x0000ab00U);
  space.write(0x12, 2, 0xcdef);
  EXPECT_EQ(space.read(0x10, 4), 0xcdefab00U);
}

TEST(config_space, a_one_clears_where_ones_clear_and_a_zero_does_not) {
  config_space space;
  space.define(0x06, 2, 0, 0, 0xf900);
  space.store(0x06, 2, 0xf910);
  space.write(0x06, 2, 0);
  EXPECT_EQ(space.read(0x06, 2), 0xf910U);
  space.write(0x06, 2, 0x8110);
  EXPECT_EQ(space.read(0x06, 2), 0x7810U) << "bit 4 is none of those";
}

TEST(config_space, hardware_stores_what_software_cannot_write) {
  config_space space;
  space.define(0x10, 2, 0x0001);
  space.store(0x10, 2, 0xbeef);
  EXPECT_EQ(space.read(0x10, 2), 0xbeefU);
}

TEST(config_space, a_reset_brings_back_every_register) {
  config_space space;
  space.define(0x10, 4, 0x11, ~0U);
  space.define(0x106, 2, 0x22, 0, ~0U);
  space.write(0x10, 4, 0x99);
  space.write(0x106, 2, 0x22);
  ASSERT_EQ(space.read(0x106, 2), 0U);
  space.reset();
  EXPECT_EQ(space.read(0x10, 4), 0x11U);
  EXPECT_EQ(space.read(0x106, 2), 0x22U);
}

} // namespace
} // namespace vtd::pci_topology
