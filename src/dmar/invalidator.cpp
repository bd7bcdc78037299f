// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/invalidator.h"

#include <optional>

namespace vtd::dmar {

using engine::cycle;

// Invalidations by register drain the write buffer first where that is needed at all (VT-d 6.8); those of the
// queue by configuration.
cycle invalidator::write_buffer_cycles(bool ordered) const {
  return flushes(ordered) ? timebase_.cycles_for(ports_.write_buffer_drain_time()) : 0;
}

// What is done for an order. Without page-selective invalidation the whole domain goes; hardware may always
// do more than was asked (VT-d 10.4.8). A mask above MAMV is an error: nothing is done.
spec::iotlb_granularity invalidator::granularity_of(const page_order& order) const {
  if (order.wanted != spec::iotlb_granularity::page) return order.wanted;
  if (!config_.caps.cap.psi()) return spec::iotlb_granularity::domain;
  return order.address_mask > config_.caps.cap.mamv() ? spec::iotlb_granularity::none : order.wanted;
}

cycle invalidator::cycles(const context_order& order) const {
  return config_.timing.context_invalidation + write_buffer_cycles(order.flushes);
}

cycle invalidator::cycles(const page_order& order) const {
  const auto& timing = config_.timing;
  cycle latency = timing.iotlb_invalidation_global;
  if (order.wanted == spec::iotlb_granularity::page && config_.caps.cap.psi()) {
    latency = timing.iotlb_invalidation_page;
  } else if (order.wanted == spec::iotlb_granularity::page ||
             order.wanted == spec::iotlb_granularity::domain) {
    latency = timing.iotlb_invalidation_domain;
  }
  return latency + write_buffer_cycles(order.flushes);
}

// VT-d 6.5.1.1.
spec::context_granularity invalidator::remove(const context_order& order) {
  const std::uint16_t domain = implemented(order.domain);
  remap::translation_caches& caches = translator_.caches();
  if (flushes(order.flushes)) ports_.drain_write_buffer();
  switch (order.wanted) {
  case spec::context_granularity::global:
    requests_.poison_all();
    caches.invalidate_all_contexts();
    break;
  case spec::context_granularity::domain:
    requests_.poison_domain(domain);
    caches.invalidate_contexts_of_domain(domain);
    break;
  case spec::context_granularity::device: {
    const std::uint16_t ignored = spec::function_mask_bits(order.function_mask);
    requests_.poison_source(order.source, ignored);
    caches.invalidate_contexts_of_source(
        order.source, ignored, config_.context_domain_compared ? std::optional(domain) : std::nullopt);
    break;
  }
  case spec::context_granularity::none:
    break;
  }
  ++count_;
  ports_.withdraw_all();
  return order.wanted;
}

// VT-d 6.5.1.2.
spec::iotlb_granularity invalidator::remove(const page_order& order) {
  using granularity = spec::iotlb_granularity;
  const std::uint16_t domain = implemented(order.domain);
  const granularity done = granularity_of(order);
  if (flushes(order.flushes)) ports_.drain_write_buffer();
  remap::translation_caches& caches = translator_.caches();
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  switch (done) {
  case granularity::global:
    requests_.poison_all();
    caches.invalidate_all_pages();
    break;
  case granularity::domain:
    requests_.poison_domain(domain);
    caches.invalidate_pages_of_domain(domain);
    break;
  case granularity::page: {
    // No address has bits above MGAW: they are ignored (VT-d 10.4.8).
    const std::uint64_t known = order.address & spec::low_bits(config_.caps.cap.mgaw());
    const auto range = spec::covers(known, order.address_mask);
    first = range.first;
    last = range.last;
    requests_.poison_domain(domain);
    caches.invalidate_pages(domain, {spec::page_number(first), spec::page_number(last)}, order.leaf_only,
                            config_.whole_domain_tables);
    break;
  }
  case granularity::none:
    break;
  }
  ++count_;
  ports_.withdraw(first, last);
  return done;
}

// Parts of VER 2 and later drain always (VT-d 10.4.2, DRD and DWD).
invalidator::waits invalidator::waits_of(const page_order& order) const {
  const bool always = config_.caps.major_version() >= 2;
  return {always || (order.drain_reads && config_.caps.cap.drd()),
          always || (order.drain_writes && config_.caps.cap.dwd())};
}

bool invalidator::drained(const page_order& order, std::uint64_t mark) const {
  const waits what = waits_of(order);
  return requests_.drained(mark, what.reads, what.writes);
}

cycle invalidator::drain_cycles(const page_order& order) const {
  const waits what = waits_of(order);
  return what.reads || what.writes ? config_.timing.drain : 0;
}

} // namespace vtd::dmar
