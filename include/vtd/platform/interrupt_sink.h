// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/kernel_wheel.h"
#include "vtd/spec/message.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace vtd::platform {

/// Where interrupt messages arrive: records them and calls whoever registered for the vector. Anything that
/// is not a dword write into the interrupt range is answered with TLM_ADDRESS_ERROR_RESPONSE and counted.
class interrupt_sink final : public sc_core::sc_module {
public:
  struct received {
    engine::picoseconds when = 0;
    spec::msi_message message{};
  };
  using handler = std::function<void(const spec::msi_message&)>;

  using socket = tlm_utils::simple_target_socket_tagged<interrupt_sink>;
  sc_core::sc_vector<socket> ports;

  interrupt_sink(const sc_core::sc_module_name& name, unsigned port_count);

  /// Called at the message's arrival, in the context of its sender: it must not wait.
  void on_vector(std::uint8_t vector, handler what) { handlers_[vector] = std::move(what); }
  [[nodiscard]] const std::vector<received>& messages() const { return messages_; }
  [[nodiscard]] std::uint64_t rejected() const { return rejected_; }

private:
  void before_end_of_elaboration() override;
  void take(tlm::tlm_generic_payload& trans, engine::picoseconds when);
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);

  std::array<handler, 256> handlers_;
  std::vector<received> messages_;
  std::uint64_t rejected_ = 0;
};

} // namespace vtd::platform
