// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/capability.h"

#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

namespace vtd::spec {
namespace {

/// A field as VT-d 10.4.2 and 10.4.3 list it, with the getter and the setter that claim to be its own. What
/// they give and take is the field plus `bias`.
template <class Register>
struct field_access {
  std::string_view name;
  unsigned msb;
  unsigned lsb;
  std::function<std::uint64_t(const Register&)> get;
  std::function<Register&(Register&, std::uint64_t)> set;
  unsigned bias = 0;

  [[nodiscard]] std::uint64_t max() const { return low_bits(msb - lsb + 1); }
  [[nodiscard]] std::uint64_t mask() const { return max() << lsb; }
};

template <class Register, class Value>
field_access<Register> row(std::string_view name, unsigned msb, unsigned lsb, Value (Register::*get)() const,
                           Register& (Register::*set)(Value), unsigned bias = 0) {
  return {
      name,
      msb,
      lsb,
      [get](const Register& from) { return static_cast<std::uint64_t>((from.*get)()); },
      [set](Register& to, std::uint64_t value) -> Register& { return (to.*set)(static_cast<Value>(value)); },
      bias};
}

const std::vector<field_access<cap>> cap_fields{
    row("ND", 2, 0, &cap::nd, &cap::set_nd),
    row("AFL", 3, 3, &cap::afl, &cap::set_afl),
    row("RWBF", 4, 4, &cap::rwbf, &cap::set_rwbf),
    row("PLMR", 5, 5, &cap::plmr, &cap::set_plmr),
    row("PHMR", 6, 6, &cap::phmr, &cap::set_phmr),
    row("CM", 7, 7, &cap::cm, &cap::set_cm),
    row("SAGAW", 12, 8, &cap::sagaw, &cap::set_sagaw),
    row("MGAW", 21, 16, &cap::mgaw, &cap::set_mgaw, 1),
    row("ZLR", 22, 22, &cap::zlr, &cap::set_zlr),
    row("ISOCH", 23, 23, &cap::isoch, &cap::set_isoch),
    row("FRO", 33, 24, &cap::fro, &cap::set_fro),
    row("SPS", 37, 34, &cap::sps, &cap::set_sps),
    row("PSI", 39, 39, &cap::psi, &cap::set_psi),
    row("NFR", 47, 40, &cap::nfr, &cap::set_nfr),
    row("MAMV", 53, 48, &cap::mamv, &cap::set_mamv),
    row("DWD", 54, 54, &cap::dwd, &cap::set_dwd),
    row("DRD", 55, 55, &cap::drd, &cap::set_drd),
    row("FL1GP", 56, 56, &cap::fl1gp, &cap::set_fl1gp),
    row("PI", 59, 59, &cap::pi, &cap::set_pi),
    row("FL5LP", 60, 60, &cap::fl5lp, &cap::set_fl5lp),
    row("ECMDS", 61, 61, &cap::ecmds, &cap::set_ecmds),
    row("ESIRTPS", 62, 62, &cap::esirtps, &cap::set_esirtps),
    row("ESRTPS", 63, 63, &cap::esrtps, &cap::set_esrtps),
};

const std::vector<field_access<ecap>> ecap_fields{
    row("C", 0, 0, &ecap::c, &ecap::set_c),
    row("QI", 1, 1, &ecap::qi, &ecap::set_qi),
    row("DT", 2, 2, &ecap::dt, &ecap::set_dt),
    row("IR", 3, 3, &ecap::ir, &ecap::set_ir),
    row("EIM", 4, 4, &ecap::eim, &ecap::set_eim),
    row("CH", 5, 5, &ecap::ch, &ecap::set_ch),
    row("PT", 6, 6, &ecap::pt, &ecap::set_pt),
    row("SC", 7, 7, &ecap::sc, &ecap::set_sc),
    row("IRO", 17, 8, &ecap::iro, &ecap::set_iro),
    row("MHMV", 23, 20, &ecap::mhmv, &ecap::set_mhmv),
    row("ECS", 24, 24, &ecap::ecs, &ecap::set_ecs),
    row("MTS", 25, 25, &ecap::mts, &ecap::set_mts),
    row("NEST", 26, 26, &ecap::nest, &ecap::set_nest),
    row("DIS", 27, 27, &ecap::dis, &ecap::set_dis),
    row("PASID_OLD", 28, 28, &ecap::pasid_old, &ecap::set_pasid_old),
    row("PRS", 29, 29, &ecap::prs, &ecap::set_prs),
    row("ERS", 30, 30, &ecap::ers, &ecap::set_ers),
    row("SRS", 31, 31, &ecap::srs, &ecap::set_srs),
    row("POT", 32, 32, &ecap::pot, &ecap::set_pot),
    row("NWFS", 33, 33, &ecap::nwfs, &ecap::set_nwfs),
    row("EAFS", 34, 34, &ecap::eafs, &ecap::set_eafs),
    row("PSS", 39, 35, &ecap::pss, &ecap::set_pss),
    row("PASID", 40, 40, &ecap::pasid, &ecap::set_pasid),
    row("DIT", 41, 41, &ecap::dit, &ecap::set_dit),
    row("PDS", 42, 42, &ecap::pds, &ecap::set_pds),
    row("SMTS", 43, 43, &ecap::smts, &ecap::set_smts),
    row("VCS", 44, 44, &ecap::vcs, &ecap::set_vcs),
    row("SLADS", 45, 45, &ecap::slads, &ecap::set_slads),
    row("SLTS", 46, 46, &ecap::slts, &ecap::set_slts),
    row("FLTS", 47, 47, &ecap::flts, &ecap::set_flts),
    row("SMPWCS", 48, 48, &ecap::smpwcs, &ecap::set_smpwcs),
    row("RPS", 49, 49, &ecap::rps, &ecap::set_rps),
    row("TDXIO", 50, 50, &ecap::tdxio, &ecap::set_tdxio),
    row("PMS", 51, 51, &ecap::pms, &ecap::set_pms),
    row("ADMS", 52, 52, &ecap::adms, &ecap::set_adms),
    row("RPRIVS", 53, 53, &ecap::rprivs, &ecap::set_rprivs),
    row("HPTS", 55, 55, &ecap::hpts, &ecap::set_hpts),
    row("PTRS", 56, 56, &ecap::ptrs, &ecap::set_ptrs),
    row("PBDS", 57, 57, &ecap::pbds, &ecap::set_pbds),
    row("SMS", 58, 58, &ecap::sms, &ecap::set_sms),
};

/// NIU of rev 1.0 shares its bits with what later revisions put there.
const field_access<ecap> niu_field = row("NIU", 31, 24, &ecap::niu, &ecap::set_niu);

template <class Register>
void expect_round_trips(const field_access<Register>& field) {
  for (const std::uint64_t background : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    std::vector<std::uint64_t> samples{0, field.max()};
    for (unsigned bit = 0; bit <= field.msb - field.lsb; ++bit)
      samples.push_back(std::uint64_t{1} << bit);
    for (const std::uint64_t sample : samples) {
      Register changed{background};
      EXPECT_EQ(&field.set(changed, sample + field.bias), &changed) << field.name;
      EXPECT_EQ(changed.value, (background & ~field.mask()) | sample << field.lsb)
          << field.name << ' ' << sample;
      EXPECT_EQ(field.get(changed), sample + field.bias) << field.name;
    }
  }
}

template <class Register>
std::uint64_t union_of_disjoint(const std::vector<field_access<Register>>& fields) {
  std::uint64_t seen = 0;
  for (const auto& field : fields) {
    EXPECT_EQ(seen & field.mask(), 0U) << field.name;
    seen |= field.mask();
  }
  return seen;
}

/// The register's own declaration must put the field at the same place.
template <class Register>
void expect_same_place(const std::vector<field_access<Register>>& fields, const register_layout& layout) {
  for (const field_row& declared : layout.fields) {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& field) { return field.name == declared.name; });
    ASSERT_NE(found, fields.end()) << layout.name << '.' << declared.name;
    EXPECT_EQ(found->msb, declared.msb) << declared.name;
    EXPECT_EQ(found->lsb, declared.lsb) << declared.name;
  }
}

TEST(cap, round_trips_every_field) {
  for (const auto& field : cap_fields)
    expect_round_trips(field);
}

TEST(cap, has_disjoint_fields_and_leaves_the_reserved_bits_alone) {
  // RsvdZ: 15:13, 38, 58:57.
  EXPECT_EQ(~union_of_disjoint(cap_fields), 0x0600'0040'0000'e000U);
}

TEST(cap, agrees_with_the_declared_register) { expect_same_place(cap_fields, reg::cap_reg::layout); }

TEST(ecap, round_trips_every_field) {
  for (const auto& field : ecap_fields)
    expect_round_trips(field);
  expect_round_trips(niu_field);
}

TEST(ecap, has_disjoint_fields_and_leaves_the_reserved_bits_alone) {
  // RsvdZ: 19:18, 54, 63:59.
  EXPECT_EQ(~union_of_disjoint(ecap_fields), 0xf840'0000'000c'0000U);
}

TEST(ecap, agrees_with_the_declared_register) { expect_same_place(ecap_fields, reg::ecap_reg::layout); }

TEST(cap, counts_domains_by_nd) {
  const std::vector<unsigned> counts{16, 64, 256, 1024, 4096, 16384, 65536};
  for (unsigned nd = 0; nd < counts.size(); ++nd) {
    EXPECT_EQ(cap{}.set_nd(nd).domain_count(), counts[nd]);
    EXPECT_EQ(cap{}.set_nd(nd).domain_id_bits(), 4 + 2 * nd);
  }
  // The reserved encoding must not promise more than a 16-bit domain-id holds.
  EXPECT_EQ(cap{}.set_nd(7).domain_count(), 65536U);
}

TEST(cap, supports_the_widths_in_sagaw) {
  for (unsigned sagaw = 0; sagaw < 32; ++sagaw) {
    const cap has = cap{}.set_sagaw(sagaw);
    int largest = -1;
    for (unsigned aw = 0; aw < 8; ++aw) {
      const bool supported = aw < 5 && (sagaw >> aw & 1) != 0;
      EXPECT_EQ(has.supports_agaw(aw), supported) << "SAGAW " << sagaw << " AW " << aw;
      if (supported) largest = static_cast<int>(aw);
    }
    EXPECT_EQ(has.largest_agaw(), largest) << "SAGAW " << sagaw;
  }
}

TEST(cap, supports_large_pages_by_level) {
  for (unsigned sps = 0; sps < 16; ++sps) {
    const cap has = cap{}.set_sps(sps);
    EXPECT_FALSE(has.supports_page_level(0));
    EXPECT_TRUE(has.supports_page_level(1));
    for (unsigned level = 2; level <= 5; ++level)
      EXPECT_EQ(has.supports_page_level(level), (sps >> (level - 2) & 1) != 0)
          << "SPS " << sps << " level " << level;
    EXPECT_FALSE(has.supports_page_level(6));
    unsigned largest = 5;
    while (!has.supports_page_level(largest))
      --largest;
    EXPECT_EQ(has.largest_page_level(), largest) << "SPS " << sps;
  }
  // At compile time a shift by too much is an error.
  static_assert(!cap{}.set_sps(15).supports_page_level(0) && !cap{}.set_sps(15).supports_page_level(100));
}

TEST(cap, gives_and_takes_quantities_in_their_own_unit) {
  for (unsigned bits = 1; bits <= 64; ++bits)
    EXPECT_EQ(cap{}.set_mgaw(bits).mgaw(), bits);
  EXPECT_EQ(cap{}.set_mgaw(48).value, 0x2f'0000U);
  for (unsigned count = 1; count <= 256; ++count) {
    EXPECT_EQ(cap{}.set_fault_records(count).fault_records(), count);
    EXPECT_EQ(cap{}.set_fault_records(count).nfr(), count - 1);
  }
  for (std::uint32_t offset = 0; offset < 1024 * 16; offset += 16) {
    EXPECT_EQ(cap{}.set_fault_record_offset(offset).fault_record_offset(), offset);
    EXPECT_EQ(ecap{}.set_iotlb_offset(offset).iotlb_offset(), offset);
  }
  EXPECT_EQ(cap{}.set_fault_record_offset(0x200).fro(), 0x20U);
  EXPECT_EQ(ecap{}.set_iotlb_offset(0x100).iro(), 0x10U);
}

/// What a capability register of a real part says, in the terms of the boards' documentation.
struct known_part {
  const char* name;
  std::uint64_t value;
  unsigned domains;
  bool rwbf;
  unsigned sagaw;
  unsigned mgaw;
  bool zlr;
  bool isoch;
  unsigned fault_offset;
  unsigned fault_records;
  bool psi;
  unsigned mamv;
};

// The values are those that kernels logged on these boards.
const std::vector<known_part> known_parts{
    {"Q35 audio", 0xc9008020a30270, 16, true, 2, 36, false, true, 0x200, 1, true, 9},
    {"Q35 graphics, ME", 0xc0000020230270, 16, true, 2, 36, false, false, 0x200, 1, false, 0},
    {"Q35 rest", 0xc9008020230270, 16, true, 2, 36, false, false, 0x200, 1, true, 9},
    {"X38 audio", 0xc9008020a30272, 256, true, 2, 36, false, true, 0x200, 1, true, 9},
    {"X38 rest", 0xc9008020230272, 256, true, 2, 36, false, false, 0x200, 1, true, 9},
    {"Q45 audio", 0xc9008020e30272, 256, true, 2, 36, true, true, 0x200, 1, true, 9},
    {"Q45 graphics, ME", 0xc0000020630272, 256, true, 2, 36, true, false, 0x200, 1, false, 0},
    {"Q45 rest", 0xc9008020630272, 256, true, 2, 36, true, false, 0x200, 1, true, 9},
    {"X58 audio", 0xc9008010e60262, 256, false, 2, 39, true, true, 0x100, 1, true, 9},
    {"X58 rest", 0xc90780106f0462, 256, false, 4, 48, true, false, 0x100, 8, true, 9},
};

TEST(cap, reads_the_registers_of_real_parts) {
  for (const known_part& part : known_parts) {
    const cap has{part.value};
    SCOPED_TRACE(part.name);
    EXPECT_EQ(has.domain_count(), part.domains);
    EXPECT_EQ(has.rwbf(), part.rwbf);
    EXPECT_EQ(has.sagaw(), part.sagaw);
    EXPECT_EQ(has.mgaw(), part.mgaw);
    EXPECT_EQ(has.zlr(), part.zlr);
    EXPECT_EQ(has.isoch(), part.isoch);
    EXPECT_EQ(has.fault_record_offset(), part.fault_offset);
    EXPECT_EQ(has.fault_records(), part.fault_records);
    EXPECT_EQ(has.psi(), part.psi);
    EXPECT_EQ(has.mamv(), part.mamv);
    // The same on all of them.
    EXPECT_FALSE(has.afl());
    EXPECT_TRUE(has.plmr());
    EXPECT_TRUE(has.phmr());
    EXPECT_FALSE(has.cm());
    EXPECT_EQ(has.sps(), 0U);
    EXPECT_TRUE(has.dwd());
    EXPECT_TRUE(has.drd());
    EXPECT_FALSE(has.supports_page_level(2));
    EXPECT_EQ(has.value & 0xff00'0000'0000'0000U, 0U);
  }
}

TEST(cap, builds_the_registers_of_real_parts) {
  for (const known_part& part : known_parts) {
    SCOPED_TRACE(part.name);
    const cap built = cap{}
                          .set_nd(part.domains == 16 ? 0 : 2)
                          .set_rwbf(part.rwbf)
                          .set_plmr(true)
                          .set_phmr(true)
                          .set_sagaw(part.sagaw)
                          .set_mgaw(part.mgaw)
                          .set_zlr(part.zlr)
                          .set_isoch(part.isoch)
                          .set_fault_record_offset(part.fault_offset)
                          .set_psi(part.psi)
                          .set_fault_records(part.fault_records)
                          .set_mamv(part.mamv)
                          .set_dwd(true)
                          .set_drd(true);
    EXPECT_EQ(built.value, part.value);
  }
}

TEST(ecap, reads_the_registers_of_real_parts) {
  // All units of the Q35, X38 and Q45: nothing but the place of the IOTLB registers.
  constexpr ecap old_part{0x1000};
  static_assert(old_part == ecap{}.set_iotlb_offset(0x100));
  EXPECT_EQ(old_part.iotlb_offset(), 0x100U);

  constexpr ecap x58{0xf0207a};
  static_assert(x58 == ecap{}
                           .set_qi(true)
                           .set_ir(true)
                           .set_eim(true)
                           .set_ch(true)
                           .set_pt(true)
                           .set_iotlb_offset(0x200)
                           .set_mhmv(0xf));
  EXPECT_FALSE(x58.c());
  EXPECT_TRUE(x58.qi());
  EXPECT_FALSE(x58.dt());
  EXPECT_FALSE(x58.sc());

  constexpr ecap server{0xf020fe};
  EXPECT_FALSE(server.c());
  EXPECT_TRUE(server.dt());
  EXPECT_TRUE(server.sc());
  EXPECT_EQ(server.mhmv(), 0xfU);
  EXPECT_EQ(server.niu(), 0U);
}

TEST(register_blocks, are_no_page_longer_than_what_stands_in_them) {
  const auto bytes = [](unsigned fro, unsigned nfr, unsigned iro) {
    return register_block_bytes(cap{}.set_fro(fro).set_nfr(nfr), ecap{}.set_iro(iro));
  };
  EXPECT_EQ(bytes(0x20, 0, 0x10), 0x1000U);
  EXPECT_EQ(bytes(0xff, 0, 0x10), 0x1000U) << "to the last byte";
  EXPECT_EQ(bytes(0xff, 1, 0x10), 0x2000U);
  EXPECT_EQ(bytes(0x100, 0, 0x10), 0x2000U);
  EXPECT_EQ(bytes(0x20, 0, 0xff), 0x1000U);
  EXPECT_EQ(bytes(0x20, 0, 0x100), 0x2000U);
  EXPECT_EQ(bytes(0x1f0, 0xf, 0x10), 0x2000U);
  EXPECT_EQ(bytes(0x3ff, 0xff, 0x3ff), 0x5000U);
}

} // namespace
} // namespace vtd::spec
