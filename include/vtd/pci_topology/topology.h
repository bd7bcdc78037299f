// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/function.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace vtd::pci_topology {

/// A PCI hierarchy below one host bridge. Configuration accesses find a function by the bus numbers that the
/// bridges hold at that moment; where there is none they read all ones and write nothing.
class topology {
public:
  /// Throws std::invalid_argument: a function that cannot be built, or two at one place.
  explicit topology(topology_description description);

  /// What firmware does: bus numbers (those of the description, or depth first), addresses of BARs, windows
  /// of bridges, decoding and bus mastering on.
  void set_up_as_firmware();

  [[nodiscard]] const topology_description& description() const { return description_; }

  // Functions.

  [[nodiscard]] function* find(spec::source_id id);
  [[nodiscard]] const function* find(spec::source_id id) const;
  /// The function at the end of a path of (device, function) steps from a bus down: a device scope
  /// (VT-d 8.3.1).
  struct step {
    std::uint8_t device;
    std::uint8_t function;
  };
  [[nodiscard]] const function* follow(std::uint8_t start_bus, std::span<const step> path) const;
  /// All functions, parents before children, in the order of bus, device and function.
  void for_each(const std::function<void(function&)>& visit);
  void for_each(const std::function<void(const function&)>& visit) const;

  // Configuration space.

  [[nodiscard]] std::uint32_t read(spec::source_id id, unsigned offset, unsigned bytes) const;
  void write(spec::source_id id, unsigned offset, unsigned bytes, std::uint32_t value);

  // Requests.

  /// The source-id that the root complex sees in a request of this function (VT-d 3.4.1): its own, unless a
  /// conventional bridge stands above it. A bridge on the root complex's bus puts its own id in; a PCI
  /// Express to PCI bridge the number of its secondary bus with device and function 0.
  [[nodiscard]] static spec::source_id requester_id(const function& who);
  /// All ids under which requests of this function may appear.
  [[nodiscard]] static std::vector<spec::source_id> aliases(const function& who);
  /// The functions that cannot be told apart or kept apart from this one, itself included: they can only be
  /// assigned together.
  [[nodiscard]] std::vector<const function*> isolation_group(const function& who) const;

  // Memory-mapped registers of functions.

  struct target {
    function* owner = nullptr;
    unsigned bar = 0;
    std::uint64_t offset = 0;
  };
  /// Who answers at this host physical address: a decoded BAR below bridges whose windows are open.
  [[nodiscard]] std::optional<target> claim(std::uint64_t address);

private:
  [[nodiscard]] const function* find_on(const std::vector<std::unique_ptr<function>>& siblings,
                                        std::uint8_t bus, spec::source_id id) const;
  std::uint8_t number_buses(std::vector<std::unique_ptr<function>>& siblings, std::uint8_t bus,
                            std::uint8_t next);
  [[nodiscard]] std::optional<std::uint64_t> taken_until(std::uint64_t at, std::uint64_t size) const;
  void place_bars(function& who, std::uint64_t& next);
  void open_windows(function& who);

  topology_description description_;
  std::vector<std::unique_ptr<function>> roots_;
};

} // namespace vtd::pci_topology
