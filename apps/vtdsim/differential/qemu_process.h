// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace vtdsim::differential {

/// A QEMU without a guest: a processor that halts at once, and two sockets to order everything else. It has
/// no files and no paths, so that any number can run at the same time, and ends with this object.
class qemu_process {
public:
  /// Starts `program` with `arguments` added, on the memory behind a descriptor. Throws `qemu_error` when it
  /// cannot be started.
  qemu_process(const std::string& program, int memory, std::size_t memory_bytes,
               const std::vector<std::string>& arguments);
  qemu_process(const qemu_process&) = delete;
  qemu_process& operator=(const qemu_process&) = delete;
  ~qemu_process();

  /// Our ends of the connections. Whoever takes them closes them.
  [[nodiscard]] int qtest_socket() const { return qtest_; }
  [[nodiscard]] int monitor_socket() const { return monitor_; }
  /// The last line that QEMU has written to its standard error, or "".
  [[nodiscard]] std::string last_words() const;

private:
  pid_t process_ = -1;
  int qtest_ = -1;
  int monitor_ = -1;
  int errors_ = -1;
};

/// The full path of a program: as given when it holds a '/', else looked up in PATH; empty: not there.
[[nodiscard]] std::string find_program(const std::string& name);

} // namespace vtdsim::differential
