// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/machine_adapter.h"

#include "source_dir.h"
#include "vtd/check/visibility_checker.h"
#include "vtd/driver/dmar_parser.h"
#include "vtd/driver/driver.h"
#include "vtd/driver/error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {

using spec::source_id;
inline constexpr source_id nic_of_machine = source_id::from_bdf(1, 0, 0);
inline constexpr source_id audio = source_id::from_bdf(0, 0x1b, 0);
inline constexpr source_id behind_conventional = source_id::from_bdf(5, 3, 0);
inline constexpr source_id behind_express_to_pci = source_id::from_bdf(4, 2, 0);

/// What a test wants of its machine and driver.
struct scene_options {
  driver::omit forget{};
  driver::driver_options driving{};
  /// The machine has fault injectors.
  bool injectors = false;
  /// Changes the board before the machine is built.
  std::function<void(models::board&)> change_board{};
  /// The same for its timing.
  std::function<void(models::timing_preset&)> change_preset{};
};

/// A machine under the driver, and one port for every requester a test wants to speak for.
class machine_scene {
public:
  explicit machine_scene(const std::string& board_name, const driver::omit& forget = {})
      : machine_scene(board_name, scene_options{.forget = forget}) {}
  machine_scene(const std::string& board_name, const scene_options& options)
      : data_{VTD_SOURCE_DIR "/models"}, board_(changed(models::load_board(board_name, data_), options)),
        machine_("machine", board_, changed(models::load_preset(board_.preset, data_), options), 1, ports,
                 options.injectors),
        checker_(machine_.stores(), findings),
        adapter_(machine_, 0x2000000, 0x8000000, [this](const std::string& line) { log += line + '\n'; }),
        hardware_(adapter_.access()) {
    for (std::size_t i = 0; i < machine_.unit_count(); ++i) {
      auto& unit = machine_.unit(i).hardware();
      unit.set_walk_observer(&checker_);
      if (unit.config().caps.ecap.c() && !board_.units[i].hidden_incoherent)
        checker_.declare_coherent(unit.name());
    }
    const auto table = models::generate_dmar(board_);
    for (unsigned i = 0; i < ports; ++i) {
      const std::string name = "device_" + std::to_string(i);
      const source_id who = i == 0   ? nic_of_machine
                            : i == 1 ? audio
                            : i == 2 ? behind_conventional
                                     : behind_express_to_pci;
      const auto* const function = machine_.pci().find(who);
      devices_.push_back(std::make_unique<platform::dma_master>(
          name.c_str(), function != nullptr ? pci_topology::topology::requester_id(*function) : who,
          machine_.link()));
      devices_.back()->socket.bind(machine_.extra(i));
      devices_.back()->set_done([this](const platform::dma_master::result& result) {
        last_ok_ = result.ok;
        if (result.ok && !result.data.empty())
          std::memcpy(&last_word_, result.data.data(), sizeof(last_word_));
        ended_ = true;
      });
    }
    parsed_ = driver::parse_dmar(table);
    forget_ = options.forget;
    driver_options_ = options.driving;
  }

  /// Runs `body` as the CPU's program, with the driver made but not started.
  void run(const std::function<void(driver::driver&)>& body) {
    machine_.cpu().run([&] {
      driver_ = std::make_unique<driver::driver>(hardware_, parsed_, vtdsim::function_list(machine_.pci()),
                                                 driver_options_, forget_);
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
  [[nodiscard]] const dmar::unit& unit_of(source_id who) {
    return machine_.unit(machine_.unit_of(device(who).source())).hardware();
  }

  [[nodiscard]] models::root_complex& machine() { return machine_; }
  /// What lies between memory and the unit that serves `who`, and between the CPU and that unit.
  [[nodiscard]] platform::fault_injector& memory_of(source_id who) {
    return machine_.memory_faults(machine_.unit_of(device(who).source()));
  }
  [[nodiscard]] platform::fault_injector& registers_of(source_id who) {
    return machine_.register_faults(machine_.unit_of(device(who).source()));
  }
  /// Begins a read and waits for nothing.
  void begin_read(source_id who, std::uint64_t address) {
    ended_ = false;
    device(who).read(0, address, 8);
  }
  /// Until what was begun has ended; whether it was allowed.
  bool finish_read() {
    while (!ended_)
      hardware_.delay_ns(100);
    return last_ok_;
  }
  void wait_ns(std::uint64_t span) { hardware_.delay_ns(span); }
  /// All contexts of the unit that serves `who`, by register.
  void invalidate_contexts(source_id who) {
    namespace reg = spec::reg;
    const auto& unit = machine_.unit_data(machine_.unit_of(device(who).source()));
    const driver::register_block registers(hardware_, unit.base);
    registers.write<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
    while (reg::ccmd::icc::get(registers.read<reg::ccmd>()) != 0)
      wait_ns(10);
  }

  std::string log;
  check::finding_log findings;

private:
  static constexpr unsigned ports = 4;
  static models::board changed(models::board from, const scene_options& options) {
    if (options.change_board) options.change_board(from);
    return from;
  }
  static models::timing_preset changed(models::timing_preset from, const scene_options& options) {
    if (options.change_preset) options.change_preset(from);
    return from;
  }
  platform::dma_master& device(source_id who) {
    return *devices_[who == nic_of_machine ? 0 : who == audio ? 1 : who == behind_conventional ? 2 : 3];
  }
  bool finish() {
    ended_ = false;
    return finish_read();
  }

  std::vector<std::filesystem::path> data_;
  models::board board_;
  models::root_complex machine_;
  check::visibility_checker checker_;
  vtdsim::machine_adapter adapter_;
  driver::hardware hardware_;
  std::vector<std::unique_ptr<platform::dma_master>> devices_;
  driver::dmar_info parsed_;
  driver::omit forget_;
  driver::driver_options driver_options_;
  std::unique_ptr<driver::driver> driver_;
  bool ended_ = false;
  bool last_ok_ = false;
  std::uint64_t last_word_ = 0;
};

} // namespace vtd::test
