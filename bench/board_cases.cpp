// SPDX-License-Identifier: Apache-2.0
// A whole board under the traffic of all its devices, cycle by cycle.

#include "bench_case.h"
#include "driven_machine.h"
#include "traffic.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace vtd::bench {

namespace {

constexpr std::uint64_t iova = 0x4000'0000;

std::vector<spec::source_id> sources_of(const traffic_mix& mix) {
  std::vector<spec::source_id> out;
  for (const traffic_stream& s : mix.streams) {
    if (std::find(out.begin(), out.end(), s.source) == out.end()) out.push_back(s.source);
  }
  return out;
}

/// Every function in a domain of its own, with its working sets mapped in 4 KB pages. As many requests are
/// under way as the mix says; whenever one ends, the next stream is drawn by its share.
class board_case final : public bench_case {
public:
  explicit board_case(const std::string& name)
      : mix_(load_traffic(find_traffic(name))), sources_(sources_of(mix_)), world_(mix_.board, sources_) {
    double sum = 0;
    for (const traffic_stream& s : mix_.streams)
      sum += s.weight();
    double reached = 0;
    for (const traffic_stream& s : mix_.streams) {
      reached += s.weight();
      flow f;
      f.until = reached / sum;
      f.master =
          static_cast<std::size_t>(std::find(sources_.begin(), sources_.end(), s.source) - sources_.begin());
      f.stream = &s;
      flows_.push_back(f);
    }
    flows_.back().until = 2;
  }
  [[nodiscard]] std::uint64_t counted_items() const override { return 8192; }
  [[nodiscard]] bool verify() const override {
    std::uint64_t faults = 0;
    for (std::size_t i = 0; i < world_.unit_count(); ++i)
      faults += world_.unit(i).statistics().faults;
    return failed_ == 0 && faults == 0;
  }

private:
  struct flow {
    double until = 0;
    std::size_t master = 0;
    const traffic_stream* stream = nullptr;
    std::uint64_t base = 0;
    std::uint64_t next = 0;
  };

  void set_up() override {
    world_.run([this] {
      driver::driver& d = world_.driver();
      std::vector<driver::domain*> domains;
      for (const spec::source_id source : sources_)
        domains.push_back(&d.create_domain(to_string(source)));
      std::vector<std::uint64_t> next(sources_.size(), iova);
      for (flow& f : flows_) {
        const std::uint64_t bytes = std::uint64_t{f.stream->pages} * spec::page_size;
        f.base = next[f.master];
        next[f.master] += bytes;
        const std::uint64_t frames = world_.take_frames(f.stream->pages);
        // Page by page, so that leaves of 4 KB are used whatever the unit can do.
        for (std::uint64_t at = 0; at < bytes; at += spec::page_size)
          d.map(*domains[f.master], f.base + at, frames + at, spec::page_size);
      }
      for (std::size_t i = 0; i < sources_.size(); ++i)
        d.attach(*domains[i], {0, sources_[i]});
    });
    for (std::size_t i = 0; i < sources_.size(); ++i)
      world_.master(i).set_done([this](const platform::dma_master::result& result) { ended(result); });
    do_items(16384);
  }
  void do_items(std::uint64_t items) override {
    to_issue_ = items;
    to_end_ = items;
    for (unsigned i = 0; i < mix_.outstanding && to_issue_ != 0; ++i)
      issue();
    sc_core::sc_start();
    consume(sum_);
  }
  void issue() {
    --to_issue_;
    const double drawn = static_cast<double>(draw() >> 11) * 0x1p-53;
    std::size_t which = 0;
    while (flows_[which].until <= drawn)
      ++which;
    flow& f = flows_[which];
    const traffic_stream& s = *f.stream;
    const std::uint64_t places = std::uint64_t{s.pages} * spec::page_size / s.bytes;
    const std::uint64_t place = (s.random ? draw() >> 20 : f.next++) % places;
    const std::uint64_t address = f.base + place * s.bytes;
    if (static_cast<double>(draw() >> 11) * 0x1p-53 < s.writes) {
      world_.master(f.master).write(0, address, std::span(data_).first(s.bytes));
    } else {
      world_.master(f.master).read(0, address, s.bytes);
    }
  }
  void ended(const platform::dma_master::result& result) {
    if (!result.ok) ++failed_;
    if (!result.data.empty()) sum_ += static_cast<std::uint64_t>(result.data.front());
    if (--to_end_ == 0) {
      sc_core::sc_pause();
    } else if (to_issue_ != 0) {
      issue();
    }
  }
  // xorshift64, seed as in the random stream.
  std::uint64_t draw() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_ * 0x2545f4914f6cdd1dULL;
  }
  [[nodiscard]] std::vector<fact> totals() const override {
    dmar::unit_statistics all;
    std::vector<fact> out;
    for (std::size_t i = 0; i < world_.unit_count(); ++i) {
      const auto n = world_.unit(i).statistics();
      out.push_back({"requests_" + world_.unit_name(i), static_cast<double>(n.requests)});
      all.bytes += n.bytes;
      all.iotlb_hits += n.iotlb_hits;
      all.walk_reads += n.walk_reads;
      all.merged += n.merged;
    }
    out.push_back({"bytes", static_cast<double>(all.bytes)});
    out.push_back({"iotlb_hits", static_cast<double>(all.iotlb_hits)});
    out.push_back({"walk_reads", static_cast<double>(all.walk_reads)});
    out.push_back({"merged", static_cast<double>(all.merged)});
    out.push_back({"simulated_ns", static_cast<double>(platform::now_ps()) / 1000});
    return out;
  }

  traffic_mix mix_;
  std::vector<spec::source_id> sources_;
  driven_machine world_;
  std::vector<flow> flows_;
  std::array<std::byte, platform::dma_master::max_bytes> data_{};
  std::uint64_t random_ = 88172645463325252ULL;
  std::uint64_t to_issue_ = 0;
  std::uint64_t to_end_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t sum_ = 0;
};

} // namespace

void add_board_cases(case_list& cases) {
  cases.push_back({"at_platform", "DMA request of a device, sizes as in models/traffic/dq35jo.json",
                   [] { return std::make_unique<board_case>("dq35jo"); }});
}

} // namespace vtd::bench
