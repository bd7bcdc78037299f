// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "vtd/dmar/unit.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vtd::test {

/// A unit with everything round it that it needs, without SystemC: memory that answers after fixed times, and
/// a diary of what left the unit in which cycle.
class unit_world : public dmar::unit_ports, public dmar::fault_observer {
public:
  static constexpr engine::picoseconds period = 1000;

  struct event {
    engine::cycle at = 0;
    std::uint64_t id = 0;
    std::uint64_t address = 0;
    dmar::completion how = dmar::completion::done;
    friend bool operator==(const event&, const event&) = default;
  };

  explicit unit_world(const dmar::unit_config& config)
      : wheel(engine::clock{period}), tables(memory), unit(wheel, config, *this) {
    unit.set_fault_observer(this);
    memory.set_delay(20 * period);
  }
  explicit unit_world(const remap::capabilities& caps) : unit_world(config_of(caps)) {}

  // Driving it.

  [[nodiscard]] engine::picoseconds now_ps() const { return wheel.timebase().time_of(wheel.now()); }
  void run_to(engine::cycle at) { wheel.advance_to(at); }
  /// Runs until nothing is left to do.
  void settle() { wheel.run(wheel.now() + 100000); }

  /// A request arrives now; its id is what the diary shows.
  bool offer(std::uint64_t id, spec::source_id source, remap::access_kind kind, std::uint64_t address,
             std::uint32_t length = 64, unsigned port = 0) {
    dmar::request what;
    what.access = {source, kind, remap::address_type::untranslated, address};
    what.length = length;
    what.cookie = reinterpret_cast<void*>(id); // NOLINT(performance-no-int-to-ptr): the cookie is opaque
    return unit.offer(port, what, now_ps());
  }
  /// A request from arrival to response, alone; how it ended. `address` of the answer: where it went.
  event dma(spec::source_id source, remap::access_kind kind, std::uint64_t address,
            std::uint32_t length = 64) {
    const std::uint64_t id = 1000000 + responses.size();
    offer(id, source, kind, address, length);
    settle();
    // None where a reset threw it away.
    event last = responses.empty() ? event{} : responses.back();
    last.address = last.how == dmar::completion::done && !forwards.empty() ? forwards.back().address : 0;
    return last;
  }
  event read(spec::source_id source, std::uint64_t address) {
    return dma(source, remap::access_kind::read, address);
  }
  event write(spec::source_id source, std::uint64_t address) {
    return dma(source, remap::access_kind::write, address);
  }

  template <class Register>
  void write_register(typename Register::word value, unsigned index = 0) {
    unit.write_register(unit.registers().template offset_of<Register>(index), Register::size_bits / 8, value,
                        now_ps());
  }
  template <class Register>
  [[nodiscard]] typename Register::word read_register(unsigned index = 0) {
    return static_cast<typename Register::word>(unit.read_register(
        unit.registers().template offset_of<Register>(index), Register::size_bits / 8, now_ps()));
  }
  /// Root table, then translation on, as a driver does it.
  void enable() {
    namespace reg = spec::reg;
    write_register<reg::rtaddr>(tables.root());
    write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
    settle();
    write_register<reg::gcmd>(reg::gcmd::te::of(1));
    settle();
  }
  void invalidate_iotlb_page(std::uint16_t domain, std::uint64_t address, unsigned mask = 0,
                             bool leaf_only = false) {
    namespace reg = spec::reg;
    write_register<reg::iva>(reg::iva::addr::of(address >> spec::page_shift) | reg::iva::am::of(mask) |
                             reg::iva::ih::of(leaf_only ? 1 : 0));
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(3) |
                               reg::iotlb::did::of(domain) | reg::iotlb::dr::of(1) | reg::iotlb::dw::of(1));
  }
  void invalidate_iotlb_domain(std::uint16_t domain) {
    namespace reg = spec::reg;
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(2) |
                               reg::iotlb::did::of(domain));
  }
  void invalidate_iotlb_global() {
    namespace reg = spec::reg;
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1));
  }
  void invalidate_contexts_global() {
    namespace reg = spec::reg;
    write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
  }

  // What the unit says.

  void accepted(unsigned /*port*/, void* cookie) override {
    admissions.push_back({wheel.now(), id_of(cookie), 0, {}});
  }
  bool forward(const dmar::forwarded& piece) override {
    forwards.push_back({wheel.now(), id_of(piece.cookie), piece.address, {}});
    if (hold_answers) {
      held.push_back(piece.slot);
    } else {
      unit.answered(piece.slot, memory_works, now_ps() + data_delay);
    }
    return true;
  }
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    table_reads.push_back({wheel.now(), walker, address, {}});
    remap::table_words words;
    engine::picoseconds delay = 0;
    const bool ok = memory.read_table(address, bytes, words, delay);
    if (hold_tables) {
      held_tables.emplace_back(walker, words);
      return true;
    }
    unit.table_answered(walker, ok, words, now_ps() + delay);
    return true;
  }
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) override {
    descriptor_reads.push_back({wheel.now(), tag, address, {}});
    dmar::descriptor_words words{};
    for (unsigned word = 0; word < bytes / 8; ++word)
      words[word] = memory.load(address + 8 * word);
    if (hold_answers) {
      held_descriptors.emplace_back(tag, words);
    } else {
      unit.descriptor_answered(tag, !memory.fails(address), words, now_ps() + memory.delay());
    }
    return true;
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    status_writes.push_back({wheel.now(), data, address, {}});
    const bool ok = !memory.fails(address);
    if (ok) {
      const std::uint64_t word = memory.load(address & ~std::uint64_t{7});
      const unsigned shift = address % 8 * 8;
      memory.store(address & ~std::uint64_t{7},
                   (word & ~(std::uint64_t{0xffffffff} << shift)) | std::uint64_t{data} << shift);
    }
    if (hold_answers) {
      held_status.push_back(tag);
    } else {
      unit.status_answered(tag, ok, now_ps() + data_delay);
    }
    return true;
  }
  bool read_log(unsigned tag, std::uint64_t address) override {
    log_reads.push_back({wheel.now(), tag, address, {}});
    unit.log_read_answered(tag, !memory.fails(address),
                           {memory.load(address), memory.load(address + 8), 0, 0}, now_ps() + memory.delay());
    return true;
  }
  bool write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& what) override {
    log_writes.push_back({wheel.now(), tag, address, {}});
    const bool ok = !memory.fails(address + 8);
    if (ok) {
      memory.store(address, what.lo);
      memory.store(address + 8, what.hi);
    }
    unit.log_write_answered(tag, ok, now_ps() + data_delay);
    return true;
  }
  void invalidate_device(const spec::ats::invalidation_request& what) override {
    invalidations.emplace_back(wheel.now(), what);
    if (devices_answer) unit.device_completed({what.device, 1U << what.tag, 1}, now_ps() + data_delay);
  }
  void answer(void* cookie, spec::ats::translation with) override {
    answers.push_back({wheel.now(), id_of(cookie), with.value, {}});
  }
  bool complete(unsigned /*port*/, void* cookie, dmar::completion how) override {
    responses.push_back({wheel.now(), id_of(cookie), 0, how});
    return true;
  }
  void send_message(const spec::msi_message& message) override {
    messages.emplace_back(wheel.now(), message);
  }
  engine::picoseconds write_buffer_drain_time() override { return 10 * period; }
  void drain_write_buffer() override { drains.push_back(wheel.now()); }
  void withdraw(std::uint64_t first, std::uint64_t last) override { withdrawn.emplace_back(first, last); }
  void on_fault(const dmar::fault_report& report) override { faults.push_back(report); }

  /// The event of a request in a diary, or a default one.
  [[nodiscard]] static event find(const std::vector<event>& diary, std::uint64_t id) {
    for (const event& e : diary) {
      if (e.id == id) return e;
    }
    return {};
  }

  engine::wheel wheel;
  fake_memory memory;
  table_builder tables;
  dmar::unit unit;

  engine::picoseconds data_delay = 50 * period;
  bool memory_works = true;
  bool hold_answers = false;
  bool hold_tables = false;
  std::vector<std::pair<unsigned, remap::table_words>> held_tables;
  std::vector<unsigned> held;
  std::vector<std::pair<unsigned, dmar::descriptor_words>> held_descriptors;
  std::vector<unsigned> held_status;
  std::vector<event> admissions;
  std::vector<event> forwards;
  std::vector<event> table_reads;
  /// Of the invalidation queue; `id` is the tag, or the status data.
  std::vector<event> descriptor_reads;
  std::vector<event> status_writes;
  std::vector<event> responses;
  /// Of the advanced fault log.
  std::vector<event> log_reads;
  std::vector<event> log_writes;
  /// Of translation requests; `address` is the word of the answer.
  std::vector<event> answers;
  /// Requests to devices; these complete them unless told otherwise.
  std::vector<std::pair<engine::cycle, spec::ats::invalidation_request>> invalidations;
  bool devices_answer = true;
  std::vector<std::pair<engine::cycle, spec::msi_message>> messages;
  std::vector<engine::cycle> drains;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> withdrawn;
  std::vector<dmar::fault_report> faults;

private:
  [[nodiscard]] static std::uint64_t id_of(void* cookie) { return reinterpret_cast<std::uint64_t>(cookie); }
};

} // namespace vtd::test
