// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/program.h"

#include "vtd/spec/entries.h"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace vtdsim::differential {

/// Random numbers that are the same everywhere for the same seed.
class random_source {
public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// 0 to `count` - 1.
  std::uint64_t below(std::uint64_t count) { return next() % count; }
  std::uint64_t between(std::uint64_t first, std::uint64_t last) { return first + below(last - first + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class Value>
  Value pick(std::initializer_list<Value> from) {
    return *(from.begin() + static_cast<std::ptrdiff_t>(below(from.size())));
  }
  template <class Container>
  auto& pick(Container& from) {
    return from[below(from.size())];
  }

private:
  std::uint64_t state_;
};

/// A domain of a program: its tables, and what is mapped in it.
struct domain {
  struct mapping {
    std::uint64_t iova = 0;
    std::uint64_t host = 0;
    unsigned level = 1;
    bool read = true;
    bool write = true;
  };
  std::uint16_t id = 0;
  unsigned levels = 3;
  std::uint64_t top = 0;
  std::vector<mapping> mappings;
};

/// Builds tables as steps of a program, and remembers what it wrote.
class table_writer {
public:
  explicit table_writer(std::vector<step>& steps) : steps_(steps) {}

  void store(std::uint64_t address, std::uint64_t value, std::string note);
  [[nodiscard]] std::uint64_t load(std::uint64_t address) const;
  /// A table of zeroes; 0 when there is no room left.
  [[nodiscard]] std::uint64_t new_table();
  [[nodiscard]] bool has_room(unsigned tables) const { return used_ + tables <= most_tables; }

  /// A root table with context tables for the buses of all devices.
  [[nodiscard]] std::uint64_t new_root();
  [[nodiscard]] static std::uint64_t root_entry(std::uint64_t root, vtd::spec::source_id device);
  /// 0: the root entry was spoilt.
  [[nodiscard]] std::uint64_t context_entry(std::uint64_t root, vtd::spec::source_id device) const;
  void set_context(std::uint64_t address, const vtd::spec::context_entry& entry, std::string note);
  [[nodiscard]] vtd::spec::context_entry context(std::uint64_t address) const {
    return {load(address), load(address + 8)};
  }

  /// Writes a leaf, and the tables above it where they are missing.
  void map(domain& in, const domain::mapping& what);
  /// Where the entry of `level` for this address stands; 0: the tables above it are missing.
  [[nodiscard]] std::uint64_t entry_of(const domain& in, std::uint64_t iova, unsigned level) const;

private:
  [[nodiscard]] static bool is_table(std::uint64_t address);

  // The last page is the invalidation queue.
  static constexpr unsigned most_tables = layout::table_pages - 2;
  std::vector<step>& steps_;
  std::unordered_map<std::uint64_t, std::uint64_t> words_;
  unsigned used_ = 0;
};

} // namespace vtdsim::differential
