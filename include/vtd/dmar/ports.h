// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/clock.h"
#include "vtd/remap/access.h"
#include "vtd/spec/ats.h"
#include "vtd/spec/fault_log.h"
#include "vtd/spec/message.h"

#include <array>
#include <cstdint>

namespace vtd::dmar {

/// A request as it stands at an upstream port of a unit.
struct request {
  remap::dma_access access{};
  /// Bytes from `access.address` on, 1 or more; may cross pages.
  std::uint32_t length = 0;
  /// A dword write with all bytes enabled: in the interrupt range it is a message (VT-d 3.13).
  bool is_dword_write = false;
  /// The No Snoop attribute (PCIe 2.2.6.5): the CPU's cache need not be asked.
  bool no_snoop = false;
  /// For whoever offered the request; the unit hands it back and never looks into it.
  void* cookie = nullptr;
};

/// How a request ended.
enum class completion : std::uint8_t {
  /// It went to memory and was answered there.
  done,
  /// Memory answered with an error.
  failed,
  /// The unit blocked it: a translation fault, a protected region, the interrupt range. The answer to a
  /// translation request is "unsupported request".
  blocked,
  /// A translation request that a table stopped which cannot be read or is wrong: "completer abort".
  aborted
};

/// A descriptor of the invalidation queue as it lies in memory: two words, or four of a queue with IQA.DW.
using descriptor_words = std::array<std::uint64_t, 4>;

/// A part of a request that lies in one page, on its way to memory.
struct forwarded {
  void* cookie = nullptr;
  /// Which piece: bytes from the start of the request, and how many.
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  /// Host physical address.
  std::uint64_t address = 0;
  spec::source_id source{};
  /// To hand back in `unit::answered`.
  unsigned slot = 0;
  /// It is the whole request as it came, and all its bytes are meant: the request itself may go on, with this
  /// address.
  bool whole = false;
  /// Its No Snoop attribute: that of the request, but where the page forces snooping (SNP, VT-d 9.8).
  bool no_snoop = false;
  /// An interrupt message, not memory: it leaves by the interrupt port (VT-d 3.13, 5.1).
  bool interrupt = false;
};

/// What a unit needs from the world around it. The calls are made at a clock edge (in the unit's `step`) and
/// must not wait; answers come back at any later time, or within the call, and are seen at the next edge.
/// They are owed after a reset of the unit, too.
struct unit_ports {
  unit_ports() = default;
  unit_ports(const unit_ports&) = delete;
  unit_ports& operator=(const unit_ports&) = delete;
  virtual ~unit_ports() = default;

  /// The request that stood at `port` was admitted; the port may offer the next one.
  virtual void accepted(unsigned port, void* cookie) = 0;
  /// A piece leaves for memory. True: the memory port can take the next one after its interval; false: it is
  /// busy until `unit::memory_port_free`. Ends with `unit::answered(piece.slot, ...)`.
  virtual bool forward(const forwarded& piece) = 0;
  /// A table read leaves for memory; return value as for `forward`. Ends with `unit::table_answered(walker,
  /// ...)`.
  virtual bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) = 0;
  /// A read of `bytes` (16 or 32) of the invalidation queue leaves for memory; it sees what the CPU's cache
  /// holds, whatever ECAP.C says. Return value as for `forward`. Ends with `unit::descriptor_answered(tag,
  /// ...)`.
  virtual bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) = 0;
  /// The status data of an invalidation wait leaves for memory; as for `read_descriptor`. Ends with
  /// `unit::status_answered(tag, ...)`.
  virtual bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) = 0;
  /// A translation request (ATS) has its answer; the request ends later, by `complete`. Units without ECAP.DT
  /// never call it.
  virtual void answer(void* /*cookie*/, spec::ats::translation /*with*/) {}
  /// A read of a record of the advanced fault log leaves for memory, and a
  /// write of one, both coherent with the CPU's cache whatever ECAP.C says.
  /// Return values as for `forward`. They end with `unit::log_read_answered`
  /// and `unit::log_write_answered`. Units without CAP.AFL never call them.
  virtual bool read_log(unsigned /*tag*/, std::uint64_t /*address*/) { return true; }
  virtual bool write_log(unsigned /*tag*/, std::uint64_t /*address*/,
                         const spec::fault_log_record& /*what*/) {
    return true;
  }
  /// An invalidation request leaves for a device, not by the way to memory. Ends with
  /// `unit::device_completed`, if the device answers. Units without ECAP.DT never call it.
  virtual void invalidate_device(const spec::ats::invalidation_request& /*what*/) {}
  /// The request ended. True: its port can take the next response; false: when `unit::response_taken(port)`
  /// says so.
  virtual bool complete(unsigned port, void* cookie, completion how) = 0;
  /// A message of the unit itself (fault event, invalidation event): compatibility format, never remapped
  /// (VT-d 5.1.6).
  virtual void send_message(const spec::msi_message& message) = 0;
  /// How long draining the chipset's write buffer takes from now, and the draining itself at its end
  /// (GCMD.WBF).
  virtual engine::picoseconds write_buffer_drain_time() = 0;
  virtual void drain_write_buffer() = 0;
  /// Translations of this range of input addresses may have changed, for any requester: direct pointers that
  /// were given out for it are void. `last` is inclusive.
  virtual void withdraw(std::uint64_t first, std::uint64_t last) = 0;
  /// The same for all addresses.
  void withdraw_all() { withdraw(0, ~std::uint64_t{0}); }
};

} // namespace vtd::dmar
