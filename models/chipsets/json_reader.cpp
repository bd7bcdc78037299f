// SPDX-License-Identifier: Apache-2.0
#include "json_reader.h"

#include "vtd/models/near_names.h"

#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <system_error>

namespace vtd::models {

namespace {

constexpr confidence unsaid_confidence = confidence::assumed;
constexpr std::string_view unsaid_reason = "the file does not say";

std::string number_text(double value) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

std::string shortened(const boost::json::value& value) {
  // As people write it: 1.5, not 1.5E0.
  std::string text = value.is_double() ? number_text(value.get_double()) : boost::json::serialize(value);
  constexpr std::size_t limit = 60;
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  return text;
}

} // namespace

std::optional<std::uint64_t> parse_whole(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

void json_node::reject(const std::string& expectation) const {
  throw board_error(file_ + ": " + (path_.empty() ? "" : path_ + ": ") + "got " + shortened(*value_) +
                    ", expected " + expectation);
}

std::string json_node::text() const {
  if (!value_->is_string()) reject("a string");
  const auto& s = value_->get_string();
  return {s.data(), s.size()};
}

bool json_node::boolean() const {
  if (!value_->is_bool()) reject("true or false");
  return value_->get_bool();
}

std::uint64_t json_node::whole(std::uint64_t least, std::uint64_t most) const {
  std::optional<std::uint64_t> value;
  if (value_->is_int64() && value_->get_int64() >= 0) value = static_cast<std::uint64_t>(value_->get_int64());
  if (value_->is_uint64()) value = value_->get_uint64();
  if (value_->is_string()) value = parse_whole(text());
  if (!value) reject("a whole number or a string such as \"0xfed90000\"");
  if (*value < least || *value > most) {
    reject("a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return *value;
}

double json_node::real(double least, double most) const {
  if (!value_->is_number()) reject("a number");
  const double value = value_->to_number<double>();
  // NOLINTNEXTLINE(readability-simplify-boolean-expr): written so that NaN is rejected, too.
  if (!(value >= least && value <= most)) {
    reject("a number from " + number_text(least) + " to " + number_text(most));
  }
  return value;
}

std::vector<json_node> json_node::items() const {
  if (!value_->is_array()) reject("a list");
  std::vector<json_node> result;
  for (const auto& item : value_->get_array()) {
    result.emplace_back(item, path_ + "[" + std::to_string(result.size()) + "]", file_, how_, why_);
  }
  return result;
}

json_node json_node::plain() const {
  if (!value_->is_object()) return *this;
  json_object wrapped(*this);
  const json_node value = wrapped.at("value");
  wrapped.finish();
  return {value.raw(), path_, file_, value.how(), value.why()};
}

known<std::string> json_node::known_text() const {
  return known_as([](const json_node& n) { return n.text(); });
}

known<bool> json_node::known_boolean() const {
  return known_as([](const json_node& n) { return n.boolean(); });
}

known<std::uint64_t> json_node::known_whole(std::uint64_t least, std::uint64_t most) const {
  return known_as([&](const json_node& n) { return n.whole(least, most); });
}

known<unsigned> json_node::known_count(unsigned least, unsigned most) const {
  return known_as([&](const json_node& n) { return static_cast<unsigned>(n.whole(least, most)); });
}

bool json_node::is_object() const { return value_->is_object(); }
bool json_node::is_text() const { return value_->is_string(); }

json_object::json_object(const json_node& node) : node_(node) {
  if (!node.is_object()) node.reject("an object");
  confidence how = node.how();
  std::string why = node.why();
  if (const auto given = find("confidence")) {
    const auto parsed = parse_confidence(given->text());
    if (!parsed) given->reject("measured, documented, derived or assumed");
    how = *parsed;
  }
  if (const auto given = find("why")) why = given->text();
  node_ = json_node(node.raw(), node.path(), node.file(), how, std::move(why));
}

std::optional<json_node> json_object::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  const auto* member = node_.raw().get_object().if_contains(key);
  if (member == nullptr) return std::nullopt;
  std::string path = node_.path();
  if (!path.empty()) path += '.';
  path += key;
  return json_node(*member, std::move(path), node_.file(), node_.how(), node_.why());
}

json_node json_object::at(std::string_view key) {
  auto member = find(key);
  if (!member) {
    throw board_error(node_.file() + ": " + (node_.path().empty() ? "top level" : node_.path()) + ": \"" +
                      std::string(key) + "\" is missing");
  }
  return *member;
}

void json_object::finish() const {
  for (const auto& member : node_.raw().get_object()) {
    const std::string key(member.key().data(), member.key().size());
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    throw board_error(node_.file() + ": " + (node_.path().empty() ? "top level" : node_.path()) +
                      ": unknown key \"" + key + "\", " + name_hint(key, asked_));
  }
}

std::vector<std::string> json_object::keys() const {
  std::vector<std::string> result;
  for (const auto& member : node_.raw().get_object())
    result.emplace_back(member.key().data(), member.key().size());
  return result;
}

json_document json_document::from_text(std::string_view text, std::string file) {
  json_document result;
  result.file_ = std::move(file);
  boost::json::stream_parser parser;
  boost::json::error_code error;
  std::size_t used = parser.write_some(text.data(), text.size(), error);
  std::string problem = error ? error.message() : "";
  if (!error && used < text.size()) problem = "text after the end of the document";
  if (!error && problem.empty()) {
    parser.finish(error);
    if (error) {
      problem = "the text ends too early";
      used = text.size();
    }
  }
  if (!problem.empty()) {
    const std::string_view before = text.substr(0, used);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    throw board_error(result.file_ + ": line " + std::to_string(line) + ", column " +
                      std::to_string(used - line_start + 1) + ": " + problem + ", expected JSON");
  }
  result.value_ = parser.release();
  return result;
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  std::error_code error;
  const bool readable = stream && !std::filesystem::is_directory(file, error);
  if (readable) content << stream.rdbuf();
  if (!readable || !stream) throw board_error(file.string() + ": cannot be read, expected a JSON file");
  return content.str();
}

json_node json_document::root() const {
  return {value_, "", file_, unsaid_confidence, std::string(unsaid_reason)};
}

} // namespace vtd::models
