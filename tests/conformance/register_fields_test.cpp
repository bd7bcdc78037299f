// SPDX-License-Identifier: Apache-2.0
// Fields of registers and descriptors, each with the values that the section gives it, worked out by hand:
// offsets, numbers and bytes stand here as they stand in VT-d 10.4 and 6.5.2, apart from the declarations.

#include "dmar/commands_scene.h"
#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace vtd::test {
namespace {

using command_tests::domain;
using command_tests::iova;

/// Registers by their offset and number, as software without any declaration would.
struct by_offset : command_tests::scene {
  using command_tests::scene::scene;
  [[nodiscard]] std::uint64_t at(std::uint32_t offset, unsigned bytes) {
    return unit.read_register(offset, bytes, now_ps());
  }
  void put(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
    unit.write_register(offset, bytes, value, now_ps());
    settle();
  }
};

constexpr std::uint32_t gcmd_at = 0x18;
constexpr std::uint32_t gsts_at = 0x1c;
constexpr std::uint32_t ccmd_at = 0x28;
constexpr std::uint32_t fectl_at = 0x38;
constexpr std::uint32_t fedata_at = 0x3c;
constexpr std::uint32_t feaddr_at = 0x40;
constexpr std::uint32_t aflog_at = 0x58;
constexpr std::uint32_t iqt_at = 0x88;
constexpr std::uint32_t iectl_at = 0xa0;
constexpr std::uint32_t iedata_at = 0xa4;
constexpr std::uint32_t ieaddr_at = 0xa8;
constexpr std::uint32_t iqercd_at = 0xb0;

// --- VER (VT-d 10.4.1)

TEST(register_fields, ver_reads_as_the_part_has_it_and_its_major_number_counts) {
  struct part {
    unsigned version = 0;
    bool drains_unasked = false;
  };
  for (const part& each : {part{0x10, false}, {0x1f, false}, {0x20, true}, {0x25, true}, {0x31, true}}) {
    remap::capabilities caps = plain_part();
    caps.version = each.version;
    by_offset s(caps);
    EXPECT_EQ(s.at(0x00, 4), each.version);
    s.enable();
    s.hold_answers = true;
    s.offer(1, nic, remap::access_kind::write, iova);
    s.settle();
    ASSERT_EQ(s.held.size(), 1U);
    s.put(0x108, 8, std::uint64_t{1} << 63 | std::uint64_t{1} << 60);
    EXPECT_EQ(s.at(0x108, 8) >> 63 != 0, each.drains_unasked) << std::hex << each.version;
    s.unit.answered(s.held[0], true, s.now_ps());
    s.settle();
    EXPECT_EQ(s.at(0x108, 8) >> 63, 0U);
  }
}

// --- GSTS (VT-d 10.4.5)

TEST(register_fields, a_root_table_that_is_taken_over_shows_and_one_on_its_way_does_not) {
  by_offset s(plain_part());
  const auto write_command = [&](std::uint32_t value) {
    s.unit.write_register(gcmd_at, 4, value, s.now_ps());
  };
  s.put(0x20, 8, s.tables.root());
  EXPECT_EQ(s.at(gsts_at, 4), 0U);
  s.put(gcmd_at, 4, 0x40000000); // SRTP
  EXPECT_EQ(s.at(gsts_at, 4), 0x40000000U) << "RTPS";
  s.put(gcmd_at, 4, 0x80000000); // TE
  EXPECT_EQ(s.at(gsts_at, 4), 0xc0000000U) << "TES, too";
  write_command(0xc0000000);
  s.run_to(s.wheel.now() + 2);
  EXPECT_EQ(s.at(gsts_at, 4), 0x80000000U) << "the next one is on its way";
  s.settle();
  EXPECT_EQ(s.at(gsts_at, 4), 0xc0000000U);
}

TEST(register_fields, the_log_that_is_taken_over_and_the_log_that_is_on_have_a_status_bit_each) {
  remap::capabilities caps = plain_part();
  caps.cap.set_afl(true);
  by_offset s(caps);
  s.put(aflog_at, 8, 0xb00000);
  EXPECT_EQ(s.at(gsts_at, 4), 0U);
  s.put(gcmd_at, 4, 0x20000000); // SFL
  EXPECT_EQ(s.at(gsts_at, 4), 0x20000000U) << "FLS";
  s.put(gcmd_at, 4, 0x10000000); // EAFL
  EXPECT_EQ(s.at(gsts_at, 4), 0x30000000U) << "FLS and AFLS";
  s.put(gcmd_at, 4, 0);
  EXPECT_EQ(s.at(gsts_at, 4), 0x20000000U) << "AFLS follows the level of EAFL";
}

// --- Invalidation by registers (VT-d 10.4.7, 10.4.8)

TEST(register_fields, each_value_of_cirg_removes_what_it_names_and_caig_says_the_same) {
  struct order {
    std::uint64_t cirg = 0;
    bool nic_goes = false;
    bool disk_goes = false;
  };
  // Of domain 3 (the first device's), and of the first device.
  for (const order& each : {order{0, false, false}, {1, true, true}, {2, true, false}, {3, true, false}}) {
    by_offset s(plain_part());
    s.enable();
    const auto contexts_read_again = [&](spec::source_id device) {
      const std::size_t before = s.table_reads.size();
      s.read(device, iova + 0x3000);
      for (std::size_t i = before; i < s.table_reads.size(); ++i) {
        if (s.table_reads[i].address == s.tables.context_entry_of(device)) return true;
      }
      return false;
    };
    s.read(nic, iova);
    s.read(disk, iova);
    s.put(ccmd_at, 8, std::uint64_t{1} << 63 | each.cirg << 61 | std::uint64_t{nic.value()} << 16 | domain);
    EXPECT_EQ(s.at(ccmd_at, 8) >> 59 & 3, each.cirg) << "CAIG";
    EXPECT_EQ(s.at(ccmd_at, 8) >> 61 & 3, each.cirg) << "CIRG reads as it was written";
    EXPECT_EQ(s.at(ccmd_at, 8) >> 63, 0U) << "ICC";
    EXPECT_EQ(contexts_read_again(nic), each.nic_goes) << each.cirg;
    EXPECT_EQ(contexts_read_again(disk), each.disk_goes) << each.cirg;
  }
  // And what tells the third from the second: another device of the domain.
  for (const std::uint64_t cirg : {2U, 3U}) {
    by_offset s(plain_part());
    s.tables.attach(disk, domain, 3, spec::translation_type::untranslated_only,
                    s.tables.context(nic).second_level_table());
    s.enable();
    s.read(disk, iova);
    s.put(ccmd_at, 8, std::uint64_t{1} << 63 | cirg << 61 | std::uint64_t{nic.value()} << 16 | domain);
    const std::size_t before = s.table_reads.size();
    s.read(disk, iova);
    EXPECT_EQ(s.table_reads.size() > before, cirg == 2) << cirg;
  }
}

TEST(register_fields, each_value_of_iirg_removes_what_it_names_and_iaig_says_the_same) {
  struct order {
    std::uint64_t iirg = 0;
    bool page_goes = false;
    bool domain_goes = false;
    bool all_go = false;
  };
  for (const order& each : {order{0, false, false, false},
                            {1, true, true, true},
                            {2, true, true, false},
                            {3, true, false, false}}) {
    by_offset s(plain_part());
    s.enable();
    s.make_stale(nic, 0);
    s.make_stale(nic, 5);
    s.make_stale(disk, 0);
    s.put(0x100, 8, iova);
    s.put(0x108, 8, std::uint64_t{1} << 63 | each.iirg << 60 | std::uint64_t{domain} << 32);
    EXPECT_EQ(s.at(0x108, 8) >> 57 & 3, each.iirg) << "IAIG";
    EXPECT_EQ(s.at(0x108, 8) >> 60 & 3, each.iirg) << "IIRG reads as it was written";
    EXPECT_EQ(s.at(0x108, 8) >> 63, 0U) << "IVT";
    EXPECT_EQ(!s.is_stale(nic, 0), each.page_goes) << each.iirg;
    EXPECT_EQ(!s.is_stale(nic, 5), each.domain_goes) << each.iirg;
    EXPECT_EQ(!s.is_stale(disk, 0), each.all_go) << each.iirg;
  }
}

TEST(register_fields, ih_of_iva_keeps_the_entries_above_the_leaf) {
  for (const bool leaf_only : {false, true}) {
    by_offset s(plain_part());
    s.enable();
    s.read(nic, iova);
    s.put(0x100, 8, iova | (leaf_only ? 1U << 6 : 0U));
    s.put(0x108, 8, std::uint64_t{1} << 63 | std::uint64_t{3} << 60 | std::uint64_t{domain} << 32);
    const std::size_t before = s.table_reads.size();
    s.read(nic, iova);
    EXPECT_EQ(s.table_reads.size() - before, leaf_only ? 1U : 3U);
  }
}

// --- FSTS (VT-d 10.4.9)

TEST(register_fields, ppf_says_whether_any_record_holds_a_fault) {
  remap::capabilities caps = plain_part();
  caps.cap.set_nfr(1);
  by_offset s(caps);
  s.enable();
  EXPECT_EQ(s.at(0x34, 4), 0U);
  s.read(nic, 0);
  EXPECT_EQ(s.at(0x34, 4), 0x2U) << "PPF, and FRI 0";
  s.read(nic, 0x1000);
  EXPECT_EQ(s.at(0x34, 4), 0x2U) << "FRI is that of the first";
  constexpr std::uint32_t f = 0x80000000;
  s.put(0x20c, 4, f);
  EXPECT_EQ(s.at(0x34, 4) & 0x2, 0x2U) << "the second record is still there";
  s.put(0x21c, 4, f);
  EXPECT_EQ(s.at(0x34, 4) & 0x2, 0U);
}

// --- Messages of events (VT-d 7.4, 10.4.11, 10.4.12, 10.4.26, 10.4.27)

struct message_case {
  std::uint32_t address = 0;
  std::uint16_t data = 0;
};
// Between them, each bit of both fields is once 0 and once 1. The first is CPU 5Ah, vector 43h, fixed, edge.
constexpr std::array<message_case, 4> messages{
    {{0xfee5a000, 0x0043}, {0xfeea5ffc, 0xffbc}, {0x01115554, 0x5555}, {0xfeeaaaa8, 0xaaaa}}};

TEST(register_fields, the_message_of_a_fault_is_written_where_feaddr_says_and_is_what_fedata_says) {
  for (const message_case& each : messages) {
    by_offset s(plain_part());
    s.enable();
    s.put(feaddr_at, 4, each.address | 3);
    s.put(fedata_at, 4, 0x12340000 | each.data);
    s.put(fectl_at, 4, 0);
    EXPECT_EQ(s.at(feaddr_at, 4), each.address) << "bits 1:0 are reserved";
    EXPECT_EQ(s.at(fedata_at, 4), each.data) << "no EIMD without EIM";
    s.read(nic, 0);
    ASSERT_EQ(s.messages.size(), 1U);
    EXPECT_EQ(s.messages[0].second.address, each.address);
    EXPECT_EQ(s.messages[0].second.data, each.data);
  }
}

TEST(register_fields, the_message_of_a_wait_is_written_where_ieaddr_says_and_is_what_iedata_says) {
  for (const message_case& each : messages) {
    remap::capabilities caps = plain_part();
    caps.ecap.set_qi(true);
    by_offset s(caps);
    s.put(feaddr_at, 4, 0xfee01000);
    s.put(fedata_at, 4, 0x31);
    s.put(ieaddr_at, 4, each.address | 3);
    s.put(iedata_at, 4, 0x12340000 | each.data);
    s.put(iectl_at, 4, 0);
    EXPECT_EQ(s.at(ieaddr_at, 4), each.address);
    EXPECT_EQ(s.at(iedata_at, 4), each.data);
    queue_driver queue(s);
    queue.enable();
    queue.run(interrupt_wait());
    ASSERT_EQ(s.messages.size(), 1U);
    EXPECT_EQ(s.messages[0].second.address, each.address);
    EXPECT_EQ(s.messages[0].second.data, each.data);
  }
}

// --- Queue (VT-d 6.5.2, 10.4.29)

// VT-d 10.4.21.
TEST(register_fields, iqh_goes_on_by_16_bytes_stays_at_what_is_wrong_and_begins_again_behind_the_last) {
  remap::capabilities caps = plain_part();
  caps.ecap.set_qi(true);
  by_offset s(caps);
  queue_driver queue(s);
  queue.enable();
  constexpr std::uint32_t iqh_at = 0x80;
  EXPECT_EQ(s.at(iqh_at, 8), 0U);
  queue.run(all_pages());
  EXPECT_EQ(s.at(iqh_at, 8), 0x10U);
  queue.run(all_contexts(), spec::invalidation_descriptor{}, all_pages());
  EXPECT_EQ(s.at(iqh_at, 8), 0x20U) << "type 0";
  queue.put(0x20, all_pages());
  queue.clear_error();
  s.settle();
  EXPECT_EQ(s.at(iqh_at, 8), 0x40U);
  for (unsigned place = 4; place < 255; ++place)
    queue.push(all_pages());
  queue.run();
  EXPECT_EQ(s.at(iqh_at, 8), 0xff0U) << "the last of 256";
  queue.run(all_pages());
  EXPECT_EQ(s.at(iqh_at, 8), 0U);
}

TEST(register_fields, iqei_has_its_number_for_each_cause) {
  struct mistake {
    std::string name;
    std::uint64_t number = 0;
    std::uint64_t lo = 0;
    std::uint64_t hi = 0;
    std::uint64_t tail = 0x20;
    bool wide = false;
    bool unreadable = false;
    unsigned mode = 0;
  };
  const mistake mistakes[] = {
      {"tail beyond the queue", 1, 0x12, 0, 0x1000},
      {"descriptor that cannot be read", 2, 0x12, 0, 0x20, false, true},
      {"type 15", 3, 0xf},
      {"bit 127 of a context descriptor", 4, 0x11, std::uint64_t{1} << 63},
      {"scalable mode with descriptors of 128 bits", 5, 0x12, 0, 0x20, false, false, 1},
      {"tail in the middle of a descriptor of 256 bits", 6, 0x12, 0, 0x10, true},
      {"mode 2", 7, 0x12, 0, 0x20, true, false, 2},
  };
  for (const mistake& each : mistakes) {
    remap::capabilities caps = plain_part();
    caps.version = 0x30;
    caps.ecap.set_qi(true).set_smts(true);
    by_offset s(caps);
    s.put(0x20, 8, s.tables.root() | std::uint64_t{each.mode} << 10);
    s.put(gcmd_at, 4, 0x40000000); // SRTP
    queue_driver queue(s, 0, each.wide);
    queue.enable();
    s.memory.store(queue.base(), each.lo);
    s.memory.store(queue.base() + 8, each.hi);
    if (each.unreadable) s.memory.fail(queue.base());
    EXPECT_EQ(s.at(iqercd_at, 8), 0U) << each.name;
    s.put(iqt_at, 8, each.tail);
    EXPECT_EQ(s.at(0x34, 4), 0x10U) << each.name << ": IQE and nothing else";
    EXPECT_EQ(s.at(iqercd_at, 8), each.number) << each.name;
  }
}

// PFSID and MIP aside: SID in 47:32, S in bit 64, the address in 127:76 (VT-d 6.5.2.5).
TEST(register_fields, a_device_tlb_descriptor_names_one_page_or_a_range_of_one_device) {
  struct vector_case {
    std::uint64_t hi = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  for (const vector_case& each : {vector_case{0x0000000040003000, 0x40003000, 0x40003fff},
                                  {0x0000000040000000, 0x40000000, 0x40000fff},
                                  {0xfffffffffffff000, 0xfffffffffffff000, 0xffffffffffffffff},
                                  // S = 1: the first 0 from bit 12 on ends the mask.
                                  {0x0000000040002001, 0x40002000, 0x40003fff},
                                  {0x0000000040017001, 0x40010000, 0x4001ffff},
                                  {0x7ffffffffffff001, 0, 0xffffffffffffffff}}) {
    remap::capabilities caps = plain_part();
    caps.ecap.set_qi(true).set_dt(true);
    by_offset s(caps);
    queue_driver queue(s);
    queue.enable();
    spec::invalidation_descriptor raw;
    raw.lo = std::uint64_t{nic.value()} << 32 | 3;
    raw.hi = each.hi;
    queue.run(raw);
    ASSERT_EQ(s.invalidations.size(), 1U) << std::hex << each.hi;
    const spec::ats::invalidation_request& asked = s.invalidations[0].second;
    EXPECT_EQ(asked.device, nic);
    EXPECT_EQ(asked.what.first(), each.first) << std::hex << each.hi;
    EXPECT_EQ(asked.what.last(), each.last) << std::hex << each.hi;
  }
}

// --- Domain-ids (VT-d 9.3, 10.4.2): 4 + 2 x ND bits from bit 72 of a context entry on; those above are
// reserved.

TEST(register_fields, bits_of_a_domain_id_that_nd_does_not_give_are_reserved) {
  // Bits 87:72 that are reserved, by ND.
  constexpr std::array<std::uint64_t, 7> reserved{0xfff000, 0xffc000, 0xff0000, 0xfc0000,
                                                  0xf00000, 0xc00000, 0x000000};
  for (unsigned nd = 0; nd < reserved.size(); ++nd) {
    remap::capabilities caps = plain_part();
    caps.cap.set_nd(nd);
    for (unsigned bit = 8; bit < 24; ++bit) {
      by_offset s(caps);
      s.memory.store(s.tables.context_entry_of(nic) + 8, std::uint64_t{1} << bit | 1);
      s.enable();
      const bool is_reserved = (reserved[nd] >> bit & 1) != 0;
      const auto went = s.read(nic, iova);
      EXPECT_EQ(went.how == dmar::completion::done, !is_reserved) << "ND " << nd << ", bit 64+" << bit;
      if (!is_reserved) continue;
      // FR of the record.
      EXPECT_EQ(s.at(0x208, 8) >> 32 & 0xff, 0xbU) << "ND " << nd << ", bit 64+" << bit;
    }
  }
}

} // namespace
} // namespace vtd::test
