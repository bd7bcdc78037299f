// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/driver/function_list.h"
#include "vtd/driver/hardware_access.h"
#include "vtd/models/root_complex.h"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace vtdsim {

/// Puts the driver's hardware-access interface on a simulated machine. All calls must come from the machine's
/// CPU thread. Interrupts that arrive are delivered when the driver lets time pass.
class machine_adapter {
public:
  using log_sink = std::function<void(const std::string&)>;

  /// Pages for tables come from [pages_begin, pages_end).
  machine_adapter(vtd::models::root_complex& machine, std::uint64_t pages_begin, std::uint64_t pages_end,
                  log_sink log);
  machine_adapter(const machine_adapter&) = delete;
  machine_adapter& operator=(const machine_adapter&) = delete;

  [[nodiscard]] const vtd_hardware_access& access() const { return access_; }
  /// Delivers what has arrived; the driver's own waiting does so, too.
  void deliver_interrupts();
  [[nodiscard]] std::uint64_t pages_in_use() const { return pages_in_use_; }

private:
  struct vector_entry {
    vtd_interrupt_handler handler = nullptr;
    void* argument = nullptr;
  };
  static constexpr std::uint8_t first_vector = 0x30;

  std::uint64_t allocate(std::size_t count);
  void free(std::uint64_t address, std::size_t count);
  int register_interrupt(vtd_interrupt_handler handler, void* argument, vtd_interrupt_message* message);

  vtd::models::root_complex& machine_;
  std::uint64_t next_page_;
  std::uint64_t pages_end_;
  std::uint64_t pages_in_use_ = 0;
  std::vector<std::uint64_t> free_pages_;
  std::array<vector_entry, 256> vectors_{};
  std::deque<std::uint8_t> arrived_;
  log_sink log_;
  vtd_hardware_access access_{};
};

/// The functions of a machine's own tree as the driver wants them told: what an enumeration must find.
[[nodiscard]] std::vector<vtd::driver::pci_function> function_list(const vtd::pci_topology::topology& tree);

} // namespace vtdsim
