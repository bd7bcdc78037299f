// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace vtd::models {

/// A board, preset or setting that cannot be used. The text is one line: place (file and JSON path, or key),
/// value, expectation.
class board_error : public std::runtime_error {
public:
  explicit board_error(std::string_view text) : std::runtime_error(one_line(text)) {}

private:
  // Keys and values of a file are quoted in it, and may hold anything.
  static std::string one_line(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
      const auto code = static_cast<unsigned char>(c);
      if (code >= 0x20 && code != 0x7f) {
        out += c;
      } else {
        out += "\\x";
        out += digits[code >> 4];
        out += digits[code & 0xf];
      }
    }
    return out;
  }
};

} // namespace vtd::models
