// SPDX-License-Identifier: Apache-2.0
// Random descriptors, registers of the invalidation queue, table changes and requests on one unit. It never
// crashes or hangs, every request ends, and once a wait behind a global invalidation is over, nothing that
// was cached before that is used any more.

#include "support/queue_driver.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace {

using namespace vtd; // NOLINT(google-build-using-namespace)
namespace reg = spec::reg;

/// Takes numbers from the fuzzer's bytes; zeroes when they are used up.
class source {
public:
  source(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint64_t take(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t count = bytes < size_ ? bytes : size_;
    if (count != 0) std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }

private:
  const std::uint8_t* data_;
  std::size_t size_;
};

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t pages = 8;
constexpr std::uint64_t status_word = 0x800000;

dmar::unit_config configuration(std::uint64_t choice) {
  auto config = test::config_of(choice % 2 == 0 ? test::small_part() : test::wide_part());
  config.caps.ecap.set_qi(true).set_ir((choice & 2) != 0).set_smts((choice & 4) != 0);
  config.caps.version = (choice & 8) != 0 ? 0x30 : 0x10;
  config.timing.queue_prefetch = static_cast<unsigned>(choice >> 4 & 3);
  return config;
}

void check(bool holds) {
  if (!holds) __builtin_trap();
}

/// The world, and what software knows of its tables.
struct machine : test::unit_world {
  explicit machine(std::uint64_t choice) : unit_world(configuration(choice)), queue(*this) {
    tables.attach(test::nic, domain);
    for (std::uint64_t n = 0; n < pages; ++n)
      remap(n);
    unit_world::enable();
    queue.enable();
  }
  static std::uint64_t page(std::uint64_t n) { return n << spec::page_shift; }
  // Each mapping has a frame of its own, so that an old one shows.
  void remap(std::uint64_t n) {
    current[n] = next_frame;
    tables.map(test::nic, page(n), next_frame);
    next_frame += spec::page_size;
  }
  /// Whatever was done before: the queue off and on again, everything invalidated and waited for, and then
  /// every page is where it was mapped last.
  void prove() {
    settle();
    write_register<reg::gcmd>(reg::gcmd::te::mask);
    settle();
    check(!queue.on());
    write_register<reg::fsts>(reg::fsts::iqe::mask);
    queue.enable();
    check(queue.on());
    memory.store(status_word, 0);
    queue.run(test::all_contexts(), test::all_pages().set_drain_reads(true).set_drain_writes(true),
              test::status_wait(status_word, 1));
    check(memory.load(status_word) == 1);
    check(!queue.failed() && queue.head() == queue.tail());
    for (std::uint64_t n = 0; n < pages; ++n) {
      const auto end = read(test::nic, page(n));
      check(end.how == dmar::completion::done && end.address == current[n]);
    }
  }

  test::queue_driver queue;
  std::uint64_t current[pages] = {};
  std::uint64_t next_frame = 0x7000000;
};

constexpr std::uint32_t registers[] = {reg::iqt::offset,   reg::iqa::offset,    reg::ics::offset,
                                       reg::iectl::offset, reg::iedata::offset, reg::ieaddr::offset,
                                       reg::fsts::offset,  reg::fectl::offset,  reg::ccmd::offset};

spec::invalidation_descriptor descriptor(source& input) {
  switch (input.take(1) % 8) {
  case 0: {
    const std::uint64_t lo = input.take(8);
    return {lo, input.take(8)};
  }
  case 1:
    return test::all_contexts();
  case 2: {
    const std::uint64_t n = input.take(1) % pages;
    const auto mask = static_cast<unsigned>(input.take(1) % 12);
    return test::page_of(domain, machine::page(n), mask, input.take(1) % 2 != 0);
  }
  case 3:
    return test::pages_of(static_cast<std::uint16_t>(input.take(1) % 16));
  case 4: {
    const std::uint64_t word = status_word + 4 * (input.take(1) % 4);
    const auto data = static_cast<std::uint32_t>(input.take(4));
    return test::status_wait(word, data).set_fence(input.take(1) % 2 != 0);
  }
  case 5:
    return test::interrupt_wait().set_fence(input.take(1) % 2 != 0);
  case 6:
    return test::all_pages().set_drain_reads(true).set_drain_writes(true);
  default: {
    // A valid one with one bit changed.
    auto out = test::all_pages();
    const auto bit = static_cast<unsigned>(input.take(1) % 128);
    (bit < 64 ? out.lo : out.hi) ^= std::uint64_t{1} << bit % 64;
    return out;
  }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  source input(data, size);
  machine m(input.take(1));
  std::uint64_t id = 1;
  std::uint64_t accepted = 0;
  while (!input.empty()) {
    switch (input.take(1) % 8) {
    case 0:
    case 1:
      m.queue.push(descriptor(input));
      break;
    case 2:
      m.queue.ring();
      break;
    case 3: {
      const std::uint32_t offset = registers[input.take(1) % std::size(registers)];
      const unsigned bytes = offset % 8 == 0 && input.take(1) % 2 == 0 ? 8 : 4;
      m.unit.write_register(offset, bytes, input.take(bytes), m.now_ps());
      break;
    }
    case 4: {
      const bool on = input.take(1) % 4 != 0;
      m.write_register<reg::gcmd>(reg::gcmd::te::mask | (on ? reg::gcmd::qie::mask : 0));
      break;
    }
    case 5:
      m.remap(input.take(1) % pages);
      break;
    case 6: {
      const auto kind = input.take(1) % 2 == 0 ? remap::access_kind::read : remap::access_kind::write;
      if (m.offer(id, test::nic, kind, machine::page(input.take(1) % pages))) {
        ++accepted;
        ++id;
      }
      break;
    }
    default:
      // Now and then the proof in the middle of everything.
      if (const std::uint64_t cycles = input.take(1); cycles != 0xff) {
        m.run_to(m.wheel.now() + cycles);
      } else {
        m.prove();
        accepted += pages;
      }
    }
  }
  m.settle();
  check(m.responses.size() == accepted);
  m.prove();
  return 0;
}
