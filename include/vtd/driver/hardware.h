// SPDX-License-Identifier: Apache-2.0
#pragma once

// The hardware-access interface with types: registers are named by their spec::reg type, interrupts are
// owned.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "vtd/driver/hardware_access.h"

namespace vtd::driver {

/// The word that holds one register of type Register: 32 or 64 bits by its size_bits.
template <class Register>
using register_word = std::conditional_t<Register::size_bits == 32, std::uint32_t, std::uint64_t>;

/// The machine under the driver. Copies the struct of pointers; what `context` points to must outlive it.
class hardware {
public:
  /// Throws driver_error when a pointer is missing.
  explicit hardware(const vtd_hardware_access& access);

  // Registers, by physical address.
  [[nodiscard]] std::uint32_t read32(std::uint64_t address) {
    return access_.read32(access_.context, address);
  }
  [[nodiscard]] std::uint64_t read64(std::uint64_t address) {
    return access_.read64(access_.context, address);
  }
  void write32(std::uint64_t address, std::uint32_t value) {
    access_.write32(access_.context, address, value);
  }
  void write64(std::uint64_t address, std::uint64_t value) {
    access_.write64(access_.context, address, value);
  }

  // Physical memory, through the CPU's cache.
  [[nodiscard]] std::uint64_t load64(std::uint64_t address) {
    return access_.load64(access_.context, address);
  }
  void store64(std::uint64_t address, std::uint64_t value) {
    access_.store64(access_.context, address, value);
  }
  /// False where there is no memory.
  [[nodiscard]] bool load(std::uint64_t address, std::span<std::byte> to);
  [[nodiscard]] bool store(std::uint64_t address, std::span<const std::byte> from);
  void flush_lines(std::uint64_t address, std::uint64_t size) {
    access_.flush_lines(access_.context, address, size);
  }

  // Time.
  [[nodiscard]] std::uint64_t now_ns() { return access_.now_ns(access_.context); }
  void delay_ns(std::uint64_t ns) { access_.delay_ns(access_.context, ns); }
  void relax() { access_.relax(access_.context); }
  /// Polls `done` until it is true or `timeout_ns` has passed; true when done. Polls quickly at first, then
  /// with pauses that grow, so that a long time-out costs few polls.
  [[nodiscard]] bool wait_until(const std::function<bool()>& done, std::uint64_t timeout_ns);

  // Pages of 4 KB.
  /// `count` consecutive zeroed pages; throws driver_error when there are none left.
  [[nodiscard]] std::uint64_t allocate_pages(std::size_t count);
  void free_pages(std::uint64_t address, std::size_t count) {
    access_.free_pages(access_.context, address, count);
  }

  /// One line of the log.
  void log(const std::string& line) { access_.log(access_.context, line.c_str()); }

  [[nodiscard]] const vtd_hardware_access& access() const { return access_; }

private:
  vtd_hardware_access access_;
};

/// A registered interrupt vector; gives it back when it goes. Exceptions of the handler end in the log.
class interrupt_vector {
public:
  /// Throws driver_error when no vector is left. `machine` must outlive this.
  interrupt_vector(hardware& machine, std::function<void()> handler);
  ~interrupt_vector();
  interrupt_vector(const interrupt_vector&) = delete;
  interrupt_vector& operator=(const interrupt_vector&) = delete;

  /// What the device has to write.
  [[nodiscard]] const vtd_interrupt_message& message() const { return message_; }

private:
  static void called(void* self) noexcept;

  hardware& machine_;
  std::function<void()> handler_;
  vtd_interrupt_message message_{};
};

/// The registers of one unit from their base on.
class register_block {
public:
  register_block(hardware& machine, std::uint64_t base) : machine_(&machine), base_(base) {}

  [[nodiscard]] std::uint64_t base() const { return base_; }

  /// Reads a register; `block` is the offset of the block it lies in (IRO, FRO), 0 for the fixed ones.
  template <class Register>
  [[nodiscard]] register_word<Register> read(std::uint64_t block = 0) const {
    const std::uint64_t address = base_ + block + Register::offset;
    if constexpr (Register::size_bits == 32)
      return machine_->read32(address);
    else
      return machine_->read64(address);
  }

  template <class Register>
  void write(register_word<Register> value, std::uint64_t block = 0) const {
    const std::uint64_t address = base_ + block + Register::offset;
    if constexpr (Register::size_bits == 32)
      machine_->write32(address, value);
    else
      machine_->write64(address, value);
  }

private:
  hardware* machine_;
  std::uint64_t base_;
};

} // namespace vtd::driver
