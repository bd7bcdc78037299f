// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/line_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace vtdsim::differential {

line_channel::line_channel(int socket, std::string name, int patience_ms)
    : socket_(socket), name_(std::move(name)), patience_ms_(patience_ms) {}

line_channel::~line_channel() { ::close(socket_); }

void line_channel::wait_for(short events) {
  pollfd what{socket_, events, 0};
  int ready = -1;
  do {
    ready = ::poll(&what, 1, patience_ms_);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) {
    throw qemu_error(name_ + ": QEMU did not answer within " + std::to_string(patience_ms_ / 1000) + " s");
  }
}

void line_channel::send(std::string_view text) {
  while (!text.empty()) {
    const auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLOUT);
    } else if (errno != EINTR) {
      throw qemu_error(name_ + ": QEMU has closed the connection");
    }
  }
}

std::string_view line_channel::receive() {
  for (std::size_t searched = at_;;) {
    if (const auto end = received_.find('\n', searched); end != std::string::npos) {
      std::string_view line(received_.data() + at_, end - at_);
      at_ = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    received_.erase(0, at_);
    at_ = 0;
    searched = received_.size();
    std::array<char, 8192> bytes{};
    const auto count = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      received_.append(bytes.data(), static_cast<std::size_t>(count));
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait_for(POLLIN);
    } else if (count == 0 || errno != EINTR) {
      throw qemu_error(name_ + ": QEMU has closed the connection");
    }
  }
}

} // namespace vtdsim::differential
