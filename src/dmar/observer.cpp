// SPDX-License-Identifier: Apache-2.0
// What the parts of a unit tell an observer. All of it runs only where somebody watches.
#include "vtd/dmar/observer.h"

#include "vtd/dmar/commands.h"
#include "vtd/dmar/invalidation_queue.h"
#include "vtd/dmar/pipeline.h"

#include <array>
#include <cstddef>

namespace vtd::dmar {

namespace reg = spec::reg;
using engine::cycle;
using outcome = remap::translator::outcome;

// --- Requests and walks

void pipeline::report_offer(unsigned port, cycle seen) const {
  const request& what = ports_[port].offered;
  request_event event; // whose step is `offered`
  event.at = seen;
  event.port = port;
  event.access = what.access;
  event.length = spec::page_piece(what.access.address, what.length);
  event.total = what.length;
  observer_->on_request(event);
}

void pipeline::report(request_step step, std::uint32_t id, cycle at, const request_detail& more) const {
  const slot& s = slots_[id];
  request_event event;
  event.step = step;
  event.at = at;
  event.number = s.sequence;
  event.port = s.port;
  const bool over = step == request_step::responded;
  event.access = s.what.access;
  if (over) event.access.address -= s.offset;
  event.offset = over ? 0 : s.offset;
  event.length = over ? s.what.length : s.piece;
  event.total = s.what.length;
  event.found = more.found;
  event.again = !s.first_lookup && (step == request_step::looking_up || step == request_step::looked_up);
  event.walker = more.walker;
  event.condition = more.condition;
  event.host_address = s.host_address;
  event.interrupt = s.interrupt;
  event.ok = more.ok;
  event.how = s.how;
  observer_->on_request(event);
}

void pipeline::report(walk_step step, const walker& w, cycle at) const {
  walk_event event;
  event.step = step;
  event.at = at;
  event.walker = static_cast<unsigned>(&w - walkers_.data());
  event.request = slots_[w.leader].sequence;
  event.access = w.walk.access();
  if (w.walk.wants() == remap::page_walk::demand::table_read) {
    event.kind = w.walk.kind();
    event.level = w.walk.level();
    event.address = w.walk.address();
    event.bytes = w.walk.bytes();
  }
  if (step == walk_step::read_answered) {
    event.ok = w.answer_ok;
    event.seen = w.words;
  }
  if (step == walk_step::ended) {
    event.poisoned = w.poisoned;
    event.condition = w.walk.result().condition;
    event.reads = w.walk.reads();
  }
  observer_->on_walk(event);
}

void pipeline::report_port(bool taken, cycle at) const {
  observer_->on_memory_port({taken, at, memory_port_at_});
}

void pipeline::report(const request& piece, const passage& out, cycle at, const remap::translation* result,
                      const remap::translation_cost* cost) const {
  passage_event event;
  event.at = at;
  event.cycles = out.cycles;
  event.access = piece.access;
  event.length = piece.length;
  if (result != nullptr && cost != nullptr) {
    event.translated = true;
    event.condition = result->condition;
    event.reads = cost->table_reads;
    if (!cost->context_hit) {
      event.found = outcome::context_miss;
    } else if (!cost->iotlb_hit) {
      event.found = outcome::page_miss;
    } else {
      event.found = result->allowed() ? outcome::translated : outcome::blocked;
    }
  }
  event.blocked = out.leads == passage::way::blocked || out.leads == passage::way::aborted;
  event.answered = out.leads == passage::way::answered;
  event.interrupt = out.leads == passage::way::interrupt;
  event.host_address = event.blocked ? 0 : out.address;
  observer_->on_passage(event);
}

// --- Commands

void commands::tell(unit_command what, command_step step, cycle at) const {
  if (observer_ == nullptr) return;
  command_event event;
  event.what = what;
  event.step = step;
  event.at = at;
  switch (what) {
  case unit_command::set_root_table:
    event.root_table = spec::page_base(registers_.read<reg::rtaddr>());
    break;
  case unit_command::write_buffer_flush:
  // The queue tells its own.
  case unit_command::queued_invalidation:
  case unit_command::queued_wait:
    break;
  case unit_command::translation:
    event.on = state_.translation_enabled;
    break;
  case unit_command::protected_memory:
    event.on = reg::pmen::epm::get(registers_.read<reg::pmen>()) != 0;
    break;
  case unit_command::fault_log_pointer: {
    const auto log = registers_.read<reg::aflog>();
    event.log_address = spec::page_base(log);
    event.log_bytes = spec::fault_log_bytes(static_cast<unsigned>(reg::aflog::fls::get(log)));
    break;
  }
  case unit_command::fault_log:
    event.on = reg::gcmd::eafl::get(command_value_) != 0;
    break;
  case unit_command::invalidation_queue:
    event.on = reg::gcmd::qie::get(command_value_) != 0;
    break;
  case unit_command::context_invalidation: {
    const auto order = registers_.read<reg::ccmd>();
    event.context_asked = static_cast<spec::context_granularity>(reg::ccmd::cirg::get(order));
    if (step != command_step::begun)
      event.context_done = static_cast<spec::context_granularity>(reg::ccmd::caig::get(order));
    event.domain = static_cast<std::uint16_t>(reg::ccmd::did::get(order));
    event.source = spec::source_id{static_cast<std::uint16_t>(reg::ccmd::sid::get(order))};
    event.function_mask = static_cast<unsigned>(reg::ccmd::fm::get(order));
    break;
  }
  case unit_command::iotlb_invalidation: {
    const auto order = registers_.read<reg::iotlb>();
    const auto range = registers_.read<reg::iva>();
    event.iotlb_asked = static_cast<spec::iotlb_granularity>(reg::iotlb::iirg::get(order));
    if (step != command_step::begun)
      event.iotlb_done = static_cast<spec::iotlb_granularity>(iotlb_granularity_);
    event.domain = static_cast<std::uint16_t>(reg::iotlb::did::get(order));
    event.address = reg::iva::addr::get(range) << spec::page_shift;
    event.address_mask = static_cast<unsigned>(reg::iva::am::get(range));
    event.leaf_only = reg::iva::ih::get(range) != 0;
    break;
  }
  }
  observer_->on_command(event);
}

void invalidation_queue::tell(const spec::invalidation_descriptor& what, command_step step, cycle at,
                              spec::context_granularity context_done,
                              spec::iotlb_granularity iotlb_done) const {
  if (observer_ == nullptr) return;
  command_event event;
  event.what =
      what.is(spec::descriptor_type::wait) ? unit_command::queued_wait : unit_command::queued_invalidation;
  event.step = step;
  event.at = at;
  event.descriptor = what;
  event.context_done = context_done;
  event.iotlb_done = iotlb_done;
  if (what.is(spec::descriptor_type::context_cache)) {
    const spec::context_cache_descriptor d(what);
    event.context_asked = d.granularity();
    event.domain = d.domain_id();
    event.source = d.source();
    event.function_mask = d.function_mask();
  } else if (what.is(spec::descriptor_type::iotlb)) {
    const spec::iotlb_descriptor d(what);
    event.iotlb_asked = d.granularity();
    event.domain = d.domain_id();
    event.address = d.address();
    event.address_mask = d.address_mask();
    event.leaf_only = d.hint();
  }
  observer_->on_command(event);
}

// --- Names

std::string_view to_string(request_step step) {
  static constexpr std::array<std::string_view, 10> names{"offered",  "admitted", "looking up", "looked up",
                                                          "joined",   "blocked",  "translated", "forwarded",
                                                          "answered", "responded"};
  return names.at(static_cast<std::size_t>(step));
}

std::string_view to_string(walk_step step) {
  static constexpr std::array<std::string_view, 5> names{"granted", "structures looked up", "read issued",
                                                         "read answered", "ended"};
  return names.at(static_cast<std::size_t>(step));
}

std::string_view to_string(unit_command what) {
  static constexpr std::array<std::string_view, unit_commands> names{
      "set root table",       "write-buffer flush",  "translation",       "protected memory",
      "context invalidation", "IOTLB invalidation",  "fault log pointer", "fault log",
      "invalidation queue",   "queued invalidation", "queued wait"};
  return names.at(static_cast<std::size_t>(what));
}

std::string_view to_string(command_step step) {
  static constexpr std::array<std::string_view, 3> names{"begun", "effective", "ended"};
  return names.at(static_cast<std::size_t>(step));
}

} // namespace vtd::dmar
