// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_unit.h"
#include "vtd/driver/hardware_access.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vtd::test {

/// What a driver did through the hardware-access interface.
enum class action : std::uint8_t {
  read,
  write,
  load,
  store,
  flush,
  delay,
  allocate,
  free,
  register_interrupt,
  unregister_interrupt,
  log
};

/// One call of the driver. Calls of relax() are counted, not recorded.
struct event {
  action what = action::log;
  unsigned unit = 0;                          ///< of a register
  const spec::register_layout* reg = nullptr; ///< null: not a register
  unsigned index = 0;                         ///< of a fault record
  std::uint64_t address = 0;
  std::uint64_t value = 0; ///< read, written or stored; pages of an allocation; nanoseconds of a delay
  std::uint64_t size = 0;  ///< bytes of a flush
  std::uint64_t time_ns = 0;
  std::string text; ///< of a log line
};

/// One line: "write dmar0 GCMD = 0x40000000".
[[nodiscard]] std::string describe(const event& what);

/// A machine that is nothing but the other side of the interface: plain memory with a write-back cache before
/// it, units with scripted registers, and a list of all that was done, in order. No SystemC, no model.
class fake_hardware {
public:
  fake_hardware() = default;
  fake_hardware(const fake_hardware&) = delete;
  fake_hardware& operator=(const fake_hardware&) = delete;

  fake_unit& add_unit(std::uint64_t base, spec::cap capability, spec::ecap extended);
  [[nodiscard]] fake_unit& unit(std::size_t index) { return *units_[index]; }
  [[nodiscard]] std::size_t unit_count() const { return units_.size(); }
  [[nodiscard]] vtd_hardware_access access();

  /// What the CPU sees at a word's address.
  [[nodiscard]] std::uint64_t seen_by_cpu(std::uint64_t address) const;
  /// What a master sees that does not snoop the CPU's cache: stores show after the flush of their line.
  [[nodiscard]] std::uint64_t seen_by_hardware(std::uint64_t address) const;
  void put(std::uint64_t address, std::uint64_t value);
  /// Lines that were stored to and not flushed.
  [[nodiscard]] std::size_t dirty_lines() const { return dirty_.size(); }
  [[nodiscard]] std::size_t pages_in_use() const { return pages_.size(); }
  [[nodiscard]] bool is_table_page(std::uint64_t page) const { return pages_.contains(page); }
  [[nodiscard]] std::size_t vectors_in_use() const { return vectors_.size(); }

  /// Calls the handlers of messages that units have sent.
  void deliver_interrupts();
  void forget_events() { events.clear(); }
  /// Violations of all units and of the machine.
  [[nodiscard]] std::vector<std::string> all_violations() const;

  std::vector<event> events;
  std::vector<std::string> violations;
  std::uint64_t now_ns = 1000;
  std::uint64_t relax_turns = 0;
  std::size_t pages_left = 100'000;
  unsigned vectors_left = 8;
  bool time_stands_still = false;             ///< relax() does not advance the clock
  std::function<void(const event&)> on_event; ///< sees every event before it takes effect

  static constexpr std::uint64_t first_page = 0x2000000;
  static constexpr std::uint64_t line_size = 64;

private:
  struct vector {
    vtd_interrupt_handler handler;
    void* argument;
  };
  static fake_hardware& self(void* context) { return *static_cast<fake_hardware*>(context); }
  void record(event what);
  std::uint64_t read(std::uint64_t address, unsigned bits);
  void write(std::uint64_t address, std::uint64_t value, unsigned bits);
  void flush(std::uint64_t address, std::uint64_t size);
  std::uint64_t allocate(std::size_t count);
  void free(std::uint64_t address, std::size_t count);
  void pass_time(std::uint64_t ns);

  std::vector<std::unique_ptr<fake_unit>> units_;
  std::map<std::uint64_t, std::uint64_t> cpu_;    // words
  std::map<std::uint64_t, std::uint64_t> memory_; // words
  std::set<std::uint64_t> dirty_;                 // lines
  std::set<std::uint64_t> pages_;
  std::set<std::uint64_t> given_back_;
  std::uint64_t next_page_ = first_page;
  std::map<std::uint32_t, vector> vectors_; // by data
  std::uint32_t next_vector_ = 0x41;
};

} // namespace vtd::test
