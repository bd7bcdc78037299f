// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace vtd::pci_topology {

/// A bus master that works through a ring of descriptors in memory: reads, fills and copies, several requests
/// in flight, status written back, an interrupt where a descriptor asks for one. It stands for any device
/// whose traffic matters more than its function. No time and no transport here: it says which request it
/// wants next and is told how each ended.
class dma_engine {
public:
  /// Registers, 32 bits each; those marked 64 are two of them, low half first. Offsets in the BAR.
  struct reg {
    /// Read only: `identity`.
    static constexpr std::uint32_t id = 0x00;
    /// Bit 0 run, bit 1 reset (reads 0), bit 2 go on after errors, bit 3 interrupts on.
    static constexpr std::uint32_t control = 0x04;
    /// Bit 0 busy (read only), bit 1 error, bit 2 interrupt (writing 1 clears).
    static constexpr std::uint32_t status = 0x08;
    /// 64: address of the ring, a multiple of 64.
    static constexpr std::uint32_t ring = 0x10;
    /// Descriptors in the ring.
    static constexpr std::uint32_t ring_size = 0x18;
    /// Read only: the next descriptor the engine takes.
    static constexpr std::uint32_t head = 0x1c;
    /// The first descriptor that is not there yet; writing it is the doorbell.
    static constexpr std::uint32_t tail = 0x20;
    /// Read only: descriptors that ended with an error, and the address (64) of the last request that did.
    static constexpr std::uint32_t errors = 0x24;
    static constexpr std::uint32_t error_address = 0x28;
    /// Read only, 64: bytes read and written.
    static constexpr std::uint32_t bytes = 0x30;
  };
  static constexpr std::uint32_t identity = 0x76746401;
  static constexpr std::uint32_t run = 1U << 0;
  static constexpr std::uint32_t reset_bit = 1U << 1;
  static constexpr std::uint32_t go_on = 1U << 2;
  static constexpr std::uint32_t interrupts_on = 1U << 3;
  static constexpr std::uint32_t busy = 1U << 0;
  static constexpr std::uint32_t error = 1U << 1;
  static constexpr std::uint32_t interrupt = 1U << 2;

  /// What a descriptor orders.
  enum class operation : std::uint8_t {
    /// Nothing; ends at once.
    none = 0,
    /// Reads `length` bytes from the source and adds them up.
    read = 1,
    /// Writes `length` bytes to the destination: the source word, over and over.
    fill = 2,
    /// Reads from the source and writes to the destination.
    copy = 3
  };

  /// A descriptor as it lies in memory: 32 bytes.
  struct descriptor {
    std::uint64_t order = 0;
    std::uint64_t source = 0;
    std::uint64_t destination = 0;
    /// Written back by the engine.
    std::uint64_t result = 0;

    using operation_field = spec::field<3, 0>;
    using interrupt_field = spec::field<8, 8>;
    using length_field = spec::field<63, 32>;
    using done_field = spec::field<0, 0>;
    using error_field = spec::field<1, 1>;
    /// The low 32 bits of the sum of all bytes moved.
    using sum_field = spec::field<63, 32>;
  };
  static_assert(sizeof(descriptor) == 32);

  /// Requests in flight, and the largest piece of a transfer in bytes.
  static constexpr unsigned max_in_flight = 8;
  static constexpr unsigned max_piece = 256;

  struct request {
    unsigned tag = 0;
    bool write = false;
    std::uint64_t address = 0;
    unsigned bytes = 0;
    /// What is written; valid until the request is completed.
    std::span<const std::byte> data{};
  };

  [[nodiscard]] std::uint32_t read_register(std::uint32_t offset) const;
  void write_register(std::uint32_t offset, std::uint32_t value);

  /// The next request to send, if there is one to send now.
  [[nodiscard]] std::optional<request> next_request();
  /// The request with this tag ended; `data` is what was read.
  void complete(unsigned tag, bool ok, std::span<const std::byte> data);
  /// True once for every interrupt it raises.
  [[nodiscard]] bool take_interrupt();
  [[nodiscard]] bool is_busy() const { return state_ != state::idle; }
  void reset();

private:
  enum class state : std::uint8_t { idle, fetching, moving, writing_back };
  enum class piece_state : std::uint8_t { free, reading, to_write, writing };
  struct piece {
    piece_state at = piece_state::free;
    std::uint64_t offset = 0;
    unsigned bytes = 0;
    std::array<std::byte, max_piece> data{};
  };
  static constexpr unsigned descriptor_tag = max_in_flight;

  void start_next();
  void fetched(std::span<const std::byte> data);
  void finish(bool ok);
  [[nodiscard]] unsigned piece_at(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t length() const { return descriptor::length_field::get(current_.order); }
  void failed(std::uint64_t address);

  std::uint32_t control_ = 0;
  std::uint32_t status_ = 0;
  std::uint64_t ring_ = 0;
  std::uint32_t ring_size_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t errors_ = 0;
  std::uint64_t error_address_ = 0;
  std::uint64_t bytes_ = 0;

  state state_ = state::idle;
  bool descriptor_sent_ = false;
  bool failed_ = false;
  bool interrupt_due_ = false;
  descriptor current_{};
  std::uint64_t descriptor_address_ = 0;
  std::uint64_t next_offset_ = 0;
  std::uint64_t moved_ = 0;
  std::uint32_t sum_ = 0;
  unsigned in_flight_ = 0;
  // Requests of before a reset whose answers mean nothing any more.
  unsigned stale_ = 0;
  std::array<piece, max_in_flight> pieces_{};
  std::array<std::byte, sizeof(descriptor)> buffer_{};
};

} // namespace vtd::pci_topology
