// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/message.h"

#include <gtest/gtest.h>

namespace vtd::spec {
namespace {

TEST(msi_message, to_a_cpu_is_fixed_edge_triggered_and_physical) {
  constexpr auto message = msi_message::to_cpu(0x5a, 0xc3);
  EXPECT_EQ(message.address, 0xfee5a000U);
  EXPECT_EQ(message.data, 0xc3U);
  EXPECT_FALSE(message.is_remappable());
  EXPECT_EQ(message.destination(), 0x5a);
  EXPECT_EQ(message.vector(), 0xc3);
  EXPECT_EQ(message.mode(), delivery_mode::fixed);
  EXPECT_FALSE(message.redirection_hint());
  EXPECT_FALSE(message.logical_destination());
  EXPECT_FALSE(message.is_asserted());
  EXPECT_FALSE(message.is_level());
  EXPECT_TRUE(in_interrupt_range(message.address));
  EXPECT_EQ(msi_message::range_field::get(message.address), 0xfeeU);
}

// VT-d 5.1.2.1: every field alone, in its bits.
TEST(msi_message, reads_each_field_of_the_compatibility_format_from_its_bits) {
  EXPECT_EQ((msi_message{0xff000, 0}).destination(), 0xff);
  EXPECT_EQ((msi_message{~0xff000ULL, 0}).destination(), 0);
  EXPECT_TRUE((msi_message{1 << 3, 0}).redirection_hint());
  EXPECT_TRUE((msi_message{1 << 2, 0}).logical_destination());
  EXPECT_FALSE((msi_message{~(1ULL << 3), 0}).redirection_hint());
  EXPECT_FALSE((msi_message{~(1ULL << 2), 0}).logical_destination());
  EXPECT_EQ((msi_message{0, ~0xffU}).vector(), 0);
  EXPECT_EQ((msi_message{0, 7 << 8}).mode(), delivery_mode::ext_int);
  EXPECT_EQ((msi_message{0, ~(7U << 8)}).mode(), delivery_mode::fixed);
  EXPECT_TRUE((msi_message{0, 1 << 14}).is_asserted());
  EXPECT_FALSE((msi_message{0, ~(1U << 14)}).is_asserted());
  EXPECT_TRUE((msi_message{0, 1 << 15}).is_level());
  EXPECT_FALSE((msi_message{0, ~(1U << 15)}).is_level());
}

TEST(msi_message, knows_the_format_by_bit_4_of_the_address) {
  EXPECT_TRUE((msi_message{1 << 4, 0}).is_remappable());
  EXPECT_FALSE((msi_message{~(1ULL << 4), ~0U}).is_remappable());
}

TEST(delivery_mode, has_the_values_of_the_apic) {
  EXPECT_EQ(static_cast<int>(delivery_mode::fixed), 0);
  EXPECT_EQ(static_cast<int>(delivery_mode::lowest_priority), 1);
  EXPECT_EQ(static_cast<int>(delivery_mode::smi), 2);
  EXPECT_EQ(static_cast<int>(delivery_mode::nmi), 4);
  EXPECT_EQ(static_cast<int>(delivery_mode::init), 5);
  EXPECT_EQ(static_cast<int>(delivery_mode::ext_int), 7);
}

TEST(msi_message, has_no_bit_of_an_address_in_two_fields_of_a_format) {
  using m = msi_message;
  EXPECT_EQ(m::handle_low_field::mask | m::handle_high_field::mask | m::subhandle_valid_field::mask |
                m::interrupt_format_field::mask,
            0xffffcU);
  EXPECT_EQ(m::handle_high_field::mask, 1U << 2);
  EXPECT_EQ(m::handle_low_field::width, 15U);
  EXPECT_EQ(m::subhandle_field::mask, 0xffffU);
  EXPECT_EQ(m::destination_field::mask | m::interrupt_format_field::mask | m::redirection_hint_field::mask |
                m::destination_mode_field::mask,
            0xff01cU);
  EXPECT_EQ(m::vector_field::mask, 0xffU);
  EXPECT_EQ(m::delivery_mode_field::mask, 7U << 8);
  EXPECT_EQ(m::level_field::mask, 1U << 14);
  EXPECT_EQ(m::trigger_mode_field::mask, 1U << 15);
  EXPECT_EQ(m::destination_high_field::mask, 0xffffffULL << 40);
}

// VT-d 5.1.2.2: handle bits 14:0 in address bits 19:5, bit 15 in bit 2.
TEST(msi_message, spreads_a_handle_over_the_address) {
  EXPECT_EQ(msi_message::to_handle(0), (msi_message{0xfee00010, 0}));
  EXPECT_EQ(msi_message::to_handle(1), (msi_message{0xfee00030, 0}));
  EXPECT_EQ(msi_message::to_handle(0x7fff), (msi_message{0xfeeffff0, 0}));
  EXPECT_EQ(msi_message::to_handle(0x8000), (msi_message{0xfee00014, 0}));
  for (unsigned handle = 0; handle <= 0xffff; ++handle) {
    const auto message = msi_message::to_handle(static_cast<std::uint16_t>(handle));
    ASSERT_EQ(message.handle(), handle);
    ASSERT_EQ(message.index(), handle);
    ASSERT_TRUE(message.is_remappable());
    ASSERT_FALSE(message.subhandle_valid());
    ASSERT_TRUE(in_interrupt_range(message.address));
  }
}

TEST(msi_message, counts_the_subhandle_from_the_handle_when_it_is_valid) {
  constexpr auto message = msi_message::to_handle(0x40, 3);
  EXPECT_EQ(message, (msi_message{0xfee00818, 3}));
  EXPECT_TRUE(message.subhandle_valid());
  EXPECT_EQ(message.subhandle(), 3);
  EXPECT_EQ(message.index(), 0x43U);
  EXPECT_EQ(msi_message::to_handle(0xffff, 0xffff).index(), 0x1fffeU) << "does not wrap";
  auto without = msi_message::to_handle(0x40);
  without.data = 3;
  EXPECT_EQ(without.index(), 0x40U) << "without SHV the data is no part of the index";
}

TEST(msi_message, of_an_event_carries_destinations_of_32_bits) {
  constexpr auto message = msi_message::to_extended_cpu(0x12345678, 0x41);
  EXPECT_EQ(message, (msi_message{0x12345600fee78000, 0x41}));
  EXPECT_EQ(message.extended_destination(), 0x12345678U);
  EXPECT_EQ(message.destination(), 0x78);
  EXPECT_EQ(msi_message::to_extended_cpu(9, 0x41), msi_message::to_cpu(9, 0x41));
}

TEST(msi_message, is_what_the_event_registers_hold) {
  EXPECT_EQ(msi_message::from_registers(0xfee01000, 0, 0x31), msi_message::to_cpu(1, 0x31));
  EXPECT_EQ(msi_message::from_registers(0xfee78000, 0x12345600, 0x41),
            msi_message::to_extended_cpu(0x12345678, 0x41));
}

} // namespace
} // namespace vtd::spec
