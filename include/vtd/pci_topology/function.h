// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/config_space.h"
#include "vtd/pci_topology/description.h"
#include "vtd/spec/address.h"
#include "vtd/spec/message.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtd::pci_topology {

/// One PCI function: its configuration space, built from its description, and its place in the tree.
class function {
public:
  /// Throws std::invalid_argument for a description that no configuration space can hold: a BAR whose size is
  /// no power of two or too small, BARs or capabilities that overlap or lie outside, a payload size or a
  /// number of MSI vectors that cannot be written there.
  function(const function_description& description, function* parent);
  function(const function&) = delete;
  function& operator=(const function&) = delete;

  [[nodiscard]] const function_description& description() const { return description_; }
  [[nodiscard]] bool is_bridge() const;
  /// The bridge above; null on the root complex's bus.
  [[nodiscard]] function* parent() const { return parent_; }
  [[nodiscard]] const std::vector<std::unique_ptr<function>>& children() const { return children_; }
  function& add_child(const function_description& description);

  /// The bus it is on, as its parent's registers say now; 0 on the root complex's bus.
  [[nodiscard]] std::uint8_t bus() const;
  /// Bus, device, function: the id it answers to.
  [[nodiscard]] spec::source_id id() const;
  /// Bridges: bus numbers as they are programmed.
  [[nodiscard]] bus_range buses() const;

  [[nodiscard]] config_space& config() { return config_; }
  [[nodiscard]] const config_space& config() const { return config_; }
  /// Configuration accesses; writes take effect: resets, for one.
  [[nodiscard]] std::uint32_t read(unsigned offset, unsigned bytes) const {
    return config_.read(offset, bytes);
  }
  void write(unsigned offset, unsigned bytes, std::uint32_t value);

  [[nodiscard]] bool memory_enabled() const;
  [[nodiscard]] bool bus_master() const;
  /// Address of a BAR as programmed; nothing when it is not there or not decoded.
  [[nodiscard]] std::optional<std::uint64_t> bar_address(unsigned index) const;
  void set_bar_address(unsigned index, std::uint64_t address);
  /// Offset of the capability of that kind, or 0.
  [[nodiscard]] unsigned capability(capability_kind kind) const;
  /// Where its MSI goes; nothing while MSI is off.
  [[nodiscard]] std::optional<spec::msi_message> message() const;

  /// Called after every configuration write and every reset, however they came about; one listener, the model
  /// behind the registers.
  void set_listener(std::function<void()> listener) { listener_ = std::move(listener); }

  /// Configuration back to reset values, here and below.
  void reset();
  /// How often it was reset since it was built; a model that sees it change starts afresh.
  [[nodiscard]] unsigned resets() const { return resets_; }

private:
  [[noreturn]] void refuse(const std::string& what) const;
  void build_header();
  void build_bars();
  void build_capabilities();
  void build_capability(const capability_description& what);

  function_description description_;
  function* parent_;
  config_space config_;
  std::vector<std::unique_ptr<function>> children_;
  std::function<void()> listener_;
  unsigned resets_ = 0;
};

} // namespace vtd::pci_topology
