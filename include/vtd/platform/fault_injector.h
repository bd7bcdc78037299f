// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/host/fault_plan.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/target_socket.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace vtd::platform {

/// Faults from outside, to be put before any memory or before a unit's registers: what `host::fault_plan`
/// says happens to what passes, and nothing else changes. It takes no time of its own.
///
/// What becomes of an access that is hit:
/// - error: TLM_GENERIC_ERROR_RESPONSE. A read is made all the same, takes its time, and its data become
/// ones;
///   a write goes nowhere and is answered after the rule's span.
/// - latency, withheld for a time: goes on, and the answer comes later. Answers of other accesses pass it.
/// - withheld for good: goes on, and is never answered; by b_transport the caller waits for ever, so it must
/// be
///   a thread.
/// - all ones: goes nowhere, and is answered after the rule's span: TLM_OK_RESPONSE, a read with ones.
///
/// Base protocol: phases pass as they are. An access that is hit is accepted (END_REQ) when the target
/// accepts it; a full target holds its initiator back as before. Debug transport is never hit. Direct
/// pointers are not given where a rule may still hit reads or writes, and are withdrawn when such a rule is
/// added.
class fault_injector final : public sc_core::sc_module {
public:
  /// From the initiator.
  target_socket<fault_injector> port;
  /// To what answers it.
  tlm_utils::simple_initiator_socket<fault_injector> next;

  explicit fault_injector(const sc_core::sc_module_name& name, host::fault_plan plan = host::fault_plan{});

  [[nodiscard]] const host::fault_plan& plan() const { return plan_; }
  /// Adds a rule while the simulation runs, or before; as `host::fault_plan::add`.
  std::size_t add(const host::fault_rule& rule);
  /// No faults from now on. What is withheld stays withheld.
  void clear() { plan_.clear(); }
  /// Answers that are kept back for good, by nb_transport.
  [[nodiscard]] std::size_t withheld() const { return withheld_; }

private:
  friend class target_socket<fault_injector>;
  using payload = tlm::tlm_generic_payload;
  // An access that was hit, on its way to the target.
  struct hit {
    payload* trans;
    host::fault_decision what;
    bool request_ended;
  };
  // An answer that is ready at `due`.
  struct answer {
    payload* trans;
    engine::picoseconds due;
    // The target still waits for the END_RESP.
    bool target_waits;
  };

  void before_end_of_elaboration() override;
  // target_socket
  void transport(int number, payload& trans, sc_core::sc_time& delay);
  tlm::tlm_sync_enum forward_phase(int number, payload& trans, tlm::tlm_phase& phase,
                                   sc_core::sc_time& delay);
  unsigned debug(int number, payload& trans);
  bool direct(int number, payload& trans, tlm::tlm_dmi& dmi);
  // next
  tlm::tlm_sync_enum backward_phase(payload& trans, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void withdraw(sc_dt::uint64 first, sc_dt::uint64 last);

  tlm::tlm_sync_enum begin_request(payload& trans, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  [[nodiscard]] host::fault_decision decide(const payload& trans, engine::picoseconds when);
  static void spoil(payload& trans, const host::fault_decision& what);
  void finish(payload& trans, const host::fault_decision& what, engine::picoseconds when);
  void end_towards_target(payload& trans);
  void answer_due();
  void respond(const answer& what);
  void wake_up();

  host::fault_plan plan_;
  std::vector<hit> under_way_;
  // Answers kept back, in the order of time; and those that are due, but find another one being taken.
  std::vector<answer> kept_;
  std::deque<answer> ready_;
  // The answer that the initiator is taking.
  payload* responding_ = nullptr;
  bool target_waits_ = false;
  std::size_t withheld_ = 0;
  bool direct_given_ = false;
  sc_core::sc_event due_;
  sc_core::sc_event never_;
};

} // namespace vtd::platform
