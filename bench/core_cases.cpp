// SPDX-License-Identifier: Apache-2.0
#include "bench_case.h"
#include "machine.h"
#include "streams.h"

#include "vtd/remap/translator.h"

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
  core_case(unsigned levels, const remap::cache_shapes& caches, std::uint64_t warm_up,
            std::function<Stream()> stream)
      : levels_(levels), caches_(caches), warm_up_(warm_up), make_stream_(std::move(stream)) {}

  [[nodiscard]] bool verify() const override {
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < next_; ++i)
      expected += flat_tables::host_of((*stream_)(i));
    return checksum() == expected;
  }

  [[nodiscard]] std::vector<fact> facts() override {
    auto out = bench_case::facts();
    out.push_back({"walk_reads", reads_per_item()});
    return out;
  }

private:
  void set_up() override {
    tables_.emplace(levels_);
    memory_.emplace(*tables_);
    translator_.emplace("bench", part(), caches_);
    stream_.emplace(make_stream_());
    do_items(warm_up_);
  }

  void do_items(std::uint64_t items) override {
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

  // The loop that is measured holds nothing but the decision, so the reads are counted in a look at the next
  // items.
  [[nodiscard]] double reads_per_item() {
    constexpr unsigned some = 4096;
    remap::dma_access access{device, remap::access_kind::read, remap::address_type::untranslated, 0};
    std::uint64_t reads = 0;
    for (unsigned i = 0; i < some; ++i) {
      access.address = (*stream_)(next_++);
      remap::translation_cost cost;
      consume(translator_->translate(access, {flat_tables::root(), *memory_, clock_, 0}, cost).address);
      reads += cost.table_reads;
    }
    return static_cast<double>(reads) / some;
  }

  [[nodiscard]] std::vector<fact> totals() const override {
    const remap::cache_statistics& n = translator_->caches().iotlb().statistics();
    return {{"iotlb_hits", static_cast<double>(n.hits)},
            {"iotlb_misses", static_cast<double>(n.misses)},
            {"iotlb_fills", static_cast<double>(n.fills)},
            {"iotlb_evictions", static_cast<double>(n.evictions)}};
  }

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
  const auto add = [&cases](auto stream, std::string name, unsigned levels, unsigned iotlb_entries,
                            bool structures, std::uint64_t warm_up) {
    using stream_type = decltype(stream());
    cases.push_back({std::move(name), "translation decision", [=] {
                       return std::make_unique<core_case<stream_type>>(
                           levels, shapes(iotlb_entries, structures), warm_up, stream);
                     }});
  };
  constexpr unsigned usual = 128;
  add([] { return same_page_stream{}; }, "core_hit", 4, usual, true, 64);
  for (const unsigned pages : {16U, 64U, 256U, 1024U}) {
    // Warmed up until each page was touched.
    add([pages] { return random_pages{pages - 1}; }, "core_hit_ws/" + std::to_string(pages), 4, 4 * pages,
        true, 32 * pages);
  }
  constexpr std::uint64_t thrash = 4096;
  add([] { return working_set_stream{thrash}; }, "core_miss_3level", 3, usual, true, thrash);
  add([] { return working_set_stream{thrash}; }, "core_miss_4level", 4, usual, true, thrash);
  add([] { return working_set_stream{thrash}; }, "core_miss_4level_cold", 4, usual, false, thrash);
  add([] { return random_pages{}; }, "core_miss_4level_random", 4, usual, true, thrash);
}

} // namespace vtd::bench
