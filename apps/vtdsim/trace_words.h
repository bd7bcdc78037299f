// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a trace says of the things that a unit's observer is told: names, and the arguments of events.

#include "vtd/dmar/observer.h"
#include "vtd/remap/translator.h"
#include "vtd/spec/fault.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace vtdsim {

[[nodiscard]] std::string_view access_name(vtd::remap::access_kind kind);
[[nodiscard]] std::string_view lookup_name(vtd::remap::translator::outcome found);
[[nodiscard]] std::string_view completion_name(vtd::dmar::completion how);
[[nodiscard]] std::string_view granularity_name(vtd::spec::context_granularity g);
[[nodiscard]] std::string_view granularity_name(vtd::spec::iotlb_granularity g);
/// "read context entry", "read level-2 entry".
[[nodiscard]] std::string entry_name(vtd::remap::table_kind kind, unsigned level);

/// Arguments of events are put together from such pieces, each ending in a comma that the event takes off.
[[nodiscard]] std::string fact(std::string_view name, std::string_view text);
[[nodiscard]] std::string fact(std::string_view name, std::uint64_t number);
[[nodiscard]] std::string fact_hex(std::string_view name, std::uint64_t value);
[[nodiscard]] std::string fact_flag(std::string_view name, bool value);
/// Source-id, address and address type.
[[nodiscard]] std::string facts_of(const vtd::remap::dma_access& access);
/// none: not a fault, but a protected region, the interrupt range, or what needs translation that is off.
[[nodiscard]] std::string fact_blocked(vtd::spec::fault_condition condition);
/// What a command is to do.
[[nodiscard]] std::string facts_of_order(const vtd::dmar::command_event& e);

} // namespace vtdsim
