// SPDX-License-Identifier: Apache-2.0
// What may be cached, and what an invalidation must make a unit forget, by the specification alone.

#include "support/parts.h"
#include "support/table_builder.h"
#include "vtdsim/differential/staleness.h"

#include <gtest/gtest.h>

namespace {

using namespace vtd::test; // NOLINT(google-build-using-namespace)
namespace spec = vtd::spec;
namespace remap = vtd::remap;
using contexts = spec::context_granularity;
using pages = spec::iotlb_granularity;

class staleness : public testing::Test {
protected:
  explicit staleness(bool caching_mode = false)
      : caps([=] {
          auto part = wide_part();
          part.cap.set_cm(caching_mode);
          return part;
        }()),
        builder(memory), cached(caps, [this](std::uint64_t address, unsigned bytes, remap::table_words& out) {
          vtd::engine::picoseconds ignored = 0;
          return memory.read_table(address, bytes, out, ignored);
        }) {
    builder.attach(nic, domain);
    builder.attach(disk, domain, 3, spec::translation_type::untranslated_only,
                   builder.context(nic).second_level_table());
    builder.map(nic, page, 0x700000);
  }

  static remap::dma_access access(spec::source_id source, std::uint64_t address) {
    return {source, remap::access_kind::read, remap::address_type::untranslated, address};
  }
  void use(spec::source_id source, std::uint64_t address) {
    cached.add(access(source, address), builder.root());
  }
  [[nodiscard]] bool stale(spec::source_id source, std::uint64_t address) const {
    return cached.may_be_stale(access(source, address), builder.root());
  }
  void invalidate_page(std::uint64_t address, bool leaf_only, unsigned mask = 0) {
    cached.invalidate_pages(pages::page, domain, spec::covers(address, mask), leaf_only);
  }

  static constexpr std::uint16_t domain = 5;
  static constexpr std::uint64_t page = 0x12345000;
  remap::capabilities caps;
  fake_memory memory;
  table_builder builder;
  vtdsim::differential::staleness cached;
};

TEST_F(staleness, nothing_is_stale_while_memory_is_as_it_was) {
  EXPECT_FALSE(stale(nic, page));
  use(nic, page);
  EXPECT_FALSE(stale(nic, page));
}

TEST_F(staleness, a_changed_leaf_is_stale_until_its_page_is_invalidated) {
  use(nic, page);
  builder.map(nic, page, 0x800000);
  EXPECT_TRUE(stale(nic, page));
  EXPECT_TRUE(stale(disk, page)) << "pages are cached by domain";
  EXPECT_FALSE(stale(nic, page + 0x1000)) << "another page was not cached";
  invalidate_page(page + 0x1000, true);
  EXPECT_TRUE(stale(nic, page));
  cached.invalidate_pages(pages::domain, domain + 1, {}, false);
  EXPECT_TRUE(stale(nic, page));
  invalidate_page(page, true);
  EXPECT_FALSE(stale(nic, page));
}

TEST_F(staleness, a_cached_page_has_the_rights_of_the_levels_above_also_when_they_are_cached_no_more) {
  use(nic, page);
  // The non-leaf entries go with it, the leaf of the other page stays.
  invalidate_page(page + 0x1000, false);
  EXPECT_FALSE(stale(nic, page));
  const std::uint64_t top = builder.entry_of(nic, page, 3, false);
  memory.store(top, spec::second_level_entry{memory.load(top)}.set_write(false).value);
  EXPECT_TRUE(stale(nic, page));
  invalidate_page(page, false);
  EXPECT_FALSE(stale(nic, page));
}

TEST_F(staleness, a_leaf_invalidation_leaves_the_tables_above) {
  use(nic, page);
  memory.store(builder.entry_of(nic, page, 2, false), 0);
  EXPECT_TRUE(stale(nic, page + 0x1000)) << "the table above is cached for its other pages, too";
  invalidate_page(page, true);
  EXPECT_TRUE(stale(nic, page));
  invalidate_page(page, false);
  EXPECT_FALSE(stale(nic, page));
}

TEST_F(staleness, a_changed_context_is_stale_until_contexts_are_invalidated) {
  use(nic, page);
  auto entry = builder.context(nic);
  builder.set_context(nic, entry.set_available(3));
  EXPECT_TRUE(stale(nic, page));
  EXPECT_FALSE(stale(disk, page)) << "contexts are cached by requester";
  cached.invalidate_contexts(contexts::domain, domain + 1, {}, 0);
  cached.invalidate_contexts(contexts::device, domain, disk, 0);
  EXPECT_TRUE(stale(nic, page));
  cached.invalidate_contexts(contexts::device, domain, nic, 0);
  EXPECT_FALSE(stale(nic, page));
}

TEST_F(staleness, what_was_not_present_is_never_stale) {
  use(nic, page + 0x1000);
  builder.map(nic, page + 0x1000, 0x900000);
  EXPECT_FALSE(stale(nic, page + 0x1000));
}

TEST_F(staleness, what_was_read_ahead_counts_as_cached) {
  const spec::source_id both[] = {nic, disk};
  cached.add_contexts(both, builder.root());
  auto entry = builder.context(disk);
  builder.set_context(disk, entry.set_present(false));
  EXPECT_TRUE(stale(disk, page));
}

class staleness_with_caching_mode : public staleness {
protected:
  staleness_with_caching_mode() : staleness(true) {}
};

TEST_F(staleness_with_caching_mode, what_was_not_present_is_stale_until_it_is_invalidated) {
  use(nic, page + 0x1000);
  builder.map(nic, page + 0x1000, 0x900000);
  EXPECT_TRUE(stale(nic, page + 0x1000));
  invalidate_page(page + 0x1000, true);
  EXPECT_FALSE(stale(nic, page + 0x1000));
}

} // namespace
