// SPDX-License-Identifier: Apache-2.0
// Units of board files: what sources leave open, the revision of the part, and where registers may stand.

#include "source_dir.h"
#include "support/refusal.h"
#include "vtd/dmar/unit.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/root_complex.h"
#include "vtd/models/timing_preset.h"
#include "vtd/spec/registers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace vtd::models {
namespace {

using test::refusal_of;
using testing::HasSubstr;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

std::string hex(std::uint64_t value) {
  std::ostringstream out;
  out << "0x" << std::hex << value;
  return out.str();
}

struct unit_text {
  spec::cap cap = spec::cap{}.set_sagaw(2).set_mgaw(36).set_fro(0x20);
  spec::ecap ecap = spec::ecap{}.set_iro(0x10);
  std::string more;
};
board read(const unit_text& unit) {
  return parse_board(R"({"name": "mine", "title": "My board", "maker": "me", "chipset": "q35", "preset": "g0",
 "host_address_width": 36, "low_memory_end": "0x80000000", "high_memory": 0, "vtd_off": "no_table",
 "units": [{"name": "all", "base": "0xfed90000", "include_all": true, "cap": ")" +
                         hex(unit.cap.value) + R"(", "ecap": ")" + hex(unit.ecap.value) + '"' + unit.more +
                         R"(}],
 "table": {"oem_id": "ME", "oem_table_id": "MINE", "address": "0x7eff0000"},
 "functions": [{"at": "00:00.0", "id": "8086:29b0", "class": "0x060000", "kind": "host_bridge"}]})",
                     "my.json");
}
std::string refusal(const unit_text& unit) {
  return refusal_of([&] { (void)read(unit); });
}
dmar::unit_config built(const unit_text& unit) {
  const board b = read(unit);
  return unit_configuration(b, b.units.at(0), load_preset("g0", data), 1, 1);
}

// --- What sources leave open

std::map<std::string, bool> choices_of(const dmar::unit_config& config) {
  return {{"output_range_check", config.caps.output_range_check},
          {"caches_absent", config.caps.caches_absent},
          {"pass_through_checks_width", config.caps.pass_through_checks_width},
          {"context_domain_compared", config.context_domain_compared},
          {"compress_faults", config.compress_faults},
          {"queue_address_clears_pointers", config.queue_address_clears_pointers},
          {"queue_flushes_write_buffer", config.queue_flushes_write_buffer}};
}

TEST(unit_choices, are_the_usual_ones_of_a_unit_where_a_board_does_not_say) {
  EXPECT_EQ(choices_of(built({})), choices_of(dmar::unit_config{}));
  EXPECT_EQ(choices_of(built({})).size(), all_unit_choices().size());
  for (const unit_choice& each : all_unit_choices()) {
    EXPECT_EQ((unit_choices{}.*each.value).value, each.usual) << each.name;
    const known<bool> got = read({}).units[0].choices.*each.value;
    EXPECT_TRUE(got.assumed()) << each.name;
    EXPECT_EQ(got.why, each.why);
  }
}

TEST(unit_choices, each_is_taken_the_other_way_alone_where_a_board_says_so) {
  for (const unit_choice& each : all_unit_choices()) {
    unit_text unit;
    unit.more = R"(, "choices": {")" + std::string(each.name) + R"(": {"value": )" +
                (each.usual ? "false" : "true") + R"(, "confidence": "measured", "why": "tried"}})";
    auto expected = choices_of(dmar::unit_config{});
    expected.at(std::string(each.name)) = !each.usual;
    EXPECT_EQ(choices_of(built(unit)), expected) << each.name;
    const known<bool> got = read(unit).units[0].choices.*each.value;
    EXPECT_EQ(got.how, confidence::measured);
    EXPECT_EQ(got.why, "tried");
  }
}

TEST(unit_choices, that_there_are_not_are_refused_with_near_names) {
  unit_text unit;
  unit.more = R"(, "choices": {"compress_fault": true})";
  EXPECT_THAT(refusal(unit), HasSubstr("my.json: units[0].choices: unknown key \"compress_fault\", did you "
                                       "mean compress_faults?"));
  unit.more = R"(, "choices": {"compress_faults": 1})";
  EXPECT_THAT(refusal(unit), HasSubstr("my.json: units[0].choices.compress_faults: got 1, expected true or "
                                       "false"));
  unit.more = R"(, "choices": true)";
  EXPECT_THAT(refusal(unit), HasSubstr("my.json: units[0].choices: got true, expected an object"));
}

// --- Revision

TEST(unit_revision, is_the_newest_that_ver_allows_unless_the_board_says) {
  EXPECT_EQ(read({}).units[0].revision.value, unsigned{spec::rev_2_5}) << "VER reads 1.0 up to revision 2.5";
  EXPECT_TRUE(read({}).units[0].revision.assumed());
  unit_text unit;
  unit.more = R"(, "version": "0x40")";
  EXPECT_EQ(read(unit).units[0].revision.value, 0x40U);
  unit.more = R"(, "revision": "0x11")";
  EXPECT_EQ(read(unit).units[0].revision.value, 0x11U);
  for (const char* wrong : {"0x0f", "0x30"}) {
    unit.more = std::string(R"(, "revision": ")") + wrong + '"';
    EXPECT_THAT(refusal(unit), HasSubstr("my.json: units[0].revision: got")) << wrong;
  }
}

TEST(unit_revision, says_whether_ecap_31_to_24_are_a_number_of_invalidation_units) {
  unit_text unit;
  unit.ecap.set_niu(0xff);
  EXPECT_EQ(built(unit).caps.ecap.niu(), 0U) << "features of later revisions, which are not built";
  for (const char* revision : {"0x10", "0x11"}) {
    unit.more = std::string(R"(, "revision": ")") + revision + '"';
    EXPECT_EQ(built(unit).caps.ecap.niu(), 0xffU) << revision;
  }
  std::vector<std::string> masked;
  (void)advertised(unit.ecap, &masked, spec::rev_1_1);
  EXPECT_TRUE(masked.empty());
  unit.more = R"(, "revision": "0x20")";
  EXPECT_EQ(built(unit).caps.ecap.niu(), 0U);
}

// --- Features that need others

TEST(board, has_host_addresses_that_the_largest_pages_of_its_units_fit) {
  const auto with_pages = [](unsigned sps) {
    unit_text unit;
    unit.cap.set_sps(sps);
    return unit;
  };
  EXPECT_NO_THROW((void)read(with_pages(0b0011)));
  EXPECT_THAT(refusal(with_pages(0b0100)),
              AllOf(HasSubstr("my.json: units[0].cap: got"),
                    HasSubstr("expected SPS without the pages of level 4, which do not fit the 36 bits")));
}

TEST(board, advertises_the_throttle_only_with_device_tlbs) {
  std::vector<std::string> masked;
  EXPECT_FALSE(advertised(spec::ecap{}.set_dit(true), &masked).dit());
  EXPECT_EQ(masked, std::vector<std::string>{"DIT"});
  masked.clear();
  EXPECT_FALSE(advertised(spec::ecap{}.set_dit(true).set_dt(true), &masked).dit()) << "no queue, no DT";
  EXPECT_EQ(masked, (std::vector<std::string>{"DT", "DIT"}));
  EXPECT_TRUE(advertised(spec::ecap{}.set_qi(true).set_dit(true).set_dt(true)).dit());
}

// --- Where registers stand

TEST(unit_places, of_fault_records_are_not_those_of_other_registers) {
  unit_text unit;
  unit.cap.set_fro(2);
  EXPECT_EQ(refusal(unit),
            "my.json: units[0].cap: got \"" + hex(unit.cap.value) +
                "\", expected CAP.FRO and CAP.NFR that put the fault records, at 0x20 to 0x2f of the block, "
                "where no other register stands: RTADDR_REG at 0x20 to 0x27");
  unit.cap.set_fro(0).set_nfr(255);
  EXPECT_THAT(refusal(unit), HasSubstr("0x0 to 0xfff of the block, where no other register stands: VER_REG"));
  // Registers that the part does not have are in nobody's way: those of the queue.
  unit.cap.set_fro(8).set_nfr(0);
  EXPECT_EQ(read(unit).units.size(), 1U);
  unit.ecap.set_qi(true);
  EXPECT_THAT(refusal(unit), HasSubstr("IQH_REG at 0x80 to 0x87"));
}

TEST(unit_places, of_iva_and_iotlb_are_not_those_of_other_registers) {
  unit_text unit;
  unit.ecap.set_iro(0);
  EXPECT_THAT(refusal(unit), HasSubstr("my.json: units[0].ecap: got \"0x0\", expected ECAP.IRO that puts "
                                       "IVA_REG and IOTLB_REG, at 0x0 to 0xf of the block, where no other "
                                       "register stands: VER_REG at 0x0 to 0x3"));
  unit.ecap.set_iro(2);
  EXPECT_THAT(refusal(unit), HasSubstr("RTADDR_REG at 0x20 to 0x27"));
}

TEST(unit_places, of_fault_records_are_not_those_of_iva_and_iotlb) {
  unit_text unit;
  unit.ecap.set_iro(0x22);
  unit.cap.set_fro(0x20);
  for (unsigned nfr = 0; nfr < 5; ++nfr) {
    unit.cap.set_nfr(nfr);
    if (nfr < 2) {
      EXPECT_EQ(read(unit).units.size(), 1U) << nfr;
    } else {
      EXPECT_THAT(refusal(unit), HasSubstr("IVA_REG and IOTLB_REG at 0x220 to 0x22f")) << nfr;
    }
  }
  unit.cap.set_fro(0x23).set_nfr(0);
  EXPECT_EQ(read(unit).units.size(), 1U) << "right behind";
}

} // namespace
} // namespace vtd::models
