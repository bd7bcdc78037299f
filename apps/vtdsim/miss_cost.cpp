// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/miss_cost.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtdsim {

miss_cost miss_cost_of(const run_result& r) {
  miss_cost out;
  const auto hit = std::find_if(r.sweep.begin(), r.sweep.end(),
                                [](const sweep_point& p) { return p.latency_ns_hit.has_value(); });
  const auto miss = std::find_if(r.sweep.rbegin(), r.sweep.rend(),
                                 [](const sweep_point& p) { return p.latency_ns_miss.has_value(); });
  if (!r.sweep.empty()) out.off_ns = r.sweep.front().latency_ns_off;
  if (hit != r.sweep.end()) {
    out.hit_ns = hit->latency_ns_hit;
    out.hit_window = hit->window_bytes;
  }
  if (miss != r.sweep.rend()) {
    out.miss_ns = miss->latency_ns_miss;
    out.miss_window = miss->window_bytes;
    const double missed = 1 - miss->hit_rate.value_or(1);
    out.reads = missed > 0 ? miss->walk_reads_per_request.value_or(0) / missed : 0;
  }
  return out;
}

std::string why_unknown(const run_result& r, const miss_cost& cost) {
  if (!r.translation_off.empty())
    return "Nothing was translated, so nothing could hit or miss: " + r.translation_off + ".";
  if (cost.miss_ns) {
    return fmt::format(
        "Every read missed: one takes {:.0f} ns, with {:.2f} table reads. None hit, so there is "
        "nothing to compare it with.",
        *cost.miss_ns, cost.reads);
  }
  if (cost.hit_ns) return fmt::format("Every read hit: one takes {:.0f} ns. None missed.", *cost.hit_ns);
  return "No read of the sweep was measured with translation on.";
}

} // namespace vtdsim
