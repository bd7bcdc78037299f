// SPDX-License-Identifier: Apache-2.0
// Boards as lspci shows them, beside what it shows on the real machines.

#include "source_dir.h"
#include "vtd/models/board_loader.h"
#include "vtd/pci_topology/lspci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace vtd::models {
namespace {

using pci_topology::lspci;
using pci_topology::lspci_style;
using testing::HasSubstr;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

struct scene : pci_topology::topology {
  explicit scene(const std::string& name) : topology(load_board(name, data).pci) { set_up_as_firmware(); }
};

TEST(board_listing, of_the_dq35jo_has_a_line_for_each_function_of_the_machine) {
  const std::string text = lspci(scene("dq35jo"), lspci_style::numbers);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 24);
  for (const char* line : {
           "00:00.0 Host bridge [0600]: Intel Corporation 82Q35 Express DRAM Controller [8086:29b0] (rev "
           "02)\n",
           "00:01.0 PCI bridge [0604]: Intel Corporation 82Q35 Express PCI Express Root Port [8086:29b1] "
           "(rev 02)\n",
           "00:19.0 Ethernet controller [0200]: Intel Corporation 82566DM-2 Gigabit Network Connection "
           "[8086:10bd] "
           "(rev 02)\n",
           "00:1e.0 PCI bridge [0604]: Intel Corporation 82801 PCI Bridge [8086:244e] (rev 92)\n",
           "00:1f.2 SATA controller [0106]: Intel Corporation 82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA "
           "Controller "
           "[AHCI mode] [8086:2922] (rev 02)\n",
           "01:00.0 VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] RV620 LE "
           "[Radeon HD "
           "3450] [1002:95c5]\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(board_listing, of_the_dq35jo_as_a_tree_has_the_card_on_the_root_port_and_an_empty_conventional_bus) {
  const std::string text = lspci_tree(scene("dq35jo"));
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "-[0000:00]-+-00.0  Intel Corporation 82Q35 Express DRAM Controller");
  EXPECT_THAT(text,
              HasSubstr("\n           +-01.0-[01]----00.0  Advanced Micro Devices, Inc. [AMD/ATI] RV620 LE "
                        "[Radeon HD 3450]\n"));
  EXPECT_THAT(text, HasSubstr("\n           +-1c.0-[02]--\n"));
  EXPECT_THAT(text, HasSubstr("\n           +-1e.0-[07]--\n"));
  EXPECT_THAT(text,
              HasSubstr("\n           \\-1f.3  Intel Corporation 82801I (ICH9 Family) SMBus Controller\n"));
}

TEST(board_listing, of_the_dq35jo_in_detail_has_addresses_and_capabilities_of_the_machine) {
  const std::string text = lspci(scene("dq35jo"), lspci_style::verbose);
  EXPECT_THAT(text, HasSubstr("\tBus: primary=00, secondary=01, subordinate=01\n"
                              "\tCapabilities: [88] Subsystem\n"
                              "\tCapabilities: [80] Power Management\n"
                              "\tCapabilities: [90] MSI\n"
                              "\tCapabilities: [a0] Express Root Port\n"
                              "\tCapabilities: [100 v1] Virtual Channel\n"
                              "\tCapabilities: [140 v1] Root Complex Link\n"));
  EXPECT_THAT(text, HasSubstr("\tRegion 0: Memory at 80000000 (64-bit, prefetchable) [size=256M]\n"));
  EXPECT_THAT(text, HasSubstr("\tRegion 0: Memory at 90220000 (64-bit, non-prefetchable) [size=16K]\n"));
  EXPECT_THAT(text, HasSubstr("\tRegion 2: I/O ports at 3400 [size=32]\n"));
  EXPECT_THAT(text, HasSubstr("(prog-if 01 [Subtractive decode])\n"));
  EXPECT_THAT(text, HasSubstr("(prog-if 01 [AHCI 1.0])\n"));
}

TEST(board_listing, of_the_dc7800_has_its_graphics_and_the_buses_of_its_firmware) {
  const std::string text = lspci_tree(scene("dc7800"));
  EXPECT_THAT(text, HasSubstr("+-02.0  Intel Corporation 82Q35 Express Integrated Graphics Controller\n"));
  EXPECT_THAT(text, HasSubstr("+-1c.0-[20]--\n"));
  EXPECT_THAT(text, HasSubstr("+-1c.1-[30]--\n"));
}

} // namespace
} // namespace vtd::models
