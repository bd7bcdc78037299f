// SPDX-License-Identifier: Apache-2.0
#include "vtd/spec/fault_log.h"

#include <gtest/gtest.h>

namespace vtd::spec {
namespace {

TEST(fault_log_record, has_its_fields_where_the_specification_puts_them) {
  EXPECT_EQ(fault_log_record{}.set_address(0x1234'5678'9abc).lo, 0x1234'5678'9000U);
  EXPECT_EQ(fault_log_record{}.set_source(source_id{0xabcd}).hi, 0xabcdU);
  EXPECT_EQ(fault_log_record{}.set_reason(fault_reason::context_entry_not_present).hi,
            std::uint64_t{2} << 32);
  EXPECT_EQ(fault_log_record{}.set_address_type(2).hi, std::uint64_t{2} << 60);
  EXPECT_EQ(fault_log_record{}.set_read(true).hi, std::uint64_t{1} << 62);
  EXPECT_EQ(fault_log_record{}.set_read(true).set_read(false), fault_log_record{});
}

TEST(fault_log_record, is_read_back_as_it_was_written) {
  fault_log_record r;
  r.set_address(0xfedc'ba98'7000).set_source(source_id::from_bdf(3, 4, 5)).set_address_type(1).set_read(true);
  EXPECT_FALSE(r.pending()) << "without a reason it is none";
  r.set_reason(fault_reason::context_entry_not_present);
  EXPECT_TRUE(r.pending());
  EXPECT_EQ(r.address(), 0xfedc'ba98'7000U);
  EXPECT_EQ(r.source(), source_id::from_bdf(3, 4, 5));
  EXPECT_EQ(r.reason(), fault_reason::context_entry_not_present);
  EXPECT_EQ(r.address_type(), 1U);
  EXPECT_TRUE(r.read());
  EXPECT_FALSE(r.set_read(false).read());
  EXPECT_EQ(r.set_source(source_id{}).source(), source_id{}) << "set again";
}

TEST(fault_log_record, of_16_bytes_256_are_in_a_log_of_a_page) {
  EXPECT_EQ(fault_log_bytes(0), 4096U);
  EXPECT_EQ(fault_log_bytes(7), 4096U * 128);
  EXPECT_EQ(fault_log_records(0), 256U);
  EXPECT_EQ(fault_log_records(1), 512U);
}

} // namespace
} // namespace vtd::spec
