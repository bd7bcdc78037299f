// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/config.h"
#include "vtd/spec/registers.h"

#include <cstdint>
#include <vector>

namespace vtd::dmar {

/// *Assumed* for all parts: protected memory in blocks of 2 MB, the size of a large page, as no source tells
/// it.
inline constexpr unsigned usual_protected_region_shift = 21;

/// The registers of one unit: what software reads and writes follows the access kinds that spec/registers.h
/// declares, what hardware reads and stores does not. No behaviour: that is in `unit`.
class register_file {
public:
  /// Regions of protected memory begin and end at multiples of 2^`protected_region_shift` bytes, 12 to 31.
  explicit register_file(const remap::capabilities& caps,
                         unsigned protected_region_shift = usual_protected_region_shift);

  /// Bytes of the block: 4 KB, or more where the fault or IOTLB registers lie beyond (VT-d 10.1).
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(dwords_.size() * 4); }
  /// Aligned accesses of 4 or 8 bytes inside the block; no other is defined (VT-d 10.2).
  [[nodiscard]] bool is_legal(std::uint32_t offset, unsigned bytes) const {
    return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset <= size() - bytes;
  }

  // As software sees it.

  /// 0 for an access that is not legal, for reserved bits and for registers that this part does not have.
  [[nodiscard]] std::uint64_t read_bytes(std::uint32_t offset, unsigned bytes) const;
  void write_dword(std::uint32_t offset, std::uint32_t value);

  // As hardware sees it. `index` counts fault records.

  template <class Register>
  [[nodiscard]] typename Register::word read(unsigned index = 0) const {
    const std::size_t at = offset_of<Register>(index) / 4;
    std::uint64_t value = dwords_[at].value;
    if constexpr (Register::size_bits == 64) value |= std::uint64_t{dwords_[at + 1].value} << 32;
    return static_cast<typename Register::word>(value);
  }
  template <class Register>
  void store(typename Register::word value, unsigned index = 0) {
    const std::size_t at = offset_of<Register>(index) / 4;
    dwords_[at].value = static_cast<std::uint32_t>(value);
    if constexpr (Register::size_bits == 64) {
      dwords_[at + 1].value = static_cast<std::uint32_t>(std::uint64_t{value} >> 32);
    }
  }
  /// Does this part have the register?
  template <class Register>
  [[nodiscard]] bool has() const {
    return exists(Register::layout);
  }
  template <class Register>
  [[nodiscard]] std::uint32_t offset_of(unsigned index = 0) const {
    return base_of(Register::base) + Register::offset + 16 * index;
  }
  /// Does this dword belong to the register (to any of its records)?
  template <class Register>
  [[nodiscard]] bool is(std::uint32_t offset) const {
    const unsigned records = Register::base == spec::register_base::fault ? caps_.cap.fault_records() : 1;
    const std::uint32_t first = offset_of<Register>();
    return offset >= first && (offset - first) / 16 < records &&
           (offset - first) % 16 < Register::size_bits / 8;
  }
  template <class Register>
  [[nodiscard]] bool is_upper_half_of(std::uint32_t offset) const {
    return offset == offset_of<Register>() + 4;
  }

  /// Visits what this part has: visit(layout, record index, offset, value).
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const spec::register_layout& layout : spec::reg::all_registers()) {
      if (!exists(layout)) continue;
      const unsigned records = layout.base == spec::register_base::fault ? caps_.cap.fault_records() : 1;
      for (unsigned index = 0; index < records; ++index) {
        const std::uint32_t offset = base_of(layout.base) + layout.offset + 16 * index;
        visit(layout, index, offset, read_bytes(offset, layout.size_bits / 8));
      }
    }
  }

  /// What the registers hold; which there are follows from the capabilities.
  template <class Archive>
  void serialize(Archive& archive) {
    for (dword& each : dwords_)
      archive(each.value);
  }
  /// Reset values everywhere; a warm reset keeps sticky fields.
  void reset(bool power_on);

  /// Bytes of a block of protected memory, less one: bits of its registers that read 0, and of a limit count
  /// as ones. Software finds them out by writing ones (VT-d 10.4.17).
  [[nodiscard]] std::uint64_t below_protected_region() const {
    return spec::low_bits(protected_region_shift_);
  }

private:
  struct dword {
    std::uint32_t value = 0;
    std::uint32_t reset = 0;
    std::uint32_t writable = 0;
    std::uint32_t write_one_to_clear = 0;
    std::uint32_t readable = 0;
    std::uint32_t sticky = 0;
  };

  [[nodiscard]] std::uint32_t base_of(spec::register_base base) const {
    switch (base) {
    case spec::register_base::iotlb:
      return caps_.ecap.iotlb_offset();
    case spec::register_base::fault:
      return caps_.cap.fault_record_offset();
    case spec::register_base::block:
      break;
    }
    return 0;
  }
  [[nodiscard]] bool exists(const spec::register_layout& layout) const {
    return layout.exists_in(revision(), caps_.cap.value, caps_.ecap.value);
  }
  [[nodiscard]] spec::spec_revision revision() const;
  [[nodiscard]] std::uint64_t unimplemented(const spec::register_layout& layout) const;

  remap::capabilities caps_;
  unsigned protected_region_shift_;
  std::vector<dword> dwords_;
};

} // namespace vtd::dmar
