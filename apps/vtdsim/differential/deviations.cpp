// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/deviations.h"

#include "vtd/spec/registers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

namespace {

// Where the variants have their fault record and IOTLB registers.
std::uint32_t fault_record_high(const circumstances& when) {
  return when.run->how->capabilities().cap.fault_record_offset() + reg::frcd_hi::offset;
}

bool is_dword_or_more_of(const difference& what, std::uint32_t offset) {
  return what.what == difference::kind::register_value && what.address <= offset &&
         offset < what.address + what.bytes;
}

// Does the access touch the 64-bit register at this offset?
bool is_part_of(const difference& what, std::uint32_t offset) {
  return is_dword_or_more_of(what, offset) || is_dword_or_more_of(what, offset + 4);
}

// The bits of a 64-bit register that an access of 4 or 8 bytes sees, right-aligned as the access has them.
std::uint64_t seen_of(std::uint64_t mask, const difference& what, std::uint32_t offset) {
  return what.address >= offset ? mask >> (8 * (what.address - offset))
                                : mask << (8 * (offset - what.address));
}

bool differs_in(std::uint64_t mask, const difference& what, std::uint32_t offset) {
  return ((what.ours ^ what.theirs) & ~seen_of(mask, what, offset)) == 0;
}

bool pasid_bits(const difference& what, const circumstances& when) {
  const std::uint32_t at = fault_record_high(when);
  return is_part_of(what, at) && differs_in(reg::frcd_hi::pv::mask, what, at);
}

bool event_pending(const difference& what, const circumstances& /*when*/) {
  if (!is_dword_or_more_of(what, reg::fectl::offset)) return false;
  const std::uint64_t bit = seen_of(reg::fectl::ip::mask, what, reg::fectl::offset);
  return (what.ours ^ what.theirs) == bit && (what.theirs & bit) != 0;
}

bool fault_address(const difference& what, const circumstances& when) {
  const auto cap = when.run->how->capabilities().cap;
  const std::uint32_t at = cap.fault_record_offset();
  return is_part_of(what, at) && differs_in(~spec::low_bits(cap.mgaw()), what, at);
}

bool root_table_bits(const difference& what, const circumstances& when) {
  const std::uint64_t beyond = ~spec::low_bits(when.run->how->capabilities().host_address_width);
  return is_part_of(what, reg::rtaddr::offset) &&
         differs_in(beyond | reg::rtaddr::ttm::mask, what, reg::rtaddr::offset);
}

bool context_granularity(const difference& what, const circumstances& /*when*/) {
  if (!is_part_of(what, reg::ccmd::offset) || !differs_in(reg::ccmd::caig::mask, what, reg::ccmd::offset))
    return false;
  const auto done = [&](std::uint64_t value) {
    const std::uint64_t whole = what.address == reg::ccmd::offset ? value : value << 32;
    return static_cast<spec::context_granularity>(reg::ccmd::caig::get(whole));
  };
  return done(what.ours) == spec::context_granularity::domain &&
         done(what.theirs) == spec::context_granularity::global;
}

bool has_fault(const circumstances& when, std::initializer_list<spec::fault_condition> wanted) {
  return std::any_of(when.faults.begin(), when.faults.end(), [&](const auto& fault) {
    return std::find(wanted.begin(), wanted.end(), fault.condition) != wanted.end();
  });
}

// Ours has recorded a fault (or has lost one), QEMU has not.
bool only_ours_faulted(const difference& what, const circumstances& when) {
  const sample* const status = when.find(reg::fsts::offset);
  return what.what == difference::kind::register_value && status != nullptr &&
         status->ours != status->theirs && (status->theirs & ~status->ours) == 0;
}

bool cached_rights(const difference& what, const circumstances& when) {
  if (!when.cached || !has_fault(when, {spec::fault_condition::lgn_2, spec::fault_condition::lgn_3}))
    return false;
  if (only_ours_faulted(what, when)) return true;
  // The next page of the DMA faulted as well, and that was recorded.
  return is_part_of(what, when.run->how->capabilities().cap.fault_record_offset()) &&
         std::any_of(when.faults.begin(), when.faults.end(),
                     [&](const auto& fault) { return spec::page_base(fault.access.address) == what.theirs; });
}

bool pass_through_width(const difference& what, const circumstances& when) {
  return has_fault(when, {spec::fault_condition::lgn_1_3}) && only_ours_faulted(what, when);
}

bool context_reserved(const difference& what, const circumstances& when) {
  const sample* const status = when.find(reg::fsts::offset);
  return what.what == difference::kind::register_value && has_fault(when, {spec::fault_condition::lct_3}) &&
         status != nullptr && status->ours != status->theirs && (status->ours & ~status->theirs) == 0;
}

bool order_of_checks(const difference& what, const circumstances& when) {
  const std::uint32_t at = fault_record_high(when);
  if (!is_part_of(what, at) || what.bytes != 8) return false;
  if (!differs_in(reg::frcd_hi::fr::mask | reg::frcd_hi::pv::mask, what, at)) return false;
  const auto theirs = static_cast<spec::fault_reason>(reg::frcd_hi::fr::get(what.theirs));
  return has_fault(when, {spec::fault_condition::lsl_2, spec::fault_condition::lsl_1}) &&
         (theirs == spec::fault_reason::no_read_permission ||
          theirs == spec::fault_reason::no_write_permission);
}

// Our unit has no queue and remaps no interrupts yet; their registers and bits read 0.
bool not_built(const difference& what, const circumstances& when) {
  if (model_machine::has_queue() || what.what != difference::kind::register_value) return false;
  if (what.address >= reg::iqh::offset && what.address < reg::irta::offset + 8) return true;
  // What stands in for descriptors leaves its traces.
  const std::uint32_t iotlb = when.run->how->capabilities().ecap.iotlb_offset();
  if (what.address - reg::ccmd::offset < 8 || what.address - iotlb < 16) {
    return std::any_of(when.run->steps.begin(), when.run->steps.end(),
                       [](const step& each) { return each.kind == step_kind::submit; });
  }
  constexpr std::uint64_t ecap_bits = reg::ecap_reg::qi::mask | reg::ecap_reg::ir::mask |
                                      reg::ecap_reg::eim::mask | reg::ecap_reg::mhmv::mask;
  if (is_dword_or_more_of(what, reg::ecap_reg::offset))
    return differs_in(ecap_bits, what, reg::ecap_reg::offset);
  return is_dword_or_more_of(what, reg::gsts::offset) &&
         differs_in(reg::gsts::qies::mask, what, reg::gsts::offset);
}

constexpr std::array deviations{
    deviation{"fault_record_pasid", side::qemu, "10.4.14",
              "QEMU stores the PASID \"none\" (all ones) of a request without one in PV; PV means nothing "
              "while PP = 0, and has no place in records of legacy mode",
              pasid_bits, false},
    deviation{"fault_record_address", side::qemu, "10.4.14",
              "QEMU stores address bits beyond MGAW in FI; they read 0 in hardware", fault_address, false},
    deviation{
        "fault_event_pending", side::qemu, "7.4, 10.4.10",
        "QEMU clears FECTL.IP only when FSTS is written; software that frees the last record has cleared "
        "the cause, and IP goes with it",
        event_pending, false},
    deviation{
        "root_table_bits", side::open, "10.4.6",
        "reserved bits of RTADDR (TTM without scalable mode, beyond the host address width) keep what was "
        "written in QEMU, and read 0 here",
        root_table_bits, false},
    deviation{"context_granularity", side::open, "6.5.1.1, 10.4.7",
              "QEMU widens a domain-selective invalidation of contexts to a global one and says so in CAIG; "
              "hardware may",
              context_granularity, false},
    deviation{name::compression, side::open, "7.3.1",
              "a part may drop a fault of a requester that has a record already. QEMU does, and so does our "
              "unit when it is configured so, as it is here; without it PFO would be set",
              nullptr, false},
    deviation{
        name::stale, side::open, "6.2, 6.5",
        "memory was changed and no invalidation has made the unit forget; the old entry and the new one "
        "are both right. QEMU's result is that of one of our cache configurations",
        nullptr, true},
    deviation{
        name::iotlb_by_requester, side::qemu, "6.2.4",
        "memory was changed and not all of the invalidations that it needs were done; QEMU's IOTLB is tagged "
        "by the requester, not by the domain, and asked before the context is known, so that it goes on "
        "using "
        "a page although the context was invalidated",
        nullptr, true},
    deviation{
        name::early_pass_through, side::qemu, "6.2.3, 6.5",
        "memory was changed without an invalidation, and QEMU goes on passing requests through: it decides "
        "about that when translation is turned on, a root table is taken over or contexts are "
        "invalidated, not when a request comes",
        nullptr, true},
    deviation{
        "cached_rights", side::qemu, "3.7.1, 7.1.3",
        "a request that finds its page in QEMU's IOTLB without the right it needs is blocked, but no fault "
        "is recorded",
        cached_rights, true},
    deviation{"pass_through_width", side::qemu, "3.4.3, 7.1.3 (LGN.1)",
              "QEMU lets requests of a pass-through context through whatever their address is",
              pass_through_width, true},
    deviation{
        "context_reserved_hidden", side::qemu, "7.2.1, 7.1.3 (LCT.3)",
        "a reserved bit in a context entry with FPD = 1: QEMU records the fault, though the condition is a "
        "qualified one",
        context_reserved, true},
    deviation{
        "order_of_checks", side::open, "7.1.3",
        "QEMU refuses for a missing right at each level before it looks at reserved bits of that entry, or "
        "at the tables below; our unit adds up the rights and judges them at the leaf. Sources differ",
        order_of_checks, false},
    deviation{
        "queue_not_built", side::ours, "6.5.2",
        "our unit has no invalidation queue and no interrupt remapping yet; descriptors are done by its "
        "registers instead",
        not_built, false},
};

} // namespace

const sample* circumstances::find(std::uint32_t offset) const {
  const auto found =
      std::find_if(samples.begin(), samples.end(), [=](const sample& s) { return s.offset == offset; });
  return found == samples.end() ? nullptr : &*found;
}

std::string_view to_string(side who) {
  switch (who) {
  case side::qemu:
    return "QEMU";
  case side::open:
    return "left open";
  case side::ours:
    return "not built yet";
  }
  return "?";
}

std::string to_string(const difference& what) {
  switch (what.what) {
  case difference::kind::memory:
    return fmt::format("memory at {:#x}: ours {:#04x}, QEMU's {:#04x}", what.address, what.ours, what.theirs);
  case difference::kind::buffer:
    return fmt::format("buffer of device {}: the first different byte is {:#x}", what.address, what.ours);
  case difference::kind::register_value:
    break;
  }
  return fmt::format("register {:#05x}, {} bytes: ours {:#x}, QEMU's {:#x}", what.address, what.bytes,
                     what.ours, what.theirs);
}

std::span<const deviation> all_deviations() { return deviations; }

} // namespace vtdsim::differential
