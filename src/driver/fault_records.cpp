// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/fault_records.h"

#include "vtd/driver/text.h"
#include "vtd/spec/registers.h"

#include <cinttypes>

namespace vtd::driver {

namespace reg = spec::reg;

namespace {

bool is_interrupt_reason(spec::fault_reason reason) {
  // VT-d 5.1.4: codes of interrupt remapping.
  return reason >= spec::fault_reason::interrupt_request_reserved &&
         reason <= spec::fault_reason::posted_descriptor_reserved;
}

const char* access_name(fault_access access) {
  switch (access) {
  case fault_access::write:
    return "DMA Write";
  case fault_access::page_request:
    return "Page Request";
  case fault_access::read:
    return "DMA Read";
  case fault_access::atomic:
    return "DMA AtomicOp";
  case fault_access::interrupt:
    return "INTR-REMAP";
  }
  return "DMA";
}

} // namespace

fault_report decode_fault(std::uint64_t lo, std::uint64_t hi) {
  fault_report fault;
  fault.lo = lo;
  fault.hi = hi;
  fault.source = spec::source_id{static_cast<std::uint16_t>(reg::frcd_hi::sid::get(hi))};
  fault.reason = static_cast<spec::fault_reason>(reg::frcd_hi::fr::get(hi));
  if (is_interrupt_reason(fault.reason)) {
    // The index is in bits 63:48 of the fault information.
    using index_field = spec::field<63, 48>;
    fault.access = fault_access::interrupt;
    fault.interrupt_index = static_cast<std::uint16_t>(index_field::get(lo));
    return fault;
  }
  const bool t1 = reg::frcd_hi::t1::get(hi) != 0;
  const bool t2 = reg::frcd_hi::t2::get(hi) != 0;
  fault.access = t1 ? (t2 ? fault_access::atomic : fault_access::read)
                    : (t2 ? fault_access::page_request : fault_access::write);
  fault.address = lo & reg::frcd_lo::fi::mask;
  return fault;
}

std::string fault_line(std::uint16_t segment, const fault_report& fault) {
  const std::string device =
      (segment != 0 ? printed("%04x:", segment) : std::string{}) + to_string(fault.source);
  const std::string what = fault.access == fault_access::interrupt
                               ? printed("fault index 0x%x", fault.interrupt_index)
                               : printed("fault addr 0x%" PRIx64, fault.address);
  return printed("[%s] Request device [%s] %s [fault reason 0x%02x] %s", access_name(fault.access),
                 device.c_str(), what.c_str(), static_cast<unsigned>(fault.reason),
                 std::string(spec::reason_text(fault.reason)).c_str());
}

fault_batch take_faults(const register_block& registers, spec::cap capability, const omit& forget) {
  fault_batch batch;
  batch.status = registers.read<reg::fsts>();
  std::uint32_t status = batch.status;
  // Reserved bits read 0: this is no status, and what follows would be records of nothing.
  batch.answered = status != ~std::uint32_t{0};
  if (!batch.answered) return batch;
  // A device that goes on faulting could keep the driver here for ever.
  constexpr unsigned most_rounds = 4;
  for (unsigned round = 0; round < most_rounds && reg::fsts::ppf::get(status) != 0; ++round) {
    const unsigned count = capability.fault_records();
    unsigned index = reg::fsts::fri::get(status) % count;
    for (unsigned seen = 0; seen < count; ++seen, index = (index + 1) % count) {
      const std::uint64_t record = capability.fault_record_offset() + index * std::uint64_t{16};
      const std::uint64_t hi = registers.read<reg::frcd_hi>(record);
      if (reg::frcd_hi::f::get(hi) == 0) break;
      batch.faults.push_back(decode_fault(registers.read<reg::frcd_lo>(record), hi));
      if (!forget.fault_clear) registers.write<reg::frcd_hi>(reg::frcd_hi::f::mask, record);
    }
    if (forget.fault_clear) break;
    status = registers.read<reg::fsts>();
    batch.more = reg::fsts::ppf::get(status) != 0;
  }
  // The records first: hardware that finds them full sets PFO at once again. Only PFO is written, because a
  // copy of what was read would also clear error bits that have come up since.
  batch.overflow = reg::fsts::pfo::get(status | batch.status) != 0;
  if (batch.overflow && !forget.overflow_clear) registers.write<reg::fsts>(reg::fsts::pfo::mask);
  return batch;
}

} // namespace vtd::driver
