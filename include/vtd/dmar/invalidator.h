// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/pipeline.h"
#include "vtd/dmar/ports.h"
#include "vtd/remap/translator.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>

namespace vtd::dmar {

/// A context-cache invalidation, as CCMD (VT-d 10.4.7) or a descriptor (VT-d 6.5.2.1) orders it.
struct context_order {
  spec::context_granularity wanted = spec::context_granularity::none;
  std::uint16_t domain = 0;
  spec::source_id source{};
  /// FM, 0 to 3.
  unsigned function_mask = 0;
  /// It empties the chipset's write buffer first, where the part needs that at all.
  bool flushes = true;
};

/// An IOTLB invalidation, as IVA and IOTLB (VT-d 10.4.8) or a descriptor (VT-d 6.5.2.3) orders it.
struct page_order {
  spec::iotlb_granularity wanted = spec::iotlb_granularity::none;
  std::uint16_t domain = 0;
  /// Input address, of page-selective orders; bits below 2^AM pages are ignored.
  std::uint64_t address = 0;
  /// AM: 2^AM pages.
  unsigned address_mask = 0;
  /// IH.
  bool leaf_only = false;
  bool drain_reads = false;
  bool drain_writes = false;
  bool flushes = true;
};

/// What an invalidation does and how long it takes, whoever ordered it: registers or the queue.
class invalidator {
public:
  invalidator(const unit_config& config, const engine::clock& timebase, remap::translator& translator,
              pipeline& requests, unit_ports& ports)
      : config_(config), timebase_(timebase), translator_(translator), requests_(requests), ports_(ports) {}

  // Cycles from the edge that sees the order to the edge that removes the entries.

  [[nodiscard]] engine::cycle cycles(const context_order& order) const;
  [[nodiscard]] engine::cycle cycles(const page_order& order) const;

  // The removal: entries go, walks in flight that may have read them are poisoned, direct pointers are
  // withdrawn. The granularity done, which may be coarser than the one wanted; `none`: nothing was done.

  spec::context_granularity remove(const context_order& order);
  spec::iotlb_granularity remove(const page_order& order);

  /// After the removal: are the requests that the order has to wait for gone? `mark`: `pipeline::
  /// admission_mark` at the removal.
  [[nodiscard]] bool drained(const page_order& order, std::uint64_t mark) const;
  /// Cycles from then on to the end of the order.
  [[nodiscard]] engine::cycle drain_cycles(const page_order& order) const;

  /// Removals so far.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  void clear_statistics() { count_ = 0; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(count_);
  }

private:
  // Which requests an order has to wait for.
  struct waits {
    bool reads = false;
    bool writes = false;
  };
  [[nodiscard]] waits waits_of(const page_order& order) const;
  [[nodiscard]] bool flushes(bool ordered) const { return ordered && config_.needs_write_buffer_flush(); }
  [[nodiscard]] engine::cycle write_buffer_cycles(bool ordered) const;
  [[nodiscard]] spec::iotlb_granularity granularity_of(const page_order& order) const;
  [[nodiscard]] std::uint16_t implemented(std::uint16_t domain) const {
    return static_cast<std::uint16_t>(domain & (config_.caps.cap.domain_count() - 1));
  }

  const unit_config& config_;
  const engine::clock& timebase_;
  remap::translator& translator_;
  pipeline& requests_;
  unit_ports& ports_;
  std::uint64_t count_ = 0;
};

} // namespace vtd::dmar
