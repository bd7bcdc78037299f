// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/machine_trace.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>

namespace vtdsim {

machine_trace::machine_trace(const std::filesystem::path& file, const run_result& about,
                             vtd::models::root_complex& machine,
                             std::deque<vtd::dmar::observer_list>& observers)
    : file_(file, {{"schema", R"("vtd.trace/1")"},
                   {"seed", std::to_string(about.seed)},
                   {"preset", nlohmann::json(about.preset).dump()},
                   {"board", nlohmann::json(about.board).dump()},
                   {"clock_mhz", nlohmann::json(about.clock_mhz).dump()}}),
      machine_(machine), observers_(observers) {
  // The order of the router's upstream sockets.
  std::vector<std::string> ports;
  for (const auto& each : machine.endpoints())
    ports.push_back(to_string(each->port.source()));
  ports.emplace_back("measured traffic");
  for (std::size_t i = 0; i < machine.unit_count(); ++i) {
    const vtd::dmar::unit& hardware = machine.unit(i).hardware();
    const auto& data = machine.unit_data(i);
    units_.push_back(std::make_unique<unit_trace>(
        file_, machine.wheel().timebase(),
        unit_trace::place{static_cast<unsigned>(i + 1), fmt::format("unit {} at {:#x}", data.name, data.base),
                          ports, hardware.config().timing.walkers, hardware.config().caps.ecap.qi(),
                          hardware.config().caps.cap.afl()}));
    observers_[i].add(*units_.back());
  }
}

machine_trace::~machine_trace() { stop(); }

void machine_trace::stop() {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    observers_[i].remove(*units_[i]);
    units_[i]->finish(machine_.wheel().wheel().now());
  }
  units_.clear();
}

void machine_trace::finish() {
  stop();
  file_.finish();
}

} // namespace vtdsim
