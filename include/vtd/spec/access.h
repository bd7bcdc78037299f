// SPDX-License-Identifier: Apache-2.0
#pragma once

// How software and hardware may touch a register's bits (VT-d 10.4), and the run-time view of a register that
// register files, tests and tools are built on.

#include "vtd/spec/bits.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace vtd::spec {

enum class access : std::uint8_t {
  /// Read only, constant.
  ro,
  /// Read only, hardware changes it.
  ro_v,
  /// As ro_v, and survives a warm reset.
  ros_v,
  rw,
  /// Read and write, hardware changes it too.
  rw_v,
  /// Software sets, hardware clears when done.
  rw_sc,
  /// Write only, reads 0.
  wo,
  /// Writing 1 clears.
  rw1c,
  /// Writing 1 clears; survives a warm reset.
  rw1cs,
  /// Reserved: reads 0, software writes 0.
  rsvdz,
  /// Reserved: software preserves it; reads 0 here.
  rsvdp
};

[[nodiscard]] constexpr std::string_view to_string(access kind) {
  switch (kind) {
  case access::ro:
    return "RO";
  case access::ro_v:
    return "RO-V";
  case access::ros_v:
    return "ROS-V";
  case access::rw:
    return "RW";
  case access::rw_v:
    return "RW-V";
  case access::rw_sc:
    return "RW-SC";
  case access::wo:
    return "WO";
  case access::rw1c:
    return "RW1C";
  case access::rw1cs:
    return "RW1CS";
  case access::rsvdz:
    return "RsvdZ";
  case access::rsvdp:
    return "RsvdP";
  }
  return "?";
}

/// Does a software write change the stored bit to what was written?
[[nodiscard]] constexpr bool is_writable(access kind) {
  return kind == access::rw || kind == access::rw_v || kind == access::rw_sc || kind == access::wo;
}
[[nodiscard]] constexpr bool is_write_one_to_clear(access kind) {
  return kind == access::rw1c || kind == access::rw1cs;
}
/// Survives a warm reset.
[[nodiscard]] constexpr bool is_sticky(access kind) { return kind == access::ros_v || kind == access::rw1cs; }
[[nodiscard]] constexpr bool is_readable(access kind) {
  return kind != access::wo && kind != access::rsvdz && kind != access::rsvdp;
}

/// A revision of the specification: major number in the upper four bits, minor in the lower four. VER_REG is
/// no such number: it still reads 1.0 in parts of revision 2.
using spec_revision = std::uint8_t;
inline constexpr spec_revision rev_1_0 = 0x10;
inline constexpr spec_revision rev_1_1 = 0x11;
inline constexpr spec_revision rev_2_0 = 0x20;
inline constexpr spec_revision rev_2_2 = 0x22;
inline constexpr spec_revision rev_2_4 = 0x24;
inline constexpr spec_revision rev_2_5 = 0x25;
inline constexpr spec_revision rev_3_0 = 0x30;
inline constexpr spec_revision rev_3_3 = 0x33;
inline constexpr spec_revision rev_4_0 = 0x40;
inline constexpr spec_revision rev_4_1 = 0x41;
inline constexpr spec_revision rev_5_0 = 0x50;
inline constexpr spec_revision newest_revision = rev_5_0;

/// One field of a register, as a row of a table.
struct field_row {
  std::string_view name;
  unsigned msb = 0;
  unsigned lsb = 0;
  access kind = access::ro;
  /// Value after power-on, right-aligned. 0 where the part decides (CAP, ECAP).
  std::uint64_t reset = 0;
  /// First revision that has the field.
  spec_revision since = rev_1_0;
  /// What it is for, in a few words.
  std::string_view text;

  [[nodiscard]] constexpr std::uint64_t mask() const { return low_bits(msb - lsb + 1) << lsb; }
};

/// A register's field: a `field` that also knows its row of the table.
template <fixed_string Name, unsigned Msb, unsigned Lsb, access Kind, class Word, std::uint64_t Reset = 0,
          spec_revision Since = rev_1_0, fixed_string Text = "">
struct register_field : field<Msb, Lsb, Word> {
  static_assert(Reset <= field<Msb, Lsb, Word>::max);
  static constexpr access kind = Kind;
  static constexpr field_row row{Name.view(), Msb, Lsb, Kind, Reset, Since, Text.view()};
};

/// What a register's offset is counted from.
enum class register_base : std::uint8_t {
  /// The unit's register base.
  block,
  /// Base + ECAP.IRO x 16.
  iotlb,
  /// Base + CAP.FRO x 16, one record every 16 bytes.
  fault
};

/// One register at run time. All masks are of its own bits, right-aligned.
struct register_layout {
  std::string_view name;
  std::string_view title;
  std::uint32_t offset = 0;
  register_base base = register_base::block;
  /// 32 or 64.
  unsigned size_bits = 32;
  /// Section of the VT-d specification.
  std::string_view section;
  /// From low bits to high, none overlaps another.
  std::span<const field_row> fields;
  /// Is it there in a part with these CAP and ECAP values?
  bool (*exists)(std::uint64_t cap_value, std::uint64_t ecap_value) = nullptr;
  /// First revision that has the register.
  spec_revision since = rev_1_0;
  /// What the bits without a field are: rsvdz, or rsvdp where software must write them back as read.
  access gaps = access::rsvdz;

  /// As `exists`, and that revision of the specification has it.
  [[nodiscard]] constexpr bool exists_in(spec_revision revision, std::uint64_t cap_value,
                                         std::uint64_t ecap_value) const {
    return since <= revision && exists(cap_value, ecap_value);
  }

  [[nodiscard]] constexpr std::uint64_t mask_of(bool (*wanted)(access)) const {
    std::uint64_t mask = 0;
    for (const field_row& row : fields) {
      if (wanted(row.kind)) mask |= row.mask();
    }
    return mask;
  }
  [[nodiscard]] constexpr std::uint64_t writable() const { return mask_of(is_writable); }
  [[nodiscard]] constexpr std::uint64_t write_one_to_clear() const { return mask_of(is_write_one_to_clear); }
  [[nodiscard]] constexpr std::uint64_t sticky() const { return mask_of(is_sticky); }
  [[nodiscard]] constexpr std::uint64_t readable() const { return mask_of(is_readable); }
  /// The bits that no field has, or only a field of a later revision.
  [[nodiscard]] constexpr std::uint64_t reserved(spec_revision revision = newest_revision) const {
    std::uint64_t mask = low_bits(size_bits);
    for (const field_row& row : fields) {
      if (row.since <= revision) mask &= ~row.mask();
    }
    return mask;
  }
  /// Access to one bit, 0 to size_bits - 1; `gaps` for a reserved one.
  [[nodiscard]] constexpr access kind_at(unsigned bit) const {
    for (const field_row& row : fields) {
      if (bit >= row.lsb && bit <= row.msb) return row.kind;
    }
    return gaps;
  }
  /// Value after power-on.
  [[nodiscard]] constexpr std::uint64_t reset() const {
    std::uint64_t value = 0;
    for (const field_row& row : fields)
      value |= row.reset << row.lsb & row.mask();
    return value;
  }
};

/// Where a register stands, as a base class of its declaration, which adds its fields as `bits<...>`.
template <std::uint32_t Offset, class Word, register_base Base = register_base::block>
struct register_at {
  using word = Word;
  static constexpr std::uint32_t offset = Offset;
  static constexpr register_base base = Base;
  static constexpr unsigned size_bits = 8 * sizeof(Word);

  template <fixed_string Name, unsigned Msb, unsigned Lsb, access Kind, fixed_string Text,
            spec_revision Since = rev_1_0, std::uint64_t Reset = 0>
  using bits = register_field<Name, Msb, Lsb, Kind, Word, Reset, Since, Text>;
};

} // namespace vtd::spec
