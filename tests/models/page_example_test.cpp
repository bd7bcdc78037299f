// SPDX-License-Identifier: Apache-2.0
// The example of docs/models.md, compiled and run.

#include "source_dir.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <gtest/gtest.h>

namespace vtd::models {
namespace {

TEST(page_example, of_a_machine_runs_a_program_beside_a_device_of_one_s_own) {
  const auto places = data_directories(VTD_SOURCE_DIR "/models");
  const board board = load_board("dq35jo", places);
  timing_preset timing = load_preset(board.preset, places);
  set_parameter(timing, "iotlb.entries", "64", confidence::assumed, "what if");
  root_complex machine("machine", board, timing, 1, 1); // seed 1, one port of our own
  platform::dma_master device("device", spec::source_id::from_bdf(4, 0, 0), machine.link());
  device.socket.bind(machine.extra(0));
  machine.cpu().run([&] { // a driver: loads, stores, flushes, registers, all in their time
    const std::uint64_t cap = machine.cpu().read(board.units[3].base + 8, 8);
    EXPECT_NE(cap, ~std::uint64_t{0});
    device.read(0, 0x100000, 64);
    machine.cpu().delay(2000000);
  });
  sc_core::sc_start();
  machine.cpu().rethrow();

  EXPECT_EQ(device.outstanding(), 0U);
  EXPECT_EQ(machine.unit(machine.unit_of(device.source())).hardware().statistics().requests, 1U);
  EXPECT_FALSE(generate_dmar(board).empty());
}

} // namespace
} // namespace vtd::models
