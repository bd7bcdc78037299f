// SPDX-License-Identifier: Apache-2.0
#pragma once

// The capability registers as values (VT-d 10.4.2, 10.4.3): what a part can do. A getter under a field's own
// name gives the raw field and its `set_` takes the raw field, except mgaw, which is in bits; names that are
// no field (fault_records, iotlb_offset, ...) give and take the quantity itself. Setters chain, so that a
// preset reads like a table. A quantity that its field cannot hold loses its high bits.

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <bit>
#include <cstdint>

namespace vtd::spec {

/// CAP_REG (VT-d 10.4.2).
struct cap {
  std::uint64_t value = 0;

  using nd_field = field<2, 0>;
  using afl_field = field<3, 3>;
  using rwbf_field = field<4, 4>;
  using plmr_field = field<5, 5>;
  using phmr_field = field<6, 6>;
  using cm_field = field<7, 7>;
  using sagaw_field = field<12, 8>;
  using mgaw_field = field<21, 16>;
  using zlr_field = field<22, 22>;
  using isoch_field = field<23, 23>;
  using fro_field = field<33, 24>;
  using sps_field = field<37, 34>;
  using psi_field = field<39, 39>;
  using nfr_field = field<47, 40>;
  using mamv_field = field<53, 48>;
  using dwd_field = field<54, 54>;
  using drd_field = field<55, 55>;
  using fl1gp_field = field<56, 56>;
  using pi_field = field<59, 59>;
  using fl5lp_field = field<60, 60>;
  using ecmds_field = field<61, 61>;
  using esirtps_field = field<62, 62>;
  using esrtps_field = field<63, 63>;

  /// Domain-id width: 4 + 2 x ND bits.
  [[nodiscard]] constexpr unsigned nd() const { return static_cast<unsigned>(nd_field::get(value)); }
  /// Advanced fault logging.
  [[nodiscard]] constexpr bool afl() const { return afl_field::get(value) != 0; }
  /// Software must flush the write buffer after it changed tables.
  [[nodiscard]] constexpr bool rwbf() const { return rwbf_field::get(value) != 0; }
  /// Protected low-memory region.
  [[nodiscard]] constexpr bool plmr() const { return plmr_field::get(value) != 0; }
  /// Protected high-memory region.
  [[nodiscard]] constexpr bool phmr() const { return phmr_field::get(value) != 0; }
  /// Caching mode: entries that are not present may be cached.
  [[nodiscard]] constexpr bool cm() const { return cm_field::get(value) != 0; }
  /// Supported input widths, 5 bits: bit AW is set when the context entry may name that AW.
  [[nodiscard]] constexpr unsigned sagaw() const { return static_cast<unsigned>(sagaw_field::get(value)); }
  /// Width of the largest input address in bits, 1 to 64: the field plus one.
  [[nodiscard]] constexpr unsigned mgaw() const { return static_cast<unsigned>(mgaw_field::get(value)) + 1; }
  /// Zero-length reads of pages that are write-only are allowed.
  [[nodiscard]] constexpr bool zlr() const { return zlr_field::get(value) != 0; }
  /// The unit serves isochronous traffic (rev 1.x).
  [[nodiscard]] constexpr bool isoch() const { return isoch_field::get(value) != 0; }
  /// Fault records, in units of 16 bytes from the base; `fault_record_offset` in bytes.
  [[nodiscard]] constexpr unsigned fro() const { return static_cast<unsigned>(fro_field::get(value)); }
  /// Large pages: bit n for leaves of level n + 2.
  [[nodiscard]] constexpr unsigned sps() const { return static_cast<unsigned>(sps_field::get(value)); }
  /// Page-selective IOTLB invalidation.
  [[nodiscard]] constexpr bool psi() const { return psi_field::get(value) != 0; }
  /// Number of fault records minus one.
  [[nodiscard]] constexpr unsigned nfr() const { return static_cast<unsigned>(nfr_field::get(value)); }
  /// Largest address mask of a page-selective invalidation.
  [[nodiscard]] constexpr unsigned mamv() const { return static_cast<unsigned>(mamv_field::get(value)); }
  /// Write draining.
  [[nodiscard]] constexpr bool dwd() const { return dwd_field::get(value) != 0; }
  /// Read draining.
  [[nodiscard]] constexpr bool drd() const { return drd_field::get(value) != 0; }
  /// 1 GB pages in first-level tables.
  [[nodiscard]] constexpr bool fl1gp() const { return fl1gp_field::get(value) != 0; }
  /// Posted interrupts.
  [[nodiscard]] constexpr bool pi() const { return pi_field::get(value) != 0; }
  /// 5-level first-level tables.
  [[nodiscard]] constexpr bool fl5lp() const { return fl5lp_field::get(value) != 0; }
  /// Enhanced commands.
  [[nodiscard]] constexpr bool ecmds() const { return ecmds_field::get(value) != 0; }
  /// SIRTP flushes the interrupt entry cache.
  [[nodiscard]] constexpr bool esirtps() const { return esirtps_field::get(value) != 0; }
  /// SRTP flushes all DMA translation caches.
  [[nodiscard]] constexpr bool esrtps() const { return esrtps_field::get(value) != 0; }

  constexpr cap& set_nd(unsigned field_value) {
    value = nd_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_afl(bool on) {
    value = afl_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_rwbf(bool on) {
    value = rwbf_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_plmr(bool on) {
    value = plmr_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_phmr(bool on) {
    value = phmr_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_cm(bool on) {
    value = cm_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_sagaw(unsigned field_value) {
    value = sagaw_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_mgaw(unsigned bits) {
    value = mgaw_field::set(value, std::uint64_t{bits} - 1);
    return *this;
  }
  constexpr cap& set_zlr(bool on) {
    value = zlr_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_isoch(bool on) {
    value = isoch_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_fro(unsigned field_value) {
    value = fro_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_sps(unsigned field_value) {
    value = sps_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_psi(bool on) {
    value = psi_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_nfr(unsigned field_value) {
    value = nfr_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_mamv(unsigned field_value) {
    value = mamv_field::set(value, field_value);
    return *this;
  }
  constexpr cap& set_dwd(bool on) {
    value = dwd_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_drd(bool on) {
    value = drd_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_fl1gp(bool on) {
    value = fl1gp_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_pi(bool on) {
    value = pi_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_fl5lp(bool on) {
    value = fl5lp_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_ecmds(bool on) {
    value = ecmds_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_esirtps(bool on) {
    value = esirtps_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr cap& set_esrtps(bool on) {
    value = esrtps_field::set(value, on ? 1 : 0);
    return *this;
  }

  /// Bits of a domain-id; ND = 7 is reserved and counts as 16.
  [[nodiscard]] constexpr unsigned domain_id_bits() const { return nd() > 6 ? 16 : 4 + 2 * nd(); }
  /// Number of domain-ids, 16 to 65536.
  [[nodiscard]] constexpr unsigned domain_count() const { return 1U << domain_id_bits(); }
  /// May a context entry name this AW (bit AW of SAGAW)?
  [[nodiscard]] constexpr bool supports_agaw(unsigned aw) const { return aw < 5 && (sagaw() >> aw & 1) != 0; }
  /// The largest AW of SAGAW, or -1 when it is empty.
  [[nodiscard]] constexpr int largest_agaw() const {
    for (int aw = 4; aw >= 0; --aw) {
      if (supports_agaw(static_cast<unsigned>(aw))) return aw;
    }
    return -1;
  }
  /// May an entry of `level` be a leaf? Level 1 always is one.
  [[nodiscard]] constexpr bool supports_page_level(unsigned level) const {
    return level == 1 || (level >= 2 && level <= 5 && (sps() >> (level - 2) & 1) != 0);
  }
  /// The level of the largest pages, 1 to 5.
  [[nodiscard]] constexpr unsigned largest_page_level() const {
    return 1 + static_cast<unsigned>(std::bit_width(sps()));
  }
  /// Number of fault records, 1 to 256.
  [[nodiscard]] constexpr unsigned fault_records() const { return nfr() + 1; }
  constexpr cap& set_fault_records(unsigned count) { return set_nfr(count - 1); }
  /// Bytes from the base to the first fault record; a multiple of 16.
  [[nodiscard]] constexpr std::uint32_t fault_record_offset() const { return fro() * 16; }
  constexpr cap& set_fault_record_offset(std::uint32_t bytes) { return set_fro(bytes / 16); }
  friend constexpr bool operator==(const cap&, const cap&) = default;
};

/// ECAP_REG (VT-d 10.4.3).
struct ecap {
  std::uint64_t value = 0;

  using c_field = field<0, 0>;
  using qi_field = field<1, 1>;
  using dt_field = field<2, 2>;
  using ir_field = field<3, 3>;
  using eim_field = field<4, 4>;
  using ch_field = field<5, 5>;
  using pt_field = field<6, 6>;
  using sc_field = field<7, 7>;
  using iro_field = field<17, 8>;
  using mhmv_field = field<23, 20>;
  // Rev 1.0 and 1.1 used bits 31:24 for this one, later revisions gave them to the fields below.
  using niu_field = field<31, 24>;
  using ecs_field = field<24, 24>;
  using mts_field = field<25, 25>;
  using nest_field = field<26, 26>;
  using dis_field = field<27, 27>;
  using pasid_old_field = field<28, 28>;
  using prs_field = field<29, 29>;
  using ers_field = field<30, 30>;
  using srs_field = field<31, 31>;
  using pot_field = field<32, 32>;
  using nwfs_field = field<33, 33>;
  using eafs_field = field<34, 34>;
  using pss_field = field<39, 35>;
  using pasid_field = field<40, 40>;
  using dit_field = field<41, 41>;
  using pds_field = field<42, 42>;
  using smts_field = field<43, 43>;
  using vcs_field = field<44, 44>;
  using slads_field = field<45, 45>;
  using slts_field = field<46, 46>;
  using flts_field = field<47, 47>;
  using smpwcs_field = field<48, 48>;
  using rps_field = field<49, 49>;
  using tdxio_field = field<50, 50>;
  using pms_field = field<51, 51>;
  using adms_field = field<52, 52>;
  using rprivs_field = field<53, 53>;
  using hpts_field = field<55, 55>;
  using ptrs_field = field<56, 56>;
  using pbds_field = field<57, 57>;
  using sms_field = field<58, 58>;

  /// Table reads are coherent: they see what is in the CPU caches.
  [[nodiscard]] constexpr bool c() const { return c_field::get(value) != 0; }
  /// Queued invalidation.
  [[nodiscard]] constexpr bool qi() const { return qi_field::get(value) != 0; }
  /// Device-TLBs.
  [[nodiscard]] constexpr bool dt() const { return dt_field::get(value) != 0; }
  /// Interrupt remapping.
  [[nodiscard]] constexpr bool ir() const { return ir_field::get(value) != 0; }
  /// 32-bit APIC ids.
  [[nodiscard]] constexpr bool eim() const { return eim_field::get(value) != 0; }
  /// Caching hints (rev 1.x).
  [[nodiscard]] constexpr bool ch() const { return ch_field::get(value) != 0; }
  /// Pass-through (TT = 2).
  [[nodiscard]] constexpr bool pt() const { return pt_field::get(value) != 0; }
  /// Snoop control (SNP in leaf entries).
  [[nodiscard]] constexpr bool sc() const { return sc_field::get(value) != 0; }
  /// IVA and IOTLB registers, in units of 16 bytes from the base.
  [[nodiscard]] constexpr unsigned iro() const { return static_cast<unsigned>(iro_field::get(value)); }
  /// Largest interrupt mask of an entry-cache invalidation.
  [[nodiscard]] constexpr unsigned mhmv() const { return static_cast<unsigned>(mhmv_field::get(value)); }
  /// Number of IOTLB invalidation units (rev 1.0 and 1.1 only; overlaps ECS to SRS).
  [[nodiscard]] constexpr unsigned niu() const { return static_cast<unsigned>(niu_field::get(value)); }
  /// Extended context entries (rev 2.x).
  [[nodiscard]] constexpr bool ecs() const { return ecs_field::get(value) != 0; }
  /// Memory types.
  [[nodiscard]] constexpr bool mts() const { return mts_field::get(value) != 0; }
  /// Nested translation.
  [[nodiscard]] constexpr bool nest() const { return nest_field::get(value) != 0; }
  /// Deferred invalidation (rev 2.x).
  [[nodiscard]] constexpr bool dis() const { return dis_field::get(value) != 0; }
  /// The first place of PASID support, withdrawn: 0 on every later part (rev 2.0 to 2.3).
  [[nodiscard]] constexpr bool pasid_old() const { return pasid_old_field::get(value) != 0; }
  /// Page requests.
  [[nodiscard]] constexpr bool prs() const { return prs_field::get(value) != 0; }
  /// Execute requests.
  [[nodiscard]] constexpr bool ers() const { return ers_field::get(value) != 0; }
  /// Supervisor requests.
  [[nodiscard]] constexpr bool srs() const { return srs_field::get(value) != 0; }
  /// PASID-only translation (rev 2.4).
  [[nodiscard]] constexpr bool pot() const { return pot_field::get(value) != 0; }
  /// No-write flag in translation requests.
  [[nodiscard]] constexpr bool nwfs() const { return nwfs_field::get(value) != 0; }
  /// Extended accessed flag.
  [[nodiscard]] constexpr bool eafs() const { return eafs_field::get(value) != 0; }
  /// PASID bits minus one.
  [[nodiscard]] constexpr unsigned pss() const { return static_cast<unsigned>(pss_field::get(value)); }
  /// Requests with PASID.
  [[nodiscard]] constexpr bool pasid() const { return pasid_field::get(value) != 0; }
  /// Device-TLB invalidation throttle.
  [[nodiscard]] constexpr bool dit() const { return dit_field::get(value) != 0; }
  /// Page-request drain.
  [[nodiscard]] constexpr bool pds() const { return pds_field::get(value) != 0; }
  /// Scalable mode.
  [[nodiscard]] constexpr bool smts() const { return smts_field::get(value) != 0; }
  /// Virtual commands.
  [[nodiscard]] constexpr bool vcs() const { return vcs_field::get(value) != 0; }
  /// Second-level accessed and dirty flags.
  [[nodiscard]] constexpr bool slads() const { return slads_field::get(value) != 0; }
  /// Second-level translation.
  [[nodiscard]] constexpr bool slts() const { return slts_field::get(value) != 0; }
  /// First-level translation.
  [[nodiscard]] constexpr bool flts() const { return flts_field::get(value) != 0; }
  /// Coherent page walks in scalable mode.
  [[nodiscard]] constexpr bool smpwcs() const { return smpwcs_field::get(value) != 0; }
  /// RID_PASID.
  [[nodiscard]] constexpr bool rps() const { return rps_field::get(value) != 0; }
  /// Trusted-device support (rev 4.1; position not confirmed).
  [[nodiscard]] constexpr bool tdxio() const { return tdxio_field::get(value) != 0; }
  /// Performance monitoring.
  [[nodiscard]] constexpr bool pms() const { return pms_field::get(value) != 0; }
  /// Abort-DMA mode.
  [[nodiscard]] constexpr bool adms() const { return adms_field::get(value) != 0; }
  /// RID_PRIV.
  [[nodiscard]] constexpr bool rprivs() const { return rprivs_field::get(value) != 0; }
  /// Host permission table (rev 5.0; position not confirmed).
  [[nodiscard]] constexpr bool hpts() const { return hpts_field::get(value) != 0; }
  /// PTRS (rev 5.0; position and meaning not confirmed).
  [[nodiscard]] constexpr bool ptrs() const { return ptrs_field::get(value) != 0; }
  /// PBDS (rev 5.0; position and meaning not confirmed).
  [[nodiscard]] constexpr bool pbds() const { return pbds_field::get(value) != 0; }
  /// Stop markers.
  [[nodiscard]] constexpr bool sms() const { return sms_field::get(value) != 0; }

  constexpr ecap& set_c(bool on) {
    value = c_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_qi(bool on) {
    value = qi_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_dt(bool on) {
    value = dt_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_ir(bool on) {
    value = ir_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_eim(bool on) {
    value = eim_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_ch(bool on) {
    value = ch_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pt(bool on) {
    value = pt_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_sc(bool on) {
    value = sc_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_iro(unsigned field_value) {
    value = iro_field::set(value, field_value);
    return *this;
  }
  constexpr ecap& set_mhmv(unsigned field_value) {
    value = mhmv_field::set(value, field_value);
    return *this;
  }
  constexpr ecap& set_niu(unsigned field_value) {
    value = niu_field::set(value, field_value);
    return *this;
  }
  constexpr ecap& set_ecs(bool on) {
    value = ecs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_mts(bool on) {
    value = mts_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_nest(bool on) {
    value = nest_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_dis(bool on) {
    value = dis_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pasid_old(bool on) {
    value = pasid_old_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_prs(bool on) {
    value = prs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_ers(bool on) {
    value = ers_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_srs(bool on) {
    value = srs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pot(bool on) {
    value = pot_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_nwfs(bool on) {
    value = nwfs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_eafs(bool on) {
    value = eafs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pss(unsigned field_value) {
    value = pss_field::set(value, field_value);
    return *this;
  }
  constexpr ecap& set_pasid(bool on) {
    value = pasid_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_dit(bool on) {
    value = dit_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pds(bool on) {
    value = pds_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_smts(bool on) {
    value = smts_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_vcs(bool on) {
    value = vcs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_slads(bool on) {
    value = slads_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_slts(bool on) {
    value = slts_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_flts(bool on) {
    value = flts_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_smpwcs(bool on) {
    value = smpwcs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_rps(bool on) {
    value = rps_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_tdxio(bool on) {
    value = tdxio_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pms(bool on) {
    value = pms_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_adms(bool on) {
    value = adms_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_rprivs(bool on) {
    value = rprivs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_hpts(bool on) {
    value = hpts_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_ptrs(bool on) {
    value = ptrs_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_pbds(bool on) {
    value = pbds_field::set(value, on ? 1 : 0);
    return *this;
  }
  constexpr ecap& set_sms(bool on) {
    value = sms_field::set(value, on ? 1 : 0);
    return *this;
  }

  /// Bytes from the base to IVA_REG, a multiple of 16; IOTLB_REG is 8 bytes further.
  [[nodiscard]] constexpr std::uint32_t iotlb_offset() const { return iro() * 16; }
  constexpr ecap& set_iotlb_offset(std::uint32_t bytes) { return set_iro(bytes / 16); }
  friend constexpr bool operator==(const ecap&, const ecap&) = default;
};

/// Bytes of a unit's register block: whole pages that hold the fault records and the IOTLB registers,
/// wherever CAP.FRO, CAP.NFR and ECAP.IRO put them (VT-d 10.4.2, 10.4.3).
[[nodiscard]] constexpr std::uint32_t register_block_bytes(const cap& capability, const ecap& extended) {
  constexpr std::uint32_t page = 4096;
  const std::uint32_t faults_end = capability.fault_record_offset() + 16 * capability.fault_records();
  const std::uint32_t iotlb_end = extended.iotlb_offset() + 16;
  return ((faults_end > iotlb_end ? faults_end : iotlb_end) + page - 1) / page * page;
}

} // namespace vtd::spec
