// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/config.h"

#include "support/unit_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace vtd::test {
namespace {

using dmar::unit_config;
using testing::HasSubstr;

std::string refusal(const unit_config& config) {
  try {
    (void)dmar::checked(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(unit_config, has_ranges_whose_ends_are_taken_and_what_is_beyond_is_refused_by_name) {
  struct row {
    std::string name;
    unsigned least;
    unsigned most;
    std::function<void(unit_config&, unsigned)> set;
  };
  const std::vector<row> rows{
      {"ports", 1, dmar::most_ports, [](unit_config& c, unsigned to) { c.ports = to; }},
      {"walkers", 1, dmar::most_walkers, [](unit_config& c, unsigned to) { c.timing.walkers = to; }},
      {"requests", 1, dmar::most_requests, [](unit_config& c, unsigned to) { c.timing.requests = to; }},
      {"queue_prefetch", 0, dmar::most_prefetched,
       [](unit_config& c, unsigned to) { c.timing.queue_prefetch = to; }},
      {"protected_region_shift", 12, 31, [](unit_config& c, unsigned to) { c.protected_region_shift = to; }},
      {"host_address_width", 30, 52, [](unit_config& c, unsigned to) { c.caps.host_address_width = to; }},
      {"entry_beats", 1, 2, [](unit_config& c, unsigned to) { c.caps.entry_beats = to; }},
  };
  for (const row& each : rows) {
    unit_config config = config_of(small_part());
    config.name = "graphics";
    for (const unsigned good : {each.least, each.most}) {
      each.set(config, good);
      EXPECT_EQ(refusal(config), "") << each.name << ' ' << good;
    }
    std::vector<unsigned> beyond{each.most + 1};
    if (each.least != 0) beyond.push_back(each.least - 1);
    for (const unsigned bad : beyond) {
      each.set(config, bad);
      EXPECT_EQ(refusal(config), "graphics: " + each.name + ": got " + std::to_string(bad) + ", expected " +
                                     std::to_string(each.least) + " to " + std::to_string(each.most));
    }
  }
}

TEST(unit_config, has_host_addresses_that_its_largest_pages_fit) {
  struct row {
    unsigned sps;
    unsigned level;
    unsigned width;
  };
  for (const row& each : {row{0b0100, 4, 39}, row{0b0111, 4, 39}, row{0b1000, 5, 48}, row{0b1111, 5, 48}}) {
    unit_config config = config_of(wide_part());
    config.caps.cap.set_sps(each.sps);
    config.caps.host_address_width = each.width;
    EXPECT_EQ(refusal(config), "");
    config.caps.host_address_width = each.width - 1;
    EXPECT_EQ(refusal(config), "unit: host_address_width: got " + std::to_string(each.width - 1) +
                                   ", expected " + std::to_string(each.width) +
                                   " or more, for the pages of level " + std::to_string(each.level) +
                                   " that CAP.SPS has");
  }
  // 2 MB and 1 GB fit any host.
  unit_config config = config_of(wide_part());
  config.caps.cap.set_sps(0b0011);
  config.caps.host_address_width = remap::least_host_address_width;
  EXPECT_EQ(refusal(config), "");
}

TEST(unit_config, gives_devices_some_time_to_complete_an_invalidation) {
  unit_config config = config_of(small_part());
  config.timing.device_timeout = 1;
  EXPECT_EQ(refusal(config), "");
  config.timing.device_timeout = 0;
  EXPECT_THAT(refusal(config), HasSubstr("device_timeout: got 0, expected 1 or more"));
}

// Whoever builds a unit gets these for all that is not said.
TEST(unit_config, has_its_defaults) {
  const dmar::unit_timing timing;
  EXPECT_EQ(timing.requests, 16U);
  EXPECT_EQ(timing.walkers, 1U);
  EXPECT_EQ(timing.register_access, 8U);
  EXPECT_EQ(timing.command, 8U);
  EXPECT_EQ(timing.context_invalidation, 16U);
  EXPECT_EQ(timing.iotlb_invalidation_global, 32U);
  EXPECT_EQ(timing.iotlb_invalidation_domain, 32U);
  EXPECT_EQ(timing.iotlb_invalidation_page, 16U);
  EXPECT_EQ(timing.drain, 0U);
  EXPECT_EQ(timing.descriptor_fetch, 2U);
  EXPECT_EQ(timing.descriptor_decode, 1U);
  EXPECT_EQ(timing.queue_prefetch, 1U);
  EXPECT_EQ(timing.status_write, 2U);
  EXPECT_EQ(timing.device_invalidation, 2U);
  EXPECT_EQ(timing.device_timeout, 1'000'000U);
  EXPECT_EQ(timing.fault_recording, 1U);
  EXPECT_EQ(timing.event_message, 4U);
  const unit_config config;
  EXPECT_EQ(config.name, "unit");
  EXPECT_EQ(config.ports, 1U);
  EXPECT_EQ(config.protected_region_shift, 21U) << "blocks of 2 MB";
  EXPECT_TRUE(config.context_domain_compared);
  EXPECT_TRUE(config.queue_address_clears_pointers);
  for (const bool off : {config.protect_translated, config.hidden_write_buffer, config.whole_domain_tables,
                         config.compress_faults, config.queue_flushes_write_buffer})
    EXPECT_FALSE(off);
}

TEST(unit_config, that_cannot_be_built_builds_no_unit) {
  unit_config config = config_of(small_part());
  EXPECT_NO_THROW(unit_world{config});
  config.timing.requests = 0;
  EXPECT_THROW(unit_world{config}, std::invalid_argument);
}

} // namespace
} // namespace vtd::test
