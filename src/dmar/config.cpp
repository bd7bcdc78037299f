// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/config.h"

#include "vtd/dmar/register_places.h"
#include "vtd/spec/address.h"

#include <stdexcept>
#include <string>
#include <string_view>

namespace vtd::dmar {

namespace {

class limits {
public:
  explicit limits(const std::string& unit) : unit_(unit) {}

  template <class Number>
  void hold(std::string_view name, Number value, Number least, Number most) const {
    if (value >= least && value <= most) return;
    throw std::invalid_argument(unit_ + ": " + std::string(name) + ": got " + std::to_string(value) +
                                ", expected " + std::to_string(least) + " to " + std::to_string(most));
  }

private:
  const std::string& unit_;
};

} // namespace

unit_config checked(unit_config config) {
  const limits range(config.name);
  const unit_timing& timing = config.timing;
  const remap::capabilities& caps = config.caps;
  range.hold("ports", config.ports, 1U, most_ports);
  range.hold("walkers", timing.walkers, 1U, most_walkers);
  range.hold("requests", timing.requests, 1U, most_requests);
  range.hold("queue_prefetch", timing.queue_prefetch, 0U, most_prefetched);
  range.hold("protected_region_shift", config.protected_region_shift, unsigned{spec::page_shift}, 31U);
  range.hold("host_address_width", caps.host_address_width, remap::least_host_address_width,
             remap::most_host_address_width);
  const unsigned largest = caps.cap.largest_page_level();
  if (spec::level_shift(largest) > caps.host_address_width)
    throw std::invalid_argument(
        config.name + ": host_address_width: got " + std::to_string(caps.host_address_width) + ", expected " +
        std::to_string(spec::level_shift(largest)) + " or more, for the pages of level " +
        std::to_string(largest) + " that CAP.SPS has");
  range.hold("entry_beats", caps.entry_beats, 1U, 2U);
  if (timing.device_timeout == 0)
    throw std::invalid_argument(config.name + ": device_timeout: got 0, expected 1 or more");
  const auto conflict =
      find_register_conflict(caps.cap, caps.ecap, spec::reg::newest_revision(caps.version, caps.ecap));
  if (conflict) throw std::invalid_argument(config.name + ": expected " + to_string(*conflict));
  return config;
}

} // namespace vtd::dmar
