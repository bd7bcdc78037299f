// SPDX-License-Identifier: Apache-2.0
// The example of docs/platform.md, compiled and run.

#include "vtd/platform/dma_master.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/remapping_unit.h"

#include "support/parts.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

namespace vtd::test {
namespace {

TEST(page_example, of_a_platform_passes_a_write_while_translation_is_off) {
  using namespace vtd;
  platform::kernel_wheel wheel("wheel", engine::clock{3000}); // one a simulation, 333 MHz
  host::sparse_memory store(std::uint64_t{1} << 36);
  host::store_path path(store, {.cache = {}, .write_buffer_entries = 8});
  dmar::unit_config config{.caps = small_part(), .caches = small_caches()};
  platform::remapping_unit unit("unit", wheel, config);
  platform::memory memory("memory", path, {.read = 60000, .write = 60000, .table_read = 60000}, 1);
  platform::interrupt_sink interrupts("interrupts", 1);
  platform::dma_master device("device", spec::source_id::from_bdf(1, 0, 0), {.request = 200000});
  device.socket.bind(unit.upstream[0]);
  unit.memory.bind(memory.ports[0]);
  unit.interrupts.bind(interrupts.ports[0]);
  probe_initiator cpu("cpu"); // the driver's way to the registers
  cpu.socket.bind(unit.registers);

  bool ok = false;
  device.set_done([&](const platform::dma_master::result& r) { ok = r.ok; });
  in_thread([&] {
    device.write(0, 0x1000, std::as_bytes(std::span("hello", 5)));
    wait_ps(1000000);
  });
  EXPECT_TRUE(ok);
  EXPECT_EQ(store.load<std::uint8_t>(0x1000), 'h');
}

} // namespace
} // namespace vtd::test
