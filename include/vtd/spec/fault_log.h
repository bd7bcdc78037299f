// SPDX-License-Identifier: Apache-2.0
#pragma once

// The advanced fault log in memory (VT-d 7.3.2).

#include "vtd/spec/address.h"
#include "vtd/spec/bits.h"
#include "vtd/spec/fault.h"

#include <cstddef>
#include <cstdint>

namespace vtd::spec {

/// One record of the log: 128 bits, as a fault record register has them,
/// without F; FR tells that it holds a fault that software has not seen.
struct fault_log_record {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  using address_field = field<63, 12>;
  // In the high word.
  using source_id_field = field<15, 0>;
  using privileged_field = field<29, 29>;
  using execute_field = field<30, 30>;
  using pasid_present_field = field<31, 31>;
  using reason_field = field<39, 32>;
  using pasid_field = field<59, 40>;
  using address_type_field = field<61, 60>;
  using read_field = field<62, 62>;

  /// FR is not 0: a fault that software has not taken; it writes 0 there when
  /// it has.
  [[nodiscard]] constexpr bool pending() const { return reason_field::get(hi) != 0; }
  /// FI: the page of the request.
  [[nodiscard]] constexpr std::uint64_t address() const { return lo & address_field::mask; }
  [[nodiscard]] constexpr source_id source() const {
    return source_id{static_cast<std::uint16_t>(source_id_field::get(hi))};
  }
  [[nodiscard]] constexpr fault_reason reason() const {
    return static_cast<fault_reason>(reason_field::get(hi));
  }
  /// AT of the request, as `remap::address_type` numbers it.
  [[nodiscard]] constexpr unsigned address_type() const {
    return static_cast<unsigned>(address_type_field::get(hi));
  }
  /// T: a read.
  [[nodiscard]] constexpr bool read() const { return read_field::get(hi) != 0; }
  constexpr fault_log_record& set_address(std::uint64_t address) {
    lo = page_base(address);
    return *this;
  }
  constexpr fault_log_record& set_source(source_id id) {
    hi = source_id_field::set(hi, id.value());
    return *this;
  }
  constexpr fault_log_record& set_reason(fault_reason reason) {
    hi = reason_field::set(hi, static_cast<std::uint64_t>(reason));
    return *this;
  }
  constexpr fault_log_record& set_address_type(unsigned type) {
    hi = address_type_field::set(hi, type);
    return *this;
  }
  constexpr fault_log_record& set_read(bool on) {
    hi = read_field::set(hi, on ? 1 : 0);
    return *this;
  }
  friend constexpr bool operator==(const fault_log_record&, const fault_log_record&) = default;
};
static_assert(sizeof(fault_log_record) == 16);

/// Bytes of a log with this FLS, 0 to 7 (VT-d 10.4.15), and the records in it.
[[nodiscard]] constexpr std::size_t fault_log_bytes(unsigned fls) { return std::size_t{page_size} << fls; }
[[nodiscard]] constexpr std::size_t fault_log_records(unsigned fls) {
  return fault_log_bytes(fls) / sizeof(fault_log_record);
}

} // namespace vtd::spec
