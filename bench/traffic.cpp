// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/known.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <stdexcept>

namespace vtd::bench {

namespace {

using nlohmann::json;

/// One object of the file, and where it stands.
class place {
public:
  place(const json& value, std::string path) : value_(value), path_(std::move(path)) {
    if (!value_.is_object()) reject("", value_, "an object");
  }
  [[noreturn]] void reject(const std::string& key, const json& got, const std::string& expected) const {
    throw std::runtime_error(path_ + (key.empty() ? "" : "." + key) + ": got " + got.dump() + ", expected " +
                             expected);
  }
  [[nodiscard]] const json& at(const std::string& key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) throw std::runtime_error(path_ + ": no \"" + key + "\", expected one");
    return *found;
  }
  [[nodiscard]] std::string text(const std::string& key) const {
    const json& v = at(key);
    if (!v.is_string()) reject(key, v, "a text");
    return v.get<std::string>();
  }
  [[nodiscard]] double number(const std::string& key, double least, double most) const {
    const json& v = at(key);
    if (!v.is_number() || v.get<double>() < least || v.get<double>() > most) {
      reject(key, v, "a number from " + json(least).dump() + " to " + json(most).dump());
    }
    return v.get<double>();
  }
  [[nodiscard]] unsigned count(const std::string& key, unsigned least, unsigned most) const {
    const json& v = at(key);
    if (!v.is_number_unsigned() || v.get<std::uint64_t>() < least || v.get<std::uint64_t>() > most) {
      reject(key, v, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return v.get<unsigned>();
  }

private:
  const json& value_;
  std::string path_;
};

traffic_stream read_stream(const place& p) {
  traffic_stream out;
  const std::string function = p.text("function");
  const auto scope = models::parse_scope(function);
  if (!scope || scope->type != 1 || scope->path.size() != 1)
    p.reject("function", function, "a function such as \"00:19.0\"");
  out.source = spec::source_id::from_bdf(scope->start_bus, scope->path[0].device, scope->path[0].function);
  out.what = p.text("what");
  constexpr double most_mb = 1e6;
  out.mb_per_s = p.number("mb_per_s", 1e-6, most_mb);
  constexpr unsigned page = 4096;
  out.bytes = p.count("bytes", 1, page);
  if (page % out.bytes != 0)
    p.reject("bytes", out.bytes, "a divisor of 4096, so that no request crosses a page");
  out.writes = p.number("writes", 0, 1);
  constexpr unsigned most_pages = 16384;
  out.pages = p.count("pages", 1, most_pages);
  const std::string order = p.text("order");
  if (order != "sequential" && order != "random") p.reject("order", order, "\"sequential\" or \"random\"");
  out.random = order == "random";
  out.confidence = p.text("confidence");
  if (!models::parse_confidence(out.confidence))
    p.reject("confidence", out.confidence, "measured, documented, derived or assumed");
  out.why = p.text("why");
  if (out.why.empty()) p.reject("why", out.why, "a reason");
  return out;
}

} // namespace

traffic_mix load_traffic(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read, expected a traffic file");
  json document;
  try {
    document = json::parse(in);
  } catch (const json::parse_error& error) {
    throw std::runtime_error(file.string() + ": " + error.what());
  }
  const place top(document, file.string());
  traffic_mix out;
  out.name = top.text("name");
  out.board = top.text("board");
  constexpr unsigned most_outstanding = 1024;
  out.outstanding = top.count("outstanding", 1, most_outstanding);
  const json& streams = top.at("streams");
  if (!streams.is_array() || streams.empty()) top.reject("streams", streams, "a list of at least one");
  for (std::size_t i = 0; i < streams.size(); ++i)
    out.streams.push_back(
        read_stream(place(streams[i], file.string() + ": streams[" + std::to_string(i) + "]")));
  return out;
}

std::filesystem::path find_traffic(const std::string& name) {
  std::string places;
  for (const auto& directory : models::data_directories()) {
    const auto file = directory / "traffic" / (name + ".json");
    if (std::filesystem::is_regular_file(file)) return file;
    places += (places.empty() ? "" : ", ") + directory.string();
  }
  throw std::runtime_error("traffic \"" + name + "\": no such file, looked in " + places);
}

} // namespace vtd::bench
