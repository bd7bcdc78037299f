// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/remap/access.h"
#include "vtd/remap/cache.h"
#include "vtd/remap/config.h"

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace vtd::remap {

/// Tag of the context cache: the source-id (VT-d 6.2.3).
struct context_tag {
  spec::source_id source{};
  static constexpr std::uint64_t valid = std::uint64_t{1} << 63;
  [[nodiscard]] std::uint64_t packed() const { return valid | source.value(); }
  [[nodiscard]] std::uint64_t index() const { return source.value(); }
  [[nodiscard]] static spec::source_id source_of(std::uint64_t packed) {
    return spec::source_id{static_cast<std::uint16_t>(packed)};
  }
};

/// Tag of the IOTLB and of the paging-structure caches: domain-id and the address bits that select the entry
/// at its level, never the requester (VT-d 6.2.4, 6.2.5).
struct page_tag {
  /// Input addresses have so many bits at most; what has more is refused when the unit is built.
  static constexpr unsigned max_input_width = 57;

  std::uint16_t domain_id = 0;
  unsigned level = 1;
  std::uint64_t number = 0;

  static page_tag of(std::uint16_t domain, std::uint64_t address, unsigned level) {
    return {domain, level, address >> spec::level_shift(level)};
  }
  // A one behind the last bit of the number tells the level: the higher it stands, the shorter the number.
  [[nodiscard]] std::uint64_t packed() const {
    return std::uint64_t{1} << 63 | std::uint64_t{domain_id} << domain_shift |
           (number << 1 | 1) << (spec::level_shift(level) - spec::page_shift);
  }
  [[nodiscard]] std::uint64_t index() const { return number; }
  [[nodiscard]] static std::uint16_t domain_of(std::uint64_t packed) {
    return static_cast<std::uint16_t>(packed >> domain_shift);
  }
  [[nodiscard]] static std::uint64_t number_of(std::uint64_t packed) {
    return (packed & spec::low_bits(domain_shift)) >> std::countr_zero(packed) >> 1;
  }
  [[nodiscard]] static unsigned level_of(std::uint64_t packed) {
    return static_cast<unsigned>(std::countr_zero(packed)) / 9 + 1;
  }

private:
  static constexpr unsigned domain_shift = max_input_width - spec::page_shift + 1;
};

/// A range of input addresses of one domain, in pages: what a page-selective invalidation names.
struct page_range {
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
  /// Does an entry of `level` with this number cover a page of the range?
  [[nodiscard]] bool touches(std::uint64_t number, unsigned level) const {
    const unsigned shift = spec::level_shift(level) - spec::page_shift;
    return number >= first_page >> shift && number <= last_page >> shift;
  }
};

/// All translation caches of one remapping unit and what invalidations mean for them.
class translation_caches {
public:
  /// Throws std::invalid_argument for a shape that cannot be built.
  explicit translation_caches(const cache_shapes& shapes);

  using context_cache = cache<context_tag, context_value>;
  using page_cache = cache<page_tag, page_value>;
  using table_cache = cache<page_tag, table_value>;

  [[nodiscard]] context_cache& contexts() { return contexts_; }
  [[nodiscard]] const context_cache& contexts() const { return contexts_; }
  [[nodiscard]] page_cache& iotlb() { return iotlb_; }
  [[nodiscard]] const page_cache& iotlb() const { return iotlb_; }
  /// The array of pages larger than 4 KB, if there is one; misses are counted in `iotlb`.
  [[nodiscard]] const page_cache& large_iotlb() const { return large_; }
  /// Pages have so many sizes: 4 KB, 2 MB, 1 GB, 512 GB, 256 TB (VT-d 10.4.2, SPS).
  static constexpr unsigned max_leaf_level = 5;
  /// The highest level whose non-leaf entries are cached; a sixth level (AW = 4) is read from memory always.
  static constexpr unsigned max_cached_level = 5;
  /// The paging-structure cache that holds non-leaf entries of `level` (2 = PDE .. 5 = PML5E).
  [[nodiscard]] table_cache& tables(unsigned level) { return tables_[level - 2]; }
  [[nodiscard]] const table_cache& tables(unsigned level) const { return tables_[level - 2]; }

  /// IOTLB look-up over all page sizes that have entries; one hit or one miss is counted.
  [[nodiscard]] page_value* lookup_page(std::uint16_t domain, std::uint64_t address) {
    // Nearly always only 4 KB pages are there: one look-up, one predictable branch.
    if (larger_pages_ == 0) [[likely]] {
      return iotlb_.lookup(page_tag::of(domain, address, 1));
    }
    return lookup_any_size(domain, address);
  }
  /// `cache::find_recent` for a page, as long as all cached pages are of 4 KB.
  [[nodiscard]] const page_value* find_recent_page(std::uint16_t domain, std::uint64_t address) const {
    return larger_pages_ == 0 ? iotlb_.find_recent(page_tag::of(domain, address, 1)) : nullptr;
  }
  [[nodiscard]] const page_value* peek_page(std::uint16_t domain, std::uint64_t address) const;
  /// Returns the packed `page_tag` of the entry that had to leave, or 0.
  /// `absent`: the IOTLB is known not to hold it.
  std::uint64_t fill_page(std::uint16_t domain, std::uint64_t address, const page_value& value,
                          bool absent = false);

  /// The deepest cached non-leaf entry on the way of `address`, below `levels` levels: the level of the table
  /// that is to be read next and where it is; level 0 when nothing is cached.
  struct start_point {
    unsigned level = 0;
    table_value value{};
  };
  [[nodiscard]] start_point lookup_tables(std::uint16_t domain, std::uint64_t address, unsigned levels) {
    return has_tables_ ? lookup_all_tables(domain, address, levels) : start_point{};
  }
  /// Is there any paging-structure cache?
  [[nodiscard]] bool has_tables() const { return has_tables_; }
  [[nodiscard]] start_point peek_tables(std::uint16_t domain, std::uint64_t address, unsigned levels) const;
  void fill_table(std::uint16_t domain, std::uint64_t address, unsigned level, const table_value& value) {
    tables(level).fill(page_tag::of(domain, address, level), value);
  }

  // Context-cache invalidation (VT-d 6.5.1.1); they return the number of entries removed.
  std::size_t invalidate_all_contexts();
  std::size_t invalidate_contexts_of_domain(std::uint16_t domain);
  /// `ignored` has ones where the source-id is not compared (FM field: phantom functions). With a `domain`
  /// only entries of that domain go.
  std::size_t invalidate_contexts_of_source(spec::source_id source, std::uint16_t ignored,
                                            std::optional<std::uint16_t> domain);

  // IOTLB invalidation (VT-d 6.5.1.2): leaf entries, and non-leaf entries as the granularity says.
  std::size_t invalidate_all_pages();
  std::size_t invalidate_pages_of_domain(std::uint16_t domain);
  /// With `leaf_only` (IH = 1) the paging-structure caches keep their entries; otherwise those that cover the
  /// range go, or all of the domain where the part does so (`whole_domain_tables`; both exist in real parts).
  std::size_t invalidate_pages(std::uint16_t domain, const page_range& range, bool leaf_only,
                               bool whole_domain_tables);

  void clear_statistics();

  /// Sections of each cache.
  template <class Archive>
  void serialize(Archive& archive) {
    contexts_.serialize(archive);
    iotlb_.serialize(archive);
    large_.serialize(archive);
    for (table_cache& each : tables_)
      each.serialize(archive);
    archive.section("page sizes", [&] { archive(larger_pages_); });
  }

private:
  page_value* lookup_any_size(std::uint16_t domain, std::uint64_t address);
  start_point lookup_all_tables(std::uint16_t domain, std::uint64_t address, unsigned levels);
  void recount_larger_pages();
  // Which array holds pages of `level`.
  [[nodiscard]] page_cache& pages(unsigned level) { return level > 1 && has_large_ ? large_ : iotlb_; }
  [[nodiscard]] const page_cache& pages(unsigned level) const {
    return level > 1 && has_large_ ? large_ : iotlb_;
  }
  std::uint64_t fill_larger_page(std::uint16_t domain, std::uint64_t address, const page_value& value);

  context_cache contexts_;
  page_cache iotlb_;
  page_cache large_;
  std::array<table_cache, max_cached_level - 1> tables_;
  // How many cached pages are larger than 4 KB.
  std::size_t larger_pages_ = 0;
  bool has_tables_ = false;
  bool has_large_ = false;
  bool in_pieces_ = false;
};

[[gnu::always_inline]] inline std::uint64_t translation_caches::fill_page(std::uint16_t domain,
                                                                          std::uint64_t address,
                                                                          const page_value& value,
                                                                          bool absent) {
  if (value.level > 1) [[unlikely]]
    return fill_larger_page(domain, address, value);
  const std::uint64_t left = iotlb_.fill(page_tag::of(domain, address, 1), value, absent);
  if (left != 0 && page_tag::level_of(left) > 1) --larger_pages_;
  return left;
}

} // namespace vtd::remap
