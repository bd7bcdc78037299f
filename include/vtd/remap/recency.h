// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vtd::remap {

/// The order in which the ways of each set were last touched; the last of them is the one to replace. Sets of
/// up to 16 ways keep it as a list of 4-bit numbers in one word, most recent in the lowest bits, so that both
/// touching and finding the last take the same few instructions however many ways there are; larger sets keep
/// a stamp per way.
class recency {
public:
  static constexpr std::size_t packed_ways = 16;

  recency() = default;
  recency(std::size_t sets, std::size_t ways) : ways_(ways), packed_(ways <= packed_ways) {
    if (packed_) {
      orders_.resize(sets);
    } else {
      stamps_.resize(sets * ways);
    }
    // At the start way 0 is the last, then way 1, and so on. Stamps of 0 say so by themselves.
    std::uint64_t order = 0;
    for (std::size_t way = 0; packed_ && way < ways; ++way)
      order = order << 4 | way;
    for (std::uint64_t& each : orders_)
      each = order;
  }

  /// `way` is the most recent one now.
  void touch(std::size_t set, std::size_t way) {
    if (!packed_) {
      stamps_[set * ways_ + way] = ++stamp_;
      return;
    }
    std::uint64_t& order = orders_[set];
    // The places that hold `way` become 0; the borrow of a subtraction marks the lowest of them in its top
    // bit.
    const std::uint64_t difference = order ^ way * ones;
    const std::uint64_t zero = (difference - ones) & ~difference & ones << 3;
    const auto place = static_cast<unsigned>(std::countr_zero(zero)) & last_place;
    const std::uint64_t before = (std::uint64_t{1} << place) - 1;
    const std::uint64_t through = before << 4 | lowest;
    order = (order & ~through) | (order & before) << 4 | way;
  }

  /// The way that was touched longest ago; it is the most recent one now.
  std::size_t take_last(std::size_t set) {
    const std::size_t way = last(set);
    if (packed_) [[likely]] {
      // What the list pushes out at its end lies above the places that count.
      orders_[set] = orders_[set] << 4 | way;
    } else {
      touch(set, way);
    }
    return way;
  }

  /// The way that was touched longest ago.
  [[nodiscard]] std::size_t last(std::size_t set) const {
    if (packed_) [[likely]]
      return static_cast<std::size_t>(orders_[set] >> (4 * (ways_ - 1)) & lowest);
    const std::uint64_t* const stamps = stamps_.data() + set * ways_;
    std::size_t oldest = 0;
    for (std::size_t way = 1; way < ways_; ++way) {
      if (stamps[way] < stamps[oldest]) oldest = way;
    }
    return oldest;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(stamp_, orders_, stamps_);
  }

private:
  static constexpr std::uint64_t lowest = 0xf;
  static constexpr unsigned last_place = 60;                // bits of the places: 0, 4 and so on to this
  static constexpr std::uint64_t ones = 0x1111111111111111; // 1 in each place of the list

  std::size_t ways_ = 0;
  bool packed_ = true;
  std::uint64_t stamp_ = 0;
  std::vector<std::uint64_t> orders_;
  std::vector<std::uint64_t> stamps_;
};

} // namespace vtd::remap
