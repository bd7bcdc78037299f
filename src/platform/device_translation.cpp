// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/device_translation.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vtd::platform {

namespace {
bool allows(const remap::device_page& page, bool write) { return write ? page.write : page.read; }
} // namespace

// --- Requests of the device

void device_translation::read(std::uint64_t tag, std::uint64_t address, unsigned bytes) {
  route({tag, address, bytes, false, {}});
}

void device_translation::write(std::uint64_t tag, std::uint64_t address, std::span<const std::byte> data) {
  route({tag, address, static_cast<unsigned>(data.size()), true, data});
}

void device_translation::route(const request& what) {
  // Its own messages are no memory requests (PCIe ATS): the range is known to every device.
  if (!enabled_ || !may_ask_ || spec::in_interrupt_range(what.address))
    return send(what, what.address, remap::address_type::untranslated, false);
  if (const remap::device_page* const page = tlb_.lookup(what.address);
      page != nullptr && allows(*page, what.is_write)) {
    return send_granted(what, *page);
  }
  ask(what);
}

void device_translation::send_granted(const request& what, const remap::device_page& page) {
  if (page.untranslated_only) return send(what, what.address, remap::address_type::untranslated, false);
  const std::uint64_t inside = what.address & (spec::level_size(page.level) - 1);
  in_flight_.push_back({next_number_++, what.tag});
  send(what, page.page | inside, remap::address_type::translated, page.non_snooped);
}

void device_translation::send(const request& what, std::uint64_t address, remap::address_type type,
                              bool no_snoop) {
  const dma_master::sending how{type, no_snoop, enabled_ ? config_.lookup : 0};
  if (what.is_write) {
    port_.write(what.tag, address, what.data, how);
  } else {
    port_.read(what.tag, address, what.bytes, how);
  }
}

void device_translation::deny(const request& what, tlm::tlm_response_status why) {
  ++counts_.denied;
  dma_master::result out;
  out.tag = what.tag;
  out.status = why;
  done_(out);
}

// --- Translation requests

void device_translation::ask(const request& what) {
  const std::uint64_t unit = spec::page_size << smallest_unit_;
  const std::uint64_t address = what.address & ~(unit - 1);
  const bool no_write = config_.no_write && !what.is_write;
  for (question& each : questions_) {
    if (each.address != address || (each.no_write && !no_write)) continue;
    each.waiting.emplace_back(what);
    return;
  }
  question& fresh = questions_.emplace_back();
  fresh.tag = next_tag_++;
  fresh.address = address;
  fresh.no_write = no_write;
  fresh.waiting.emplace_back(what);
  ++counts_.questions;
  const spec::ats::question packet = spec::ats::question{address}.set_no_write(no_write);
  port_.read(fresh.tag, packet.value, spec::ats::translation_bytes,
             {remap::address_type::translation_request, false, config_.lookup});
}

// Did an invalidation come while it was under way, for anything of what was asked or what is granted? PCIe
// orders it before or after the answer, but the answer may be older.
bool device_translation::overtaken(const question& asked, spec::ats::translation granted) const {
  if (asked.overtaken) return true;
  const std::uint64_t unit = spec::low_bits(spec::page_shift + smallest_unit_);
  const std::uint64_t whole =
      granted.granted() ? unit | spec::low_bits(granted.page_mask() + spec::page_shift) : unit;
  return std::any_of(asked.invalidated.begin(), asked.invalidated.end(), [&](const auto& range) {
    return (asked.address & ~whole) <= range.second && (asked.address | whole) >= range.first;
  });
}

void device_translation::answered(std::size_t index, const dma_master::result& result) {
  question asked = std::move(questions_[index]);
  questions_.erase(questions_.begin() + static_cast<std::ptrdiff_t>(index));
  spec::ats::translation granted;
  if (result.ok && result.data.size() == sizeof(granted.value))
    std::memcpy(&granted.value, result.data.data(), sizeof(granted.value));
  const bool old = overtaken(asked, granted);
  if (old) {
    // Whoever waits asks again.
    ++counts_.overtaken;
  } else if (!result.ok) {
    ++counts_.refused;
    if (result.status == tlm::TLM_ADDRESS_ERROR_RESPONSE) may_ask_ = false;
  } else {
    tlb_.fill(asked.address, granted);
  }
  const bool denied = !old && enabled_ && may_ask_;
  for (const waiting_request& waiting : asked.waiting) {
    const request each = waiting.again();
    if (!denied) {
      route(each);
      continue;
    }
    const remap::device_page page = remap::device_tlb::page_of(each.address, granted);
    // With a larger smallest unit the answer may hold for less than was asked for.
    const unsigned shift = std::min(granted.page_mask() + spec::page_shift, 63U);
    const bool covered = each.address >> shift == asked.address >> shift;
    if (!result.ok) {
      deny(each, result.status);
    } else if (!covered || !granted.granted() || !allows(page, each.is_write)) {
      deny(each, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    } else {
      send_granted(each, page);
    }
  }
}

// --- Completions

void device_translation::ended(const dma_master::result& result) {
  const auto asked = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const question& each) { return each.tag == result.tag; });
  if (asked != questions_.end())
    return answered(static_cast<std::size_t>(asked - questions_.begin()), result);
  // An answer of before a reset, or of an invalidation completion.
  if (result.tag >= first_own_tag && result.tag < next_tag_) return;
  const auto flown = std::find_if(in_flight_.begin(), in_flight_.end(),
                                  [&](const flight& each) { return each.tag == result.tag; });
  if (flown != in_flight_.end()) {
    in_flight_.erase(flown);
    complete_invalidations();
  }
  done_(result);
}

// --- Invalidation

void device_translation::invalidate(const spec::ats::invalidation_request& what) {
  tlb_.invalidate(what.what.first(), what.what.last());
  for (question& each : questions_)
    each.invalidated.emplace_back(what.what.first(), what.what.last());
  open_.push_back({what, next_number_});
  complete_invalidations();
}

// In the order in which they came. What used an old translation must have come back: reads have their data,
// and writes are where they belong (PCIe ATS).
void device_translation::complete_invalidations() {
  while (!open_.empty()) {
    const open_invalidation& first = open_.front();
    const bool waits = std::any_of(in_flight_.begin(), in_flight_.end(),
                                   [&](const flight& each) { return each.number < first.mark; });
    if (waits) return;
    ++counts_.invalidations;
    port_.complete_invalidation(next_tag_++, {first.what.device, std::uint32_t{1} << first.what.tag, 1});
    open_.erase(open_.begin());
  }
}

void device_translation::enable(bool on, unsigned smallest_unit) {
  smallest_unit_ = smallest_unit;
  if (on == enabled_) return;
  enabled_ = on;
  may_ask_ = true;
  tlb_.invalidate_all();
  for (question& each : questions_)
    each.overtaken = true;
}

void device_translation::reset() {
  enable(false, 0);
  std::vector<question> forgotten = std::move(questions_);
  questions_.clear();
  for (const question& each : forgotten) {
    for (const waiting_request& waiting : each.waiting)
      deny(waiting.what, tlm::TLM_GENERIC_ERROR_RESPONSE);
  }
}

} // namespace vtd::platform
