// SPDX-License-Identifier: Apache-2.0
// Translation requests (PCIe ATS, VT-d 4.1): what they are answered.
#include "vtd/dmar/pipeline.h"

namespace vtd::dmar {

using engine::cycle;
using spec::ats::translation;

std::optional<translation> pipeline::answer_to(const request& what, const remap::translation& result) const {
  // Memory reads alone ask for translations. *Assumed:* one at a time, as the unit answers no more.
  const remap::dma_access& access = what.access;
  spec::ats::question asked{access.address};
  const bool no_write = asked.no_write();
  asked.set_no_write(false);
  if (access.type != remap::address_type::translation_request || access.kind != remap::access_kind::read ||
      what.length != spec::ats::translation_bytes ||
      spec::page_piece(asked.value, what.length) != what.length) {
    return {};
  }
  // NW counts where ECAP.NWFS says so (VT-d 10.4.3). *Assumed:* W is then withheld, as if the page did not
  // have it; PCIe ATS leaves that to the agent.
  const remap::table_rules& rules = translator_.rules();
  const bool withheld = no_write && rules.caps().ecap.nwfs();
  translation out;
  // Interrupt addresses are not translated: the device writes its messages there itself (VT-d 3.13).
  if (spec::in_interrupt_range(access.address)) {
    if (withheld) return out;
    return out.set_write(true).set_untranslated_only(true).set_pages(access.address, 0);
  }
  // Not present, out of reach or for writes alone: no rights, and the rest is nothing.
  out.set_read(result.read).set_write(result.write && !withheld);
  if (!out.granted()) return out;
  // *Assumed:* where the unit controls snooping, a page that does not force it allows to do without.
  out.set_non_snooped(rules.reports_snoop() && !result.snoop);
  // A large page whole, unless part of it may not be reached that way.
  const std::uint64_t bytes = spec::level_size(result.level);
  const std::uint64_t first = access.address & ~(bytes - 1);
  const std::uint64_t host = result.address & ~(bytes - 1);
  const bool whole = !spec::touches_interrupt_range(first, bytes) &&
                     !(rules.caps().output_range_check && spec::touches_interrupt_range(host, bytes));
  return out.set_pages(result.address, whole ? spec::level_shift(result.level) - spec::page_shift : 0);
}

completion pipeline::end_inside(std::uint32_t id, const remap::translation& result, cycle now) {
  slot& s = slots_[id];
  // Nothing for a request that a protected region stops.
  const auto reply = answer_to(s.what, result);
  if (!reply) {
    ++statistics_.blocked_unlogged;
    tell(request_step::blocked, id, now);
    return completion::blocked;
  }
  ++statistics_.translations;
  s.host_address = reply->value;
  tell(request_step::translated, id, now);
  outside_.answer(s.what.cookie, *reply);
  return completion::done;
}

void pipeline::end_inside(const request& piece, const remap::translation& result, passage& out) {
  if (const auto reply = answer_to(piece, result)) {
    ++statistics_.translations;
    out.leads = passage::way::answered;
    out.address = reply->value;
  } else {
    ++statistics_.blocked_unlogged;
  }
}

std::optional<translation> pipeline::probe_translation(const request& what,
                                                       remap::memory_port& memory) const {
  if (lane_of(what.access, what, what.length, state_.translation_enabled) != lane::translate) return {};
  const remap::translation result = translator_.probe(what.access, state_.root_table, memory);
  return result.allowed() ? answer_to(what, result) : std::nullopt;
}

} // namespace vtd::dmar
