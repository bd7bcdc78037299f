// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/hardware.h"
#include "vtd/driver/omit.h"
#include "vtd/spec/address.h"
#include "vtd/spec/capability.h"
#include "vtd/spec/fault.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vtd::driver {

/// What kind of request was blocked. VT-d 10.4.14, fields T1 and T2
enum class fault_access : std::uint8_t { write, page_request, read, atomic, interrupt };

/// One fault record, decoded.
struct fault_report {
  std::uint64_t lo = 0; ///< the record as read
  std::uint64_t hi = 0;
  spec::source_id source{};
  fault_access access = fault_access::write;
  spec::fault_reason reason = spec::fault_reason::none;
  std::uint64_t address = 0;         ///< of the page, for DMA
  std::uint16_t interrupt_index = 0; ///< for interrupts
};

/// Decodes the two words of FRCD. VT-d 10.4.14
[[nodiscard]] fault_report decode_fault(std::uint64_t lo, std::uint64_t hi);

/// "[DMA Read] Request device [01:00.0] fault addr 0x12345000 [fault reason 0x06] no read permission".
[[nodiscard]] std::string fault_line(std::uint16_t segment, const fault_report& fault);

/// The outcome of one look at the fault registers.
struct fault_batch {
  std::uint32_t status = 0; ///< FSTS as found
  bool overflow = false;    ///< PFO was set: faults were lost
  bool answered = true;     ///< false: FSTS reads all ones, nothing else was read
  bool more = false;        ///< faults came as fast as they were read, and no event follows for those left
  std::vector<fault_report> faults;
};

/// Reads all full records, oldest first, clears each, and then PFO. Hardware may add records meanwhile: they
/// are read as well, up to a bound; when some are left then, `more` says to come again: hardware raises an
/// event for the first pending fault only. VT-d 7.3.1, 10.4.9
[[nodiscard]] fault_batch take_faults(const register_block& registers, spec::cap capability,
                                      const omit& forget);

} // namespace vtd::driver
