// SPDX-License-Identifier: Apache-2.0
#pragma once

// The traffic of a board's devices as data: models/traffic/*.json.

#include "vtd/spec/access.h"
#include "vtd/spec/address.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vtd::bench {

/// What one function does, all its life.
struct traffic_stream {
  spec::source_id source{};
  /// One line: what it is for.
  std::string what;
  /// Bandwidth in MB/s. Its share of the requests is bandwidth / bytes, over the sum of all streams.
  double mb_per_s = 0;
  /// Of one request, at most 4096, not crossing a page.
  unsigned bytes = 64;
  /// Part of the requests that write.
  double writes = 0;
  /// Working set in pages of 4 KB; each function's streams have their own.
  unsigned pages = 1;
  /// Addresses at random in the working set; else one after the other.
  bool random = false;
  std::string confidence;
  std::string why;

  [[nodiscard]] double weight() const { return mb_per_s / bytes; }
};

struct traffic_mix {
  std::string name;
  std::string board;
  /// Requests under way at a time, of all functions together.
  unsigned outstanding = 32;
  std::vector<traffic_stream> streams;
};

/// Reads a mix. Throws std::runtime_error: file, JSON path, value, expectation.
[[nodiscard]] traffic_mix load_traffic(const std::filesystem::path& file);
/// The file of a name, in "traffic" of the data directories. Throws std::runtime_error.
[[nodiscard]] std::filesystem::path find_traffic(const std::string& name);

} // namespace vtd::bench
