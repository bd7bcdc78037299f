// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/memory_port.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace vtd::test {

/// Memory of 64-bit words for tests of everything that has no SystemC: counts reads, fails where told, and
/// answers after a fixed time.
class fake_memory final : public remap::memory_port {
public:
  [[nodiscard]] std::uint64_t load(std::uint64_t address) const {
    const auto found = words_.find(address);
    return found == words_.end() ? 0 : found->second;
  }
  void store(std::uint64_t address, std::uint64_t value) {
    words_[address] = value;
    if (watcher_) watcher_(address, value);
  }
  /// Is told of every store from now on.
  void watch(std::function<void(std::uint64_t address, std::uint64_t value)> watcher) {
    watcher_ = std::move(watcher);
  }
  /// Reads of this address fail from now on.
  void fail(std::uint64_t address) { failing_.insert(address); }
  [[nodiscard]] bool fails(std::uint64_t address) const { return failing_.contains(address); }
  void heal() { failing_.clear(); }
  void set_delay(engine::picoseconds delay) { delay_ = delay; }
  [[nodiscard]] engine::picoseconds delay() const { return delay_; }

  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    reads.push_back(address);
    delay += delay_;
    if (failing_.contains(address)) return false;
    out.words[0] = load(address);
    out.words[1] = bytes == 16 ? load(address + 8) : 0;
    return true;
  }

  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& words() const { return words_; }

  /// Addresses of all reads, in order.
  std::vector<std::uint64_t> reads;

private:
  std::map<std::uint64_t, std::uint64_t> words_;
  std::set<std::uint64_t> failing_;
  engine::picoseconds delay_ = 0;
  std::function<void(std::uint64_t, std::uint64_t)> watcher_;
};

} // namespace vtd::test
