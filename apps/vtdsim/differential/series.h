// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/compare.h"
#include "vtdsim/differential/program.h"
#include "vtdsim/differential/variant.h"

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtdsim::differential {

/// A difference that nobody has explained, made small.
struct divergence {
  std::uint64_t index = 0;
  program smallest;
  std::string what;
};

using counts = std::map<std::string_view, std::uint64_t>;

/// What a number of programs came to.
struct totals {
  std::uint64_t programs = 0;
  std::uint64_t operations = 0;
  std::uint64_t dmas = 0;
  counts faults;
  counts descriptors;
  counts explained;
  std::vector<divergence> divergences;
  /// By a signal, before its end.
  bool stopped = false;

  void add(const comparison& one);
  void add(const totals& other);
};

/// Programs of one variant on one QEMU, which is started anew when it ends or hangs.
class session {
public:
  session(std::string qemu, const variant& how) : qemu_(std::move(qemu)), how_(how) {}

  /// A QEMU that dies is a difference, too: the text says how.
  comparison run(const program& what, std::string& death);
  std::string version() { return comparer_for().qemu_version(); }

private:
  comparer& comparer_for();

  std::string qemu_;
  const variant& how_;
  std::optional<comparer> comparer_;
};

/// Runs one program and adds it to `sum`; `make_small` if it differs.
void run_one(session& on, const program& what, std::uint64_t index, bool make_small, totals& sum);

struct series {
  std::uint64_t seed = 1;
  std::uint64_t first = 0;
  std::uint64_t programs = 0;
  /// Programs at the same time; 0: as many as there are processors.
  unsigned jobs = 0;
};

/// Runs programs `first` to `first + programs - 1`. Every ten seconds it tells `progress`, if there is one,
/// how far it is. SIGINT and SIGTERM end it after the programs that run: what was seen until then is
/// returned.
[[nodiscard]] totals run_series(const series& what, const std::string& qemu, std::FILE* progress);

} // namespace vtdsim::differential
