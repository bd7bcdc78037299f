// SPDX-License-Identifier: Apache-2.0
#include "driven_machine.h"

#include "initiators.h"

#include "vtd/driver/dmar_parser.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/timing_preset.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace vtd::bench {

namespace {

// Host memory below 1 GB, which every board has: the driver's pages, then the devices'.
constexpr std::uint64_t driver_pages = 0x0200'0000;
constexpr std::uint64_t driver_pages_end = 0x1000'0000;
constexpr std::uint64_t frames = driver_pages_end;

models::timing_preset preset_of(const models::board& board) {
  models::timing_preset out = models::load_preset(board.preset, models::data_directories());
  for (const auto& [name, value] :
       {std::pair{"iotlb.entries", "128"}, {"iotlb.ways", "8"}, {"iotlb.policy", "lru"}}) {
    models::set_parameter(out, name, value, models::confidence::assumed, "as in all benchmarks");
  }
  return out;
}

} // namespace

driven_machine::driven_machine(const std::string& board, const std::vector<spec::source_id>& sources)
    : machine_(sc_core::sc_gen_unique_name("machine"), models::load_board(board, models::data_directories()),
               preset_of(models::load_board(board, models::data_directories())), 1,
               static_cast<unsigned>(sources.size())),
      adapter_(machine_, driver_pages, driver_pages_end, [](const std::string&) {}),
      hardware_(adapter_.access()), next_frame_(frames) {
  for (std::size_t i = 0; i < machine_.unit_count(); ++i)
    units_.push_back(&machine_.unit(i));
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto* const function = machine_.pci().find(sources[i]);
    if (function == nullptr) {
      throw std::runtime_error("board " + board + ": no function " + to_string(sources[i]) +
                               ", expected one that is there");
    }
    masters_.push_back(std::make_unique<platform::dma_master>(sc_core::sc_gen_unique_name("master"),
                                                              pci_topology::topology::requester_id(*function),
                                                              machine_.link()));
    masters_.back()->socket.bind(machine_.extra(static_cast<unsigned>(i)));
  }
  machine_.cpu().run([this] { program(); });
}

// The driver gives its tables back, which takes time on the CPU.
driven_machine::~driven_machine() {
  try {
    if (driver_) run([this] { driver_.reset(); });
  } catch (...) {
    failure_ = nullptr;
  }
}

void driven_machine::program() {
  for (;;) {
    sc_core::wait(start_);
    try {
      job_();
    } catch (const sc_core::sc_unwind_exception&) {
      throw;
    } catch (...) {
      failure_ = std::current_exception();
    }
    job_done_ = true;
    sc_core::sc_pause();
  }
}

void driven_machine::run(std::function<void()> job) {
  // Lets the CPU's thread come to its wait.
  begin_simulation();
  job_ = std::move(job);
  job_done_ = false;
  start_.notify(sc_core::SC_ZERO_TIME);
  while (!job_done_)
    sc_core::sc_start();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

driver::driver& driven_machine::driver() {
  if (!driver_) {
    const auto table = models::generate_dmar(machine_.description());
    // Units are what is measured, not devices with device-TLBs.
    driver::driver_options options;
    options.use_ats = false;
    driver_ = std::make_unique<driver::driver>(hardware_, driver::parse_dmar(table),
                                               vtdsim::function_list(machine_.pci()), options);
    driver_->start();
  }
  return *driver_;
}

void driven_machine::read_pages(std::size_t master_index, std::uint64_t first, std::uint64_t pages) {
  platform::dma_master& from = master(master_index);
  std::uint64_t left = pages;
  bool ok = true;
  from.set_done([&](const platform::dma_master::result& result) {
    ok = ok && result.ok;
    if (--left == 0) {
      sc_core::sc_pause();
    } else {
      from.read(0, first + (pages - left) * spec::page_size, 64);
    }
  });
  from.read(0, first, 64);
  sc_core::sc_start();
  from.set_done(nullptr);
  if (!ok || left != 0) throw std::runtime_error("a read of a mapped page was blocked");
}

std::uint64_t driven_machine::take_frames(std::uint64_t pages) {
  return std::exchange(next_frame_, next_frame_ + pages * spec::page_size);
}

} // namespace vtd::bench
