// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/queue_driver.h"
#include "support/unit_world.h"

#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::test {

/// A unit in the midst of traffic, invalidations by register and queue, faults, and memory and requesters
/// that are slow now and then. All that leaves the unit and all that its observer hears is written down, in
/// cycles from `begin`. Equal seeds give equal lives.
class random_life : public unit_world, public dmar::unit_observer {
public:
  static constexpr unsigned ports = 2;
  static constexpr std::uint16_t domains = 3;

  [[nodiscard]] static dmar::unit_config configuration() {
    remap::capabilities caps = wide_part();
    caps.cap.set_plmr(true).set_rwbf(true).set_nfr(1);
    caps.ecap.set_qi(true);
    auto out = config_of(caps);
    out.ports = ports;
    out.timing.requests = 5;
    out.timing.walkers = 3;
    out.timing.memory_interval = 2;
    out.timing.queue_prefetch = 2;
    out.caches.iotlb = {8, 4, remap::replacement::pseudo_lru, 1};
    out.caches.context = {2, 0, remap::replacement::fifo, 1};
    return out;
  }

  explicit random_life(const dmar::unit_config& config = configuration())
      : unit_world(config), queue_(*this) {
    for (std::uint16_t n = 0; n < domains; ++n) {
      tables.attach(device(n), static_cast<std::uint16_t>(5 + n), n == 2 ? 4 : 3);
      for (std::uint64_t page = 0; page < 6; ++page) {
        tables.map(device(n), address_of(page), 0x7000000 + (page + 16 * n) * spec::page_size,
                   page == 4   ? read_only
                   : page == 5 ? write_only
                               : read_write);
      }
      tables.map(device(n), large, 0x40000000, read_write, 2);
    }
    // A second device of the last domain.
    tables.attach(device(domains), 5 + domains - 1, 4, spec::translation_type::untranslated_only,
                  tables.context(device(domains - 1)).second_level_table());
    unit.set_observer(this);
  }

  /// Writes down from now on what happens. The unit is as after a reset.
  void begin(std::uint64_t seed) {
    random_.seed(seed);
    zero_ = wheel.now();
    id_ = 0;
    const auto first = unit.enter(false);
    unit.leave(first, now_ps());
    first_number_ = first.sequence;
    lines.clear();
    open_.clear();
    for (bool& each : offered_)
      each = false;
    namespace reg = spec::reg;
    write_register<reg::plmbase>(0x7000000);
    write_register<reg::plmlimit>(0x7000000);
    write_register<reg::fectl>(0);
    write_register<reg::feaddr>(0xfee00000);
    write_register<reg::iectl>(0);
    write_register<reg::ieaddr>(0xfee01000);
    enable();
    queue_.enable();
  }

  /// `steps` random things, a few cycles apart.
  void live(unsigned steps) {
    for (unsigned step = 0; step < steps; ++step) {
      pass_cycles(below(7));
      act();
    }
  }
  /// Until nothing is left to do; then all registers are written down.
  void end() {
    settle();
    for (const dmar::pipeline::admission& one : open_)
      unit.leave(one, now_ps());
    open_.clear();
    settle();
    unit.registers().for_each(
        [&](const spec::register_layout& layout, unsigned index, std::uint32_t, std::uint64_t value) {
          line() << layout.name << ' ' << index << " = " << std::hex << value << '\n';
          write();
        });
  }

  /// Wakes the unit in every cycle, by writes to a register that is not there.
  bool woken_always = false;
  std::vector<std::string> lines;

  // What the observer hears, counted and kept.
  std::vector<dmar::request_event> requests;
  std::vector<dmar::walk_event> walks;
  std::vector<dmar::passage_event> passages;
  std::vector<dmar::command_event> commands;

  // --- unit_ports

  void accepted(unsigned port, void* cookie) override {
    offered_[port] = false;
    line() << "accepted " << port << ' ' << reinterpret_cast<std::uint64_t>(cookie);
    write();
  }
  bool forward(const dmar::forwarded& p) override {
    line() << "forward " << reinterpret_cast<std::uint64_t>(p.cookie) << ' ' << p.offset << ' ' << p.length
           << ' ' << std::hex << p.address << ' ' << p.source.value() << std::dec << (p.whole ? " whole" : "")
           << (p.interrupt ? " interrupt" : "");
    write();
    unit.answered(p.slot, below(12) != 0, now_ps() + below(60) * period);
    return port_stays_free();
  }
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    line() << "table " << walker << ' ' << std::hex << address << ' ' << bytes;
    write();
    remap::table_words words;
    engine::picoseconds delay = 0;
    const bool ok = memory.read_table(address, bytes, words, delay) && below(40) != 0;
    unit.table_answered(walker, ok, words, now_ps() + (1 + below(40)) * period);
    return port_stays_free();
  }
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) override {
    line() << "descriptor " << std::hex << address << ' ' << bytes;
    write();
    const dmar::descriptor_words words{memory.load(address), memory.load(address + 8)};
    unit.descriptor_answered(tag, true, words, now_ps() + (1 + below(30)) * period);
    return port_stays_free();
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    line() << "status " << std::hex << address << ' ' << data;
    write();
    unit.status_answered(tag, true, now_ps() + (1 + below(30)) * period);
    return port_stays_free();
  }
  bool complete(unsigned port, void* cookie, dmar::completion how) override {
    line() << "complete " << port << ' ' << reinterpret_cast<std::uint64_t>(cookie) << ' '
           << static_cast<int>(how);
    write();
    if (below(3) != 0) return true;
    unit.response_taken(port, now_ps() + (1 + below(9)) * period);
    return false;
  }
  void send_message(const spec::msi_message& message) override {
    line() << "message " << std::hex << message.address << ' ' << message.data;
    write();
  }
  void drain_write_buffer() override {
    line() << "drain";
    write();
  }
  void withdraw(std::uint64_t first, std::uint64_t last) override {
    line() << "withdraw " << std::hex << first << ' ' << last;
    write();
  }
  void on_fault(const dmar::fault_report& report) override {
    line() << "fault " << name_of(report.condition) << ' ' << std::hex << report.access.address << std::dec
           << ' ' << report.when - zero_ << ' ' << report.recorded;
    write();
  }

  // --- unit_observer

  void on_request(const dmar::request_event& e) override {
    requests.push_back(e);
    line() << "request " << number(e.number) << ' ' << to_string(e.step) << ' ' << e.at - zero_ << ' '
           << e.port << ' ' << std::hex << e.access.source.value() << ' ' << e.access.address << std::dec
           << ' ' << static_cast<int>(e.access.kind) << ' ' << e.offset << ' ' << e.length << ' ' << e.total
           << ' ' << static_cast<int>(e.found) << e.again << ' ' << e.walker << ' ' << name_of(e.condition)
           << std::hex << ' ' << e.host_address << std::dec << e.interrupt << e.ok << static_cast<int>(e.how);
    write();
  }
  void on_walk(const dmar::walk_event& e) override {
    walks.push_back(e);
    line() << "walk " << e.walker << ' ' << number(e.request) << ' ' << to_string(e.step) << ' '
           << e.at - zero_ << ' ' << static_cast<int>(e.kind) << e.level << std::hex << ' ' << e.address
           << ' ' << e.access.address << std::dec << ' ' << e.bytes << e.ok << e.poisoned << ' '
           << name_of(e.condition) << e.reads << std::hex << ' ' << e.seen.lo() << ' ' << e.seen.hi();
    write();
  }
  void on_memory_port(const dmar::memory_port_event& e) override {
    line() << "port " << e.taken << ' ' << e.at - zero_ << ' '
           << (e.until == engine::never ? 0 : e.until - zero_);
    write();
  }
  void on_queue_access(const dmar::queue_access_event& e) override {
    line() << "queue " << e.write << ' ' << e.at - zero_ << ' ' << std::hex << e.address;
    write();
  }
  void on_passage(const dmar::passage_event& e) override {
    passages.push_back(e);
    line() << "passage " << e.at - zero_ << ' ' << e.cycles << std::hex << ' ' << e.access.address << ' '
           << e.host_address << std::dec << ' ' << e.length << e.translated << static_cast<int>(e.found)
           << e.reads << e.blocked << ' ' << name_of(e.condition) << e.interrupt;
    write();
  }
  void on_command(const dmar::command_event& e) override {
    commands.push_back(e);
    line() << "command " << to_string(e.what) << ' ' << to_string(e.step) << ' ' << e.at - zero_ << ' '
           << e.on << std::hex << ' ' << e.root_table << ' ' << e.descriptor.lo << ' ' << e.descriptor.hi
           << std::dec << ' ' << static_cast<int>(e.context_asked) << static_cast<int>(e.context_done)
           << static_cast<int>(e.iotlb_asked) << static_cast<int>(e.iotlb_done) << ' ' << e.domain << ' '
           << e.source.value() << ' ' << e.function_mask << std::hex << ' ' << e.address << ' '
           << e.address_mask << e.leaf_only;
    write();
  }
  void on_message(const spec::msi_message& message, engine::cycle at) override {
    line() << "told message " << std::hex << message.address << std::dec << ' ' << at - zero_;
    write();
  }

private:
  static constexpr std::uint64_t large = 0x60000000;

  [[nodiscard]] static std::string_view name_of(spec::fault_condition condition) {
    return spec::condition_info(condition).name;
  }
  [[nodiscard]] static spec::source_id device(unsigned n) {
    return spec::source_id::from_bdf(1, static_cast<std::uint8_t>(n + 1), 0);
  }
  // Of one line of the tables, but for the last.
  [[nodiscard]] static std::uint64_t address_of(std::uint64_t page) {
    return 0x40000000 + page * spec::page_size + (page == 3 ? std::uint64_t{1} << 21 : 0);
  }
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_() % n; }
  [[nodiscard]] std::uint64_t number(std::uint64_t of) const { return of == 0 ? 0 : of - first_number_; }
  std::ostream& line() {
    text_.str({});
    text_.clear();
    text_ << std::dec << wheel.now() - zero_ << ": ";
    return text_;
  }
  void write() { lines.push_back(text_.str()); }
  bool port_stays_free() {
    if (below(3) != 0) return true;
    unit.memory_port_free(now_ps() + (1 + below(6)) * period);
    return false;
  }

  void pass_cycles(std::uint64_t cycles) {
    for (std::uint64_t n = 0; n < cycles; ++n) {
      if (woken_always) {
        constexpr std::uint32_t nothing_there = 0x48;
        unit.write_register(nothing_there, 4, 0, now_ps(), period);
      }
      run_to(wheel.now() + 1);
    }
  }

  dmar::request some_request() {
    dmar::request out;
    const std::uint64_t which = below(9);
    // Two devices of one domain among them, one device without a context, and all kinds of pages.
    out.access.source = device(static_cast<unsigned>(below(12) == 0 ? 7 : below(domains + 1)));
    out.access.kind = static_cast<remap::access_kind>(below(8) == 0 ? 2 : below(2));
    out.access.address = which < 7    ? address_of(which) + 64 * below(60)
                         : which == 7 ? large + 64 * below(0x7000)
                                      : 0xfee00000 + 64 * below(4);
    out.length = static_cast<std::uint32_t>(below(6) == 0 ? 9000 : 4 + 4 * below(30));
    out.is_dword_write = out.access.kind == remap::access_kind::write && below(4) == 0;
    if (out.is_dword_write) out.length = 4;
    if (which == 8) out.length = 4;
    return out;
  }

  void act() {
    namespace reg = spec::reg;
    const std::uint64_t what = below(40);
    if (what < 24) {
      const auto port = static_cast<unsigned>(below(ports));
      dmar::request one = some_request();
      one.cookie = reinterpret_cast<void*>(++id_); // NOLINT(performance-no-int-to-ptr)
      if (!offered_[port]) offered_[port] = unit.offer(port, one, now_ps() + below(3) * period);
    } else if (what < 28) {
      dmar::request one = some_request();
      if (one.length > 64) one.length = 64;
      (void)unit.pass(one, memory, now_ps());
    } else if (what == 28) {
      open_.push_back(unit.enter(below(2) != 0));
    } else if (what == 29 && !open_.empty()) {
      unit.leave(open_.back(), now_ps());
      open_.pop_back();
    } else if (what == 30) {
      queue_.submit(page_of(static_cast<std::uint16_t>(5 + below(3)), address_of(below(6)),
                            static_cast<unsigned>(below(3)), below(2) != 0),
                    status_wait(0xa00000, static_cast<std::uint32_t>(below(100))));
    } else if (what == 31) {
      queue_.submit(all_pages(), interrupt_wait());
    } else if (what == 32) {
      queue_.submit(context_of(device(static_cast<unsigned>(below(4))), 5), all_contexts(),
                    pages_of(static_cast<std::uint16_t>(5 + below(3))),
                    status_wait(0xa00000, 1).set_fence(true));
    } else if (what == 33) {
      write_register<reg::pmen>(reg::pmen::epm::of(static_cast<std::uint32_t>(below(2))));
    } else if (what == 34) {
      write_register<reg::fectl>(reg::fectl::im::of(static_cast<std::uint32_t>(below(2))));
    } else if (what == 35) {
      write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1), static_cast<unsigned>(below(2)));
      write_register<reg::fsts>(reg::fsts::pfo::of(1));
    } else if (what == 36) {
      write_register<reg::ics>(1);
    } else if (what == 37) {
      constexpr std::uint32_t on = reg::gcmd::te::mask | reg::gcmd::qie::mask;
      write_register<reg::gcmd>(on | (below(2) != 0 ? reg::gcmd::wbf::mask : reg::gcmd::srtp::mask));
    } else if (what == 38) {
      // Queue off, an order by register, queue on again, all in its time.
      settle();
      queue_.disable();
      pass_cycles(20);
      settle();
      if (below(2) != 0) {
        invalidate_iotlb_page(static_cast<std::uint16_t>(5 + below(3)), address_of(below(6)), 1);
      } else {
        invalidate_contexts_global();
      }
      pass_cycles(60);
      settle();
      queue_.enable();
    }
  }

  queue_driver queue_;
  std::mt19937_64 random_;
  std::ostringstream text_;
  engine::cycle zero_ = 0;
  std::uint64_t first_number_ = 0;
  std::uint64_t id_ = 0;
  std::vector<dmar::pipeline::admission> open_;
  bool offered_[ports] = {};
};

} // namespace vtd::test
