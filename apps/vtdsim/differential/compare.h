// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/deviations.h"
#include "vtdsim/differential/model_machine.h"
#include "vtdsim/differential/program.h"
#include "vtdsim/differential/qemu_machine.h"
#include "vtdsim/differential/queue_watch.h"
#include "vtdsim/differential/staleness.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace vtdsim::differential {

/// What running one program on both has shown.
struct comparison {
  std::optional<difference> unexplained;
  /// How often each deviation was met.
  std::map<std::string_view, std::uint64_t> explained;
  /// Steps that were run.
  std::uint64_t operations = 0;
  std::uint64_t dmas = 0;
  /// Faults of our unit by the name of their condition, recorded or not.
  std::map<std::string_view, std::uint64_t> faults;
  /// Descriptors that our queue went past, by their kind; "refused": it stopped at them.
  std::map<std::string_view, std::uint64_t> descriptors;
};

/// Runs programs on two machines of one variant, step by step on both, and compares what can be seen.
class comparer {
public:
  comparer(const std::string& qemu, const variant& how) : model_(how, {}), qemu_(qemu, how) {}

  /// The program's variant must be the comparer's. Throws `qemu_error`.
  comparison run(const program& what);
  [[nodiscard]] const std::string& qemu_version() const { return qemu_.version(); }

private:
  struct run_state;
  bool may_run(const transfer& what);
  void perform(run_state& now, std::size_t index);
  void write_register(run_state& now, std::size_t index, const step& what);
  void append(run_state& now, const step& what);
  void follow_queue(run_state& now, std::size_t index, bool resumed);
  void read_queue(run_state& now, std::size_t index);
  void read_ahead(run_state& now);
  void follow_register(run_state& now, const step& what);
  void read_both(run_state& now, std::size_t index, std::uint32_t offset, unsigned bytes);
  void read_everything(run_state& now, std::size_t index);
  /// Judges what was read since the last call. False: the program is at its end.
  bool judge(run_state& now);
  bool judge(run_state& now, const difference& what);
  [[nodiscard]] static bool is_explained_record(const run_state& now, const difference& what);
  /// Ends a program at a DMA that may have used an old entry.
  void end_stale(run_state& now, std::size_t index);
  void finish(run_state& now, std::size_t last);
  std::optional<difference> compare_contents(std::size_t index, bool everywhere, bool buffers);
  void replay_on_model(const run_state& now, std::size_t last, const model_choice& choice);
  bool matches_another_choice(const run_state& now, std::size_t last);

  model_machine model_;
  qemu_machine qemu_;
};

} // namespace vtdsim::differential
