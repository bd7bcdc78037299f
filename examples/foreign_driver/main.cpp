// SPDX-License-Identifier: Apache-2.0
// Puts a driver written in C on a DQ35JO, lets a device read through the tables it made, and asks the
// checker. Run with
// --forget-flush, the driver makes a mistake that shipped in real drivers, and the checker names it.

#include "driver.h"

#include "vtd/check/visibility_checker.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <array>
#include <cstring>
#include <iostream>
#include <span>

namespace {

using vtd::models::root_complex;

struct machine {
  root_complex* board;
  std::uint64_t next_page = 0x2000000;
};

machine& at(void* context) { return *static_cast<machine*>(context); }

// The few lines that put the C interface on a machine.
vtd_hardware_access access_to(machine& m) {
  vtd_hardware_access a{};
  a.context = &m;
  a.read32 = [](void* c, std::uint64_t address) {
    return static_cast<std::uint32_t>(at(c).board->cpu().read(address, 4));
  };
  a.read64 = [](void* c, std::uint64_t address) { return at(c).board->cpu().read(address, 8); };
  a.write32 = [](void* c, std::uint64_t address, std::uint32_t value) {
    at(c).board->cpu().write(address, 4, value);
  };
  a.write64 = [](void* c, std::uint64_t address, std::uint64_t value) {
    at(c).board->cpu().write(address, 8, value);
  };
  a.store64 = [](void* c, std::uint64_t address, std::uint64_t value) {
    (void)at(c).board->cpu().store(address, std::as_bytes(std::span(&value, 1)));
  };
  a.flush_lines = [](void* c, std::uint64_t address, std::uint64_t size) {
    at(c).board->cpu().flush(address, size);
  };
  a.relax = [](void* c) { at(c).board->cpu().delay(10000); };
  a.allocate_pages = [](void* c, std::size_t count) {
    const std::uint64_t page = at(c).next_page;
    at(c).next_page += count * vtd::spec::page_size;
    return page;
  };
  return a;
}

} // namespace

int sc_main(int argc, char** argv) {
  const bool forget = argc > 1 && std::strcmp(argv[1], "--forget-flush") == 0;
  const auto data = vtd::models::data_directories(VTD_EXAMPLE_DATA);
  const auto board = vtd::models::load_board("dq35jo", data);
  root_complex complex("machine", board, vtd::models::load_preset(board.preset, data), 1, 1);
  const auto nic = vtd::spec::source_id::from_bdf(1, 0, 0);
  vtd::platform::dma_master device("device", nic, complex.link());
  device.socket.bind(complex.extra(0));

  vtd::check::finding_log findings;
  vtd::check::visibility_checker checker(complex.stores(), findings);
  const unsigned unit = complex.unit_of(nic);
  complex.unit(unit).hardware().set_walk_observer(&checker);

  constexpr std::uint64_t target = 0x10000000;
  constexpr std::uint64_t word = 0x1122334455667788;
  bool ok = false;
  complex.cpu().run([&] {
    machine m{&complex};
    const vtd_hardware_access access = access_to(m);
    access.store64(access.context, target + 0x3008, word);
    if (foreign_driver_start(&access, board.units[unit].base, nic.value(), target, 16, forget ? 1 : 0) != 0)
      return;
    bool ended = false;
    device.set_done([&](const vtd::platform::dma_master::result& result) {
      std::uint64_t seen = 0;
      if (result.ok) std::memcpy(&seen, result.data.data(), sizeof(seen));
      ok = seen == word;
      ended = true;
      std::cout << "read of device address 0x3008: " << (result.ok ? "done" : "blocked") << ", "
                << result.latency / 1000 << " ns\n";
    });
    device.read(0, 0x3008, 8);
    while (!ended)
      complex.cpu().delay(100000);
  });
  sc_core::sc_start();
  complex.cpu().rethrow();
  std::cout << vtd::check::render(findings, &complex.wheel().timebase());
  // The right driver reads its word and gives the checker nothing to say; the forgetful one is named.
  return (forget ? !findings.empty() && !ok : findings.empty() && ok) ? 0 : 1;
}
