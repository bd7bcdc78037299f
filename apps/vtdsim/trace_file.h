// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtdsim {

/// A file of trace events in the JSON object format of Chrome, which ui.perfetto.dev and chrome://tracing
/// read. It is written in pieces; the closing brackets go out with each piece and the next one overwrites
/// them, so that the file is a valid document whenever the program ends. Where that cannot be (a pipe), they
/// are written once, by `finish` or the destructor.
class trace_file {
public:
  /// The document's facts, in order: name and value as JSON.
  using facts = std::vector<std::pair<std::string, std::string>>;

  /// Throws board_error when the file cannot be written.
  trace_file(std::filesystem::path file, const facts& about);
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;
  ~trace_file();

  /// Adds an event, a JSON object; or several with `separator` between them.
  void add(std::string_view events);
  static constexpr std::string_view separator = ",\n";
  /// Writes out what is there. Throws board_error when that cannot be written.
  void finish();

private:
  void write_out(bool last);

  std::filesystem::path file_;
  std::ofstream out_;
  std::string buffer_;
  std::streamoff end_ = 0;
  bool rewinds_ = false;
  bool first_ = true;
  bool finished_ = false;
};

} // namespace vtdsim
