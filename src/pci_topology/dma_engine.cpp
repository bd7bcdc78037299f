// SPDX-License-Identifier: Apache-2.0
#include "vtd/pci_topology/dma_engine.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace vtd::pci_topology {

std::uint32_t dma_engine::read_register(std::uint32_t offset) const {
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  const auto high = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
  switch (offset) {
  case reg::id:
    return identity;
  case reg::control:
    return control_;
  case reg::status:
    return status_ | (is_busy() ? busy : 0);
  case reg::ring:
    return low(ring_);
  case reg::ring + 4:
    return high(ring_);
  case reg::ring_size:
    return ring_size_;
  case reg::head:
    return head_;
  case reg::tail:
    return tail_;
  case reg::errors:
    return errors_;
  case reg::error_address:
    return low(error_address_);
  case reg::error_address + 4:
    return high(error_address_);
  case reg::bytes:
    return low(bytes_);
  case reg::bytes + 4:
    return high(bytes_);
  default:
    return 0;
  }
}

void dma_engine::write_register(std::uint32_t offset, std::uint32_t value) {
  constexpr std::uint64_t low_half = 0xffffffff;
  switch (offset) {
  case reg::control:
    if ((value & reset_bit) != 0) return reset();
    control_ = value & (run | go_on | interrupts_on);
    break;
  case reg::status:
    status_ &= ~(value & (error | interrupt));
    break;
  case reg::ring:
    ring_ = (ring_ & ~low_half) | (value & ~63U);
    break;
  case reg::ring + 4:
    ring_ = (ring_ & low_half) | std::uint64_t{value} << 32;
    break;
  case reg::ring_size:
    ring_size_ = value;
    break;
  case reg::tail:
    tail_ = value;
    break;
  default:
    return;
  }
  start_next();
}

void dma_engine::reset() {
  const unsigned stale = stale_ + in_flight_;
  *this = {};
  stale_ = stale;
}

void dma_engine::start_next() {
  const bool stopped = (status_ & error) != 0 && (control_ & go_on) == 0;
  if (state_ != state::idle || (control_ & run) == 0 || stopped || stale_ != 0) return;
  if (ring_size_ == 0 || tail_ >= ring_size_ || head_ == tail_) return;
  descriptor_address_ = ring_ + std::uint64_t{head_} * sizeof(descriptor);
  state_ = state::fetching;
  descriptor_sent_ = false;
  failed_ = false;
}

// Pieces do not cross pages, and are no larger than the largest payload.
unsigned dma_engine::piece_at(std::uint64_t offset) const {
  const auto to_page_end = [](std::uint64_t address) {
    return spec::page_size - (address & (spec::page_size - 1));
  };
  std::uint64_t bytes = std::min<std::uint64_t>(length() - offset, max_piece);
  const auto what = static_cast<operation>(descriptor::operation_field::get(current_.order));
  if (what != operation::fill) bytes = std::min(bytes, to_page_end(current_.source + offset));
  if (what != operation::read) bytes = std::min(bytes, to_page_end(current_.destination + offset));
  return static_cast<unsigned>(bytes);
}

std::optional<dma_engine::request> dma_engine::next_request() {
  switch (state_) {
  case state::idle:
    return std::nullopt;
  case state::fetching:
    if (descriptor_sent_) return std::nullopt;
    descriptor_sent_ = true;
    ++in_flight_;
    return request{descriptor_tag, false, descriptor_address_, sizeof(descriptor), {}};
  case state::writing_back:
    if (descriptor_sent_) return std::nullopt;
    descriptor_sent_ = true;
    ++in_flight_;
    std::memcpy(buffer_.data(), &current_.result, sizeof(current_.result));
    return request{descriptor_tag, true, descriptor_address_ + offsetof(descriptor, result),
                   sizeof(current_.result),
                   std::span<const std::byte>(buffer_).first(sizeof(current_.result))};
  case state::moving:
    break;
  }
  // Data that was read goes out before anything new is read.
  for (unsigned tag = 0; tag < max_in_flight; ++tag) {
    piece& p = pieces_[tag];
    if (p.at != piece_state::to_write) continue;
    p.at = piece_state::writing;
    ++in_flight_;
    return request{tag, true, current_.destination + p.offset, p.bytes,
                   std::span<const std::byte>(p.data).first(p.bytes)};
  }
  if (failed_ || next_offset_ >= length()) return std::nullopt;
  for (unsigned tag = 0; tag < max_in_flight; ++tag) {
    piece& p = pieces_[tag];
    if (p.at != piece_state::free) continue;
    p.offset = next_offset_;
    p.bytes = piece_at(next_offset_);
    next_offset_ += p.bytes;
    ++in_flight_;
    if (static_cast<operation>(descriptor::operation_field::get(current_.order)) == operation::fill) {
      p.at = piece_state::writing;
      for (unsigned i = 0; i < p.bytes; ++i) {
        p.data[i] = static_cast<std::byte>(current_.source >> (8 * ((p.offset + i) % 8)) & 0xff);
      }
      return request{tag, true, current_.destination + p.offset, p.bytes,
                     std::span<const std::byte>(p.data).first(p.bytes)};
    }
    p.at = piece_state::reading;
    return request{tag, false, current_.source + p.offset, p.bytes, {}};
  }
  return std::nullopt;
}

void dma_engine::failed(std::uint64_t address) {
  failed_ = true;
  error_address_ = address;
}

void dma_engine::complete(unsigned tag, bool ok, std::span<const std::byte> data) {
  if (stale_ != 0) {
    --stale_;
    return start_next();
  }
  --in_flight_;
  if (tag == descriptor_tag) {
    if (state_ == state::fetching) {
      if (ok) return fetched(data);
      failed(descriptor_address_);
      // There is nothing to write a status to: the ring itself is out of reach.
      return finish(false);
    }
    if (!ok) failed(descriptor_address_);
    return finish(!failed_);
  }
  piece& p = pieces_[tag];
  const bool was_reading = p.at == piece_state::reading;
  if (!ok) {
    failed((was_reading ? current_.source : current_.destination) + p.offset);
    p.at = piece_state::free;
  } else if (was_reading) {
    for (const std::byte b : data)
      sum_ += std::to_integer<std::uint32_t>(b);
    const bool copies =
        static_cast<operation>(descriptor::operation_field::get(current_.order)) == operation::copy;
    bytes_ += p.bytes;
    if (copies && !failed_) {
      std::memcpy(p.data.data(), data.data(), std::min<std::size_t>(data.size(), p.bytes));
      p.at = piece_state::to_write;
    } else {
      p.at = piece_state::free;
      moved_ += p.bytes;
    }
  } else {
    p.at = piece_state::free;
    bytes_ += p.bytes;
    moved_ += p.bytes;
  }
  if (failed_) {
    for (piece& waiting : pieces_) {
      if (waiting.at == piece_state::to_write) waiting.at = piece_state::free;
    }
  }
  if (in_flight_ == 0 && (failed_ || moved_ >= length())) {
    state_ = state::writing_back;
    descriptor_sent_ = false;
    current_.result = descriptor::done_field::of(1) | descriptor::error_field::of(failed_ ? 1 : 0) |
                      descriptor::sum_field::of(sum_);
  }
}

void dma_engine::fetched(std::span<const std::byte> data) {
  std::memcpy(&current_, data.data(), sizeof(current_));
  next_offset_ = 0;
  moved_ = 0;
  sum_ = 0;
  state_ = state::moving;
  const auto what = static_cast<operation>(descriptor::operation_field::get(current_.order));
  if (what == operation::none || what > operation::copy || length() == 0) {
    state_ = state::writing_back;
    descriptor_sent_ = false;
    const bool known = what <= operation::copy;
    failed_ = !known;
    current_.result = descriptor::done_field::of(1) | descriptor::error_field::of(known ? 0 : 1);
  }
}

void dma_engine::finish(bool ok) {
  state_ = state::idle;
  head_ = ring_size_ == 0 ? 0 : (head_ + 1) % ring_size_;
  if (!ok) {
    ++errors_;
    status_ |= error;
  }
  const bool wanted = descriptor::interrupt_field::get(current_.order) != 0 || !ok;
  if (wanted && (control_ & interrupts_on) != 0) {
    status_ |= interrupt;
    interrupt_due_ = true;
  }
  start_next();
}

bool dma_engine::take_interrupt() {
  const bool due = interrupt_due_;
  interrupt_due_ = false;
  return due;
}

} // namespace vtd::pci_topology
