// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/session.h"

#include <algorithm>

namespace vtdsim {

namespace {

constexpr unsigned request_bytes = 64;
constexpr unsigned lone_requests = 1500;
constexpr unsigned full_requests = 3000;
constexpr unsigned full_window = 32;

class page_picker {
public:
  page_picker(std::uint64_t seed, std::uint64_t pages, bool translated)
      : state_(seed * 0x9e3779b97f4a7c15ULL + 1), pages_(pages), translated_(translated) {}
  std::uint64_t operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return address(state_ % pages_, state_ >> 32);
  }
  [[nodiscard]] std::uint64_t address(std::uint64_t page, std::uint64_t line) const {
    const std::uint64_t in_page = line % (vtd::spec::page_size / request_bytes) * request_bytes;
    const std::uint64_t guest = guest_layout::window + page * vtd::spec::page_size + in_page;
    return translated_ ? guest : guest_layout::host(guest);
  }

private:
  std::uint64_t state_;
  std::uint64_t pages_;
  bool translated_;
};

struct mean {
  double sum = 0;
  std::uint64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  [[nodiscard]] double value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  [[nodiscard]] std::optional<double> if_any() const {
    return count == 0 ? std::nullopt : std::optional(value());
  }
};

} // namespace

measured_traffic::measured_traffic(session& s) : s_(s) {
  s_.probe.set_done([this](const vtd::platform::dma_master::result& result) {
    ++ended_;
    latency_ = result.latency;
    ok_ = result.ok;
    if (!result.ok) {
      blocked_ = true;
      s_.result.fail("a read of the sweep was blocked");
    }
    if (more_) more_();
    done_.notify(sc_core::SC_ZERO_TIME);
  });
}

measured_traffic::sample measured_traffic::read_one(std::uint64_t address) {
  const auto misses = [this] { return s_.unit == nullptr ? 0 : s_.unit->statistics().iotlb_misses; };
  const std::uint64_t before = misses();
  const std::uint64_t goal = ended_ + 1;
  s_.probe.read(0, address, request_bytes);
  while (ended_ < goal)
    sc_core::wait(done_);
  return {static_cast<double>(latency_) / 1000.0, misses() != before, ok_};
}

double measured_traffic::throughput(std::uint64_t count, unsigned outstanding,
                                    const std::function<std::uint64_t()>& next_address) {
  const vtd::engine::picoseconds begin = vtd::platform::now_ps();
  const std::uint64_t goal = ended_ + count;
  std::uint64_t sent = 0;
  more_ = [&] {
    if (sent == count) return;
    ++sent;
    s_.probe.read(0, next_address(), request_bytes);
  };
  for (unsigned i = 0; i < outstanding; ++i)
    more_();
  while (ended_ < goal)
    sc_core::wait(done_);
  more_ = {};
  const vtd::engine::picoseconds took = vtd::platform::now_ps() - begin;
  return static_cast<double>(count) * 1e12 / static_cast<double>(took);
}

namespace {

void measure_off(measured_traffic& traffic, page_picker& pick, sweep_point& point) {
  mean latency;
  for (unsigned i = 0; i < lone_requests / 10; ++i)
    latency.add(traffic.read_one(pick()).latency_ns);
  point.latency_ns_off = latency.value();
  point.requests_per_s_off = traffic.throughput(full_requests, full_window, std::ref(pick));
}

// False: a read was blocked, and the point stays without values.
bool measure_on(session& s, measured_traffic& traffic, page_picker& pick, sweep_point& point) {
  for (std::uint64_t page = 0; page < point.pages; ++page) {
    if (!traffic.read_one(pick.address(page, 0)).ok) return false;
  }
  const auto before = s.unit->statistics();
  mean all;
  mean hit;
  mean miss;
  for (unsigned i = 0; i < lone_requests; ++i) {
    const measured_traffic::sample one = traffic.read_one(pick());
    if (!one.ok) return false;
    all.add(one.latency_ns);
    (one.missed ? miss : hit).add(one.latency_ns);
  }
  const auto after = s.unit->statistics();
  const double rate = traffic.throughput(full_requests, full_window, std::ref(pick));
  if (traffic.blocked()) return false;
  point.latency_ns_on = all.if_any();
  point.latency_ns_hit = hit.if_any();
  point.latency_ns_miss = miss.if_any();
  point.hit_rate = static_cast<double>(hit.count) / lone_requests;
  point.walk_reads_per_request = static_cast<double>(after.walk_reads - before.walk_reads) / lone_requests;
  point.requests_per_s_on = rate;
  return true;
}

} // namespace

void sweep(session& s, bool translated) {
  measured_traffic traffic(s);
  if (!translated) s.result.sweep.clear();
  std::size_t index = 0;
  for (std::uint64_t pages = 1; pages <= s.options.largest_window; pages *= 2, ++index) {
    page_picker pick(s.options.seed + pages, pages, translated);
    if (translated) {
      if (measure_on(s, traffic, pick, s.result.sweep[index])) continue;
      s.say("the sweep ends here: a read was blocked, and measures nothing");
      return;
    }
    sweep_point point;
    point.pages = pages;
    point.window_bytes = pages * vtd::spec::page_size;
    measure_off(traffic, pick, point);
    s.result.sweep.push_back(point);
  }
}

} // namespace vtdsim
