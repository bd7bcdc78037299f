// SPDX-License-Identifier: Apache-2.0
#pragma once

// All registers of a remapping unit up to IRTA, with IVA, IOTLB and the fault records (VT-d 10.4): each
// declared once, with offset, access, reset value and first revision of every field. Register files, drivers,
// tests and tables are made from this. Bits without a field are reserved. Where revisions use a bit in two
// ways, revision 3 stands here: TTM in RTADDR (revision 2: RTT), no NIU in ECAP, no PRO in FSTS. CAP and ECAP
// have their fields by name in capability.h, too.

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

/// The newest revision of the specification that a part may follow; `version`: VER as it reads. It reads 1.0
/// in parts up to revision 2.5; scalable mode and the mode that aborts all DMA came with revision 3.
[[nodiscard]] constexpr spec_revision newest_revision(std::uint32_t version, ecap extended) {
  const spec_revision least = extended.smts() || extended.adms() ? rev_3_0 : rev_2_5;
  const auto said = static_cast<spec_revision>(version & 0xff);
  return said > least ? said : least;
}

/// Version (VT-d 10.4.1).
struct version : register_at<0x000, std::uint32_t> {
  using min = bits<"MIN", 3, 0, access::ro, "minor number of the version">;
  using max = bits<"MAX", 7, 4, access::ro, "major number of the version", rev_1_0, 1>;
  static constexpr field_row rows[] = {min::row, max::row};
  static constexpr register_layout layout{"VER_REG", "Version", offset, base,
                                          size_bits, "10.4.1",  rows,   detail::always};
};

/// Capability (VT-d 10.4.2).
struct cap_reg : register_at<0x008, std::uint64_t> {
  using nd = bits<"ND", 2, 0, access::ro, "domain-ids have 4 + 2 x ND bits">;
  using afl = bits<"AFL", 3, 3, access::ro, "advanced fault logging">;
  using rwbf = bits<"RWBF", 4, 4, access::ro, "writes to tables need a write-buffer flush">;
  using plmr = bits<"PLMR", 5, 5, access::ro, "protected low-memory region">;
  using phmr = bits<"PHMR", 6, 6, access::ro, "protected high-memory region">;
  using cm = bits<"CM", 7, 7, access::ro, "caching mode: not-present entries are cached, too">;
  using sagaw = bits<"SAGAW", 12, 8, access::ro, "table depths, one bit each; bit 1: 3 levels, 39 bits">;
  using mgaw = bits<"MGAW", 21, 16, access::ro, "width of input addresses minus one">;
  using zlr = bits<"ZLR", 22, 22, access::ro, "zero-length reads of write-only pages">;
  using isoch = bits<"ISOCH", 23, 23, access::ro, "serves isochronous requests (rev 1.x)">;
  using fro = bits<"FRO", 33, 24, access::ro, "place of the fault records in 16 bytes">;
  using sps = bits<"SPS", 37, 34, access::ro, "large pages; bit 0: 2 MB, bit 1: 1 GB">;
  using psi = bits<"PSI", 39, 39, access::ro, "page-selective IOTLB invalidation">;
  using nfr = bits<"NFR", 47, 40, access::ro, "fault records minus one">;
  using mamv = bits<"MAMV", 53, 48, access::ro, "largest address mask of an invalidation">;
  using dwd = bits<"DWD", 54, 54, access::ro, "invalidations can drain writes">;
  using drd = bits<"DRD", 55, 55, access::ro, "invalidations can drain reads">;
  using fl1gp = bits<"FL1GP", 56, 56, access::ro, "1 GB pages in the first level", rev_2_0>;
  using pi = bits<"PI", 59, 59, access::ro, "posted interrupts", rev_2_2>;
  using fl5lp = bits<"FL5LP", 60, 60, access::ro, "5 levels in the first level", rev_2_5>;
  using ecmds = bits<"ECMDS", 61, 61, access::ro, "enhanced commands", rev_4_0>;
  using esirtps = bits<"ESIRTPS", 62, 62, access::ro, "SIRTP flushes the interrupt entry cache", rev_3_3>;
  using esrtps = bits<"ESRTPS", 63, 63, access::ro, "SRTP flushes all caches of translations", rev_3_3>;
  static constexpr field_row rows[] = {
      nd::row,  afl::row,   rwbf::row, plmr::row,  phmr::row,  cm::row,      sagaw::row, mgaw::row,
      zlr::row, isoch::row, fro::row,  sps::row,   psi::row,   nfr::row,     mamv::row,  dwd::row,
      drd::row, fl1gp::row, pi::row,   fl5lp::row, ecmds::row, esirtps::row, esrtps::row};
  static constexpr register_layout layout{"CAP_REG", "Capability", offset, base,
                                          size_bits, "10.4.2",     rows,   detail::always};
};

/// Extended capability (VT-d 10.4.3).
struct ecap_reg : register_at<0x010, std::uint64_t> {
  using c = bits<"C", 0, 0, access::ro, "table reads snoop the caches of the CPU">;
  using qi = bits<"QI", 1, 1, access::ro, "queued invalidation">;
  using dt = bits<"DT", 2, 2, access::ro, "device-TLBs">;
  using ir = bits<"IR", 3, 3, access::ro, "interrupt remapping">;
  using eim = bits<"EIM", 4, 4, access::ro, "32-bit APIC ids">;
  using ch = bits<"CH", 5, 5, access::ro, "caching hints in context entries (rev 1.x)">;
  using pt = bits<"PT", 6, 6, access::ro, "pass-through", rev_1_1>;
  using sc = bits<"SC", 7, 7, access::ro, "snoop control in leaf entries", rev_1_1>;
  using iro = bits<"IRO", 17, 8, access::ro, "place of IVA and IOTLB in 16 bytes">;
  using mhmv = bits<"MHMV", 23, 20, access::ro, "largest mask of an interrupt entry invalidation">;
  using ecs = bits<"ECS", 24, 24, access::ro, "extended context entries (rev 2.x)", rev_2_0>;
  using mts = bits<"MTS", 25, 25, access::ro, "memory types", rev_2_0>;
  using nest = bits<"NEST", 26, 26, access::ro, "nested translation", rev_2_0>;
  using dis = bits<"DIS", 27, 27, access::ro, "deferred invalidation (rev 2.x)", rev_2_0>;
  using prs = bits<"PRS", 29, 29, access::ro, "page requests", rev_2_0>;
  using ers = bits<"ERS", 30, 30, access::ro, "execute requests", rev_2_0>;
  using srs = bits<"SRS", 31, 31, access::ro, "supervisor requests", rev_2_0>;
  using pot = bits<"POT", 32, 32, access::ro, "translation by PASID only (rev 2.x)", rev_2_4>;
  using nwfs = bits<"NWFS", 33, 33, access::ro, "no-write flag of translation requests", rev_2_0>;
  using eafs = bits<"EAFS", 34, 34, access::ro, "extended accessed flag", rev_2_0>;
  using pss = bits<"PSS", 39, 35, access::ro, "width of PASIDs minus one", rev_2_0>;
  using pasid = bits<"PASID", 40, 40, access::ro, "requests with PASID", rev_2_4>;
  using dit = bits<"DIT", 41, 41, access::ro, "device-TLB invalidations can be throttled", rev_2_4>;
  using pds = bits<"PDS", 42, 42, access::ro, "waits can drain page requests", rev_2_4>;
  using smts = bits<"SMTS", 43, 43, access::ro, "scalable mode", rev_3_0>;
  using vcs = bits<"VCS", 44, 44, access::ro, "virtual commands", rev_3_0>;
  using slads = bits<"SLADS", 45, 45, access::ro, "accessed and dirty bits in the second level", rev_3_0>;
  using slts = bits<"SLTS", 46, 46, access::ro, "second-level translation in scalable mode", rev_3_0>;
  using flts = bits<"FLTS", 47, 47, access::ro, "first-level translation in scalable mode", rev_3_0>;
  using smpwcs = bits<"SMPWCS", 48, 48, access::ro, "page walks can snoop in scalable mode", rev_3_0>;
  using rps = bits<"RPS", 49, 49, access::ro, "PASID for requests without one", rev_3_0>;
  using tdxio = bits<"TDXIO", 50, 50, access::ro, "trusted devices", rev_4_1>;
  using pms = bits<"PMS", 51, 51, access::ro, "performance monitoring", rev_4_0>;
  using adms = bits<"ADMS", 52, 52, access::ro, "mode that aborts all DMA", rev_3_3>;
  using rprivs = bits<"RPRIVS", 53, 53, access::ro, "privilege for requests without PASID", rev_3_3>;
  using hpts = bits<"HPTS", 55, 55, access::ro, "HPT, not confirmed", rev_5_0>;
  using ptrs = bits<"PTRS", 56, 56, access::ro, "PTR, not confirmed", rev_5_0>;
  using pbds = bits<"PBDS", 57, 57, access::ro, "PBD, not confirmed", rev_5_0>;
  using sms = bits<"SMS", 58, 58, access::ro, "stop markers may be dropped", rev_4_1>;
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
struct gcmd : register_at<0x018, std::uint32_t> {
  using cfi = bits<"CFI", 23, 23, access::wo, "let compatibility-format interrupts through">;
  using sirtp = bits<"SIRTP", 24, 24, access::wo, "take over IRTA">;
  using ire = bits<"IRE", 25, 25, access::wo, "enable interrupt remapping">;
  using qie = bits<"QIE", 26, 26, access::wo, "enable the invalidation queue">;
  using wbf = bits<"WBF", 27, 27, access::wo, "flush the write buffer">;
  using eafl = bits<"EAFL", 28, 28, access::wo, "enable advanced fault logging">;
  using sfl = bits<"SFL", 29, 29, access::wo, "take over AFLOG">;
  using srtp = bits<"SRTP", 30, 30, access::wo, "take over RTADDR">;
  using te = bits<"TE", 31, 31, access::wo, "enable DMA remapping">;
  static constexpr field_row rows[] = {cfi::row,  sirtp::row, ire::row,  qie::row, wbf::row,
                                       eafl::row, sfl::row,   srtp::row, te::row};
  static constexpr register_layout layout{"GCMD_REG", "Global command", offset, base,
                                          size_bits,  "10.4.4",         rows,   detail::always};
};

/// Global status (VT-d 10.4.5).
struct gsts : register_at<0x01c, std::uint32_t> {
  using cfis = bits<"CFIS", 23, 23, access::ro_v, "compatibility-format interrupts pass">;
  using irtps = bits<"IRTPS", 24, 24, access::ro_v, "IRTA is taken over">;
  using ires = bits<"IRES", 25, 25, access::ro_v, "interrupt remapping is on">;
  using qies = bits<"QIES", 26, 26, access::ro_v, "the invalidation queue is on">;
  using wbfs = bits<"WBFS", 27, 27, access::ro_v, "a write-buffer flush is going on">;
  using afls = bits<"AFLS", 28, 28, access::ro_v, "advanced fault logging is on">;
  using fls = bits<"FLS", 29, 29, access::ro_v, "AFLOG is taken over">;
  using rtps = bits<"RTPS", 30, 30, access::ro_v, "RTADDR is taken over">;
  using tes = bits<"TES", 31, 31, access::ro_v, "DMA remapping is on">;
  static constexpr field_row rows[] = {cfis::row, irtps::row, ires::row, qies::row, wbfs::row,
                                       afls::row, fls::row,   rtps::row, tes::row};
  static constexpr register_layout layout{"GSTS_REG", "Global status", offset, base,
                                          size_bits,  "10.4.5",        rows,   detail::always};
};

/// Root table address; in use from SRTP on (VT-d 10.4.6).
struct rtaddr : register_at<0x020, std::uint64_t> {
  using ttm = bits<"TTM", 11, 10, access::rw, "mode of translation; 0: legacy", rev_3_0>;
  using rta = bits<"RTA", 63, 12, access::rw, "root table, a host physical address in pages">;
  static constexpr field_row rows[] = {ttm::row, rta::row};
  static constexpr register_layout layout{
      "RTADDR_REG", "Root table address", offset, base, size_bits, "10.4.6", rows, detail::always};
};

/// Context command: context-cache invalidation (VT-d 10.4.7).
struct ccmd : register_at<0x028, std::uint64_t> {
  using did = bits<"DID", 15, 0, access::rw, "domain to invalidate">;
  using sid = bits<"SID", 31, 16, access::wo, "device to invalidate">;
  using fm = bits<"FM", 33, 32, access::wo, "bits of the function number not compared">;
  using caig = bits<"CAIG", 60, 59, access::ro_v, "granularity done; 0: nothing done">;
  using cirg = bits<"CIRG", 62, 61, access::rw, "granularity wanted">;
  using icc = bits<"ICC", 63, 63, access::rw_sc, "start; 0 when done">;
  static constexpr field_row rows[] = {did::row, sid::row, fm::row, caig::row, cirg::row, icc::row};
  static constexpr register_layout layout{"CCMD_REG", "Context command", offset, base,
                                          size_bits,  "10.4.7",          rows,   detail::always};
};

/// Fault status (VT-d 10.4.9).
struct fsts : register_at<0x034, std::uint32_t> {
  using pfo = bits<"PFO", 0, 0, access::rw1cs, "a fault found no free record">;
  using ppf = bits<"PPF", 1, 1, access::ros_v, "some record holds a fault">;
  using afo = bits<"AFO", 2, 2, access::rw1cs, "the advanced log overflowed">;
  using apf = bits<"APF", 3, 3, access::rw1cs, "the advanced log has a fault">;
  using iqe = bits<"IQE", 4, 4, access::rw1cs, "the invalidation queue met an error">;
  using ice = bits<"ICE", 5, 5, access::rw1cs, "a device sent a wrong invalidation completion">;
  using ite = bits<"ITE", 6, 6, access::rw1cs, "a device sent no invalidation completion in time">;
  using fri = bits<"FRI", 15, 8, access::ros_v, "first record with a fault, while PPF = 1">;
  static constexpr field_row rows[] = {pfo::row, ppf::row, afo::row, apf::row,
                                       iqe::row, ice::row, ite::row, fri::row};
  static constexpr register_layout layout{"FSTS_REG", "Fault status", offset, base,
                                          size_bits,  "10.4.9",       rows,   detail::always};
};

/// Fault event control (VT-d 10.4.10).
struct fectl : register_at<0x038, std::uint32_t> {
  using ip = bits<"IP", 30, 30, access::ro_v, "an event waits">;
  using im = bits<"IM", 31, 31, access::rw, "events are held back", rev_1_0, 1>;
  static constexpr field_row rows[] = {ip::row, im::row};
  static constexpr register_layout layout{
      "FECTL_REG", "Fault event control", offset,  base,         size_bits, "10.4.10",
      rows,        detail::always,        rev_1_0, access::rsvdp};
};

/// Fault event data (VT-d 10.4.11).
struct fedata : register_at<0x03c, std::uint32_t> {
  using imd = bits<"IMD", 15, 0, access::rw, "data of the message, low half">;
  using eimd = bits<"EIMD", 31, 16, access::rw, "data of the message, high half; with EIM only">;
  static constexpr field_row rows[] = {imd::row, eimd::row};
  static constexpr register_layout layout{"FEDATA_REG", "Fault event data", offset, base,
                                          size_bits,    "10.4.11",          rows,   detail::always};
};

/// Fault event address (VT-d 10.4.12).
struct feaddr : register_at<0x040, std::uint32_t> {
  using ma = bits<"MA", 31, 2, access::rw, "address of the message, in dwords">;
  static constexpr field_row rows[] = {ma::row};
  static constexpr register_layout layout{
      "FEADDR_REG", "Fault event address", offset, base, size_bits, "10.4.12", rows, detail::always};
};

/// Fault event upper address (VT-d 10.4.13).
struct feuaddr : register_at<0x044, std::uint32_t> {
  using mua = bits<"MUA", 31, 0, access::rw, "upper half of the address of the message">;
  static constexpr field_row rows[] = {mua::row};
  static constexpr register_layout layout{
      "FEUADDR_REG", "Fault event upper address", offset, base, size_bits, "10.4.13",
      rows,          detail::extended_interrupts};
};

/// Advanced fault log (VT-d 10.4.15).
struct aflog : register_at<0x058, std::uint64_t> {
  using fls = bits<"FLS", 11, 9, access::rw, "size of the log: 2^FLS pages">;
  using fla = bits<"FLA", 63, 12, access::rw, "fault log, a host physical address in pages">;
  static constexpr field_row rows[] = {fls::row, fla::row};
  static constexpr register_layout layout{
      "AFLOG_REG", "Advanced fault log", offset, base, size_bits, "10.4.15", rows, detail::advanced_faults};
};

/// Protected memory enable (VT-d 10.4.16).
struct pmen : register_at<0x064, std::uint32_t> {
  using prs = bits<"PRS", 0, 0, access::ro_v, "protected regions are in force">;
  using epm = bits<"EPM", 31, 31, access::rw, "enable the protected regions">;
  static constexpr field_row rows[] = {prs::row, epm::row};
  static constexpr register_layout layout{
      "PMEN_REG", "Protected memory enable",    offset,  base,         size_bits, "10.4.16",
      rows,       detail::any_protected_region, rev_1_0, access::rsvdp};
};

/// Protected low-memory base (VT-d 10.4.17).
struct plmbase : register_at<0x068, std::uint32_t> {
  using plmb = bits<"PLMB", 31, 0, access::rw, "first byte; low bits the part lacks read 0">;
  static constexpr field_row rows[] = {plmb::row};
  static constexpr register_layout layout{
      "PLMBASE_REG", "Protected low-memory base", offset, base, size_bits, "10.4.17",
      rows,          detail::low_region};
};

/// Protected low-memory limit, inclusive (VT-d 10.4.18).
struct plmlimit : register_at<0x06c, std::uint32_t> {
  using plml = bits<"PLML", 31, 0, access::rw, "last byte; low bits the part lacks count as 1">;
  static constexpr field_row rows[] = {plml::row};
  static constexpr register_layout layout{
      "PLMLIMIT_REG",    "Protected low-memory limit, inclusive", offset, base, size_bits, "10.4.18", rows,
      detail::low_region};
};

/// Protected high-memory base (VT-d 10.4.19).
struct phmbase : register_at<0x070, std::uint64_t> {
  using phmb = bits<"PHMB", 63, 0, access::rw, "first byte; low bits the part lacks read 0">;
  static constexpr field_row rows[] = {phmb::row};
  static constexpr register_layout layout{
      "PHMBASE_REG", "Protected high-memory base", offset, base, size_bits, "10.4.19",
      rows,          detail::high_region};
};

/// Protected high-memory limit, inclusive (VT-d 10.4.20).
struct phmlimit : register_at<0x078, std::uint64_t> {
  using phml = bits<"PHML", 63, 0, access::rw, "last byte; low bits the part lacks count as 1">;
  static constexpr field_row rows[] = {phml::row};
  static constexpr register_layout layout{
      "PHMLIMIT_REG",     "Protected high-memory limit, inclusive", offset, base, size_bits, "10.4.20", rows,
      detail::high_region};
};

/// Invalidation queue head (VT-d 10.4.21).
struct iqh : register_at<0x080, std::uint64_t> {
  using qh = bits<"QH", 18, 4, access::ro_v, "descriptor that hardware reads next, in 16 bytes">;
  static constexpr field_row rows[] = {qh::row};
  static constexpr register_layout layout{
      "IQH_REG", "Invalidation queue head", offset, base, size_bits, "10.4.21", rows, detail::queue};
};

/// Invalidation queue tail (VT-d 10.4.22).
struct iqt : register_at<0x088, std::uint64_t> {
  using qt = bits<"QT", 18, 4, access::rw, "descriptor that software writes next, in 16 bytes">;
  static constexpr field_row rows[] = {qt::row};
  static constexpr register_layout layout{
      "IQT_REG", "Invalidation queue tail", offset, base, size_bits, "10.4.22", rows, detail::queue};
};

/// Invalidation queue address (VT-d 10.4.23).
struct iqa : register_at<0x090, std::uint64_t> {
  using qs = bits<"QS", 2, 0, access::rw, "size of the queue: 2^QS pages">;
  using dw = bits<"DW", 11, 11, access::rw, "descriptors of 256 bits", rev_3_0>;
  using address = bits<"IQA", 63, 12, access::rw, "queue, a host physical address in pages">;
  static constexpr field_row rows[] = {qs::row, dw::row, address::row};
  static constexpr register_layout layout{
      "IQA_REG", "Invalidation queue address", offset, base, size_bits, "10.4.23", rows, detail::queue};
};

/// Invalidation completion status (VT-d 10.4.24).
struct ics : register_at<0x09c, std::uint32_t> {
  using iwc = bits<"IWC", 0, 0, access::rw1cs, "a wait with an interrupt has completed">;
  static constexpr field_row rows[] = {iwc::row};
  static constexpr register_layout layout{
      "ICS_REG", "Invalidation completion status", offset, base, size_bits, "10.4.24", rows, detail::queue};
};

/// Invalidation event control (VT-d 10.4.25).
struct iectl : register_at<0x0a0, std::uint32_t> {
  using ip = bits<"IP", 30, 30, access::ro_v, "an event waits">;
  using im = bits<"IM", 31, 31, access::rw, "events are held back", rev_1_0, 1>;
  static constexpr field_row rows[] = {ip::row, im::row};
  static constexpr register_layout layout{"IECTL_REG", "Invalidation event control",
                                          offset,      base,
                                          size_bits,   "10.4.25",
                                          rows,        detail::queue,
                                          rev_1_0,     access::rsvdp};
};

/// Invalidation event data (VT-d 10.4.26).
struct iedata : register_at<0x0a4, std::uint32_t> {
  using imd = bits<"IMD", 15, 0, access::rw, "data of the message, low half">;
  using eimd = bits<"EIMD", 31, 16, access::rw, "data of the message, high half; with EIM only">;
  static constexpr field_row rows[] = {imd::row, eimd::row};
  static constexpr register_layout layout{
      "IEDATA_REG", "Invalidation event data", offset, base, size_bits, "10.4.26", rows, detail::queue};
};

/// Invalidation event address (VT-d 10.4.27).
struct ieaddr : register_at<0x0a8, std::uint32_t> {
  using ma = bits<"MA", 31, 2, access::rw, "address of the message, in dwords">;
  static constexpr field_row rows[] = {ma::row};
  static constexpr register_layout layout{
      "IEADDR_REG", "Invalidation event address", offset, base, size_bits, "10.4.27", rows, detail::queue};
};

/// Invalidation event upper address (VT-d 10.4.28).
struct ieuaddr : register_at<0x0ac, std::uint32_t> {
  using mua = bits<"MUA", 31, 0, access::rw, "upper half of the address of the message">;
  static constexpr field_row rows[] = {mua::row};
  static constexpr register_layout layout{
      "IEUADDR_REG", "Invalidation event upper address",   offset, base, size_bits, "10.4.28",
      rows,          detail::queue_and_extended_interrupts};
};

/// Invalidation queue error record (VT-d 10.4.29).
struct iqercd : register_at<0x0b0, std::uint64_t> {
  using iqei = bits<"IQEI", 3, 0, access::ros_v, "cause of FSTS.IQE", rev_3_0>;
  using itesid = bits<"ITESID", 47, 32, access::ros_v, "device of FSTS.ITE", rev_3_0>;
  using icesid = bits<"ICESID", 63, 48, access::ros_v, "device of FSTS.ICE", rev_3_0>;
  static constexpr field_row rows[] = {iqei::row, itesid::row, icesid::row};
  static constexpr register_layout layout{"IQERCD_REG", "Invalidation queue error record",
                                          offset,       base,
                                          size_bits,    "10.4.29",
                                          rows,         detail::queue,
                                          rev_3_0};
};

/// Interrupt remapping table address; in use from SIRTP on (VT-d 10.4.30).
struct irta : register_at<0x0b8, std::uint64_t> {
  using s = bits<"S", 3, 0, access::rw, "2^(S+1) entries">;
  using eime = bits<"EIME", 11, 11, access::rw, "destinations are 32-bit APIC ids">;
  using address = bits<"IRTA", 63, 12, access::rw, "table, a host physical address in pages">;
  static constexpr field_row rows[] = {s::row, eime::row, address::row};
  static constexpr register_layout layout{
      "IRTA_REG", "Interrupt remapping table address", offset, base, size_bits, "10.4.30",
      rows,       detail::interrupt_remapping};
};

/// Invalidate address: what a page-selective IOTLB invalidation names (VT-d 10.4.8.2).
struct iva : register_at<0x000, std::uint64_t, register_base::iotlb> {
  using am = bits<"AM", 5, 0, access::wo, "2^AM pages">;
  using ih = bits<"IH", 6, 6, access::wo, "leaf entries only have changed">;
  using addr = bits<"ADDR", 63, 12, access::wo, "first page; its low AM bits do not count">;
  static constexpr field_row rows[] = {am::row, ih::row, addr::row};
  static constexpr register_layout layout{"IVA_REG", "Invalidate address", offset, base,
                                          size_bits, "10.4.8.2",           rows,   detail::always};
};

/// IOTLB invalidate (VT-d 10.4.8.1).
struct iotlb : register_at<0x008, std::uint64_t, register_base::iotlb> {
  using did = bits<"DID", 47, 32, access::rw, "domain to invalidate">;
  using dw = bits<"DW", 48, 48, access::rw, "drain writes">;
  using dr = bits<"DR", 49, 49, access::rw, "drain reads">;
  using iaig = bits<"IAIG", 58, 57, access::ro_v, "granularity done; 0: nothing done">;
  using iirg = bits<"IIRG", 61, 60, access::rw, "granularity wanted">;
  using ivt = bits<"IVT", 63, 63, access::rw_sc, "start; 0 when done">;
  static constexpr field_row rows[] = {did::row, dw::row, dr::row, iaig::row, iirg::row, ivt::row};
  static constexpr register_layout layout{"IOTLB_REG", "IOTLB invalidate", offset, base,
                                          size_bits,   "10.4.8.1",         rows,   detail::always,
                                          rev_1_0,     access::rsvdp};
};

/// Fault record, low half (VT-d 10.4.14).
struct frcd_lo : register_at<0x000, std::uint64_t, register_base::fault> {
  using fi = bits<"FI", 63, 12, access::ros_v, "page of the address, or interrupt index in 63:48">;
  static constexpr field_row rows[] = {fi::row};
  static constexpr register_layout layout{
      "FRCD_REG (low)", "Fault record, low half", offset, base, size_bits, "10.4.14", rows, detail::always};
};

/// Fault record, high half (VT-d 10.4.14).
struct frcd_hi : register_at<0x008, std::uint64_t, register_base::fault> {
  using sid = bits<"SID", 15, 0, access::ros_v, "requester">;
  using t2 = bits<"T2", 28, 28, access::ros_v, "second bit of the type", rev_3_0>;
  using priv = bits<"PRIV", 29, 29, access::ros_v, "wanted supervisor rights", rev_2_0>;
  using exe = bits<"EXE", 30, 30, access::ros_v, "wanted to execute", rev_2_0>;
  using pp = bits<"PP", 31, 31, access::ros_v, "the request had a PASID", rev_2_0>;
  using fr = bits<"FR", 39, 32, access::ros_v, "fault reason">;
  using pv = bits<"PV", 59, 40, access::ros_v, "PASID", rev_2_0>;
  using at = bits<"AT", 61, 60, access::ros_v, "address type of the request">;
  using t1 = bits<"T1", 62, 62, access::ros_v, "1: a read, 0: a write">;
  using f = bits<"F", 63, 63, access::rw1cs, "the record holds a fault; 1 frees it">;
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
