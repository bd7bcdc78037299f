// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/minimise.h"

#include <algorithm>
#include <utility>

namespace vtdsim::differential {

program minimise(program what, const std::function<bool(const program&)>& still_differs, unsigned most_runs) {
  for (std::size_t chunk = std::max<std::size_t>(what.steps.size() / 2, 1);;
       chunk = std::max<std::size_t>(chunk / 2, 1)) {
    bool shorter = false;
    // From the end: what comes after the difference goes first.
    for (std::size_t end = what.steps.size(); end != 0 && most_runs != 0;) {
      const std::size_t begin = end > chunk ? end - chunk : 0;
      program tried = what;
      tried.steps.erase(tried.steps.begin() + static_cast<std::ptrdiff_t>(begin),
                        tried.steps.begin() + static_cast<std::ptrdiff_t>(end));
      --most_runs;
      if (still_differs(tried)) {
        what = std::move(tried);
        shorter = true;
      }
      end = std::min(begin, what.steps.size());
    }
    if ((chunk == 1 && !shorter) || most_runs == 0) return what;
  }
}

} // namespace vtdsim::differential
