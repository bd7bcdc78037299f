// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/report_parts.h"

#include "vtdsim/result_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vtdsim::report {

namespace {

constexpr double width = 560;
constexpr double height = 290;
constexpr double left = 52;
constexpr double right = 62;
constexpr double top = 30;
constexpr double bottom = 34;

/// A round step that gives about five ticks up to `most`.
double tick_step(double most) {
  const double raw = most / 5;
  const double power = std::pow(10.0, std::floor(std::log10(std::max(raw, 1e-9))));
  for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

std::string number(double value) {
  if (value == std::floor(value)) return fmt::format("{:.0f}", value);
  return value < 10 ? fmt::format("{:.2g}", value) : fmt::format("{:.1f}", value);
}

struct label {
  double y;
  std::string text;
  std::string style;
};

} // namespace

std::string plot(const std::vector<sweep_point>& points, const std::string& title, const std::string& unit,
                 const std::vector<series>& lines) {
  if (points.empty()) return {};
  double most = 0;
  for (const series& line : lines) {
    for (const sweep_point& p : points)
      most = std::max(most, line.value(p).value_or(0));
  }
  if (most <= 0) return {};
  const double step = tick_step(most);
  // A share has its own top.
  const double limit = unit == "percent" ? 100 : step * std::ceil(most / step * 1.0001);
  const auto x = [&](std::size_t i) {
    const double span = std::max<double>(1, static_cast<double>(points.size() - 1));
    return left + static_cast<double>(i) / span * (width - left - right);
  };
  const auto y = [&](double value) { return height - bottom - value / limit * (height - top - bottom); };

  std::string out =
      fmt::format("<div class=panel><h3>{}</h3><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
                  escaped(title), width, height, escaped(title));
  const auto ticks = static_cast<int>(limit / step * 1.0001);
  for (int i = 0; i <= ticks; ++i) {
    const double tick = i * step;
    out += fmt::format(
        "<line class=axis x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{:.1f}\" "
        "y=\"{:.1f}\" text-anchor=end>{}</text>",
        left, width - right, y(tick), y(tick), left - 8, y(tick) + 4, number(tick));
  }
  out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", left, 14.0, escaped(unit));
  const std::size_t every = points.size() > 8 ? 2 : 1;
  for (std::size_t i = 0; i < points.size(); i += every) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=middle>{}</text>", x(i), height - 12,
                       window_text(points[i].window_bytes));
  }
  std::vector<label> labels;
  for (const series& line : lines) {
    std::string path;
    std::optional<double> last;
    bool pen_down = false;
    std::string dots;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto value = line.value(points[i]);
      if (!value) {
        pen_down = false;
        continue;
      }
      path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', x(i), y(*value));
      dots += fmt::format(
          "<circle class={} cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\"><title>{} {}: {} {}</title></circle>",
          line.style, x(i), y(*value), window_text(points[i].window_bytes), escaped(line.name),
          number(std::round(*value * 100) / 100), escaped(unit));
      pen_down = true;
      last = value;
    }
    if (!last) continue;
    out += fmt::format("<path class=\"curve {}{}\" d=\"{}\"/>{}", line.style,
                       line.name == "off" ? " dash" : "", path, dots);
    labels.push_back({y(*last), line.name, line.style});
  }
  // Labels stand at the ends of their lines, and make room for each other.
  std::sort(labels.begin(), labels.end(), [](const label& a, const label& b) { return a.y < b.y; });
  constexpr double line_height = 14;
  for (std::size_t i = 1; i < labels.size(); ++i)
    labels[i].y = std::max(labels[i].y, labels[i - 1].y + line_height);
  for (const label& each : labels) {
    out += fmt::format("<text class={} x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", each.style, width - right + 8,
                       each.y + 4, escaped(each.text));
  }
  return out + "</svg></div>";
}

} // namespace vtdsim::report
