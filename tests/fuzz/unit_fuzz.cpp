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

/// The small or the wide part of the tests, or one with tables of two to six levels and pages of all sizes.
vtd::remap::capabilities part_of(std::uint64_t choice) {
  using namespace vtd; // NOLINT(google-build-using-namespace)
  if (choice % 8 == 0) return test::small_part();
  if (choice % 8 == 1) return test::wide_part();
  remap::capabilities caps = test::wide_part();
  // One width, or all of them.
  const auto width = static_cast<unsigned>(choice % 8 - 2);
  caps.cap.set_sagaw(width < 5 ? 1U << width : 0x1f).set_sps(0xf).set_plmr(true).set_phmr(true);
  caps.cap.set_mgaw(width == 0 ? 30 : remap::page_tag::max_input_width);
  caps.ecap.set_dt(choice / 8 % 2 != 0);
  caps.version = choice / 16 % 2 != 0 ? 0x20 : 0x10;
  return caps;
}

/// Levels that the part has, by the fuzzer's choice.
unsigned levels_of(const vtd::remap::capabilities& caps, std::uint64_t choice) {
  for (unsigned n = 0; n < 5; ++n) {
    const auto width = static_cast<unsigned>((choice + n) % 5);
    if (caps.cap.supports_agaw(width)) return vtd::spec::levels_of_agaw(width);
  }
  return 3;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vtd::test; // NOLINT(google-build-using-namespace)
  source input(data, size);
  auto config = config_of(part_of(input.take(1)));
  config.ports = 2;
  config.caches.pml5 = config.caches.pml4;
  config.hidden_write_buffer = !config.caps.cap.rwbf();
  const std::uint64_t choice = input.take(1);
  unit_world world(config);
  world.tables.attach(nic, 3, levels_of(config.caps, choice),
                      config.caps.ecap.dt() ? vtd::spec::translation_type::with_device_tlb
                                            : vtd::spec::translation_type::untranslated_only);
  // A large page, where the part has one.
  if (const unsigned level = 2 + static_cast<unsigned>(choice / 5 % 4);
      level <= levels_of(config.caps, choice) && (config.caps.cap.sps() >> (level - 2) & 1) != 0 && level < 5)
    world.tables.map(nic, vtd::spec::level_size(level), 0, read_write, level);
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
      const std::uint64_t ahead = input.take(1) * unit_world::period;
      world.unit.write_register(offset, bytes, input.take(bytes), world.now_ps(), ahead);
      (void)world.unit.read_register(offset, bytes, world.now_ps(), ahead);
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
      (void)world.unit.direct({who, kind, vtd::remap::address_type::untranslated, address});
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
