// SPDX-License-Identifier: Apache-2.0
// Caching mode (CAP.CM, VT-d 6.1): what is not present or in error is kept, too, until it is invalidated.

#include "support/parts.h"
#include "support/unit_world.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::completion;
using remap::access_kind;
using spec::fault_condition;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint16_t domain = 3;

remap::capabilities part(bool caching_mode) {
  remap::capabilities caps = wide_part();
  caps.cap.set_cm(caching_mode);
  return caps;
}

struct scene : unit_world {
  explicit scene(bool caching_mode = true) : unit_world(part(caching_mode)) {}
  explicit scene(const remap::capabilities& caps) : unit_world(caps) {}

  /// One DMA; it is blocked for `condition`, and `reads` table entries were read for it.
  void expect_blocked(const event& got, fault_condition condition, std::size_t reads) {
    EXPECT_EQ(got.how, completion::blocked);
    ASSERT_FALSE(faults.empty());
    EXPECT_EQ(spec::condition_info(faults.back().condition).name, spec::condition_info(condition).name);
    EXPECT_EQ(table_reads.size(), reads);
    table_reads.clear();
    EXPECT_TRUE(forwards.empty()) << "nothing leaked";
  }
  void expect_passes(const event& got, std::uint64_t address) {
    EXPECT_EQ(got.how, completion::done);
    EXPECT_EQ(got.address, address);
    table_reads.clear();
    forwards.clear();
  }
  void invalidate_context_of(spec::source_id device, std::uint16_t of_domain) {
    write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::did::of(of_domain) |
                              reg::ccmd::sid::of(device.value()));
    settle();
  }
  void invalidate_page(std::uint64_t address, unsigned mask = 0, bool leaf_only = false) {
    invalidate_iotlb_page(domain, address, mask, leaf_only);
    settle();
  }
};

TEST(caching_mode, a_page_that_was_not_present_stays_so_until_its_invalidation) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 6);
  s.tables.map(nic, iova, frame);
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 0);
  s.expect_blocked(s.write(nic, iova), fault_condition::lgn_2_np, 0);
  s.invalidate_page(iova, 0, true);
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, the_kind_of_a_request_comes_before_the_width_of_a_context_that_is_kept) {
  for (const bool keeps : {false, true}) {
    scene s(keeps);
    s.tables.attach(nic, domain, 4);
    auto context = s.tables.context(nic);
    s.tables.set_context(nic, context.set_address_width(0));
    s.enable();
    s.expect_blocked(s.read(nic, iova), fault_condition::lct_4_1, 2);
    dmar::request what;
    what.access = {nic, access_kind::read, remap::address_type::translated, frame};
    what.length = 64;
    s.unit.offer(0, what, s.now_ps());
    s.settle();
    s.expect_blocked(s.responses.back(), fault_condition::lct_5, keeps ? 0 : 2);
  }
}

TEST(caching_mode, without_it_the_next_request_sees_the_new_page) {
  scene s(false);
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 6);
  s.tables.map(nic, iova, frame);
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, a_part_may_have_it_and_keep_nothing) {
  remap::capabilities caps = part(true);
  caps.caches_absent = false;
  scene s(caps);
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 6);
  s.tables.map(nic, iova, frame);
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, a_table_that_was_not_present_blocks_all_it_would_cover) {
  scene s;
  s.tables.attach(nic, domain, 4);
  // Nothing is mapped: the entry of level 4 is not present.
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 3);
  constexpr std::uint64_t elsewhere = iova + (std::uint64_t{200} << 30);
  s.expect_blocked(s.read(nic, elsewhere), fault_condition::lgn_3_np, 0);
  s.tables.map(nic, iova, frame);
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 0);
  s.invalidate_page(iova);
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, an_invalidation_of_another_page_or_domain_changes_nothing) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 6);
  s.tables.map(nic, iova, frame);
  s.invalidate_page(iova + spec::page_size);
  s.invalidate_iotlb_domain(domain + 1);
  s.settle();
  s.expect_blocked(s.read(nic, iova), fault_condition::lgn_3_np, 0);
  s.invalidate_iotlb_domain(domain);
  s.settle();
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, an_entry_with_reserved_bits_is_kept_with_its_condition) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova, frame);
  const std::uint64_t leaf = s.tables.entry_of(nic, iova, 1, false);
  const std::uint64_t good = s.memory.load(leaf);
  s.memory.store(leaf, good | std::uint64_t{1} << 50);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lsl_2, 6);
  s.memory.store(leaf, good);
  s.expect_blocked(s.write(nic, iova), fault_condition::lsl_2, 0);
  s.invalidate_page(iova, 0, true);
  s.expect_passes(s.write(nic, iova), frame);
}

TEST(caching_mode, a_page_with_too_few_rights_is_kept_with_those_it_has) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova, frame, read_only);
  s.enable();
  s.expect_blocked(s.write(nic, iova), fault_condition::lgn_2, 6);
  s.tables.map(nic, iova, frame, read_write);
  s.expect_blocked(s.write(nic, iova), fault_condition::lgn_2, 0);
  s.expect_passes(s.read(nic, iova), frame);
  s.invalidate_page(iova, 0, true);
  s.expect_passes(s.write(nic, iova), frame);
}

TEST(caching_mode, a_context_entry_that_was_not_present_is_kept_under_domain_0) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova, frame);
  const spec::context_entry good = s.tables.context(nic);
  spec::context_entry gone = good;
  gone.set_present(false);
  s.tables.set_context(nic, gone);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_2, 2);
  s.tables.set_context(nic, good);
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_2, 0);
  s.invalidate_context_of(nic, domain);
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_2, 0);
  s.invalidate_context_of(nic, 0);
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, a_root_entry_that_was_not_present_is_kept_for_the_function_that_asked) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova, frame);
  s.enable();
  // The disk's bus has no root entry, the NIC's has.
  s.expect_blocked(s.read(disk, iova), fault_condition::lrt_2, 1);
  s.expect_passes(s.read(nic, iova), frame);
  s.tables.attach(disk, domain + 1, 4);
  s.tables.map(disk, iova, frame + 0x5000);
  s.expect_blocked(s.read(disk, iova), fault_condition::lrt_2, 0);
  s.invalidate_contexts_global();
  s.settle();
  s.expect_passes(s.read(disk, iova), frame + 0x5000);
}

TEST(caching_mode, a_context_entry_in_error_is_kept_with_its_condition_and_its_fpd) {
  scene s;
  s.tables.attach(nic, domain, 4);
  spec::context_entry bad = s.tables.context(nic);
  bad.set_address_width(spec::agaw_of_levels(2)).set_fault_processing_disable(true);
  s.tables.set_context(nic, bad);
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_4_1, 2);
  const bool suppressed = s.faults.back().suppressed;
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_4_1, 0);
  EXPECT_EQ(s.faults.back().suppressed, suppressed);
}

TEST(caching_mode, a_read_error_is_never_kept) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova, frame);
  s.memory.fail(s.tables.context_entry_of(nic));
  s.enable();
  s.expect_blocked(s.read(nic, iova), fault_condition::lct_1, 2);
  s.memory.heal();
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, a_walk_that_an_invalidation_overtook_keeps_no_absence) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  // The walk reads the absent entry; then the page is mapped and invalidated before the walk has ended.
  s.offer(7, nic, access_kind::read, iova);
  const engine::cycle begin = s.wheel.now();
  while (s.table_reads.size() < 6)
    s.run_to(s.wheel.now() + 1);
  ASSERT_GT(s.wheel.now(), begin);
  s.tables.map(nic, iova, frame);
  s.invalidate_page(iova, 0, true);
  EXPECT_EQ(unit_world::find(s.responses, 7).how, completion::done) << "replayed, and seen anew";
  s.expect_passes(s.read(nic, iova), frame);
}

TEST(caching_mode, no_direct_pointer_is_given_for_what_is_kept_as_absent) {
  scene s;
  s.tables.attach(nic, domain, 4);
  s.tables.map(nic, iova + spec::page_size, frame);
  s.enable();
  s.read(nic, iova);
  s.read(disk, 0);
  using remap::address_type;
  EXPECT_FALSE(s.unit.direct({nic, access_kind::read, address_type::untranslated, iova}));
  EXPECT_FALSE(s.unit.direct({disk, access_kind::read, address_type::untranslated, 0}));
}

} // namespace
} // namespace vtd::test
