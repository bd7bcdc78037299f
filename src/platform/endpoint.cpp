// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/endpoint.h"

#include <array>
#include <cstring>

namespace vtd::platform {

endpoint::endpoint(const sc_core::sc_module_name& name, pci_topology::function& function,
                   const link_timing& link)
    : sc_module(name), port("port", pci_topology::topology::requester_id(function), link),
      function_(function), resets_seen_(function.resets()) {
  port.set_done([this](const dma_master::result& result) { done(result); });
  function_.set_listener([this] { configuration_written(); });
}

endpoint::~endpoint() { function_.set_listener({}); }

void endpoint::configuration_written() {
  follow_resets();
  pump();
}

void endpoint::follow_resets() {
  if (resets_seen_ == function_.resets()) return;
  resets_seen_ = function_.resets();
  engine_.reset();
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
      port.write(next->tag, next->address, next->data);
    } else {
      port.read(next->tag, next->address, next->bytes);
    }
  }
}

void endpoint::done(const dma_master::result& result) {
  if (result.tag == message_tag) return;
  engine_.complete(static_cast<unsigned>(result.tag), result.ok, result.data);
  pump();
}

} // namespace vtd::platform
