// SPDX-License-Identifier: Apache-2.0
// A device on its link: descriptors from memory, data both ways, messages, bus mastering and resets.

#include "vtd/platform/endpoint.h"

#include "support/pci_machine.h"
#include "support/tlm_probe.h"
#include "vtd/host/store_path.h"
#include "vtd/pci_topology/registers.h"
#include "vtd/platform/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <span>

namespace vtd::test {
namespace {

using pci_topology::dma_engine;
using reg = dma_engine::reg;
using operation = dma_engine::operation;
using descriptor = dma_engine::descriptor;
using testing::HasSubstr;
namespace config = pci_topology::reg;

constexpr std::uint64_t ring = 0x10000;
constexpr std::uint64_t source = 0x20000;
constexpr std::uint64_t destination = 0x30000;
constexpr platform::link_timing link{1000, 1000, 0, 24};
constexpr engine::picoseconds long_enough = 100000000;

// The device at 01:00.0, or another, in front of a chipset that is a memory and notes messages.
struct scene {
  pci_machine pci;
  pci_topology::function& function;
  host::sparse_memory store{1U << 20};
  host::store_path path{store, {}};
  platform::endpoint device;
  probe_target chipset{"chipset"};
  std::vector<spec::msi_message> messages;
  std::vector<spec::source_id> sources;

  explicit scene(spec::source_id who = bdf(1, 0, 0))
      : function(*pci.find(who)), device("device", function, link) {
    device.port.socket.bind(chipset.socket);
    chipset.completes = true;
    chipset.on_request = [this](tlm::tlm_generic_payload& trans) { serve(trans); };
  }
  void serve(tlm::tlm_generic_payload& trans) {
    sources.push_back(trans.get_extension<platform::dma_extension>()->source);
    if (spec::in_interrupt_range(trans.get_address())) {
      spec::msi_message message{trans.get_address(), 0};
      std::memcpy(&message.data, trans.get_data_ptr(), 4);
      messages.push_back(message);
      return;
    }
    auto* const data = reinterpret_cast<std::byte*>(trans.get_data_ptr());
    const bool ok = trans.is_read() ? path.device_read(trans.get_address(), {data, trans.get_data_length()})
                                    : path.device_write(trans.get_address(), {data, trans.get_data_length()});
    chipset.status = ok ? tlm::TLM_OK_RESPONSE : tlm::TLM_ADDRESS_ERROR_RESPONSE;
  }
  void start(std::uint32_t control = dma_engine::run | dma_engine::interrupts_on) {
    device.write(reg::ring, static_cast<std::uint32_t>(ring));
    device.write(reg::ring_size, 8);
    device.write(reg::control, control);
  }
  void order(operation what, std::uint32_t length, std::uint64_t from = source,
             std::uint64_t to = destination) {
    const std::uint32_t at = device.read(reg::tail);
    descriptor d;
    d.order = descriptor::operation_field::of(static_cast<std::uint64_t>(what)) |
              descriptor::interrupt_field::of(1) | descriptor::length_field::of(length);
    d.source = from;
    d.destination = to;
    path.cpu_store(ring + at * sizeof(d), std::as_bytes(std::span(&d, 1)));
    device.write(reg::tail, at + 1);
  }
  std::uint64_t result(unsigned index) {
    return path.cpu_load<std::uint64_t>(ring + index * sizeof(descriptor) + offsetof(descriptor, result))
        .value_or(0);
  }
  void switch_msi_on(std::uint8_t vector) {
    const auto wanted = spec::msi_message::to_cpu(0, vector);
    const unsigned at = function.capability(pci_topology::capability_kind::msi);
    function.write(at + config::msi_address, 4, static_cast<std::uint32_t>(wanted.address));
    function.write(at + config::msi_address_upper + 4, 2, wanted.data);
    function.write(at + config::msi_control, 2, config::msi_enable);
  }
  void set_bus_master(bool on) {
    function.write(config::command, 2, config::command_memory | (on ? config::command_bus_master : 0));
  }
  void reset_function() {
    function.write(function.capability(pci_topology::capability_kind::pci_express) +
                       config::express_device_control,
                   2, config::express_initiate_reset);
  }
};

TEST(endpoint, copies_what_a_descriptor_in_memory_says_and_writes_back_that_it_did) {
  scene s;
  for (unsigned i = 0; i < 64; ++i)
    s.path.cpu_store(source + i * 8, std::uint64_t{i} * 0x0101010101010101);
  in_thread([&] {
    s.start();
    s.order(operation::copy, 512);
    EXPECT_NE(s.device.read(reg::status) & dma_engine::busy, 0U);
    wait_ps(long_enough);
    EXPECT_EQ(s.device.read(reg::status) & dma_engine::busy, 0U);
    EXPECT_EQ(s.result(0) & 3, 1U);
    for (unsigned i = 0; i < 64; ++i)
      EXPECT_EQ(s.path.cpu_load<std::uint64_t>(destination + i * 8), std::uint64_t{i} * 0x0101010101010101);
  });
}

TEST(endpoint, its_requests_carry_the_id_that_the_root_complex_sees) {
  scene s(bdf(5, 3, 0));
  in_thread([&] {
    s.start();
    s.order(operation::fill, 64);
    wait_ps(long_enough);
    ASSERT_EQ(s.sources.size(), 3U);
    for (const auto who : s.sources)
      EXPECT_EQ(who, bdf(0, 0x1e, 0)) << "the conventional bridge's";
  });
}

TEST(endpoint, sends_its_message_after_the_result_was_written) {
  scene s;
  s.switch_msi_on(0x51);
  in_thread([&] {
    s.start();
    std::uint64_t seen = 0;
    s.chipset.on_request = [&](tlm::tlm_generic_payload& trans) {
      s.serve(trans);
      if (spec::in_interrupt_range(trans.get_address())) seen = s.result(0);
    };
    s.order(operation::fill, 8);
    wait_ps(long_enough);
    ASSERT_EQ(s.messages.size(), 1U);
    EXPECT_EQ(s.messages[0], spec::msi_message::to_cpu(0, 0x51));
    EXPECT_EQ(seen & 1, 1U);
  });
}

TEST(endpoint, sends_no_message_while_msi_is_off) {
  scene s;
  in_thread([&] {
    s.start();
    s.order(operation::fill, 8);
    wait_ps(long_enough);
    EXPECT_EQ(s.device.read(reg::status), dma_engine::interrupt);
    EXPECT_TRUE(s.messages.empty());
  });
}

TEST(endpoint, sends_nothing_without_bus_mastering_and_goes_on_when_that_comes) {
  scene s;
  s.set_bus_master(false);
  in_thread([&] {
    s.start();
    s.order(operation::fill, 8, 0x77);
    wait_ps(long_enough);
    EXPECT_TRUE(s.sources.empty());
    s.set_bus_master(true);
    wait_ps(long_enough);
    EXPECT_EQ(s.sources.size(), 3U);
    EXPECT_EQ(s.path.cpu_load<std::uint64_t>(destination), 0x77U);
  });
}

TEST(endpoint, keeps_its_message_back_while_bus_mastering_is_off) {
  scene s;
  s.switch_msi_on(0x52);
  in_thread([&] {
    s.start();
    s.order(operation::fill, 8);
    // The result is on its way when software switches bus mastering off.
    s.chipset.on_request = [&](tlm::tlm_generic_payload& trans) {
      s.serve(trans);
      if (trans.get_address() == ring + offsetof(descriptor, result)) s.set_bus_master(false);
    };
    wait_ps(long_enough);
    EXPECT_EQ(s.result(0) & 1, 1U);
    EXPECT_TRUE(s.messages.empty());
    s.set_bus_master(true);
    wait_ps(long_enough);
    EXPECT_EQ(s.messages.size(), 1U) << "late, but once";
  });
}

TEST(endpoint, an_error_response_becomes_an_error_of_the_descriptor) {
  scene s;
  in_thread([&] {
    s.start();
    s.order(operation::read, 64, 1U << 20);
    wait_ps(long_enough);
    EXPECT_EQ(s.result(0) & 3, 3U);
    EXPECT_NE(s.device.read(reg::status) & dma_engine::error, 0U);
    EXPECT_EQ(s.device.read(reg::error_address), 1U << 20);
  });
}

TEST(endpoint, a_function_level_reset_is_seen_by_the_next_read_of_a_register) {
  scene s;
  in_thread([&] {
    s.start();
    s.order(operation::fill, 8);
    wait_ps(long_enough);
    ASSERT_EQ(s.device.read(reg::head), 1U);
    s.reset_function();
    EXPECT_EQ(s.device.read(reg::head), 0U);
    EXPECT_EQ(s.device.read(reg::control), 0U);
    EXPECT_EQ(s.device.read(reg::ring), 0U);
  });
}

TEST(endpoint, what_was_under_way_at_a_reset_ends_without_a_trace) {
  scene s;
  s.switch_msi_on(0x53);
  in_thread([&] {
    s.start();
    s.order(operation::fill, 4096, 0x1111111111111111);
    wait_ps(3 * link.request + 500);
    ASSERT_NE(s.device.read(reg::status) & dma_engine::busy, 0U);
    s.reset_function();
    wait_ps(long_enough);
    EXPECT_EQ(s.result(0), 0U) << "no result";
    EXPECT_TRUE(s.messages.empty());
    EXPECT_EQ(s.device.port.outstanding(), 0U);
    s.set_bus_master(true);
    s.start();
    s.order(operation::fill, 8, 0x2222222222222222, destination + 0x2000);
    wait_ps(long_enough);
    EXPECT_EQ(s.result(0) & 3, 1U) << "and afterwards it works as new";
    EXPECT_EQ(s.path.cpu_load<std::uint64_t>(destination + 0x2000), 0x2222222222222222U);
  });
}

TEST(endpoint, a_reset_of_the_bus_above_resets_it_too) {
  scene s;
  in_thread([&] {
    s.start();
    s.pci.write(bdf(0, 1, 0), config::bridge_control, 2, config::bridge_secondary_reset);
    EXPECT_EQ(s.device.read(reg::control), 0U);
  });
}

TEST(endpoint, names_its_socket_when_nobody_bound_it) {
  pci_machine pci;
  platform::endpoint device("my_device", *pci.find(bdf(1, 0, 0)), link);
  EXPECT_THAT(elaboration_error(), HasSubstr("my_device.port.socket is not bound"));
}

} // namespace
} // namespace vtd::test
