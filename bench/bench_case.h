// SPDX-License-Identifier: Apache-2.0
#pragma once

// One benchmark case: prepared once, then run for a number of items. The same case is timed by Google
// Benchmark and counted by callgrind.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vtd::bench {

class bench_case {
public:
  explicit bench_case(std::string name) : name_(std::move(name)) {}
  bench_case(const bench_case&) = delete;
  bench_case& operator=(const bench_case&) = delete;
  virtual ~bench_case() = default;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Builds what the case needs and warms it up. Called once, before `run`.
  virtual void prepare() = 0;
  /// Does `items` items: DMA requests of 64 bytes, or operations of the driver.
  virtual void run(std::uint64_t items) = 0;
  /// Items for one count of instructions: enough to make a loop's ends vanish.
  [[nodiscard]] virtual std::uint64_t counted_items() const { return 20000; }
  /// Something that depends on all that was done, so that nothing can be left out.
  [[nodiscard]] std::uint64_t checksum() const { return checksum_; }

protected:
  void consume(std::uint64_t value) { checksum_ += value; }

private:
  std::string name_;
  std::uint64_t checksum_ = 0;
};

using case_list = std::vector<std::unique_ptr<bench_case>>;

/// The translation decision without SystemC and without data.
void add_core_cases(case_list& cases);
/// The unit behind TLM sockets, loosely timed and cycle by cycle, and the floors of the same hops without it.
void add_platform_cases(case_list& cases);

} // namespace vtd::bench
