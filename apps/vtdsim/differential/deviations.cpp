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

// --- The invalidation queue

// What QEMU reads in IQA: where the queue is, if it is.
bool queue_address_read(const difference& what, const circumstances& when) {
  const sample* const seen = when.find(static_cast<std::uint32_t>(what.address));
  if (seen == nullptr || !is_part_of(what, reg::iqa::offset) || what.address < reg::iqa::offset) return false;
  const bool low = what.address == reg::iqa::offset;
  const std::uint64_t theirs = seen->queue | (low ? what.ours & reg::iqa::qs::mask : 0);
  return what.theirs == ((low ? theirs : theirs >> 32) & spec::low_bits(8 * what.bytes));
}

// No part without EIM has an upper half.
bool event_data(const difference& what, const circumstances& /*when*/) {
  if (!is_dword_or_more_of(what, reg::iedata::offset)) return false;
  const std::uint64_t bits = seen_of(reg::iedata::eimd::mask, what, reg::iedata::offset);
  return ((what.ours ^ what.theirs) & ~bits) == 0 && (what.ours & bits) == 0;
}

bool queue_address_moved(const difference& what, const circumstances& when) {
  const sample* const status = when.find(reg::gsts::offset);
  return is_part_of(what, reg::iqa::offset) && when.at->kind == step_kind::write_register &&
         when.at->address - reg::iqa::offset < 8 && status != nullptr &&
         reg::gsts::qies::get(static_cast<std::uint32_t>(status->ours)) != 0;
}

// An order by register while the queue is on: its trigger stays in QEMU, and what was done is what it was.
bool refused_order(const difference& what, const circumstances& when) {
  const sample* const seen = when.find(static_cast<std::uint32_t>(what.address));
  if (seen == nullptr || !seen->refused) return false;
  const auto explains = [&](std::uint32_t at, std::uint64_t trigger, std::uint64_t done) {
    return is_part_of(what, at) && differs_in(trigger | done, what, at) &&
           (what.ours & seen_of(trigger | done, what, at)) == 0;
  };
  const std::uint32_t iotlb = when.run->how->capabilities().ecap.iotlb_offset() + reg::iotlb::offset;
  return explains(reg::ccmd::offset, reg::ccmd::icc::mask, reg::ccmd::caig::mask) ||
         explains(iotlb, reg::iotlb::ivt::mask, reg::iotlb::iaig::mask);
}

// QEMU goes on with a queue that was not at rest.
bool queue_stays_on(const difference& what, const circumstances& when) {
  if (!is_dword_or_more_of(what, reg::gsts::offset) || when.queue == nullptr || when.queue->was_quiet)
    return false;
  const std::uint64_t bit = seen_of(reg::gsts::qies::mask, what, reg::gsts::offset);
  return (what.ours ^ what.theirs) == bit && (what.ours & bit) == 0 &&
         when.at->address == reg::gcmd::offset &&
         reg::gcmd::qie::get(static_cast<std::uint32_t>(when.at->value)) == 0;
}

std::uint64_t their_head(const circumstances& when) {
  const sample* const head = when.find(reg::iqh::offset);
  return head == nullptr ? ~std::uint64_t{0} : head->theirs;
}

bool is_queue_state(const difference& what) {
  return is_dword_or_more_of(what, reg::fsts::offset) || is_dword_or_more_of(what, reg::iqh::offset);
}

bool is_in_error(const circumstances& when, std::uint64_t sample::*who) {
  const sample* const status = when.find(reg::fsts::offset);
  return status != nullptr && reg::fsts::iqe::get(static_cast<std::uint32_t>(status->*who)) != 0;
}

// QEMU stands at a descriptor that our queue went past.
const spec::invalidation_descriptor* refused_by_theirs(const circumstances& when) {
  if (when.queue == nullptr || !is_in_error(when, &sample::theirs)) return nullptr;
  const auto& done = when.queue->done;
  const auto found = std::find_if(done.begin(), done.end(),
                                  [&](const auto& item) { return item.place == their_head(when); });
  return found == done.end() ? nullptr : &found->what;
}

bool wait_for_nothing(const difference& what, const circumstances& when) {
  const auto* const at = refused_by_theirs(when);
  if (!is_queue_state(what) || at == nullptr || !at->is(spec::descriptor_type::wait)) return false;
  const spec::wait_descriptor wait(*at);
  return !wait.status_write() && !wait.interrupt();
}

// QEMU went past a descriptor that our queue refuses.
bool descriptor_not_checked(const difference& what, const circumstances& when) {
  if (!is_queue_state(what) || when.queue == nullptr || !when.queue->refused ||
      !is_in_error(when, &sample::ours) || their_head(when) == when.queue->refused->place)
    return false;
  constexpr unsigned pasid_iotlb = 6;
  constexpr unsigned pasid_cache = 7;
  const auto& refused = when.queue->refused->what;
  const auto type = static_cast<unsigned>(spec::invalidation_descriptor::type_field::get(refused.lo));
  const auto ecap = when.run->how->capabilities().ecap;
  return type == pasid_iotlb || type == pasid_cache ||
         type == static_cast<unsigned>(spec::descriptor_type::interrupt_entry_cache) ||
         (type == static_cast<unsigned>(spec::descriptor_type::device_tlb) && !ecap.dt());
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
        "queue_address_read", side::qemu, "10.4.23",
        "IQA reads in QEMU where the queue was when it was enabled last, not what was written; reserved "
        "bits read 0 in both",
        queue_address_read, false},
    deviation{"event_data_high", side::open, "10.4.26",
              "the upper half of IEDATA, reserved without EIM, keeps what was written in QEMU, and reads 0 "
              "here",
              event_data, false},
    deviation{"queue_address_moved", side::open, "10.4.23",
              "IQA is written while the queue is on: QEMU stores it for the next time that the queue is "
              "enabled, our unit drops it",
              queue_address_moved, true},
    deviation{
        "queue_orders_by_register", side::open, "6.5.1, 10.4.7, 10.4.8.1",
        "software orders by CCMD or IOTLB while the queue is on: in QEMU the order is never over, in our "
        "unit it is at once, and CAIG or IAIG says that nothing was done",
        refused_order, false},
    deviation{
        name::queue_resumes, side::qemu, "6.5.2.10",
        "FSTS.IQE is cleared: QEMU looks at the queue again only when IQT is written, our unit at once; "
        "IQT of QEMU is written once more, then",
        nullptr, false},
    deviation{
        "queue_stays_on", side::open, "10.4.4",
        "QIE is cleared though the queue is not empty, or the last that it did was no wait, as software "
        "must see to: QEMU leaves the queue on. It does so, too, if the queue never did anything",
        queue_stays_on, true},
    deviation{"wait_for_nothing", side::qemu, "6.5.2.8",
              "a wait with neither status nor interrupt (it may be a fence) is an error in QEMU",
              wait_for_nothing, true},
    deviation{"descriptor_not_checked", side::qemu, "6.5.2.5, 6.5.2.7, 6.5.2.10",
              "QEMU takes descriptors of types that its capabilities exclude (interrupt entries without IR, "
              "device-TLB without DT, 6 and 7 without scalable mode), and looks at no reserved bit of the "
              "first and the last two",
              descriptor_not_checked, true},
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
