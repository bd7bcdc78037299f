// SPDX-License-Identifier: Apache-2.0
#pragma once

// One benchmark case: prepared once, then run for a number of items. The same case is timed by Google
// Benchmark and counted by callgrind.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vtd::bench {

/// Something that was counted while items were done: table reads, simulated nanoseconds.
struct fact {
  std::string name;
  double value = 0;
};

class bench_case {
public:
  bench_case() = default;
  bench_case(const bench_case&) = delete;
  bench_case& operator=(const bench_case&) = delete;
  virtual ~bench_case() = default;

  /// Builds what the case needs and warms it up. Called once, before `run`.
  void prepare() {
    set_up();
    before_ = totals();
  }
  /// Does `items` items: DMA requests of 64 bytes, or what the case's entry says.
  void run(std::uint64_t items) {
    do_items(items);
    done_ += items;
  }
  /// Items for one count of instructions: enough to make a loop's ends vanish.
  [[nodiscard]] virtual std::uint64_t counted_items() const { return 20000; }
  /// Was the right thing done? Looks at all items since the case was built.
  [[nodiscard]] virtual bool verify() const { return true; }
  /// What an item did, on average since `prepare`.
  [[nodiscard]] virtual std::vector<fact> facts();
  /// Something that depends on all that was done, so that nothing can be left out.
  [[nodiscard]] std::uint64_t checksum() const { return checksum_; }

protected:
  virtual void set_up() = 0;
  virtual void do_items(std::uint64_t items) = 0;
  /// Counters that only grow.
  [[nodiscard]] virtual std::vector<fact> totals() const { return {}; }
  void consume(std::uint64_t value) { checksum_ += value; }

private:
  std::uint64_t checksum_ = 0;
  std::uint64_t done_ = 0;
  std::vector<fact> before_;
};

/// A case by name. It is built only when it is wanted: modules of SystemC must all be there before the first
/// case runs.
struct case_entry {
  std::string name;
  /// What an item is.
  std::string item;
  std::function<std::unique_ptr<bench_case>()> make;
};
using case_list = std::vector<case_entry>;

inline constexpr const char* dma_request = "DMA request of 64 bytes";

/// The translation decision without SystemC and without data.
void add_core_cases(case_list& cases);
/// The unit behind TLM sockets, loosely timed and cycle by cycle, and the floors of the same hops without it.
void add_platform_cases(case_list& cases);
/// A whole board under the traffic of its devices.
void add_board_cases(case_list& cases);
/// The reference driver's operations.
void add_driver_cases(case_list& cases);
[[nodiscard]] case_list all_cases();

/// The cases that a name means: that case, or all of its kinds ("invalidate_page":
/// "invalidate_page/register").
[[nodiscard]] std::vector<const case_entry*> find_cases(const case_list& cases, std::string_view name);

} // namespace vtd::bench
