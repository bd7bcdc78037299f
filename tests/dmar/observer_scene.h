// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unit_world.h"
#include "vtd/dmar/observer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

/// A unit whose events are written down, one line each.
namespace vtd::test::observer_tests {

using dmar::request_step;
using dmar::walk_step;
using remap::access_kind;
namespace reg = spec::reg;
using outcome = remap::translator::outcome;

inline constexpr std::uint64_t first_page = 0x40000000;
inline constexpr std::uint64_t first_frame = 0x7000000;
inline constexpr std::uint64_t unmapped = 0x51234000;
inline constexpr std::uint16_t domain = 3;

constexpr std::uint64_t page(std::uint64_t n) { return first_page + n * spec::page_size; }
constexpr std::uint64_t frame(std::uint64_t n) { return first_frame + n * spec::page_size; }

/// Writes down every event as a line, its cycle counted from `zero`, and keeps the events.
class diary final : public dmar::unit_observer {
public:
  void on_request(const dmar::request_event& e) override {
    requests.push_back(e);
    std::string line = "request " + std::to_string(e.number) + " " + std::string(to_string(e.step));
    if (e.step == request_step::looked_up) {
      line += e.found == outcome::translated ? ": hit" : e.found == outcome::blocked ? ": refused" : ": miss";
    }
    write(e.at, line);
  }
  void on_walk(const dmar::walk_event& e) override {
    walks.push_back(e);
    std::string line = "walker " + std::to_string(e.walker) + " " + std::string(to_string(e.step));
    if (e.step == walk_step::read_issued) {
      line += e.kind == remap::table_kind::root      ? ": root"
              : e.kind == remap::table_kind::context ? ": context"
                                                     : ": level " + std::to_string(e.level);
    }
    if (e.poisoned) line += ": poisoned";
    write(e.at, line);
  }
  void on_memory_port(const dmar::memory_port_event& e) override {
    write(e.at, e.taken ? e.until == engine::never ? "memory port taken"
                                                   : "memory port taken for " + std::to_string(e.until - e.at)
                        : "memory port free");
  }
  void on_passage(const dmar::passage_event& e) override { passages.push_back(e); }
  void on_command(const dmar::command_event& e) override {
    commands.push_back(e);
    write(e.at, std::string(to_string(e.what)) + " " + std::string(to_string(e.step)));
  }
  void on_fault_recorded(const dmar::fault_report& report) override {
    faults.push_back(report);
    write(report.when, "fault recorded");
  }
  void on_message(const spec::msi_message& message, engine::cycle at) override {
    messages.push_back(message);
    write(at, "message");
  }
  void on_reset(engine::cycle at) override { write(at, "reset"); }

  engine::cycle zero = 0;
  std::vector<std::string> lines;
  std::vector<dmar::request_event> requests;
  std::vector<dmar::walk_event> walks;
  std::vector<dmar::passage_event> passages;
  std::vector<dmar::command_event> commands;
  std::vector<dmar::fault_report> faults;
  std::vector<spec::msi_message> messages;

private:
  void write(engine::cycle at, const std::string& what) {
    lines.push_back(std::to_string(at - zero) + " " + what);
  }
};

struct scene : unit_world {
  explicit scene(const dmar::unit_config& config = config_of(plain_part())) : unit_world(config) {
    tables.attach(nic, domain);
    for (std::uint64_t n = 0; n < 8; ++n)
      tables.map(nic, page(n), frame(n));
    enable();
  }
  /// From now on events are written down; now is cycle 0 of the diary.
  void watch() {
    told.zero = wheel.now();
    unit.set_observer(&told);
  }
  void request(std::uint64_t address, std::uint32_t length = 64, access_kind kind = access_kind::read) {
    ASSERT_TRUE(offer(++id, nic, kind, address, length));
  }
  bool forward(const dmar::forwarded& piece) override {
    return unit_world::forward(piece) && !memory_port_is_slow;
  }
  dmar::unit::passage pass(std::uint64_t address) {
    dmar::request piece;
    piece.access = {nic, access_kind::read, remap::address_type::untranslated, address};
    piece.length = 64;
    return unit.pass(piece, memory, now_ps());
  }
  diary told;
  bool memory_port_is_slow = false;
  std::uint64_t id = 0;
};

} // namespace vtd::test::observer_tests
