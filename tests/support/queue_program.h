// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/byte_source.h"
#include "support/queue_driver.h"
#include "support/watched_world.h"

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace vtd::test {

/// Any bytes as descriptors, registers of the invalidation queue, table changes and requests on one unit.
/// What has to hold:
/// - every request ends;
/// - once a wait behind a global invalidation is over, nothing that was cached before that is used any more;
/// - all that `watched_world` judges, status writes among it.
class queue_program {
public:
  explicit queue_program(std::span<const std::uint8_t> bytes)
      : input_(bytes), world_(configure(input_.take(1))), queue_(world_) {
    world_.tables.attach(nic, domain);
    for (std::uint64_t n = 0; n < pages; ++n) {
      world_.tables.map(nic, page(n), first_frame);
      leaves_[n] = world_.tables.entry_of(nic, page(n), 1, false);
      remap_page(n);
    }
    tables_ = world_.memory.words();
    world_.begin();
    world_.enable();
    queue_.enable();
  }

  /// Names the first rule that did not hold; empty: all did.
  [[nodiscard]] std::string run() {
    while (!input_.empty() && violation_.empty() && world_.violation.empty())
      step();
    world_.finish();
    prove();
    return violation_.empty() ? world_.violation : violation_;
  }
  [[nodiscard]] watched_world& world() { return world_; }

private:
  static constexpr std::uint16_t domain = 3;
  static constexpr std::uint64_t pages = 8;
  static constexpr std::uint64_t status_word = 0x800000;
  static constexpr std::uint64_t first_frame = 0x7000000;

  [[nodiscard]] static dmar::unit_config configure(std::uint64_t choice) {
    auto config = config_of(choice % 2 == 0 ? small_part() : wide_part());
    config.caps.ecap.set_qi(true).set_ir((choice & 2) != 0).set_smts((choice & 4) != 0);
    config.caps.version = (choice & 8) != 0 ? 0x30 : 0x10;
    config.timing.queue_prefetch = static_cast<unsigned>(choice >> 4 & 3);
    return config;
  }
  [[nodiscard]] static std::uint64_t page(std::uint64_t n) { return n << spec::page_shift; }

  void fail(const std::string& what) {
    if (violation_.empty()) violation_ = "cycle " + std::to_string(world_.wheel.now()) + ": " + what;
  }

  void step() {
    namespace reg = spec::reg;
    switch (input_.take(1) % 8) {
    case 0:
    case 1:
      return queue_.push(descriptor());
    case 2:
      return queue_.ring();
    case 3: {
      constexpr std::array registers{reg::iqt::offset,   reg::iqa::offset,    reg::ics::offset,
                                     reg::iectl::offset, reg::iedata::offset, reg::ieaddr::offset,
                                     reg::fsts::offset,  reg::fectl::offset,  reg::ccmd::offset};
      const std::uint32_t offset = registers[input_.take(1) % registers.size()];
      const unsigned bytes = offset % 8 == 0 && input_.take(1) % 2 == 0 ? 8 : 4;
      return world_.unit.write_register(offset, bytes, input_.take(bytes), world_.now_ps());
    }
    case 4: {
      const bool on = input_.take(1) % 4 != 0;
      return world_.write_register<reg::gcmd>(reg::gcmd::te::mask | (on ? reg::gcmd::qie::mask : 0));
    }
    case 5:
      return remap_page(input_.take(1) % pages);
    case 6: {
      const auto kind = input_.take(1) % 2 == 0 ? remap::access_kind::read : remap::access_kind::write;
      return world_.request(nic, kind, page(input_.take(1) % pages), 64, 0);
    }
    default:
      // Now and then the proof in the middle of everything.
      if (const std::uint64_t cycles = input_.take(1); cycles != 0xff)
        return world_.run_to(world_.wheel.now() + cycles);
      return prove();
    }
  }

  [[nodiscard]] spec::invalidation_descriptor descriptor() {
    switch (input_.take(1) % 8) {
    case 0: {
      const std::uint64_t lo = input_.take(8);
      return {lo, input_.take(8)};
    }
    case 1:
      return all_contexts();
    case 2: {
      const std::uint64_t n = input_.take(1) % pages;
      const auto mask = static_cast<unsigned>(input_.take(1) % 12);
      return page_of(domain, page(n), mask, input_.take(1) % 2 != 0);
    }
    case 3:
      return pages_of(static_cast<std::uint16_t>(input_.take(1) % 16));
    case 4: {
      const std::uint64_t word = status_word + 4 * (input_.take(1) % 4);
      const auto data = static_cast<std::uint32_t>(input_.take(4));
      return status_wait(word, data).set_fence(input_.take(1) % 2 != 0);
    }
    case 5:
      return interrupt_wait().set_fence(input_.take(1) % 2 != 0);
    case 6:
      return all_pages().set_drain_reads(true).set_drain_writes(true);
    default: {
      // A valid one with one bit changed.
      auto out = all_pages();
      const auto bit = static_cast<unsigned>(input_.take(1) % 128);
      (bit < 64 ? out.lo : out.hi) ^= std::uint64_t{1} << bit % 64;
      return out;
    }
    }
  }

  // Each mapping has a frame of its own, so that an old one shows.
  void remap_page(std::uint64_t n) {
    current_[n] = next_frame_;
    next_frame_ += spec::page_size;
    const auto leaf = spec::second_level_entry{}.set_read(true).set_write(true).set_address(current_[n]);
    tables_[leaves_[n]] = leaf.value;
    world_.memory.store(leaves_[n], leaf.value);
  }

  // Whatever was done before: the queue off and on again, everything invalidated and waited for, and then
  // every page is where it was mapped last.
  void prove() {
    namespace reg = spec::reg;
    world_.settle();
    world_.write_register<reg::gcmd>(reg::gcmd::te::mask);
    world_.settle();
    if (queue_.on()) fail("the queue does not go off");
    world_.write_register<reg::fsts>(reg::fsts::iqe::mask);
    queue_.enable();
    if (!queue_.on()) fail("the queue does not come on");
    // A status may have been ordered into the tables.
    for (const auto& [address, value] : tables_) {
      if (world_.memory.load(address) != value) world_.memory.store(address, value);
    }
    world_.memory.store(status_word, 0);
    queue_.run(all_contexts(), all_pages().set_drain_reads(true).set_drain_writes(true),
               status_wait(status_word, 1));
    if (world_.memory.load(status_word) != 1) fail("a wait does not write its status");
    if (queue_.failed() || queue_.head() != queue_.tail()) fail("the queue does not come to its end");
    for (std::uint64_t n = 0; n < pages; ++n) {
      const auto end = world_.alone(nic, remap::access_kind::read, page(n));
      if (end.how != dmar::completion::done || end.address != current_[n])
        fail("page " + std::to_string(n) + " is not where it was mapped last");
    }
  }

  byte_source input_;
  watched_world world_;
  queue_driver queue_;
  /// The words of the tables as they should be; where the leaf of each page stands.
  std::map<std::uint64_t, std::uint64_t> tables_;
  std::array<std::uint64_t, pages> leaves_{};
  std::array<std::uint64_t, pages> current_{};
  std::uint64_t next_frame_ = first_frame;
  std::string violation_;
};

} // namespace vtd::test
