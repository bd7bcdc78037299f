// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <cstdint>

// A unit and two devices whose pages are mapped, for the tests of what software orders by registers.

namespace vtd::test::command_tests {

inline constexpr std::uint64_t iova = 0x40000000;
inline constexpr std::uint64_t frame = 0x7000000;
inline constexpr std::uint64_t other_frame = 0x9000000;
inline constexpr std::uint16_t domain = 3;

struct scene : unit_world {
  explicit scene(const remap::capabilities& caps = small_part()) : scene(config_of(caps)) {}
  explicit scene(const dmar::unit_config& config) : unit_world(config) {
    for (const spec::source_id device : {nic, disk}) {
      tables.attach(device, device == nic ? domain : domain + 1);
      for (std::uint64_t n = 0; n < 16; ++n)
        tables.map(device, iova + n * spec::page_size, frame + n * spec::page_size);
    }
  }
  template <class Field>
  [[nodiscard]] std::uint32_t status() {
    return Field::get(read_register<spec::reg::gsts>());
  }
  // Moves the page in the tables, and shows that the unit still goes to the old place.
  void make_stale(spec::source_id device, std::uint64_t n = 0) {
    const std::uint64_t address = iova + n * spec::page_size;
    ASSERT_EQ(read(device, address).address, frame + n * spec::page_size);
    tables.map(device, address, other_frame + n * spec::page_size);
    ASSERT_EQ(read(device, address).address, frame + n * spec::page_size) << "the stale hit";
  }
  [[nodiscard]] bool is_stale(spec::source_id device, std::uint64_t n = 0) {
    return read(device, iova + n * spec::page_size).address == frame + n * spec::page_size;
  }
  [[nodiscard]] std::uint64_t granularity_of_context() {
    return spec::reg::ccmd::caig::get(read_register<spec::reg::ccmd>());
  }
  [[nodiscard]] std::uint64_t granularity_of_iotlb() {
    return spec::reg::iotlb::iaig::get(read_register<spec::reg::iotlb>());
  }
};

} // namespace vtd::test::command_tests
