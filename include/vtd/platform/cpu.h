// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/store_path.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/remapping_unit.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace vtd::platform {

/// What things cost the CPU, in picoseconds.
struct cpu_timing {
  engine::picoseconds load = 1000;
  engine::picoseconds store = 1000;
  engine::picoseconds flush_line = 40000;
  /// A line of the chipset's write buffer on its way to memory.
  engine::picoseconds drain_line = 20000;
};

/// Marks an access of the CPU to I/O space: IN and OUT. The address is the port.
struct io_space_extension : tlm::tlm_extension<io_space_extension> {
  [[nodiscard]] tlm_extension_base* clone() const override { return new io_space_extension; }
  void copy_from(const tlm_extension_base& /*other*/) override {}
};

/// The CPU's port: one thread that runs a program against memory (through the write-back cache and the write
/// buffer) and memory-mapped registers (through `bus`). Every access takes its time by wait(), so the program
/// must run in the thread given to `run` or in another SystemC thread.
class cpu final : public sc_core::sc_module, public write_buffer_control {
public:
  /// Uncached accesses: register blocks, configuration space, BARs. Host physical addresses.
  tlm_utils::simple_initiator_socket<cpu> bus;

  cpu(const sc_core::sc_module_name& name, kernel_wheel& wheel, host::store_path& path,
      const cpu_timing& timing);

  /// The program, started at time zero. Exceptions end the simulation and are kept for `rethrow`.
  void run(std::function<void()> program) { program_ = std::move(program); }
  [[nodiscard]] bool finished() const { return finished_; }
  /// Throws what the program threw, if it did.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

  // Memory, write-back. False: not all of it is memory.

  bool load(std::uint64_t address, std::span<std::byte> out);
  bool store(std::uint64_t address, std::span<const std::byte> data);
  /// Flushes the cache lines of a range (CLFLUSH).
  void flush(std::uint64_t address, std::uint64_t bytes);

  // Registers: 1, 2, 4 or 8 bytes. An access nobody answers reads all ones and writes nothing.

  [[nodiscard]] std::uint64_t read(std::uint64_t address, unsigned bytes);
  void write(std::uint64_t address, unsigned bytes, std::uint64_t value);

  // I/O space: 1, 2 or 4 bytes, on `bus` with an `io_space_extension`. Nobody there: all ones.

  [[nodiscard]] std::uint32_t read_port(std::uint16_t port, unsigned bytes);
  void write_port(std::uint16_t port, unsigned bytes, std::uint32_t value);

  /// Lets time pass.
  void delay(engine::picoseconds span) { pass(span); }

  // write_buffer_control: the chipset drains the buffer that this CPU's stores go through.

  [[nodiscard]] engine::picoseconds drain_time() const override;
  void drain() override;

private:
  void before_end_of_elaboration() override;
  // Before and after the program's run accesses take no time: there is no thread that could wait.
  void pass(engine::picoseconds span);
  void run_program();
  bool transport(tlm::tlm_command command, std::uint64_t address, unsigned char* data, unsigned bytes,
                 io_space_extension* space = nullptr);

  kernel_wheel& wheel_;
  host::store_path& path_;
  cpu_timing timing_;
  std::function<void()> program_;
  std::exception_ptr failure_;
  bool running_ = false;
  bool finished_ = false;
};

} // namespace vtd::platform
