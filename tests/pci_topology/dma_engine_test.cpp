// SPDX-License-Identifier: Apache-2.0
// The ring of descriptors: what each one makes the engine ask for, how it ends, errors, interrupts, resets.

#include "vtd/pci_topology/dma_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <vector>

namespace vtd::pci_topology {
namespace {

using reg = dma_engine::reg;
using operation = dma_engine::operation;
using descriptor = dma_engine::descriptor;

constexpr std::uint64_t ring = 0x10000;
constexpr std::uint64_t source = 0x20000;
constexpr std::uint64_t destination = 0x40000;

// An engine, memory of bytes, and a bus that answers the requests one by one, the oldest first.
struct scene {
  dma_engine engine;
  std::map<std::uint64_t, std::byte> memory;
  std::vector<dma_engine::request> pending;
  std::vector<dma_engine::request> seen;
  std::uint64_t failing = ~std::uint64_t{0};
  unsigned descriptors = 0;

  explicit scene(unsigned size = 8, std::uint32_t control = dma_engine::run) {
    engine.write_register(reg::ring, static_cast<std::uint32_t>(ring));
    engine.write_register(reg::ring_size, size);
    engine.write_register(reg::control, control);
  }

  void put(std::uint64_t address, const void* from, std::size_t bytes) {
    const auto* const raw = static_cast<const std::byte*>(from);
    for (std::size_t i = 0; i < bytes; ++i)
      memory[address + i] = raw[i];
  }
  std::vector<std::byte> get(std::uint64_t address, std::size_t bytes) {
    std::vector<std::byte> out(bytes);
    for (std::size_t i = 0; i < bytes; ++i)
      out[i] = memory[address + i];
    return out;
  }
  // Puts a descriptor in the ring and rings the doorbell.
  void order(operation what, std::uint32_t length, std::uint64_t from = source,
             std::uint64_t to = destination, bool interrupt = false) {
    place(what, length, from, to, interrupt);
    doorbell();
  }
  void place(operation what, std::uint32_t length, std::uint64_t from = source,
             std::uint64_t to = destination, bool interrupt = false) {
    descriptor d;
    d.order = descriptor::operation_field::of(static_cast<std::uint64_t>(what)) |
              descriptor::interrupt_field::of(interrupt ? 1 : 0) | descriptor::length_field::of(length);
    d.source = from;
    d.destination = to;
    put(ring + std::uint64_t{descriptors} * sizeof(d), &d, sizeof(d));
    descriptors = (descriptors + 1) % engine.read_register(reg::ring_size);
  }
  void doorbell() { engine.write_register(reg::tail, descriptors); }
  // Takes what the engine wants to send now.
  void collect() {
    while (const auto next = engine.next_request()) {
      pending.push_back(*next);
      seen.push_back(*next);
      if (next->write) put(next->address, next->data.data(), next->bytes);
    }
  }
  void answer_one() {
    ASSERT_FALSE(pending.empty());
    const dma_engine::request request = pending.front();
    pending.erase(pending.begin());
    const bool ok = failing < request.address || failing >= request.address + request.bytes;
    const auto data = request.write || !ok ? std::vector<std::byte>() : get(request.address, request.bytes);
    engine.complete(request.tag, ok, data);
  }
  void work() {
    for (collect(); !pending.empty(); collect())
      answer_one();
  }
  std::uint64_t result(unsigned index) {
    std::uint64_t value = 0;
    const auto raw = get(ring + index * sizeof(descriptor) + offsetof(descriptor, result), sizeof(value));
    std::memcpy(&value, raw.data(), sizeof(value));
    return value;
  }
  [[nodiscard]] std::uint32_t status() const { return engine.read_register(reg::status); }
  [[nodiscard]] std::uint32_t head() const { return engine.read_register(reg::head); }
};

std::vector<std::byte> pattern(std::size_t count) {
  std::vector<std::byte> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::byte>(i * 7 + 1);
  return out;
}

std::uint32_t sum_of(const std::vector<std::byte>& data) {
  std::uint32_t sum = 0;
  for (const std::byte b : data)
    sum += std::to_integer<std::uint32_t>(b);
  return sum;
}

TEST(dma_engine, names_itself_and_reads_zero_where_nothing_is) {
  const dma_engine engine;
  EXPECT_EQ(engine.read_register(reg::id), dma_engine::identity);
  EXPECT_EQ(engine.read_register(0x100), 0U);
}

TEST(dma_engine, the_ring_is_aligned_and_has_two_halves) {
  dma_engine engine;
  engine.write_register(reg::ring, 0x1234567f);
  engine.write_register(reg::ring + 4, 0x9);
  EXPECT_EQ(engine.read_register(reg::ring), 0x12345640U);
  EXPECT_EQ(engine.read_register(reg::ring + 4), 9U);
}

TEST(dma_engine, fetches_the_descriptor_first_and_alone) {
  scene s;
  s.order(operation::read, 64);
  s.collect();
  ASSERT_EQ(s.pending.size(), 1U);
  EXPECT_FALSE(s.pending[0].write);
  EXPECT_EQ(s.pending[0].address, ring);
  EXPECT_EQ(s.pending[0].bytes, sizeof(descriptor));
  EXPECT_NE(s.status() & dma_engine::busy, 0U);
}

TEST(dma_engine, a_read_adds_up_what_it_read_and_writes_nothing_but_its_result) {
  scene s;
  const auto data = pattern(700);
  s.put(source, data.data(), data.size());
  s.order(operation::read, 700);
  s.work();
  EXPECT_EQ(s.result(0), descriptor::done_field::of(1) | descriptor::sum_field::of(sum_of(data)));
  EXPECT_EQ(s.status() & dma_engine::busy, 0U);
  EXPECT_EQ(s.head(), 1U);
  EXPECT_EQ(s.engine.read_register(reg::bytes), 700U);
  for (const auto& request : s.seen) {
    EXPECT_TRUE(!request.write || request.address == ring + offsetof(descriptor, result));
  }
}

TEST(dma_engine, a_fill_writes_the_source_word_over_and_over) {
  scene s;
  s.order(operation::fill, 20, 0x0807060504030201);
  s.work();
  const auto there = s.get(destination, 21);
  for (std::size_t i = 0; i < 20; ++i)
    EXPECT_EQ(std::to_integer<unsigned>(there[i]), i % 8 + 1) << i;
  EXPECT_EQ(there[20], std::byte{0}) << "not a byte more";
}

TEST(dma_engine, a_fill_goes_on_with_its_word_where_a_page_cut_it) {
  scene s;
  s.order(operation::fill, 600, 0x0807060504030201, destination + 0xfc3);
  s.work();
  const auto there = s.get(destination + 0xfc3, 600);
  for (std::size_t i = 0; i < 600; ++i)
    ASSERT_EQ(std::to_integer<unsigned>(there[i]), i % 8 + 1) << i;
}

TEST(dma_engine, a_copy_moves_every_byte_and_counts_both_ways) {
  scene s;
  const auto data = pattern(5000);
  s.put(source + 0x321, data.data(), data.size());
  s.order(operation::copy, 5000, source + 0x321, destination + 0x77);
  s.work();
  EXPECT_EQ(s.get(destination + 0x77, 5000), data);
  EXPECT_EQ(s.result(0), descriptor::done_field::of(1) | descriptor::sum_field::of(sum_of(data)));
  EXPECT_EQ(s.engine.read_register(reg::bytes), 10000U);
}

TEST(dma_engine, no_request_crosses_a_page_or_exceeds_the_largest_piece) {
  scene s;
  s.order(operation::copy, 5000, source + 0xf81, destination + 0xfc3);
  s.work();
  EXPECT_GT(s.seen.size(), 20U);
  for (const auto& request : s.seen) {
    EXPECT_LE(request.bytes, dma_engine::max_piece);
    EXPECT_EQ(spec::page_base(request.address), spec::page_base(request.address + request.bytes - 1));
  }
}

TEST(dma_engine, keeps_eight_requests_in_flight_and_not_nine) {
  scene s;
  s.order(operation::read, 16 * dma_engine::max_piece);
  s.collect();
  s.answer_one();
  s.collect();
  EXPECT_EQ(s.pending.size(), dma_engine::max_in_flight);
  s.answer_one();
  s.collect();
  EXPECT_EQ(s.pending.size(), dma_engine::max_in_flight) << "one came, one went";
}

TEST(dma_engine, answers_in_any_order_give_the_same_copy) {
  scene s;
  const auto data = pattern(2048);
  s.put(source, data.data(), data.size());
  s.order(operation::copy, 2048);
  for (s.collect(); !s.pending.empty(); s.collect()) {
    std::rotate(s.pending.begin(), s.pending.end() - 1, s.pending.end());
    s.answer_one();
  }
  EXPECT_EQ(s.get(destination, 2048), data);
  EXPECT_EQ(s.result(0) & 1, 1U);
}

TEST(dma_engine, the_result_is_written_only_after_the_last_byte) {
  scene s;
  s.order(operation::fill, 2 * dma_engine::max_piece);
  s.collect();
  s.answer_one();
  s.collect();
  ASSERT_EQ(s.pending.size(), 2U);
  s.answer_one();
  s.collect();
  ASSERT_EQ(s.pending.size(), 1U) << "one piece is still on its way";
  s.answer_one();
  s.collect();
  ASSERT_EQ(s.pending.size(), 1U);
  EXPECT_EQ(s.pending[0].address, ring + offsetof(descriptor, result));
}

TEST(dma_engine, works_through_the_ring_and_begins_again_at_its_start) {
  scene s(3);
  for (unsigned turn = 0; turn < 5; ++turn) {
    s.order(operation::fill, 8, turn + 1, destination + turn * 8);
    s.work();
    EXPECT_EQ(s.head(), (turn + 1) % 3);
    EXPECT_EQ(s.get(destination + turn * 8, 1)[0], static_cast<std::byte>(turn + 1));
  }
}

TEST(dma_engine, several_descriptors_of_one_doorbell_are_done_in_order) {
  scene s;
  s.place(operation::fill, 8, 0x11);
  s.place(operation::copy, 8, destination, destination + 0x100);
  s.doorbell();
  s.work();
  EXPECT_EQ(s.get(destination + 0x100, 1)[0], std::byte{0x11}) << "the copy saw what the fill wrote";
  EXPECT_EQ(s.head(), 2U);
}

TEST(dma_engine, does_nothing_unless_it_runs_and_the_tail_lies_in_the_ring) {
  scene s(8, 0);
  s.order(operation::fill, 8);
  EXPECT_FALSE(s.engine.next_request());
  s.engine.write_register(reg::tail, 8);
  s.engine.write_register(reg::control, dma_engine::run);
  EXPECT_FALSE(s.engine.next_request()) << "a ring of 8 ends at 7";
  s.engine.write_register(reg::tail, 1);
  EXPECT_TRUE(s.engine.next_request());
}

TEST(dma_engine, a_descriptor_that_orders_nothing_ends_at_once) {
  scene s;
  s.place(operation::none, 100);
  s.place(operation::copy, 0);
  s.doorbell();
  s.work();
  EXPECT_EQ(s.seen.size(), 4U) << "two fetched, two results";
  EXPECT_EQ(s.result(0), 1U);
  EXPECT_EQ(s.result(1), 1U);
}

TEST(dma_engine, a_failed_read_stops_the_copy_and_tells_where) {
  scene s;
  s.failing = source + 300;
  s.order(operation::copy, 16 * dma_engine::max_piece);
  s.work();
  EXPECT_EQ(s.result(0) & 3, 3U) << "done, with an error";
  EXPECT_EQ(s.status(), dma_engine::error);
  EXPECT_EQ(s.engine.read_register(reg::errors), 1U);
  EXPECT_EQ(s.engine.read_register(reg::error_address), source + 256) << "the piece that failed";
  EXPECT_EQ(s.get(destination + 256, 1)[0], std::byte{0}) << "nothing was written for it";
  EXPECT_LE(s.seen.size(), 1U + dma_engine::max_in_flight + 2U) << "no more was read";
}

TEST(dma_engine, a_failed_write_names_the_destination) {
  scene s;
  s.failing = destination;
  s.order(operation::fill, 8);
  s.work();
  EXPECT_EQ(s.result(0) & 3, 3U);
  EXPECT_EQ(s.engine.read_register(reg::error_address), destination);
}

TEST(dma_engine, a_descriptor_that_cannot_be_read_is_an_error_with_its_address) {
  scene s;
  s.failing = ring + 8;
  s.order(operation::fill, 8);
  s.work();
  EXPECT_EQ(s.status(), dma_engine::error);
  EXPECT_EQ(s.engine.read_register(reg::error_address), ring);
  EXPECT_EQ(s.seen.size(), 1U) << "there is nothing to write a result to";
  EXPECT_EQ(s.head(), 1U);
}

TEST(dma_engine, an_unknown_operation_is_an_error_and_touches_no_data) {
  scene s;
  s.order(static_cast<operation>(9), 64);
  s.work();
  EXPECT_EQ(s.result(0), 3U);
  EXPECT_EQ(s.seen.size(), 2U);
  EXPECT_EQ(s.status(), dma_engine::error);
}

TEST(dma_engine, stands_still_after_an_error_until_that_is_cleared) {
  scene s;
  s.failing = destination;
  s.place(operation::fill, 8);
  s.place(operation::fill, 8, 0x22, destination + 0x100);
  s.doorbell();
  s.work();
  EXPECT_EQ(s.head(), 1U);
  EXPECT_EQ(s.result(1), 0U);
  s.engine.write_register(reg::status, dma_engine::error);
  s.work();
  EXPECT_EQ(s.head(), 2U);
  EXPECT_EQ(s.result(1) & 3, 1U);
}

TEST(dma_engine, goes_on_after_errors_where_it_is_told_to) {
  scene s(8, dma_engine::run | dma_engine::go_on);
  s.failing = destination;
  s.place(operation::fill, 8);
  s.place(operation::fill, 8, 0x22, destination + 0x100);
  s.doorbell();
  s.work();
  EXPECT_EQ(s.head(), 2U);
  EXPECT_EQ(s.engine.read_register(reg::errors), 1U);
}

TEST(dma_engine, raises_one_interrupt_for_the_descriptor_that_asks) {
  scene s(8, dma_engine::run | dma_engine::interrupts_on);
  s.order(operation::fill, 8);
  s.work();
  EXPECT_FALSE(s.engine.take_interrupt()) << "it did not ask";
  s.order(operation::fill, 8, source, destination, true);
  s.work();
  EXPECT_EQ(s.status(), dma_engine::interrupt);
  EXPECT_TRUE(s.engine.take_interrupt());
  EXPECT_FALSE(s.engine.take_interrupt()) << "once";
  s.engine.write_register(reg::status, dma_engine::interrupt);
  EXPECT_EQ(s.status(), 0U);
}

TEST(dma_engine, raises_none_while_interrupts_are_off_and_one_for_every_error_while_on) {
  scene quiet;
  quiet.order(operation::fill, 8, source, destination, true);
  quiet.work();
  EXPECT_FALSE(quiet.engine.take_interrupt());
  scene s(8, dma_engine::run | dma_engine::interrupts_on);
  s.failing = destination;
  s.order(operation::fill, 8);
  s.work();
  EXPECT_TRUE(s.engine.take_interrupt());
}

TEST(dma_engine, a_reset_forgets_all_and_what_was_under_way_means_nothing) {
  scene s;
  s.order(operation::read, 16 * dma_engine::max_piece);
  s.collect();
  s.answer_one();
  s.collect();
  s.engine.write_register(reg::control, dma_engine::reset_bit);
  EXPECT_EQ(s.status(), 0U);
  EXPECT_EQ(s.head(), 0U);
  EXPECT_EQ(s.engine.read_register(reg::ring), 0U);
  s.engine.write_register(reg::ring, static_cast<std::uint32_t>(ring));
  s.engine.write_register(reg::ring_size, 8);
  s.engine.write_register(reg::control, dma_engine::run);
  s.descriptors = 0;
  s.order(operation::fill, 8, 0x33);
  EXPECT_FALSE(s.engine.next_request()) << "eight answers are still owed";
  while (s.pending.size() > 1)
    s.answer_one();
  EXPECT_FALSE(s.engine.next_request()) << "and the last";
  s.answer_one();
  s.work();
  EXPECT_EQ(s.result(0) & 3, 1U);
  EXPECT_EQ(s.engine.read_register(reg::bytes), 8U) << "nothing of before";
}

} // namespace
} // namespace vtd::pci_topology
