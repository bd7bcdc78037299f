// SPDX-License-Identifier: Apache-2.0
// Every register by its declaration: reset, access kinds, presence (VT-d 10.4).

#include "vtd/dmar/register_file.h"

#include "support/parts.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

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
  void write_as_hardware(const spec::register_layout& layout, std::uint32_t offset, std::uint64_t value) {
    bool done = false;
    const auto store = [&]<class Register>(Register) {
      const std::uint32_t first = file.offset_of<Register>();
      if (layout.name != Register::layout.name) return;
      file.store<Register>(static_cast<typename Register::word>(value), (offset - first) / 16);
      done = true;
    };
    std::apply([&](auto... each) { (store(each), ...); },
               std::tuple<reg::gcmd, reg::gsts, reg::rtaddr, reg::ccmd, reg::fsts, reg::fectl, reg::fedata,
                          reg::feaddr, reg::feuaddr, reg::aflog, reg::pmen, reg::plmbase, reg::plmlimit,
                          reg::phmbase, reg::phmlimit, reg::iqh, reg::iqt, reg::iqa, reg::ics, reg::iectl,
                          reg::iedata, reg::ieaddr, reg::ieuaddr, reg::iqercd, reg::irta, reg::iva,
                          reg::iotlb, reg::frcd_lo, reg::frcd_hi>{});
    EXPECT_TRUE(done) << layout.name;
  }

  // Everything that a legacy part can have, or little.
  remap::capabilities caps = GetParam() ? everything() : test::small_part();
  register_file file{caps};

  static remap::capabilities everything() {
    remap::capabilities out = test::wide_part();
    out.version = 0x30;
    out.cap.set_afl(true).set_plmr(true).set_phmr(true);
    out.ecap.set_qi(true).set_dt(true).set_ir(true).set_eim(true);
    return out;
  }
};

TEST_P(register_file_of, a_part_holds_its_reset_values_after_power_on) {
  file.for_each([](const spec::register_layout& layout, unsigned, std::uint32_t, std::uint64_t value) {
    if (is_identity_register(layout)) return;
    EXPECT_EQ(value, layout.reset() & layout.readable()) << layout.name;
  });
  EXPECT_EQ(file.read<reg::cap_reg>(), caps.cap.value);
  EXPECT_EQ(file.read<reg::ecap_reg>(), caps.ecap.value);
  EXPECT_EQ(file.read<reg::version>(), caps.version);
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

// VT-d 10.4, each bit alone: from 0 and from 1 as hardware left it, with 0 and 1 written, and over both
// resets.
TEST_P(register_file_of, a_part_treats_each_bit_as_its_access_says) {
  const register_file& known = file;
  known.for_each([this](const spec::register_layout& layout, unsigned, std::uint32_t offset, std::uint64_t) {
    if (is_identity_register(layout)) return;
    const unsigned bytes = layout.size_bits / 8;
    write(file, offset, layout.size_bits, ~std::uint64_t{0});
    const std::uint64_t there = file.read_bytes(offset, bytes);
    file.reset(true);
    for (unsigned bit = 0; bit < layout.size_bits; ++bit) {
      const std::uint64_t mask = std::uint64_t{1} << bit;
      const spec::access kind = layout.kind_at(bit);
      if (!spec::is_readable(kind) || (spec::is_writable(kind) && (there & mask) == 0)) {
        // Reserved, written only, or taken away by a capability.
        for (const std::uint64_t value : {mask, ~std::uint64_t{0}, std::uint64_t{0}}) {
          write(file, offset, layout.size_bits, value);
          EXPECT_EQ(file.read_bytes(offset, bytes) & mask, 0U) << layout.name << " bit " << bit;
        }
        continue;
      }
      const auto put = [&](bool one) {
        const std::uint64_t reset = layout.reset() & ~mask;
        write_as_hardware(layout, offset, one ? reset | mask : reset);
      };
      for (const bool before : {false, true}) {
        for (const bool written : {false, true}) {
          put(before);
          write(file, offset, layout.size_bits, written ? mask : 0);
          const bool after = spec::is_writable(kind)             ? written
                             : spec::is_write_one_to_clear(kind) ? before && !written
                                                                 : before;
          EXPECT_EQ((file.read_bytes(offset, bytes) & mask) != 0, after)
              << layout.name << " bit " << bit << " from " << before << " with " << written;
        }
        for (const bool power_on : {false, true}) {
          put(before);
          file.reset(power_on);
          const bool kept = spec::is_sticky(kind) && !power_on;
          EXPECT_EQ((file.read_bytes(offset, bytes) & mask) != 0,
                    kept ? before : (layout.reset() & mask) != 0)
              << layout.name << " bit " << bit << " from " << before << (power_on ? ", cold" : ", warm");
        }
      }
      file.reset(true);
    }
  });
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

// VT-d 10.4.17 to 10.4.20: all four registers, as software probes them.
TEST(register_file, the_granularity_of_protected_regions_shows_when_ones_are_written) {
  const std::uint64_t ones = ~std::uint64_t{0};
  const auto probe = [&](register_file& file, std::uint64_t expected) {
    write(file, reg::plmbase::offset, 32, ones);
    write(file, reg::plmlimit::offset, 32, ones);
    write(file, reg::phmbase::offset, 64, ones);
    write(file, reg::phmlimit::offset, 64, ones);
    EXPECT_EQ(file.read_bytes(reg::plmbase::offset, 4), expected & 0xffffffff);
    EXPECT_EQ(file.read_bytes(reg::plmlimit::offset, 4), expected & 0xffffffff);
    EXPECT_EQ(file.read_bytes(reg::phmbase::offset, 8), expected);
    EXPECT_EQ(file.read_bytes(reg::phmlimit::offset, 8), expected);
  };
  for (unsigned shift = 12; shift <= 31; ++shift) {
    register_file file(test::small_part(), shift);
    probe(file, (std::uint64_t{1} << 36) - (std::uint64_t{1} << shift));
    EXPECT_EQ(file.below_protected_region(), (std::uint64_t{1} << shift) - 1);
  }
  register_file usual(test::small_part());
  probe(usual, 0xfffe00000);
}

TEST(register_file, the_fault_log_lies_below_the_host_address_width) {
  auto caps = test::small_part();
  caps.cap.set_afl(true);
  register_file file(caps);
  write(file, reg::aflog::offset, 64, ~std::uint64_t{0});
  EXPECT_EQ(file.read<reg::aflog>(), spec::page_base(spec::low_bits(36)) | reg::aflog::fls::mask);
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

TEST(register_file, a_part_with_either_mode_of_revision_3_has_its_registers) {
  for (const bool scalable : {false, true}) {
    for (const bool aborts : {false, true}) {
      auto caps = test::small_part();
      caps.ecap.set_qi(true).set_smts(scalable).set_adms(aborts);
      EXPECT_EQ(register_file(caps).has<reg::iqercd>(), scalable || aborts) << scalable << aborts;
    }
  }
}

TEST(register_file, the_interrupt_table_lies_within_the_hosts_addresses_and_eime_is_there_with_eim) {
  for (const bool extended : {false, true}) {
    auto caps = test::small_part();
    caps.ecap.set_qi(true).set_ir(true).set_eim(extended);
    register_file file(caps);
    write(file, reg::irta::offset, 64, ~std::uint64_t{0});
    const std::uint64_t there = file.read_bytes(reg::irta::offset, 8);
    EXPECT_EQ(there >> caps.host_address_width, 0U);
    EXPECT_EQ((there & reg::irta::eime::mask) != 0, extended);
    EXPECT_EQ(there & reg::irta::s::mask, reg::irta::s::mask);
    EXPECT_NE(there & spec::page_size, 0U);
  }
}

TEST(register_file, the_last_bytes_of_the_block_may_hold_a_register) {
  auto caps = test::small_part();
  caps.cap.set_fro(0xff);
  register_file file(caps);
  ASSERT_EQ(file.size(), spec::page_size);
  const std::uint32_t last = file.offset_of<reg::frcd_hi>();
  ASSERT_EQ(last + 8, file.size());
  file.store<reg::frcd_hi>(reg::frcd_hi::f::of(1) | 0x1234);
  EXPECT_EQ(file.read_bytes(last, 8), reg::frcd_hi::f::of(1) | 0x1234);
  EXPECT_NE(file.read_bytes(last + 4, 4), 0U);
  EXPECT_EQ(file.read_bytes(last + 4, 8), 0U) << "half of it lies outside";
}

} // namespace
} // namespace vtd::dmar
