// SPDX-License-Identifier: Apache-2.0
#include "vtd/remap/translation_caches.h"

#include <algorithm>

namespace vtd::remap {

translation_caches::translation_caches(const cache_shapes& shapes)
    : contexts_("context_cache", shapes.context), iotlb_("iotlb", shapes.iotlb),
      large_("large_iotlb", shapes.large_pages_in_pieces ? cache_shape{} : shapes.large_iotlb),
      tables_{table_cache{"pde_cache", shapes.pde}, table_cache{"pdpe_cache", shapes.pdpe},
              table_cache{"pml4_cache", shapes.pml4}, table_cache{"pml5_cache", shapes.pml5}},
      has_tables_(std::any_of(tables_.begin(), tables_.end(),
                              [](const table_cache& t) { return t.shape().entries != 0; })),
      has_large_(large_.shape().entries != 0), in_pieces_(shapes.large_pages_in_pieces) {}

std::uint64_t translation_caches::fill_larger_page(std::uint16_t domain, std::uint64_t address,
                                                   const page_value& value) {
  if (value.level > max_leaf_level) return 0;
  if (in_pieces_ && value.absent == spec::fault_condition::none) {
    page_value piece = value;
    piece.level = 1;
    piece.page |= address & (spec::level_size(value.level) - 1) & ~(spec::page_size - 1);
    return fill_page(domain, address, piece);
  }
  page_cache& array = pages(value.level);
  const page_tag tag = page_tag::of(domain, address, value.level);
  if (array.peek(tag) == nullptr && array.shape().entries != 0) ++larger_pages_;
  const std::uint64_t left = array.fill(tag, value);
  if (left != 0 && page_tag::level_of(left) > 1) --larger_pages_;
  return left;
}

page_value* translation_caches::lookup_any_size(std::uint16_t domain, std::uint64_t address) {
  for (unsigned level = 1; level <= max_leaf_level; ++level) {
    if (page_value* found = pages(level).lookup_if_present(page_tag::of(domain, address, level)))
      return found;
  }
  iotlb_.count_miss();
  return nullptr;
}

const page_value* translation_caches::peek_page(std::uint16_t domain, std::uint64_t address) const {
  for (unsigned level = 1; level <= max_leaf_level; ++level) {
    if (const page_value* found = pages(level).peek(page_tag::of(domain, address, level))) return found;
  }
  return nullptr;
}

translation_caches::start_point
translation_caches::lookup_all_tables(std::uint16_t domain, std::uint64_t address, unsigned levels) {
  // All levels are looked up in parallel, so each counts its own hit or miss; the deepest hit wins.
  start_point best;
  for (unsigned level = 2; level <= std::min(levels, max_cached_level); ++level) {
    table_cache& array = tables(level);
    if (array.shape().entries == 0) continue;
    if (const table_value* found = array.lookup(page_tag::of(domain, address, level))) {
      if (best.level == 0) best = {level - 1, *found};
    }
  }
  return best;
}

translation_caches::start_point translation_caches::peek_tables(std::uint16_t domain, std::uint64_t address,
                                                                unsigned levels) const {
  for (unsigned level = 2; level <= std::min(levels, max_cached_level); ++level) {
    if (const table_value* found = tables(level).peek(page_tag::of(domain, address, level)))
      return {level - 1, *found};
  }
  return {};
}

std::size_t translation_caches::invalidate_all_contexts() {
  return contexts_.invalidate_if([](std::uint64_t, const context_value&) { return true; });
}

std::size_t translation_caches::invalidate_contexts_of_domain(std::uint16_t domain) {
  return contexts_.invalidate_if(
      [domain](std::uint64_t, const context_value& value) { return value.domain_id == domain; });
}

std::size_t translation_caches::invalidate_contexts_of_source(spec::source_id source, std::uint16_t ignored,
                                                              std::optional<std::uint16_t> domain) {
  const auto compared = static_cast<std::uint16_t>(~ignored);
  return contexts_.invalidate_if([=](std::uint64_t packed, const context_value& value) {
    return ((context_tag::source_of(packed).value() ^ source.value()) & compared) == 0 &&
           (!domain || value.domain_id == *domain);
  });
}

std::size_t translation_caches::invalidate_all_pages() {
  std::size_t removed = 0;
  for (page_cache* const array : {&iotlb_, &large_})
    removed += array->invalidate_if([](std::uint64_t, const page_value&) { return true; });
  for (table_cache& array : tables_) {
    removed += array.invalidate_if([](std::uint64_t, const table_value&) { return true; });
  }
  recount_larger_pages();
  return removed;
}

std::size_t translation_caches::invalidate_pages_of_domain(std::uint16_t domain) {
  const auto of_domain = [domain](std::uint64_t packed, const auto&) {
    return page_tag::domain_of(packed) == domain;
  };
  std::size_t removed = iotlb_.invalidate_if(of_domain) + large_.invalidate_if(of_domain);
  for (table_cache& array : tables_)
    removed += array.invalidate_if(of_domain);
  recount_larger_pages();
  return removed;
}

std::size_t translation_caches::invalidate_pages(std::uint16_t domain, const page_range& range,
                                                 bool leaf_only, bool whole_domain_tables) {
  // A page smaller than the cached superpage that contains it drops the whole superpage (VT-d 6.5.1.2).
  const auto in_range = [&](std::uint64_t packed, const page_value& value) {
    return page_tag::domain_of(packed) == domain && range.touches(page_tag::number_of(packed), value.level);
  };
  std::size_t removed = iotlb_.invalidate_if(in_range) + large_.invalidate_if(in_range);
  recount_larger_pages();
  if (leaf_only) return removed;
  for (unsigned level = 2; level <= max_cached_level; ++level) {
    removed += tables(level).invalidate_if([&](std::uint64_t packed, const table_value&) {
      return page_tag::domain_of(packed) == domain &&
             (whole_domain_tables || range.touches(page_tag::number_of(packed), level));
    });
  }
  return removed;
}

void translation_caches::recount_larger_pages() {
  if (larger_pages_ == 0) return;
  larger_pages_ = 0;
  for (const page_cache* const array : {&iotlb_, &large_}) {
    array->for_each([this](std::uint64_t, const page_value& value) {
      if (value.level > 1) ++larger_pages_;
    });
  }
}

void translation_caches::clear_statistics() {
  contexts_.clear_statistics();
  iotlb_.clear_statistics();
  large_.clear_statistics();
  for (table_cache& array : tables_)
    array.clear_statistics();
}

} // namespace vtd::remap
