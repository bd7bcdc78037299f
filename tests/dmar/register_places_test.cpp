// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/register_places.h"

#include "support/unit_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::find_register_conflict;
using testing::AllOf;
using testing::HasSubstr;

spec::cap faults_at(std::uint32_t offset, unsigned records) {
  return spec::cap{}.set_fault_record_offset(offset).set_nfr(records - 1);
}
spec::ecap iotlb_at(std::uint32_t offset) { return spec::ecap{}.set_iotlb_offset(offset); }

std::string conflict(const spec::cap& capability, const spec::ecap& extended,
                     spec::spec_revision revision = spec::rev_2_5) {
  const auto found = find_register_conflict(capability, extended, revision);
  return found ? to_string(*found) : "";
}

TEST(register_places, are_free_behind_the_last_register_that_the_part_has) {
  EXPECT_EQ(conflict(faults_at(0x200, 1), iotlb_at(0x300).set_qi(true)), "");
  // Without a queue there is nothing at its registers' places.
  EXPECT_EQ(conflict(faults_at(reg::iqh::offset, 1), iotlb_at(0x300)), "");
  EXPECT_EQ(conflict(faults_at(0x200, 1), iotlb_at(reg::iqh::offset)), "");
}

TEST(register_places, of_fault_records_are_taken_by_each_register_of_the_part) {
  EXPECT_EQ(conflict(faults_at(0x80, 1), iotlb_at(0x300).set_qi(true)),
            "CAP.FRO and CAP.NFR that put the fault records, at 0x80 to 0x8f of the block, where no other "
            "register stands: IQH_REG at 0x80 to 0x87");
  EXPECT_THAT(conflict(faults_at(0, 1), iotlb_at(0x300)), HasSubstr("VER_REG at 0x0 to 0x3"));
  // The third record, not the first.
  EXPECT_THAT(conflict(faults_at(0x60, 3), iotlb_at(0x300).set_qi(true)), HasSubstr("at 0x60 to 0x8f"));
  EXPECT_EQ(conflict(faults_at(0x70, 1), iotlb_at(0x300).set_qi(true)), "");
}

TEST(register_places, of_iva_and_iotlb_are_taken_by_each_register_of_the_part) {
  EXPECT_EQ(conflict(faults_at(0x200, 1), iotlb_at(0x20)),
            "ECAP.IRO that puts IVA_REG and IOTLB_REG, at 0x20 to 0x2f of the block, where no other register "
            "stands: RTADDR_REG at 0x20 to 0x27");
  const auto found = find_register_conflict(faults_at(0x200, 1), iotlb_at(0x20), spec::rev_2_5);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->by_ecap);
}

TEST(register_places, of_fault_records_and_of_iva_and_iotlb_do_not_meet) {
  EXPECT_EQ(conflict(faults_at(0x200, 2), iotlb_at(0x220)), "");
  EXPECT_EQ(conflict(faults_at(0x200, 2), iotlb_at(0x1f0)), "");
  for (const std::uint32_t met : {0x200U, 0x210U})
    EXPECT_THAT(conflict(faults_at(0x200, 2), iotlb_at(met)), HasSubstr("IVA_REG and IOTLB_REG at 0x2"));
  const auto found = find_register_conflict(faults_at(0x200, 2), iotlb_at(0x210), spec::rev_2_5);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->by_ecap);
}

TEST(register_places, are_those_of_the_revision) {
  const spec::ecap extended = iotlb_at(0x400).set_qi(true);
  EXPECT_EQ(conflict(faults_at(reg::iqercd::offset, 1), extended, spec::rev_1_0), "");
  EXPECT_THAT(conflict(faults_at(reg::iqercd::offset, 1), extended, spec::rev_4_0), HasSubstr("IQERCD_REG"));
}

TEST(register_places, that_others_have_taken_refuse_the_unit_by_name) {
  dmar::unit_config config = config_of(small_part());
  EXPECT_NO_THROW(std::make_unique<unit_world>(config));
  config.name = "graphics";
  config.caps.cap.set_fault_record_offset(reg::rtaddr::offset);
  try {
    const unit_world world(config);
    FAIL() << "built";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("graphics: expected CAP.FRO and CAP.NFR"), HasSubstr("RTADDR_REG at 0x20")));
  }
}

} // namespace
} // namespace vtd::test
