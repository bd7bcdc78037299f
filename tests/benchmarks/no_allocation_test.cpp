// SPDX-License-Identifier: Apache-2.0
// On a hit nothing is allocated, whichever way the request comes (docs/benchmarks.md, the rules of the
// engine). This program counts what it takes from the heap.

#include "bench_case.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

namespace {

// NOLINTBEGIN(cppcoreguidelines-no-malloc): this is where memory comes from
std::uint64_t taken_from_the_heap = 0; // the replaced operators have nowhere else to count

void* counted(std::size_t bytes) {
  ++taken_from_the_heap;
  if (void* const out = std::malloc(bytes)) return out;
  throw std::bad_alloc();
}

} // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete[](void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t /*bytes*/) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t /*bytes*/) noexcept { std::free(at); }
// NOLINTEND(cppcoreguidelines-no-malloc)

namespace vtd::bench {
namespace {

/// What `items` more requests take from the heap, after enough of them to fill pools and caches.
std::uint64_t taken_by(bench_case& which, std::uint64_t items) {
  const std::uint64_t before = taken_from_the_heap;
  which.run(items);
  return taken_from_the_heap - before;
}

class no_allocation : public testing::TestWithParam<std::string> {};

TEST_P(no_allocation, takes_place_however_many_requests_there_are) {
  for (const case_entry& each : all_cases()) {
    if (each.name != GetParam()) continue;
    const std::unique_ptr<bench_case> which = each.make();
    which->prepare();
    which->run(4096);
    // A run itself may take something, once; requests take nothing.
    EXPECT_EQ(taken_by(*which, 8192), taken_by(*which, 1024));
    EXPECT_LE(taken_by(*which, 1024), 4U);
    EXPECT_TRUE(which->verify());
    return;
  }
  FAIL() << "no case " << GetParam();
}

INSTANTIATE_TEST_SUITE_P(of, no_allocation,
                         testing::Values("core_hit", "core_miss_4level", "lt_hit", "lt_miss", "dmi_hit",
                                         "at_hit", "at_miss"),
                         [](const auto& which) { return which.param; });

TEST(no_allocation_count, sees_what_is_allocated) {
  const std::uint64_t before = taken_from_the_heap;
  const auto some = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(taken_from_the_heap, before + 2) << some->size();
}

} // namespace
} // namespace vtd::bench
