// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/ports.h"
#include "vtd/platform/dma_extension.h"

#include <tlm>

#include <cstdint>

namespace vtd::platform {

/// What a transaction that a remapping unit sent downstream is to the unit, and who in it waits for the
/// answer. It hangs on those of the unit's own; a request of an initiator that passes as it is carries
/// nothing of ours.
struct unit_ticket final : tlm::tlm_extension<unit_ticket> {
  enum class kind : std::uint8_t {
    /// A request of an initiator as it is, but for its address.
    whole,
    /// A part of one, in a transaction of the unit's.
    piece,
    table,
    descriptor,
    status,
    log_read,
    log_write,
    message
  };
  kind what = kind::piece;
  bool request_ended = false;
  /// The slot, walker or tag of the unit.
  unsigned slot = 0;
  /// The unit it belongs to: units may stand in a row.
  const void* owner = nullptr;
  /// The address the initiator gave (whole), or its transaction (piece).
  std::uint64_t address = 0;
  tlm::tlm_generic_payload* original = nullptr;

  [[nodiscard]] tlm_extension_base* clone() const override { return new unit_ticket(*this); }
  void copy_from(const tlm_extension_base& other) override { *this = static_cast<const unit_ticket&>(other); }
};

/// A transaction of the unit's own. Pooled: its extensions stay for good.
struct unit_transaction : tlm::tlm_generic_payload {
  unit_transaction() {
    set_extension(&attributes);
    set_extension(&ticket);
  }
  unit_transaction(const unit_transaction&) = delete;
  unit_transaction& operator=(const unit_transaction&) = delete;
  // They are members: the base class must not delete them.
  ~unit_transaction() override {
    clear_extension(&attributes);
    clear_extension(&ticket);
  }
  /// Byte enables of a zero-length read.
  unsigned char no_byte = TLM_BYTE_DISABLED;
  dmar::descriptor_words words{};
  dma_extension attributes;
  unit_ticket ticket;
};

/// One that reads a table, and says so.
struct table_read_transaction final : unit_transaction {
  table_read_transaction() {
    ticket.what = unit_ticket::kind::table;
    set_extension(&mark);
  }
  table_read_transaction(const table_read_transaction&) = delete;
  table_read_transaction& operator=(const table_read_transaction&) = delete;
  ~table_read_transaction() override { clear_extension(&mark); }
  table_read_extension mark;
};

/// An invalidation request to a device.
struct device_transaction final : unit_transaction {
  device_transaction() { set_extension(&message); }
  device_transaction(const device_transaction&) = delete;
  device_transaction& operator=(const device_transaction&) = delete;
  ~device_transaction() override { clear_extension(&message); }
  device_message_extension message;
};

/// One that writes the status of a wait, and says so.
struct status_write_transaction final : unit_transaction {
  status_write_transaction() {
    ticket.what = unit_ticket::kind::status;
    set_extension(&mark);
  }
  status_write_transaction(const status_write_transaction&) = delete;
  status_write_transaction& operator=(const status_write_transaction&) = delete;
  ~status_write_transaction() override { clear_extension(&mark); }
  status_write_extension mark;
};

} // namespace vtd::platform
