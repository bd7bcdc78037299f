// SPDX-License-Identifier: Apache-2.0
#pragma once

// A unit among slow memory and devices: how slow each is, and what fails, both the unit and a naive clock can know.

#include "conformance/naive_program.h"
#include "support/unit_world.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace vtd::test {

[[nodiscard]] inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  return (a * 0x9e3779b97f4a7c15U ^ b * 0xc2b2ae3d27d4eb4fU) >> 17;
}

/// How slow what stands round the unit is, by address or request.
struct slowness {
  std::uint64_t seed = 0;
  std::uint64_t tables = 20000;
  std::uint64_t data = 50000;
  std::uint64_t busy = 0;
  bool errors = false;
  [[nodiscard]] std::uint64_t table(std::uint64_t address) const { return 1 + mixed(address, seed) % tables; }
  [[nodiscard]] std::uint64_t piece(std::uint64_t address) const {
    return 1 + mixed(address, seed + 1) % data;
  }
  [[nodiscard]] std::uint64_t hold(std::uint64_t address) const {
    return busy == 0 || mixed(address, seed + 2) % 4 != 0 ? 0 : 1 + mixed(address, seed + 3) % busy;
  }
  [[nodiscard]] std::uint64_t port_hold(std::uint64_t id) const {
    return busy == 0 || mixed(id, seed + 4) % 4 != 0 ? 0 : 1 + mixed(id, seed + 5) % busy;
  }
  [[nodiscard]] bool fails(std::uint64_t address) const {
    return errors && mixed(address >> 6, seed + 6) % 32 == 0;
  }
  [[nodiscard]] std::uint64_t drain() const { return 1 + mixed(seed, 7) % 20000; }
  [[nodiscard]] naive_clock::surroundings around() const {
    naive_clock::surroundings out;
    out.period = unit_world::period;
    out.table_delay = [this](std::uint64_t address) { return table(address); };
    out.data_delay = [this](std::uint64_t address) { return piece(address); };
    out.hold = [this](std::uint64_t address) { return hold(address); };
    out.port_hold = [this](std::uint64_t id) { return port_hold(id); };
    out.data_fails = [this](std::uint64_t address) { return fails(address); };
    out.write_buffer_drain = drain();
    return out;
  }
};

/// The unit, among things of that slowness. Their answers come within the call, or when their time has come.
class slow_world final : public unit_world {
public:
  slow_world(const dmar::unit_config& config, const slowness& how, bool answers_come_later)
      : unit_world(config), how_(how), later_(answers_come_later) {}

  bool forward(const dmar::forwarded& piece) override {
    forwards.push_back({wheel.now(), id_of(piece.cookie), piece.address, {}});
    at(how_.piece(piece.address), [this, slot = piece.slot, ok = !how_.fails(piece.address)](
                                      std::uint64_t time) { unit.answered(slot, ok, time); });
    return held_for(how_.hold(piece.address));
  }
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    table_reads.push_back({wheel.now(), walker, address, {}});
    remap::table_words words;
    engine::picoseconds ignored = 0;
    const bool ok = memory.read_table(address, bytes, words, ignored);
    at(how_.table(address), [=, this](std::uint64_t time) { unit.table_answered(walker, ok, words, time); });
    return held_for(how_.hold(address));
  }
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned /*bytes*/) override {
    descriptor_reads.push_back({wheel.now(), 0, address, {}});
    const dmar::descriptor_words words{memory.load(address), memory.load(address + 8), 0, 0};
    at(how_.table(address),
       [=, this](std::uint64_t time) { unit.descriptor_answered(tag, true, words, time); });
    return held_for(how_.hold(address));
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    status_writes.push_back({wheel.now(), data, address, {}});
    at(how_.table(address), [this, tag](std::uint64_t time) { unit.status_answered(tag, true, time); });
    return held_for(how_.hold(address));
  }
  bool complete(unsigned port, void* cookie, dmar::completion result) override {
    unit_world::complete(port, cookie, result);
    const std::uint64_t hold = how_.port_hold(responses.back().id);
    if (hold != 0) at(hold, [this, port](std::uint64_t time) { unit.response_taken(port, time); });
    return hold == 0;
  }
  void invalidate_device(const spec::ats::invalidation_request& what) override {
    device_requests.push_back({wheel.now(),
                               what.device.value() + (std::uint64_t{what.what.page_mask()} << 16),
                               what.what.first(),
                               {}});
    at(how_.piece(what.what.first()), [this, device = what.device, tag = what.tag](std::uint64_t time) {
      unit.device_completed({device, 1U << tag, 1}, time);
    });
  }
  std::vector<event> device_requests;
  engine::picoseconds write_buffer_drain_time() override { return how_.drain(); }
  /// What comes before the next edge.
  void deliver() {
    while (!coming_.empty() && coming_.begin()->first < now_ps() + period) {
      const auto next = *coming_.begin();
      coming_.erase(coming_.begin());
      next.second(next.first);
    }
  }

private:
  [[nodiscard]] static std::uint64_t id_of(void* cookie) { return reinterpret_cast<std::uint64_t>(cookie); }
  void at(std::uint64_t delay, std::function<void(std::uint64_t)> call) {
    later_ ? (void)coming_.emplace(now_ps() + delay, std::move(call)) : call(now_ps() + delay);
  }
  bool held_for(std::uint64_t hold) {
    if (hold != 0) at(hold, [this](std::uint64_t time) { unit.memory_port_free(time); });
    return hold == 0;
  }
  const slowness& how_;
  bool later_;
  std::multimap<std::uint64_t, std::function<void(std::uint64_t)>> coming_;
};

} // namespace vtd::test
