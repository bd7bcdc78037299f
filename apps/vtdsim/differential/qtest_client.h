// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/line_channel.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vtdsim::differential {

/// QEMU's qtest protocol: one command a line, one answer a line, in order. Commands are collected and go out
/// together: many share one round trip.
class qtest_client {
public:
  explicit qtest_client(int socket) : channel_(socket, "qtest") {}

  /// A physical write of 1, 2, 4 or 8 bytes.
  void write(std::uint64_t address, unsigned bytes, std::uint64_t value);
  /// A physical read of 1, 2, 4 or 8 bytes; the value is in `*out` after the next `sync`.
  void read(std::uint64_t address, unsigned bytes, std::uint64_t* out);
  /// A write of 4 bytes to an I/O port.
  void out(std::uint16_t port, std::uint32_t value);
  /// Sends what is collected and waits for all answers.
  void sync();
  /// Commands given so far.
  [[nodiscard]] std::uint64_t commands() const { return commands_; }

private:
  void queue(std::uint64_t* out);

  // Answers must fit the socket's buffer, or both sides would wait for each other.
  static constexpr std::size_t most_pending = 256;

  line_channel channel_;
  std::string text_;
  std::vector<std::uint64_t*> pending_;
  std::uint64_t commands_ = 0;
};

/// QEMU's monitor in its machine protocol.
class qmp_client {
public:
  explicit qmp_client(int socket);
  /// Resets the machine and waits until that is done.
  void reset();
  /// QEMU's version, "7.2.22".
  [[nodiscard]] const std::string& version() const { return version_; }

private:
  void execute(std::string_view command);
  line_channel channel_;
  std::string version_;
  // A RESET event that came before the answer of its command.
  bool was_reset_ = false;
};

} // namespace vtdsim::differential
