// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/spec/capability.h"
#include "vtd/spec/fault.h"
#include "vtd/spec/invalidation.h"
#include "vtd/spec/registers.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::test {

/// The registers of a remapping unit and as much behaviour as a driver can see of them: commands that take
/// time, fault records, the fault event. It translates nothing and has no caches. What no correct driver does
/// (a command while one is pending, TE without a root table) is noted as a violation. VT-d 10.4
class fake_unit {
public:
  /// Answers that never come while the flag is set.
  struct withheld_answers {
    bool rtps = false;
    bool tes = false;
    bool ires = false;
    bool qies = false;
    bool afls = false;
    bool wbfs = false;
    bool icc = false;
    bool ivt = false;
    bool prs = false;
    bool wait_status = false; ///< waits of the queue are never over
  };
  /// A register by what it is; `index` is that of a fault record.
  struct place {
    const spec::register_layout* reg = nullptr;
    unsigned index = 0;
  };

  fake_unit(unsigned number, std::uint64_t base, spec::cap capability, spec::ecap extended);

  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] std::string name() const { return "dmar" + std::to_string(number_); }
  /// Which register is at this address; none where the unit has none.
  [[nodiscard]] std::optional<place> find(std::uint64_t address) const;

  [[nodiscard]] std::uint64_t read(const place& at, std::uint64_t now_ns);
  void write(const place& at, std::uint64_t value, std::uint64_t now_ns);
  /// Lets pending commands finish whose time has come.
  void advance(std::uint64_t now_ns);

  /// The value of a register, for set-up and for a look.
  template <class Register>
  [[nodiscard]] std::uint64_t& at() {
    return values_[Register::layout.name];
  }
  /// As firmware left it: this level bit of GSTS is on.
  template <class Field>
  void left_on() {
    at<spec::reg::gsts>() |= Field::mask;
  }

  /// A request is blocked: recorded as hardware does (VT-d 7.3.1), with overflow and fault event. While the
  /// advanced log is on it goes there instead (VT-d 7.3.2), which shows in FSTS.APF only: no log is written.
  void fault(spec::source_id source, spec::fault_reason reason, std::uint64_t address, bool read = true);
  void fault_record(std::uint64_t lo, std::uint64_t hi);
  /// The next record that hardware would write.
  void set_next_record(unsigned index) { next_record_ = index; }
  [[nodiscard]] unsigned full_records() const;

  spec::cap capability;
  spec::ecap extended;
  std::uint64_t latency_ns = 300; ///< from a command to its answer
  withheld_answers withhold;
  bool silent = false;               ///< nothing answers: reads give all ones, writes are lost
  std::optional<std::uint64_t> caig; ///< instead of what was asked for
  std::optional<std::uint64_t> iaig; ///< instead of what was asked for
  /// The machine's memory for the queue, coherent: a word of 64 bits, and the store of 32.
  std::function<std::uint64_t(std::uint64_t address)> load;
  std::function<void(std::uint64_t address, std::uint32_t data)> store;
  std::vector<spec::invalidation_descriptor> descriptors; ///< of the queue, as they were executed
  unsigned wrong_descriptors = 0;                         ///< so many of the next ones are refused with IQE
  unsigned unreadable_descriptors = 0;                    ///< so many reads of the next ones fail
  unsigned lost_status_writes = 0;     ///< so many of the next waits cannot write their status
  unsigned timed_out_devices = 0;      ///< so many of the next waits end in ITE instead
  bool unexpected_completion = false;  ///< the next wait finds ICE set
  std::function<void()> after_clear;   ///< called when software has cleared a fault record
  std::vector<std::string> violations; ///< what a correct driver does not do
  std::vector<std::pair<std::uint64_t, std::uint32_t>> messages; ///< fault events sent: address, data

private:
  struct pending {
    std::uint64_t due_ns;
    std::string_view what;
    std::function<void()> apply;
  };
  void answer(std::string_view what, bool withheld, std::uint64_t now_ns, std::function<void()> apply);
  [[nodiscard]] bool waits_for(std::string_view what) const;
  void violation(const std::string& text) { violations.push_back(name() + ": " + text); }
  void global_command(std::uint32_t value, std::uint64_t now_ns);
  [[nodiscard]] std::uint32_t fault_status() const;
  void event();
  void send_event();
  void status_event(std::uint32_t bit);
  void queue_error(spec::queue_error why);
  void run_queue(std::uint64_t now_ns);
  void look_at_queue();

  unsigned number_;
  std::uint64_t base_;
  std::map<std::string_view, std::uint64_t> values_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> records_; // lo, hi
  unsigned next_record_ = 0;
  bool overflow_ = false;
  std::vector<pending> pending_;
};

} // namespace vtd::test
