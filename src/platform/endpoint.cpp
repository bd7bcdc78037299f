// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/endpoint.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace vtd::platform {

namespace {
// What a device asks for is a matter of the device: its function's description says it.
device_tlb_config asking_as(const pci_topology::function& function, device_tlb_config out) {
  for (const pci_topology::capability_description& what : function.description().capabilities) {
    if (what.kind == pci_topology::capability_kind::address_translation_services)
      out.no_write = what.no_write;
  }
  return out;
}
} // namespace

endpoint::endpoint(const sc_core::sc_module_name& name, pci_topology::function& function,
                   const link_timing& link, const device_tlb_config& tlb)
    : sc_module(name), port("port", pci_topology::topology::requester_id(function), link),
      messages("messages"), function_(function), link_(link),
      translation_(port, asking_as(function, tlb),
                   [this](const dma_master::result& result) { done(result); }),
      arrival_("arrival"), resets_seen_(function.resets()) {
  port.set_done([this](const dma_master::result& result) {
    translation_.ended(result);
    pump();
  });
  messages.register_nb_transport_fw(this, &endpoint::message);
  SC_HAS_PROCESS(endpoint);
  SC_METHOD(invalidate);
  sensitive << arrival_;
  dont_initialize();
  function_.set_listener([this] { configuration_written(); });
}

endpoint::~endpoint() { function_.set_listener({}); }

void endpoint::configuration_written() {
  follow_resets();
  follow_ats();
  pump();
}

void endpoint::follow_ats() {
  const unsigned at = function_.capability(pci_topology::capability_kind::address_translation_services);
  if (at == 0) return;
  using registers = spec::ats::function_registers;
  const std::uint32_t value = function_.read(at + registers::offset, 4);
  translation_.enable(registers::enable_field::get(value) != 0, registers::smallest_unit_field::get(value));
}

void endpoint::follow_resets() {
  if (resets_seen_ == function_.resets()) return;
  resets_seen_ = function_.resets();
  engine_.reset();
  translation_.reset();
}

std::uint32_t endpoint::read(std::uint64_t offset) const {
  return engine_.read_register(static_cast<std::uint32_t>(offset));
}

void endpoint::write(std::uint64_t offset, std::uint32_t value) {
  engine_.write_register(static_cast<std::uint32_t>(offset), value);
  pump();
}

void endpoint::pump() {
  if (!function_.bus_master()) return;
  if (engine_.take_interrupt()) {
    if (const auto message = function_.message()) {
      std::array<std::byte, 4> data;
      std::memcpy(data.data(), &message->data, data.size());
      port.write(message_tag, message->address, data);
    }
  }
  while (const auto next = engine_.next_request()) {
    if (next->write) {
      translation_.write(next->tag, next->address, next->data);
    } else {
      translation_.read(next->tag, next->address, next->bytes);
    }
  }
}

void endpoint::done(const dma_master::result& result) {
  if (result.tag == message_tag) return;
  engine_.complete(static_cast<unsigned>(result.tag), result.ok, result.data);
}

// --- Invalidation requests

tlm::tlm_sync_enum endpoint::message(tlm::tlm_generic_payload& trans, tlm::tlm_phase& /*phase*/,
                                     sc_core::sc_time& delay) {
  trans.set_response_status(tlm::TLM_OK_RESPONSE);
  const auto* const said = trans.get_extension<device_message_extension>();
  if (said == nullptr || !trans.is_write()) return tlm::TLM_COMPLETED;
  // *Assumed:* they do not wait for completions on the same link.
  const engine::picoseconds carried = (link_.overhead + spec::ats::translation_bytes) * link_.per_byte;
  engine::picoseconds at =
      now_ps() + to_ps(delay) + carried + link_.completion + translation_.config().invalidation;
  if (!arriving_.empty()) at = std::max(at, arriving_.back().at);
  arriving_.push_back({at, {said->device, said->tag, said->what}});
  if (arriving_.size() == 1) arrival_.notify(to_sc_time(at - now_ps()));
  return tlm::TLM_COMPLETED;
}

void endpoint::invalidate() {
  while (!arriving_.empty() && arriving_.front().at <= now_ps()) {
    const spec::ats::invalidation_request what = arriving_.front().what;
    arriving_.pop_front();
    translation_.invalidate(what);
  }
  if (!arriving_.empty()) arrival_.notify(to_sc_time(arriving_.front().at - now_ps()));
}

} // namespace vtd::platform
