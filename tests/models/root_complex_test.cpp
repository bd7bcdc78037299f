// SPDX-License-Identifier: Apache-2.0
// Machines built from boards: who serves whom, the limits of the real parts, the BIOS switch, what the CPU
// reaches.

#include "vtd/models/root_complex.h"

#include "source_dir.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "support/tlm_probe.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/pci_topology/registers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace vtd::models {
namespace {

namespace reg = spec::reg;
using spec::source_id;
using test::bytes;
using test::nic;
using test::probe_payload;
using testing::HasSubstr;

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x20000000;

constexpr source_id bdf(unsigned bus, unsigned device, unsigned function) {
  return source_id::from_bdf(bus, device, function);
}

board off(board b) {
  b.vtd_enabled = false;
  return b;
}
// Puts every card of the board's data into its slot.
board with_all_cards(board b) {
  for (auto& f : b.pci.functions) {
    for (auto& child : f.children)
      child.present = true;
  }
  return b;
}

// A machine, and a device of the test's own on one more port that may speak for anybody.
struct scene : dmar::fault_observer {
  root_complex machine;
  test::probe_initiator device{"device"};
  test::fake_memory words;
  test::table_builder tables{words};
  std::vector<dmar::fault_report> faults;

  explicit scene(const board& b) : machine("machine", b, load_preset(b.preset, data), 1, 1) {
    device.socket.bind(machine.extra(0));
    for (std::size_t i = 0; i < machine.unit_count(); ++i)
      machine.unit(i).hardware().set_fault_observer(this);
  }
  explicit scene(const std::string& name) : scene(load_board(name, data)) {}
  void on_fault(const dmar::fault_report& report) override { faults.push_back(report); }

  void run(std::function<void()> program) {
    machine.cpu().run(std::move(program));
    sc_core::sc_start();
    machine.cpu().rethrow();
  }
  [[nodiscard]] std::uint64_t base_of(unsigned unit) const { return machine.unit_data(unit).base.value; }
  template <class Register>
  std::uint64_t get(unsigned unit) {
    const auto offset = machine.unit(unit).hardware().registers().template offset_of<Register>();
    return machine.cpu().read(base_of(unit) + offset, Register::size_bits / 8);
  }
  template <class Register>
  void put(unsigned unit, std::uint64_t value) {
    const auto offset = machine.unit(unit).hardware().registers().template offset_of<Register>();
    machine.cpu().write(base_of(unit) + offset, Register::size_bits / 8, value);
  }
  // Translation on, with the tables as they are.
  void enable(unsigned unit) {
    for (const auto& [address, value] : words.words())
      machine.stores().debug_write(address, host::bytes_from(value));
    put<reg::rtaddr>(unit, tables.root());
    put<reg::gcmd>(unit, reg::gcmd::srtp::of(1));
    while (reg::gsts::rtps::get(static_cast<std::uint32_t>(get<reg::gsts>(unit))) == 0) {
    }
    put<reg::gcmd>(unit, reg::gcmd::te::of(1));
    while (reg::gsts::tes::get(static_cast<std::uint32_t>(get<reg::gsts>(unit))) == 0) {
    }
  }
  // A read of 8 bytes; nothing: it was blocked.
  std::optional<std::uint64_t> dma_read(source_id who, std::uint64_t address) {
    probe_payload trans;
    const engine::picoseconds takes = device.loosely(trans.set(read, address, bytes(8)).of(who));
    machine.cpu().delay(takes + 1000000);
    if (!trans.is_response_ok()) {
      EXPECT_EQ(trans.data, bytes(8, 0xff)) << "nothing leaks";
      return std::nullopt;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, trans.data.data(), 8);
    return value;
  }
};

// --- Who serves whom

TEST(root_complex, every_requester_of_the_dq35jo_has_the_unit_of_its_scope) {
  const scene s("dq35jo");
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x1b, 0)), 0U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x03, 0)), 2U);
  EXPECT_EQ(s.machine.unit_of(bdf(1, 0, 0)), 3U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x1f, 2)), 3U);
  EXPECT_EQ(s.machine.unit_of(bdf(0x55, 0, 0)), 3U) << "who is named by nobody belongs to INCLUDE_PCI_ALL";
}

TEST(root_complex, every_requester_of_the_dc7800_has_the_unit_of_its_scope) {
  const scene s("dc7800");
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x1b, 0)), 0U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x02, 0)), 1U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x03, 0)), 2U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x03, 3)), 2U);
  EXPECT_EQ(s.machine.unit_of(bdf(0, 0x19, 0)), 3U);
  EXPECT_TRUE(s.machine.unresolved().empty());
}

TEST(root_complex, a_bridge_scope_takes_all_that_is_below_it) {
  const scene s("synthetic-wide");
  for (const source_id who : {bdf(0, 3, 0), bdf(3, 0, 0), bdf(4, 0, 0), bdf(4, 2, 0), bdf(4, 31, 7)})
    EXPECT_EQ(s.machine.unit_of(who), 1U) << to_string(who);
  for (const source_id who : {bdf(0, 2, 0), bdf(2, 0, 0), bdf(5, 0, 0)})
    EXPECT_EQ(s.machine.unit_of(who), 2U) << to_string(who);
}

TEST(root_complex, scopes_that_name_nothing_are_listed) {
  const scene s("dq35jo");
  std::vector<std::string> seen;
  for (const auto& each : s.machine.unresolved())
    seen.push_back(each.where + ": " + to_string(each.scope));
  EXPECT_THAT(seen, testing::UnorderedElementsAre("unit graphics: 00:02.0", "unit graphics: 00:02.1",
                                                  "unit management: 00:03.2", "unit management: 00:03.3",
                                                  "reserved region: 00:02.0", "reserved region: 00:02.1"));
}

TEST(root_complex, each_unit_translates_its_own_requesters_only) {
  scene s("dq35jo");
  s.tables.attach(nic, 3);
  s.tables.map(nic, iova, frame);
  s.run([&] {
    s.machine.stores().cpu_store(frame, std::uint64_t{0x1234});
    s.machine.stores().cpu_store(iova, std::uint64_t{0x5678});
    s.enable(3);
    EXPECT_EQ(s.dma_read(nic, iova), 0x1234U);
    EXPECT_EQ(s.dma_read(bdf(0, 0x1b, 0), iova), 0x5678U) << "the unit of the audio controller is off";
    EXPECT_EQ(s.machine.unit(3).hardware().statistics().requests, 1U);
    EXPECT_EQ(s.machine.unit(0).hardware().statistics().requests, 1U);
  });
}

TEST(root_complex, a_card_behind_the_subtractive_bridge_is_the_bridge_to_its_unit) {
  scene s(with_all_cards(load_board("dq35jo", data)));
  platform::endpoint* const card = s.machine.endpoint_at(bdf(7, 3, 0));
  ASSERT_NE(card, nullptr);
  EXPECT_EQ(card->port.source(), bdf(0, 0x1e, 0));
  const auto bar = card->function().bar_address(0);
  ASSERT_TRUE(bar);
  using engine = pci_topology::dma_engine;
  s.run([&] {
    s.enable(3);
    // Its first descriptor lies where nothing is mapped: root entry 0 is not there either.
    s.machine.cpu().write(*bar + engine::reg::ring, 4, iova);
    s.machine.cpu().write(*bar + engine::reg::ring_size, 4, 8);
    s.machine.cpu().write(*bar + engine::reg::control, 4, engine::run);
    s.machine.cpu().write(*bar + engine::reg::tail, 4, 1);
    s.machine.cpu().delay(10000000);
    ASSERT_EQ(s.faults.size(), 1U);
    EXPECT_EQ(s.faults[0].access.source, bdf(0, 0x1e, 0));
    EXPECT_EQ(s.faults[0].condition, spec::fault_condition::lrt_2);
    EXPECT_EQ(reg::frcd_hi::sid::get(s.get<reg::frcd_hi>(3)), bdf(0, 0x1e, 0).value());
  });
}

TEST(root_complex, a_card_behind_the_subtractive_bridge_reads_what_is_mapped_for_the_bridge) {
  scene s(with_all_cards(load_board("dq35jo", data)));
  s.tables.attach(bdf(0, 0x1e, 0), 3);
  s.tables.map(bdf(0, 0x1e, 0), iova, frame);
  platform::endpoint* const card = s.machine.endpoint_at(bdf(7, 3, 0));
  using engine = pci_topology::dma_engine;
  s.run([&] {
    engine::descriptor d;
    d.order = engine::descriptor::operation_field::of(static_cast<std::uint64_t>(engine::operation::fill)) |
              engine::descriptor::length_field::of(8);
    d.source = 0x99;
    d.destination = iova + 0x800;
    s.machine.stores().cpu_store(frame, std::as_bytes(std::span(&d, 1)));
    s.enable(3);
    card->write(engine::reg::ring, iova);
    card->write(engine::reg::ring_size, 8);
    card->write(engine::reg::control, engine::run);
    card->write(engine::reg::tail, 1);
    s.machine.cpu().delay(100000000);
    EXPECT_TRUE(s.faults.empty());
    EXPECT_EQ(s.machine.stores().cpu_load<std::uint64_t>(frame + 0x800), 0x99U);
  });
}

// --- The limits of the real parts

TEST(root_complex, input_bits_36_to_38_fault_on_the_dq35jo_although_its_tables_could_hold_them) {
  scene s("dq35jo");
  s.tables.attach(nic, 3);
  for (const unsigned bit : {36U, 37U, 38U})
    s.tables.map(nic, iova | std::uint64_t{1} << bit, frame);
  s.tables.map(nic, iova | std::uint64_t{1} << 35, frame);
  s.run([&] {
    s.machine.stores().cpu_store(frame, std::uint64_t{0xabcd});
    s.enable(3);
    EXPECT_EQ(s.dma_read(nic, iova | std::uint64_t{1} << 35), 0xabcdU) << "the last bit that counts";
    for (const unsigned bit : {36U, 37U, 38U}) {
      const std::uint64_t address = iova | std::uint64_t{1} << bit;
      s.faults.clear();
      EXPECT_EQ(s.dma_read(nic, address), std::nullopt) << bit;
      ASSERT_EQ(s.faults.size(), 1U) << bit;
      EXPECT_EQ(s.faults[0].condition, spec::fault_condition::lgn_1_2);
      EXPECT_EQ(s.faults[0].access.source, nic);
      EXPECT_EQ(s.faults[0].access.address, address);
      const std::uint64_t low = s.get<reg::frcd_lo>(3);
      const std::uint64_t high = s.get<reg::frcd_hi>(3);
      EXPECT_EQ(reg::frcd_lo::fi::get(low), iova >> 12)
          << "the record keeps what MGAW reaches (VT-d 10.4.14)";
      EXPECT_EQ(reg::frcd_hi::sid::get(high), nic.value());
      EXPECT_EQ(reg::frcd_hi::fr::get(high),
                static_cast<std::uint64_t>(spec::fault_reason::address_beyond_mgaw));
      EXPECT_EQ(reg::frcd_hi::t1::get(high), 1U);
      s.put<reg::frcd_hi>(3, reg::frcd_hi::f::of(1));
    }
  });
}

TEST(root_complex, the_dq35jo_has_sixteen_domains_and_not_seventeen) {
  scene s("dq35jo");
  s.tables.attach(nic, 15);
  s.tables.map(nic, iova, frame);
  s.tables.attach(test::disk, 16);
  s.tables.map(test::disk, iova, frame);
  s.run([&] {
    EXPECT_EQ(spec::cap{s.get<reg::cap_reg>(3)}.domain_count(), 16U);
    s.enable(3);
    EXPECT_TRUE(s.dma_read(nic, iova));
    EXPECT_FALSE(s.dma_read(test::disk, iova));
    ASSERT_EQ(s.faults.size(), 1U);
    EXPECT_EQ(s.faults[0].access.source, test::disk);
    EXPECT_EQ(spec::condition_info(s.faults[0].condition).reason, spec::fault_reason::context_entry_reserved);
  });
}

TEST(root_complex, the_dq35jo_has_one_fault_record_and_the_second_fault_overflows) {
  scene s("dq35jo");
  s.tables.attach(nic, 3);
  s.run([&] {
    EXPECT_EQ(spec::cap{s.get<reg::cap_reg>(3)}.nfr(), 0U);
    s.enable(3);
    s.dma_read(nic, iova);
    EXPECT_EQ(reg::fsts::pfo::get(static_cast<std::uint32_t>(s.get<reg::fsts>(3))), 0U);
    s.dma_read(nic, iova + spec::page_size);
    EXPECT_EQ(reg::fsts::pfo::get(static_cast<std::uint32_t>(s.get<reg::fsts>(3))), 1U);
    EXPECT_EQ(reg::frcd_lo::fi::get(s.get<reg::frcd_lo>(3)), iova >> 12) << "the first one stays";
    EXPECT_EQ(reg::fsts::ppf::get(static_cast<std::uint32_t>(s.get<reg::fsts>(2))), 0U)
        << "a unit has its own";
  });
}

// --- The BIOS switch

TEST(root_complex, with_vtd_off_in_its_bios_registers_read_as_ones_and_dma_passes) {
  for (const char* name : {"dq35jo", "dc7800"}) {
    const board on = load_board(name, data);
    EXPECT_TRUE(on.vtd_enabled) << name;
  }
  scene s(off(load_board("dc7800", data)));
  s.run([&] {
    s.machine.stores().cpu_store(iova, std::uint64_t{0x5678});
    for (unsigned unit = 0; unit < 4; ++unit) {
      EXPECT_EQ(s.get<reg::version>(unit), 0xffffffffU);
      EXPECT_EQ(s.get<reg::cap_reg>(unit), ~0ULL);
      s.put<reg::gcmd>(unit, reg::gcmd::te::of(1));
      EXPECT_FALSE(s.machine.unit(unit).hardware().translation_enabled());
    }
    s.machine.cpu().delay(1000000);
    EXPECT_EQ(s.dma_read(nic, iova), 0x5678U);
  });
}

TEST(root_complex, a_dq35jo_with_vtd_off_has_nothing_at_its_units_places) {
  scene s(off(load_board("dq35jo", data)));
  EXPECT_EQ(s.machine.description().off_looks.value, vtd_off::no_table);
  s.run([&] {
    for (unsigned unit = 0; unit < 4; ++unit)
      EXPECT_EQ(s.get<reg::version>(unit), 0xffffffffU);
  });
}

TEST(root_complex, with_vtd_on_registers_read_as_the_board_says) {
  scene s("dq35jo");
  s.run([&] {
    for (unsigned unit = 0; unit < 4; ++unit) {
      EXPECT_EQ(s.get<reg::version>(unit), 0x10U);
      EXPECT_EQ(s.get<reg::cap_reg>(unit), advertised(spec::cap{s.machine.unit_data(unit).cap.value}).value);
      EXPECT_EQ(s.get<reg::ecap_reg>(unit),
                advertised(spec::ecap{s.machine.unit_data(unit).ecap.value}).value);
    }
  });
}

// --- What the CPU reaches

TEST(root_complex, memory_has_a_hole_below_4_gb_and_goes_on_above) {
  scene s("dq35jo");
  auto& stores = s.machine.stores();
  EXPECT_TRUE(stores.cpu_store(0xbf5ffff8, std::uint64_t{1}));
  EXPECT_TRUE(stores.cpu_store(0xbffffff8, std::uint64_t{1})) << "what firmware kept for graphics is memory";
  EXPECT_FALSE(stores.cpu_store(0xc0000000, std::uint64_t{1}));
  EXPECT_FALSE(stores.cpu_store(0xfffffff8, std::uint64_t{1}));
  EXPECT_TRUE(stores.cpu_store(0x100000000, std::uint64_t{1}));
  EXPECT_TRUE(stores.cpu_store(0x13ffffff8, std::uint64_t{1}));
  EXPECT_FALSE(stores.cpu_store(0x140000000, std::uint64_t{1}));
}

TEST(root_complex, a_region_that_ends_inside_a_page_keeps_the_hole) {
  board b = load_board("dq35jo", data);
  b.reserved_regions[1].limit = 0xbffff7ff;
  scene s(b);
  EXPECT_TRUE(s.machine.stores().cpu_store(0xbffffff8, std::uint64_t{1})) << "memory is made of pages";
  EXPECT_FALSE(s.machine.stores().cpu_store(0xc0000000, std::uint64_t{1}));
}

TEST(root_complex, configuration_space_is_memory_mapped_where_the_board_says) {
  scene s("dq35jo");
  s.run([&] {
    const std::uint64_t at = 0xf0000000 + (std::uint64_t{nic.value()} << 12);
    EXPECT_EQ(s.machine.cpu().read(at, 4), 0x95c51002U);
    EXPECT_EQ(s.machine.cpu().read(at + 2, 2), 0x95c5U);
    EXPECT_EQ(s.machine.cpu().read(at, 8), ~0ULL) << "no access is wider than a dword";
    s.machine.cpu().write(at + pci_topology::reg::cache_line_size, 1, 0x10);
    EXPECT_EQ(s.machine.pci().read(nic, pci_topology::reg::cache_line_size, 1), 0x10U);
    s.machine.cpu().write(at + pci_topology::reg::command, 8, 0);
    EXPECT_NE(s.machine.cpu().read(at + pci_topology::reg::command, 2), 0U);
    EXPECT_EQ(s.machine.cpu().read(0xf0000000 + (std::uint64_t{128} << 20), 4), 0xffffffffU)
        << "bus 127 is the last";
  });
}

TEST(root_complex, registers_of_a_device_are_at_its_bar_and_go_with_memory_decoding) {
  scene s("dq35jo");
  s.run([&] {
    const std::uint64_t bar = *s.machine.pci().find(nic)->bar_address(2);
    EXPECT_EQ(s.machine.cpu().read(bar, 4), pci_topology::dma_engine::identity);
    EXPECT_EQ(s.machine.cpu().read(bar, 2), 0xffffU) << "dwords only";
    s.machine.pci().find(nic)->write(pci_topology::reg::command, 2, 0);
    EXPECT_EQ(s.machine.cpu().read(bar, 4), 0xffffffffU);
  });
}

TEST(root_complex, a_uncached_access_that_nobody_answers_takes_its_time_all_the_same) {
  scene s("dq35jo");
  s.run([&] {
    const auto begin = platform::now_ps();
    EXPECT_EQ(s.machine.cpu().read(0xfec00000, 4), 0xffffffffU);
    EXPECT_EQ(platform::now_ps() - begin, 150000U);
  });
}

TEST(root_complex, a_message_of_a_device_arrives_at_the_interrupt_sink) {
  scene s("dq35jo");
  s.run([&] {
    const auto message = spec::msi_message::to_cpu(1, 0x61);
    probe_payload trans;
    s.device.loosely(trans.set(write, message.address, {0x61, 0, 0, 0}).of(nic));
    ASSERT_EQ(s.machine.interrupts().messages().size(), 1U);
    EXPECT_EQ(s.machine.interrupts().messages()[0].message, message);
  });
}

// --- Time, seeds, wiring

TEST(root_complex, links_and_units_have_the_times_of_the_preset) {
  const scene s("dq35jo");
  EXPECT_EQ(s.machine.link().request, 195000U);
  EXPECT_EQ(s.machine.link().completion, 195000U);
  EXPECT_EQ(s.machine.link().per_byte, 250U) << "4000 MB/s";
  const board b = load_board("dq35jo", data);
  const auto preset = load_preset("g0", data);
  const auto unit = unit_configuration(b, b.units[3], preset, 5, 1);
  EXPECT_EQ(unit.ports, 5U);
  EXPECT_EQ(unit.caches.iotlb.entries, 16U);
  EXPECT_EQ(unit.timing.lookup.context_lookup, 1U) << "3 ns at 333 MHz";
  EXPECT_EQ(unit.timing.lookup.iotlb_lookup, 2U);
  EXPECT_EQ(unit.timing.register_access, 50U);
  EXPECT_EQ(unit.timing.command, 34U) << "100 ns, rounded up";
  EXPECT_EQ(unit.timing.requests, 16U);
  EXPECT_EQ(unit.caps.host_address_width, 36U);
}

TEST(root_complex, every_cache_draws_from_a_generator_of_its_own) {
  const board b = load_board("dq35jo", data);
  const auto preset = load_preset("g0", data);
  std::vector<std::uint64_t> seeds;
  for (const std::uint64_t seed : {64U, 65U}) {
    const auto c = unit_configuration(b, b.units[0], preset, 1, seed).caches;
    for (const auto& shape : {c.context, c.iotlb, c.pde, c.pdpe, c.pml4, c.pml5})
      seeds.push_back(shape.seed);
  }
  std::sort(seeds.begin(), seeds.end());
  EXPECT_EQ(std::adjacent_find(seeds.begin(), seeds.end()), seeds.end());
}

TEST(root_complex, names_the_extra_port_that_nobody_bound) {
  const board b = load_board("dq35jo", data);
  root_complex machine("my_machine", b, load_preset(b.preset, data), 1, 1);
  EXPECT_THAT(test::elaboration_error(), HasSubstr("my_machine.router.upstream[1] is not bound"));
}

TEST(root_complex, a_board_without_a_device_of_ours_elaborates) {
  board b = load_board("generic", data);
  b.pci.functions[1].children[0].model.clear();
  root_complex machine("machine", b, load_preset(b.preset, data));
  EXPECT_TRUE(machine.endpoints().empty());
  EXPECT_EQ(test::elaboration_error(), "");
}

} // namespace
} // namespace vtd::models
