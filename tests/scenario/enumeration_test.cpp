// SPDX-License-Identifier: Apache-2.0
// Functions are found by the CPU's configuration ports, as system software finds them.

#include "vtdsim/machine_adapter.h"
#include "vtdsim/pci_scan.h"

#include "source_dir.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/root_complex.h"
#include "vtd/pci_topology/config_access.h"
#include "vtd/pci_topology/registers.h"
#include "vtd/platform/dma_master.h"

#include <gtest/gtest.h>

#include <functional>

namespace {

namespace pci = vtd::pci_topology;
using vtd::spec::source_id;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

/// A machine with a program on its CPU.
class machine {
public:
  explicit machine(const vtd::models::board& from)
      : root("machine", from, vtd::models::load_preset(from.preset, data), 1, 1) {}
  explicit machine(const std::string& board) : machine(vtd::models::load_board(board, data)) {}
  void run(const std::function<void()>& body) {
    root.cpu().run(body);
    sc_core::sc_start();
    root.cpu().rethrow();
  }
  vtd::models::root_complex root;
};

/// Binds the spare port, which no test of the enumeration needs.
struct spare {
  explicit spare(machine& m, source_id who = source_id::from_bdf(1, 0, 0))
      : device("device", who, m.root.link()) {
    device.socket.bind(m.root.extra(0));
  }
  vtd::platform::dma_master device;
};

void expect_found(const std::string& board) {
  machine m(board);
  const spare port(m);
  m.run([&] {
    const auto found = vtdsim::scan_functions(m.root);
    EXPECT_EQ(found.functions.size(), vtdsim::function_list(m.root.pci()).size());
    EXPECT_EQ(found.compared, found.functions.size()) << "memory-mapped configuration space reaches all";
    for (const std::string& each : vtdsim::compare_with_tree(found, m.root.pci()))
      ADD_FAILURE() << each;
  });
}

TEST(enumeration, finds_all_functions_of_the_dq35jo) { expect_found("dq35jo"); }
TEST(enumeration, finds_all_functions_of_the_dc7800) { expect_found("dc7800"); }
TEST(enumeration, finds_all_functions_behind_bridges_of_every_kind) { expect_found("synthetic-wide"); }

TEST(enumeration, goes_by_the_bus_numbers_that_bridges_hold_now) {
  machine m("dq35jo");
  const spare port(m);
  m.run([&] {
    auto* const bridge = m.root.pci().find(source_id::from_bdf(0, 1, 0));
    ASSERT_NE(bridge, nullptr);
    bridge->write(pci::reg::secondary_bus, 1, 9);
    bridge->write(pci::reg::subordinate_bus, 1, 9);
    const auto found = vtdsim::scan_functions(m.root);
    const auto is_moved = [](const auto& f) { return f.address.id == source_id::from_bdf(9, 0, 0); };
    EXPECT_TRUE(std::any_of(found.functions.begin(), found.functions.end(), is_moved));
    EXPECT_TRUE(vtdsim::compare_with_tree(found, m.root.pci()).empty());
  });
}

TEST(enumeration, names_what_it_cannot_reach) {
  vtd::models::board board = vtd::models::load_board("dq35jo", data);
  for (auto& f : board.pci.functions) {
    if (f.device == 0x1d && f.function == 0) f.multifunction = false;
  }
  machine m(board);
  const spare port(m);
  m.run([&] {
    const auto differences = vtdsim::compare_with_tree(vtdsim::scan_functions(m.root), m.root.pci());
    ASSERT_EQ(differences.size(), 3U);
    EXPECT_EQ(differences[0].substr(0, 20), "00:1d.1 is not found");
  });
}

TEST(configuration_ports, are_in_io_space_and_take_bytes_words_and_dwords) {
  machine m("dq35jo");
  const spare port(m);
  m.run([&] {
    auto& cpu = m.root.cpu();
    constexpr auto address = pci::port_mechanism::address_port;
    constexpr auto words = pci::port_mechanism::data_port;
    cpu.write_port(address, 4, 0x8000'0000);
    EXPECT_EQ(cpu.read_port(address, 4), 0x8000'0000U);
    EXPECT_EQ(cpu.read_port(words, 4), 0x29b08086U);
    EXPECT_EQ(cpu.read_port(words + 2, 2), 0x29b0U);
    EXPECT_EQ(cpu.read_port(words + 3, 1), 0x29U);
    EXPECT_EQ(cpu.read_port(0x80, 1), 0xffU) << "nobody is there";
    EXPECT_EQ(cpu.read(words, 4), 0xffffffffU) << "the same number in memory space is another place";
    // A write arrives: the interrupt line of the graphics port.
    cpu.write_port(address, 4, 0x8000'0000 | 1U << 11 | pci::reg::interrupt_line);
    cpu.write_port(words, 1, 0x55);
    EXPECT_EQ(m.root.pci().read(source_id::from_bdf(0, 1, 0), pci::reg::interrupt_line, 1), 0x55U);
  });
}

TEST(bypass, takes_requests_that_no_unit_covers_and_their_interrupts) {
  vtd::models::board board = vtd::models::load_board("dq35jo", data);
  board.units.pop_back(); // the include-all unit
  machine m(board);
  const source_id network = source_id::from_bdf(0, 0x19, 0);
  spare port(m, network);
  EXPECT_FALSE(m.root.is_covered(network));
  EXPECT_EQ(m.root.unit_of(network), m.root.unit_count());
  EXPECT_TRUE(m.root.is_covered(source_id::from_bdf(0, 0x1b, 0)));
  unsigned ended = 0;
  bool ok = true;
  std::uint64_t word = 0;
  port.device.set_done([&](const vtd::platform::dma_master::result& result) {
    ++ended;
    ok = ok && result.ok;
    if (result.data.size() == 8) std::memcpy(&word, result.data.data(), 8);
  });
  m.run([&] {
    constexpr std::uint64_t place = 0x1000'0000;
    constexpr std::uint64_t value = 0x0123'4567'89ab'cdef;
    (void)m.root.cpu().store(place, std::as_bytes(std::span(&value, 1)));
    port.device.read(0, place, 8);
    const auto message = vtd::spec::msi_message::to_cpu(0, 0x41);
    port.device.write(1, message.address, std::as_bytes(std::span(&message.data, 1)));
    while (ended < 2)
      m.root.cpu().delay(1000000);
    EXPECT_TRUE(ok);
    EXPECT_EQ(word, value) << "the store that is still in the CPU's cache";
    ASSERT_EQ(m.root.interrupts().messages().size(), 1U);
    EXPECT_EQ(m.root.interrupts().messages()[0].message.vector(), 0x41U);
    port.device.read(2, std::uint64_t{1} << 40, 8);
    while (ended < 3)
      m.root.cpu().delay(1000000);
    EXPECT_FALSE(ok) << "no memory there";
  });
  for (std::size_t i = 0; i < m.root.unit_count(); ++i)
    EXPECT_EQ(m.root.unit(i).hardware().statistics().requests, 0U);
}

} // namespace
