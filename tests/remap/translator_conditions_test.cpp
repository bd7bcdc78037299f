// SPDX-License-Identifier: Apache-2.0
// The translation decision: every condition of legacy mode (VT-d 3.7, 7.1.3).

#include "remap/translator_bench.h"

namespace vtd::remap {
namespace {

using namespace translator_tests; // NOLINT(google-build-using-namespace)
using spec::fault_condition;
using spec::fault_reason;
using test::nic;
using test::read_only;
using test::write_only;

// --- Conditions of the root and context entry

TEST(translator, lrt_1_the_root_entry_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.root_entry_of(nic));
  expect_fault(b, b.read(), fault_condition::lrt_1, fault_reason::root_table_access);
}
TEST(translator, lrt_2_the_root_entry_is_not_present) {
  bench b(test::small_part());
  b.memory.store(b.tables.root_entry_of(nic), 0xfff0); // everything but P: ignored
  expect_fault(b, b.read(), fault_condition::lrt_2, fault_reason::root_entry_not_present);
}
TEST(translator, lrt_3_a_reserved_bit_is_set_in_the_root_entry) {
  for (const unsigned bit : {1U, 11U, 36U, 63U}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.root_entry_of(nic);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << bit);
    expect_fault(b, b.read(), fault_condition::lrt_3, fault_reason::root_entry_reserved);
  }
  bench b(test::small_part());
  b.memory.store(b.tables.root_entry_of(nic) + 8, 1);
  expect_fault(b, b.read(), fault_condition::lrt_3, fault_reason::root_entry_reserved);
}
TEST(translator, lct_1_the_context_entry_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.context_entry_of(nic));
  expect_fault(b, b.read(), fault_condition::lct_1, fault_reason::context_table_access);
}
TEST(translator, lct_2_the_context_entry_is_not_present) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_present(false); });
  expect_fault(b, b.read(), fault_condition::lct_2, fault_reason::context_entry_not_present);
  EXPECT_EQ(b.hardware.caches().contexts().occupancy(), 0U) << "CM = 0 caches nothing that is not present";
}
TEST(translator, lct_3_a_reserved_bit_is_set_in_the_context_entry) {
  struct bit {
    bool high;
    unsigned number;
  };
  // EH without caching hints; above HAW; bit 71; a domain-id beyond ND; the last bit.
  for (const bit each : {bit{false, 4}, bit{false, 36}, bit{true, 7}, bit{true, 8 + 4}, bit{true, 63}}) {
    bench b(test::small_part());
    b.change_context(
        [&](spec::context_entry& e) { (each.high ? e.hi : e.lo) |= std::uint64_t{1} << each.number; });
    expect_fault(b, b.read(), fault_condition::lct_3, fault_reason::context_entry_reserved);
  }
}
TEST(translator, lct_4_1_a_width_that_sagaw_does_not_name) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_address_width(2); });
  expect_fault(b, b.read(), fault_condition::lct_4_1, fault_reason::context_entry_invalid);
}
TEST(translator, lct_4_1_pass_through_with_another_width_than_the_largest_where_the_part_looks) {
  for (const bool looks : {false, true}) {
    auto caps = test::wide_part();
    caps.pass_through_checks_width = looks;
    for (const unsigned width : {1U, 2U}) {
      bench b(caps);
      b.change_context([&](spec::context_entry& e) {
        e.set_translation_type(spec::translation_type::pass_through).set_address_width(width);
      });
      if (looks && width == 1) {
        expect_fault(b, b.read(), fault_condition::lct_4_1, fault_reason::context_entry_invalid);
      } else {
        EXPECT_TRUE(b.read().allowed()) << width;
      }
    }
  }
}
TEST(translator, lct_4_2_a_translation_type_that_the_part_does_not_have) {
  for (const auto type : {spec::translation_type::with_device_tlb, spec::translation_type::pass_through,
                          spec::translation_type::reserved}) {
    bench b(test::small_part());
    b.change_context([type](spec::context_entry& e) { e.set_translation_type(type); });
    expect_fault(b, b.read(), fault_condition::lct_4_2, fault_reason::context_entry_invalid);
  }
}
TEST(translator, lct_4_3_the_top_table_cannot_be_read) {
  bench b(test::small_part());
  b.memory.fail(b.tables.entry_of(nic, iova, 3, false));
  expect_fault(b, b.read(), fault_condition::lct_4_3, fault_reason::context_entry_invalid);
}
TEST(translator, lct_5_translation_and_translated_requests_need_a_context_with_a_device_tlb) {
  for (const auto at : {address_type::translation_request, address_type::translated}) {
    bench b(test::small_part());
    expect_fault(b, b.ask({nic, access_kind::read, at, iova}), fault_condition::lct_5,
                 fault_reason::request_type_blocked);
    b.read();
    EXPECT_EQ(b.ask({nic, access_kind::read, at, iova}).condition, fault_condition::lct_5)
        << "from the cache, too";
  }
}

TEST(translator, the_kind_of_request_is_judged_before_the_width_of_the_context) {
  bench b(test::small_part());
  b.change_context([](spec::context_entry& e) { e.set_address_width(2); });
  expect_fault(b, b.ask({nic, access_kind::read, address_type::translated, iova}), fault_condition::lct_5,
               fault_reason::request_type_blocked);
}
TEST(translator, a_device_that_asks_for_a_translation_is_told_no_rights_where_others_fault) {
  capabilities caps = test::wide_part();
  caps.ecap.set_dt(true);
  bench b(caps, 3);
  b.change_context(
      [](spec::context_entry& e) { e.set_translation_type(spec::translation_type::with_device_tlb); });
  const std::uint64_t range = iova + 0x1000;
  b.tables.map(nic, range, spec::interrupt_range_first);
  for (const std::uint64_t address : {iova + 0x2000, range, std::uint64_t{1} << 39}) {
    for (int cached = 0; cached < 2; ++cached) {
      const translation got = b.ask({nic, access_kind::read, address_type::translation_request, address});
      EXPECT_TRUE(got.allowed()) << address;
      EXPECT_FALSE(got.read || got.write);
    }
  }
  const translation got = b.ask({nic, access_kind::read, address_type::translation_request, iova});
  EXPECT_TRUE(got.allowed() && got.read && got.write);
}

// --- Conditions of the address

TEST(translator, lgn_1_1_an_address_beyond_the_width_of_the_domain) {
  bench b(test::wide_part(), 3);
  expect_fault(b, b.read(std::uint64_t{1} << 39), fault_condition::lgn_1_1,
               fault_reason::address_beyond_mgaw);
  EXPECT_NE(b.read((std::uint64_t{1} << 39) - 1).condition, fault_condition::lgn_1_1);
}
TEST(translator, lgn_1_2_bits_36_to_38_fault_where_mgaw_is_36) {
  for (const unsigned bit : {36U, 37U, 38U}) {
    bench b(test::small_part());
    expect_fault(b, b.read(std::uint64_t{1} << bit), fault_condition::lgn_1_2,
                 fault_reason::address_beyond_mgaw);
    b.read();
    EXPECT_EQ(b.read(iova | std::uint64_t{1} << bit).condition, fault_condition::lgn_1_2)
        << "with a cached context";
  }
}
TEST(translator, lgn_1_3_pass_through_is_limited_by_the_host_address_width) {
  bench b(test::wide_part(), 4);
  b.change_context(
      [](spec::context_entry& e) { e.set_translation_type(spec::translation_type::pass_through); });
  const translation got = b.read(0x123456789);
  ASSERT_TRUE(got.allowed());
  EXPECT_EQ(got.address, 0x123456789U);
  EXPECT_TRUE(got.identity);
  expect_fault(b, b.read(std::uint64_t{1} << 46), fault_condition::lgn_1_3,
               fault_reason::address_beyond_mgaw);
}
TEST(translator, lgn_2_a_write_to_a_page_without_write_permission) {
  bench b(test::small_part());
  b.tables.map(nic, iova, frame, read_only);
  expect_fault(b, b.write(), fault_condition::lgn_2, fault_reason::no_write_permission);
}
TEST(translator, lgn_2_np_a_write_to_what_is_not_mapped) {
  bench b(test::small_part());
  expect_fault(b, b.write(iova + 0x1000), fault_condition::lgn_2_np, fault_reason::no_write_permission);
  expect_fault(b, b.write(std::uint64_t{1} << 35), fault_condition::lgn_2_np,
               fault_reason::no_write_permission);
}
TEST(translator, lgn_3_a_read_of_a_page_without_read_permission) {
  bench b(test::small_part());
  b.tables.map(nic, iova, frame, write_only);
  expect_fault(b, b.read(), fault_condition::lgn_3, fault_reason::no_read_permission);
}
TEST(translator, lgn_3_np_a_read_of_what_is_not_mapped_whatever_else_the_entry_says) {
  bench b(test::small_part());
  const std::uint64_t leaf = b.tables.entry_of(nic, iova, 1, false);
  b.memory.store(leaf, b.memory.load(leaf) & ~std::uint64_t{3});
  expect_fault(b, b.read(), fault_condition::lgn_3_np, fault_reason::no_read_permission);
}
TEST(translator, lgn_3_zlr_a_zero_length_read_of_a_write_only_page_needs_cap_zlr) {
  const dma_access probe{nic, access_kind::zero_length_read, address_type::untranslated, iova};
  bench without(test::small_part());
  without.tables.map(nic, iova, frame, write_only);
  expect_fault(without, without.ask(probe), fault_condition::lgn_3_zlr, fault_reason::no_read_permission);
  bench with(test::wide_part());
  with.tables.map(nic, iova, frame, write_only);
  EXPECT_TRUE(with.ask(probe).allowed());
}
TEST(translator, lgn_4_a_translation_into_the_interrupt_range) {
  for (const std::uint64_t target :
       {spec::interrupt_range_first, spec::page_base(spec::interrupt_range_last)}) {
    bench b(test::small_part());
    b.tables.map(nic, iova, target);
    expect_fault(b, b.write(), fault_condition::lgn_4, fault_reason::output_in_interrupt_range);
  }
  bench b(test::small_part());
  b.tables.map(nic, iova, spec::interrupt_range_first - spec::page_size);
  EXPECT_TRUE(b.write().allowed());
}

// --- Conditions of the paging entries

TEST(translator, lsl_1_a_lower_table_cannot_be_read) {
  for (const unsigned level : {1U, 2U}) {
    bench b(test::small_part());
    b.memory.fail(b.tables.entry_of(nic, iova, level, false));
    expect_fault(b, b.read(), fault_condition::lsl_1, fault_reason::paging_entry_access);
  }
}
TEST(translator, lsl_2_a_reserved_bit_is_set_in_a_paging_entry) {
  struct bit {
    unsigned level;
    unsigned number;
  };
  // SNP without snoop control, above HAW, TM without device-TLB; large pages this part does not have;
  // non-leaf SNP.
  for (const bit each :
       {bit{1, 11}, bit{1, 36}, bit{1, 51}, bit{1, 62}, bit{2, 7}, bit{3, 7}, bit{2, 11}, bit{3, 62}}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.entry_of(nic, iova, each.level, false);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << each.number);
    expect_fault(b, b.read(), fault_condition::lsl_2, fault_reason::paging_entry_reserved);
  }
}
TEST(translator, lsl_2_transient_mapping_where_no_device_tlb_or_a_revision_has_taken_it_back) {
  const auto leaf_with_tm = [](bool device_tlb, unsigned version) {
    auto caps = test::wide_part();
    caps.ecap.set_dt(device_tlb);
    caps.version = version;
    bench b(caps);
    const std::uint64_t leaf = b.tables.entry_of(nic, iova, 1, false);
    b.memory.store(leaf, spec::second_level_entry{b.memory.load(leaf)}.set_transient_mapping(true).value);
    return b.read().condition;
  };
  EXPECT_EQ(leaf_with_tm(false, 0x10), fault_condition::lsl_2);
  EXPECT_EQ(leaf_with_tm(true, 0x10), fault_condition::none);
  EXPECT_EQ(leaf_with_tm(true, 0x2f), fault_condition::none);
  EXPECT_EQ(leaf_with_tm(true, 0x30), fault_condition::lsl_2) << "reserved since revision 3 (VT-d 9.8)";
}
TEST(translator, lsl_2_a_large_page_that_is_not_aligned) {
  bench b(test::wide_part(), 4);
  constexpr std::uint64_t large = std::uint64_t{5} << 39;
  b.tables.map(nic, large, 0x40001000, test::read_write, 2);
  expect_fault(b, b.read(large), fault_condition::lsl_2, fault_reason::paging_entry_reserved);
}
TEST(translator, ignored_bits_of_a_paging_entry_do_no_harm) {
  for (const unsigned bit : {2U, 3U, 6U, 8U, 10U, 52U, 61U, 63U}) {
    bench b(test::small_part());
    const std::uint64_t at = b.tables.entry_of(nic, iova, 1, false);
    b.memory.store(at, b.memory.load(at) | std::uint64_t{1} << bit);
    EXPECT_TRUE(b.read().allowed()) << "bit " << bit;
  }
}

} // namespace
} // namespace vtd::remap
