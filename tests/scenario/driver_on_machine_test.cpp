// SPDX-License-Identifier: Apache-2.0
// The reference driver against whole machines: what a device gets to see after each of the driver's steps.

#include "vtdsim/machine_adapter.h"

#include "vtd/check/visibility_checker.h"
#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/driver.h"
#include "vtd/driver/error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using vtd::spec::source_id;
constexpr source_id nic = source_id::from_bdf(1, 0, 0);
constexpr source_id audio = source_id::from_bdf(0, 0x1b, 0);
constexpr source_id behind_conventional = source_id::from_bdf(5, 3, 0);
constexpr source_id behind_express_to_pci = source_id::from_bdf(4, 2, 0);

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x20000000;
constexpr std::uint64_t page = vtd::spec::page_size;

/// A machine under the driver, and one port for every requester a test wants to speak for.
class scene {
public:
  explicit scene(const std::string& board_name, const vtd::driver::omit& forget = {})
      : data_{VTD_SOURCE_DIR "/models"}, board_(vtd::models::load_board(board_name, data_)),
        machine_("machine", board_, vtd::models::load_preset(board_.preset, data_), 1, ports),
        checker_(machine_.stores(), findings),
        adapter_(machine_, 0x2000000, 0x8000000, [this](const std::string& line) { log += line + '\n'; }),
        hardware_(adapter_.access()) {
    for (std::size_t i = 0; i < machine_.unit_count(); ++i) {
      auto& unit = machine_.unit(i).hardware();
      unit.set_walk_observer(&checker_);
      if (unit.config().caps.ecap.c()) checker_.declare_coherent(unit.name());
    }
    const auto table = vtd::models::generate_dmar(board_);
    for (unsigned i = 0; i < ports; ++i) {
      const std::string name = "device_" + std::to_string(i);
      const source_id who = i == 0   ? nic
                            : i == 1 ? audio
                            : i == 2 ? behind_conventional
                                     : behind_express_to_pci;
      const auto* const function = machine_.pci().find(who);
      devices_.push_back(std::make_unique<vtd::platform::dma_master>(
          name.c_str(), function != nullptr ? vtd::pci_topology::topology::requester_id(*function) : who,
          machine_.link()));
      devices_.back()->socket.bind(machine_.extra(i));
      devices_.back()->set_done([this](const vtd::platform::dma_master::result& result) {
        last_ok_ = result.ok;
        if (result.ok && !result.data.empty())
          std::memcpy(&last_word_, result.data.data(), sizeof(last_word_));
        ended_ = true;
      });
    }
    parsed_ = vtd::driver::parse_dmar(table);
    forget_ = forget;
  }

  /// Runs `body` as the CPU's program, with the driver made but not started.
  void run(const std::function<void(vtd::driver::driver&)>& body) {
    machine_.cpu().run([&] {
      driver_ = std::make_unique<vtd::driver::driver>(
          hardware_, parsed_, vtdsim::function_list(machine_.pci()), vtd::driver::driver_options{}, forget_);
      body(*driver_);
    });
    sc_core::sc_start();
    machine_.cpu().rethrow();
  }

  /// What the device reads there; nothing: it was blocked.
  std::optional<std::uint64_t> read(source_id who, std::uint64_t address) {
    device(who).read(0, address, 8);
    return finish() ? std::optional(last_word_) : std::nullopt;
  }
  bool write(source_id who, std::uint64_t address, std::uint64_t value) {
    device(who).write(0, address, std::as_bytes(std::span(&value, 1)));
    return finish();
  }
  void put(std::uint64_t address, std::uint64_t value) { hardware_.store64(address, value); }
  [[nodiscard]] std::uint64_t get(std::uint64_t address) { return hardware_.load64(address); }
  [[nodiscard]] const vtd::dmar::unit& unit_of(source_id who) {
    return machine_.unit(machine_.unit_of(device(who).source())).hardware();
  }

  std::string log;
  vtd::check::finding_log findings;

private:
  static constexpr unsigned ports = 4;
  vtd::platform::dma_master& device(source_id who) {
    return *devices_[who == nic ? 0 : who == audio ? 1 : who == behind_conventional ? 2 : 3];
  }
  bool finish() {
    ended_ = false;
    while (!ended_)
      hardware_.delay_ns(100);
    return last_ok_;
  }

  std::vector<std::filesystem::path> data_;
  vtd::models::board board_;
  vtd::models::root_complex machine_;
  vtd::check::visibility_checker checker_;
  vtdsim::machine_adapter adapter_;
  vtd::driver::hardware hardware_;
  std::vector<std::unique_ptr<vtd::platform::dma_master>> devices_;
  vtd::driver::dmar_info parsed_;
  vtd::driver::omit forget_;
  std::unique_ptr<vtd::driver::driver> driver_;
  bool ended_ = false;
  bool last_ok_ = false;
  std::uint64_t last_word_ = 0;
};

TEST(driver_on_machine, one_domain_serves_units_of_48_and_of_39_bits) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 4 * page);
    d.attach(guest, {0, nic});
    d.attach(guest, {0, audio});
    s.put(frame + 0x1008, 0x1234);
    EXPECT_EQ(s.read(nic, iova + 0x1008), 0x1234U);
    EXPECT_EQ(s.read(audio, iova + 0x1008), 0x1234U);
    EXPECT_TRUE(s.write(nic, iova + 0x2000, 0x55));
    EXPECT_EQ(s.get(frame + 0x2000), 0x55U);
    EXPECT_NE(s.unit_of(nic).name(), s.unit_of(audio).name());
    EXPECT_TRUE(s.findings.empty());
  });
}

TEST(driver_on_machine, a_device_without_a_domain_is_blocked_and_the_driver_says_so) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    EXPECT_FALSE(s.read(nic, iova));
    d.handle_faults();
    ASSERT_EQ(d.faults().size(), 1U);
    EXPECT_EQ(d.faults()[0].fault.source, nic);
    EXPECT_EQ(d.faults()[0].fault.reason, vtd::spec::fault_reason::root_entry_not_present);
    EXPECT_NE(s.log.find("[DMA Read] Request device [01:00.0] fault addr 0x40000000"), std::string::npos)
        << s.log;
  });
}

TEST(driver_on_machine, after_unmap_no_device_reaches_the_page_on_any_unit) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 4 * page);
    d.attach(guest, {0, nic});
    d.attach(guest, {0, audio});
    for (const source_id who : {nic, audio})
      EXPECT_TRUE(s.read(who, iova));
    d.unmap(guest, iova, page);
    for (const source_id who : {nic, audio}) {
      EXPECT_FALSE(s.read(who, iova));
      EXPECT_TRUE(s.read(who, iova + page)) << "its neighbour stays";
    }
  });
}

TEST(driver_on_machine, without_the_invalidation_an_unmapped_page_stays_within_reach) {
  vtd::driver::omit forget;
  forget.iotlb_invalidation_on_unmap = true;
  scene s("synthetic-wide", forget);
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 4 * page);
    d.attach(guest, {0, nic});
    EXPECT_TRUE(s.read(nic, iova));
    d.unmap(guest, iova, page);
    EXPECT_TRUE(s.read(nic, iova)) << "the stale hit that the invalidation prevents";
  });
}

TEST(driver_on_machine, a_detached_device_is_blocked_and_a_moved_one_sees_its_new_domain) {
  scene s("dq35jo");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& one = d.create_domain("one");
    auto& two = d.create_domain("two");
    d.map(one, iova, frame, page);
    d.map(two, iova, frame + page, page);
    s.put(frame, 1);
    s.put(frame + page, 2);
    d.attach(one, {0, nic});
    EXPECT_EQ(s.read(nic, iova), 1U);
    d.attach(two, {0, nic});
    EXPECT_EQ(s.read(nic, iova), 2U);
    d.detach({0, nic});
    EXPECT_FALSE(s.read(nic, iova));
    EXPECT_TRUE(s.findings.empty());
  });
}

TEST(driver_on_machine, devices_behind_conventional_bridges_work_by_their_aliases) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    s.put(frame, 7);
    for (const source_id who : {behind_conventional, behind_express_to_pci}) {
      d.attach(guest, {0, who});
      EXPECT_EQ(s.read(who, iova), 7U) << to_string(who);
    }
  });
}

TEST(driver_on_machine, a_driver_that_forgets_aliases_loses_the_device_behind_the_bridge) {
  vtd::driver::omit forget;
  forget.aliases = true;
  scene s("synthetic-wide", forget);
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    d.attach(guest, {0, behind_conventional});
    EXPECT_FALSE(s.read(behind_conventional, iova));
    d.handle_faults();
    ASSERT_FALSE(d.faults().empty());
    EXPECT_EQ(d.faults()[0].fault.source, source_id::from_bdf(0, 0x1e, 0)) << "the bridge's id";
  });
}

TEST(driver_on_machine, reserved_regions_are_within_reach_from_the_first_moment_on) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    constexpr std::uint64_t region = 0xbff00000;
    EXPECT_TRUE(s.write(audio, region, 0x77)) << "before the driver";
    d.start();
    EXPECT_EQ(s.read(audio, region), 0x77U);
    EXPECT_FALSE(s.read(audio, region + 0x10000));
    EXPECT_FALSE(s.read(nic, region)) << "it is not nic's region";
  });
}

TEST(driver_on_machine, wider_addresses_than_a_unit_takes_cannot_be_mapped) {
  scene s("dq35jo");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    EXPECT_THROW(d.map(guest, std::uint64_t{1} << 36, frame, page), vtd::driver::driver_error);
    EXPECT_NO_THROW(d.map(guest, (std::uint64_t{1} << 36) - page, frame, page));
  });
}

TEST(driver_on_machine, domain_ids_run_out_with_a_clear_error_and_come_back) {
  scene s("dq35jo");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    std::vector<source_id> functions;
    for (const auto& f : d.functions()) {
      if (d.unit_for(f.address) == d.unit_for({0, nic}) && d.domain_of(f.address) == nullptr)
        functions.push_back(f.address.id);
    }
    std::vector<vtd::driver::domain*> domains;
    std::string refusal;
    for (const source_id id : functions) {
      domains.push_back(&d.create_domain("d" + std::to_string(domains.size())));
      try {
        d.attach(*domains.back(), {0, id});
      } catch (const vtd::driver::driver_error& error) {
        refusal = error.what();
        break;
      }
    }
    // 13 functions want one here at most; fill up to the 16 that ND allows only when there are as many.
    if (refusal.empty()) {
      EXPECT_LE(functions.size(), 14U);
    } else {
      EXPECT_NE(refusal.find("domain-ids are taken"), std::string::npos) << refusal;
    }
    d.destroy_domain(*domains.front());
    auto& again = d.create_domain("again");
    EXPECT_NO_THROW(d.attach(again, {0, functions.front()}));
  });
}

TEST(driver_on_machine, the_driver_uses_the_queue_of_a_unit_that_has_one_and_the_registers_of_the_others) {
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, 2 * page);
    d.attach(guest, {0, nic});
    d.attach(guest, {0, audio});
    s.put(frame, 1);
    EXPECT_EQ(s.read(nic, iova), 1U);
    EXPECT_EQ(s.read(audio, iova), 1U);
    d.unmap(guest, iova, page);
    EXPECT_FALSE(s.read(nic, iova).has_value());
    EXPECT_FALSE(s.read(audio, iova).has_value());
    EXPECT_EQ(s.read(nic, iova + page), s.get(frame + page));
    const auto queued = s.unit_of(nic).statistics();
    const auto by_register = s.unit_of(audio).statistics();
    // The start: contexts and pages; the unmap: pages. Each with a wait.
    EXPECT_EQ(queued.descriptors, 6U);
    EXPECT_EQ(queued.waits, 3U);
    EXPECT_EQ(queued.invalidations, 3U);
    EXPECT_EQ(queued.queue_errors, 0U);
    EXPECT_EQ(by_register.descriptors, 0U);
    // Two more: the audio function leaves the domain of its reserved region when it is attached.
    EXPECT_EQ(by_register.invalidations, 5U);
    d.stop();
    EXPECT_EQ(vtd::spec::reg::gsts::qies::get(s.unit_of(nic).registers().read<vtd::spec::reg::gsts>()), 0U);
  });
  EXPECT_NE(s.log.find("dmar2: translation enabled, queued invalidation"), std::string::npos) << s.log;
  EXPECT_NE(s.log.find("dmar0: translation enabled, register-based invalidation"), std::string::npos);
  EXPECT_TRUE(s.findings.findings().empty());
}

TEST(driver_on_machine, a_function_takes_its_reserved_region_into_another_domain_and_leaves_none_behind) {
  // In the board's data.
  constexpr std::uint64_t region = 0xbff00000;
  scene s("synthetic-wide");
  s.run([&](vtd::driver::driver& d) {
    d.start();
    s.put(region, 0x5a);
    EXPECT_EQ(s.read(audio, region), 0x5aU);
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    d.attach(guest, {0, nic});
    EXPECT_FALSE(s.read(nic, region).has_value());
    d.attach(guest, {0, audio});
    EXPECT_EQ(s.read(audio, region), 0x5aU);
    d.detach({0, audio});
    EXPECT_FALSE(s.read(audio, region).has_value());
    EXPECT_FALSE(s.read(nic, region).has_value());
    EXPECT_EQ(guest.tables().mapped_bytes(), page);
    d.stop();
  });
  EXPECT_TRUE(s.findings.findings().empty());
}

} // namespace
