// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/remapping_unit.h"

#include "vtd/dmar/snapshot.h"
#include "vtd/platform/binding.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace vtd::platform {

using engine::picoseconds;

// --- Table reads

/// Table reads of requests that pass at once.
class remapping_unit::table_memory final : public remap::memory_port {
public:
  explicit table_memory(remapping_unit& unit) : unit_(unit) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  picoseconds& delay) override {
    unit_transaction& read = unit_.table_payload(address, bytes, unit_.coherent_);
    sc_core::sc_time taken;
    const picoseconds begin = now_ps();
    unit_.memory->b_transport(read, taken);
    delay += now_ps() - begin + to_ps(taken);
    const bool ok = read.is_response_ok();
    if (ok) out.words = {read.words[0], read.words[1]};
    read.release();
    return ok;
  }
  /// The same by debug transport: no time, no effect.
  bool peek(std::uint64_t address, unsigned bytes, remap::table_words& out) {
    unit_transaction& read = unit_.table_payload(address, bytes, unit_.coherent_);
    const bool ok = unit_.memory->transport_dbg(read) == bytes;
    if (ok) out.words = {read.words[0], read.words[1]};
    read.release();
    return ok;
  }

private:
  remapping_unit& unit_;
};

namespace {

/// The debug view of the tables for `unit::probe`.
template <class Memory>
class debug_view final : public remap::memory_port {
public:
  explicit debug_view(Memory& memory) : memory_(memory) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  picoseconds& /*delay*/) override {
    return memory_.peek(address, bytes, out);
  }

private:
  Memory& memory_;
};

bool all_enabled(const tlm::tlm_generic_payload& trans) {
  const unsigned char* const enables = trans.get_byte_enable_ptr();
  return enables == nullptr || std::all_of(enables, enables + trans.get_byte_enable_length(),
                                           [](unsigned char one) { return one == TLM_BYTE_ENABLED; });
}

bool is_zero_length_read(const tlm::tlm_generic_payload& trans) {
  const auto* const carried = trans.get_extension<dma_extension>();
  return carried != nullptr && carried->zero_length_read && trans.is_read();
}

} // namespace

// --- Construction

namespace {
dmar::unit_config named(dmar::unit_config config, const char* name) {
  config.name = name;
  return config;
}
} // namespace

remapping_unit::remapping_unit(const sc_core::sc_module_name& name, kernel_wheel& wheel,
                               const dmar::unit_config& config)
    : sc_module(name), registers("registers"), upstream("upstream", config.ports), memory("memory"),
      interrupts("interrupts"), devices("devices"), reset("reset"), wheel_(wheel), ports_(config.ports),
      passing_(config.timing.requests), tickets_(config.timing.requests),
      table_memory_(std::make_unique<table_memory>(*this)), coherent_(config.caps.ecap.c()),
      hardware_(wheel.wheel(), named(config, this->name()), *this) {
  for (unsigned slot = 0; slot < tickets_.size(); ++slot) {
    tickets_[slot].what = unit_ticket::kind::whole;
    tickets_[slot].slot = slot;
    tickets_[slot].owner = this;
  }
  registers.register_b_transport(this, &remapping_unit::access_registers);
  registers.register_transport_dbg(this, &remapping_unit::debug_registers);
  for (unsigned port = 0; port < config.ports; ++port) {
    upstream[port].serve(*this, static_cast<int>(port));
  }
  memory.register_nb_transport_bw(this, &remapping_unit::backward_phase);
  memory.register_invalidate_direct_mem_ptr(this, &remapping_unit::downstream_changed);
  interrupts.register_nb_transport_bw(this, &remapping_unit::backward_interrupt_phase);
  devices.register_nb_transport_bw(this, &remapping_unit::message_phase);
}

remapping_unit::~remapping_unit() = default;

void remapping_unit::before_end_of_elaboration() {
  binding_check check(*this);
  check.need(registers, "registers", "the CPU's way to the register block");
  check.need_all(upstream, "upstream", "an initiator of DMA");
  check.need(memory, "memory", "a memory");
  check.need(interrupts, "interrupts", "a target of interrupt messages");
  check.report();
}

void remapping_unit::end_of_elaboration() {
  if (reset.size() == 0) return;
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&reset->posedge_event());
  sc_core::sc_spawn([this] { on_reset(); }, sc_core::sc_gen_unique_name("on_reset"), &options);
}

void remapping_unit::on_reset() {
  wheel_.catch_up();
  hardware_.reset(false);
}

// --- Registers

void remapping_unit::access_registers(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  const unsigned bytes = trans.get_data_length();
  if (trans.get_byte_enable_ptr() != nullptr) {
    trans.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    return;
  }
  if (trans.get_streaming_width() < bytes || (bytes != 4 && bytes != 8)) {
    trans.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  if (trans.get_address() % bytes != 0 || trans.get_address() > hardware_.register_space() - bytes) {
    trans.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  const auto offset = static_cast<std::uint32_t>(trans.get_address());
  if (trans.is_read()) {
    const std::uint64_t value = hardware_.read_register(offset, bytes, now_ps(), to_ps(delay));
    std::memcpy(trans.get_data_ptr(), &value, bytes);
  } else if (trans.is_write()) {
    std::uint64_t value = 0;
    std::memcpy(&value, trans.get_data_ptr(), bytes);
    hardware_.write_register(offset, bytes, value, now_ps(), to_ps(delay));
  }
  delay += to_sc_time(wheel_.timebase().time_of(hardware_.config().timing.register_access));
  trans.set_response_status(tlm::TLM_OK_RESPONSE);
}

unsigned remapping_unit::debug_registers(tlm::tlm_generic_payload& trans) {
  const unsigned bytes = trans.get_data_length();
  if (!trans.is_read() || trans.get_address() % 4 != 0 || bytes % 4 != 0) return 0;
  wheel_.catch_up();
  if (trans.get_address() >= hardware_.register_space()) return 0;
  unsigned done = 0;
  for (; done < bytes && trans.get_address() + done + 4 <= hardware_.register_space(); done += 4) {
    const auto offset = static_cast<std::uint32_t>(trans.get_address() + done);
    const auto value = static_cast<std::uint32_t>(hardware_.peek_register(offset, 4));
    std::memcpy(trans.get_data_ptr() + done, &value, 4);
  }
  return done;
}

// --- Upstream: what all ways have in common

[[gnu::always_inline]] inline dmar::request
remapping_unit::request_of(unsigned port, tlm::tlm_generic_payload& trans, bool* special) const {
  dmar::request out;
  out.access.source = ports_[port].default_source;
  out.access.address = trans.get_address();
  out.access.kind = trans.is_write() ? remap::access_kind::write : remap::access_kind::read;
  out.length = trans.get_data_length();
  out.is_dword_write = trans.is_write() && out.length == 4 && all_enabled(trans);
  if (const dma_extension* const carried = trans.get_extension<dma_extension>()) {
    out.access.source = carried->source;
    out.access.type = carried->type;
    out.no_snoop = carried->no_snoop;
    if (carried->zero_length_read && trans.is_read()) out.access.kind = remap::access_kind::zero_length_read;
    if (special != nullptr)
      *special = carried->no_snoop || out.access.kind == remap::access_kind::zero_length_read;
  }
  out.cookie = &trans;
  return out;
}

// False: answered already, because it is nothing that a DMA request can be.
inline bool remapping_unit::check(tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay) {
  auto status = tlm::TLM_INCOMPLETE_RESPONSE;
  if (trans.get_command() == tlm::TLM_IGNORE_COMMAND) {
    take_message(trans, delay);
    status = tlm::TLM_OK_RESPONSE;
  } else if (trans.get_data_length() == 0 || trans.get_streaming_width() < trans.get_data_length()) {
    status = tlm::TLM_BURST_ERROR_RESPONSE;
  } else if (trans.get_byte_enable_ptr() != nullptr && trans.get_byte_enable_length() == 0) {
    status = tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  } else if (trans.get_byte_enable_ptr() != nullptr &&
             trans.get_byte_enable_length() < trans.get_data_length() &&
             spec::page_piece(trans.get_address(), trans.get_data_length()) != trans.get_data_length()) {
    // A pattern that repeats would have to be turned at the page boundary.
    status = tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  } else {
    return true;
  }
  trans.set_response_status(status);
  return false;
}

// A device's completion of invalidation requests: no memory request, and no load for the unit's slots.
void remapping_unit::take_message(tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay) {
  const auto* const said = trans.get_extension<device_message_extension>();
  const auto* const carried = trans.get_extension<dma_extension>();
  if (said == nullptr || carried == nullptr) return;
  hardware_.device_completed({carried->source, said->tags, said->count}, now_ps() + to_ps(delay));
}

void remapping_unit::block(tlm::tlm_generic_payload& trans) {
  if (trans.is_read() && !is_zero_length_read(trans)) {
    const unsigned char* const enables = trans.get_byte_enable_ptr();
    for (unsigned at = 0; at < trans.get_data_length(); ++at) {
      if (enables == nullptr || enables[at % trans.get_byte_enable_length()] == TLM_BYTE_ENABLED)
        trans.get_data_ptr()[at] = 0xff;
    }
  }
  trans.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

// A translation request that a table stops which is wrong or cannot be read.
void remapping_unit::abort(tlm::tlm_generic_payload& trans) {
  block(trans);
  trans.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// A request that failed: if not in memory, a reset came.
void remapping_unit::fail_at_reset(tlm::tlm_generic_payload& trans) {
  trans.set_dmi_allowed(false);
  if (trans.get_response_status() >= tlm::TLM_INCOMPLETE_RESPONSE)
    trans.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// The data of a translation request: the word of its answer.
unsigned remapping_unit::fill_in(tlm::tlm_generic_payload& trans, spec::ats::translation answer) {
  static_assert(sizeof(answer.value) == spec::ats::translation_bytes);
  std::memcpy(trans.get_data_ptr(), &answer.value, sizeof(answer.value));
  trans.set_response_status(tlm::TLM_OK_RESPONSE);
  return sizeof(answer.value);
}

// What passes at once and does not leave the unit.
void remapping_unit::end_inside(tlm::tlm_generic_payload& trans, dmar::pipeline::passage::way leads,
                                std::uint64_t address) {
  using way = dmar::pipeline::passage::way;
  trans.set_dmi_allowed(false);
  if (leads == way::answered) {
    fill_in(trans, {address});
  } else if (leads == way::aborted) {
    abort(trans);
  } else {
    block(trans);
  }
}

// A transaction of ours for the bytes of `original` from `offset` on.
[[gnu::noinline]] unit_transaction& remapping_unit::piece_payload(tlm::tlm_generic_payload& original,
                                                                  std::uint32_t offset, std::uint32_t length,
                                                                  std::uint64_t address,
                                                                  spec::source_id source, bool no_snoop) {
  unit_transaction& out = pool_.take();
  out.ticket.original = &original;
  const auto* const carried = original.get_extension<dma_extension>();
  out.attributes = carried != nullptr ? *carried : dma_extension{};
  out.attributes.source = source;
  out.attributes.no_snoop = no_snoop;
  prepare(out, original.get_command(), address, original.get_data_ptr() + offset, length);
  if (is_zero_length_read(original)) [[unlikely]] {
    // It goes all the way, and moves no byte (PCIe 2.2.5).
    out.set_byte_enable_ptr(&out.no_byte);
    out.set_byte_enable_length(1);
  } else if (unsigned char* const enables = original.get_byte_enable_ptr()) {
    const unsigned count = original.get_byte_enable_length();
    out.set_byte_enable_ptr(offset == 0 ? enables : enables + offset);
    out.set_byte_enable_length(offset == 0 ? std::min(count, length) : length);
  }
  return out;
}

// --- Upstream: loosely timed

struct remapping_unit::blocking_request {
  tlm::tlm_generic_payload& trans;
  sc_core::sc_time& delay;
  dmar::request request;
  std::uint64_t address;
  // A zero-length read, or one with No Snoop: it may have to go on in a transaction of the unit's.
  bool special;
  dmar::pipeline::admission admission;
  // The present time of the kernel, and that of the request.
  picoseconds now;
  picoseconds time;
};

namespace {
bool goes_as_it_is(const dmar::request& what, const dmar::unit::passage& way) {
  return what.access.kind != remap::access_kind::zero_length_read && way.no_snoop == what.no_snoop;
}
} // namespace

// One piece that lies in one page, `bytes` from `offset` on. False: the request ends with it.
[[gnu::always_inline]] inline bool remapping_unit::pass_piece(blocking_request& whole, std::uint32_t offset,
                                                              std::uint32_t bytes) {
  tlm::tlm_generic_payload& trans = whole.trans;
  whole.request.access.address = whole.address + offset;
  whole.request.length = bytes;
  const dmar::unit::passage way = hardware_.pass(whole.request, whole.admission, *table_memory_, whole.time);
  picoseconds leaves = way.leaves;
  if (way.read_tables) [[unlikely]] {
    // That may have taken time of the kernel's.
    whole.now = now_ps();
    leaves = std::max(leaves, whole.now);
    whole.delay = to_sc_time(leaves - whole.now);
  } else {
    whole.delay += way_in_.of(leaves - whole.time);
  }
  whole.time = leaves;
  if (way.leads >= dmar::pipeline::passage::way::blocked) [[unlikely]] {
    end_inside(trans, way.leads, way.address);
    return false;
  }
  downstream_socket& socket = way.leads == dmar::pipeline::passage::way::interrupt ? interrupts : memory;
  if (bytes == trans.get_data_length() && (!whole.special || goes_as_it_is(whole.request, way))) [[likely]] {
    trans.set_address(way.address);
    socket->b_transport(trans, whole.delay);
    trans.set_address(whole.address);
  } else {
    unit_transaction& part =
        piece_payload(trans, offset, bytes, way.address, whole.request.access.source, way.no_snoop);
    socket->b_transport(part, whole.delay);
    trans.set_response_status(part.get_response_status());
    part.release();
  }
  // The answer is seen at the first edge after it arrives.
  whole.now = now_ps();
  const picoseconds arrives = whole.now + to_ps(whole.delay);
  whole.time = wheel_.timebase().time_of(wheel_.timebase().first_edge_after(arrives));
  whole.delay += way_out_.of(whole.time - arrives);
  return trans.is_response_ok();
}

// A request that crosses pages; `bytes` of it lie in the first.
[[gnu::noinline]] void remapping_unit::pass_pieces(blocking_request& whole, std::uint32_t bytes) {
  const std::uint32_t length = whole.trans.get_data_length();
  for (std::uint32_t offset = 0; pass_piece(whole, offset, bytes) && (offset += bytes) < length;) {
    // Memory may have waited: the unit has gone on, and a reset has ended what was inside.
    wheel_.catch_up(whole.now);
    if (!hardware_.inside(whole.admission)) return;
    bytes = spec::page_piece(whole.address + offset, length - offset);
  }
}

void remapping_unit::transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  if (!check(trans, delay)) return;
  const picoseconds now = now_ps();
  wheel_.catch_up(now);
  bool special = false;
  blocking_request whole{trans,
                         delay,
                         request_of(static_cast<unsigned>(port), trans, &special),
                         trans.get_address(),
                         special,
                         hardware_.enter(trans.is_write()),
                         now,
                         now + to_ps(delay)};
  const std::uint32_t length = trans.get_data_length();
  hardware_.count_request(length);
  const std::uint32_t bytes = spec::page_piece(whole.address, length);
  if (bytes == length) [[likely]] {
    pass_piece(whole, 0, length);
  } else {
    pass_pieces(whole, bytes);
  }
  if (!dmi_allowed_) trans.set_dmi_allowed(false);
  if (!hardware_.leave(whole.admission, whole.now)) [[unlikely]]
    fail_at_reset(trans);
}

// --- Upstream: cycle-accurate

tlm::tlm_sync_enum remapping_unit::forward_phase(int port, tlm::tlm_generic_payload& trans,
                                                 tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  const auto index = static_cast<unsigned>(port);
  const picoseconds when = now_ps() + to_ps(delay);
  if (phase == tlm::BEGIN_REQ) {
    if (!check(trans, delay)) return tlm::TLM_COMPLETED;
    if (!hardware_.offer(index, request_of(index, trans), when)) {
      SC_REPORT_ERROR("/vtd/remapping_unit", (std::string(upstream[index].name()) +
                                              ": BEGIN_REQ before the END_REQ of the last request")
                                                 .c_str());
      return tlm::TLM_COMPLETED;
    }
    if (trans.has_mm()) trans.acquire();
    return tlm::TLM_ACCEPTED;
  }
  if (phase == tlm::END_RESP) {
    if (!hardware_.response_taken(index, when)) {
      SC_REPORT_ERROR("/vtd/remapping_unit",
                      (std::string(upstream[index].name()) + ": END_RESP without a BEGIN_RESP").c_str());
      return tlm::TLM_COMPLETED;
    }
    if (trans.has_mm()) trans.release();
    return tlm::TLM_COMPLETED;
  }
  return tlm::TLM_ACCEPTED;
}

void remapping_unit::accepted(unsigned port, void* cookie) {
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  upstream[port]->nb_transport_bw(*static_cast<tlm::tlm_generic_payload*>(cookie), phase, delay);
}

void remapping_unit::answer(void* cookie, spec::ats::translation with) {
  fill_in(*static_cast<tlm::tlm_generic_payload*>(cookie), with);
}

bool remapping_unit::complete(unsigned port, void* cookie, dmar::completion how) {
  auto& trans = *static_cast<tlm::tlm_generic_payload*>(cookie);
  if (how == dmar::completion::done) {
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
    // What memory says of it stands, unless nobody may.
    if (!dmi_allowed_) trans.set_dmi_allowed(false);
  } else if (how == dmar::completion::blocked) {
    block(trans);
  } else if (how == dmar::completion::aborted) {
    abort(trans);
  } else {
    fail_at_reset(trans);
  }
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  switch (upstream[port]->nb_transport_bw(trans, phase, delay)) {
  case tlm::TLM_COMPLETED:
    break;
  case tlm::TLM_UPDATED:
    if (phase != tlm::END_RESP) return false;
    break;
  case tlm::TLM_ACCEPTED:
    return false;
  }
  const bool at_once = delay == sc_core::SC_ZERO_TIME;
  if (!at_once) (void)hardware_.response_taken(port, now_ps() + to_ps(delay));
  if (trans.has_mm()) trans.release();
  return at_once;
}

// --- Debug and direct access

unsigned remapping_unit::debug(int port, tlm::tlm_generic_payload& trans) {
  wheel_.catch_up();
  dmar::request piece = request_of(static_cast<unsigned>(port), trans);
  const std::uint32_t length = piece.length;
  const std::uint64_t address = piece.access.address;
  debug_view<table_memory> tables(*table_memory_);
  if (piece.access.type == remap::address_type::translation_request) {
    const auto answer = hardware_.probe_translation(piece, tables);
    return answer ? fill_in(trans, *answer) : 0;
  }
  unsigned done = 0;
  while (done < length) {
    piece.access.address = address + done;
    piece.length = spec::page_piece(piece.access.address, length - done);
    const auto host = hardware_.probe(piece, tables);
    if (!host) break;
    unit_transaction& part =
        piece_payload(trans, done, piece.length, *host, piece.access.source, piece.no_snoop);
    const unsigned moved = memory->transport_dbg(part);
    part.release();
    done += moved;
    if (moved < piece.length) break;
  }
  return done;
}

bool remapping_unit::direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi) {
  wheel_.catch_up();
  const dmar::request request = request_of(static_cast<unsigned>(port), trans);
  dmi.init();
  const std::uint64_t page = spec::page_base(request.access.address);
  dmi.set_start_address(page);
  dmi.set_end_address(page + spec::page_size - 1);
  if (!dmi_allowed_) return false;
  const auto granted = hardware_.direct(request.access);
  if (!granted) return false;
  const std::uint64_t host = granted->host + (request.access.address - granted->first);
  unit_transaction& ask =
      piece_payload(trans, 0, trans.get_data_length(), host, request.access.source, request.no_snoop);
  tlm::tlm_dmi below;
  const bool given = memory->get_direct_mem_ptr(ask, below);
  ask.release();
  if (!given) return false;
  const std::uint64_t first = std::max<std::uint64_t>(granted->host, below.get_start_address());
  const std::uint64_t last =
      std::min<std::uint64_t>(granted->host + (granted->last - granted->first), below.get_end_address());
  if (host < first || host > last) return false;
  dmi.set_dmi_ptr(below.get_dmi_ptr() + (first - below.get_start_address()));
  dmi.set_start_address(granted->first + (first - granted->host));
  dmi.set_end_address(granted->first + (last - granted->host));
  dmi.set_read_latency(below.get_read_latency());
  dmi.set_write_latency(below.get_write_latency());
  const bool read = granted->read && below.is_read_allowed();
  const bool write = granted->write && below.is_write_allowed();
  if (read && write) {
    dmi.allow_read_write();
  } else if (read) {
    dmi.allow_read();
  } else if (write) {
    dmi.allow_write();
  }
  if (!(request.access.kind == remap::access_kind::write ? write : read)) return false;
  ports_[static_cast<unsigned>(port)].direct_given = true;
  return true;
}

void remapping_unit::withdraw(std::uint64_t first, std::uint64_t last) {
  for (unsigned port = 0; port < ports_.size(); ++port) {
    if (ports_[port].direct_given) upstream[port]->invalidate_direct_mem_ptr(first, last);
  }
}

void remapping_unit::downstream_changed(sc_dt::uint64 /*first*/, sc_dt::uint64 /*last*/) {
  // Which input addresses led there is not kept.
  withdraw(0, ~std::uint64_t{0});
}

// --- Snapshots

bool remapping_unit::interrupts_quiet() const {
  return messages_ == 0 && !interrupt_open_ && interrupts_waiting_.empty();
}

void remapping_unit::drain() {
  while (!hardware_.quiescent(now_ps()) || !interrupts_quiet())
    wait(to_sc_time(wheel_.timebase().period_ps()));
}

// What has left the hardware, but has not been taken, is in no snapshot.
void remapping_unit::check_interrupts(const char* what) const {
  if (interrupts_quiet()) return;
  throw dmar::snapshot_error(std::string(name()) + ": cannot be " + what +
                             ", a message on the interrupt socket under way; expected a unit at rest");
}

std::vector<std::byte> remapping_unit::save() {
  wheel_.catch_up();
  check_interrupts("saved");
  return hardware_.save(now_ps());
}

void remapping_unit::restore(std::span<const std::byte> bytes) {
  wheel_.catch_up();
  check_interrupts("restored");
  hardware_.restore(bytes, now_ps());
}

// --- The write buffer

picoseconds remapping_unit::write_buffer_drain_time() {
  return write_buffer_ == nullptr ? 0 : write_buffer_->drain_time();
}

void remapping_unit::drain_write_buffer() {
  if (write_buffer_ != nullptr) write_buffer_->drain();
}

} // namespace vtd::platform
