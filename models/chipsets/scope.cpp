// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/board_loader.h"

#include "json_reader.h"
#include "vtd/spec/dmar_table.h"

#include <array>
#include <utility>

namespace vtd::models {

namespace {

using spec::acpi::scope_type;

constexpr std::array<std::pair<std::string_view, scope_type>, 2> numbered{{
    {"ioapic ", scope_type::ioapic},
    {"hpet ", scope_type::msi_capable_hpet},
}};

// "00:1c.0" or "00:1c.0/00.0".
bool read_path(std::string_view text, scope_description& out) {
  const std::size_t slash = text.find('/');
  const auto first = spec::parse_source_id(text.substr(0, slash));
  if (!first) return false;
  out.start_bus = first->bus();
  out.path.push_back({first->device(), first->function()});
  while (!text.empty() && text.find('/') != std::string_view::npos) {
    text.remove_prefix(text.find('/') + 1);
    const std::string step = "00:" + std::string(text.substr(0, text.find('/')));
    const auto next = spec::parse_source_id(step);
    if (!next) return false;
    out.path.push_back({next->device(), next->function()});
  }
  return true;
}

} // namespace

std::optional<scope_description> parse_scope(std::string_view text) {
  scope_description out;
  constexpr std::string_view bridge = "bridge ";
  if (text.starts_with(bridge)) {
    out.type = static_cast<std::uint8_t>(scope_type::pci_sub_hierarchy);
    text.remove_prefix(bridge.size());
  }
  for (const auto& [word, type] : numbered) {
    if (!text.starts_with(word)) continue;
    text.remove_prefix(word.size());
    constexpr std::string_view at = " at ";
    const std::size_t middle = text.find(at);
    if (middle == std::string_view::npos) return std::nullopt;
    const auto id = parse_whole(text.substr(0, middle));
    if (!id || *id > 255) return std::nullopt;
    out.type = static_cast<std::uint8_t>(type);
    out.enumeration_id = static_cast<std::uint8_t>(*id);
    text.remove_prefix(middle + at.size());
    break;
  }
  if (!read_path(text, out)) return std::nullopt;
  return out;
}

std::string to_string(const scope_description& scope) {
  std::string out;
  const auto type = static_cast<scope_type>(scope.type);
  if (type == scope_type::pci_sub_hierarchy) out = "bridge ";
  for (const auto& [word, each] : numbered) {
    if (type == each) out = std::string(word) + std::to_string(scope.enumeration_id) + " at ";
  }
  for (std::size_t i = 0; i < scope.path.size(); ++i) {
    const std::uint8_t bus = i == 0 ? scope.start_bus : std::uint8_t{0};
    const std::string step =
        to_string(spec::source_id::from_bdf(bus, scope.path[i].device, scope.path[i].function));
    out += i == 0 ? step : "/" + step.substr(3);
  }
  return out;
}

} // namespace vtd::models
