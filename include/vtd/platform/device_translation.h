// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/platform/dma_master.h"
#include "vtd/remap/device_tlb.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace vtd::platform {

/// The device-TLB of an endpoint: its shape, and what it costs.
struct device_tlb_config {
  /// Without entries every translated request asks first.
  remap::cache_shape shape{};
  /// From a request of the device to its packet on the link.
  engine::picoseconds lookup = 0;
  /// From the arrival of an invalidation request to the removal.
  engine::picoseconds invalidation = 0;
  /// Reads ask for a translation to read only (NW, PCIe ATS); a write to the page then asks for its own. An
  /// endpoint takes it from its function's description.
  bool no_write = false;
};

/// Between a device and its link: translates the device's requests by ATS while that is enabled, sends them
/// untranslated while it is not.
///
/// A request that misses asks for its page first; others to the page wait for the same answer, but for writes
/// where a read has asked to read only. Without the
/// right the request fails, and nothing goes out: there are no page requests. "Untranslated only" is obeyed.
/// A device that is told that it may not ask ("unsupported request") does without translations until ATS is
/// enabled again. An invalidation is completed when every request that left before it with an old translation
/// has come back; an answer that was under way when it came, and has an address of it, is asked for again.
class device_translation {
public:
  using on_done = std::function<void(const dma_master::result&)>;

  /// `port` must outlive it; the results of all that it sends go to `done`, with the tag that was given, or
  /// end here.
  device_translation(dma_master& port, const device_tlb_config& config, on_done done)
      : port_(port), config_(config), tlb_(config.shape), done_(std::move(done)) {}

  /// Requests of the device, at most a page's worth each, in one page; tags below `first_own_tag`. `data` is
  /// copied where it has to wait.
  static constexpr std::uint64_t first_own_tag = std::uint64_t{1} << 62;
  void read(std::uint64_t tag, std::uint64_t address, unsigned bytes);
  void write(std::uint64_t tag, std::uint64_t address, std::span<const std::byte> data);

  /// ATS on or off, and the smallest translation unit as a power of two of pages (PCIe ATS: Enable, STU).
  /// When it goes off all translations are forgotten.
  void enable(bool on, unsigned smallest_unit);
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// A reset of the function: nothing is kept; requests that wait for a translation fail.
  void reset();

  /// An invalidation request has reached the device and its time has passed.
  void invalidate(const spec::ats::invalidation_request& what);
  /// A request of `port` ended.
  void ended(const dma_master::result& result);

  [[nodiscard]] const device_tlb_config& config() const { return config_; }
  [[nodiscard]] const remap::device_tlb& tlb() const { return tlb_; }
  /// Translation requests sent, of these refused ("unsupported request" or "completer abort"), answers that
  /// an invalidation overtook, requests of the device that had no right, and invalidations completed.
  struct counts {
    std::uint64_t questions = 0;
    std::uint64_t refused = 0;
    std::uint64_t overtaken = 0;
    std::uint64_t denied = 0;
    std::uint64_t invalidations = 0;
  };
  [[nodiscard]] const counts& statistics() const { return counts_; }

private:
  struct request {
    std::uint64_t tag = 0;
    std::uint64_t address = 0;
    unsigned bytes = 0;
    bool is_write = false;
    std::span<const std::byte> data;
  };
  // One that waits keeps its data.
  struct waiting_request {
    explicit waiting_request(const request& of)
        : what{of.tag, of.address, of.bytes, of.is_write, {}}, data(of.data.begin(), of.data.end()) {}
    [[nodiscard]] request again() const { return {what.tag, what.address, what.bytes, what.is_write, data}; }
    request what;
    std::vector<std::byte> data;
  };
  // A translation request under way, and who waits for it.
  struct question {
    std::uint64_t tag = 0;
    std::uint64_t address = 0;
    bool no_write = false;
    // ATS was switched meanwhile.
    bool overtaken = false;
    // What was invalidated meanwhile, both ends inclusive: how far the answer reaches is not known before.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> invalidated;
    std::deque<waiting_request> waiting;
  };
  struct open_invalidation {
    spec::ats::invalidation_request what{};
    // Translated requests with a smaller number must have come back.
    std::uint64_t mark = 0;
  };
  void route(const request& what);
  void send(const request& what, std::uint64_t address, remap::address_type type, bool no_snoop);
  void send_granted(const request& what, const remap::device_page& page);
  void ask(const request& what);
  [[nodiscard]] bool overtaken(const question& asked, spec::ats::translation granted) const;
  void answered(std::size_t index, const dma_master::result& result);
  void deny(const request& what, tlm::tlm_response_status why);
  void complete_invalidations();

  dma_master& port_;
  device_tlb_config config_;
  remap::device_tlb tlb_;
  on_done done_;
  bool enabled_ = false;
  bool may_ask_ = true;
  unsigned smallest_unit_ = 0;
  std::uint64_t next_tag_ = first_own_tag;
  std::vector<question> questions_;
  // Numbers of translated requests that have not come back, and the device's tags of these.
  std::uint64_t next_number_ = 1;
  struct flight {
    std::uint64_t number = 0;
    std::uint64_t tag = 0;
  };
  std::vector<flight> in_flight_;
  std::vector<open_invalidation> open_;
  counts counts_{};
};

} // namespace vtd::platform
