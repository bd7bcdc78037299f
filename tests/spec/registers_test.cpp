// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::spec {
namespace {

struct expected_register {
  std::string_view name;
  register_base base;
  std::uint32_t offset;
  unsigned size_bits;
  std::string_view section;
  /// Name, bits and access of each field; what is missing is reserved.
  std::string_view fields;
};

// VT-d 10.4 in our own form, typed in apart from the declarations.
const std::vector<expected_register> expected{
    {"VER_REG", register_base::block, 0x0, 32, "10.4.1", "MIN 3:0 RO, MAX 7:4 RO"},
    {"CAP_REG", register_base::block, 0x8, 64, "10.4.2",
     "ND 2:0 RO, AFL 3 RO, RWBF 4 RO, PLMR 5 RO, PHMR 6 RO, CM 7 RO, SAGAW 12:8 RO, MGAW 21:16 RO, ZLR 22 "
     "RO, ISOCH 23 RO, FRO 33:24 RO, SPS 37:34 RO, PSI 39 RO, NFR 47:40 RO, MAMV 53:48 RO, DWD 54 RO, DRD 55 "
     "RO, FL1GP 56 RO, PI 59 RO, FL5LP 60 RO, ECMDS 61 RO, ESIRTPS 62 RO, ESRTPS 63 RO"},
    {"ECAP_REG", register_base::block, 0x10, 64, "10.4.3",
     "C 0 RO, QI 1 RO, DT 2 RO, IR 3 RO, EIM 4 RO, CH 5 RO, PT 6 RO, SC 7 RO, IRO 17:8 RO, MHMV 23:20 RO, "
     "ECS 24 RO, MTS 25 RO, NEST 26 RO, DIS 27 RO, PRS 29 RO, ERS 30 RO, SRS 31 RO, POT 32 RO, NWFS 33 RO, "
     "EAFS 34 RO, PSS 39:35 RO, PASID 40 RO, DIT 41 RO, PDS 42 RO, SMTS 43 RO, VCS 44 RO, SLADS 45 RO, SLTS "
     "46 RO, FLTS 47 RO, SMPWCS 48 RO, RPS 49 RO, TDXIO 50 RO, PMS 51 RO, ADMS 52 RO, RPRIVS 53 RO, HPTS 55 "
     "RO, PTRS 56 RO, PBDS 57 RO, SMS 58 RO"},
    {"GCMD_REG", register_base::block, 0x18, 32, "10.4.4",
     "CFI 23 WO, SIRTP 24 WO, IRE 25 WO, QIE 26 WO, WBF 27 WO, EAFL 28 WO, SFL 29 WO, SRTP 30 WO, TE 31 WO"},
    {"GSTS_REG", register_base::block, 0x1c, 32, "10.4.5",
     "CFIS 23 RO-V, IRTPS 24 RO-V, IRES 25 RO-V, QIES 26 RO-V, WBFS 27 RO-V, AFLS 28 RO-V, FLS 29 RO-V, RTPS "
     "30 RO-V, TES 31 RO-V"},
    {"RTADDR_REG", register_base::block, 0x20, 64, "10.4.6", "TTM 11:10 RW, RTA 63:12 RW"},
    {"CCMD_REG", register_base::block, 0x28, 64, "10.4.7",
     "DID 15:0 RW, SID 31:16 WO, FM 33:32 WO, CAIG 60:59 RO-V, CIRG 62:61 RW, ICC 63 RW-SC"},
    {"FSTS_REG", register_base::block, 0x34, 32, "10.4.9",
     "PFO 0 RW1CS, PPF 1 ROS-V, AFO 2 RW1CS, APF 3 RW1CS, IQE 4 RW1CS, ICE 5 RW1CS, ITE 6 RW1CS, FRI 15:8 "
     "ROS-V"},
    {"FECTL_REG", register_base::block, 0x38, 32, "10.4.10", "IP 30 RO-V, IM 31 RW"},
    {"FEDATA_REG", register_base::block, 0x3c, 32, "10.4.11", "IMD 15:0 RW, EIMD 31:16 RW"},
    {"FEADDR_REG", register_base::block, 0x40, 32, "10.4.12", "MA 31:2 RW"},
    {"FEUADDR_REG", register_base::block, 0x44, 32, "10.4.13", "MUA 31:0 RW"},
    {"AFLOG_REG", register_base::block, 0x58, 64, "10.4.15", "FLS 11:9 RW, FLA 63:12 RW"},
    {"PMEN_REG", register_base::block, 0x64, 32, "10.4.16", "PRS 0 RO-V, EPM 31 RW"},
    {"PLMBASE_REG", register_base::block, 0x68, 32, "10.4.17", "PLMB 31:0 RW"},
    {"PLMLIMIT_REG", register_base::block, 0x6c, 32, "10.4.18", "PLML 31:0 RW"},
    {"PHMBASE_REG", register_base::block, 0x70, 64, "10.4.19", "PHMB 63:0 RW"},
    {"PHMLIMIT_REG", register_base::block, 0x78, 64, "10.4.20", "PHML 63:0 RW"},
    {"IQH_REG", register_base::block, 0x80, 64, "10.4.21", "QH 18:4 RO-V"},
    {"IQT_REG", register_base::block, 0x88, 64, "10.4.22", "QT 18:4 RW"},
    {"IQA_REG", register_base::block, 0x90, 64, "10.4.23", "QS 2:0 RW, DW 11 RW, IQA 63:12 RW"},
    {"ICS_REG", register_base::block, 0x9c, 32, "10.4.24", "IWC 0 RW1CS"},
    {"IECTL_REG", register_base::block, 0xa0, 32, "10.4.25", "IP 30 RO-V, IM 31 RW"},
    {"IEDATA_REG", register_base::block, 0xa4, 32, "10.4.26", "IMD 15:0 RW, EIMD 31:16 RW"},
    {"IEADDR_REG", register_base::block, 0xa8, 32, "10.4.27", "MA 31:2 RW"},
    {"IEUADDR_REG", register_base::block, 0xac, 32, "10.4.28", "MUA 31:0 RW"},
    {"IQERCD_REG", register_base::block, 0xb0, 64, "10.4.29",
     "IQEI 3:0 ROS-V, ITESID 47:32 ROS-V, ICESID 63:48 ROS-V"},
    {"IRTA_REG", register_base::block, 0xb8, 64, "10.4.30", "S 3:0 RW, EIME 11 RW, IRTA 63:12 RW"},
    {"IVA_REG", register_base::iotlb, 0x0, 64, "10.4.8.2", "AM 5:0 WO, IH 6 WO, ADDR 63:12 WO"},
    {"IOTLB_REG", register_base::iotlb, 0x8, 64, "10.4.8.1",
     "DID 47:32 RW, DW 48 RW, DR 49 RW, IAIG 58:57 RO-V, IIRG 61:60 RW, IVT 63 RW-SC"},
    {"FRCD_REG (low)", register_base::fault, 0x0, 64, "10.4.14", "FI 63:12 ROS-V"},
    {"FRCD_REG (high)", register_base::fault, 0x8, 64, "10.4.14",
     "SID 15:0 ROS-V, T2 28 ROS-V, PRIV 29 ROS-V, EXE 30 ROS-V, PP 31 ROS-V, FR 39:32 ROS-V, PV 59:40 ROS-V, "
     "AT 61:60 ROS-V, T1 62 ROS-V, F 63 RW1CS"},
};

const register_layout& layout_of(std::string_view name) {
  for (const register_layout& layout : reg::all_registers()) {
    if (layout.name == name) return layout;
  }
  throw std::out_of_range("no register " + std::string(name));
}

std::string text_of(const register_layout& layout) {
  std::string out;
  for (const field_row& row : layout.fields) {
    if (!out.empty()) out += ", ";
    out += std::string(row.name) + ' ' + std::to_string(row.msb);
    if (row.msb != row.lsb) out += ':' + std::to_string(row.lsb);
    out += ' ' + std::string(to_string(row.kind));
  }
  return out;
}

TEST(registers, are_declared_as_the_specification_lists_them) {
  const auto all = reg::all_registers();
  ASSERT_EQ(all.size(), expected.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].name, expected[i].name);
    EXPECT_EQ(all[i].base, expected[i].base) << all[i].name;
    EXPECT_EQ(all[i].offset, expected[i].offset) << all[i].name;
    EXPECT_EQ(all[i].size_bits, expected[i].size_bits) << all[i].name;
    EXPECT_EQ(all[i].section, expected[i].section) << all[i].name;
    EXPECT_EQ(text_of(all[i]), expected[i].fields) << all[i].name;
  }
}

TEST(registers, have_fields_inside_the_word_that_do_not_overlap_and_go_up) {
  for (const register_layout& layout : reg::all_registers()) {
    std::uint64_t taken = 0;
    unsigned next = 0;
    std::set<std::string_view> names;
    for (const field_row& row : layout.fields) {
      EXPECT_LE(row.lsb, row.msb) << layout.name << '.' << row.name;
      EXPECT_LT(row.msb, layout.size_bits) << layout.name << '.' << row.name;
      EXPECT_GE(row.lsb, next) << layout.name << '.' << row.name << " is out of order";
      EXPECT_EQ(taken & row.mask(), 0U) << layout.name << '.' << row.name << " overlaps";
      EXPECT_EQ(row.reset & ~low_bits(row.msb - row.lsb + 1), 0U) << layout.name << '.' << row.name;
      EXPECT_TRUE(names.insert(row.name).second) << layout.name << '.' << row.name << " is there twice";
      EXPECT_FALSE(row.text.empty()) << layout.name << '.' << row.name;
      EXPECT_NE(row.text.back(), '.') << layout.name << '.' << row.name;
      taken |= row.mask();
      next = row.msb + 1;
    }
    EXPECT_EQ(taken | layout.reserved(), low_bits(layout.size_bits)) << layout.name;
    EXPECT_EQ(taken & layout.reserved(), 0U) << layout.name;
  }
}

TEST(registers, have_masks_that_fit_together) {
  for (const register_layout& layout : reg::all_registers()) {
    EXPECT_EQ(layout.writable() & layout.write_one_to_clear(), 0U) << layout.name;
    EXPECT_EQ((layout.writable() | layout.write_one_to_clear() | layout.readable()) & layout.reserved(), 0U)
        << layout.name;
    EXPECT_EQ(layout.sticky() & ~layout.readable(), 0U) << layout.name;
    EXPECT_EQ(layout.reset() & layout.reserved(), 0U) << layout.name;
    std::uint64_t read_only = 0;
    for (unsigned bit = 0; bit < layout.size_bits; ++bit) {
      const access kind = layout.kind_at(bit);
      const std::uint64_t mask = std::uint64_t{1} << bit;
      EXPECT_EQ((layout.reserved() & mask) != 0, kind == access::rsvdz || kind == access::rsvdp)
          << layout.name << bit;
      if (kind == access::ro || kind == access::ro_v || kind == access::ros_v) read_only |= mask;
    }
    EXPECT_EQ(layout.writable() | layout.write_one_to_clear() | read_only | layout.reserved(),
              low_bits(layout.size_bits))
        << layout.name;
  }
}

TEST(registers, stand_apart_and_in_the_order_of_their_offsets) {
  const register_layout* last = nullptr;
  std::set<std::string_view> names;
  for (const register_layout& layout : reg::all_registers()) {
    EXPECT_TRUE(names.insert(layout.name).second) << layout.name;
    EXPECT_TRUE(layout.size_bits == 32 || layout.size_bits == 64) << layout.name;
    EXPECT_EQ(layout.offset % (layout.size_bits / 8), 0U) << layout.name << " is not aligned";
    EXPECT_FALSE(layout.title.empty()) << layout.name;
    if (last != nullptr && last->base == layout.base) {
      EXPECT_GE(layout.offset, last->offset + last->size_bits / 8)
          << layout.name << " overlaps " << last->name;
    } else if (last != nullptr) {
      EXPECT_LT(last->base, layout.base) << layout.name;
      EXPECT_EQ(layout.offset, 0U) << layout.name;
    }
    last = &layout;
  }
}

TEST(registers, of_groups_fit_their_16_bytes) {
  for (const register_layout& layout : reg::all_registers()) {
    if (layout.base == register_base::block) continue;
    EXPECT_LE(layout.offset + layout.size_bits / 8, 16U) << layout.name;
  }
}

TEST(registers, come_out_of_power_on_with_these_values) {
  const std::map<std::string_view, std::uint64_t> not_zero{
      {"VER_REG", 0x10}, {"FECTL_REG", 0x80000000}, {"IECTL_REG", 0x80000000}};
  for (const register_layout& layout : reg::all_registers()) {
    const auto found = not_zero.find(layout.name);
    EXPECT_EQ(layout.reset(), found == not_zero.end() ? 0 : found->second) << layout.name;
  }
}

TEST(registers, keep_over_a_warm_reset_what_tells_of_errors) {
  const std::map<std::string_view, std::uint64_t> sticky{{"FSTS_REG", 0xff7f},
                                                         {"ICS_REG", 1},
                                                         {"IQERCD_REG", 0xffffffff0000000f},
                                                         {"FRCD_REG (low)", 0xfffffffffffff000},
                                                         {"FRCD_REG (high)", 0xfffffffff000ffff}};
  for (const register_layout& layout : reg::all_registers()) {
    const auto found = sticky.find(layout.name);
    EXPECT_EQ(layout.sticky(), found == sticky.end() ? 0 : found->second) << layout.name;
  }
}

TEST(registers, ask_to_preserve_the_gaps_of_these_only) {
  const std::set<std::string_view> preserved{"FECTL_REG", "IECTL_REG", "PMEN_REG", "IOTLB_REG"};
  for (const register_layout& layout : reg::all_registers()) {
    EXPECT_EQ(layout.gaps, preserved.contains(layout.name) ? access::rsvdp : access::rsvdz) << layout.name;
  }
}

// The bits of CAP and ECAP that decide whether a register is there.
struct part {
  bool afl, plmr, phmr, qi, ir, eim;
  [[nodiscard]] std::uint64_t cap_value(std::uint64_t others) const {
    return (others & ~std::uint64_t{0x68}) | std::uint64_t{afl} << 3 | std::uint64_t{plmr} << 5 |
           std::uint64_t{phmr} << 6;
  }
  [[nodiscard]] std::uint64_t ecap_value(std::uint64_t others) const {
    return (others & ~std::uint64_t{0x1a}) | std::uint64_t{qi} << 1 | std::uint64_t{ir} << 3 |
           std::uint64_t{eim} << 4;
  }
};

bool expected_in(std::string_view name, const part& p) {
  if (name == "AFLOG_REG") return p.afl;
  if (name == "PMEN_REG") return p.plmr || p.phmr;
  if (name == "PLMBASE_REG" || name == "PLMLIMIT_REG") return p.plmr;
  if (name == "PHMBASE_REG" || name == "PHMLIMIT_REG") return p.phmr;
  if (name == "IRTA_REG") return p.ir;
  if (name == "FEUADDR_REG") return p.eim;
  if (name == "IEUADDR_REG") return p.qi && p.eim;
  const std::set<std::string_view> queue{"IQH_REG",   "IQT_REG",    "IQA_REG",    "ICS_REG",
                                         "IECTL_REG", "IEDATA_REG", "IEADDR_REG", "IQERCD_REG"};
  return !queue.contains(name) || p.qi;
}

TEST(registers, are_there_by_the_capabilities_they_need_and_no_others) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    const part p{(bits & 1) != 0, (bits & 2) != 0,  (bits & 4) != 0,
                 (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0};
    for (const std::uint64_t others : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      for (const register_layout& layout : reg::all_registers()) {
        EXPECT_EQ(layout.exists(p.cap_value(others), p.ecap_value(others)), expected_in(layout.name, p))
            << layout.name << " with " << bits;
      }
    }
  }
}

TEST(registers, come_with_these_revisions) {
  const std::map<std::string, spec_revision> later{
      {"CAP_REG.FL1GP", 0x20},      {"CAP_REG.PI", 0x22},           {"CAP_REG.FL5LP", 0x25},
      {"CAP_REG.ECMDS", 0x40},      {"CAP_REG.ESIRTPS", 0x33},      {"CAP_REG.ESRTPS", 0x33},
      {"ECAP_REG.PT", 0x11},        {"ECAP_REG.SC", 0x11},          {"ECAP_REG.ECS", 0x20},
      {"ECAP_REG.MTS", 0x20},       {"ECAP_REG.NEST", 0x20},        {"ECAP_REG.DIS", 0x20},
      {"ECAP_REG.PRS", 0x20},       {"ECAP_REG.ERS", 0x20},         {"ECAP_REG.SRS", 0x20},
      {"ECAP_REG.POT", 0x24},       {"ECAP_REG.NWFS", 0x20},        {"ECAP_REG.EAFS", 0x20},
      {"ECAP_REG.PSS", 0x20},       {"ECAP_REG.PASID", 0x24},       {"ECAP_REG.DIT", 0x24},
      {"ECAP_REG.PDS", 0x24},       {"ECAP_REG.SMTS", 0x30},        {"ECAP_REG.VCS", 0x30},
      {"ECAP_REG.SLADS", 0x30},     {"ECAP_REG.SLTS", 0x30},        {"ECAP_REG.FLTS", 0x30},
      {"ECAP_REG.SMPWCS", 0x30},    {"ECAP_REG.RPS", 0x30},         {"ECAP_REG.TDXIO", 0x41},
      {"ECAP_REG.PMS", 0x40},       {"ECAP_REG.ADMS", 0x33},        {"ECAP_REG.RPRIVS", 0x33},
      {"ECAP_REG.HPTS", 0x50},      {"ECAP_REG.PTRS", 0x50},        {"ECAP_REG.PBDS", 0x50},
      {"ECAP_REG.SMS", 0x41},       {"RTADDR_REG.TTM", 0x30},       {"IQA_REG.DW", 0x30},
      {"IQERCD_REG.IQEI", 0x30},    {"IQERCD_REG.ITESID", 0x30},    {"IQERCD_REG.ICESID", 0x30},
      {"FRCD_REG (high).T2", 0x30}, {"FRCD_REG (high).PRIV", 0x20}, {"FRCD_REG (high).EXE", 0x20},
      {"FRCD_REG (high).PP", 0x20}, {"FRCD_REG (high).PV", 0x20}};
  std::size_t found = 0;
  for (const register_layout& layout : reg::all_registers()) {
    EXPECT_EQ(layout.since, layout.name == "IQERCD_REG" ? 0x30 : 0x10) << layout.name;
    for (const field_row& row : layout.fields) {
      const auto at = later.find(std::string(layout.name) + '.' + std::string(row.name));
      found += at == later.end() ? 0 : 1;
      EXPECT_EQ(row.since, at == later.end() ? rev_1_0 : at->second) << layout.name << '.' << row.name;
      EXPECT_GE(row.since, layout.since) << layout.name << '.' << row.name;
    }
  }
  EXPECT_EQ(found, later.size());
}

TEST(registers, of_the_first_revision_reserve_what_came_later) {
  EXPECT_EQ(reg::rtaddr::layout.reserved(rev_1_0), low_bits(12));
  EXPECT_EQ(reg::rtaddr::layout.reserved(), low_bits(10));
  EXPECT_FALSE(reg::iqercd::layout.exists_in(rev_2_5, 0, reg::ecap_reg::qi::of(1)));
  EXPECT_TRUE(reg::iqercd::layout.exists_in(rev_3_0, 0, reg::ecap_reg::qi::of(1)));
  EXPECT_FALSE(reg::iqercd::layout.exists_in(rev_3_0, 0, 0));
}

TEST(registers, are_the_same_as_a_type_and_as_a_layout) {
  // By name, so that a layout in the wrong struct shows.
  const auto check = [](std::string_view name, std::uint32_t offset, register_base base, unsigned size,
                        const register_layout& layout) {
    EXPECT_EQ(layout.name, name);
    EXPECT_EQ(layout.offset, offset) << name;
    EXPECT_EQ(layout.base, base) << name;
    EXPECT_EQ(layout.size_bits, size) << name;
    EXPECT_EQ(layout.fields.data(), layout_of(name).fields.data()) << name;
  };
#define VTD_CHECK(type, name)                                                                                \
  check(name, reg::type::offset, reg::type::base, reg::type::size_bits, reg::type::layout)
  VTD_CHECK(version, "VER_REG");
  VTD_CHECK(cap_reg, "CAP_REG");
  VTD_CHECK(ecap_reg, "ECAP_REG");
  VTD_CHECK(gcmd, "GCMD_REG");
  VTD_CHECK(gsts, "GSTS_REG");
  VTD_CHECK(rtaddr, "RTADDR_REG");
  VTD_CHECK(ccmd, "CCMD_REG");
  VTD_CHECK(fsts, "FSTS_REG");
  VTD_CHECK(fectl, "FECTL_REG");
  VTD_CHECK(fedata, "FEDATA_REG");
  VTD_CHECK(feaddr, "FEADDR_REG");
  VTD_CHECK(feuaddr, "FEUADDR_REG");
  VTD_CHECK(aflog, "AFLOG_REG");
  VTD_CHECK(pmen, "PMEN_REG");
  VTD_CHECK(plmbase, "PLMBASE_REG");
  VTD_CHECK(plmlimit, "PLMLIMIT_REG");
  VTD_CHECK(phmbase, "PHMBASE_REG");
  VTD_CHECK(phmlimit, "PHMLIMIT_REG");
  VTD_CHECK(iqh, "IQH_REG");
  VTD_CHECK(iqt, "IQT_REG");
  VTD_CHECK(iqa, "IQA_REG");
  VTD_CHECK(ics, "ICS_REG");
  VTD_CHECK(iectl, "IECTL_REG");
  VTD_CHECK(iedata, "IEDATA_REG");
  VTD_CHECK(ieaddr, "IEADDR_REG");
  VTD_CHECK(ieuaddr, "IEUADDR_REG");
  VTD_CHECK(iqercd, "IQERCD_REG");
  VTD_CHECK(irta, "IRTA_REG");
  VTD_CHECK(iva, "IVA_REG");
  VTD_CHECK(iotlb, "IOTLB_REG");
  VTD_CHECK(frcd_lo, "FRCD_REG (low)");
  VTD_CHECK(frcd_hi, "FRCD_REG (high)");
#undef VTD_CHECK
}

/// Sets the field in 0 and in all ones, and reads it back: it keeps its own bits and no others.
template <class Field, class Word>
void expect_round_trip(const register_layout& layout) {
  const auto found = std::find_if(layout.fields.begin(), layout.fields.end(),
                                  [](const field_row& row) { return row.name == Field::row.name; });
  ASSERT_NE(found, layout.fields.end()) << layout.name << '.' << Field::row.name;
  EXPECT_EQ(found->mask(), std::uint64_t{Field::mask});
  for (const Word value : {Word{0}, Word{1}, Field::max}) {
    EXPECT_EQ(Field::get(Field::of(value)), value) << layout.name << '.' << Field::row.name;
    const Word ones = Field::set(static_cast<Word>(~Word{0}), value);
    EXPECT_EQ(Field::get(ones), value) << layout.name << '.' << Field::row.name;
    EXPECT_EQ(static_cast<Word>(ones | Field::mask), static_cast<Word>(~Word{0}));
  }
}

template <class Register, class... Fields>
void expect_round_trips() {
  EXPECT_EQ(sizeof...(Fields), Register::layout.fields.size()) << Register::layout.name;
  (expect_round_trip<Fields, typename Register::word>(Register::layout), ...);
}

TEST(registers, keep_what_is_written_to_a_field) {
  using namespace reg;
  expect_round_trips<gsts, gsts::tes, gsts::rtps, gsts::fls, gsts::afls, gsts::wbfs, gsts::qies, gsts::ires,
                     gsts::irtps, gsts::cfis>();
  expect_round_trips<gcmd, gcmd::te, gcmd::srtp, gcmd::sfl, gcmd::eafl, gcmd::wbf, gcmd::qie, gcmd::ire,
                     gcmd::sirtp, gcmd::cfi>();
  expect_round_trips<ccmd, ccmd::icc, ccmd::cirg, ccmd::caig, ccmd::fm, ccmd::sid, ccmd::did>();
  expect_round_trips<iotlb, iotlb::ivt, iotlb::iirg, iotlb::iaig, iotlb::dr, iotlb::dw, iotlb::did>();
  expect_round_trips<iva, iva::addr, iva::ih, iva::am>();
  expect_round_trips<fsts, fsts::fri, fsts::ite, fsts::ice, fsts::iqe, fsts::apf, fsts::afo, fsts::ppf,
                     fsts::pfo>();
  expect_round_trips<frcd_hi, frcd_hi::f, frcd_hi::t1, frcd_hi::at, frcd_hi::pv, frcd_hi::fr, frcd_hi::pp,
                     frcd_hi::exe, frcd_hi::priv, frcd_hi::t2, frcd_hi::sid>();
  expect_round_trips<frcd_lo, frcd_lo::fi>();
  expect_round_trips<rtaddr, rtaddr::rta, rtaddr::ttm>();
  expect_round_trips<pmen, pmen::epm, pmen::prs>();
  expect_round_trips<iqa, iqa::address, iqa::dw, iqa::qs>();
  expect_round_trips<irta, irta::address, irta::eime, irta::s>();
}

TEST(registers, pair_a_command_with_the_status_bit_that_answers_it) {
  using namespace reg;
  EXPECT_EQ(gcmd::te::mask, gsts::tes::mask);
  EXPECT_EQ(gcmd::srtp::mask, gsts::rtps::mask);
  EXPECT_EQ(gcmd::sfl::mask, gsts::fls::mask);
  EXPECT_EQ(gcmd::eafl::mask, gsts::afls::mask);
  EXPECT_EQ(gcmd::wbf::mask, gsts::wbfs::mask);
  EXPECT_EQ(gcmd::qie::mask, gsts::qies::mask);
  EXPECT_EQ(gcmd::ire::mask, gsts::ires::mask);
  EXPECT_EQ(gcmd::sirtp::mask, gsts::irtps::mask);
  EXPECT_EQ(gcmd::cfi::mask, gsts::cfis::mask);
  EXPECT_EQ(gcmd::layout.readable(), 0U);
  EXPECT_EQ(gsts::layout.writable(), 0U);
}

} // namespace
} // namespace vtd::spec
