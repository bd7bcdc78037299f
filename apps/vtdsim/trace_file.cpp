// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/trace_file.h"

#include "vtd/models/board_error.h"

namespace vtdsim {

namespace {
constexpr std::size_t piece_bytes = std::size_t{1} << 18;
constexpr std::string_view closing = "\n]}\n";
} // namespace

trace_file::trace_file(std::filesystem::path file, const facts& about)
    : file_(std::move(file)), out_(file_, std::ios::binary | std::ios::trunc) {
  std::error_code ignored;
  rewinds_ = std::filesystem::is_regular_file(file_, ignored);
  std::string list;
  for (const auto& [name, value] : about) {
    if (!list.empty()) list += ",";
    list.append("\"").append(name).append("\":").append(value);
  }
  buffer_ = "{" + list + ",\n\"displayTimeUnit\":\"ns\",\"otherData\":{" + list + "},\n\"traceEvents\":[\n";
  write_out(false);
  if (!out_) throw vtd::models::board_error("--trace " + file_.string() + ": cannot be written");
}

trace_file::~trace_file() {
  if (!finished_) write_out(true);
}

void trace_file::add(std::string_view events) {
  if (!first_) buffer_ += separator;
  first_ = false;
  buffer_ += events;
  if (buffer_.size() >= piece_bytes) write_out(false);
}

void trace_file::write_out(bool last) {
  const auto grown = static_cast<std::streamoff>(buffer_.size());
  if (rewinds_ || last) buffer_ += closing;
  if (rewinds_) out_.seekp(end_);
  out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  out_.flush();
  end_ += grown;
  buffer_.clear();
}

void trace_file::finish() {
  finished_ = true;
  write_out(true);
  if (!out_) throw vtd::models::board_error("--trace " + file_.string() + ": cannot be written");
}

} // namespace vtdsim
