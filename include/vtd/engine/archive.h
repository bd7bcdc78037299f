// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace vtd::engine {

/// Bytes that are no archive, or not the one that is expected; the text says
/// which.
struct archive_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// State as bytes: numbers in little-endian order, sections with names. What
/// has state says once what that is, `template <class Archive> void
/// serialize(Archive& archive)`, and both directions follow from it: the writer
/// reads the members, the reader sets them.
class archive_writer {
public:
  static constexpr bool reads = false;

  /// Numbers, enumerations, flags, arrays and vectors of these, and whatever
  /// has `serialize`.
  template <class... Members>
  void operator()(Members&... members) {
    (put(members), ...);
  }
  /// `body()` between a name and a length.
  template <class Body>
  void section(std::string_view name, Body&& body) {
    put_text(name);
    const std::size_t at = bytes_.size();
    put_number(std::uint32_t{0});
    body();
    const auto length = static_cast<std::uint32_t>(bytes_.size() - at - sizeof(std::uint32_t));
    for (std::size_t i = 0; i < sizeof(length); ++i)
      bytes_[at + i] = static_cast<std::byte>(length >> (8 * i));
  }
  void put_text(std::string_view text) {
    put_number(static_cast<std::uint32_t>(text.size()));
    for (const char c : text)
      bytes_.push_back(static_cast<std::byte>(c));
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
  template <class Number>
  void put_number(Number value) {
    const auto wide = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(Number); ++i)
      bytes_.push_back(static_cast<std::byte>(wide >> (8 * i)));
  }
  template <class Member>
  void put(Member& member) {
    if constexpr (std::is_same_v<std::remove_const_t<Member>, bool>) {
      put_number(static_cast<std::uint8_t>(member ? 1 : 0));
    } else if constexpr (std::is_enum_v<Member>) {
      put_number(static_cast<std::underlying_type_t<Member>>(member));
    } else if constexpr (std::is_integral_v<Member>) {
      put_number(member);
    } else {
      member.serialize(*this);
    }
  }
  template <class Item>
  void put(std::vector<Item>& items) {
    put_number(static_cast<std::uint32_t>(items.size()));
    for (Item& item : items)
      put(item);
  }
  template <class Item, std::size_t Count>
  void put(std::array<Item, Count>& items) {
    for (Item& item : items)
      put(item);
  }

  std::vector<std::byte> bytes_;
};

class archive_reader {
public:
  static constexpr bool reads = true;

  explicit archive_reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class... Members>
  void operator()(Members&... members) {
    (get(members), ...);
  }
  /// The section of that name must be next, and `body()` must read all of it.
  template <class Body>
  void section(std::string_view name, Body&& body) {
    const std::string found = get_text();
    if (found != name)
      throw archive_error("section \"" + found + "\", expected \"" + std::string(name) + "\"");
    std::uint32_t length = 0;
    get(length);
    const std::size_t end = at_ + length;
    if (length > bytes_.size() - at_) throw archive_error("section \"" + found + "\" is cut off");
    body();
    if (at_ != end) {
      throw archive_error("section \"" + found + "\" has " + std::to_string(length) + " bytes, expected " +
                          std::to_string(length - end + at_));
    }
  }
  [[nodiscard]] std::string get_text() {
    std::uint32_t length = 0;
    get(length);
    need(length);
    std::string text;
    for (std::uint32_t i = 0; i < length; ++i)
      text.push_back(static_cast<char>(bytes_[at_++]));
    return text;
  }
  /// Where it stands, and moves on without reading.
  [[nodiscard]] std::size_t position() const { return at_; }
  void skip(std::size_t count) {
    need(count);
    at_ += count;
  }
  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }

private:
  void need(std::size_t count) const {
    if (count > bytes_.size() - at_)
      throw archive_error("ends after " + std::to_string(bytes_.size()) + " bytes, more expected");
  }
  template <class Number>
  void get_number(Number& value) {
    need(sizeof(Number));
    std::uint64_t wide = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i)
      wide |= std::uint64_t{std::to_integer<std::uint8_t>(bytes_[at_ + i])} << (8 * i);
    at_ += sizeof(Number);
    value = static_cast<Number>(wide);
  }
  template <class Member>
  void get(Member& member) {
    if constexpr (std::is_same_v<Member, bool>) {
      std::uint8_t value = 0;
      get_number(value);
      member = value != 0;
    } else if constexpr (std::is_enum_v<Member>) {
      std::underlying_type_t<Member> value{};
      get_number(value);
      member = static_cast<Member>(value);
    } else if constexpr (std::is_integral_v<Member>) {
      get_number(member);
    } else {
      member.serialize(*this);
    }
  }
  template <class Item>
  void get(std::vector<Item>& items) {
    // How many there are follows from the configuration.
    std::uint32_t count = 0;
    get_number(count);
    if (count != items.size()) {
      throw archive_error("list of " + std::to_string(count) + " items, expected " +
                          std::to_string(items.size()));
    }
    for (Item& item : items)
      get(item);
  }
  template <class Item, std::size_t Count>
  void get(std::array<Item, Count>& items) {
    for (Item& item : items)
      get(item);
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

/// A structure of nothing but 64-bit counters.
template <class Archive, class Counters>
void serialize_counters(Archive& archive, Counters& counters) {
  static_assert(std::is_trivially_copyable_v<Counters> && sizeof(Counters) % sizeof(std::uint64_t) == 0);
  auto words = std::bit_cast<std::array<std::uint64_t, sizeof(Counters) / sizeof(std::uint64_t)>>(counters);
  archive(words);
  counters = std::bit_cast<Counters>(words);
}

/// A time in cycles, told from `now` on: what lies before it is over, whenever
/// it was.
template <class Archive, class Cycle>
void serialize_time(Archive& archive, Cycle& at, Cycle now) {
  Cycle ahead = at > now ? at - now : 0;
  archive(ahead);
  if constexpr (Archive::reads) at = now + ahead;
}

} // namespace vtd::engine
