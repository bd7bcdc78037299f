// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/function_list.h"

#include "vtd/driver/text.h"

namespace vtd::driver {

std::string to_string(const function_address& address) {
  const std::string id = spec::to_string(address.id);
  return address.segment == 0 ? id : printed("%04x:", address.segment) + id;
}

} // namespace vtd::driver
