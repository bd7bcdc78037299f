// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/translator.h"

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace vtd::remap::translator_tests {

inline constexpr std::uint64_t iova = 0x12345000;
inline constexpr std::uint64_t frame = 0x7abcd000;
inline constexpr std::uint16_t domain = 3;

/// One device in one domain with one page, and a translator to ask.
struct bench {
  explicit bench(const capabilities& part, unsigned level_count = 3)
      : caps(part), tables(memory), hardware("unit", part, test::small_caches()), levels(level_count) {
    tables.attach(test::nic, domain, levels);
    tables.map(test::nic, iova, frame);
  }
  translation ask(const dma_access& access) {
    cost = {};
    return hardware.translate(access, {tables.root(), memory, timebase, 0}, cost);
  }
  translation read(std::uint64_t address = iova) {
    return ask({test::nic, access_kind::read, address_type::untranslated, address});
  }
  translation write(std::uint64_t address = iova) {
    return ask({test::nic, access_kind::write, address_type::untranslated, address});
  }
  void change_context(const auto& change) {
    spec::context_entry entry = tables.context(test::nic);
    change(entry);
    tables.set_context(test::nic, entry);
  }

  capabilities caps;
  test::fake_memory memory;
  test::table_builder tables;
  translator hardware;
  translation_cost cost{};
  unsigned levels;
  engine::clock timebase{1000};
};

/// The condition, and that nothing was kept of what is faulty.
inline void expect_fault(bench& b, const translation& got, spec::fault_condition condition,
                         spec::fault_reason reason) {
  EXPECT_EQ(spec::condition_info(got.condition).name, spec::condition_info(condition).name);
  EXPECT_EQ(spec::condition_info(got.condition).reason, reason);
  EXPECT_FALSE(got.allowed());
  EXPECT_EQ(b.hardware.caches().iotlb().occupancy(), 0U);
}

} // namespace vtd::remap::translator_tests
