// SPDX-License-Identifier: Apache-2.0
// Reserved regions (VT-d 8.4): memory that firmware lets a device use, mapped to itself wherever the device
// is.

#include "vtd/driver/driver.h"
#include "vtd/driver/error.h"
#include "vtd/driver/text.h"

#include <algorithm>
#include <cinttypes>

namespace vtd::driver {

namespace {

page_ranges united(page_ranges ranges) {
  std::sort(ranges.begin(), ranges.end());
  page_ranges out;
  for (const auto& [begin, end] : ranges) {
    if (!out.empty() && begin <= out.back().second) {
      out.back().second = std::max(out.back().second, end);
    } else {
      out.emplace_back(begin, end);
    }
  }
  return out;
}

page_ranges without(const page_ranges& from, const page_ranges& these) {
  page_ranges out;
  for (auto [begin, end] : from) {
    for (const auto& [first, last] : these) {
      if (last <= begin || first >= end) continue;
      if (first > begin) out.emplace_back(begin, first);
      begin = std::min(last, end);
    }
    if (begin < end) out.emplace_back(begin, end);
  }
  return out;
}

page_ranges both(const page_ranges& one, const page_ranges& other) {
  return without(one, without(one, other));
}

} // namespace

std::vector<function_address> driver::users_of(const reserved_region_info& region) const {
  std::vector<function_address> users;
  for (const scope_info& scope : region.scopes) {
    const auto named = resolve(region.segment, scope);
    users.insert(users.end(), named.begin(), named.end());
  }
  return users;
}

// What a domain can map of the regions of a function.
page_ranges driver::reserved_ranges(const domain& in, const function_address& who) const {
  const table_shape& shape = in.tables().shape();
  const std::uint64_t reach = std::uint64_t{1} << std::min(shape.input_width, shape.host_address_width);
  page_ranges ranges;
  for (const reserved_region_info& region : table_.reserved_regions) {
    if (!region.usable || region.base >= reach) continue;
    const auto users = users_of(region);
    if (std::find(users.begin(), users.end(), who) == users.end()) continue;
    ranges.emplace_back(spec::page_base(region.base),
                        spec::page_base(std::min(region.limit, reach - 1)) + spec::page_size);
  }
  return united(std::move(ranges));
}

void driver::unmap_regions(domain& in, const page_ranges& ranges) {
  in.regions_ = without(in.regions_, ranges);
  for (const auto& [begin, end] : ranges)
    unmap(in, begin, end - begin);
}

// What of them is not mapped yet. What another member brought, or software mapped so itself, serves as well.
page_ranges driver::missing_regions(domain& in, const function_address& who) const {
  page_ranges missing;
  for (const auto& [begin, end] : reserved_ranges(in, who)) {
    for (std::uint64_t page = begin; page != end; page += spec::page_size) {
      const auto there = in.tables().find(page);
      if (!there) {
        if (missing.empty() || missing.back().second != page) missing.emplace_back(page, page);
        missing.back().second += spec::page_size;
      } else if (there->physical != page || there->rights != page_rights{}) {
        throw driver_error(to_string(who) + printed(": domain %s maps 0x%" PRIx64
                                                    " of its reserved region to 0x%" PRIx64
                                                    "%s, expected to itself with all rights",
                                                    in.name().c_str(), page, there->physical,
                                                    there->physical == page ? " with fewer rights" : ""));
      }
    }
  }
  return missing;
}

// The ranges that were mapped for it.
page_ranges driver::bring_regions(domain& to, const function_address& who) {
  if (forget_.reserved_regions || &to == firmware_) return {}; // there they are from the start on
  page_ranges brought;
  try {
    for (const auto& [begin, end] : missing_regions(to, who)) {
      map(to, begin, begin, end - begin);
      brought.emplace_back(begin, end);
    }
  } catch (const driver_error&) {
    unmap_regions(to, brought);
    throw;
  }
  page_ranges all = to.regions_;
  all.insert(all.end(), brought.begin(), brought.end());
  to.regions_ = united(std::move(all));
  return brought;
}

// A function has left: its regions go, as far as `attach` mapped them and no other member needs them.
void driver::take_regions(domain& from, const function_address& who) {
  page_ranges mine = both(from.regions_, reserved_ranges(from, who));
  for (const auto& [key, owner] : attached_) {
    if (owner == &from && !mine.empty()) mine = without(mine, reserved_ranges(from, {key.first, key.second}));
  }
  unmap_regions(from, mine);
}

} // namespace vtd::driver
