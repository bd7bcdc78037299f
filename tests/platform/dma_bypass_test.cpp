// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/dma_bypass.h"

#include "support/tlm_probe.h"
#include "vtd/spec/address.h"

#include <gtest/gtest.h>

#include <string>

namespace vtd::test {
namespace {

TEST(dma_bypass, sends_writes_of_the_interrupt_range_to_the_interrupts_and_all_else_to_memory_at_once) {
  platform::dma_bypass way("way", 1);
  probe_initiator device("device");
  probe_target memory("memory");
  probe_target interrupts("interrupts");
  device.socket.bind(way.upstream[0]);
  way.memory[0].bind(memory.socket);
  way.interrupts[0].bind(interrupts.socket);
  tlm::tlm_generic_payload trans;
  const auto send = [&](tlm::tlm_command command, std::uint64_t address) {
    trans.set_command(command);
    trans.set_address(address);
    EXPECT_EQ(device.loosely(trans), 0U);
  };
  send(tlm::TLM_WRITE_COMMAND, 0x1000);
  send(tlm::TLM_READ_COMMAND, spec::interrupt_range_first);
  EXPECT_EQ(memory.loosely.size(), 2U);
  EXPECT_TRUE(interrupts.loosely.empty());
  send(tlm::TLM_WRITE_COMMAND, spec::interrupt_range_first);
  EXPECT_EQ(memory.loosely.size(), 2U);
  EXPECT_EQ(interrupts.loosely.size(), 1U);
}

TEST(dma_bypass, names_the_sockets_that_nobody_bound) {
  const platform::dma_bypass lonely("my_way", 2);
  const std::string said = elaboration_error();
  for (const char* member :
       {"upstream[0]", "upstream[1]", "memory[0]", "memory[1]", "interrupts[0]", "interrupts[1]"})
    EXPECT_NE(said.find(std::string("my_way.") + member + " is not bound"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
