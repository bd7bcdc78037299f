// SPDX-License-Identifier: Apache-2.0
// What sources disagree about or leave to the part: docs/choices.md has the sources.

#include "vtd/models/board.h"

#include <array>

namespace vtd::models {

namespace {

using choices = unit_choices;

constexpr std::array<unit_choice, 7> all{{
    {"output_range_check", &choices::output_range_check, true,
     "a rule of revision 3; without it data would turn into interrupts"},
    {"caches_absent", &choices::caches_absent, true,
     "caching mode may; a driver that forgets to invalidate shows"},
    {"pass_through_checks_width", &choices::pass_through_checks_width, false,
     "software has to name the largest width; one model looks, another does not"},
    {"context_domain_compared", &choices::context_domain_compared, true,
     "software has to name the domain of the entry; a driver's mistake shows"},
    {"compress_faults", &choices::compress_faults, false, "left to the part; every fault has its record"},
    {"queue_address_clears_pointers", &choices::queue_address_clears_pointers, true,
     "as the section says; two other models do not"},
    {"queue_flushes_write_buffer", &choices::queue_flushes_write_buffer, false,
     "drivers give GCMD.WBF before orders of the queue; one that does not shows"},
}};

} // namespace

std::span<const unit_choice> all_unit_choices() { return all; }

} // namespace vtd::models
