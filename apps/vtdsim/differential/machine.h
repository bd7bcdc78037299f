// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/guest_memory.h"

#include "vtd/spec/address.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vtdsim::differential {

/// The devices of both machines: where they are, device number 0 up. The last one is on another bus.
inline constexpr unsigned device_count = 5;
inline constexpr std::array<vtd::spec::source_id, device_count> devices{
    vtd::spec::source_id::from_bdf(0, 3, 0), vtd::spec::source_id::from_bdf(0, 4, 0),
    vtd::spec::source_id::from_bdf(0, 4, 1), vtd::spec::source_id::from_bdf(0, 0x1e, 7),
    vtd::spec::source_id::from_bdf(0x40, 0, 0)};
/// Bytes of a device's buffer: edu has 4096, and wants a transfer to end before the last one.
inline constexpr std::uint32_t device_buffer = 4088;

/// A DMA of one device between its buffer and memory. `to_memory`: a DMA write.
struct transfer {
  unsigned device = 0;
  bool to_memory = false;
  std::uint64_t address = 0;
  std::uint32_t buffer = 0;
  std::uint32_t bytes = 0;
};

/// What a program runs on: one remapping unit, memory, and devices that do DMA.
class machine {
public:
  machine() = default;
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;
  virtual ~machine() = default;

  /// Ends a program: power-on state again, memory and device buffers as at the start of a program.
  virtual void restart() = 0;
  /// A reset in the middle of a program: the unit is as after power-on, memory and buffers stay.
  virtual void reset() = 0;
  virtual void store(std::uint64_t address, std::uint64_t value) = 0;
  virtual void write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value) = 0;
  /// The value is in `*out` after the next `sync`.
  virtual void read_register(std::uint32_t offset, unsigned bytes, std::uint64_t* out) = 0;
  /// Runs to its end; `sync` is done, too.
  virtual void dma(const transfer& what) = 0;
  virtual void sync() = 0;
  /// What the devices hold; only between the last step of a program and `restart`. It may reset the machine.
  [[nodiscard]] virtual std::span<const std::byte> buffer(unsigned device) = 0;
  [[nodiscard]] virtual const guest_memory& memory() const = 0;
};

/// What a device's buffer holds at the start of a program.
void fill_with_pattern(unsigned device, std::span<std::byte> buffer);

} // namespace vtdsim::differential
