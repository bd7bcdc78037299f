// SPDX-License-Identifier: Apache-2.0
// The listings: what stands in a line, in the details and in the tree.

#include "vtd/pci_topology/lspci.h"

#include "support/pci_machine.h"
#include "vtd/pci_topology/registers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace vtd::pci_topology {
namespace {

using test::bdf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct scene : test::pci_machine {
  [[nodiscard]] std::string of(lspci_style style) const { return lspci(*this, style); }
};

TEST(lspci, has_a_line_for_each_function_in_the_order_of_their_ids) {
  const std::string text = scene().of(lspci_style::names);
  std::string ids;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    ids += text.substr(at, 8);
  EXPECT_EQ(ids, "00:01.0 00:03.0 00:1b.0 00:1e.0 01:00.0 03:00.0 04:02.0 05:03.0 05:04.0 ");
}

TEST(lspci, tells_names_and_with_nn_numbers_too) {
  topology_description d = test::machine();
  d.functions[2].vendor_name = "Intel Corporation";
  d.functions[2].device_name = "Gigabit";
  d.functions[2].revision = 2;
  const topology tree(d);
  EXPECT_THAT(lspci(tree, lspci_style::names),
              HasSubstr("00:1b.0 Ethernet controller: Intel Corporation Gigabit (rev 02)\n"));
  EXPECT_THAT(
      lspci(tree, lspci_style::numbers),
      HasSubstr("00:1b.0 Ethernet controller [0200]: Intel Corporation Gigabit [8086:101b] (rev 02)\n"));
}

TEST(lspci, a_name_that_nobody_gave_is_the_number) {
  EXPECT_THAT(scene().of(lspci_style::names),
              HasSubstr("01:00.0 Ethernet controller: Vendor 8086 Device 1000\n"));
}

TEST(lspci, details_are_read_from_configuration_space) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  nic->set_bar_address(0, 0xd0200000);
  EXPECT_THAT(s.of(lspci_style::verbose),
              HasSubstr("01:00.0 Ethernet controller [0200]: Vendor 8086 Device 1000 [8086:1000]\n"
                        "\tControl: I/O+ Mem+ BusMaster+\n"
                        "\tRegion 0: Memory at d0200000 (64-bit, non-prefetchable) [size=64K]\n"
                        "\tCapabilities: [50] Power Management\n"
                        "\tCapabilities: [60] MSI\n"
                        "\tCapabilities: [70] Express Endpoint\n\n"));
  nic->write(reg::command, 2, reg::command_bus_master);
  const std::string after = s.of(lspci_style::verbose);
  EXPECT_THAT(after, HasSubstr("\tControl: I/O- Mem- BusMaster+\n"));
  const std::string nic_alone =
      after.substr(after.find("01:00.0"), after.find("03:00.0") - after.find("01:00.0"));
  EXPECT_THAT(nic_alone, Not(HasSubstr("Region"))) << "not decoded any more";
}

TEST(lspci, a_bridge_tells_its_buses_and_how_it_decodes) {
  topology_description d = test::machine();
  d.functions[3].class_code = 0x060401;
  topology tree(d);
  tree.set_up_as_firmware();
  const std::string text = lspci(tree, lspci_style::verbose);
  EXPECT_THAT(text, HasSubstr("\tBus: primary=00, secondary=03, subordinate=04\n"));
  EXPECT_THAT(text, HasSubstr("(prog-if 01 [Subtractive decode])\n"));
}

TEST(lspci, an_extended_capability_has_three_digits_and_its_version) {
  topology_description d = test::machine();
  d.functions[2].capabilities.push_back(
      {.kind = capability_kind::advanced_error_reporting, .offset = 0x100, .version = 2});
  EXPECT_THAT(lspci(topology(d), lspci_style::verbose),
              HasSubstr("\tCapabilities: [100 v2] Advanced Error Reporting\n"));
}

TEST(lspci, the_tree_hangs_what_is_behind_a_bridge_on_it) {
  EXPECT_EQ(lspci_tree(scene()), "-[0000:00]-+-01.0-[01]----00.0  Vendor 8086 Device 1000\n"
                                 "           +-03.0-[03-04]----00.0-[04]----02.0  Vendor 8086 Device 1002\n"
                                 "           +-1b.0  Vendor 8086 Device 101b\n"
                                 "           \\-1e.0-[05]--+-03.0  Vendor 8086 Device 1003\n"
                                 "                        \\-04.0  Vendor 8086 Device 1004\n");
}

TEST(lspci, a_branch_of_the_tree_goes_on_below_what_hangs_on_it) {
  topology_description d = test::machine();
  d.functions[0].children.push_back(test::leaf(0, 1));
  topology tree(d);
  tree.set_up_as_firmware();
  EXPECT_THAT(lspci_tree(tree), StartsWith("-[0000:00]-+-01.0-[01]--+-00.0  Vendor 8086 Device 1000\n"
                                           "           |            \\-00.1  Vendor 8086 Device 1000\n"
                                           "           +-03.0"));
}

TEST(lspci, the_tree_shows_a_bus_with_nobody_on_it) {
  topology_description d = test::machine();
  d.functions[0].children.clear();
  topology tree(d);
  tree.set_up_as_firmware();
  EXPECT_THAT(lspci_tree(tree), HasSubstr("+-01.0-[01]--\n"));
}

TEST(lspci, classes_have_their_usual_names) {
  EXPECT_EQ(class_name(0x0c0320), "USB controller");
  EXPECT_EQ(class_name(0x060100), "ISA bridge");
  EXPECT_EQ(class_name(0xff0000), "Class");
}

} // namespace
} // namespace vtd::pci_topology
