// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm>

namespace vtd::platform {

/// A target socket of the base protocol that hands every call to its module, with the socket's number. It
/// does what tlm_utils' tagged sockets do, for modules that answer all four kinds of call, without their
/// tables of pointers: on a hit those cost as much as the translation.
///
/// `Module` has `transport(int, trans, delay)`, `forward_phase(int, trans, phase, delay)`, `debug(int,
/// trans)` and `direct(int, trans, dmi)`, and names this socket its friend.
template <class Module>
class target_socket final : public tlm::tlm_target_socket<32>, private tlm::tlm_fw_transport_if<> {
public:
  explicit target_socket(const char* name) : tlm::tlm_target_socket<32>(name) {
    bind(static_cast<tlm::tlm_fw_transport_if<>&>(*this));
  }
  using tlm::tlm_target_socket<32>::bind;

  /// Whose socket it is; before the simulation starts.
  void serve(Module& module, int number) {
    module_ = &module;
    number_ = number;
  }
  [[nodiscard]] const char* kind() const override { return "vtd::platform::target_socket"; }

private:
  void b_transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) override {
    module_->transport(number_, trans, delay);
  }
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    return module_->forward_phase(number_, trans, phase, delay);
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& trans) override { return module_->debug(number_, trans); }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi) override {
    return module_->direct(number_, trans, dmi);
  }

  Module* module_ = nullptr;
  int number_ = 0;
};

} // namespace vtd::platform
