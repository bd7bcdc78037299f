// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/unit.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/payload_pool.h"
#include "vtd/platform/target_socket.h"
#include "vtd/platform/unit_transaction.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace vtd::platform {

/// The chipset's write buffer as a unit sees it (GCMD.WBF, VT-d 6.8).
struct write_buffer_control {
  write_buffer_control() = default;
  write_buffer_control(const write_buffer_control&) = delete;
  write_buffer_control& operator=(const write_buffer_control&) = delete;
  virtual ~write_buffer_control() = default;
  /// How long it takes to write out what is in it now.
  [[nodiscard]] virtual engine::picoseconds drain_time() const = 0;
  virtual void drain() = 0;
};

/// A remapping unit with TLM sockets: `dmar::unit` is the hardware, this is its wiring.
///
/// Upstream requests by b_transport (loosely timed), nb_transport (base protocol, four phases,
/// cycle-accurate), transport_dbg and DMI give the same functional result. A blocked request is answered with
/// TLM_ADDRESS_ERROR_RESPONSE; the data of a blocked read is all ones, a blocked write is dropped. A
/// translation request (ATS) is a read of 8 bytes; its data is the word of `spec::ats::translation`.
/// "Unsupported request" is TLM_ADDRESS_ERROR_RESPONSE, "completer abort" TLM_GENERIC_ERROR_RESPONSE.
/// Requests may cross pages; the pieces are done one after the other, and what was done before an error stays
/// done. Loosely-timed requests take no slot of the unit and may be mixed with cycle-accurate ones: they see
/// the same caches and registers.
class remapping_unit final : public sc_core::sc_module, private dmar::unit_ports {
public:
  using upstream_socket = target_socket<remapping_unit>;
  using downstream_socket = tlm_utils::simple_initiator_socket<remapping_unit>;

  /// CPU accesses to the register block; addresses count from the unit's base. 4 or 8 bytes, aligned.
  tlm_utils::simple_target_socket<remapping_unit> registers;
  /// DMA requests, one socket per port of the configuration.
  sc_core::sc_vector<upstream_socket> upstream;
  /// Translated requests and table reads, host physical addresses.
  downstream_socket memory;
  /// Interrupt messages: those of devices that passed, and the unit's own events.
  downstream_socket interrupts;
  /// Invalidation requests to devices (`device_message_extension`), by nb_transport. May stay unbound: then
  /// no device answers, and requests time out.
  tlm_utils::simple_initiator_socket_optional<remapping_unit> devices;
  /// Active high, may stay unbound: a warm reset at its rising edge.
  sc_core::sc_port<sc_core::sc_signal_in_if<bool>, 1, sc_core::SC_ZERO_OR_MORE_BOUND> reset;

  remapping_unit(const sc_core::sc_module_name& name, kernel_wheel& wheel, const dmar::unit_config& config);
  ~remapping_unit() override;

  [[nodiscard]] dmar::unit& hardware() { return hardware_; }
  [[nodiscard]] const dmar::unit& hardware() const { return hardware_; }
  /// The source-id of requests without our extension on this port.
  void set_default_source(unsigned port, spec::source_id source) { ports_[port].default_source = source; }
  // Snapshots (dmar/snapshot.h; docs/dmar.md). They hold the unit alone: memory, devices and the initiators'
  // direct pointers are not part of it; the latter are withdrawn by `restore`.

  /// In a thread: waits until nothing is under way in the unit, messages that a target has not answered
  /// included. Whoever sends requests must have stopped.
  void drain();
  /// Throws dmar::snapshot_error while something is under way.
  [[nodiscard]] std::vector<std::byte> save();
  /// Goes on from a snapshot at the present time. Throws dmar::snapshot_error, as `dmar::unit::restore`.
  void restore(std::span<const std::byte> bytes);
  /// Without one the unit has no write buffer to drain.
  void set_write_buffer(write_buffer_control* control) { write_buffer_ = control; }
  /// Runs that check a driver switch DMI off, because a direct access passes by checker and statistics.
  void allow_dmi(bool on) { dmi_allowed_ = on; }

private:
  friend class target_socket<remapping_unit>;
  struct port_state {
    spec::source_id default_source{};
    bool direct_given = false;
  };
  class table_memory;

  // Registers.
  void access_registers(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  unsigned debug_registers(tlm::tlm_generic_payload& trans);
  // Upstream.
  void transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay);
  struct blocking_request;
  bool pass_piece(blocking_request& whole, std::uint32_t offset, std::uint32_t bytes);
  void pass_pieces(blocking_request& whole, std::uint32_t bytes);
  tlm::tlm_sync_enum forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  unsigned debug(int port, tlm::tlm_generic_payload& trans);
  bool direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi);
  // Downstream.
  tlm::tlm_sync_enum backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);
  tlm::tlm_sync_enum backward_interrupt_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay);
  void port_free(const unit_ticket& ticket, engine::picoseconds when);
  void downstream_changed(sc_dt::uint64 first, sc_dt::uint64 last);

  // dmar::unit_ports
  void accepted(unsigned port, void* cookie) override;
  bool forward(const dmar::forwarded& piece) override;
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override;
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) override;
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override;
  bool read_log(unsigned tag, std::uint64_t address) override;
  bool write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& what) override;
  void answer(void* cookie, spec::ats::translation with) override;
  void invalidate_device(const spec::ats::invalidation_request& what) override;
  bool complete(unsigned port, void* cookie, dmar::completion how) override;
  void send_message(const spec::msi_message& message) override;
  engine::picoseconds write_buffer_drain_time() override;
  void drain_write_buffer() override;
  void withdraw(std::uint64_t first, std::uint64_t last) override;

  [[nodiscard]] bool interrupts_quiet() const;
  void check_interrupts(const char* what) const;
  void before_end_of_elaboration() override;
  void end_of_elaboration() override;
  void on_reset();
  // `special`: see `blocking_request`.
  [[nodiscard]] dmar::request request_of(unsigned port, tlm::tlm_generic_payload& trans,
                                         bool* special = nullptr) const;
  bool check(tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay);
  [[gnu::cold]] void take_message(tlm::tlm_generic_payload& trans, const sc_core::sc_time& delay);
  tlm::tlm_sync_enum message_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  static void block(tlm::tlm_generic_payload& trans);
  static void abort(tlm::tlm_generic_payload& trans);
  [[gnu::cold]] static void fail_at_reset(tlm::tlm_generic_payload& trans);
  static unsigned fill_in(tlm::tlm_generic_payload& trans, spec::ats::translation answer);
  [[gnu::cold]] static void end_inside(tlm::tlm_generic_payload& trans, dmar::pipeline::passage::way leads,
                                       std::uint64_t address);
  unit_transaction& piece_payload(tlm::tlm_generic_payload& original, std::uint32_t offset,
                                  std::uint32_t length, std::uint64_t address, spec::source_id source,
                                  bool no_snoop);
  table_read_transaction& table_payload(std::uint64_t address, unsigned bytes, bool coherent);
  static unit_transaction& own_access(unit_transaction& out, tlm::tlm_command command, std::uint64_t address,
                                      unsigned bytes);
  static unit_transaction& dword_write(unit_transaction& out, std::uint64_t address, std::uint32_t data);
  static void prepare(unit_transaction& payload, tlm::tlm_command command, std::uint64_t address,
                      unsigned char* data, unsigned bytes);
  bool send(downstream_socket& socket, tlm::tlm_generic_payload& payload, unit_ticket& ticket);
  bool send(downstream_socket& socket, unit_transaction& payload, unit_ticket::kind what, unsigned slot);
  bool send_interrupt(tlm::tlm_generic_payload& payload, unit_ticket& ticket);
  [[nodiscard]] unit_ticket* ticket_of(tlm::tlm_generic_payload& payload);
  void finish(tlm::tlm_generic_payload& payload, unit_ticket& ticket, engine::picoseconds when);
  void finish_own(unit_transaction& payload, engine::picoseconds when);

  kernel_wheel& wheel_;
  repeated_span way_in_;
  repeated_span way_out_;
  std::vector<port_state> ports_;
  payload_pool<unit_transaction> pool_;
  payload_pool<table_read_transaction> table_pool_;
  // Whether the last request on the interrupt socket has not ended, and those that wait until it has.
  bool interrupt_open_ = false;
  std::deque<std::pair<tlm::tlm_generic_payload*, unit_ticket*>> interrupts_waiting_;
  // Messages of the unit that have not been answered.
  unsigned messages_ = 0;
  payload_pool<status_write_transaction> status_pool_;
  payload_pool<device_transaction> device_pool_;
  // For each slot of the unit the request that passes as it is, or null, and its ticket.
  std::vector<tlm::tlm_generic_payload*> passing_;
  std::vector<unit_ticket> tickets_;
  std::unique_ptr<table_memory> table_memory_;
  write_buffer_control* write_buffer_ = nullptr;
  bool coherent_ = false;
  bool dmi_allowed_ = true;
  dmar::unit hardware_;
};

} // namespace vtd::platform
