// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/run_result.h"
#include "vtdsim/trace.h"

#include "vtd/dmar/observer_list.h"
#include "vtd/models/root_complex.h"

#include <deque>
#include <filesystem>
#include <memory>
#include <vector>

namespace vtdsim {

/// The trace of a run: a process for each remapping unit of the machine. It goes before the machine does; a
/// run that ends early leaves a whole document, too.
class machine_trace {
public:
  /// `observers`: one for each unit of the machine; they must outlive this. Throws board_error when the file
  /// cannot be written.
  machine_trace(const std::filesystem::path& file, const run_result& about,
                vtd::models::root_complex& machine, std::deque<vtd::dmar::observer_list>& observers);
  machine_trace(const machine_trace&) = delete;
  machine_trace& operator=(const machine_trace&) = delete;
  ~machine_trace();
  /// Nothing is watched any more. Throws board_error when something could not be written.
  void finish();

private:
  void stop();

  trace_file file_;
  vtd::models::root_complex& machine_;
  std::deque<vtd::dmar::observer_list>& observers_;
  std::vector<std::unique_ptr<unit_trace>> units_;
};

} // namespace vtdsim
