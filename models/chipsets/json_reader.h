// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads JSON strictly: every wrong type, value or key becomes a board_error with file, path, value and
// expectation.

#include "vtd/models/board_error.h"
#include "vtd/models/known.h"

#include <boost/json/value.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::models {

/// One value of a document, with its path and what is said about all values round it.
class json_node {
public:
  json_node(const boost::json::value& value, std::string path, std::string file, confidence how,
            std::string why)
      : value_(&value), path_(std::move(path)), file_(std::move(file)), how_(how), why_(std::move(why)) {}

  /// Throws board_error "FILE: PATH: got VALUE, expected EXPECTATION".
  [[noreturn]] void reject(const std::string& expectation) const;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool boolean() const;
  /// A number, or a string such as "0xfed90000".
  [[nodiscard]] std::uint64_t whole(std::uint64_t least = 0,
                                    std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const;
  [[nodiscard]] double real(double least, double most) const;
  [[nodiscard]] std::vector<json_node> items() const;

  /// The value inside {"value": ..., "confidence": ..., "why": ...}, or the plain value itself.
  [[nodiscard]] json_node plain() const;

  /// `read(node)` gives the value of the plain node; confidence and reason are added.
  template <class Read>
  [[nodiscard]] auto known_as(Read read) const {
    const json_node inner = plain();
    return known(read(inner), inner.how_, inner.why_);
  }
  [[nodiscard]] known<std::string> known_text() const;
  [[nodiscard]] known<bool> known_boolean() const;
  [[nodiscard]] known<std::uint64_t>
  known_whole(std::uint64_t least = 0, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const;
  [[nodiscard]] known<unsigned> known_count(unsigned least = 0,
                                            unsigned most = std::numeric_limits<unsigned>::max()) const;

  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_text() const;
  [[nodiscard]] const boost::json::value& raw() const { return *value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] confidence how() const { return how_; }
  [[nodiscard]] const std::string& why() const { return why_; }

private:
  const boost::json::value* value_;
  std::string path_;
  std::string file_;
  confidence how_;
  std::string why_;
};

/// The members of an object, asked for one by one. "confidence" and "why" of an object hold for all that is
/// in it and says nothing of its own. `finish` rejects what nobody asked for.
class json_object {
public:
  /// Throws unless the node is an object.
  explicit json_object(const json_node& node);

  [[nodiscard]] std::optional<json_node> find(std::string_view key);
  /// Throws when the key is not there.
  [[nodiscard]] json_node at(std::string_view key);
  /// Throws for the first key that was never asked for, with near matches.
  void finish() const;
  [[nodiscard]] std::vector<std::string> keys() const;
  [[nodiscard]] const json_node& node() const { return node_; }

private:
  json_node node_;
  std::vector<std::string> asked_;
};

/// A parsed file.
class json_document {
public:
  /// Parses a text; `file` names it in errors. Throws board_error with line and column when it is not JSON.
  static json_document from_text(std::string_view text, std::string file);

  [[nodiscard]] json_node root() const;

private:
  json_document() = default;
  std::string file_;
  boost::json::value value_;
};

/// The bytes of a file; throws board_error when it cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& file);

/// A whole number as people write it: "64", "0x40". Nothing when it is not one or too large.
[[nodiscard]] std::optional<std::uint64_t> parse_whole(std::string_view text);

} // namespace vtd::models
