// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/report_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtdsim::report {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

namespace {

std::string function_line(const function_result& f) {
  return fmt::format("<div class=\"fn{}{}\"><code>{}</code><span>{}{}</span></div>",
                     f.parent.empty() ? "" : " in", f.domain.empty() ? "" : " mine", escaped(f.source_id),
                     escaped(f.text), f.domain.empty() ? "" : " &rarr; domain " + escaped(f.domain));
}

/// A box of the picture: a unit or none, and the functions behind it. Many functions take the whole width.
std::string unit_box(const run_result& r, const std::string& unit, const std::string& style,
                     const std::string& head) {
  constexpr unsigned many = 6;
  unsigned count = 0;
  std::string functions;
  for (const function_result& f : r.functions) {
    if (f.unit != unit) continue;
    functions += function_line(f);
    ++count;
  }
  if (count == 0) {
    if (unit.empty()) return {};
    functions = "<div class=\"fn soft\">no function of this machine</div>";
  }
  return fmt::format("<div class=\"unit{}{}\"{}>{}<div class=fns>{}</div></div>", count > many ? " wide" : "",
                     unit.empty() ? " none" : "", style, head, functions);
}

} // namespace

std::string topology(const run_result& r) {
  std::string out = "<div class=\"panel rc\"><div class=soft>Root complex: each remapping unit, and the "
                    "functions in its scope</div><div class=units>";
  for (std::size_t i = 0; i < r.units.size(); ++i) {
    const unit_result& u = r.units[i];
    out +=
        unit_box(r, u.name, fmt::format(" style=\"--u:var(--u{})\"", i % 6),
                 fmt::format("<h3><span>{}</span><code>{:#x}</code></h3><div class=soft>translation {}, {} "
                             "requests</div>",
                             escaped(u.name), u.base, u.translation_enabled ? "on" : "off", u.requests));
  }
  out += unit_box(r, "", "", "<h3>no unit</h3><div class=soft>requests go to memory untranslated</div>");
  return out + "</div></div>";
}

std::string unit_tables(const run_result& r) {
  std::string out =
      "<div class=panel><table><tr><th>unit<th>requests<th>context misses<th>IOTLB hits<th>misses"
      "<th>table reads<th>invalidations<th>faults</tr>";
  for (const unit_result& u : r.units) {
    out +=
        fmt::format("<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>", escaped(u.name), u.requests,
                    u.context_misses, u.iotlb_hits, u.iotlb_misses, u.walk_reads, u.invalidations, u.faults);
  }
  out += "</table></div><div class=panel><table><tr><th>unit<th class=l>registers at<th class=l>CAP<th "
         "class=l>ECAP<th class=l>scope</tr>";
  for (const unit_result& u : r.units) {
    std::string scopes;
    for (const std::string& scope : u.scopes)
      scopes += (scopes.empty() ? "" : ", ") + escaped(scope);
    out += fmt::format("<tr><td>{}<td class=l><code>{:#x}</code><td class=l><code>{:#x}</code><td "
                       "class=l><code>{:#x}</code><td class=\"l wrap\">{}</tr>",
                       escaped(u.name), u.base, u.cap, u.ecap, scopes);
  }
  out += "</table></div>";
  for (const unit_result& u : r.units) {
    if (u.requests == 0) continue;
    out += fmt::format("<div class=panel><h3>Caches of unit "
                       "{}</h3><table><tr><th>cache<th>entries<th>ways<th class=l>policy<th>hits"
                       "<th>misses<th>fills<th>evictions<th>invalidated</tr>",
                       escaped(u.name));
    for (const cache_result& c : u.caches) {
      out += fmt::format("<tr><td>{}<td>{}<td>{}<td class=l>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
                         escaped(c.name), c.entries, c.ways, escaped(c.policy), c.hits, c.misses, c.fills,
                         c.evictions, c.invalidated);
    }
    out += "</table></div>";
    if (!u.masked.empty()) {
      out += fmt::format("<p class=soft>Not built yet, and so not advertised by unit {}:", escaped(u.name));
      for (const std::string& bit : u.masked)
        out += " " + escaped(bit);
      out += "</p>";
    }
  }
  return out;
}

std::string fault_log(const run_result& r) {
  if (r.faults.empty()) return "<p class=soft>No request was blocked.</p>";
  std::string out = "<div class=panel><table><tr><th>time<th class=l>unit<th class=l>requester<th "
                    "class=l>access<th class=l>address"
                    "<th class=l>condition<th class=l>what it means, and what the driver printed</tr>";
  for (const fault_result& f : r.faults) {
    out += fmt::format(
        "<tr><td>{:.3f} ms{}<td class=l>{}<td class=l><code>{}</code><td class=l>{}<td "
        "class=l><code>{:#x}</code><td "
        "class=l>{} ({:#04x})<td class=\"l wrap\">{} <span class=soft>VT-d {}</span><br><code>{}</code></tr>",
        static_cast<double>(f.time_ns) / 1e6,
        f.count > 1 ? fmt::format("<br><span class=soft>{} times</span>", f.count) : "", escaped(f.unit),
        escaped(f.source_id), f.write ? "write" : "read", f.address, escaped(f.condition), f.reason,
        escaped(f.condition_text), escaped(f.section),
        f.driver_line.empty() ? "the driver has not seen it" : escaped(f.driver_line));
  }
  return out + "</table></div>";
}

std::string findings(const run_result& r) {
  if (r.findings.empty() && !r.translation_off.empty())
    return "<p class=soft>Nothing to check: no request was translated.</p>";
  if (r.findings.empty())
    return "<p><span class=\"badge good\">nothing found</span>Checked: every root, context and page-table "
           "entry that hardware read from memory was the one that the driver had stored last, neither left "
           "behind in the CPU's cache nor in the chipset's write buffer, and no device with ATS went on with "
           "a translation that was taken back. Not checked: whether a unit's own caches should have been "
           "invalidated.</p>";
  std::string out;
  for (const finding_result& f : r.findings) {
    out += fmt::format("<div class=panel><span class=\"badge {}\">{}</span><code>{}</code>{}<p>{}</p><table>",
                       f.severity == "error" ? "bad" : "warn", escaped(f.severity), escaped(f.rule),
                       f.count > 1 ? fmt::format(" <span class=soft>{} times</span>", f.count) : "",
                       escaped(f.text));
    for (const auto& [key, value] : f.details) {
      out += fmt::format("<tr><td>{}<td class=\"l wrap\">{}</tr>", escaped(key), escaped(value));
    }
    out += "</table></div>";
  }
  return out;
}

std::string parameters(const run_result& r) {
  const auto assumed = std::count_if(r.parameters.begin(), r.parameters.end(),
                                     [](const parameter_result& p) { return p.confidence == "assumed"; });
  std::string out = fmt::format(
      "<p>{} of {} parameters are assumed.</p><div class=panel><table><tr><th>parameter<th>value<th "
      "class=l>unit<th class=l>confidence<th class=l>why</tr>",
      assumed, r.parameters.size());
  for (const parameter_result& p : r.parameters) {
    const std::string_view badge = p.confidence == "assumed"        ? "warn"
                                   : p.confidence == "set by --set" ? "bad"
                                                                    : "good";
    out += fmt::format("<tr><td><code>{}</code><td>{}<td class=l>{}<td class=l><span class=\"badge "
                       "{}\">{}</span><td class=\"l wrap\">{}</tr>",
                       escaped(p.name), escaped(p.value), escaped(p.unit), badge, escaped(p.confidence),
                       escaped(p.why));
  }
  return out + "</table></div>";
}

} // namespace vtdsim::report
