// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/fault_log.h"

#include "vtd/spec/fault_log.h"
#include "vtd/spec/registers.h"

namespace vtd::driver {

namespace reg = spec::reg;

// Hardware reads and writes the log coherently: nothing to flush.
fault_log::fault_log(hardware& machine) : machine_(machine), base_(machine.allocate_pages(1)) {}

fault_log::~fault_log() { machine_.free_pages(base_, 1); }

void fault_log::take(const register_block& registers, fault_batch& batch) {
  if (!batch.answered) return;
  if (reg::fsts::apf::get(batch.status) != 0) registers.write<reg::fsts>(reg::fsts::apf::mask);
  constexpr std::uint64_t count = spec::fault_log_records(0);
  for (std::uint64_t seen = 0; seen < count; ++seen) {
    const std::uint64_t place = base_ + next_ * sizeof(spec::fault_log_record);
    const spec::fault_log_record record{machine_.load64(place), machine_.load64(place + sizeof(record.lo))};
    if (!record.pending()) break;
    batch.faults.push_back(decode_fault(record.lo, record.hi));
    machine_.store64(place + sizeof(record.lo), 0);
    next_ = (next_ + 1) % count;
  }
  if (reg::fsts::afo::get(batch.status) == 0) return;
  batch.overflow = true;
  registers.write<reg::fsts>(reg::fsts::afo::mask);
}

} // namespace vtd::driver
