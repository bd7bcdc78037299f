// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <cstdint>

// A unit with the invalidation queue on, and devices whose pages are mapped.

namespace vtd::test::queue_tests {

inline constexpr std::uint16_t domain = 3;
inline constexpr std::uint64_t first_page = 0x40000000;
inline constexpr std::uint64_t first_frame = 0x7000000;
inline constexpr std::uint64_t status_word = 0x800000;

[[nodiscard]] constexpr std::uint64_t page(std::uint64_t n) { return first_page + n * spec::page_size; }
[[nodiscard]] constexpr std::uint64_t frame(std::uint64_t n) { return first_frame + n * spec::page_size; }

// A part with a queue and no write buffer, so that invalidations take exactly their own cycles.
[[nodiscard]] inline remap::capabilities queue_part() {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  caps.ecap.set_qi(true);
  return caps;
}
// One of revision 3, whose queue may have descriptors of 256 bits and tells what was wrong.
[[nodiscard]] inline remap::capabilities later_part() {
  remap::capabilities caps = queue_part();
  caps.version = 0x30;
  caps.ecap.set_smts(true);
  return caps;
}

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config, unsigned qs = 0, bool wide = false)
      : unit_world(config), queue(*this, qs, wide) {
    for (const spec::source_id device : {nic, disk}) {
      tables.attach(device, device == nic ? domain : domain + 1);
      for (std::uint64_t n = 0; n < 64; ++n)
        tables.map(device, page(n), frame(n));
    }
    unit_world::enable();
    queue.enable();
  }
  explicit scene(const remap::capabilities& caps) : scene(config_of(caps)) {}
  scene() : scene(queue_part()) {}

  /// The page is cached, and its entry changed: the old frame is seen until somebody invalidates.
  void make_stale(std::uint64_t n, spec::source_id device = nic) {
    ASSERT_EQ(read(device, page(n)).address, frame(n));
    tables.map(device, page(n), frame(n + 100));
    ASSERT_TRUE(is_stale(n, device)) << "the cache holds it";
  }
  [[nodiscard]] bool is_stale(std::uint64_t n, spec::source_id device = nic) {
    return read(device, page(n)).address == frame(n);
  }
  [[nodiscard]] std::uint32_t status() const { return static_cast<std::uint32_t>(memory.load(status_word)); }
  [[nodiscard]] const remap::translation_caches& caches() const { return unit.translator().caches(); }

  queue_driver queue;
};

} // namespace vtd::test::queue_tests
