// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/access.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace vtd::spec {
namespace {

constexpr access all_kinds[] = {access::ro,    access::ro_v,  access::ros_v, access::rw,
                                access::rw_v,  access::rw_sc, access::wo,    access::rw1c,
                                access::rw1cs, access::rsvdz, access::rsvdp};

struct kind_case {
  access kind;
  std::string_view name;
  bool writable;
  bool write_one_to_clear;
  bool sticky;
  bool readable;
};

TEST(access, says_of_each_kind_who_may_do_what) {
  constexpr kind_case cases[] = {
      {access::ro, "RO", false, false, false, true},
      {access::ro_v, "RO-V", false, false, false, true},
      {access::ros_v, "ROS-V", false, false, true, true},
      {access::rw, "RW", true, false, false, true},
      {access::rw_v, "RW-V", true, false, false, true},
      {access::rw_sc, "RW-SC", true, false, false, true},
      {access::wo, "WO", true, false, false, false},
      {access::rw1c, "RW1C", false, true, false, true},
      {access::rw1cs, "RW1CS", false, true, true, true},
      {access::rsvdz, "RsvdZ", false, false, false, false},
      {access::rsvdp, "RsvdP", false, false, false, false},
  };
  static_assert(std::size(cases) == std::size(all_kinds));
  for (const kind_case& c : cases) {
    EXPECT_EQ(to_string(c.kind), c.name);
    EXPECT_EQ(is_writable(c.kind), c.writable) << c.name;
    EXPECT_EQ(is_write_one_to_clear(c.kind), c.write_one_to_clear) << c.name;
    EXPECT_EQ(is_sticky(c.kind), c.sticky) << c.name;
    EXPECT_EQ(is_readable(c.kind), c.readable) << c.name;
  }
}

TEST(access, of_an_unknown_kind_is_printed_as_a_question_mark) {
  EXPECT_EQ(to_string(static_cast<access>(99)), "?");
}

TEST(field, reads_and_writes_its_bits_and_no_others) {
  using f = field<11, 4, std::uint32_t>;
  EXPECT_EQ(f::width, 8U);
  EXPECT_EQ(f::max, 0xffU);
  EXPECT_EQ(f::mask, 0xff0U);
  EXPECT_EQ(f::get(0xabcdefU), 0xdeU);
  EXPECT_EQ(f::set(0xabcdefU, 0x12), 0xabc12fU);
  EXPECT_EQ(f::set(0, 0xfff), 0xff0U) << "what does not fit is dropped";
  EXPECT_EQ(f::of(0x12), 0x120U);
  EXPECT_EQ((field<63, 0>::mask), ~std::uint64_t{0});
  EXPECT_EQ((field<63, 63>::of(1)), std::uint64_t{1} << 63);
}

TEST(low_bits, counts_up_to_the_whole_word) {
  EXPECT_EQ(low_bits(0), 0U);
  EXPECT_EQ(low_bits(1), 1U);
  EXPECT_EQ(low_bits(63), ~std::uint64_t{0} >> 1);
  EXPECT_EQ(low_bits(64), ~std::uint64_t{0});
  EXPECT_EQ(low_bits(65), ~std::uint64_t{0});
}

/// A register that exists nowhere, with a field of every sort.
struct sample : register_at<0x40, std::uint32_t, register_base::iotlb> {
  using status = bits<"STATUS", 0, 0, access::rw1cs, "kept">;
  using mode = bits<"MODE", 5, 4, access::rw, "set by software", rev_3_0, 2>;
  using order = bits<"ORDER", 8, 8, access::wo, "read as 0">;
  using record = bits<"RECORD", 15, 12, access::ros_v, "kept, too">;
  using state = bits<"STATE", 31, 31, access::ro_v, "of hardware", rev_1_0, 1>;
  static constexpr field_row rows[] = {status::row, mode::row, order::row, record::row, state::row};
  static constexpr bool with_both(std::uint64_t cap_value, std::uint64_t ecap_value) {
    return cap_value == 1 && ecap_value == 2;
  }
  static constexpr register_layout layout{"SAMPLE_REG", "Sample", offset,    base,    size_bits,
                                          "1.2.3",      rows,     with_both, rev_2_0, access::rsvdp};
};

TEST(register_at, gives_the_place_and_the_size) {
  static_assert(std::is_same_v<sample::word, std::uint32_t>);
  EXPECT_EQ(sample::offset, 0x40U);
  EXPECT_EQ(sample::base, register_base::iotlb);
  EXPECT_EQ(sample::size_bits, 32U);
  EXPECT_EQ((register_at<8, std::uint64_t>::size_bits), 64U);
  EXPECT_EQ((register_at<8, std::uint64_t>::base), register_base::block);
}

TEST(register_field, is_a_field_that_knows_its_row) {
  EXPECT_EQ(sample::mode::get(0x30), 3U);
  EXPECT_EQ(sample::mode::row.name, "MODE");
  EXPECT_EQ(sample::mode::row.msb, 5U);
  EXPECT_EQ(sample::mode::row.lsb, 4U);
  EXPECT_EQ(sample::mode::row.kind, access::rw);
  EXPECT_EQ(sample::mode::kind, access::rw);
  EXPECT_EQ(sample::mode::row.reset, 2U);
  EXPECT_EQ(sample::mode::row.since, rev_3_0);
  EXPECT_EQ(sample::mode::row.text, "set by software");
  EXPECT_EQ(sample::mode::row.mask(), sample::mode::mask);
  using plain = register_field<"TES", 31, 31, access::ro_v, std::uint32_t>;
  EXPECT_EQ(plain::row.reset, 0U);
  EXPECT_EQ(plain::row.since, rev_1_0);
  EXPECT_EQ(plain::row.text, "");
}

TEST(register_layout, sums_its_fields_up_to_masks) {
  constexpr const register_layout& layout = sample::layout;
  EXPECT_EQ(layout.writable(), 0x130U);
  EXPECT_EQ(layout.write_one_to_clear(), 0x1U);
  EXPECT_EQ(layout.sticky(), 0xf001U);
  EXPECT_EQ(layout.readable(), 0x8000f031U);
  EXPECT_EQ(layout.reset(), 0x80000020U);
}

TEST(register_layout, reserves_what_no_field_of_the_revision_has) {
  EXPECT_EQ(sample::layout.reserved(), 0x7fff0eceU);
  EXPECT_EQ(sample::layout.reserved(rev_3_0), 0x7fff0eceU);
  EXPECT_EQ(sample::layout.reserved(rev_2_0), 0x7fff0efeU) << "MODE comes with revision 3.0";
}

TEST(register_layout, tells_the_access_to_every_bit) {
  EXPECT_EQ(sample::layout.kind_at(0), access::rw1cs);
  EXPECT_EQ(sample::layout.kind_at(1), access::rsvdp);
  EXPECT_EQ(sample::layout.kind_at(3), access::rsvdp);
  EXPECT_EQ(sample::layout.kind_at(4), access::rw);
  EXPECT_EQ(sample::layout.kind_at(5), access::rw);
  EXPECT_EQ(sample::layout.kind_at(6), access::rsvdp);
  EXPECT_EQ(sample::layout.kind_at(31), access::ro_v);
}

TEST(register_layout, exists_by_capabilities_and_by_revision) {
  EXPECT_TRUE(sample::layout.exists(1, 2));
  EXPECT_FALSE(sample::layout.exists(2, 1));
  EXPECT_TRUE(sample::layout.exists_in(rev_2_0, 1, 2));
  EXPECT_TRUE(sample::layout.exists_in(rev_3_0, 1, 2));
  EXPECT_FALSE(sample::layout.exists_in(rev_1_1, 1, 2));
  EXPECT_FALSE(sample::layout.exists_in(rev_2_0, 0, 2));
}

TEST(spec_revision, is_major_and_minor_in_order) {
  constexpr std::pair<spec_revision, int> all[] = {
      {rev_1_0, 0x10}, {rev_1_1, 0x11}, {rev_2_0, 0x20}, {rev_2_2, 0x22}, {rev_2_4, 0x24}, {rev_2_5, 0x25},
      {rev_3_0, 0x30}, {rev_3_3, 0x33}, {rev_4_0, 0x40}, {rev_4_1, 0x41}, {rev_5_0, 0x50}};
  for (const auto& [revision, value] : all) {
    EXPECT_EQ(revision, value);
    EXPECT_LE(revision, newest_revision);
  }
}

} // namespace
} // namespace vtd::spec
