// SPDX-License-Identifier: Apache-2.0
// Queued invalidation: what descriptors do, when, and what the unit makes of those that are wrong
// (VT-d 6.5.2, 10.4.21 to 10.4.29). Each test of an invalidation first proves the stale hit.

#include "support/queue_driver.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using remap::access_kind;
namespace reg = spec::reg;

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t first_page = 0x40000000;
constexpr std::uint64_t first_frame = 0x7000000;
constexpr std::uint64_t status_word = 0x800000;

constexpr std::uint64_t page(std::uint64_t n) { return first_page + n * spec::page_size; }
constexpr std::uint64_t frame(std::uint64_t n) { return first_frame + n * spec::page_size; }

// A part with a queue and no write buffer, so that invalidations take exactly their own cycles.
remap::capabilities queue_part() {
  remap::capabilities caps = small_part();
  caps.cap.set_rwbf(false);
  caps.ecap.set_qi(true);
  return caps;
}
// One of revision 3, whose queue may have descriptors of 256 bits and tells what was wrong.
[[maybe_unused]] remap::capabilities later_part() {
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

// --- What descriptors do

TEST(invalidation_queue, a_page_descriptor_removes_its_page_only) {
  scene s;
  s.make_stale(0);
  s.make_stale(1);
  s.queue.run(page_of(domain, page(0)));
  EXPECT_FALSE(s.is_stale(0));
  EXPECT_TRUE(s.is_stale(1));
}

TEST(invalidation_queue, a_wait_writes_its_status_behind_the_invalidation) {
  scene s;
  s.make_stale(0);
  s.queue.run(page_of(domain, page(0)), status_wait(status_word, 0x1234));
  EXPECT_FALSE(s.is_stale(0));
  EXPECT_EQ(s.status(), 0x1234U);
  EXPECT_EQ(s.queue.head(), s.queue.tail());
}

} // namespace
} // namespace vtd::test
