// SPDX-License-Identifier: Apache-2.0
#include "vtd/models/near_names.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vtd::models {

namespace {

std::size_t spelling_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, change});
      diagonal = above;
    }
  }
  return row[b.size()];
}

} // namespace

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& candidates) {
  // Names and files are short; what is longer is no slip of the pen, and would cost time.
  if (name.size() > 100) return {};
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    const bool contained =
        name.size() >= 3 && candidate.size() >= 3 &&
        (candidate.find(name) != std::string::npos || name.find(candidate) != std::string::npos);
    const std::size_t distance = spelling_distance(name, candidate);
    if (contained || distance <= std::max<std::size_t>(1, candidate.size() / 3)) {
      found.emplace_back(distance, candidate);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < found.size() && i < 3; ++i)
    result.push_back(found[i].second);
  return result;
}

std::string name_hint(std::string_view name, const std::vector<std::string>& candidates, std::size_t limit) {
  const std::vector<std::string> close = near_names(name, candidates);
  std::string text;
  if (!close.empty()) {
    for (std::size_t i = 0; i < close.size(); ++i) {
      text += (i == 0 ? "did you mean " : i + 1 == close.size() ? " or " : ", ") + close[i];
    }
    return text + "?";
  }
  std::vector<std::string> sorted = candidates;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size() && i < limit; ++i)
    text += (i == 0 ? "" : ", ") + sorted[i];
  if (sorted.size() > limit) text += ", ...";
  return "expected one of " + (text.empty() ? "nothing" : text);
}

} // namespace vtd::models
