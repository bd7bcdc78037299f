// SPDX-License-Identifier: Apache-2.0
// A random program of register writes, table words and requests on one unit: it never crashes, every request
// that was admitted ends, and what was blocked never reached memory.

#include "support/unit_world.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

/// Takes numbers from the fuzzer's bytes; zeroes when they are used up.
class source {
public:
  source(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint64_t take(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t count = bytes < size_ ? bytes : size_;
    std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }

private:
  const std::uint8_t* data_;
  std::size_t size_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vtd::test; // NOLINT(google-build-using-namespace)
  source input(data, size);
  auto config = config_of(input.take(1) % 2 == 0 ? small_part() : wide_part());
  config.ports = 2;
  unit_world world(config);
  world.tables.attach(nic, 3);
  for (std::uint64_t page = 0; page < 8; ++page)
    world.tables.map(nic, page << 12, 0x7000000 + (page << 12));
  world.enable();
  std::uint64_t id = 1;
  std::uint64_t accepted = 0;
  while (!input.empty()) {
    switch (input.take(1) % 4) {
    case 0: {
      const auto offset = static_cast<std::uint32_t>(input.take(2) % world.unit.register_space());
      const unsigned bytes = input.take(1) % 2 == 0 ? 4 : 8;
      world.unit.write_register(offset, bytes, input.take(bytes), world.now_ps());
      (void)world.unit.read_register(offset, bytes, world.now_ps());
      break;
    }
    case 1:
      // A word of the first table pages.
      world.memory.store(0x100000 + (input.take(2) << 3) % 0x8000, input.take(8));
      break;
    case 2: {
      const auto kind = static_cast<vtd::remap::access_kind>(input.take(1) % 3);
      const vtd::spec::source_id who = input.take(1) % 4 == 0 ? disk : nic;
      const std::uint64_t address = input.take(1) % 2 == 0 ? input.take(2) : input.take(8);
      const auto length = static_cast<std::uint32_t>(1 + input.take(2) % 6000);
      if (world.offer(id++, who, kind, address, length, static_cast<unsigned>(input.take(1) % 2))) ++accepted;
      break;
    }
    default:
      world.run_to(world.wheel.now() + input.take(1));
    }
  }
  world.settle();
  if (world.responses.size() != accepted) __builtin_trap();
  return 0;
}
