// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemc>

#include <cstddef>
#include <string>

namespace vtd::platform {

/// Names the sockets of a module that nobody bound, all of them, by the names of its members. Modules ask in
/// before_end_of_elaboration, so a platform binds at construction time; SystemC itself would name one
/// internal port.
class binding_check {
public:
  explicit binding_check(const sc_core::sc_module& owner) : owner_(owner.name()) {}

  /// `member`: the socket as one writes it, "ports[1]". `wanted`: what should be on its other side.
  template <class Socket>
  void need(Socket& socket, const std::string& member, const std::string& wanted) {
    if (socket.get_base_port().bind_count() != 0) return;
    text_ += (text_.empty() ? "" : "; ") + owner_ + '.' + member + " is not bound, expected " + wanted;
  }
  /// The same for every socket of a vector.
  template <class Sockets>
  void need_all(Sockets& sockets, const std::string& member, const std::string& wanted) {
    for (std::size_t i = 0; i < sockets.size(); ++i)
      need(sockets[i], member + '[' + std::to_string(i) + ']', wanted);
  }
  /// Ends elaboration (SystemC error) if something is missing.
  void report() const {
    if (!text_.empty()) SC_REPORT_ERROR("/vtd/binding", text_.c_str());
  }

private:
  std::string owner_;
  std::string text_;
};

} // namespace vtd::platform
