// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vtd::test {

/// Takes numbers from bytes, little-endian; zeroes when they are used up.
class byte_source {
public:
  explicit byte_source(std::span<const std::uint8_t> data) : data_(data) {}
  [[nodiscard]] bool empty() const { return data_.empty(); }
  std::uint64_t take(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t count = bytes < data_.size() ? bytes : data_.size();
    if (count == 0) return 0;
    std::memcpy(&value, data_.data(), count);
    data_ = data_.subspan(count);
    return value;
  }

private:
  std::span<const std::uint8_t> data_;
};

} // namespace vtd::test
