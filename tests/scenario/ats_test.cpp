// SPDX-License-Identifier: Apache-2.0
// The driver and a device that translates for itself (PCIe ATS), on a whole machine: who may, and what
// becomes of the device's translations when the driver takes the pages back.

#include "vtdsim/machine_adapter.h"

#include "source_dir.h"
#include "vtd/check/device_tlb_checker.h"
#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/driver.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/root_complex.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace {

using vtd::pci_topology::dma_engine;
using vtd::spec::source_id;
using descriptor = dma_engine::descriptor;

constexpr source_id nic = source_id::from_bdf(1, 0, 0);
constexpr source_id disk = source_id::from_bdf(2, 0, 0);
constexpr source_id audio = source_id::from_bdf(0, 0x1b, 0);
constexpr std::uint64_t page = vtd::spec::page_size;
constexpr std::uint64_t ring = 0x40000000;
constexpr std::uint64_t data = 0x40100000;
constexpr std::uint64_t ring_frame = 0x20000000;
constexpr std::uint64_t data_frame = 0x20100000;

class scene {
public:
  explicit scene(const vtd::driver::omit& forget = {}, const vtd::driver::driver_options& options = {},
                 const std::function<void(vtd::models::board&)>& change = {})
      : directories_{VTD_SOURCE_DIR "/models"}, board_(load(change)),
        machine_("machine", board_, vtd::models::load_preset(board_.preset, directories_), 1),
        adapter_(machine_, 0x2000000, 0x8000000, [this](const std::string& line) { log += line + '\n'; }),
        hardware_(adapter_.access()), options_(options), forget_(forget) {
    auto& unit = machine_.unit(machine_.unit_of(nic)).hardware();
    checker_ = std::make_unique<vtd::check::device_tlb_checker>(unit.config(), machine_.stores(), findings,
                                                                patience);
    unit.set_observer(checker_.get());
    // The driver finds the table's bytes by itself elsewhere.
    parsed_ = vtd::driver::parse_dmar(vtd::models::generate_dmar(board_));
  }
  void run(const std::function<void(vtd::driver::driver&)>& body) {
    machine_.cpu().run([&] {
      driver_ = std::make_unique<vtd::driver::driver>(
          hardware_, parsed_, vtdsim::function_list(machine_.pci()), options_, forget_);
      driver_->start();
      body(*driver_);
    });
    sc_core::sc_start();
    machine_.cpu().rethrow();
    checker_->finish(machine_.wheel().wheel().now());
  }
  ~scene() { machine_.unit(machine_.unit_of(nic)).hardware().set_observer(nullptr); }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;
  vtd::driver::domain& guest() {
    auto& domain = driver_->create_domain("guest");
    driver_->map(domain, ring, ring_frame, page);
    driver_->map(domain, data, data_frame, page);
    return domain;
  }
  void start_device() {
    auto& device = endpoint();
    device.write(dma_engine::reg::ring, static_cast<std::uint32_t>(ring));
    device.write(dma_engine::reg::ring_size, 64);
    device.write(dma_engine::reg::control, dma_engine::run | dma_engine::go_on);
  }
  /// The device writes a word to its data page: did it work?
  bool fill(std::uint64_t value) {
    const std::uint32_t errors = endpoint().read(dma_engine::reg::errors);
    begin_fill(value, 8);
    finish_fill();
    return endpoint().read(dma_engine::reg::errors) == errors;
  }
  void begin_fill(std::uint64_t value, std::uint32_t length) {
    auto& device = endpoint();
    const std::uint32_t at = device.read(dma_engine::reg::tail);
    const std::uint64_t place = ring_frame + at * sizeof(descriptor);
    hardware_.store64(
        place, descriptor::operation_field::of(static_cast<std::uint64_t>(dma_engine::operation::fill)) |
                   descriptor::length_field::of(length));
    hardware_.store64(place + offsetof(descriptor, source), value);
    hardware_.store64(place + offsetof(descriptor, destination), data);
    device.write(dma_engine::reg::tail, at + 1);
  }
  void finish_fill() {
    while ((endpoint().read(dma_engine::reg::status) & dma_engine::busy) != 0)
      hardware_.delay_ns(100);
  }
  void wait() { hardware_.delay_ns(10000); }
  std::uint64_t word() { return hardware_.load64(data_frame); }
  vtd::platform::endpoint& endpoint() { return *machine_.endpoint_at(nic); }
  vtd::dmar::unit_statistics statistics() {
    return machine_.unit(machine_.unit_of(nic)).hardware().statistics();
  }

  std::string log;
  vtd::check::finding_log findings;
  /// Of the checker, in cycles: well above what the driver takes.
  static constexpr vtd::engine::cycle patience = 20'000;

private:
  vtd::models::board load(const std::function<void(vtd::models::board&)>& change) {
    auto out = vtd::models::load_board("synthetic-wide", directories_);
    if (change) change(out);
    return out;
  }
  std::vector<std::filesystem::path> directories_;
  vtd::models::board board_;
  vtd::models::root_complex machine_;
  vtdsim::machine_adapter adapter_;
  vtd::driver::hardware hardware_;
  vtd::driver::driver_options options_;
  vtd::driver::omit forget_;
  vtd::driver::dmar_info parsed_;
  std::unique_ptr<vtd::driver::driver> driver_;
  std::unique_ptr<vtd::check::device_tlb_checker> checker_;
};

TEST(ats_on_machine, the_driver_enables_it_where_unit_function_and_table_allow_it) {
  scene s;
  s.run([&](vtd::driver::driver& driver) {
    auto& guest = s.guest();
    for (const source_id who : {nic, disk, audio})
      driver.attach(guest, {0, who});
    EXPECT_TRUE(driver.uses_ats({0, nic}));
    EXPECT_FALSE(driver.uses_ats({0, disk})) << "the function has none";
    EXPECT_FALSE(driver.uses_ats({0, audio})) << "the unit has none";
    EXPECT_TRUE(s.endpoint().translation().enabled());
    EXPECT_NE(s.log.find("ATS enabled, invalidate queue depth 8"), std::string::npos) << s.log;
  });
}

TEST(ats_on_machine, without_the_root_port_in_the_table_it_stays_off) {
  scene s({}, {}, [](vtd::models::board& board) { board.ats.clear(); });
  s.run([&](vtd::driver::driver& driver) {
    driver.attach(s.guest(), {0, nic});
    EXPECT_FALSE(driver.uses_ats({0, nic}));
    EXPECT_FALSE(s.endpoint().translation().enabled());
    s.start_device();
    EXPECT_TRUE(s.fill(1));
  });
}

TEST(ats_on_machine, without_the_queue_or_the_wish_it_stays_off) {
  vtd::driver::driver_options options;
  options.unit.use_queue = false;
  scene s({}, options);
  s.run([&](vtd::driver::driver& driver) {
    driver.attach(s.guest(), {0, nic});
    EXPECT_FALSE(driver.uses_ats({0, nic}));
  });
}

TEST(ats_on_machine, a_page_taken_back_is_out_of_reach) {
  scene s;
  s.run([&](vtd::driver::driver& driver) {
    auto& guest = s.guest();
    driver.attach(guest, {0, nic});
    s.start_device();
    EXPECT_TRUE(s.fill(0x1111));
    EXPECT_EQ(s.word(), 0x1111U);
    EXPECT_EQ(s.endpoint().translation().statistics().questions, 2U);
    driver.unmap(guest, data, page);
    EXPECT_EQ(s.statistics().device_invalidations, 1U);
    EXPECT_FALSE(s.fill(0x2222));
    EXPECT_EQ(s.word(), 0x1111U);
    EXPECT_TRUE(driver.faults().empty()) << "the device was told, and does not try";
  });
  EXPECT_TRUE(s.findings.empty()) << render(s.findings);
}

TEST(ats_on_machine, a_device_that_goes_on_while_pages_come_and_go_is_no_finding) {
  scene s;
  s.run([&](vtd::driver::driver& driver) {
    auto& guest = s.guest();
    driver.attach(guest, {0, nic});
    s.start_device();
    for (std::uint64_t round = 0; round < 8; ++round) {
      s.begin_fill(round, 4096);
      driver.unmap(guest, data, page);
      driver.map(guest, data, data_frame + (round % 2) * page, page);
      s.finish_fill();
      for (unsigned i = 0; i < 10; ++i)
        s.wait();
    }
    driver.detach({0, nic});
  });
  EXPECT_TRUE(s.findings.empty()) << render(s.findings);
}

TEST(ats_on_machine, a_driver_that_forgets_the_device_leaves_the_page_in_its_reach) {
  const auto* const step = vtd::driver::find_omission("device-tlb-invalidation");
  ASSERT_NE(step, nullptr);
  vtd::driver::omit forget;
  forget.*(step->flag) = true;
  scene s(forget);
  s.run([&](vtd::driver::driver& driver) {
    auto& guest = s.guest();
    driver.attach(guest, {0, nic});
    s.start_device();
    EXPECT_TRUE(s.fill(0x1111));
    driver.unmap(guest, data, page);
    EXPECT_EQ(s.statistics().device_invalidations, 0U);
    EXPECT_TRUE(s.fill(0x2222));
    EXPECT_EQ(s.word(), 0x2222U) << "memory that is not the guest's any more";
    for (unsigned i = 0; i < 10; ++i)
      s.wait();
    EXPECT_TRUE(s.fill(0x3333));
  });
  ASSERT_EQ(s.findings.size(), 1U) << render(s.findings);
  const auto& found = s.findings.findings()[0];
  EXPECT_EQ(found.rule(), "device-tlb.stale");
  EXPECT_EQ(found.find("device"), "01:00.0");
  EXPECT_EQ(found.find("input page"), "0x40100000");
  EXPECT_EQ(found.find("tables say"), "not mapped");
  EXPECT_EQ(found.find("forgotten"), "device-TLB invalidation of 01:00.0 for 0x40100000");
}

TEST(ats_on_machine, a_function_taken_back_translates_no_more) {
  scene s;
  s.run([&](vtd::driver::driver& driver) {
    driver.attach(s.guest(), {0, nic});
    s.start_device();
    EXPECT_TRUE(s.fill(0x1111));
    driver.detach({0, nic});
    EXPECT_FALSE(s.endpoint().translation().enabled());
    EXPECT_EQ(s.endpoint().translation().tlb().pages().occupancy(), 0U);
    EXPECT_EQ(s.statistics().device_invalidations, 1U);
    EXPECT_FALSE(driver.uses_ats({0, nic}));
  });
}

// --- The advanced fault log

TEST(fault_log_on_machine, the_driver_reads_faults_from_memory_when_it_is_told_to) {
  vtd::driver::driver_options options;
  options.use_ats = false;
  options.unit.use_fault_log = true;
  scene s({}, options, [](vtd::models::board& board) {
    auto& cap = board.units.back().cap.value;
    cap = vtd::spec::cap{cap}.set_afl(true).value;
  });
  s.run([&](vtd::driver::driver& driver) {
    auto& guest = s.guest();
    driver.attach(guest, {0, nic});
    const auto* const unit = driver.unit_for({0, nic});
    ASSERT_NE(unit, nullptr);
    EXPECT_TRUE(unit->logs_faults());
    s.start_device();
    driver.unmap(guest, data, page);
    for (unsigned n = 0; n < 3; ++n)
      EXPECT_FALSE(s.fill(n));
    s.wait();
    driver.handle_faults();
    ASSERT_EQ(driver.faults().size(), 3U) << s.log;
    EXPECT_EQ(driver.faults()[0].fault.source, nic);
    EXPECT_EQ(driver.faults()[0].fault.address, data);
    EXPECT_EQ(driver.faults()[0].fault.access, vtd::driver::fault_access::write);
    EXPECT_EQ(driver.faults()[0].fault.reason, vtd::spec::fault_reason::no_write_permission);
    driver.stop();
    EXPECT_FALSE(unit->logs_faults());
  });
}

} // namespace
