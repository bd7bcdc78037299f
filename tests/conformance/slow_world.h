// SPDX-License-Identifier: Apache-2.0
#pragma once

// A unit among slow memory and devices: how slow each is, and what fails, both the unit and a naive clock can
// know.

#include "conformance/naive_program.h"
#include "support/unit_world.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
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
  std::uint64_t devices = 50000;
  bool silence = false;
  // Places of the queue, and status words.
  std::set<std::uint64_t> broken{};
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
  // One at its time; or never, or a second one that nobody waits for.
  [[nodiscard]] std::vector<std::uint64_t> completions(std::size_t n) const {
    const std::uint64_t first = 1 + mixed(n, seed + 8) % devices;
    if (!silence) return {first};
    const std::uint64_t chance = mixed(n, seed + 9) % 16;
    if (chance < 2) return {};
    if (chance < 4) return {first, 1 + mixed(n, seed + 10) % devices};
    return {first};
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
    out.queue_fails = [this](std::uint64_t address) { return broken.contains(address); };
    out.completions = [this](std::size_t n) { return completions(n); };
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
    const bool ok = !how_.broken.contains(address);
    at(how_.table(address),
       [=, this](std::uint64_t time) { unit.descriptor_answered(tag, ok, words, time); });
    return held_for(how_.hold(address));
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    status_writes.push_back({wheel.now(), data, address, {}});
    const bool ok = !how_.broken.contains(address);
    at(how_.table(address), [=, this](std::uint64_t time) { unit.status_answered(tag, ok, time); });
    return held_for(how_.hold(address));
  }
  bool read_log(unsigned tag, std::uint64_t address) override {
    log_reads.push_back({wheel.now(), 0, address, {}});
    const dmar::descriptor_words words{memory.load(address), memory.load(address + 8), 0, 0};
    at(how_.table(address),
       [=, this](std::uint64_t time) { unit.log_read_answered(tag, true, words, time); });
    return held_for(how_.hold(address));
  }
  bool write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& what) override {
    log_writes.push_back({wheel.now(), 0, address, {}});
    memory.store(address, what.lo);
    memory.store(address + 8, what.hi);
    at(how_.table(address), [this, tag](std::uint64_t time) { unit.log_write_answered(tag, true, time); });
    return held_for(how_.hold(address));
  }
  bool complete(unsigned port, void* cookie, dmar::completion result) override {
    unit_world::complete(port, cookie, result);
    const std::uint64_t hold = how_.port_hold(responses.back().id);
    if (hold != 0) at(hold, [this, port](std::uint64_t time) { unit.response_taken(port, time); });
    return hold == 0;
  }
  void invalidate_device(const spec::ats::invalidation_request& what) override {
    for (const std::uint64_t delay : how_.completions(device_requests.size())) {
      at(delay, [this, device = what.device, tag = what.tag](std::uint64_t time) {
        unit.device_completed({device, 1U << tag, 1}, time);
      });
    }
    device_requests.push_back(
        {wheel.now(),
         what.device.value() + (std::uint64_t{what.what.page_mask()} << 16) + (std::uint64_t{what.tag} << 32),
         what.what.first(),
         {}});
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

[[nodiscard]] inline remap::cache_shape random_shape(std::mt19937_64& random, unsigned most) {
  constexpr std::array policies = {remap::replacement::lru, remap::replacement::fifo,
                                   remap::replacement::pseudo_lru};
  remap::cache_shape out;
  const unsigned ways = 1U << random() % 3;
  out.entries = random() % 8 == 0 ? 0 : ways << random() % most;
  out.ways = out.entries == 0 ? 0 : ways;
  out.policy = policies[random() % policies.size()];
  return out;
}

/// A part whose every time and resource is its own.
[[nodiscard]] inline dmar::unit_config random_timing_config(std::mt19937_64& random) {
  dmar::unit_config config;
  config.caps = wide_part();
  config.caps.cap.set_sagaw(15).set_mgaw(random() % 2 != 0 ? 57 : 35);
  config.caps.cap.set_rwbf(random() % 4 == 0).set_drd(random() % 2 != 0).set_dwd(random() % 2 != 0);
  config.caps.version = random() % 4 == 0 ? 0x20 : 0x10;
  config.caps.entry_beats = random() % 4 == 0 ? 2 : 1;
  config.hidden_write_buffer = random() % 8 == 0;
  config.queue_flushes_write_buffer = random() % 2 == 0;
  config.whole_domain_tables = random() % 2 != 0;
  config.ports = 1 + static_cast<unsigned>(random() % 3);
  config.caches.context = random_shape(random, 2);
  config.caches.iotlb = random_shape(random, 3);
  config.caches.large_pages_in_pieces = random() % 3 == 0;
  if (random() % 3 == 0 && !config.caches.large_pages_in_pieces)
    config.caches.large_iotlb = random_shape(random, 2);
  config.caches.pml5 = random_shape(random, 2);
  config.caches.pml4 = random_shape(random, 2);
  config.caches.pdpe = random_shape(random, 2);
  config.caches.pde = random_shape(random, 2);
  config.timing.lookup = {random() % 3, random() % 3, random() % 4};
  config.timing.requests = 1 + static_cast<unsigned>(random() % 10);
  config.timing.walkers = 1 + static_cast<unsigned>(random() % 4);
  config.timing.memory_interval = 1 + random() % 4;
  config.timing.fault_recording = random() % 4;
  config.timing.descriptor_fetch = random() % 4;
  config.timing.descriptor_decode = random() % 4;
  config.timing.queue_prefetch = static_cast<unsigned>(random() % 4);
  config.timing.status_write = random() % 4;
  config.timing.event_message = random() % 8;
  config.timing.device_invalidation = random() % 4;
  if (random() % 2 != 0) config.timing.device_timeout = 20 + random() % 100;
  config.caps.ecap.set_qi(random() % 2 != 0);
  config.caps.ecap.set_dt(config.caps.ecap.qi() && random() % 2 != 0);
  config.caps.cap.set_psi(config.caps.ecap.qi() || random() % 4 != 0);
  config.timing.command = random() % 8;
  config.caps.cap.set_cm(random() % 3 == 0).set_afl(random() % 2 != 0).set_plmr(random() % 2 != 0);
  config.caps.cap.set_nfr(static_cast<unsigned>(random() % 8));
  config.compress_faults = random() % 4 == 0;
  config.protect_translated = random() % 2 != 0;
  config.protected_region_shift = 12 + static_cast<unsigned>(random() % 6);
  config.caps.cap.set_esrtps(random() % 2 != 0);
  config.timing.context_invalidation = random() % 20;
  config.timing.iotlb_invalidation_global = random() % 40;
  config.timing.iotlb_invalidation_domain = random() % 40;
  config.timing.iotlb_invalidation_page = random() % 20;
  config.timing.drain = random() % 3 == 0 ? random() % 20 : 0;
  return config;
}

} // namespace vtd::test
