// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/access.h"
#include "vtd/spec/address.h"
#include "vtd/spec/ats.h"

#include <tlm>

namespace vtd::platform {

/// What a DMA request carries besides the generic payload. Optional: a socket's default source-id serves
/// initiators that do not know it.
///
/// An ATS translation request is a read of 8 bytes from `spec::ats::question`: the page in bits 63:12, NW
/// ("no write") in bit 0, as on the link.
struct dma_extension final : tlm::tlm_extension<dma_extension> {
  spec::source_id source{};
  remap::address_type type = remap::address_type::untranslated;
  /// A read of one dword with no byte enabled (PCIe 2.2.5).
  bool zero_length_read = false;
  /// Attributes of the request (PCIe 2.2.6.4), carried along in all its pieces. A page that forces snooping
  /// takes No Snoop away (SNP, VT-d 9.8); `memory` obeys it.
  bool no_snoop = false;
  bool relaxed_ordering = false;

  [[nodiscard]] tlm_extension_base* clone() const override { return new dma_extension(*this); }
  void copy_from(const tlm_extension_base& other) override {
    *this = static_cast<const dma_extension&>(other);
  }
};

/// Marks a read of a translation table, or of the invalidation queue, by remapping hardware.
struct table_read_extension final : tlm::tlm_extension<table_read_extension> {
  /// ECAP.C = 1: the read sees what is in CPU caches (VT-d 10.4.3).
  bool coherent = false;
  /// A fetch from the invalidation queue, not from a table (VT-d 6.5.2).
  bool queue_fetch = false;

  [[nodiscard]] tlm_extension_base* clone() const override { return new table_read_extension(*this); }
  void copy_from(const tlm_extension_base& other) override {
    *this = static_cast<const table_read_extension&>(other);
  }
};

/// Marks the write of an invalidation wait's status data by remapping hardware (VT-d 6.5.2.8).
struct status_write_extension final : tlm::tlm_extension<status_write_extension> {
  [[nodiscard]] tlm_extension_base* clone() const override { return new status_write_extension(*this); }
  void copy_from(const tlm_extension_base& /*other*/) override {}
};

/// A message between a unit and a device (PCIe ATS). To the device, on a write of 8 bytes whose data is
/// `spec::ats::invalidation`: an invalidation request. From the device, on TLM_IGNORE_COMMAND with a
/// `dma_extension` for its source-id: an invalidation completion. Messages are posted; they are done when the
/// call returns.
struct device_message_extension final : tlm::tlm_extension<device_message_extension> {
  /// Where it goes, or comes from.
  spec::source_id device{};
  /// A request's ITag, and what it names.
  unsigned tag = 0;
  spec::ats::invalidation what{};
  /// A completion's ITags, a bit each, and its count (CC).
  std::uint32_t tags = 0;
  unsigned count = 1;

  [[nodiscard]] tlm_extension_base* clone() const override { return new device_message_extension(*this); }
  void copy_from(const tlm_extension_base& other) override {
    *this = static_cast<const device_message_extension&>(other);
  }
};

} // namespace vtd::platform
