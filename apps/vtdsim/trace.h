// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/trace_file.h"

#include "vtd/dmar/observer.h"
#include "vtd/engine/clock.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vtdsim {

/// What one unit did, as events of a trace: a process with a track for each port, each walker, the way to
/// memory, each kind of command, faults and messages; a span for each request with its stages inside,
/// and for each invalidation request to a device; counters of occupied slots and busy walkers. A span goes to
/// the file when it has ended, and so whatever is in the file has both its ends. Within a track events are in
/// the order of time.
class unit_trace final : public vtd::dmar::unit_observer {
public:
  struct place {
    /// Number of the process, from 1, and its name.
    unsigned process = 1;
    std::string name;
    /// Who stands at which port.
    std::vector<std::string> ports;
    unsigned walkers = 1;
    /// It has an invalidation queue: tracks for what that does.
    bool queue = false;
    /// It has an advanced fault log: tracks for its orders.
    bool fault_log = false;
  };
  unit_trace(trace_file& out, const vtd::engine::clock& timebase, const place& where);

  /// Ends what is under way, marked "unfinished", at `end` or at the last event, if that is later.
  void finish(vtd::engine::cycle end);

  void on_request(const vtd::dmar::request_event& event) override;
  void on_walk(const vtd::dmar::walk_event& event) override;
  void on_memory_port(const vtd::dmar::memory_port_event& event) override;
  void on_queue_access(const vtd::dmar::queue_access_event& event) override;
  void on_passage(const vtd::dmar::passage_event& event) override;
  void on_command(const vtd::dmar::command_event& event) override;
  void on_device_invalidation(const vtd::dmar::device_invalidation_event& event) override;
  void on_fault_recorded(const vtd::dmar::fault_report& report) override;
  void on_message(const vtd::spec::msi_message& message, vtd::engine::cycle at) override;
  void on_reset(vtd::engine::cycle at) override;

private:
  using cycle = vtd::engine::cycle;

  /// A request under way.
  struct request {
    cycle begin = 0;
    cycle stage_begin = 0;
    std::string_view stage;
    std::string stages; ///< those that ended, as events
    std::string name;
    std::string facts; ///< arguments known so far
    std::string_view lookup = "none";
    unsigned walk_reads = 0;
    unsigned walks = 0;
    unsigned joined = 0;
  };
  struct walk {
    bool busy = false;
    cycle begin = 0;
    cycle step_begin = 0;
    std::uint64_t request = 0;
    std::string facts;
    std::string steps;
    vtd::dmar::walk_event read;
  };
  struct waiting {
    bool there = false;
    cycle since = 0;
    std::string name;
    std::string facts;
  };
  struct order {
    bool open = false;
    cycle begin = 0;
    cycle effective = vtd::engine::never;
    std::string facts;
  };
  /// An invalidation request that a device has not completed.
  struct device_request {
    std::string id;
    std::string name;
    std::string facts;
    cycle begin = 0;
  };
  struct counter {
    std::string_view name;
    std::string_view series;
    unsigned value = 0;
    unsigned written = 0;
    cycle at = 0;
  };

  [[nodiscard]] std::string time(cycle at) const;
  [[nodiscard]] std::string event(char phase, unsigned track, cycle at, std::string_view name = {},
                                  std::string_view facts = {}) const;
  [[nodiscard]] std::string nested(char phase, const std::string& id, cycle at, std::string_view name,
                                   std::string_view facts = {}, std::string_view category = "request") const;
  void name_track(unsigned track, const std::string& name);
  void instant(unsigned track, cycle at, std::string_view name, std::string_view facts);
  void span(unsigned track, cycle begin, cycle end, std::string_view name, std::string_view facts);
  void saw(cycle at) { last_ = at > last_ ? at : last_; }

  void end_stage(std::uint64_t number, request& r, cycle at, std::string_view next,
                 std::string_view facts = {});
  void end_request(std::uint64_t number, request& r, cycle at, std::string_view result);
  void end_walk(unsigned walker, cycle at, std::string_view result);
  void end_device_request(unsigned tag, cycle at, std::string_view result);
  void end_order(vtd::dmar::unit_command what, cycle at, std::string_view facts);
  void count(counter& which, cycle at, int change);
  void write(counter& which);
  void end_all(cycle at);

  trace_file& out_;
  vtd::engine::clock timebase_;
  unsigned process_;
  unsigned first_port_ = 1;
  unsigned first_walker_;
  unsigned memory_track_;
  unsigned first_command_;
  unsigned fault_track_;
  unsigned message_track_;
  std::map<std::uint64_t, request> requests_;
  std::vector<waiting> ports_;
  std::vector<walk> walkers_;
  std::array<order, vtd::dmar::unit_commands> orders_;
  /// By ITag.
  std::map<unsigned, device_request> device_requests_;
  std::uint64_t device_requests_seen_ = 0;
  waiting memory_;
  counter slots_{"requests inside", "slots"};
  counter busy_{"walkers busy", "walkers"};
  std::uint64_t passages_ = 0;
  cycle last_ = 0;
};

} // namespace vtdsim
