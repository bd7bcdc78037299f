// SPDX-License-Identifier: Apache-2.0
#pragma once

// A whole board with the reference driver on it, which does jobs on the CPU's thread when it is told to.

#include "vtdsim/machine_adapter.h"

#include "vtd/driver/driver.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <systemc>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vtd::bench {

/// Each unit has an IOTLB of 128 entries in 8 ways; everything else is as the board's preset says. Throws
/// board_error when board or preset cannot be loaded.
class driven_machine {
public:
  /// `sources`: functions for which there is a port to send requests by, `master(n)`.
  driven_machine(const std::string& board, const std::vector<spec::source_id>& sources);
  ~driven_machine();
  driven_machine(const driven_machine&) = delete;
  driven_machine& operator=(const driven_machine&) = delete;

  /// Runs a job on the CPU's thread and returns when it is done. Throws what it threw.
  void run(std::function<void()> job);
  /// The driver; it takes over in the first job.
  [[nodiscard]] driver::driver& driver();
  [[nodiscard]] models::root_complex& machine() { return machine_; }
  [[nodiscard]] std::size_t unit_count() const { return units_.size(); }
  [[nodiscard]] const std::string& unit_name(std::size_t index) const {
    return machine_.description().units[index].name;
  }
  [[nodiscard]] const dmar::unit& unit(std::size_t index) const { return units_[index]->hardware(); }
  [[nodiscard]] platform::dma_master& master(std::size_t index) { return *masters_[index]; }
  /// Reads 64 bytes of each of `pages` pages, one after the other; from outside a job. Throws
  /// std::runtime_error when one is blocked.
  void read_pages(std::size_t master_index, std::uint64_t first, std::uint64_t pages);
  /// Host memory for the devices: `pages` pages that nobody else uses.
  [[nodiscard]] std::uint64_t take_frames(std::uint64_t pages);

private:
  void program();

  models::root_complex machine_;
  std::vector<const platform::remapping_unit*> units_;
  std::vector<std::unique_ptr<platform::dma_master>> masters_;
  vtdsim::machine_adapter adapter_;
  driver::hardware hardware_;
  std::unique_ptr<driver::driver> driver_;
  std::uint64_t next_frame_;
  sc_core::sc_event start_{sc_core::sc_gen_unique_name("job")};
  std::function<void()> job_;
  std::exception_ptr failure_;
  bool job_done_ = false;
};

} // namespace vtd::bench
