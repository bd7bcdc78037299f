// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/store_path.h"
#include "vtd/platform/dma_extension.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/target_socket.h"

#include <systemc>
#include <tlm>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vtd::platform {

/// Time of a memory: fixed latencies, and one access per interval. All in picoseconds.
struct memory_timing {
  engine::picoseconds read = 50000;
  engine::picoseconds write = 50000;
  /// A table read of remapping hardware.
  engine::picoseconds table_read = 50000;
  /// From the start of one access to the start of the next; 0: no limit.
  engine::picoseconds interval = 0;
};

/// Main memory as devices meet it. Data is that of a `host::store_path`: a device's request is coherent with
/// the CPU's cache and the write buffer, unless it carries No Snoop (`dma_extension`); a table read only
/// where ECAP.C = 1 says so (`table_read_extension`).
///
/// nb_transport is answered at once with TLM_COMPLETED and the access's time as annotated delay: memory is
/// read or written when the request begins. b_transport annotates the same latency; the interval does not
/// count there. An access that is not all memory, or touches a range that was made to fail, is answered with
/// TLM_ADDRESS_ERROR_RESPONSE and changes nothing. transport_dbg sees what the CPU sees, or for a table read
/// what that read would see; it never fails for a range that was made to.
class memory final : public sc_core::sc_module {
public:
  using socket = target_socket<memory>;
  sc_core::sc_vector<socket> ports;

  /// `path` must outlive the module.
  memory(const sc_core::sc_module_name& name, host::store_path& path, const memory_timing& timing,
         unsigned port_count);

  /// Accesses that touch [first, last] fail from now on; direct pointers given out are withdrawn.
  void fail(std::uint64_t first, std::uint64_t last);
  void heal() { failing_.clear(); }
  /// Table reads through this port never meet the CPU's cache, whatever the unit behind it claims (ECAP.C);
  /// fetches of the invalidation queue still do.
  void never_snoop(unsigned port) { never_snooped_.at(port) = true; }
  /// Pages may be given out as direct pointers. Only for platforms whose CPU stores do not wait in a cache: a
  /// direct access meets neither cache nor write buffer. Off unless switched on; switching it off withdraws
  /// what was given. Pages with bytes that fail are never given.
  void allow_dmi(bool on);

  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] std::uint64_t table_reads() const { return table_reads_; }

private:
  friend class target_socket<memory>;
  struct range {
    std::uint64_t first;
    std::uint64_t last;
  };
  void before_end_of_elaboration() override;
  // Which of the times an access takes.
  enum class kind : std::uint8_t { refused, read, write, table_read };
  kind access(int port, tlm::tlm_generic_payload& trans);
  [[nodiscard]] bool meets_cache(int port, const table_read_extension& what) const;
  [[nodiscard]] const sc_core::sc_time& time_of(kind what) const {
    return times_[static_cast<std::size_t>(what)];
  }
  [[nodiscard]] static tlm::tlm_response_status refusal(const tlm::tlm_generic_payload& trans);
  void withdraw(std::uint64_t first, std::uint64_t last);
  bool access_enabled_bytes(tlm::tlm_generic_payload& trans, bool passes_cache);
  // Does it ask not to snoop, and does that make a difference now?
  [[nodiscard]] bool passes_cache(const tlm::tlm_generic_payload& trans) const;
  bool read_for_device(std::uint64_t address, std::span<std::byte> out, bool passes_cache) {
    return passes_cache ? path_.unsnooped_read(address, out) : path_.device_read(address, out);
  }
  bool write_for_device(std::uint64_t address, std::span<const std::byte> data, bool passes_cache) {
    return passes_cache ? path_.unsnooped_write(address, data) : path_.device_write(address, data);
  }
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  unsigned debug(int port, tlm::tlm_generic_payload& trans);
  bool direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi);
  [[nodiscard]] bool fails(std::uint64_t address, std::uint64_t bytes) const;

  host::store_path& path_;
  memory_timing timing_;
  // The times of `kind`, as the kernel wants them: its conversions cost more than the access.
  std::array<sc_core::sc_time, 4> times_;
  std::vector<range> failing_;
  std::vector<bool> direct_given_;
  std::vector<bool> never_snooped_;
  engine::picoseconds free_at_ = 0;
  bool dmi_allowed_ = false;
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t table_reads_ = 0;
};

} // namespace vtd::platform
