// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/observer.h"
#include "vtd/dmar/unit.h"

#include <algorithm>
#include <vector>

namespace vtd::dmar {

/// Lets several observers watch one unit, which itself knows one: each is told what the unit tells, in the
/// order in which they were added. While nobody watches the unit has no observer, and pays for none.
class observer_list final : public unit_observer {
public:
  /// `watched` must outlive this. Another observer that it had is set aside.
  explicit observer_list(unit& watched) : watched_(watched) {}
  observer_list(const observer_list&) = delete;
  observer_list& operator=(const observer_list&) = delete;
  ~observer_list() override { watched_.set_observer(nullptr); }

  /// `observer` must outlive this, or be taken away first.
  void add(unit_observer& observer) {
    all_.push_back(&observer);
    watched_.set_observer(this);
  }
  void remove(unit_observer& observer) {
    std::erase(all_, &observer);
    if (all_.empty()) watched_.set_observer(nullptr);
  }

  void on_request(const request_event& event) override {
    for (unit_observer* each : all_)
      each->on_request(event);
  }
  void on_walk(const walk_event& event) override {
    for (unit_observer* each : all_)
      each->on_walk(event);
  }
  void on_memory_port(const memory_port_event& event) override {
    for (unit_observer* each : all_)
      each->on_memory_port(event);
  }
  void on_queue_access(const queue_access_event& event) override {
    for (unit_observer* each : all_)
      each->on_queue_access(event);
  }
  void on_passage(const passage_event& event) override {
    for (unit_observer* each : all_)
      each->on_passage(event);
  }
  void on_command(const command_event& event) override {
    for (unit_observer* each : all_)
      each->on_command(event);
  }
  void on_device_invalidation(const device_invalidation_event& event) override {
    for (unit_observer* each : all_)
      each->on_device_invalidation(event);
  }
  void on_fault_recorded(const fault_report& report) override {
    for (unit_observer* each : all_)
      each->on_fault_recorded(report);
  }
  void on_message(const spec::msi_message& message, engine::cycle at) override {
    for (unit_observer* each : all_)
      each->on_message(message, at);
  }
  void on_reset(engine::cycle at) override {
    for (unit_observer* each : all_)
      each->on_reset(at);
  }

private:
  unit& watched_;
  std::vector<unit_observer*> all_;
};

} // namespace vtd::dmar
