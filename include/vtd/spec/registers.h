// SPDX-License-Identifier: Apache-2.0
#pragma once

// All registers of a remapping unit up to IRTA, with IVA, IOTLB and the fault records (VT-d 10.4): each
// declared once, with offset, access and reset value of every field. Register files, drivers, tests and
// tables are made from this. Bits without a field are reserved. CAP and ECAP have their fields by name in
// capability.h, too.

#include "vtd/spec/access.h"
#include "vtd/spec/bits.h"
#include "vtd/spec/capability.h"

#include <array>
#include <cstdint>
#include <span>

namespace vtd::spec::reg {

namespace detail {
// Which parts have a register; arguments are the values of CAP and ECAP.
constexpr bool always(std::uint64_t /*cap*/, std::uint64_t /*ecap*/) { return true; }
constexpr bool extended_interrupts(std::uint64_t /*cap*/, std::uint64_t e) { return ecap{e}.eim(); }
constexpr bool advanced_faults(std::uint64_t c, std::uint64_t /*ecap*/) { return cap{c}.afl(); }
constexpr bool low_region(std::uint64_t c, std::uint64_t /*ecap*/) { return cap{c}.plmr(); }
constexpr bool high_region(std::uint64_t c, std::uint64_t /*ecap*/) { return cap{c}.phmr(); }
constexpr bool any_protected_region(std::uint64_t c, std::uint64_t /*ecap*/) {
  return cap{c}.plmr() || cap{c}.phmr();
}
constexpr bool queue(std::uint64_t /*cap*/, std::uint64_t e) { return ecap{e}.qi(); }
constexpr bool queue_and_extended_interrupts(std::uint64_t /*cap*/, std::uint64_t e) {
  return ecap{e}.qi() && ecap{e}.eim();
}
constexpr bool interrupt_remapping(std::uint64_t /*cap*/, std::uint64_t e) { return ecap{e}.ir(); }
} // namespace detail

/// Version (VT-d 10.4.1).
struct version {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x000;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using min = register_field<"MIN", 3, 0, access::ro, word>;
  using max = register_field<"MAX", 7, 4, access::ro, word, 1>;
  static constexpr field_row rows[] = {min::row, max::row};
  static constexpr register_layout layout{"VER_REG", "Version", offset, base,
                                          size_bits, "10.4.1",  rows,   detail::always};
};

/// Capability (VT-d 10.4.2).
struct cap_reg {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x008;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using nd = register_field<"ND", 2, 0, access::ro, word>;
  using afl = register_field<"AFL", 3, 3, access::ro, word>;
  using rwbf = register_field<"RWBF", 4, 4, access::ro, word>;
  using plmr = register_field<"PLMR", 5, 5, access::ro, word>;
  using phmr = register_field<"PHMR", 6, 6, access::ro, word>;
  using cm = register_field<"CM", 7, 7, access::ro, word>;
  using sagaw = register_field<"SAGAW", 12, 8, access::ro, word>;
  using mgaw = register_field<"MGAW", 21, 16, access::ro, word>;
  using zlr = register_field<"ZLR", 22, 22, access::ro, word>;
  using isoch = register_field<"ISOCH", 23, 23, access::ro, word>;
  using fro = register_field<"FRO", 33, 24, access::ro, word>;
  using sps = register_field<"SPS", 37, 34, access::ro, word>;
  using psi = register_field<"PSI", 39, 39, access::ro, word>;
  using nfr = register_field<"NFR", 47, 40, access::ro, word>;
  using mamv = register_field<"MAMV", 53, 48, access::ro, word>;
  using dwd = register_field<"DWD", 54, 54, access::ro, word>;
  using drd = register_field<"DRD", 55, 55, access::ro, word>;
  using fl1gp = register_field<"FL1GP", 56, 56, access::ro, word>;
  using pi = register_field<"PI", 59, 59, access::ro, word>;
  using fl5lp = register_field<"FL5LP", 60, 60, access::ro, word>;
  using ecmds = register_field<"ECMDS", 61, 61, access::ro, word>;
  using esirtps = register_field<"ESIRTPS", 62, 62, access::ro, word>;
  using esrtps = register_field<"ESRTPS", 63, 63, access::ro, word>;
  static constexpr field_row rows[] = {
      nd::row,  afl::row,   rwbf::row, plmr::row,  phmr::row,  cm::row,      sagaw::row, mgaw::row,
      zlr::row, isoch::row, fro::row,  sps::row,   psi::row,   nfr::row,     mamv::row,  dwd::row,
      drd::row, fl1gp::row, pi::row,   fl5lp::row, ecmds::row, esirtps::row, esrtps::row};
  static constexpr register_layout layout{"CAP_REG", "Capability", offset, base,
                                          size_bits, "10.4.2",     rows,   detail::always};
};

/// Extended capability (VT-d 10.4.3).
struct ecap_reg {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x010;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using c = register_field<"C", 0, 0, access::ro, word>;
  using qi = register_field<"QI", 1, 1, access::ro, word>;
  using dt = register_field<"DT", 2, 2, access::ro, word>;
  using ir = register_field<"IR", 3, 3, access::ro, word>;
  using eim = register_field<"EIM", 4, 4, access::ro, word>;
  using ch = register_field<"CH", 5, 5, access::ro, word>;
  using pt = register_field<"PT", 6, 6, access::ro, word>;
  using sc = register_field<"SC", 7, 7, access::ro, word>;
  using iro = register_field<"IRO", 17, 8, access::ro, word>;
  using mhmv = register_field<"MHMV", 23, 20, access::ro, word>;
  using ecs = register_field<"ECS", 24, 24, access::ro, word>;
  using mts = register_field<"MTS", 25, 25, access::ro, word>;
  using nest = register_field<"NEST", 26, 26, access::ro, word>;
  using dis = register_field<"DIS", 27, 27, access::ro, word>;
  using prs = register_field<"PRS", 29, 29, access::ro, word>;
  using ers = register_field<"ERS", 30, 30, access::ro, word>;
  using srs = register_field<"SRS", 31, 31, access::ro, word>;
  using pot = register_field<"POT", 32, 32, access::ro, word>;
  using nwfs = register_field<"NWFS", 33, 33, access::ro, word>;
  using eafs = register_field<"EAFS", 34, 34, access::ro, word>;
  using pss = register_field<"PSS", 39, 35, access::ro, word>;
  using pasid = register_field<"PASID", 40, 40, access::ro, word>;
  using dit = register_field<"DIT", 41, 41, access::ro, word>;
  using pds = register_field<"PDS", 42, 42, access::ro, word>;
  using smts = register_field<"SMTS", 43, 43, access::ro, word>;
  using vcs = register_field<"VCS", 44, 44, access::ro, word>;
  using slads = register_field<"SLADS", 45, 45, access::ro, word>;
  using slts = register_field<"SLTS", 46, 46, access::ro, word>;
  using flts = register_field<"FLTS", 47, 47, access::ro, word>;
  using smpwcs = register_field<"SMPWCS", 48, 48, access::ro, word>;
  using rps = register_field<"RPS", 49, 49, access::ro, word>;
  using tdxio = register_field<"TDXIO", 50, 50, access::ro, word>;
  using pms = register_field<"PMS", 51, 51, access::ro, word>;
  using adms = register_field<"ADMS", 52, 52, access::ro, word>;
  using rprivs = register_field<"RPRIVS", 53, 53, access::ro, word>;
  using hpts = register_field<"HPTS", 55, 55, access::ro, word>;
  using ptrs = register_field<"PTRS", 56, 56, access::ro, word>;
  using pbds = register_field<"PBDS", 57, 57, access::ro, word>;
  using sms = register_field<"SMS", 58, 58, access::ro, word>;
  static constexpr field_row rows[] = {
      c::row,    qi::row,   dt::row,     ir::row,   eim::row,  ch::row,     pt::row,  sc::row,
      iro::row,  mhmv::row, ecs::row,    mts::row,  nest::row, dis::row,    prs::row, ers::row,
      srs::row,  pot::row,  nwfs::row,   eafs::row, pss::row,  pasid::row,  dit::row, pds::row,
      smts::row, vcs::row,  slads::row,  slts::row, flts::row, smpwcs::row, rps::row, tdxio::row,
      pms::row,  adms::row, rprivs::row, hpts::row, ptrs::row, pbds::row,   sms::row};
  static constexpr register_layout layout{
      "ECAP_REG", "Extended capability", offset, base, size_bits, "10.4.3", rows, detail::always};
};

/// Global command: orders; the state is in GSTS (VT-d 10.4.4).
struct gcmd {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x018;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using cfi = register_field<"CFI", 23, 23, access::wo, word>;
  using sirtp = register_field<"SIRTP", 24, 24, access::wo, word>;
  using ire = register_field<"IRE", 25, 25, access::wo, word>;
  using qie = register_field<"QIE", 26, 26, access::wo, word>;
  using wbf = register_field<"WBF", 27, 27, access::wo, word>;
  using eafl = register_field<"EAFL", 28, 28, access::wo, word>;
  using sfl = register_field<"SFL", 29, 29, access::wo, word>;
  using srtp = register_field<"SRTP", 30, 30, access::wo, word>;
  using te = register_field<"TE", 31, 31, access::wo, word>;
  static constexpr field_row rows[] = {cfi::row,  sirtp::row, ire::row,  qie::row, wbf::row,
                                       eafl::row, sfl::row,   srtp::row, te::row};
  static constexpr register_layout layout{"GCMD_REG", "Global command", offset, base,
                                          size_bits,  "10.4.4",         rows,   detail::always};
};

/// Global status (VT-d 10.4.5).
struct gsts {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x01c;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using cfis = register_field<"CFIS", 23, 23, access::ro_v, word>;
  using irtps = register_field<"IRTPS", 24, 24, access::ro_v, word>;
  using ires = register_field<"IRES", 25, 25, access::ro_v, word>;
  using qies = register_field<"QIES", 26, 26, access::ro_v, word>;
  using wbfs = register_field<"WBFS", 27, 27, access::ro_v, word>;
  using afls = register_field<"AFLS", 28, 28, access::ro_v, word>;
  using fls = register_field<"FLS", 29, 29, access::ro_v, word>;
  using rtps = register_field<"RTPS", 30, 30, access::ro_v, word>;
  using tes = register_field<"TES", 31, 31, access::ro_v, word>;
  static constexpr field_row rows[] = {cfis::row, irtps::row, ires::row, qies::row, wbfs::row,
                                       afls::row, fls::row,   rtps::row, tes::row};
  static constexpr register_layout layout{"GSTS_REG", "Global status", offset, base,
                                          size_bits,  "10.4.5",        rows,   detail::always};
};

/// Root table address; in use from SRTP on (VT-d 10.4.6).
struct rtaddr {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x020;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using ttm = register_field<"TTM", 11, 10, access::rw, word>;
  using rta = register_field<"RTA", 63, 12, access::rw, word>;
  static constexpr field_row rows[] = {ttm::row, rta::row};
  static constexpr register_layout layout{
      "RTADDR_REG", "Root table address", offset, base, size_bits, "10.4.6", rows, detail::always};
};

/// Context command: context-cache invalidation (VT-d 10.4.7).
struct ccmd {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x028;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using did = register_field<"DID", 15, 0, access::rw, word>;
  using sid = register_field<"SID", 31, 16, access::wo, word>;
  using fm = register_field<"FM", 33, 32, access::wo, word>;
  using caig = register_field<"CAIG", 60, 59, access::ro_v, word>;
  using cirg = register_field<"CIRG", 62, 61, access::rw, word>;
  using icc = register_field<"ICC", 63, 63, access::rw_sc, word>;
  static constexpr field_row rows[] = {did::row, sid::row, fm::row, caig::row, cirg::row, icc::row};
  static constexpr register_layout layout{"CCMD_REG", "Context command", offset, base,
                                          size_bits,  "10.4.7",          rows,   detail::always};
};

/// Fault status (VT-d 10.4.9).
struct fsts {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x034;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using pfo = register_field<"PFO", 0, 0, access::rw1cs, word>;
  using ppf = register_field<"PPF", 1, 1, access::ros_v, word>;
  using afo = register_field<"AFO", 2, 2, access::rw1cs, word>;
  using apf = register_field<"APF", 3, 3, access::rw1cs, word>;
  using iqe = register_field<"IQE", 4, 4, access::rw1cs, word>;
  using ice = register_field<"ICE", 5, 5, access::rw1cs, word>;
  using ite = register_field<"ITE", 6, 6, access::rw1cs, word>;
  using fri = register_field<"FRI", 15, 8, access::ros_v, word>;
  static constexpr field_row rows[] = {pfo::row, ppf::row, afo::row, apf::row,
                                       iqe::row, ice::row, ite::row, fri::row};
  static constexpr register_layout layout{"FSTS_REG", "Fault status", offset, base,
                                          size_bits,  "10.4.9",       rows,   detail::always};
};

/// Fault event control (VT-d 10.4.10).
struct fectl {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x038;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using ip = register_field<"IP", 30, 30, access::ro_v, word>;
  using im = register_field<"IM", 31, 31, access::rw, word, 1>;
  static constexpr field_row rows[] = {ip::row, im::row};
  static constexpr register_layout layout{
      "FECTL_REG", "Fault event control", offset, base, size_bits, "10.4.10", rows, detail::always};
};

/// Fault event data (VT-d 10.4.11).
struct fedata {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x03c;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using imd = register_field<"IMD", 15, 0, access::rw, word>;
  using eimd = register_field<"EIMD", 31, 16, access::rw, word>;
  static constexpr field_row rows[] = {imd::row, eimd::row};
  static constexpr register_layout layout{"FEDATA_REG", "Fault event data", offset, base,
                                          size_bits,    "10.4.11",          rows,   detail::always};
};

/// Fault event address (VT-d 10.4.12).
struct feaddr {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x040;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using ma = register_field<"MA", 31, 2, access::rw, word>;
  static constexpr field_row rows[] = {ma::row};
  static constexpr register_layout layout{
      "FEADDR_REG", "Fault event address", offset, base, size_bits, "10.4.12", rows, detail::always};
};

/// Fault event upper address (VT-d 10.4.13).
struct feuaddr {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x044;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using mua = register_field<"MUA", 31, 0, access::rw, word>;
  static constexpr field_row rows[] = {mua::row};
  static constexpr register_layout layout{
      "FEUADDR_REG", "Fault event upper address", offset, base, size_bits, "10.4.13",
      rows,          detail::extended_interrupts};
};

/// Advanced fault log (VT-d 10.4.15).
struct aflog {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x058;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using fls = register_field<"FLS", 11, 9, access::rw, word>;
  using fla = register_field<"FLA", 63, 12, access::rw, word>;
  static constexpr field_row rows[] = {fls::row, fla::row};
  static constexpr register_layout layout{
      "AFLOG_REG", "Advanced fault log", offset, base, size_bits, "10.4.15", rows, detail::advanced_faults};
};

/// Protected memory enable (VT-d 10.4.16).
struct pmen {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x064;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using prs = register_field<"PRS", 0, 0, access::ro_v, word>;
  using epm = register_field<"EPM", 31, 31, access::rw, word>;
  static constexpr field_row rows[] = {prs::row, epm::row};
  static constexpr register_layout layout{
      "PMEN_REG", "Protected memory enable",   offset, base, size_bits, "10.4.16",
      rows,       detail::any_protected_region};
};

/// Protected low-memory base (VT-d 10.4.17).
struct plmbase {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x068;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using plmb = register_field<"PLMB", 31, 0, access::rw, word>;
  static constexpr field_row rows[] = {plmb::row};
  static constexpr register_layout layout{
      "PLMBASE_REG", "Protected low-memory base", offset, base, size_bits, "10.4.17",
      rows,          detail::low_region};
};

/// Protected low-memory limit, inclusive (VT-d 10.4.18).
struct plmlimit {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x06c;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using plml = register_field<"PLML", 31, 0, access::rw, word>;
  static constexpr field_row rows[] = {plml::row};
  static constexpr register_layout layout{
      "PLMLIMIT_REG",    "Protected low-memory limit, inclusive", offset, base, size_bits, "10.4.18", rows,
      detail::low_region};
};

/// Protected high-memory base (VT-d 10.4.19).
struct phmbase {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x070;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using phmb = register_field<"PHMB", 63, 0, access::rw, word>;
  static constexpr field_row rows[] = {phmb::row};
  static constexpr register_layout layout{
      "PHMBASE_REG", "Protected high-memory base", offset, base, size_bits, "10.4.19",
      rows,          detail::high_region};
};

/// Protected high-memory limit, inclusive (VT-d 10.4.20).
struct phmlimit {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x078;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using phml = register_field<"PHML", 63, 0, access::rw, word>;
  static constexpr field_row rows[] = {phml::row};
  static constexpr register_layout layout{
      "PHMLIMIT_REG",     "Protected high-memory limit, inclusive", offset, base, size_bits, "10.4.20", rows,
      detail::high_region};
};

/// Invalidation queue head (VT-d 10.4.21).
struct iqh {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x080;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using qh = register_field<"QH", 18, 4, access::ro_v, word>;
  static constexpr field_row rows[] = {qh::row};
  static constexpr register_layout layout{
      "IQH_REG", "Invalidation queue head", offset, base, size_bits, "10.4.21", rows, detail::queue};
};

/// Invalidation queue tail (VT-d 10.4.22).
struct iqt {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x088;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using qt = register_field<"QT", 18, 4, access::rw, word>;
  static constexpr field_row rows[] = {qt::row};
  static constexpr register_layout layout{
      "IQT_REG", "Invalidation queue tail", offset, base, size_bits, "10.4.22", rows, detail::queue};
};

/// Invalidation queue address (VT-d 10.4.23).
struct iqa {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x090;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using qs = register_field<"QS", 2, 0, access::rw, word>;
  using dw = register_field<"DW", 11, 11, access::rw, word>;
  using address = register_field<"IQA", 63, 12, access::rw, word>;
  static constexpr field_row rows[] = {qs::row, dw::row, address::row};
  static constexpr register_layout layout{
      "IQA_REG", "Invalidation queue address", offset, base, size_bits, "10.4.23", rows, detail::queue};
};

/// Invalidation completion status (VT-d 10.4.24).
struct ics {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x09c;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using iwc = register_field<"IWC", 0, 0, access::rw1cs, word>;
  static constexpr field_row rows[] = {iwc::row};
  static constexpr register_layout layout{
      "ICS_REG", "Invalidation completion status", offset, base, size_bits, "10.4.24", rows, detail::queue};
};

/// Invalidation event control (VT-d 10.4.25).
struct iectl {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x0a0;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using ip = register_field<"IP", 30, 30, access::ro_v, word>;
  using im = register_field<"IM", 31, 31, access::rw, word, 1>;
  static constexpr field_row rows[] = {ip::row, im::row};
  static constexpr register_layout layout{
      "IECTL_REG", "Invalidation event control", offset, base, size_bits, "10.4.25", rows, detail::queue};
};

/// Invalidation event data (VT-d 10.4.26).
struct iedata {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x0a4;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using imd = register_field<"IMD", 15, 0, access::rw, word>;
  using eimd = register_field<"EIMD", 31, 16, access::rw, word>;
  static constexpr field_row rows[] = {imd::row, eimd::row};
  static constexpr register_layout layout{
      "IEDATA_REG", "Invalidation event data", offset, base, size_bits, "10.4.26", rows, detail::queue};
};

/// Invalidation event address (VT-d 10.4.27).
struct ieaddr {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x0a8;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using ma = register_field<"MA", 31, 2, access::rw, word>;
  static constexpr field_row rows[] = {ma::row};
  static constexpr register_layout layout{
      "IEADDR_REG", "Invalidation event address", offset, base, size_bits, "10.4.27", rows, detail::queue};
};

/// Invalidation event upper address (VT-d 10.4.28).
struct ieuaddr {
  using word = std::uint32_t;
  static constexpr std::uint32_t offset = 0x0ac;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 32;
  using mua = register_field<"MUA", 31, 0, access::rw, word>;
  static constexpr field_row rows[] = {mua::row};
  static constexpr register_layout layout{
      "IEUADDR_REG", "Invalidation event upper address",   offset, base, size_bits, "10.4.28",
      rows,          detail::queue_and_extended_interrupts};
};

/// Invalidation queue error record (revision 3) (VT-d 10.4.29).
struct iqercd {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x0b0;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using iqei = register_field<"IQEI", 3, 0, access::ro_v, word>;
  using itesid = register_field<"ITESID", 47, 32, access::ro_v, word>;
  using icesid = register_field<"ICESID", 63, 48, access::ro_v, word>;
  static constexpr field_row rows[] = {iqei::row, itesid::row, icesid::row};
  static constexpr register_layout layout{
      "IQERCD_REG", "Invalidation queue error record (revision 3)", offset, base, size_bits, "10.4.29", rows,
      detail::queue};
};

/// Interrupt remapping table address; in use from SIRTP on (VT-d 10.4.30).
struct irta {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x0b8;
  static constexpr register_base base = register_base::block;
  static constexpr unsigned size_bits = 64;
  using s = register_field<"S", 3, 0, access::rw, word>;
  using eime = register_field<"EIME", 11, 11, access::rw, word>;
  using address = register_field<"IRTA", 63, 12, access::rw, word>;
  static constexpr field_row rows[] = {s::row, eime::row, address::row};
  static constexpr register_layout layout{
      "IRTA_REG", "Interrupt remapping table address", offset, base, size_bits, "10.4.30",
      rows,       detail::interrupt_remapping};
};

/// Invalidate address: what a page-selective IOTLB invalidation names (VT-d 10.4.8.2).
struct iva {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x000;
  static constexpr register_base base = register_base::iotlb;
  static constexpr unsigned size_bits = 64;
  using am = register_field<"AM", 5, 0, access::wo, word>;
  using ih = register_field<"IH", 6, 6, access::wo, word>;
  using addr = register_field<"ADDR", 63, 12, access::wo, word>;
  static constexpr field_row rows[] = {am::row, ih::row, addr::row};
  static constexpr register_layout layout{"IVA_REG", "Invalidate address", offset, base,
                                          size_bits, "10.4.8.2",           rows,   detail::always};
};

/// IOTLB invalidate (VT-d 10.4.8.1).
struct iotlb {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x008;
  static constexpr register_base base = register_base::iotlb;
  static constexpr unsigned size_bits = 64;
  using did = register_field<"DID", 47, 32, access::rw, word>;
  using dw = register_field<"DW", 48, 48, access::rw, word>;
  using dr = register_field<"DR", 49, 49, access::rw, word>;
  using iaig = register_field<"IAIG", 58, 57, access::ro_v, word>;
  using iirg = register_field<"IIRG", 61, 60, access::rw, word>;
  using ivt = register_field<"IVT", 63, 63, access::rw_sc, word>;
  static constexpr field_row rows[] = {did::row, dw::row, dr::row, iaig::row, iirg::row, ivt::row};
  static constexpr register_layout layout{"IOTLB_REG", "IOTLB invalidate", offset, base,
                                          size_bits,   "10.4.8.1",         rows,   detail::always};
};

/// Fault record, low half (VT-d 10.4.14).
struct frcd_lo {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x000;
  static constexpr register_base base = register_base::fault;
  static constexpr unsigned size_bits = 64;
  using fi = register_field<"FI", 63, 12, access::ros_v, word>;
  static constexpr field_row rows[] = {fi::row};
  static constexpr register_layout layout{
      "FRCD_REG (low)", "Fault record, low half", offset, base, size_bits, "10.4.14", rows, detail::always};
};

/// Fault record, high half (VT-d 10.4.14).
struct frcd_hi {
  using word = std::uint64_t;
  static constexpr std::uint32_t offset = 0x008;
  static constexpr register_base base = register_base::fault;
  static constexpr unsigned size_bits = 64;
  using sid = register_field<"SID", 15, 0, access::ros_v, word>;
  using t2 = register_field<"T2", 28, 28, access::ros_v, word>;
  using priv = register_field<"PRIV", 29, 29, access::ros_v, word>;
  using exe = register_field<"EXE", 30, 30, access::ros_v, word>;
  using pp = register_field<"PP", 31, 31, access::ros_v, word>;
  using fr = register_field<"FR", 39, 32, access::ros_v, word>;
  using pv = register_field<"PV", 59, 40, access::ros_v, word>;
  using at = register_field<"AT", 61, 60, access::ros_v, word>;
  using t1 = register_field<"T1", 62, 62, access::ros_v, word>;
  using f = register_field<"F", 63, 63, access::rw1cs, word>;
  static constexpr field_row rows[] = {sid::row, t2::row, priv::row, exe::row, pp::row,
                                       fr::row,  pv::row, at::row,   t1::row,  f::row};
  static constexpr register_layout layout{
      "FRCD_REG (high)", "Fault record, high half", offset, base, size_bits, "10.4.14", rows, detail::always};
};

inline constexpr std::array<register_layout, 32> all_layouts{{
    version::layout, cap_reg::layout, ecap_reg::layout, gcmd::layout,     gsts::layout,    rtaddr::layout,
    ccmd::layout,    fsts::layout,    fectl::layout,    fedata::layout,   feaddr::layout,  feuaddr::layout,
    aflog::layout,   pmen::layout,    plmbase::layout,  plmlimit::layout, phmbase::layout, phmlimit::layout,
    iqh::layout,     iqt::layout,     iqa::layout,      ics::layout,      iectl::layout,   iedata::layout,
    ieaddr::layout,  ieuaddr::layout, iqercd::layout,   irta::layout,     iva::layout,     iotlb::layout,
    frcd_lo::layout, frcd_hi::layout,
}};

/// Every register, block registers first, in the order of offsets.
[[nodiscard]] constexpr std::span<const register_layout> all_registers() { return all_layouts; }

} // namespace vtd::spec::reg
