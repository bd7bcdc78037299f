// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/pci_topology/topology.h"

#include <string>
#include <string_view>

namespace vtd::pci_topology {

/// How much `lspci` tells: names; names and numbers (-nn); with header and capabilities, too (-vv).
enum class lspci_style : std::uint8_t { names, numbers, verbose };

/// The listing that people know, one function a line, in the order of bus, device and function. What it tells
/// is read from configuration space, as a system would do it; names come from the descriptions.
[[nodiscard]] std::string lspci(const topology& tree, lspci_style style);
/// The same as a tree (-t).
[[nodiscard]] std::string lspci_tree(const topology& tree);
/// The usual name of a class code (24 bits): "USB controller".
[[nodiscard]] std::string_view class_name(std::uint32_t class_code);

} // namespace vtd::pci_topology
