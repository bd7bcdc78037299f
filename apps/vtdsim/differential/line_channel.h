// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace vtdsim::differential {

/// QEMU ended, hangs, or answers what it should not.
struct qemu_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Lines of text over a connected stream socket, which it owns. Throws `qemu_error` when the other side has
/// closed, or says nothing for `patience_ms` milliseconds.
class line_channel {
public:
  line_channel(int socket, std::string name, int patience_ms = 20000);
  line_channel(const line_channel&) = delete;
  line_channel& operator=(const line_channel&) = delete;
  ~line_channel();

  void send(std::string_view text);
  /// The next line without its end; valid until the next call.
  [[nodiscard]] std::string_view receive();

private:
  void wait_for(short events);

  int socket_;
  std::string name_;
  int patience_ms_;
  std::string received_;
  std::size_t at_ = 0;
};

} // namespace vtdsim::differential
