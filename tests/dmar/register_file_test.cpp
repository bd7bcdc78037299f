// SPDX-License-Identifier: Apache-2.0
// Every register by its declaration: reset, access kinds, presence (VT-d 10.4).

#include "vtd/dmar/register_file.h"

#include "support/parts.h"

#include <gtest/gtest.h>

#include <string>

namespace vtd::dmar {
namespace {

namespace reg = spec::reg;

void write(register_file& file, std::uint32_t offset, unsigned bits, std::uint64_t value) {
  file.write_dword(offset, static_cast<std::uint32_t>(value));
  if (bits == 64) file.write_dword(offset + 4, static_cast<std::uint32_t>(value >> 32));
}

bool is_identity_register(const spec::register_layout& layout) {
  return layout.offset <= reg::ecap_reg::offset && layout.base == spec::register_base::block;
}

class register_file_of : public testing::TestWithParam<bool> {
protected:
  remap::capabilities caps = GetParam() ? test::wide_part() : test::small_part();
  register_file file{caps};
};

TEST_P(register_file_of, a_part_holds_its_reset_values_after_power_on) {
  file.for_each([](const spec::register_layout& layout, unsigned, std::uint32_t, std::uint64_t value) {
    if (is_identity_register(layout)) return;
    EXPECT_EQ(value, layout.reset() & layout.readable()) << layout.name;
  });
  EXPECT_EQ(file.read<reg::cap_reg>(), caps.cap.value);
  EXPECT_EQ(file.read<reg::ecap_reg>(), caps.ecap.value);
  EXPECT_EQ(file.read<reg::version>(), 0x10U);
  EXPECT_EQ(file.read<reg::fectl>(), reg::fectl::im::of(1));
}

TEST_P(register_file_of, a_part_lets_software_change_writable_bits_and_no_others) {
  file.for_each(
      [this](const spec::register_layout& layout, unsigned, std::uint32_t offset, std::uint64_t before) {
        write(file, offset, layout.size_bits, ~std::uint64_t{0});
        const std::uint64_t after = file.read_bytes(offset, layout.size_bits / 8);
        EXPECT_EQ(after & ~layout.writable(), before & ~layout.writable() & ~layout.write_one_to_clear())
            << layout.name;
        write(file, offset, layout.size_bits, 0);
        EXPECT_EQ(file.read_bytes(offset, layout.size_bits / 8) & layout.writable(), 0U) << layout.name;
      });
}

TEST_P(register_file_of, a_part_reads_zero_where_no_register_is) {
  std::vector<bool> known(file.size() / 4);
  file.for_each([&](const spec::register_layout& layout, unsigned, std::uint32_t offset, std::uint64_t) {
    for (unsigned half = 0; half < layout.size_bits / 32; ++half)
      known[offset / 4 + half] = true;
  });
  for (std::uint32_t at = 0; at < file.size(); at += 4) {
    if (known[at / 4]) continue;
    file.write_dword(at, ~0U);
    EXPECT_EQ(file.read_bytes(at, 4), 0U) << "offset " << at;
  }
}

INSTANTIATE_TEST_SUITE_P(small_and_wide, register_file_of, testing::Bool(),
                         [](const auto& part) { return std::string(part.param ? "wide" : "small"); });

TEST(register_file, write_only_registers_read_zero) {
  register_file file(test::small_part());
  file.write_dword(reg::gcmd::offset, ~0U);
  EXPECT_EQ(file.read_bytes(reg::gcmd::offset, 4), 0U);
  EXPECT_NE(file.read<reg::gcmd>(), 0U) << "hardware sees what was ordered";
}

TEST(register_file, a_one_clears_a_fault_bit_and_a_zero_keeps_it) {
  register_file file(test::small_part());
  file.store<reg::fsts>(reg::fsts::pfo::of(1) | reg::fsts::ppf::of(1));
  file.write_dword(reg::fsts::offset, 0);
  EXPECT_EQ(reg::fsts::pfo::get(file.read<reg::fsts>()), 1U);
  file.write_dword(reg::fsts::offset, ~0U);
  EXPECT_EQ(reg::fsts::pfo::get(file.read<reg::fsts>()), 0U);
  EXPECT_EQ(reg::fsts::ppf::get(file.read<reg::fsts>()), 1U) << "PPF is hardware's alone";
}

TEST(register_file, a_warm_reset_keeps_sticky_fields_and_power_on_does_not) {
  register_file file(test::small_part());
  file.store<reg::fsts>(reg::fsts::pfo::of(1));
  file.store<reg::frcd_hi>(reg::frcd_hi::f::of(1) | reg::frcd_hi::sid::of(0x100));
  file.store<reg::rtaddr>(0x1000);
  file.reset(false);
  EXPECT_EQ(file.read<reg::fsts>(), reg::fsts::pfo::of(1));
  EXPECT_EQ(reg::frcd_hi::sid::get(file.read<reg::frcd_hi>()), 0x100U);
  EXPECT_EQ(file.read<reg::rtaddr>(), 0U);
  file.reset(true);
  EXPECT_EQ(file.read<reg::fsts>(), 0U);
  EXPECT_EQ(file.read<reg::frcd_hi>(), 0U);
}

TEST(register_file, only_aligned_accesses_of_4_or_8_bytes_are_legal) {
  register_file file(test::small_part());
  EXPECT_TRUE(file.is_legal(reg::version::offset, 4));
  EXPECT_TRUE(file.is_legal(reg::cap_reg::offset, 8));
  for (const unsigned bytes : {1U, 2U, 16U})
    EXPECT_FALSE(file.is_legal(0, bytes));
  EXPECT_FALSE(file.is_legal(2, 4));
  EXPECT_FALSE(file.is_legal(4, 8));
  EXPECT_FALSE(file.is_legal(file.size(), 4));
  EXPECT_EQ(file.read_bytes(2, 4), 0U);
}

TEST(register_file, registers_without_their_capability_are_not_there) {
  remap::capabilities caps = test::small_part();
  caps.cap.set_plmr(false);
  register_file file(caps);
  EXPECT_FALSE(file.has<reg::plmbase>());
  EXPECT_TRUE(file.has<reg::phmbase>());
  EXPECT_FALSE(file.has<reg::iqa>());
  file.write_dword(reg::plmbase::offset, ~0U);
  EXPECT_EQ(file.read_bytes(reg::plmbase::offset, 4), 0U);
}

TEST(register_file, the_granularity_of_protected_regions_shows_when_ones_are_written) {
  register_file file(test::small_part());
  write(file, reg::phmbase::offset, 64, ~std::uint64_t{0});
  EXPECT_EQ(file.read<reg::phmbase>(),
            spec::low_bits(36) & ~spec::low_bits(register_file::protected_region_shift));
}

TEST(register_file, the_root_table_lies_below_the_host_address_width_and_has_no_type_in_legacy_parts) {
  register_file file(test::small_part());
  write(file, reg::rtaddr::offset, 64, ~std::uint64_t{0});
  EXPECT_EQ(file.read<reg::rtaddr>(), spec::page_base(spec::low_bits(36)));
  remap::capabilities scalable = test::small_part();
  scalable.ecap.set_smts(true);
  register_file later(scalable);
  write(later, reg::rtaddr::offset, 64, ~std::uint64_t{0});
  EXPECT_EQ(later.read<reg::rtaddr>(), spec::page_base(spec::low_bits(36)) | reg::rtaddr::ttm::mask);
}

TEST(register_file, domain_ids_beyond_nd_cannot_be_named) {
  register_file file(test::small_part());
  write(file, file.offset_of<reg::ccmd>(), 64, reg::ccmd::did::of(0xffff));
  EXPECT_EQ(reg::ccmd::did::get(file.read<reg::ccmd>()), 0xfU);
  write(file, file.offset_of<reg::iotlb>(), 64, reg::iotlb::did::of(0xffff));
  EXPECT_EQ(reg::iotlb::did::get(file.read<reg::iotlb>()), 0xfU);
}

TEST(register_file, fault_records_stand_where_cap_says_one_after_the_other) {
  register_file file(test::wide_part());
  EXPECT_EQ(file.offset_of<reg::frcd_hi>(0), 0x208U);
  EXPECT_EQ(file.offset_of<reg::frcd_hi>(7), 0x278U);
  EXPECT_TRUE(file.is<reg::frcd_hi>(0x27c));
  EXPECT_FALSE(file.is<reg::frcd_hi>(0x270)) << "the low half of a record";
  EXPECT_FALSE(file.is<reg::frcd_hi>(0x288)) << "behind the last record";
}

} // namespace
} // namespace vtd::dmar
