// SPDX-License-Identifier: Apache-2.0
// One function: its header, BARs, capabilities, message and resets.

#include "vtd/pci_topology/function.h"

#include "support/pci_machine.h"
#include "vtd/pci_topology/registers.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace vtd::pci_topology {
namespace {

using spec::source_id;
using test::bdf;
using test::leaf;
using scene = test::pci_machine;

TEST(function, a_bar_tells_its_size_when_ones_are_written) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  nic->write(reg::bar0, 4, ~0U);
  nic->write(reg::bar0 + 4, 4, ~0U);
  EXPECT_EQ(nic->read(reg::bar0, 4), 0xffff0004U);
  EXPECT_EQ(nic->read(reg::bar0 + 4, 4), 0xffffffffU);
}

TEST(function, the_capability_chain_can_be_walked) {
  scene s;
  std::vector<std::uint32_t> ids;
  for (unsigned at = s.read(bdf(1, 0, 0), reg::capability_pointer, 1); at != 0;
       at = s.read(bdf(1, 0, 0), at + 1, 1)) {
    ids.push_back(s.read(bdf(1, 0, 0), at, 1));
    ASSERT_LT(ids.size(), 10U);
  }
  EXPECT_EQ(ids, (std::vector<std::uint32_t>{0x01, 0x05, 0x10}));
}

TEST(function, ids_and_class_cannot_be_written) {
  scene s;
  const std::uint32_t before = s.read(bdf(1, 0, 0), 0, 4);
  s.write(bdf(1, 0, 0), 0, 4, 0);
  s.write(bdf(1, 0, 0), reg::class_code, 1, 0x55);
  EXPECT_EQ(s.read(bdf(1, 0, 0), 0, 4), before);
  EXPECT_EQ(s.read(bdf(1, 0, 0), reg::class_code, 1), 0U);
}

TEST(function, its_message_is_what_software_wrote_once_msi_is_on) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  const auto wanted = spec::msi_message::to_cpu(1, 0x44);
  nic->write(0x64, 4, static_cast<std::uint32_t>(wanted.address));
  nic->write(0x6c, 2, wanted.data);
  EXPECT_FALSE(nic->message());
  nic->write(0x62, 2, reg::msi_enable);
  EXPECT_EQ(nic->message(), wanted);
}

TEST(function, a_secondary_bus_reset_resets_what_is_below_and_nothing_else) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  function* const audio = s.find(bdf(0, 0x1b, 0));
  s.write(bdf(0, 1, 0), reg::bridge_control, 2, reg::bridge_secondary_reset);
  EXPECT_EQ(nic->resets(), 1U);
  EXPECT_FALSE(nic->memory_enabled());
  EXPECT_EQ(audio->resets(), 0U);
  s.write(bdf(0, 1, 0), reg::bridge_control, 2, reg::bridge_secondary_reset);
  EXPECT_EQ(nic->resets(), 1U) << "held, not pulsed again";
}

TEST(function, a_function_level_reset_resets_it_alone) {
  scene s;
  s.write(bdf(1, 0, 0), 0x70 + reg::express_device_control, 2, reg::express_initiate_reset);
  EXPECT_EQ(s.find(bdf(1, 0, 0))->resets(), 1U);
  EXPECT_FALSE(s.find(bdf(1, 0, 0))->bus_master());
  EXPECT_EQ(s.find(bdf(0, 1, 0))->resets(), 0U);
}

TEST(function, the_extended_capabilities_are_a_chain_of_their_own) {
  function_description d = leaf(0);
  d.capabilities.push_back({.kind = capability_kind::advanced_error_reporting, .offset = 0x100});
  d.capabilities.push_back({.kind = capability_kind::access_control, .offset = 0x140, .version = 2});
  function f(d, nullptr);
  EXPECT_EQ(f.read(0x100, 4), 0x14010001U) << "next at 140h, version 1, id 1";
  EXPECT_EQ(f.read(0x140, 4), 0x0002000dU) << "the last one";
  EXPECT_EQ(f.capability(capability_kind::access_control), 0x140U);
  EXPECT_EQ(f.capability(capability_kind::msix), 0U);
}

TEST(function, without_the_capability_a_reset_bit_means_nothing) {
  function_description d = leaf(0);
  d.capabilities[2].function_level_reset = false;
  function f(d, nullptr);
  f.write(0x70 + reg::express_device_control, 2, reg::express_initiate_reset);
  EXPECT_EQ(f.resets(), 0U);
}

TEST(function, a_function_level_reset_through_the_advanced_features_works_too) {
  function_description d = leaf(0);
  d.capabilities = {{.kind = capability_kind::advanced_features, .offset = 0x98}};
  function f(d, nullptr);
  f.write(reg::command, 2, reg::command_bus_master);
  f.write(0x98 + 5, 1, 1);
  EXPECT_EQ(f.resets(), 0U) << "that is the status byte";
  f.write(0x98 + 4, 1, 1);
  EXPECT_EQ(f.resets(), 1U);
  EXPECT_FALSE(f.bus_master());
}

TEST(function, tells_its_listener_of_every_write_and_every_reset) {
  scene s;
  function* const nic = s.find(bdf(1, 0, 0));
  unsigned told = 0;
  nic->set_listener([&] { ++told; });
  nic->write(reg::command, 2, 0);
  EXPECT_EQ(told, 1U);
  s.write(bdf(0, 1, 0), reg::bridge_control, 2, reg::bridge_secondary_reset);
  EXPECT_EQ(told, 2U) << "the bridge above reset it";
  nic->set_listener({});
  nic->write(reg::command, 2, 0);
  EXPECT_EQ(told, 2U);
}

TEST(function, an_address_of_a_bar_is_told_only_while_it_is_decoded) {
  function_description d = leaf(0);
  d.bars.push_back({2, 256, true, false, false, std::nullopt});
  function f(d, nullptr);
  f.set_bar_address(0, 0x4'0000'0000);
  f.set_bar_address(2, 0x3000);
  EXPECT_FALSE(f.bar_address(0));
  f.write(reg::command, 2, reg::command_memory);
  EXPECT_EQ(f.bar_address(0), 0x4'0000'0000U);
  EXPECT_FALSE(f.bar_address(2)) << "I/O decoding is off";
  f.write(reg::command, 2, reg::command_io);
  EXPECT_EQ(f.bar_address(2), 0x3000U);
  EXPECT_FALSE(f.bar_address(4)) << "there is none";
}

TEST(function, a_message_of_a_32_bit_capability_has_its_data_where_the_upper_address_would_be) {
  function_description d = leaf(0);
  d.capabilities = {{.kind = capability_kind::msi, .offset = 0x60}};
  function f(d, nullptr);
  f.write(0x64, 4, 0xfee01000);
  f.write(0x68, 2, 0x0041);
  f.write(0x62, 2, reg::msi_enable);
  EXPECT_EQ(f.message(), (spec::msi_message{0xfee01000, 0x41}));
}

TEST(function, the_mask_bits_of_thirty_two_vectors_can_all_be_written) {
  function_description d = leaf(0);
  d.capabilities = {{.kind = capability_kind::msi, .offset = 0x60, .maskable = true, .vectors = 5}};
  function f(d, nullptr);
  f.write(0x6c, 4, ~0U);
  EXPECT_EQ(f.read(0x6c, 4), ~0U);
}

// What cannot be built is refused, with the function and what is wrong with it.
void expect_refused(const function_description& d, const std::string& what) {
  try {
    const function f(d, nullptr);
    FAIL() << "accepted, expected: " << what;
  } catch (const std::invalid_argument& error) {
    const std::string said = error.what();
    EXPECT_NE(said.find("00:07.0"), std::string::npos) << said;
    EXPECT_NE(said.find(what), std::string::npos) << said;
  }
}

TEST(function, with_bars_that_cannot_be_is_refused) {
  const auto with = [](std::vector<bar_description> bars) {
    function_description d = leaf(7);
    d.bars = std::move(bars);
    return d;
  };
  expect_refused(with({{0, 3000, false, false, false, std::nullopt}}), "a power of two");
  expect_refused(with({{5, 4096, false, true, false, std::nullopt}}), "an index that is there");
  expect_refused(with({{7, 4096, false, false, false, std::nullopt}}), "an index that is there");
  expect_refused(with({{0, 8, false, false, false, std::nullopt}}), "at least 16");
  expect_refused(with({{0, 2, true, false, false, std::nullopt}}), "at least 4");
  expect_refused(with({{0, std::uint64_t{1} << 32, false, false, false, std::nullopt}}), "bits_64");
  expect_refused(
      with({{0, 4096, false, true, false, std::nullopt}, {1, 4096, false, false, false, std::nullopt}}),
      "no other BAR");
  const function fits(with({{0, std::uint64_t{1} << 32, false, true, true, std::nullopt},
                            {2, 16, false, false, false, std::nullopt},
                            {3, 4, true, false, false, std::nullopt}}),
                      nullptr);
}

TEST(function, with_capabilities_that_cannot_be_is_refused) {
  const auto with = [](std::vector<capability_description> capabilities) {
    function_description d = leaf(7);
    d.capabilities = std::move(capabilities);
    return d;
  };
  expect_refused(with({{.kind = capability_kind::msi, .offset = 0x3c}}), "does not fit");
  expect_refused(with({{.kind = capability_kind::msi, .offset = 0x42}}), "does not fit");
  expect_refused(with({{.kind = capability_kind::msi, .offset = 0xf8}}), "does not fit");
  expect_refused(with({{.kind = capability_kind::power_management, .offset = 0x50},
                       {.kind = capability_kind::msi, .offset = 0x54}}),
                 "overlaps that at offset 80");
  expect_refused(with({{.kind = capability_kind::msi, .offset = 0x54},
                       {.kind = capability_kind::power_management, .offset = 0x50}}),
                 "overlaps that at offset 84");
  expect_refused(with({{.kind = capability_kind::msi, .offset = 0x50, .vectors = 6}}), "2^5");
  expect_refused(with({{.kind = capability_kind::pci_express, .offset = 0x50, .max_payload = 300}}),
                 "128 to 4096");
  const function fits(with({{.kind = capability_kind::power_management, .offset = 0x50},
                            {.kind = capability_kind::msi, .offset = 0x58}}),
                      nullptr);
}

TEST(function, is_named_by_the_bus_it_is_on) {
  scene s;
  const function* const device = s.find(bdf(4, 2, 0));
  EXPECT_EQ(device->bus(), 4);
  EXPECT_EQ(device->parent()->id(), bdf(3, 0, 0));
  s.write(bdf(3, 0, 0), reg::secondary_bus, 1, 9);
  EXPECT_EQ(device->id(), bdf(9, 2, 0)) << "as the bridge above is programmed now";
}

} // namespace
} // namespace vtd::pci_topology
