// SPDX-License-Identifier: Apache-2.0
#include "bench_case.h"
#include "machine.h"
#include "streams.h"

#include "vtd/remap/translator.h"

#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace vtd::bench {

namespace {

class flat_memory final : public remap::memory_port {
public:
  explicit flat_memory(const flat_tables& tables) : words_(tables.words().data()) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    const std::uint64_t* const entry = words_ + (address - flat_tables::base) / 8;
    out.words[0] = entry[0];
    if (bytes == 16) [[unlikely]]
      out.words[1] = entry[1];
    delay += 50000;
    return true;
  }

private:
  const std::uint64_t* words_;
};

// A stream is a type with an operator(), so that the loop holds nothing but the decision.
template <class Stream>
class core_case final : public bench_case {
public:
  core_case(std::string name, unsigned levels, const remap::cache_shapes& caches, std::uint64_t warm_up,
            std::function<Stream()> stream)
      : bench_case(std::move(name)), levels_(levels), caches_(caches), warm_up_(warm_up),
        make_stream_(std::move(stream)) {}

  void prepare() override {
    tables_.emplace(levels_);
    memory_.emplace(*tables_);
    translator_.emplace("bench", part(), caches_);
    stream_.emplace(make_stream_());
    run(warm_up_);
  }

  void run(std::uint64_t items) override {
    remap::translator& hardware = *translator_;
    const Stream& stream = *stream_;
    remap::dma_access access{device, remap::access_kind::read, remap::address_type::untranslated, 0};
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < items; ++i) {
      access.address = stream(next_ + i);
      remap::translation_cost cost;
      sum += hardware.translate(access, {flat_tables::root(), *memory_, clock_, 0}, cost).address;
    }
    next_ += items;
    consume(sum);
  }

private:
  unsigned levels_;
  remap::cache_shapes caches_;
  std::uint64_t warm_up_;
  std::function<Stream()> make_stream_;
  engine::clock clock_{1000};
  std::optional<flat_tables> tables_;
  std::optional<flat_memory> memory_;
  std::optional<remap::translator> translator_;
  std::optional<Stream> stream_;
  std::uint64_t next_ = 0;
};

struct same_page_stream {
  std::uint64_t operator()(std::uint64_t i) const { return same_page(i); }
};
struct working_set_stream {
  std::uint64_t pages;
  std::uint64_t operator()(std::uint64_t i) const { return working_set(i, pages); }
};

} // namespace

void add_core_cases(case_list& cases) {
  const auto add = [&cases](auto stream, std::string name, unsigned levels, const remap::cache_shapes& caches,
                            std::uint64_t warm_up) {
    using stream_type = decltype(stream());
    cases.push_back(std::make_unique<core_case<stream_type>>(std::move(name), levels, caches, warm_up,
                                                             std::move(stream)));
  };
  add([] { return same_page_stream{}; }, "core_hit", 4, shapes(), 64);
  for (const unsigned pages : {16U, 64U, 256U, 1024U}) {
    add([pages] { return random_pages{pages - 1}; }, "core_hit_ws/" + std::to_string(pages), 4,
        shapes(4 * pages), 32 * pages);
  }
  constexpr std::uint64_t thrash = 4096;
  add([] { return working_set_stream{thrash}; }, "core_miss_3level", 3, shapes(), thrash);
  add([] { return working_set_stream{thrash}; }, "core_miss_4level", 4, shapes(), thrash);
  add([] { return working_set_stream{thrash}; }, "core_miss_4level_cold", 4, shapes(128, false), thrash);
  add([] { return random_pages{}; }, "core_miss_4level_random", 4, shapes(), thrash);
}

} // namespace vtd::bench
